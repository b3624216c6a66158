"""Stabilizers that replace the critic."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo.models.sample import Logits, Sample, map_sample, scales
from ganzoo.models.turn import Critic, Turn
from ganzoo.stabilizers.base import Judge, Stabilizer


class GradientNormalization(Stabilizer):
    """The gradient-normalised critic: f / (|grad_x f| + |f|), which is 1-Lipschitz and lies in [-1, 1].

    Wu et al. 2021, arXiv 2109.02480, eq. 7. It needs the gradient of each sample alone, so no BatchNorm in D.
    """

    needs = ("per-sample-gradients",)

    def wrap_critic(self, critic: Critic, turn: Turn) -> Judge:
        def normalized(sample: Sample, y: Tensor | None) -> Logits:
            keep = torch.is_grad_enabled()
            with torch.enable_grad():  # a forward without gradients still needs the one with respect to x
                at = map_sample(lambda x: x if x.requires_grad else x.detach().requires_grad_(), sample)
                logits = critic(at, y)
                normed = tuple(_normalize(f, scales(at), keep) for f in scales(logits))
            if not keep:
                normed = tuple(f.detach() for f in normed)
            return normed if isinstance(logits, tuple) else normed[0]

        return normalized


def _normalize(f: Tensor, at: tuple[Tensor, ...], create_graph: bool) -> Tensor:
    grads = torch.autograd.grad(f.sum(), at, create_graph=create_graph, retain_graph=True)
    # Packed samples lie next to each other: len(f) rows gather those that D judged together.
    squares = torch.stack([grad.reshape(len(f), -1).square().sum(1) for grad in grads]).sum(0)
    norm = (squares + 1e-12).sqrt().reshape(-1, *[1] * (f.dim() - 1))  # the root of 0 has no gradient
    return f / (norm + f.abs())
