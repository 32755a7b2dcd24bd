"""One sitting of training: its clock, its log, its checkpoint."""

import csv
import signal
import time

import torch

import checkpoint
from restore import adopt_tokenizer

SAVE_EVERY = 180


class Sitting:
    def __init__(self, args):
        # A settled model has come to rest and learns badly from there: it is kept beside what goes on.
        self.args, self.path = args, args.work / ("settled.pt" if args.settle else "checkpoint.pt")
        self.start, self.saved, self.stopped = time.time(), time.time(), False
        before = args.work / "checkpoint.pt"
        self.state = checkpoint.read(before, args.device) if before.is_file() else self.fresh()
        self.fixed = self.state["fixed"]
        if self.start_from():
            adopt_tokenizer(self.start_from(), args.work)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)

    def fresh(self):
        keys = ("autoencoder", "shape", "seed")
        return {"fixed": {key: getattr(self.args, key) for key in keys if hasattr(self.args, key)}, "stage1": None, "stage2": None}

    def start_from(self):
        """The folder of an exported model whose weights a run that has no checkpoint begins with."""
        return None if self.state["stage1"] and self.state["stage2"] else getattr(self.args, "start_from", None)

    def stop(self, *_):
        """A signal ends the sitting after the step at work, with everything kept."""
        self.stopped = True

    def part(self):
        """How much of the sitting's time is over."""
        return (time.time() - self.start) / (60 * self.args.minutes)

    def over(self):
        return self.stopped or self.part() > 1

    def log(self, **row):
        shown = (f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items())
        print(" ".join(shown), flush=True)
        file = self.args.work / f"log-{row['stage']}.csv"
        new = not file.is_file()
        with file.open("a", newline="") as out:
            writer = csv.DictWriter(out, row)
            if new:
                writer.writeheader()
            writer.writerow(row)

    def keep(self, stage, collect, always=False):
        """Writes the checkpoint now and then; `collect` is asked for the stage's state only when it is written."""
        if always or time.time() - self.saved > SAVE_EVERY:
            self.state[stage] = collect()
            checkpoint.save(self.path, self.state)
            self.saved = time.time()


class Pace:
    """Means over the steps since the last line of the log."""

    def __init__(self):
        self.start, self.losses, self.images = time.time(), [], 0

    def add(self, loss, images):
        self.losses.append(loss)
        self.images += images

    def take(self):
        """Mean losses and pictures a second."""
        mean, rate = torch.stack(self.losses).mean(0), self.images / (time.time() - self.start)
        self.__init__()
        return mean, rate
