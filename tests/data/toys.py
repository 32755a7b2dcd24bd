"""What make_audioldm.py and make_stable_audio.py share: a toy pipeline's deployment and, beside it, what diffusers makes of it."""
from pathlib import Path

import numpy as np

from make_models import shorten


def write(out: Path, pipeline, golden, export):
    """`pipeline(folder)` writes its tokenizer there; `golden(pipe)` gives `{name: values}`; `export(pipe, folder)` is a recipe's."""
    (out / "model/tokenizer").mkdir(parents=True, exist_ok=True)
    pipe = pipeline(out / "model/tokenizer")
    pipe.set_progress_bar_config(disable=True)
    values = golden(pipe)
    export(pipe, out / "model")
    shorten(out / "model")
    for name, value in values.items():
        np.save(out / f"{name}.npy", value)
