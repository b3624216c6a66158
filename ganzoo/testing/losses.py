"""What the contract wants of a loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ganzoo.losses import Loss
from ganzoo.plan.assemble import build_loss
from ganzoo.registry import LOSSES
from ganzoo.registry.options import known_options
from ganzoo.testing.core import NotRun, Subject, described, hooks, no_options, want

FAR = (100.0, 10_000.0)


class Adversarial(Subject):
    """A loss; D's and G's value of it with the arguments that the training step gives."""

    base = Loss

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(LOSSES, name)
        known_options(f"loss {name}", {}, options)
        self.loss: Loss = build_loss(name)

    def d(self, real: Any, fake: Any, **options: float) -> Tensor:
        return _scalar("d(real, fake)", self.loss.d(real, fake, **options))

    def g(self, fake: Any, real: Any) -> Tensor:
        return _scalar("g(fake)", self.loss.g(fake, real if self.loss.needs_real_in_g else None))


def _scalar(what: str, value: Any) -> Tensor:
    got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"type {type(value).__name__}"
    want(got == "shape ()", f"{what} to be a scalar", got)
    scalar: Tensor = value
    return scalar


def finite(subject: Adversarial) -> None:
    """d and g are finite scalars with finite gradients, also for logits in the thousands."""
    for scale in (1.0, 10_000.0):
        real, fake = (scale * x.requires_grad_() for x in _logits(0))
        values = {"d(real, fake)": subject.d(real, fake), "g(fake)": subject.g(fake, real)}
        for what, value in values.items():
            want(value.isfinite(), f"a finite {what} for logits of about {scale:g}", value.item())
            used = (real, fake) if what.startswith("d") else (fake,)
            for x in torch.autograd.grad(value, used, allow_unused=True):
                want(x is not None, f"a gradient of {what} by the logits", "none")
                want(x is None or x.isfinite().all(), f"a finite gradient for logits of about {scale:g}", x)


def direction(subject: Adversarial) -> str:
    """High logits mean real: D raises those of real samples and lowers those of fakes, G raises its own."""
    real, fake = _logits(7)
    if torch.allclose(subject.d(real, fake), subject.d(-real, -fake), atol=1e-6):
        return NotRun("D's loss is the same with the signs of all logits turned")
    # D is wrong for D's step and right for G's, where both have something to learn.
    for side in ("real", "fake"):
        real, fake = torch.full((4,), -0.4, requires_grad=True), torch.full((4,), 0.4, requires_grad=True)
        (by,) = torch.autograd.grad(subject.d(real, fake), real if side == "real" else fake)
        sign = -1.0 if side == "real" else 1.0
        how = (
            "falls where the logit of a real sample rises" if side == "real" else "rises with that of a fake"
        )
        want((by * sign > 0).all(), f"d that {how}", f"a slope of {float(by[0]):.3g}")
    real, fake = torch.full((4,), 0.4), torch.full((4,), -0.4, requires_grad=True)
    (by,) = torch.autograd.grad(subject.g(fake, real), fake)
    want((by < 0).all(), "g that falls where the logit of a fake rises", f"a slope of {float(by[0]):.3g}")
    return ""


def tuples(subject: Adversarial) -> None:
    """A tuple of logits, from a D of several outputs, gives the mean over them."""
    (r1, f1), (r2, f2) = _logits(1), _logits(2, n=6)
    means = (subject.d(r1, f1) + subject.d(r2, f2)) / 2, (subject.g(f1, r1) + subject.g(f2, r2)) / 2
    got = subject.d((r1, r2), (f1, f2)), subject.g((f1, f2), (r1, r2))
    for name, mean, value in zip("dg", means, got, strict=True):
        want(torch.allclose(mean, value, rtol=1e-4), f"{name} of a tuple to be {mean:.6g}, the mean", value)


def targets(subject: Adversarial) -> None:
    """has_targets says whether real_target counts, which is one-sided: fakes have nothing to do with it."""
    real, fake = _logits(3)
    other = _logits(4)[1]
    change, again = (subject.d(real, f, real_target=0.9) - subject.d(real, f) for f in (fake, other))
    counts = not torch.allclose(change, torch.zeros(()), atol=1e-6)
    says = subject.loss.has_targets
    want(
        counts == says, f"real_target {'to count' if says else 'without effect'}, as has_targets says", change
    )
    want(torch.allclose(change, again, atol=1e-4), "an effect of real_target on real samples alone", again)


def real_in_g(subject: Adversarial) -> None:
    """needs_real_in_g says whether G's loss depends on the logits of real samples."""
    (real, fake), other = _logits(5), _logits(6)[0]
    if subject.loss.needs_real_in_g:
        values = subject.loss.g(fake, real), subject.loss.g(fake, other)
        want(not torch.equal(*values), "g that depends on real logits, as needs_real_in_g says", "no change")
    else:
        subject.loss.g(fake)


def bounded(subject: Adversarial) -> None:
    """bounded_below says whether D's loss has an end, however large the logits."""
    worst = math.inf
    for a, b in ((1.0, -1.0), (1.0, 1.0), (-1.0, -1.0), (-1.0, 1.0)):
        near, far = (float(subject.d(torch.full((2,), a * s), torch.full((2,), b * s))) for s in FAR)
        worst = min(worst, far - near)
    says = subject.loss.bounded_below
    want(
        (worst > -1.0) == says,
        f"bounded_below = {not says}, or a loss for which {says} is true",
        f"a d that falls by {max(0.0, -worst):.3g} when logits grow from {FAR[0]:g} to {FAR[1]:g}",
    )


def probability(subject: Adversarial) -> str:
    """probabilistic says that sigma(logit) is D's probability of real: it is what D learns by this loss."""
    if not subject.loss.probabilistic:
        return NotRun("probabilistic is False")
    for logit in (-1.0, 0.0, 1.5):
        # Where a share p = sigma(logit) is real, D has nothing to gain by another logit.
        p = 1.0 / (1.0 + math.exp(-logit))
        real, fake = (torch.full((3,), logit, requires_grad=True) for _ in range(2))
        by_real, by_fake = (g.sum() for g in torch.autograd.grad(subject.d(real, fake), (real, fake)))
        slope = float(p * by_real + (1 - p) * by_fake)
        want(
            abs(slope) < 1e-3,
            f"a D that rests at the logit {logit:g} where {p:.0%} is real, or probabilistic = False",
            f"a slope of {slope:.3g}",
        )
    return ""


def _logits(seed: int, n: int = 12) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, generator=generator), torch.randn(n, generator=generator)


SUBJECT = Adversarial
CHECKS = (described, hooks, no_options, finite, direction, tuples, targets, real_in_g, bounded, probability)
