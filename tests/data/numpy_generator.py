"""Golden numbers of numpy's current generator: numpy.random.default_rng(seed).standard_normal.

usage: python numpy_generator.py OUT.json

FACTS (numpy 2.4; the Rust stream gives the same bits)
* seed -> SeedSequence: a pool of four 32-bit words, hashed and mixed each into each -> four 64-bit words -> PCG64 (XSL-RR, 128 bits).
* standard_normal in f64: ziggurat with 256 layers; a word gives layer (8 bits), sign (1) and point (52). standard_normal(dtype=f32) uses
  other bits and gives other numbers; deployments that draw latents call it without dtype and cast.
* numpy keeps the layers' tables as constants; recomputing them in f64 moves results by 1e-14 relative, which no f32 shows.
"""
import hashlib
import json
import sys

import numpy as np


def record(seed, sizes):
    generator = np.random.default_rng(seed)
    draws = [generator.standard_normal(n).astype(np.float32) for n in sizes]
    word = lambda a: " ".join(f"{v:08x}" for v in a.view(np.uint32))
    digest = lambda a: hashlib.sha256(a.astype("<f4").tobytes()).hexdigest()
    return {"seed": seed, "draws": [{"shape": [len(a)], "first": word(a[:8]), "last": word(a[-8:]), "sha256": digest(a)} for a in draws]}


def main(path):
    rows = [record(seed, [8, 100, 16384]) for seed in (0, 1, 42, 2**32 - 1, 2**32 + 5, 2**63 - 1, 2**64 - 1)]
    rows.append(record(7, [1_000_000]))
    doc = {"made_by": "numpy_generator.py", "numpy": np.__version__, "rows": rows}
    with open(path, "w") as f:
        json.dump(doc, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
