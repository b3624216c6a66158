"""Penalties on the gradient of D with respect to what it judges."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.models.precision import in_full
from ganzoo.models.sample import Sample, leaf, map_sample, scales
from ganzoo.models.turn import Side, Turn
from ganzoo.registry.kinds import as_int
from ganzoo.stabilizers.base import Judge, Stabilizer
from ganzoo.system.ranks import gathered


class _Penalty(Stabilizer):
    """A term of D's loss, every `interval` steps and then `interval` times as strong.

    Lazy regularisation: Karras et al. 2020, arXiv 1912.04958, section 3.1.
    """

    needs = ("per-sample-gradients",)
    refuses = ("gradient-normalization",)  # its critic has a bounded gradient already, and costs another one

    def __init__(self, interval: int = 1) -> None:
        super().__init__()
        self.interval = as_int("interval", interval, at_least=1)
        self.pack = 1

    def setup(self, gan: GAN) -> None:
        self.pack = gan.pack

    def d_penalty(self, turn: Turn) -> Tensor | None:
        if turn.step % self.interval:
            return None
        return self.interval * turn.scale * self.term(turn)

    def term(self, turn: Turn) -> Tensor:
        raise NotImplementedError


class R1(_Penalty):
    """R1: gamma / 2 times the mean squared norm of D's gradient at real samples.

    Mescheder et al. 2018, arXiv 1801.04406, eq. 9. The gradient is taken at the sample itself, through
    whatever augmentation D sees it.

    Args:
        gamma: weight; multiplied by the recipe's penalty schedule.
        interval: apply it every so many steps, that many times as strong.
    """

    side: ClassVar[Side] = "real"

    def __init__(self, gamma: float = 1.0, interval: int = 1) -> None:
        super().__init__(interval)
        self.gamma = at_least_zero("gamma", gamma)

    def differentiates_at(self, turn: Turn) -> frozenset[Side]:
        return frozenset() if turn.step % self.interval else frozenset({self.side})

    def term(self, turn: Turn) -> Tensor:
        sample = turn.real if self.side == "real" else turn.fake
        return self.gamma / 2 * squared_gradient(turn.critic, sample, turn.y).mean()


class R2(R1):
    """R2: gamma / 2 times the mean squared norm of D's gradient at generated samples.

    Mescheder et al. 2018, arXiv 1801.04406, eq. 10. Options as for r1.
    """

    side = "fake"


class GradientPenalty(_Penalty):
    """The penalty of WGAN-GP: D's gradient between real and generated samples should have norm 1.

    Gulrajani et al. 2017, arXiv 1704.00028, eq. 3: weight * mean (|grad| - target)^2 at random points on the
    lines between real samples and generated ones.

    Args:
        weight: the paper's lambda; 0.1 suits its toy data.
        target: norm that is asked for.
        interval: apply it every so many steps, that many times as strong.
    """

    def __init__(self, weight: float = 10.0, target: float = 1.0, interval: int = 1) -> None:
        super().__init__(interval)
        self.weight, self.target = at_least_zero("weight", weight), at_least_zero("target", target)

    def term(self, turn: Turn) -> Tensor:
        first = scales(turn.real)[0]
        # One point for all samples that D judges together: it lies on a line of what D sees.
        share = torch.rand(len(first) // self.pack, device=first.device).repeat_interleave(self.pack)
        between = mix(turn.real, turn.fake, share)
        # The root of 0 has no gradient.
        norm = (squared_gradient(turn.critic, between, turn.y) + 1e-12).sqrt()
        return self.weight * (norm - self.target).square().mean()


class Dragan(_Penalty):
    """DRAGAN's penalty: D's gradient around real samples should have norm 1.

    Kodali et al. 2017, arXiv 1705.07215, algorithm 1: at x + noise * std(x) * u, std over the batch of real
    samples. u is uniform on [0, 1] here, where the paper writes a normal perturbation.

    Args:
        weight: of the penalty.
        noise: how far around.
        interval: apply it every so many steps, that many times as strong.
    """

    def __init__(self, weight: float = 10.0, noise: float = 0.5, interval: int = 1) -> None:
        super().__init__(interval)
        self.weight, self.noise = at_least_zero("weight", weight), at_least_zero("noise", noise)

    def term(self, turn: Turn) -> Tensor:
        around = map_sample(lambda x: x + self.noise * gathered(x).std() * torch.rand_like(x), turn.real)
        norm = (squared_gradient(turn.critic, around, turn.y) + 1e-12).sqrt()
        return self.weight * (norm - 1.0).square().mean()


class Drift(Stabilizer):
    """A small pull of D's outputs for real samples towards zero, where a loss leaves their level free.

    Karras et al. 2018, arXiv 1710.10196, appendix A.1: weight * mean D(x)^2.

    Args:
        weight: of the term, >= 0; multiplied by the recipe's penalty schedule.
    """

    def __init__(self, weight: float = 0.001) -> None:
        super().__init__()
        self.weight = at_least_zero("weight", weight)

    def d_penalty(self, turn: Turn) -> Tensor | None:
        logits = turn.critic(turn.real, turn.y)
        parts = [part.square().mean() for part in scales(logits)]
        return self.weight * turn.scale * torch.stack(parts).mean()


def at_least_zero(name: str, value: float) -> float:
    if not 0.0 <= value < math.inf:
        raise UsageError(f"{name} of a penalty: expected a number of at least 0, got {value:g}")
    return value


def mix(real: Sample, fake: Sample, share: Tensor) -> Sample:
    """share [N] of real and the rest of generated samples, on every scale alike."""

    def one(a: Tensor, b: Tensor) -> Tensor:
        s = share.to(a.dtype).view(-1, *[1] * (a.dim() - 1))
        return s * a + (1 - s) * b

    if isinstance(real, tuple):
        return tuple(one(a, b) for a, b in zip(real, fake, strict=True))
    assert isinstance(fake, Tensor)
    return one(real, fake)


def squared_gradient(critic: Judge, sample: Sample, y: Tensor | None) -> Tensor:
    """|grad_x D(x)|^2 for each row that D judges, over all scales of x and outputs of D. [N / pack]."""
    if not all(x.requires_grad for x in scales(sample)):
        sample = leaf(sample)
    logits = critic(sample, y)
    outputs = scales(logits)
    total = torch.stack([output.sum() for output in outputs]).sum()
    grads = [in_full(grad) for grad in torch.autograd.grad(total, scales(sample), create_graph=True)]
    rows = len(outputs[0])
    # Packed samples lie next to each other: a row gathers those that D judged together.
    return torch.stack([grad.reshape(rows, -1).square().sum(1) for grad in grads]).sum(0)
