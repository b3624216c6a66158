"""Adversarial losses: what D and G minimise, over logits, in numerically stable form.

Each is the mean over the batch, and over a tuple of logits for a D with several outputs. `sigma` is the
logistic function, r = D(real), f = D(fake); softplus(x) = log(1 + exp(x)) = -log sigma(-x).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from ganzoo.models.sample import Logits
from ganzoo.registry import LOSSES
from ganzoo.registry.described import Described

get, names, options, search = LOSSES.get, LOSSES.names, LOSSES.options, LOSSES.search


class Loss(Described):
    """A pair of functions. Subclass it and write `d` and `g` for one tensor each: tuples are averaged for
    you.

    Attributes:
        has_targets: D is taught target numbers, so that label smoothing means something.
        needs_real_in_g: `g` is given D's logits on real samples too.
        bounded_below: D's loss cannot fall for ever, so that "low" means something.
        probabilistic: sigma(logit) is D's probability that a sample is real, and is logged as D(x).
        level: D's output halfway between real and generated; None where differences alone mean something.
    """

    contract: ClassVar[int] = 2
    has_targets: ClassVar[bool] = False
    needs_real_in_g: ClassVar[bool] = False
    bounded_below: ClassVar[bool] = True
    probabilistic: ClassVar[bool] = True
    level: ClassVar[float | None] = 0.0

    def d(self, real: Any, fake: Any, *, real_target: float = 1.0) -> Tensor:
        """What D minimises, from Logits: a scalar. `real_target` below 1 is one-sided label smoothing."""
        raise NotImplementedError

    def g(self, fake: Any, real: Any = None) -> Tensor:
        """What G minimises, from Logits: a scalar."""
        raise NotImplementedError

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Averaging over a tuple is the contract's, not every author's: it is added to what a subclass writes.
        super().__init_subclass__(**kwargs)
        for name in ("d", "g"):
            if name in cls.__dict__:
                setattr(cls, name, _averaged(cls.__dict__[name]))


def _averaged(method: Callable[..., Tensor]) -> Callable[..., Tensor]:
    @wraps(method)
    def over_outputs(self: Loss, first: Logits, second: Logits | None = None, **options: Any) -> Tensor:
        if not isinstance(first, tuple):
            return method(self, first, second, **options)
        seconds = second if isinstance(second, tuple) else (second,) * len(first)
        return torch.stack(
            [method(self, a, b, **options) for a, b in zip(first, seconds, strict=True)]
        ).mean()

    return over_outputs


def cross_entropy_d(real: Tensor, fake: Tensor, real_target: float) -> Tensor:
    """-t log sigma(r) - (1 - t) log(1 - sigma(r)) - log(1 - sigma(f)), with t the target of real samples."""
    return softplus(-real).mean() + (1.0 - real_target) * real.mean() + softplus(fake).mean()


class Minimax(Loss):
    """Minimax game as first written, saturating: G minimises log(1 - sigma(f)).

    Goodfellow et al. 2014, arXiv 1406.2661, eq. 1. At the equilibrium D's loss is 2 ln 2 = 1.386.
    """

    has_targets = True

    def d(self, real: Tensor, fake: Tensor, *, real_target: float = 1.0) -> Tensor:
        return cross_entropy_d(real, fake, real_target)

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -softplus(fake).mean()


class NonSaturating(Minimax):
    """Non-saturating game: D as in minimax, G maximises log sigma(f).

    Goodfellow et al. 2014, arXiv 1406.2661, section 3. At the equilibrium D's loss is 2 ln 2 = 1.386.
    """

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return softplus(-fake).mean()


class LeastSquares(Loss):
    """Least squares to the targets 1 (real) and 0 (fake); G aims at 1.

    Mao et al. 2017, arXiv 1611.04076, eq. 9 (a = 0, b = c = 1). At the equilibrium D's loss is 1/4.
    """

    has_targets = True
    probabilistic = False
    level = 0.5

    def d(self, real: Tensor, fake: Tensor, *, real_target: float = 1.0) -> Tensor:
        return 0.5 * (real - real_target).square().mean() + 0.5 * fake.square().mean()

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return 0.5 * (fake - 1.0).square().mean()


class Hinge(Loss):
    """Hinge: D wants r >= 1 and f <= -1; G raises f.

    Lim & Ye 2017, arXiv 1705.02894; Miyato et al. 2018, arXiv 1802.05957, eq. 16 and 17.
    """

    probabilistic = False

    def d(self, real: Tensor, fake: Tensor, *, real_target: float = 1.0) -> Tensor:
        return relu(1.0 - real).mean() + relu(1.0 + fake).mean()

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake.mean()


class Wasserstein(Loss):
    """Wasserstein: D raises E[r] - E[f], an estimate of a distance once D is Lipschitz; G raises E[f].

    Arjovsky et al. 2017, arXiv 1701.07875, eq. 2 and 3. Not bounded below: it needs a bound on D itself.
    """

    bounded_below = False
    probabilistic = False
    level = None

    def d(self, real: Tensor, fake: Tensor, *, real_target: float = 1.0) -> Tensor:
        return fake.mean() - real.mean()

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake.mean()


class Relativistic(Loss):
    """Relativistic pairing: D wants each real sample above its paired fake one, G the opposite.

    Jolicoeur-Martineau 2018, arXiv 1807.00734, eq. 6 and 7 with the logistic function. At the equilibrium
    both losses are ln 2 = 0.693.
    """

    needs_real_in_g = True
    probabilistic = False
    level = None

    def d(self, real: Tensor, fake: Tensor, *, real_target: float = 1.0) -> Tensor:
        return softplus(fake - real).mean()

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return softplus(_given(real) - fake).mean()


class RelativisticAverage(Loss):
    """Relativistic average: D wants real samples above the mean fake and fake ones below the mean real.

    Jolicoeur-Martineau 2018, arXiv 1807.00734, eq. 14 and 15 (RaSGAN). At the equilibrium both are 2 ln 2.
    """

    needs_real_in_g = True
    probabilistic = False
    level = None

    def d(self, real: Tensor, fake: Tensor, *, real_target: float = 1.0) -> Tensor:
        return softplus(fake.mean() - real).mean() + softplus(fake - real.mean()).mean()

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return self.d(fake, _given(real))


def _given(real: Tensor | None) -> Tensor:
    if real is None:
        raise ValueError("a relativistic loss needs D's logits on real samples in G's step too")
    return real
