"""Wan's causal autoencoder one latent frame at a time: what its convolutions remember comes in and goes out.

`past.0` is 0 before the first call and 1 after it; the others are the last frames that a convolution saw, all zeros before
the first call. A call works on as many pixel frames as a latent frame stands for. Of the first call's, only the last is real: a clip
begins with a latent frame that stands for one pixel frame. The others are kept out by zeros, which is what a convolution sees
before the beginning. So one graph serves all calls, and gives what the class gives with its own cache.
"""

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl_wan import WanAttentionBlock, WanCausalConv3d, WanMidBlock, WanResample, WanResidualBlock
from torch import nn

KEPT = 2  # frames that a convolution over three sees before its own


class Memory:
    """The states of one call, in the order in which they are asked for."""

    def __init__(self, past=None):
        self.past = None if past is None else past[1:]
        self.started = None if past is None else past[0].view(1, 1, 1, 1, 1)
        self.present, self.layouts = [], []

    def real(self, x):
        """Zeros for the frames of the first call that stand for nothing."""
        frames = x.shape[2]
        if frames == 1:
            return x
        last = torch.zeros(1, 1, frames, 1, 1)
        last[:, :, -1] = 1.0
        return x * torch.maximum(self.started, last)

    def joined(self, x, kept):
        """`x` behind the `kept` frames before it, of which the last are remembered."""
        if self.past is None:
            self.layouts.append((x.shape[1], kept, x.shape[-1]))
            past = x.new_zeros(1, x.shape[1], kept, *x.shape[3:])
        else:
            past = self.past[len(self.present)]
        joined = torch.cat([past, x], dim=2)
        self.present.append(joined[:, :, -kept:])
        return joined


def conv(layer: WanCausalConv3d, x, memory):
    left, right, top, bottom, before, _ = layer._padding
    if before:
        x = memory.joined(memory.real(x), before)
    return F.conv3d(F.pad(x, (left, right, top, bottom, 0, 0)), layer.weight, layer.bias, layer.stride)


def residual(block: WanResidualBlock, x, memory):
    short = block.conv_shortcut(x)
    x = conv(block.conv1, block.nonlinearity(block.norm1(x)), memory)
    return conv(block.conv2, block.nonlinearity(block.norm2(x)), memory) + short


def middle(block: WanMidBlock, x, memory):
    x = residual(block.resnets[0], x, memory)
    for attention, resnet in zip(block.attentions, block.resnets[1:]):
        x = residual(resnet, attention(x), memory)
    return x


def in_space(block: WanResample, x):
    batch, channels, frames, height, width = x.shape
    x = block.resample(x.permute(0, 2, 1, 3, 4).reshape(batch * frames, channels, height, width))
    return x.view(batch, frames, *x.shape[1:]).permute(0, 2, 1, 3, 4)


def doubled(block: WanResample, x, memory):
    """Twice as many frames. The first call's frame stands for one, and is not remembered."""
    batch, channels, frames, height, width = x.shape
    before = memory.joined(x, KEPT)
    made = F.conv3d(before, block.time_conv.weight, block.time_conv.bias)
    made = made.reshape(batch, 2, channels, frames, height, width)
    made = torch.stack((made[:, 0], made[:, 1]), 3).reshape(batch, channels, frames * 2, height, width)
    memory.present[-1] = memory.present[-1] * memory.started
    return torch.where(memory.started > 0, made, x.repeat_interleave(2, dim=2))


def halved(block: WanResample, x, memory):
    """Half as many frames. The first call's frame stays what it is."""
    made = F.conv3d(memory.joined(x, 1), block.time_conv.weight, block.time_conv.bias, block.time_conv.stride)
    return torch.where(memory.started > 0, made, x[:, :, 1::2])


def resampled(block: WanResample, x, memory):
    if block.mode == "upsample3d":
        x = doubled(block, x, memory)
    x = in_space(block, x)
    return halved(block, x, memory) if block.mode == "downsample3d" else x


def layer(block, x, memory):
    if isinstance(block, WanResidualBlock):
        return residual(block, x, memory)
    if isinstance(block, WanResample):
        return resampled(block, x, memory)
    assert isinstance(block, WanAttentionBlock), type(block)
    return block(x)


def head(coder, x, memory):
    return conv(coder.conv_out, coder.nonlinearity(coder.norm_out(x)), memory)


class Causal(nn.Module):
    def __init__(self, vae):
        super().__init__()
        assert not vae.config.is_residual and not vae.config.patch_size, "the autoencoder of Wan 2.2 TI2V is not supported"
        self.vae = vae

    def forward(self, x, *past):
        memory = Memory(past)
        made = self.step(x, memory)
        return made, torch.ones_like(past[0]), *memory.present

    def states(self, x):
        """Zeros for every state, and at what share of the output's width each is."""
        memory = Memory()
        memory.started = torch.zeros(1, 1, 1, 1, 1)
        with torch.no_grad():
            self.step(x, memory)
        zeros = [torch.zeros(1)] + [torch.zeros_like(state) for state in memory.present]
        return {f"past.{i}": state for i, state in enumerate(zeros)}


class Decoder(Causal):
    def step(self, x, memory):
        decoder = self.vae.decoder
        x = conv(decoder.conv_in, self.vae.post_quant_conv(x), memory)
        x = middle(decoder.mid_block, x, memory)
        for block in decoder.up_blocks:
            for one in [*block.resnets, *(block.upsamplers or [])]:
                x = layer(one, x, memory)
        return head(decoder, x, memory).clamp(-1.0, 1.0)


class Encoder(Causal):
    def step(self, x, memory):
        encoder = self.vae.encoder
        x = conv(encoder.conv_in, x, memory)
        for block in encoder.down_blocks:
            x = layer(block, x, memory)
        return self.vae.quant_conv(head(encoder, middle(encoder.mid_block, x, memory), memory))
