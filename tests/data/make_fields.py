"""Make the parts that turn sd15's folder into a maker of meshes whose shape can be told without running it.

usage: python make_fields.py OUT     writes OUT/grid and OUT/query, to be laid over models/sd15; needs onnx

Both make an ellipsoid with the radii 0.5 + 0.2 tanh(10 m) of the latent's channel means m (channels 1 to 3), in the colour
0.5 + 0.4 tanh(10 m). The denoiser's velocity is x + 0.2 (mean of the prompt's states), so the prompt and the seed tell in it.

grid    vae_decoder gives distances and colours (-1..1) at 17x17x17 points, x slowest
query   vae_decoder gives the radii and the colour, and `field` answers for points: occupancy, 0.5 at the surface, above inside, Z up
"""
import json
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto as T, checker, helper as h, numpy_helper, save

OUT = Path(sys.argv[1])
f32, i64 = np.float32, np.int64
LATENT = [4, 2, 2, 2]
node = h.make_node


def write(name, nodes, inputs, outputs, constants):
    values = lambda ports: [h.make_tensor_value_info(port, kind, shape) for port, kind, shape in ports]
    graph = h.make_graph(nodes, "g", values(inputs), values(outputs), [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    (OUT / name).parent.mkdir(parents=True, exist_ok=True)
    save(model, OUT / name)


def write_json(name, value):
    (OUT / name).parent.mkdir(parents=True, exist_ok=True)
    (OUT / name).write_text(json.dumps(value, indent=2) + "\n")


# radii and tint, [b, 3], of the latent's channel means
MEANS = [
    node("ReduceMean", ["latent_sample"], ["means"], axes=[2, 3, 4], keepdims=0), node("Slice", ["means", "one", "four", "one"], ["three"]),
    node("Mul", ["three", "ten"], ["strong"]), node("Tanh", ["strong"], ["way"]),
    node("Mul", ["way", "spread"], ["wider"]), node("Add", ["wider", "half"], ["radii"]),
    node("Mul", ["way", "shade"], ["deeper"]), node("Add", ["deeper", "half"], ["tint"]),
]
MEAN_CONSTANTS = {"one": i64([1]), "four": i64([4]), "ten": f32(10), "spread": f32(0.2), "half": f32(0.5), "shade": f32(0.4)}
latent = ("latent_sample", T.FLOAT, ["b", *LATENT])

for kind in ("grid", "query"):
    write(
        f"{kind}/transformer/model.onnx",
        [node("ReduceMean", ["encoder_hidden_states"], ["mean"], axes=[1], keepdims=0), node("Slice", ["mean", "zero", "four", "one"], ["first"]),
         node("Reshape", ["first", "shape"], ["words"]), node("Mul", ["words", "weight"], ["said"]), node("Add", ["sample", "said"], ["sum"]),
         node("Mul", ["timestep", "none"], ["nothing"]), node("Add", ["sum", "nothing"], ["out_sample"])],
        [("sample", T.FLOAT, ["b", *LATENT]), ("timestep", T.FLOAT, [1]), ("encoder_hidden_states", T.FLOAT, ["b", "n", 8])],
        [("out_sample", T.FLOAT, ["b", *LATENT])],
        {"zero": i64([0]), "four": i64([4]), "one": i64([1]), "shape": i64([-1, 4, 1, 1, 1]), "weight": f32(0.2), "none": f32(0)},
    )
    write_json(f"{kind}/transformer/config.json", {"_class_name": "Denoiser", "in_channels": 4, "out_channels": 4})
    write_json(f"{kind}/model_index.json", {"_class_name": "FieldDiffusionPipeline"})
    write_json(f"{kind}/scheduler/scheduler_config.json", {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0})
    write_json(f"{kind}/edrun.json", {"steps": 8, "guidance_scale": 2.0})

axis = np.linspace(-1, 1, 17, dtype=f32)
points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))
# The distance to an ellipsoid, roughly: (|p / r| - 1) times the smallest radius.
write(
    "grid/vae_decoder/model.onnx",
    MEANS + [
        node("Reshape", ["radii", "wide"], ["r"]), node("Div", ["points", "r"], ["scaled"]),
        node("ReduceL2", ["scaled"], ["length"], axes=[1], keepdims=1), node("Sub", ["length", "unit"], ["over"]),
        node("ReduceMin", ["r"], ["smallest"], axes=[1], keepdims=1), node("Mul", ["over", "smallest"], ["distance"]),
        node("Reshape", ["tint", "wide"], ["t"]), node("Mul", ["t", "two"], ["t2"]), node("Sub", ["t2", "unit"], ["signed"]),
        node("Expand", ["signed", "all"], ["colour"]), node("Concat", ["distance", "colour"], ["sample"], axis=1),
    ],
    [latent], [("sample", T.FLOAT, ["b", 4, 17, 17, 17])],
    MEAN_CONSTANTS | {"wide": i64([-1, 3, 1, 1, 1]), "points": points[None], "unit": f32(1), "two": f32(2), "all": i64([1, 3, 17, 17, 17])},
)
facts = {"latent_channels": 4, "latent_shape": LATENT, "scaling_factor": 1.0}
write_json("grid/vae_decoder/config.json", facts | {"field": {"colour_range": [-1.0, 1.0]}})

write("query/vae_decoder/model.onnx", MEANS, [latent], [("radii", T.FLOAT, ["b", 3]), ("tint", T.FLOAT, ["b", 3])], MEAN_CONSTANTS)
# Z is up here: (x, z, y) of the radii, and the front looks along -Y. sigmoid(4 (1 - |p / r|)) is 0.5 at the surface.
write(
    "query/field/model.onnx",
    [
        node("Gather", ["radii", "turn"], ["r"], axis=1), node("Div", ["points", "r"], ["scaled"]),
        node("ReduceL2", ["scaled"], ["length"], axes=[1], keepdims=0), node("Sub", ["unit", "length"], ["inside"]),
        node("Mul", ["inside", "steep"], ["logit"]), node("Sigmoid", ["logit"], ["occupancy"]),
        node("Mul", ["points", "none"], ["nothing"]), node("Add", ["nothing", "tint"], ["colour"]),
    ],
    [("points", T.FLOAT, ["n", 3]), ("radii", T.FLOAT, [1, 3]), ("tint", T.FLOAT, [1, 3])],
    [("occupancy", T.FLOAT, ["n"]), ("colour", T.FLOAT, ["n", 3])],
    {"turn": i64([0, 2, 1]), "unit": f32(1), "steep": f32(4), "none": f32(0)},
)
write_json("query/vae_decoder/config.json", facts)
write_json("query/field/config.json", {"field": {"inside": "positive", "level": 0.5, "up": "z", "half_size": 1.0}})
