"""Which pictures come next. A round over the data has every object once and a share of the rest (data.WEIGHTS)."""

import random


class Rounds:
    def __init__(self, items, split, weights, seed):
        self.shares = {i: weights[items[i]["kind"]] for i in split}
        self.rng, self.queue = random.Random(seed), []
        self.seen = 0

    def next(self, count):
        while len(self.queue) < count:
            some = [i for i, share in self.shares.items() if self.rng.random() < share]
            self.rng.shuffle(some)
            self.queue += some
        batch, self.queue = self.queue[:count], self.queue[count:]
        self.seen += count
        return batch

    def exposures(self):
        """Of a picture of weight 1."""
        return self.seen / sum(self.shares.values())

    def state(self):
        return {"rng": self.rng.getstate(), "queue": self.queue, "seen": self.seen}

    def restore(self, state):
        self.queue, self.seen = state["queue"], state["seen"]
        self.rng.setstate(state["rng"])
