"""Graphs of published modules by torch's exporters, compared with torch; what recipes of families share."""

import argparse
import json
import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

OPSET = 18
LARGEST = 1 << 30  # bytes of weights beyond which they lie in a file beside the graph
logging.getLogger("torch.onnx").setLevel(logging.ERROR)
LIMIT = 1e-4  # largest difference from torch, relative to the largest value


def write_graph(out, component, module, inputs, outputs, axes, traced=False):
    """Writes `out/component/model.onnx`. `axes`: names of the axes of each input that may have any length, `{axis: name}`; `traced` takes
    the older exporter, for what the dynamo exporter gets wrong."""
    file = out / component / "model.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    module = module.eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = dict(input_names=list(inputs), output_names=outputs, opset_version=OPSET)
        if traced:
            torch.onnx.export(module, tuple(inputs.values()), str(file), dynamic_axes=axes, dynamo=False, **named)
            return compare(file, module, inputs)
        made = torch.onnx.export(module, tuple(inputs.values()), dynamic_shapes=shapes(inputs, axes), dynamo=True, verbose=False, **named)
    made.save(str(file), external_data=sum(p.numel() * p.element_size() for p in module.parameters()) > LARGEST)
    compare(file, module, inputs)


def shapes(inputs, axes):
    """Of inputs in a list (what a module takes as `*rest`), the exporter wants the axes as a list as well."""
    own = [axes.get(name, {}) for name in inputs]
    named = [name for name in inputs if not name.startswith("past.")]
    rest = own[len(named) :]
    return (*own[: len(named)], tuple(rest)) if rest else tuple(own)


def compare(file, module, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        want = module(*inputs.values())
    want = want if isinstance(want, (tuple, list)) else [want]
    have = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    for name, a, b in zip([o.name for o in session.get_outputs()], have, want):
        worst = np.abs(a - b.numpy()).max() / max(float(b.abs().max()), 1e-6)
        assert a.shape == tuple(b.shape) and worst < LIMIT, f"{file}: {name} differs from torch by {worst}"
    print(f"{file.parent.name}: {file.stat().st_size:,} bytes", flush=True)


def write_json(file, value):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=2) + "\n")


def config_of(module, **more):
    """A module's configuration, without the paths of the machine that it was loaded on."""
    kept = {key: value for key, value in dict(module.config).items() if not key.startswith("_")}
    return {"_class_name": type(module).__name__} | kept | more


def write_rest(pipe, out, **index):
    """Tokenizer, scheduler and the list of what a pipeline is made of."""
    pipe.tokenizer.save_pretrained(out / "tokenizer")
    pipe.scheduler.save_pretrained(out / "scheduler")
    write_json(out / "model_index.json", {"_class_name": type(pipe).__name__} | index)


class Decoder(torch.nn.Module):
    """Latents to what they stand for, nothing drawn."""

    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, latent_sample):
        return self.vae.decode(latent_sample, return_dict=False)[0]


class Hidden(torch.nn.Module):
    """A text encoder's last states, told which tokens are a text's."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids, attention_mask):
        return self.encoder(input_ids, attention_mask=attention_mask, return_dict=True).last_hidden_state


def words(pipe, tokens):
    """Two texts as the tokenizer gives them, with which of their `tokens` are a text's."""
    ids = pipe.tokenizer(["a red cube", ""], padding="max_length", max_length=tokens, return_tensors="pt")
    return {"input_ids": ids.input_ids, "attention_mask": ids.attention_mask}


def write_text_encoder(pipe, out, tokens):
    given = words(pipe, tokens)
    write_graph(out, "text_encoder", Hidden(pipe.text_encoder), given, ["last_hidden_state"], {
        name: {0: "batch", 1: "tokens"} for name in given})


def main(doc, family, export):
    """`export.py MODEL OUT`: `export(pipe, out)` of a published pipeline of the `family`."""
    args = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("model")
    args.add_argument("out", type=Path)
    args = args.parse_args()
    export(family.from_pretrained(args.model), args.out)
