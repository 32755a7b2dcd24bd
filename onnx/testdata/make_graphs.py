"""Makes the tiny graphs of the tests: `python make_graphs.py` (needs onnx and numpy).

One function per graph. Seeds are fixed, so the files are the same each time.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

HERE = Path(__file__).parent


def save(name, nodes, inputs, outputs, weights=(), metadata=None):
    """Writes one graph; ports are (name, type, shape)."""
    ports = [[helper.make_tensor_value_info(*port) for port in side] for side in (inputs, outputs)]
    graph = helper.make_graph(nodes, name, *ports, initializer=list(weights))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="")
    model.ir_version = 9
    helper.set_model_props(model, metadata or {})
    path = HERE / f"{name}.onnx"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(model.SerializeToString())


def add():
    """sum = x + y, with a batch axis that the caller chooses."""
    node = helper.make_node("Add", ["x", "y"], ["sum"])
    ports = [("x", T.FLOAT, ["batch", 3]), ("y", T.FLOAT, ["batch", 3])]
    save("add", [node], ports, [("sum", T.FLOAT, ["batch", 3])], metadata={"made_by": "make_graphs.py"})


def casts():
    """Every element type in, unchanged and as f32 out."""
    types = {"f32": T.FLOAT, "f16": T.FLOAT16, "bf16": T.BFLOAT16, "f64": T.DOUBLE,
             "i64": T.INT64, "i32": T.INT32, "u8": T.UINT8, "bool": T.BOOL}
    nodes, inputs, outputs = [], [], []
    for name, kind in types.items():
        nodes.append(helper.make_node("Cast", [name], [f"{name}_cast"], to=T.FLOAT))
        nodes.append(helper.make_node("Identity", [name], [f"{name}_same"]))
        inputs.append((name, kind, ["n"]))
        outputs += [(f"{name}_cast", T.FLOAT, ["n"]), (f"{name}_same", kind, ["n"])]
    save("casts", nodes, inputs, outputs)


def scalar():
    """twice = t + t, where t has no axes."""
    save("scalar", [helper.make_node("Add", ["t", "t"], ["twice"])], [("t", T.FLOAT, [])], [("twice", T.FLOAT, [])])


def logarithm():
    """y = log(x): NaN for what is negative."""
    save("log", [helper.make_node("Log", ["x"], ["y"])], [("x", T.FLOAT, ["n"])], [("y", T.FLOAT, ["n"])])


def nonzero():
    """The shape of the output depends on the values, not on the shape of the input."""
    node = helper.make_node("NonZero", ["x"], ["places"])
    save("nonzero", [node], [("x", T.FLOAT, ["n"])], [("places", T.INT64, [1, "found"])])


def slow():
    """64 products of matrices as large as asked for: slow to run from a small file."""
    value = helper.make_tensor("value", T.FLOAT, [1], [1e-3])
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["m0"], value=value)]
    nodes += [helper.make_node("MatMul", [f"m{i}", "m0"], [f"m{i + 1}"]) for i in range(64)]
    save("slow", nodes, [("shape", T.INT64, [2])], [("m64", T.FLOAT, ["n", "n"])])


def layers(name="layers", seed=0):
    """Two linear layers with something to fuse between them: what the cache is tried on."""
    rng = np.random.default_rng(seed)
    draw = lambda label, *shape: numpy_helper.from_array(rng.standard_normal(shape, dtype=np.float32), label)
    weights = [draw("w1", 8, 16), draw("b1", 16), draw("w2", 16, 4), draw("b2", 4)]
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"]),
        helper.make_node("Add", ["a", "b1"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("MatMul", ["c", "w2"], ["d"]),
        helper.make_node("Add", ["d", "b2"], ["y"]),
    ]
    save(name, nodes, [("x", T.FLOAT, ["n", 8])], [("y", T.FLOAT, ["n", 4])], weights)


def quantised():
    """y = x * w, with w[i] = (37 i mod 255) - 127 over 128 in int8, and one scale for each column."""
    weight = (37 * np.arange(64 * 16) % 255 - 127).astype(np.int8).reshape(64, 16)
    scale = np.full(16, 2.0**-7, np.float32)
    weights = [numpy_helper.from_array(weight, "w8"), numpy_helper.from_array(scale, "scale")]
    nodes = [
        helper.make_node("DequantizeLinear", ["w8", "scale"], ["w"], axis=1),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    save("quantised", nodes, [("x", T.FLOAT, ["n", 64])], [("y", T.FLOAT, ["n", 16])], weights)


def external(name, location, write=True):
    """y = x * w, where w lies in another file: 16 bytes from byte 4 on."""
    weight = T(name="w", data_type=T.FLOAT, dims=[4], data_location=T.EXTERNAL)
    for key, value in {"location": location, "offset": "4", "length": "16"}.items():
        weight.external_data.add(key=key, value=value)
    node = helper.make_node("Mul", ["x", "w"], ["y"])
    save(f"{name}/model", [node], [("x", T.FLOAT, [4])], [("y", T.FLOAT, [4])], [weight])
    if write:
        (HERE / name / location).write_bytes(b"head" + np.arange(1, 5, dtype="<f4").tobytes())


if __name__ == "__main__":
    add()
    casts()
    scalar()
    logarithm()
    nonzero()
    slow()
    layers()
    layers("layers2", seed=1)
    quantised()
    external("external", "weights.pb")
    external("external_absent", "weights.pb", write=False)
    external("external_parent", "../external/weights.pb", write=False)
    external("external_absolute", "/etc/hostname", write=False)
    onnx.checker.check_model(HERE / "layers.onnx")
