"""Make small Shap-E deployments, and what diffusers' pipelines make of them.

usage: python make_shap_e.py OUT              from words: writes OUT/model, exported by onnx/export/shap_e/export.py, and beside it
                                              the latents (5 steps, guidance 4), points, and the signed distances and colours there
       python make_shap_e.py OUT --picture    from a picture, which is written as OUT/picture.png

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
from diffusers import HeunDiscreteScheduler, PriorTransformer, ShapEImg2ImgPipeline, ShapEPipeline
from diffusers.pipelines.shap_e import ShapERenderer
from PIL import Image
from transformers import CLIPImageProcessor, CLIPTextConfig, CLIPTextModelWithProjection, CLIPVisionConfig, CLIPVisionModel

from deploy import clip_tokenizer
from make_models import shorten

sys.path.append(str(Path(__file__).parents[2] / "onnx/export/shap_e"))
from export import export

OUT = Path(sys.argv[1])
MERGES, ROWS, WIDTH, PROJECTED = 300, 8, 16, 16
PROMPT, SEED, STEPS, SCALE = "a red cube", 7, 5, 4.0


def words(folder):
    tokenizer = clip_tokenizer(folder, MERGES)
    end = tokenizer.eos_token_id
    encoder = CLIPTextModelWithProjection(CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=77,
        projection_dim=PROJECTED, bos_token_id=end - 1, eos_token_id=end, pad_token_id=end)).eval()
    return {"text_encoder": encoder, "tokenizer": tokenizer}


def sight():
    """An encoder of four patches; its weights are made larger, so that pictures differ in what it says of them."""
    config = CLIPVisionConfig(hidden_size=PROJECTED, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=16, patch_size=8)
    encoder = CLIPVisionModel(config).eval()
    encoder.vision_model.embeddings.patch_embedding.weight.data *= 5
    return {"image_encoder": encoder, "image_processor": CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=16)}


def picture():
    """Taller than wide, so that it is cut, and as wide as the encoder sees: Pillow's filter rounds otherwise than others."""
    y, x = np.mgrid[:22, :16]
    return Image.fromarray(np.stack([11 * y, 15 * x, 255 - 9 * y - x], -1).clip(0, 255).astype(np.uint8))


def pipeline(folder, sees):
    torch.manual_seed(3)
    told = sight() if sees else words(folder)
    prior = PriorTransformer(
        num_attention_heads=2, attention_head_dim=16, embedding_dim=WIDTH, num_embeddings=4 * ROWS, embedding_proj_dim=PROJECTED, time_embed_dim=32,
        num_layers=1, clip_embed_dim=2 * WIDTH, additional_embeddings=0, time_embed_act_fn="gelu", norm_in_type="layer", embedding_proj_norm_type="layer" if sees else None,
        encoder_hid_proj_type=None, added_emb_type=None).eval()
    shapes = ((ROWS, 93), (ROWS, ROWS), (ROWS, ROWS), (ROWS, ROWS))
    renderer = ShapERenderer(param_shapes=shapes, d_latent=WIDTH, d_hidden=ROWS, n_output=12).eval()
    # Fast waves of small weight, so that the toy's object is larger than they are.
    renderer.params_proj.projections["nerstf__mlp__0__weight"].norm.weight.data[12:] *= 0.02
    scheduler = HeunDiscreteScheduler(
        beta_schedule="exp", num_train_timesteps=1024, prediction_type="sample", use_karras_sigmas=True, clip_sample=True, clip_sample_range=1.0)
    kind = ShapEImg2ImgPipeline if sees else ShapEPipeline
    return kind(prior=prior, scheduler=scheduler, shap_e_renderer=renderer, **told)


def asked(renderer, points):
    return renderer.mlp(position=points[None], direction=None, ts=None, nerf_level="fine", rendering_mode="stf")


@torch.no_grad()
def golden(pipe, told):
    generator = lambda: torch.Generator().manual_seed(SEED)
    made = pipe(told, generator=generator(), num_inference_steps=STEPS, guidance_scale=SCALE, output_type="latent").images
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
    sees = "--picture" in sys.argv
    with tempfile.TemporaryDirectory() as folder:
        pipe = pipeline(Path(folder), sees)
        pipe.set_progress_bar_config(disable=True)
        values = golden(pipe, picture() if sees else PROMPT)
        export(pipe, OUT / "model", points=16)
        shorten(OUT / "model")
        if sees:
            picture().save(OUT / "picture.png")
        for name, value in values.items():
            np.save(OUT / f"{name}.npy", value)


if __name__ == "__main__":
    main()
