"""Make a small Shap-E deployment, and what diffusers' pipeline makes of it.

usage: python make_shap_e.py OUT     writes OUT/model, exported by onnx/export/shap_e/export.py, and beside it the
                                     latents (5 steps, guidance 4), points, and the signed distances and colours there

Real architectures at toy width with random weights; needs requirements.txt, no network.
"""
import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.simplefilter("ignore")
import numpy as np
import torch
from diffusers import HeunDiscreteScheduler, PriorTransformer, ShapEPipeline
from diffusers.pipelines.shap_e import ShapERenderer
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from deploy import clip_tokenizer
from make_models import shorten

sys.path.append(str(Path(__file__).parents[2] / "onnx/export/shap_e"))
from export import export

OUT = Path(sys.argv[1])
MERGES, ROWS, WIDTH, PROJECTED = 300, 8, 16, 16
PROMPT, SEED, STEPS, SCALE = "a red cube", 7, 5, 4.0


def pipeline(folder):
    torch.manual_seed(3)
    tokenizer = clip_tokenizer(folder, MERGES)
    end = tokenizer.eos_token_id
    words = CLIPTextModelWithProjection(CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=77,
        projection_dim=PROJECTED, bos_token_id=end - 1, eos_token_id=end, pad_token_id=end)).eval()
    prior = PriorTransformer(
        num_attention_heads=2, attention_head_dim=16, embedding_dim=WIDTH, num_embeddings=4 * ROWS, embedding_proj_dim=PROJECTED, time_embed_dim=32,
        num_layers=1, clip_embed_dim=2 * WIDTH, additional_embeddings=0, time_embed_act_fn="gelu", norm_in_type="layer", embedding_proj_norm_type=None,
        encoder_hid_proj_type=None, added_emb_type=None).eval()
    shapes = ((ROWS, 93), (ROWS, ROWS), (ROWS, ROWS), (ROWS, ROWS))
    renderer = ShapERenderer(param_shapes=shapes, d_latent=WIDTH, d_hidden=ROWS, n_output=12).eval()
    # Fast waves of small weight, so that the toy's object is larger than they are.
    renderer.params_proj.projections["nerstf__mlp__0__weight"].norm.weight.data[12:] *= 0.02
    scheduler = HeunDiscreteScheduler(
        beta_schedule="exp", num_train_timesteps=1024, prediction_type="sample", use_karras_sigmas=True, clip_sample=True, clip_sample_range=1.0)
    return ShapEPipeline(prior, words, tokenizer, scheduler, renderer)


def asked(renderer, points):
    return renderer.mlp(position=points[None], direction=None, ts=None, nerf_level="fine", rendering_mode="stf")


@torch.no_grad()
def golden(pipe):
    generator = lambda: torch.Generator().manual_seed(SEED)
    made = pipe(PROMPT, generator=generator(), num_inference_steps=STEPS, guidance_scale=SCALE, output_type="latent").images
    renderer = pipe.shap_e_renderer
    for name, value in renderer.params_proj(made).items():
        renderer.mlp.state_dict()[name.removeprefix("nerstf.")].copy_(value[0])
    points = torch.rand(64, 3, generator=generator()) * 2 - 1
    # A bias by which a quarter of the points lies inside: random weights alone have no surface.
    renderer.mlp.mlp[-1].bias[0] -= asked(renderer, points).signed_distance.atanh().quantile(0.75)
    field = asked(renderer, points)
    print("distances", field.signed_distance.aminmax(), "latents", made.std())
    values = {"latents": made[0], "points": points, "distances": field.signed_distance[0, :, 0], "colours": field.channels[0]}
    return {name: value.numpy() for name, value in values.items()}


def main():
    with tempfile.TemporaryDirectory() as folder:
        pipe = pipeline(Path(folder))
        pipe.set_progress_bar_config(disable=True)
        values = golden(pipe)
        export(pipe, OUT / "model", points=16)
        shorten(OUT / "model")
        for name, value in values.items():
            np.save(OUT / f"{name}.npy", value)


if __name__ == "__main__":
    main()
