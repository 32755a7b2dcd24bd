"""Weights read back from exported graphs, so that a run whose checkpoint is gone goes on from a model that was landed."""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from graphs import write_graph


def add_flag(args: argparse.ArgumentParser):
    args.add_argument("--start-from", type=Path, metavar="FOLDER", help="an exported model, where there is no checkpoint")


def restore_all(folder, pieces):
    """`pieces` as of `graphs.write_all`."""
    for name, (module, inputs, output, axes, _) in pieces.items():
        restore(folder / name / "model.onnx", module, inputs, output, axes)
        print(f"{name or 'model'}: weights of {folder}", flush=True)


def adopt_tokenizer(folder, work):
    """What a model knows of words, it knows by the numbers of its own tokenizer."""
    own = next(file for file in (folder / "tokenizer/tokenizer.json", folder / "tokenizer.json") if file.is_file())
    shutil.copy(own, work / "tokenizer.json")


def initializers(file):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(file).graph.initializer}


def widened(kept):
    """`{weight: values}` of a graph that `compress` may have made smaller."""
    values = {name: value for name, value in kept.items() if value.dtype == np.float32}
    for name, small in kept.items():
        if name.endswith("_half"):
            values[name.removesuffix("_half")] = small.astype(np.float32)
        elif name.endswith("_int8"):
            weight = name.removesuffix("_int8")
            wide = small.astype(np.float32) * kept[f"{weight}_scale"].astype(np.float32)
            values[weight] = wide.reshape(kept.get(f"{weight}_shape", wide.shape))
    return values


def folded(module):
    """Names of what an export folds into the layer before: normalisation by running statistics."""
    layers = {name: layer for name, layer in module.named_modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)}
    for layer in layers.values():
        layer.running_mean.zero_()
        layer.running_var.fill_(1 - layer.eps)
    return {f"{name}.{value}" for name, layer in layers.items() for value in layer.state_dict()}


def mark(module, but):
    """Values that stand once each, so that a fresh graph tells which of its weights is which parameter."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point() and name not in but:
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)


def inputs_of_nodes(file):
    """`{(node, position): weight}`: names of nodes say where in the module they come from, names of weights may be mere numbers.
    A weight that equals another one is given on by a node of its own."""
    graph, found = onnx.load(file).graph, {}
    same = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity"}
    for node in graph.node:
        for position, name in enumerate(node.input):
            found[node.name, position] = same.get(name, name)
    return found


def places(module, inputs, output, axes):
    """`{parameter: ((node, position) where the graph takes it, whether it lies transposed there)}`"""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        write_graph(file, module, inputs, output, axes)
        graph, taken = initializers(file), {name: place for place, name in inputs_of_nodes(file).items()}
    by_value = {}
    for name, value in graph.items():
        by_value[value.shape, value.tobytes()] = (taken[name], False)
        if value.ndim == 2:
            by_value.setdefault((value.T.shape, value.T.tobytes()), (taken[name], True))
    found = {}
    for name, value in module.state_dict().items():
        value = value.numpy()
        if (value.shape, value.tobytes()) in by_value:
            found[name] = by_value[value.shape, value.tobytes()]
    return found


@torch.no_grad()
def restore(file, module, inputs, output, axes):
    """Fills `module` with the weights of the graph that `graphs.write_all` made of its like."""
    neutral = folded(module)
    mark(module, neutral)
    found, own = places(module, inputs, output, axes), module.state_dict()
    names, values = inputs_of_nodes(file), widened(initializers(file))
    kept = {name: names.get(place) for name, (place, _) in found.items()}
    lost = [name for name in own if name not in neutral and kept.get(name) not in values]
    assert not lost, f"{file} does not say what these are: {lost}"
    for name in own.keys() - neutral:
        value = torch.from_numpy(values[kept[name]].copy())
        own[name].copy_(value.T if found[name][1] else value)
