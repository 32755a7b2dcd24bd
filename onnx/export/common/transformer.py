"""A text encoder and a denoiser: small transformers, trained together. A recipe says what tokens of a latent are."""

import math

import torch
from torch import nn
from torch.nn import functional as F


def normal(x):
    """Without weights of its own; one fused operation on a CPU, where a root mean square would be five.

    `int`, because the exporter wants a constant here."""
    return F.layer_norm(x, (int(x.shape[-1]),))


class Attention(nn.Module):
    """Queries and keys are normalised: without it, Muon's large steps let the logits run away."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.scale = nn.Parameter(torch.full((heads, 1, 1), 1.0))
        nn.init.zeros_(self.out.weight)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x, source, mask=None):
        query, key = normal(self.split(self.query(x))) * self.scale, normal(self.split(self.key(source)))
        made = F.scaled_dot_product_attention(query, key, self.split(self.value(source)), attn_mask=mask)
        return self.out(made.transpose(1, 2).flatten(2))


class Feed(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        nn.init.zeros_(self.down.weight)

    def forward(self, x):
        return self.down(F.gelu(self.up(x), approximate="tanh"))


def attend_where(there):
    """An additive mask `[batch, 1, 1, tokens]` from flags; -1e4 and not infinity, which half precision lacks."""
    return (1.0 - there[:, None, None, :]) * -1e4


class TextBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attention, self.feed = Attention(width, heads), Feed(width)

    def forward(self, x, mask):
        own = normal(x)
        x = x + self.attention(own, own, mask)
        return x + self.feed(normal(x))


class TextEncoder(nn.Module):
    """Token ids to states; the states of padding are exactly zero, which is how the denoiser knows it."""

    def __init__(self, vocabulary, length, width, heads, depth):
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Parameter(0.02 * torch.randn(length, width))
        nn.init.normal_(self.tokens.weight, std=0.5)
        self.blocks = nn.ModuleList(TextBlock(width, heads) for _ in range(depth))

    def forward(self, ids):
        there = (ids != 0).to(self.places.dtype)
        x = self.tokens(ids) + self.places[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, attend_where(there))
        return normal(x) * there[..., None]


def waves(lengths, count, width):
    """Where tokens are along axes of these lengths, `[tokens, width]`: `count` waves along each axis, slow ones first. Learned from
    next to nothing, places would drown in what the tokens carry for hundreds of steps, and nothing would know where it is."""
    axes = torch.meshgrid(*((torch.arange(length) + 0.5) / length for length in lengths), indexing="ij")
    angles = [math.pi * axis.reshape(-1, 1) * torch.arange(1, count + 1) for axis in axes]
    found = torch.cat([wave for angle in angles for wave in (angle.cos(), angle.sin())], 1)
    return F.pad(found, (0, width - found.shape[1]))


def paths(width):
    """From what time and caption say of a place to what that adds to it: nothing at first. A nonlinearity goes between the two."""
    layers = nn.ModuleList([nn.Linear(width, 2 * width), nn.Linear(2 * width, width)])
    nn.init.zeros_(layers[1].weight)
    nn.init.zeros_(layers[1].bias)
    return layers


def modulation(width, rank=64):
    """What shifts, scales and gates two branches of a block. At full rank it would be a third of all weights."""
    layers = nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, 6 * width))
    nn.init.zeros_(layers[1].weight)
    # Scales and gates start at one: the branches start at zero by themselves.
    layers[1].bias.data = torch.tensor([0.0, 1, 1, 0, 1, 1]).repeat_interleave(width)
    return layers


class Block(nn.Module):
    """Self-attention, cross-attention and feed-forward; time and the caption's mean shift, scale and gate them."""

    def __init__(self, width, heads):
        super().__init__()
        self.own, self.cross, self.feed = Attention(width, heads), Attention(width, heads), Feed(width)
        self.modulate = modulation(width)

    def forward(self, x, text, mask, condition):
        shift, scale, gate, shift2, scale2, gate2 = self.modulate(condition)[:, None].chunk(6, -1)
        own = torch.addcmul(shift, normal(x), scale)
        x = torch.addcmul(x, gate, self.own(own, own))
        x = x + self.cross(normal(x), text, mask)
        return torch.addcmul(x, gate2, self.feed(torch.addcmul(shift2, normal(x), scale2)))


class Denoiser(nn.Module):
    """Noisy latents, time in 0..1000 and the caption's states to the flow's velocity, noise - clean.

    `patch` numbers make a token, of which there are `places`; `cut` and `join` lead from latents to tokens and back."""

    def __init__(self, patch, places, width, depth, heads):
        super().__init__()
        self.into, self.places = nn.Linear(patch, width), nn.Parameter(0.02 * torch.randn(places, width))
        self.time = nn.Sequential(nn.Linear(128, width), nn.SiLU(), nn.Linear(width, width))
        self.pooled = nn.Linear(width, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.last, self.out = nn.Linear(width, 2 * width), nn.Linear(width, patch)
        for layer in (self.last, self.out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        waves = torch.exp(-math.log(10000.0) * torch.arange(64) / 64)
        self.register_buffer("waves", waves, persistent=False)

    def cut(self, sample):
        raise NotImplementedError

    def join(self, tokens):
        raise NotImplementedError

    def located(self, tokens, condition):
        """Tokens that know their places; what time and caption say may count."""
        return tokens + self.places

    def seen_time(self, timestep):
        """Of each row, `[n, width]`."""
        angle = timestep.reshape(-1, 1).to(self.waves.dtype) * self.waves
        return self.time(torch.cat([angle.cos(), angle.sin()], -1))

    def condition(self, timestep, text, there):
        mean = text.sum(1) / there.sum(1, keepdim=True).clamp(min=1.0)
        return F.silu(self.seen_time(timestep) + self.pooled(mean))

    def forward(self, sample, timestep, encoder_hidden_states):
        text = encoder_hidden_states
        there = (text.abs().sum(-1) > 0).to(text.dtype)
        condition, mask = self.condition(timestep, text, there), attend_where(there)
        x = self.located(self.into(self.cut(sample)), condition)
        for block in self.blocks:
            x = block(x, text, mask, condition)
        shift, scale = self.last(condition)[:, None].chunk(2, -1)
        return self.join(self.out(torch.addcmul(shift, normal(x), 1 + scale)))


class Informed(Denoiser):
    """A denoiser of latents whose channels differ in spread, 1 in the mean.

    What is known of every channel beforehand, its spread, gives the best linear guess of the velocity in closed form, as in
    Karras et al. 2022; the transformer learns the rest, whose deviation is 1 in every channel at every time. Weak channels
    are then nearly all guess, and their noise need not be carried through the transformer."""

    def __init__(self, spread, *rest, **shape):
        """`spread`: its shape, which fits a latent's: `(channels, 1)`, one more 1 for each further axis."""
        super().__init__(*rest, **shape)
        self.register_buffer("spread", torch.ones(spread))

    def forward(self, sample, timestep, encoder_hidden_states):
        axes = [-1] + [1] * self.spread.ndim
        time, square = timestep.reshape(axes).to(sample.dtype) / 1000, self.spread.square()
        total = (1 - time).square() * square + time.square()
        made = super().forward(sample * total.rsqrt(), timestep, encoder_hidden_states)
        return sample * ((time - (1 - time) * square) / total) + made * (self.spread * total.rsqrt())


class Model(nn.Module):
    """Both; one is of no use without the other."""

    def __init__(self, text, denoiser):
        super().__init__()
        self.text, self.denoiser = text, denoiser

    def forward(self, noisy, timestep, ids):
        return self.denoiser(noisy, timestep, self.text(ids))
