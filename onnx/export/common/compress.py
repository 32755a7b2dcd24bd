"""Smaller weights, the arithmetic still in single precision: int8 per channel, or half precision."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GROUP = 32  # inputs that share a channel's scale
SMALLEST = 2048  # values; below, compressing saves nothing


def consumers(graph):
    """`{initializer: [(node, position)]}`"""
    found = {}
    for node in graph.node:
        for position, name in enumerate(node.input):
            found.setdefault(name, []).append((node, position))
    return found


def channel_axis(node, position, values):
    """The axis of output channels of a weight, or of rows of a table; None for anything else."""
    if node.op_type == "MatMul" and position == 1 and values.ndim == 2:
        return 1
    if node.op_type == "Gemm" and position == 1:
        return 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1
    if node.op_type == "Gather" and position == 0 and values.ndim == 2:
        return 0
    return None


def int8_nodes(weight, values, axis):
    """The weight as symmetrical int8, a scale for each channel of each group of `GROUP` inputs, and the nodes that restore it.

    Cast and Mul, which ONNX Runtime computes once on loading. DequantizeLinear before MatMul it would fuse (1.32, unasked)
    into MatMulNBits, which quantises the activations as well: 1 % off, and one row alone another result than in a batch."""
    grouped = values.ndim == 2 and axis == 1 and values.shape[0] % GROUP == 0
    shaped = values.reshape(-1, GROUP, values.shape[1]) if grouped else values
    rest = (1,) if grouped else tuple(i for i in range(values.ndim) if i != axis)
    scale = (np.maximum(np.abs(shaped).max(rest, keepdims=True), 1e-12) / 127).astype(np.float16).astype(np.float32)
    small = np.clip(np.rint(shaped / np.maximum(scale, 1e-12)), -127, 127).astype(np.int8)
    names = [f"{weight}_int8", f"{weight}_scale", f"{weight}_wide", f"{weight}_step", f"{weight}_shaped", f"{weight}_shape"]
    nodes = [
        helper.make_node("Cast", [names[0]], [names[2]], name=f"{weight}_widen", to=TensorProto.FLOAT),
        helper.make_node("Cast", [names[1]], [names[3]], name=f"{weight}_widen_scale", to=TensorProto.FLOAT),
        helper.make_node("Mul", [names[2], names[3]], [names[4] if grouped else weight], name=f"{weight}_restore"),
    ]
    kept = [numpy_helper.from_array(small, names[0]), numpy_helper.from_array(scale.astype(np.float16), names[1])]
    if grouped:
        kept.append(numpy_helper.from_array(np.array(values.shape, np.int64), names[5]))
        nodes.append(helper.make_node("Reshape", [names[4], names[5]], [weight], name=f"{weight}_reshape"))
    return kept, nodes


def half_nodes(weight, values):
    name = f"{weight}_half"
    node = helper.make_node("Cast", [name], [weight], name=f"{weight}_restore", to=TensorProto.FLOAT)
    return [numpy_helper.from_array(values.astype(np.float16), name)], [node]


def compress(file, kind):
    """Rewrites a graph's weights in place."""
    model = onnx.load(file)
    graph, used = model.graph, consumers(model.graph)
    kept, added, nodes = [], [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        axes = {channel_axis(node, at, values) for node, at in used.get(tensor.name, [])}
        fits = values.dtype == np.float32 and values.size >= SMALLEST
        if not fits or (kind == "int8" and (None in axes or len(axes) != 1)):
            kept.append(tensor)
            continue
        own, restore = int8_nodes(tensor.name, values, axes.pop()) if kind == "int8" else half_nodes(tensor.name, values)
        added += own
        nodes += restore
    body = nodes + list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept + added)
    graph.node.extend(body)
    onnx.checker.check_model(model)
    onnx.save(model, file)
