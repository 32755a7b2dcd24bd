"""Make decoders of objects at toy width with random weights, and what torch makes of them.

usage: python make_decoders.py OUT     writes OUT/vecset and OUT/triplane: the graphs vae_decoder and field, latents.npy,
                                       points.npy, distances.npy (or what stands for them) and colours.npy

vecset      a set of latent vectors that points attend to (3DShape2VecSet, Zhang et al. 2023; Hunyuan3D): self-attention over
            the set in vae_decoder; Fourier features of points and cross-attention in field; logits, positive inside
triplane    three planes of features that points are projected on (EG3D, Chan et al. 2022): a convolution in vae_decoder;
            bilinear samples of the planes and a small network in field; densities, 0.64 at the surface, and colours

Needs requirements.txt, no network.
"""
import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from make_models import shorten

OUT = Path(sys.argv[1])
WIDTH, HEADS, WAVES = 16, 2, 6


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x, source):
        split = lambda y: y.unflatten(-1, (HEADS, -1)).transpose(1, 2)
        made = F.scaled_dot_product_attention(split(self.query(x)), split(self.key(source)), split(self.value(source)))
        return self.out(made.transpose(1, 2).flatten(2))


class Set(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.into, self.own, self.feed = nn.Linear(channels, WIDTH), Attention(), nn.Linear(WIDTH, WIDTH)

    def forward(self, latents):
        x = self.into(latents)
        x = x + self.own(x, x)
        return x + F.gelu(self.feed(x))


class SetField(nn.Module):
    def __init__(self):
        super().__init__()
        self.into, self.cross = nn.Linear(3 + 6 * WAVES, WIDTH), Attention()
        self.out = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, 1))

    def forward(self, points, vectors):
        angles = (points[..., None] * torch.pi * 2.0 ** torch.arange(WAVES)).flatten(-2)
        x = self.into(torch.cat([points, angles.sin(), angles.cos()], -1))
        return self.out(x + self.cross(x, vectors))[..., 0]


class Planes(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.widen = nn.Conv2d(channels, 3 * WIDTH, 3, padding=1)

    def forward(self, latents):
        return F.interpolate(self.widen(latents), scale_factor=2.0, mode="bilinear").unflatten(1, (3, WIDTH))


class PlaneField(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 4)

    def forward(self, points, planes):
        places = torch.stack([points[:, [0, 1]], points[:, [0, 2]], points[:, [1, 2]]])[:, :, None]
        found = F.grid_sample(planes[0], places, align_corners=False)[..., 0].sum(0).T
        made = self.out(F.silu(self.hidden(found)))
        return F.softplus(made[:, 0]), made[:, 1:].sigmoid()


torch.manual_seed(11)
KINDS = {
    "vecset": dict(decoder=Set(8), field=SetField(), latent=(24, 8), described="vectors", outputs=["logits"], batched=True,
                   facts={"inside": "positive", "level": 0.0}),
    "triplane": dict(decoder=Planes(6), field=PlaneField(), latent=(6, 8, 8), described="planes", outputs=["density", "rgb"], batched=False,
                     facts={"inside": "positive", "level": 0.64}),
}


def export(file, module, inputs, names, outputs, shapes):
    file.parent.mkdir(parents=True, exist_ok=True)
    made = torch.onnx.export(module, inputs, input_names=names, output_names=outputs, dynamic_shapes=shapes, opset_version=18, dynamo=True, verbose=False)
    made.save(str(file), external_data=False)


@torch.no_grad()
def make(name, decoder, field, latent, described, outputs, batched, facts):
    decoder, field, folder = decoder.eval(), field.eval(), OUT / name
    latents, points = torch.randn(1, *latent), torch.rand(1, 50, 3) * 2 - 1
    points = points if batched else points[0]
    state = decoder(latents)
    export(folder / "vae_decoder/model.onnx", decoder, (latents,), ["latent_sample"], [described], None)
    free = {1 if batched else 0: torch.export.Dim("points")}
    export(folder / "field/model.onnx", field, (points, state), ["points", described], outputs, (free, {}))
    config = {"latent_channels": latent[0], "latent_shape": list(latent), "scaling_factor": 1.0}
    for file, value in (("vae_decoder/config.json", config), ("field/config.json", {"field": facts})):
        (folder / file).write_text(json.dumps(value, indent=2) + "\n")
    made = field(points, state)
    distances, colours = made if isinstance(made, tuple) else (made, None)
    values = {"latents": latents[0], "points": points.reshape(-1, 3), "distances": distances.flatten(), "colours": colours}
    for key, value in values.items():
        if value is not None:
            np.save(folder / f"{key}.npy", value.numpy())
    print(name, distances.min().item(), distances.max().item())


for name, kind in KINDS.items():
    make(name, **kind)
shorten(OUT)
