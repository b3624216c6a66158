"""G is judged by D's average over the last updates."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.models.turn import Turn
from ganzoo.stabilizers.base import Stabilizer, Weights


class AveragedD(Stabilizer):
    """An averaged D: G learns from D's running mean, which sways less than D, and D learns as ever.

    Exponential averages of both players: Yazici et al. 2019, arXiv 1806.04498, who sample from that of G;
    that of D as G's judge is fictitious play's average opponent (Brown 1951). Buffers, such as BatchNorm's,
    are D's own.

    Args:
        decay: share of the average that is kept at each update of D, in [0, 1); near the start it is less, as
            min(decay, (1 + n) / (10 + n)) after n updates.
    """

    refuses = ("unrolled",)

    def __init__(self, decay: float = 0.9) -> None:
        super().__init__()
        if not 0.0 <= decay < 1.0:
            raise UsageError(f"averaged-d: decay must be in [0, 1), got {decay:g}")
        self.decay = decay
        self.state = {"updates": 0}

    def setup(self, gan: GAN) -> None:
        self._discriminator = gan.discriminator

    def gradients(self, turn: Turn) -> None:
        # Not in setup: other stabilizers may change D after it.
        if turn.phase == "d" and not self.state["updates"]:
            self.state |= {name: w.detach().clone() for name, w in self._discriminator.named_parameters()}

    @torch.no_grad()
    def weights(self, turn: Turn) -> None:
        if turn.phase != "d":
            return
        n = self.state["updates"]
        self.state["updates"] = n + 1
        decay = min(self.decay, (1 + n) / (10 + n))
        weights: list[Tensor] = list(self._discriminator.parameters())
        torch._foreach_lerp_(list(self._averages().values()), weights, 1.0 - decay)

    def look_ahead(
        self, turn: Turn, loss: Callable[[Weights], Tensor], optimizer: Optimizer
    ) -> Weights | None:
        if not self.state["updates"]:
            return None  # the average of D as it started
        return self._averages()

    def _averages(self) -> Weights:
        """Each in the memory format of its weight: kernels differ by it in the last bit."""
        weights = dict(self._discriminator.named_parameters())
        for name, weight in weights.items():
            if self.state[name].stride() != weight.stride():  # as files have it
                self.state[name] = torch.empty_like(weight).copy_(self.state[name])
        return {name: self.state[name] for name in weights}
