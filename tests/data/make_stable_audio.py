"""Make a small Stable Audio deployment, and what diffusers' pipeline makes of it.

usage: python make_stable_audio.py OUT     writes OUT/model, exported by onnx/export/stable_audio/export.py, and beside it, for each
                                           of REQUESTS, the latents and the waveform

Real architectures at toy width with random weights; needs requirements.txt, no network. The Brownian noise of the sampler is torchsde's
of the request's seed.
"""
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.simplefilter("ignore")
import torch
from diffusers import AutoencoderOobleck, CosineDPMSolverMultistepScheduler, StableAudioDiTModel, StableAudioPipeline, StableAudioProjectionModel
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

sys.path[:0] = [str(Path(__file__).parents[2] / "onnx/export" / room) for room in ("common", "stable_audio")]
from export import export
from toys import write
from words import END, PAD, train_tokenizer

TOKENS, WIDTH = 16, 16
TEXTS = ["a violin playing c4", "rock drum loop at 120 bpm", "rain", "low quality"]
REQUESTS = {
    "plain": dict(prompt="a violin playing c4", seconds=None, negative=None, seed=7),
    "asked": dict(prompt="rock drum loop", seconds=0.031, negative="low quality", seed=8),
}
STEPS, SCALE = 6, 3.0


def tokenizer(folder):
    train_tokenizer(TEXTS, folder / "tokenizer.json", 270)
    # As T5's: a mark behind the text, none before it.
    import json
    file = folder / "tokenizer.json"
    said = json.loads(file.read_text())
    said["post_processor"]["single"] = said["post_processor"]["single"][1:]
    file.write_text(json.dumps(said))
    return PreTrainedTokenizerFast(tokenizer_file=str(file), pad_token=PAD, eos_token=END, model_max_length=TOKENS)


def pipeline(folder):
    words = tokenizer(folder)
    torch.manual_seed(5)
    text = T5EncoderModel(T5Config(
        vocab_size=len(words), d_model=12, d_kv=6, d_ff=16, num_layers=2, num_heads=2, relative_attention_num_buckets=8, pad_token_id=0)).eval()
    projection = StableAudioProjectionModel(text_encoder_dim=12, conditioning_dim=WIDTH, min_value=0, max_value=1)
    transformer = StableAudioDiTModel(
        sample_size=32, num_layers=2, attention_head_dim=8, num_key_value_attention_heads=1, num_attention_heads=2, in_channels=4, out_channels=4,
        cross_attention_dim=16, time_proj_dim=8, global_states_input_dim=2 * WIDTH, cross_attention_input_dim=WIDTH).eval()
    vae = AutoencoderOobleck(
        encoder_hidden_size=6, downsampling_ratios=[2, 4], decoder_channels=4, decoder_input_channels=4, audio_channels=2, channel_multiples=[1, 2],
        sampling_rate=8000).eval()
    # The encoder's latents have half the channels that it gives: the others are their deviations.
    scheduler = CosineDPMSolverMultistepScheduler(solver_order=2, sigma_min=0.3, sigma_max=500, final_sigmas_type="zero")
    return StableAudioPipeline(vae, text, projection, words, transformer, scheduler)


@torch.no_grad()
def golden(pipe):
    values = {}
    for name, asked in REQUESTS.items():
        call = lambda kind: pipe(
            asked["prompt"], audio_end_in_s=asked["seconds"], negative_prompt=asked["negative"], num_inference_steps=STEPS, guidance_scale=SCALE,
            generator=torch.Generator().manual_seed(asked["seed"]), output_type=kind).audios[0]
        values[f"{name}_latents"], values[f"{name}_sound"] = call("latent"), call("pt")
        print(name, "latents", values[f"{name}_latents"].std(), "sound", values[f"{name}_sound"].shape, values[f"{name}_sound"].abs().max())
    return {name: value.numpy() for name, value in values.items()}


if __name__ == "__main__":
    write(Path(sys.argv[1]), pipeline, golden, export)
