"""Muon for the matrices inside blocks, AdamW for all else.

Muon (Jordan et al. 2024) replaces a matrix's momentum by the nearest orthogonal matrix, found by Newton-Schulz
iteration; per step it learns clearly faster than AdamW at this size. Matrices of one shape are iterated together."""

import torch

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonal(x, steps=5):
    """The nearest orthogonal matrices to a stack `[n, rows, columns]`, rows <= columns, roughly."""
    a, b, c = COEFFICIENTS
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


class Muon(torch.optim.Optimizer):
    def __init__(self, matrices, lr=0.02, momentum=0.95, decay=0.0):
        super().__init__(list(matrices), dict(lr=lr, momentum=momentum, decay=decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            stacks = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    stacks.setdefault(tuple(sorted(weight.shape)), []).append(weight)
            for weights in stacks.values():
                self.step_stack(weights, group)

    def step_stack(self, weights, group):
        moved = []
        for weight in weights:
            momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
            momentum.lerp_(weight.grad, 1 - group["momentum"])
            moved.append(weight.grad.lerp(momentum, group["momentum"]))
        tall = [weight.shape[0] > weight.shape[1] for weight in weights]
        stack = orthogonal(torch.stack([m.mT if t else m for m, t in zip(moved, tall)]))
        for weight, update, flip in zip(weights, stack, tall):
            weight.mul_(1 - group["lr"] * group["decay"])
            size = max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
            weight.add_(update.mT if flip else update, alpha=-group["lr"] * size)


def optimizers(model, muon=0.02, adam=1e-3):
    """Both, with the weights that each of them moves."""
    matrices, rest = [], []
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            continue
        inner = ".blocks." in name and weight.ndim == 2 and "modulate" not in name
        (matrices if inner else rest).append(weight)
    return [Muon(matrices, lr=muon), torch.optim.AdamW(rest, lr=adam, betas=(0.9, 0.98), weight_decay=0.0)]
