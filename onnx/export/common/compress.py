"""Smaller weights, the arithmetic still in single precision: int8 per channel, or half precision."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

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
    """The weight as symmetrical int8, one scale a channel, and the nodes that restore it.

    Cast and Mul, which ONNX Runtime computes once on loading. DequantizeLinear before MatMul it would fuse (1.32, unasked)
    into MatMulNBits, which quantises the activations as well: 1 % off, and one row alone another result than in a batch."""
    rest = tuple(i for i in range(values.ndim) if i != axis)
    scale = np.maximum(np.abs(values).max(rest), 1e-12).astype(np.float32) / 127
    scale = scale.reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    small = np.clip(np.rint(values / scale), -127, 127).astype(np.int8)
    names = [f"{weight}_int8", f"{weight}_scale", f"{weight}_wide"]
    wide = helper.make_node("Cast", names[:1], names[2:], name=f"{weight}_widen", to=TensorProto.FLOAT)
    node = helper.make_node("Mul", [names[2], names[1]], [weight], name=f"{weight}_restore")
    return [numpy_helper.from_array(small, names[0]), numpy_helper.from_array(scale, names[1])], [wide, node]


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
