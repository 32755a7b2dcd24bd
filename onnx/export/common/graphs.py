"""Graphs of modules, compared with torch before and after their weights are made small."""

import json
import warnings

import numpy as np
import onnxruntime
import torch

from compress import compress

OPSET = 18
LIMIT = 0.02  # relative root mean square by which a compressed graph may differ from torch


def write_graph(file, module, inputs, output, axes):
    file.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, tuple(inputs.values()), str(file), input_names=list(inputs), output_names=[output],
            dynamic_axes=axes | {output: {0: "batch"}}, opset_version=OPSET, dynamo=False,
        )


def run(file, inputs):
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return session.run(None, {name: value.numpy() for name, value in inputs.items()})[0]


def difference(file, module, inputs):
    """Relative root mean square between the graph and torch, on the whole batch and on one row of it."""
    worst = 0.0
    for rows in (2, 1):
        given = {name: value[:rows] for name, value in inputs.items()}
        want, have = module(*given.values()).numpy(), run(file, given)
        assert have.shape == want.shape
        worst = max(worst, float(np.sqrt(((have - want) ** 2).mean() / (want**2).mean())))
    return worst


def one_time_for_all(file, inputs):
    """Runtimes give one time for a whole batch where its rows agree."""
    one = run(file, inputs | {"timestep": torch.tensor([500.0])})
    both = run(file, inputs | {"timestep": torch.tensor([500.0, 500.0])})
    assert np.abs(one - both).max() < 1e-4


def write_all(out, pieces):
    """`{component: (module, inputs by name, output, dynamic axes, weights)}` as graphs below `out`."""
    for name, (module, inputs, output, axes, weights) in pieces.items():
        file = out / name / "model.onnx"
        write_graph(file, module, inputs, output, axes)
        exact = difference(file, module, inputs)
        compress(file, weights)
        close = difference(file, module, inputs)
        size = f"{file.stat().st_size:,} bytes"
        print(f"{name}: {weights}, {size}, differs by {exact:.1e} before and {close:.2%} after", flush=True)
        assert exact < 1e-4 and close < LIMIT, f"{name} differs too much from torch"
        if "timestep" in inputs:
            one_time_for_all(file, inputs)
    print(f"{sum(f.stat().st_size for f in out.rglob('*.onnx')):,} bytes of graphs")


def write_configs(out, configs):
    for name, config in configs.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(json.dumps(config, indent=2) + "\n")
