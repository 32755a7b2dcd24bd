"""What Python makes of the models of make_text.py: greedy texts, token by token, with their log-probabilities.

    python text_golden.py models text_golden.json

- bert: transformers' BertForMaskedLM, the likeliest token first, one a step
- llada: LLaDA's published loop (blocks, quota a step, lowest confidence stays masked; guidance by a masked prompt), and
  Fast-dLLM's: threshold, prefix cache, dual cache
- dream: Dream's published loop (shifted logits, maskgit_plus, topk_margin, entropy; top-p and top-k)
- blocks: block diffusion by an attention mask, without keys and values; blocks of 1 are left to right, one token each
- refinement: diffusers' LLaDA2Pipeline with its BlockRefinementScheduler, with and without edits

The loops are written anew here after the papers and the published code, all on the CPU in f32, probabilities in f64.
Every choice that hangs on less than 2e-4 is refused, so that rounding cannot decide a text.
"""
import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer

import make_text

torch.set_grad_enabled(False)
CLOSE = 2e-4


def clear_choice(values, count):
    """The `count` largest of `values`; refuses what rounding could decide."""
    order = values.sort(descending=True)
    if 0 < count < len(values):
        gap = order.values[count - 1] - order.values[count]
        assert gap > CLOSE, f"too close: {gap}"
    return order.indices[:count].tolist()


def clear_argmax(logits):
    top = logits.topk(2)
    assert top.values[0] - top.values[1] > CLOSE, "too close"
    return int(top.indices[0])


class Found:
    """Tokens with the turn and the log-probability they were found with."""

    def __init__(self, prompt, length, mask):
        self.tokens = torch.tensor([*prompt, *[mask] * length])
        self.mask, self.start, self.turn = mask, len(prompt), 0
        self.how = {}

    def open(self, low, high):
        return [i for i in range(low, high) if self.tokens[i] == self.mask]

    def settle(self, place, token, logits):
        self.tokens[place] = token
        self.how[place] = [self.turn, float(logits.double().log_softmax(-1)[token])]

    def record(self, **facts):
        places = range(self.start, len(self.tokens))
        return facts | {
            "tokens": self.tokens[self.start :].tolist(), "turns": [self.how[i][0] for i in places],
            "log_probabilities": [round(self.how[i][1], 6) for i in places], "evaluations": self.turn,
        }


def quota(open_count, steps, step):
    return open_count // steps + (step < open_count % steps)


class Cached:
    """A network with keys and values: `run` on some places, the others as they were kept."""

    def __init__(self, net):
        self.net, self.kept = net, None

    def run(self, tokens, places, others):
        past = [part[:, :, others] for part in self.kept] if others else self.empty()
        mask = torch.ones(1, len(places) + len(others), dtype=torch.int64)
        logits, *parts = self.net(tokens[places][None], mask, torch.tensor(places)[None], *past)
        new = [part[:, :, len(others) :] for part in parts]
        if self.kept is None or len(places) == len(tokens):
            self.kept = new
        return logits[0], new

    def empty(self):
        return [torch.zeros(1, self.net.heads, 0, self.net.width // self.net.heads)] * (2 * len(self.net.blocks))


def llada(net, prompt, length, block, steps=None, threshold=None, guidance=1.0, cache=None):
    found = Found(prompt, length, mask=0)
    network, total = Cached(net), len(prompt) + length
    everything = list(range(total))
    for low in range(len(prompt), total, block):
        high, step = low + block, 0
        open_count, block_steps = len(found.open(low, high)), (steps or 1) * block // length
        while open_places := found.open(low, high):
            if cache and step > 0:
                places = list(range(low, total if cache == "prefix" else high))
                others = [i for i in everything if i not in places and (cache == "dual" or i < low)]
                own, new = network.run(found.tokens, places, others)
                if cache == "dual":
                    # The block's fresh keys and values take the place of the old ones.
                    for part, fresh in zip(network.kept, new):
                        part[:, :, places] = fresh
                logits = torch.full((total, own.shape[-1]), float("nan"))
                logits[places] = own
            else:
                logits = network.run(found.tokens, everything, [])[0]
            if guidance != 1.0:
                hidden = found.tokens.clone()
                hidden[: len(prompt)] = 0
                without = Cached(net).run(hidden, everything, [])[0]
                logits = without + guidance * (logits - without)
                logits[:, 0] = -1e9
            found.turn += 1
            tokens = {i: clear_argmax(logits[i]) for i in open_places}
            sure = torch.stack([logits[i].double().softmax(-1)[tokens[i]] for i in open_places])
            if threshold is None:
                count = quota(open_count, block_steps, step)
            else:
                count = max(1, int((sure >= threshold).sum()))
                assert (sure - threshold).abs().min() > 1e-4
            for i in clear_choice(sure.log(), count):
                found.settle(open_places[i], tokens[open_places[i]], logits[open_places[i]])
            step += 1
    facts = dict(model="llada", prompt=prompt, length=length, block=block, steps=steps, threshold=threshold)
    return found.record(**facts, guidance=guidance, cache=cache)


def cut(logits, top_p, top_k):
    """Dream's order: top-p, then top-k; one of them here."""
    assert top_p is None or top_k is None
    if top_p is not None:
        values, order = logits.sort(descending=True)
        over = values.softmax(-1).cumsum(-1) > top_p
        over[1:], over[0] = over[:-1].clone(), False
        logits = logits.masked_fill(torch.zeros_like(over).scatter(0, order, over), torch.finfo(logits.dtype).min)
    if top_k is not None:
        logits = logits.masked_fill(logits < logits.topk(top_k).values[-1], torch.finfo(logits.dtype).min)
    return logits


def dream(net, prompt, length, steps, order, top_p=None, top_k=None):
    found = Found(prompt, length, mask=2)
    total = len(prompt) + length
    times = torch.linspace(1, 1e-3, steps + 1)
    for step in range(steps):
        open_places = found.open(0, total)
        if not open_places:
            break
        count = len(open_places)
        if step < steps - 1:
            count = int(torch.tensor(float(count)) * (1 - times[step + 1] / times[step]))
        if count == 0:
            continue  # The reference evaluates for nothing here.
        raw = net(found.tokens[None], torch.ones(1, total, dtype=torch.int64))[0]
        logits = torch.cat([raw[:1], raw[:-1]])
        found.turn += 1
        ranks, tokens = [], {}
        for i in open_places:
            p = cut(logits[i], top_p, top_k).softmax(-1)
            tokens[i] = clear_argmax(logits[i])
            best = p.topk(2).values
            entropy = (p * (p + 1e-10).log()).sum()
            ranks.append({"maskgit-plus": best[0], "topk-margin": best[0] - best[1], "entropy": entropy}[order])
        for i in clear_choice(torch.stack(ranks), count):
            found.settle(open_places[i], tokens[open_places[i]], logits[open_places[i]])
    facts = dict(model="dream", prompt=prompt, length=length, steps=steps, order=order, top_p=top_p, top_k=top_k)
    return found.record(**facts)


def bert(folder):
    """Gaps filled one token a step, the likeliest first; the scores of a single gap are those of transformers' pipeline."""
    from transformers import BertTokenizerFast

    tokenizer = BertTokenizerFast.from_pretrained(folder)
    net = make_text.bert_model(len(tokenizer)).eval()
    records = []
    for text in ["The wind goes [MASK] the south", "All the [MASK] run into [MASK] [MASK] , yet the sea is not [MASK] ."]:
        ids = tokenizer(text)["input_ids"]
        found = Found(ids, 0, mask=tokenizer.mask_token_id)
        gaps = found.open(0, len(ids))
        while open_places := found.open(0, len(ids)):
            found.turn += 1
            logits = net(found.tokens[None]).logits[0]
            tokens = {i: clear_argmax(logits[i]) for i in open_places}
            sure = torch.stack([logits[i].double().softmax(-1)[tokens[i]] for i in open_places])
            for i in clear_choice(sure, 1):
                found.settle(open_places[i], tokens[open_places[i]], logits[open_places[i]])
        records.append({
            "model": "bert", "text": text, "filled": tokenizer.decode(found.tokens, skip_special_tokens=True),
            "tokens": [int(found.tokens[i]) for i in gaps], "turns": [found.how[i][0] for i in gaps],
            "log_probabilities": [round(found.how[i][1], 6) for i in gaps], "evaluations": found.turn,
        })
    return records


def in_blocks(net, tokens, block):
    """Logits of a network whose tokens see their own block and those before it, by a mask."""
    length = len(tokens)
    place, half = torch.arange(length), net.width // net.heads // 2
    angles = (place[:, None].float() * 100.0 ** (-torch.arange(half) / half))[None, None]
    mask = (place[:, None] // block < place[None] // block).float()[None, None] * -1e9
    x = net.embed(tokens[None])
    for layer in net.blocks:
        x = layer(x, angles, None, mask)[0]
    return net.head(make_text.norm(x))[0]


def blockwise(net, prompt, length, block, threshold):
    """Block diffusion: blocks at multiples of their length, prompt counted; every token that is sure enough."""
    found = Found(prompt, length, mask=0)
    total = len(prompt) + length
    for low in range(len(prompt) // block * block, total, block):
        high = min(low + block, total)
        while open_places := found.open(low, high):
            found.turn += 1
            logits = in_blocks(net, found.tokens[:high], block)
            tokens = {i: clear_argmax(logits[i]) for i in open_places}
            sure = torch.stack([logits[i].double().softmax(-1)[tokens[i]] for i in open_places])
            count = max(1, int((sure >= threshold).sum()))
            assert (sure - threshold).abs().min() > 1e-4
            for i in clear_choice(sure.log(), count):
                found.settle(open_places[i], tokens[open_places[i]], logits[open_places[i]])
    return found.record(model="blocks", prompt=prompt, length=length, block=block, threshold=threshold)


class WithoutKeys(torch.nn.Module):
    """The network as LLaDA2Pipeline calls one; like LLaDA2's own, it sees no block behind a token's."""

    def __init__(self, net, block):
        super().__init__()
        self.net, self.block, self.calls = net, block, 0
        self.device, self.dtype = torch.device("cpu"), torch.float32

    def forward(self, ids, attention_mask, position_ids):
        from types import SimpleNamespace

        self.calls += 1
        assert attention_mask.all()
        logits = in_blocks(self.net, ids[0], self.block)[None]
        for row in logits[0, -self.block :]:
            clear_argmax(row)
        return SimpleNamespace(logits=logits)


def refinement(net, prompt, blocks, steps, threshold, editing, block=4):
    """`steps` of each block. The text ends where a block does: the pipeline would fill a last block up."""
    from diffusers import BlockRefinementScheduler, LLaDA2Pipeline

    length = blocks * block - len(prompt) % block

    model = WithoutKeys(net, block)
    pipeline = LLaDA2Pipeline(model=model, scheduler=BlockRefinementScheduler(block_length=block), tokenizer=None)
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(
        input_ids=torch.tensor([prompt]), gen_length=length, block_length=block, num_inference_steps=steps,
        threshold=threshold, editing_threshold=editing, eos_early_stop=False, mask_token_id=0, output_type="seq",
        sampling_method="greedy", max_post_steps=15,
    )
    return dict(
        model="refinement", prompt=prompt, length=length, block=block, steps=steps * blocks, threshold=threshold,
        editing=editing, tokens=made.sequences[0].tolist(), evaluations=model.calls,
    )


def tries(make, prompts):
    """The first prompt on which nothing hangs on rounding. Prompts are pairs of text and ids."""
    for text, prompt in prompts:
        try:
            return make(prompt) | {"prompt": text}
        except AssertionError as error:
            last = error
    raise last


def main(models, out):
    texts = ["The river runs", "A time to plant", "Where is the light?", "There is nothing new", "Two are better than"]
    texts += [text + " " + other for text in texts for other in texts]
    open_tokenizer = lambda name: Tokenizer.from_file(str(models / name / "tokenizer.json"))
    encode = lambda name: [(text, open_tokenizer(name).encode(text).ids) for text in texts]
    net, prompts = make_text.llada_model(open_tokenizer("llada").get_vocab_size()).eval(), encode("llada")
    plain = [
        dict(length=16, block=16, steps=16), dict(length=16, block=8, steps=8), dict(length=24, block=8, steps=12),
        dict(length=16, block=1, steps=16), dict(length=16, block=16, steps=8, guidance=2.0),
        dict(length=16, block=8, threshold=0.9), dict(length=24, block=24, threshold=0.6),
        dict(length=16, block=8, steps=16, cache="prefix"), dict(length=16, block=8, steps=16, cache="dual"),
        dict(length=24, block=8, threshold=0.8, cache="dual"), dict(length=24, block=12, threshold=0.8, cache="prefix"),
    ]
    records = [tries(lambda prompt: llada(net, prompt, **case), prompts) for case in plain]
    edits = [dict(blocks=2, steps=4, threshold=0.95, editing=None), dict(blocks=3, steps=2, threshold=0.7, editing=0.5)]
    edits += [dict(blocks=3, steps=4, threshold=0.3, editing=0.3), dict(blocks=4, steps=4, threshold=0.1, editing=0.2)]
    records += [tries(lambda prompt: refinement(net, prompt, **case), prompts) for case in edits]
    for length, block, threshold in ((12, 4, 0.5), (15, 5, 0.3), (9, 1, 0.9)):
        case = dict(length=length, block=block, threshold=threshold)
        records.append(tries(lambda prompt: blockwise(net, prompt, **case), prompts))
    net, prompts = make_text.dream_model(open_tokenizer("dream").get_vocab_size()).eval(), encode("dream")
    for order in ("maskgit-plus", "topk-margin", "entropy"):
        for case in (dict(length=16, steps=8), dict(length=16, steps=16), dict(length=12, steps=5, top_p=0.9)):
            records.append(tries(lambda prompt: dream(net, prompt, order=order, **case), prompts))
    records.append(tries(lambda prompt: dream(net, prompt, order="entropy", length=12, steps=6, top_k=5), prompts))
    records += bert(models / "bert")
    out.write_text("[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n")
    print(len(records), "records")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
