"""Exports a Shap-E pipeline (diffusers), from words or from a picture, as a folder that edrun runs.

    python export.py MODEL OUT [--points 4096]     MODEL: a folder or the name of a published pipeline; needs requirements.txt

text_encoder    token ids to the prompt's embedding as the prior wants it: of unit length, times the square root of its width. Of
                the empty prompt it gives zeros, with which the reference's guidance compares.
image_encoder   instead of it, of a pipeline from pictures: pixels to the states of their patches
prior           noisy latents, time and embedding to clean latents; the variance that it predicts as well is left out
vae_decoder     latents to the rows of the small network that describes the object
field           points, and those rows, to signed distances (positive inside) and colours

A latent is `[vectors, width]`, Z is up, the object lies in -1..1.
"""

import argparse
import json
import math
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from torch import nn

OPSET = 18
PREFIX = "nerstf."  # of the names of projected parameters, before their names in the network
BYTES = 4


class Words(nn.Module):
    def __init__(self, encoder, empty):
        super().__init__()
        self.encoder = encoder
        self.register_buffer("empty", empty, persistent=False)

    def forward(self, input_ids):
        made = self.encoder(input_ids).text_embeds
        made = made / torch.linalg.norm(made, dim=-1, keepdim=True) * math.sqrt(made.shape[-1])
        said = (input_ids != self.empty).any(dim=-1, keepdim=True)
        return (made * said.to(made.dtype))[:, None]


class Patches(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, pixel_values):
        # The first state is that of the whole picture.
        return self.encoder(pixel_values).last_hidden_state[:, 1:]


class Prior(nn.Module):
    def __init__(self, prior, words):
        super().__init__()
        self.prior, self.words = prior, words

    def forward(self, sample, timestep, encoder_hidden_states):
        told = encoder_hidden_states[:, 0] if self.words else encoder_hidden_states
        made = self.prior(sample, timestep, told).predicted_image_embedding
        return made[..., : sample.shape[-1]]


class Rows(nn.Module):
    def __init__(self, renderer):
        super().__init__()
        self.projections = renderer.params_proj

    def forward(self, latent):
        return tuple(self.projections(latent).values())


class Field(nn.Module):
    def __init__(self, renderer):
        super().__init__()
        self.network = renderer.mlp
        self.names = [name.removeprefix(PREFIX) for name in renderer.params_proj.config.param_names]

    def forward(self, points, *rows):
        weights = {name: row[0] for name, row in zip(self.names, rows)}
        asked = dict(position=points[None], direction=None, ts=None, nerf_level="fine", rendering_mode="stf")
        made = torch.func.functional_call(self.network, weights, kwargs=asked)
        return made.signed_distance[0, :, 0], made.channels[0]


def file_of(out, component):
    file = out / component / "model.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def write(out, component, module, inputs, outputs, dynamic):
    """`dynamic`: the names of each input's axes that may have any length."""
    axes = {name: torch.export.Dim(name) for own in dynamic for name in own.values()}
    shapes = [{axis: axes[name] for axis, name in own.items()} for own in dynamic]
    # A list of tensors that a function takes as `*rows` is one argument to the exporter.
    if isinstance(module, Field):
        shapes = [shapes[0], tuple(shapes[1:])]
    with torch.no_grad():
        made = torch.onnx.export(
            module.eval(), tuple(inputs.values()), input_names=list(inputs), output_names=outputs, dynamic_shapes=tuple(shapes),
            opset_version=OPSET, dynamo=True, verbose=False,
        )
    made.save(str(file_of(out, component)), external_data=sum(p.numel() for p in module.parameters()) * BYTES > 1 << 30)


def write_json(file, value):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, indent=2) + "\n")


def parameters(renderer):
    """Names and shapes of the projected parameters, names as a graph may have them."""
    config = renderer.params_proj.config
    return {name.replace(".", "_"): tuple(shape) for name, shape in zip(config.param_names, config.param_shapes)}


def from_words(pipe):
    return hasattr(pipe, "tokenizer")


def write_encoder(pipe, out):
    """What turns words or a picture into states; the shape of those, `[states, width]`."""
    if not from_words(pipe):
        config = pipe.image_encoder.config
        pixels = torch.randn(1, 3, config.image_size, config.image_size)
        write(out, "image_encoder", Patches(pipe.image_encoder), {"pixel_values": pixels}, ["last_hidden_state"], [{}])
        return (config.image_size // config.patch_size) ** 2, config.hidden_size
    tokenizer = pipe.tokenizer
    ids = lambda text: tokenizer(text, padding="max_length", truncation=True, return_tensors="pt").input_ids
    write(out, "text_encoder", Words(pipe.text_encoder, ids("")), {"input_ids": ids("a cup")}, ["last_hidden_state"], [{}])
    return 1, pipe.text_encoder.config.projection_dim


def write_graphs(pipe, out, points):
    prior, renderer = pipe.prior, pipe.shap_e_renderer
    shape = (prior.config.num_embeddings, prior.config.embedding_dim)
    told = torch.randn(2, *write_encoder(pipe, out))
    states = {"sample": torch.randn(2, *shape), "timestep": torch.tensor([5.5, 5.5]), "encoder_hidden_states": told}
    write(out, "prior", Prior(prior, from_words(pipe)), states, ["out_sample"], [{0: "batch"}] * 3)
    rows = {name: torch.randn(1, *own) for name, own in parameters(renderer).items()}
    write(out, "vae_decoder", Rows(renderer), {"latent_sample": torch.randn(1, *shape)}, list(rows), [{}])
    asked = {"points": torch.rand(points, 3) * 2 - 1} | rows
    write(out, "field", Field(renderer), asked, ["signed_distance", "colour"], [{0: "points"}] + [{}] * len(rows))


def write_configs(pipe, out):
    vectors, width = pipe.prior.config.num_embeddings, pipe.prior.config.embedding_dim
    latent = {"latent_channels": vectors, "latent_shape": [vectors, width], "scaling_factor": 1.0}
    # Every layer's output is in memory at once, at the worst.
    widest = sum(layer.in_features + layer.out_features for layer in pipe.shap_e_renderer.mlp.mlp)
    field = {"inside": "positive", "up": "z", "half_size": 1.0, "bytes_per_point": 2 * BYTES * widest}
    write_json(out / "model_index.json", {"_class_name": "ShapEPipeline" if from_words(pipe) else "ShapEImg2ImgPipeline"})
    write_json(out / "vae_decoder" / "config.json", latent)
    write_json(out / "field" / "config.json", {"field": field})
    write_json(out / "prior" / "config.json", {"_class_name": "PriorTransformer", "in_channels": vectors, "out_channels": vectors})


def export(pipe, out, points=4096):
    if from_words(pipe):
        # As the pipeline does before it reads a prompt.
        pipe.tokenizer.pad_token_id = 0
        pipe.tokenizer.save_pretrained(out / "tokenizer")
    else:
        pipe.image_processor.save_pretrained(out / "image_processor")
    write_graphs(pipe, out, points)
    write_configs(pipe, out)
    pipe.scheduler.save_pretrained(out / "scheduler")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("model")
    args.add_argument("out", type=Path)
    args.add_argument("--points", type=int, default=4096, help="of the example that the field is exported with")
    args = args.parse_args()
    export(DiffusionPipeline.from_pretrained(args.model), args.out, args.points)


if __name__ == "__main__":
    main()
