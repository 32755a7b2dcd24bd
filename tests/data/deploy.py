"""What make_models.py and make_full.py share: CLIP's vocabulary and export with optimum as a user's deployment has it."""
import gzip
import importlib.util
import json
from pathlib import Path

SCALED_LINEAR = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1)


def clip_tokenizer(folder: Path, merges: int = 49152 - 256 - 2):
    """CLIP's tokenizer with its first `merges` merges. All of them (the default) give the real vocabulary of 49408 tokens:
    256 bytes, 256 bytes that end a word, the merges, two specials."""
    from transformers import CLIPTokenizer
    from transformers.models.clip.tokenization_clip import bytes_to_unicode

    source = Path(importlib.util.find_spec("open_clip").origin).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.open(source).read().decode("utf-8").split("\n")[1 : merges + 1]
    byte_tokens = list(bytes_to_unicode().values())
    vocab = byte_tokens + [b + "</w>" for b in byte_tokens] + ["".join(m.split()) for m in lines]
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(vocab)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(lines) + "\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77, pad_token="<|endoftext|>")


def export(pipeline, folder: Path):
    """Write `pipeline` to `folder` the way `optimum-cli export onnx` does."""
    from optimum.exporters.onnx import onnx_export_from_model

    onnx_export_from_model(pipeline, folder, task="text-to-image", do_validation=False, no_post_process=True)
    forget_paths(folder)


def forget_paths(folder: Path):
    """No path of the exporting machine stays in a deployment."""
    for f in folder.rglob("*.json"):
        d = json.loads(f.read_text())
        if isinstance(d, dict) and "_name_or_path" in d:
            del d["_name_or_path"]
            f.write_text(json.dumps(d, indent=2))
