"""Golden increments of the Brownian motion behind k-diffusion's and diffusers' SDE samplers.

usage: python brownian.py OUT.json

Rows are unnormalised: W(to) - W(from) of BatchedBrownianTree, that is BrownianTreeNoiseSampler's noise times sqrt(|to - from|).

FACTS (torchsde 0.2.6, BrownianInterval with halfway_tree, tol 1e-6, pool_size 24; confirmed by the numbers)
* The noise of a piece has the seed SeedSequence(entropy, spawn_key=(place among those of its depth, depth), pool_size=24).generate_state(4)[0];
  the whole increment has SeedSequence(entropy, pool_size=24).generate_state(3)[0]. Each is torch.Generator().manual_seed(that) and one randn.
* Ends, middles and queries are rounded to six decimals; a piece is halved at the rounded mean of its ends until the point asked for is one of them.
* left = (m - a) / (b - a) W + sqrt((m - a)(b - m) / (b - a)) noise; right = W - left. The whole has variance b - a before rounding.
* Values do not depend on what was asked before, up to f32 rounding of the sums.
* diffusers hands noise scales over as f32.
"""
import json
import sys

import torch
from diffusers.schedulers.scheduling_dpmsolver_sde import BatchedBrownianTree


def row(seed, low, high, shape, points):
    tree = BatchedBrownianTree(torch.zeros(shape), torch.tensor(low), torch.tensor(high), seed)
    steps = list(zip(points[:-1], points[1:]))
    increments = [tree(torch.tensor(a), torch.tensor(b)).flatten().tolist() for a, b in steps]
    return {"seed": seed, "low": low, "high": high, "shape": list(shape), "points": points, "increments": [[float(f"{v:.8g}") for v in i] for i in increments]}


def main(path):
    rows = [
        row(0, 0.02916718, 14.614642, (1, 4, 3, 3), [14.614642, 7.5, 3.25, 3.2, 1.0, 0.2, 0.02916718]),
        row(42, 0.02916718, 14.614642, (1, 4, 3, 3), [14.614642, 14.0, 13.9, 0.5, 0.4999, 0.03]),
        row(2**40 + 7, 0.002, 80.0, (1, 4, 3, 3), [80.0, 57.58, 0.7, 0.002]),
        row(7, 0.002, 700.0, (1, 2, 3), [699.99, 54.5, 4.248, 0.034, 0.0021]),
        row(1, 0.0, 1.0, (1, 16), [0.1, 0.7, 0.3, 0.25, 0.250001]),
    ]
    with open(path, "w") as f:
        f.write('{"made_by":"brownian.py","rows":[\n' + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "\n]}\n")


if __name__ == "__main__":
    main(sys.argv[1])
