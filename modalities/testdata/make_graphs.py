"""Graphs whose results can be told without running them, for the tests beside this folder.

usage: python make_graphs.py     writes GRAPHS/COMPONENT/model.onnx beside this script; needs onnx==1.23.2 and numpy

plain      text_encoder: last_hidden_state[b,t,:] = [id, id / 2]             (int64 ids, as optimum exports)
           vae_decoder:  sample[0,c,y,x] = latent[0,c,y/2,x/2], first 3 of 4 channels, twice the size
           vae_encoder:  latent_parameters = 2x2 means of (r, g, b, r), then their logvar -2, -40, 30, 0
legacy     text_encoder: int32 ids of fixed length 4, with attention_mask, output text_embeddings = ids * mask
           vae_encoder:  latent_sample
broken     every component gives log(x), not finite for x <= 0
foreign    every component has an input `x` and an output `y`
flat       outputs of a wrong rank
"""
from pathlib import Path
import numpy as np
from onnx import TensorProto as T, checker, helper as h, numpy_helper, save

HERE = Path(__file__).parent

def graph(where, nodes, ins, outs, consts=()):
    g = h.make_graph(nodes, "g", [h.make_tensor_value_info(*i) for i in ins], [h.make_tensor_value_info(*o) for o in outs],
                     [numpy_helper.from_array(np.asarray(v), n) for n, v in consts])
    m = h.make_model(g, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    checker.check_model(m, full_check=True)
    path = HERE / where / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    save(m, path)

f32, i64 = np.float32, np.int64
ids = lambda t, n: ("input_ids", t, ["b", n])
sample = ("sample", T.FLOAT, [1, 3, "H", "W"])
latent = ("latent_sample", T.FLOAT, [1, 4, "h", "w"])

graph("plain/text_encoder", [h.make_node("Cast", ["input_ids"], ["f"], to=T.FLOAT), h.make_node("Unsqueeze", ["f", "last"], ["u"]),
      h.make_node("Mul", ["u", "row"], ["last_hidden_state"])], [ids(T.INT64, "t")], [("last_hidden_state", T.FLOAT, ["b", "t", 2])],
      [("last", i64([-1])), ("row", f32([1, 0.5]))])
graph("legacy/text_encoder", [h.make_node("Mul", ["input_ids", "attention_mask"], ["m"]), h.make_node("Cast", ["m"], ["f"], to=T.FLOAT),
      h.make_node("Unsqueeze", ["f", "last"], ["text_embeddings"])], [ids(T.INT32, 4), ("attention_mask", T.INT32, ["b", 4])],
      [("text_embeddings", T.FLOAT, ["b", 4, 1])], [("last", i64([-1]))])
graph("plain/vae_decoder", [h.make_node("Slice", ["latent_sample", "zero", "three", "one"], ["s"]), h.make_node("Resize", ["s", "", "scales"], ["sample"], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")],
      [latent], [sample], [("zero", i64([0])), ("three", i64([3])), ("one", i64([1])), ("scales", f32([1, 1, 2, 2]))])
mean = h.make_node("AveragePool", ["sample"], ["p"], kernel_shape=[2, 2], strides=[2, 2])
four = h.make_node("Gather", ["p", "pick"], ["q"], axis=1)
pick = ("pick", i64([0, 1, 2, 0]))
graph("plain/vae_encoder", [mean, four, h.make_node("Mul", ["q", "nought"], ["z"]), h.make_node("Add", ["z", "logvar"], ["l"]), h.make_node("Concat", ["q", "l"], ["latent_parameters"], axis=1)],
      [sample], [("latent_parameters", T.FLOAT, [1, 8, "h", "w"])], [pick, ("nought", f32(0)), ("logvar", f32([-2, -40, 30, 0]).reshape(1, 4, 1, 1))])
graph("legacy/vae_encoder", [mean, h.make_node("Gather", ["p", "pick"], ["latent_sample"], axis=1)], [sample], [latent], [pick])

PORTS = {"text_encoder": (ids(T.INT64, "t"), ("last_hidden_state", T.FLOAT, ["b", "t", 1])), "vae_decoder": (latent, sample), "vae_encoder": (sample, latent)}
for name, (i, o) in PORTS.items():
    fix = [h.make_node("Cast", [i[0]], ["f"], to=T.FLOAT), h.make_node("Log", ["f"], ["g"])]
    if name == "text_encoder": fix += [h.make_node("Unsqueeze", ["g", "c"], [o[0]])]; c = i64([-1])
    else: fix += [h.make_node("Gather", ["g", "c"], [o[0]], axis=1)]; c = i64([0, 1, 2] if name == "vae_decoder" else [0, 1, 2, 0])
    graph(f"broken/{name}", fix, [i], [o], [("c", c)])
    graph(f"foreign/{name}", [h.make_node("Identity", ["x"], ["y"])], [("x", *i[1:])], [("y", *i[1:])])
    graph(f"flat/{name}", [h.make_node("Cast", [i[0]], ["f"], to=T.FLOAT), h.make_node("Flatten", ["f"], [o[0]])], [i], [(o[0], T.FLOAT, ["b", "n"])])
