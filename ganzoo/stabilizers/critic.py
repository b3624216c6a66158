"""Stabilizers that replace the critic."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo.errors import UsageError
from ganzoo.models.precision import full_range
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
            # A forward without gradients still needs the one with respect to x.
            with torch.enable_grad(), full_range(scales(sample)[0].device):
                at = map_sample(lambda x: x if x.requires_grad else x.detach().requires_grad_(), sample)
                logits = critic(at, y)
                normed = tuple(_normalize(f, scales(at), keep) for f in scales(logits))
            if not keep:
                normed = tuple(f.detach() for f in normed)
            return normed if isinstance(logits, tuple) else normed[0]

        return normalized


class TopK(Stabilizer):
    """Top-k training: G learns from those of its samples that D finds the most real, and not from the others.

    Sinha et al. 2020, arXiv 2002.06224, algorithm 1. G's loss is over a share of the batch, which falls from
    all of it at the start to `least` at time `until` of the plan; the paper's falls by 1 % an epoch. Of D's
    outputs each has its own k, and where an output is a map its mean counts.

    Args:
        least: share of the batch that is left at last, in (0, 1].
        until: share of training after which it falls no more, > 0.
    """

    alone = True
    needs = ("unpaired-loss",)
    refuses = ("gradient-normalization",)  # which takes each logit's gradient at its own sample

    def __init__(self, least: float = 0.5, until: float = 0.5) -> None:
        super().__init__()
        if not 0.0 < least <= 1.0:
            raise UsageError(f"top-k: least must be in (0, 1], got {least:g}")
        if not 0.0 < until < float("inf"):
            raise UsageError(f"top-k: until must be a positive number, got {until:g}")
        self.least, self.until = least, until

    def wrap_critic(self, critic: Critic, turn: Turn) -> Judge:
        share = 1.0 - (1.0 - self.least) * min(1.0, turn.t / self.until)

        def chosen(logits: Tensor) -> Tensor:
            best = logits.detach().flatten(1).mean(1) if logits.dim() > 1 else logits.detach()
            return logits[best.topk(max(1, round(share * len(logits)))).indices]

        def judge(sample: Sample, y: Tensor | None) -> Logits:
            logits = critic(sample, y)
            return map_sample(chosen, logits) if turn.phase == "g" and sample is turn.fake else logits

        return judge


def _normalize(f: Tensor, at: tuple[Tensor, ...], create_graph: bool) -> Tensor:
    grads = torch.autograd.grad(f.sum(), at, create_graph=create_graph, retain_graph=True)
    # Packed samples lie next to each other: len(f) rows gather those that D judged together.
    squares = torch.stack([grad.reshape(len(f), -1).square().sum(1) for grad in grads]).sum(0)
    norm = (squares + 1e-12).sqrt().reshape(-1, *[1] * (f.dim() - 1))  # the root of 0 has no gradient
    return f / (norm + f.abs())
