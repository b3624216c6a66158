"""Against a D that learns few samples by heart: its answers are held to what it answered before."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo.errors import UsageError
from ganzoo.models.sample import Logits, scales
from ganzoo.models.turn import Turn
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.stabilizers.penalties import at_least_zero
from ganzoo.system import ranks


class LeCam(Stabilizer):
    """LeCam regularisation: D's answers to real samples stay near its past ones to generated ones, and back.

    Tseng et al. 2021, arXiv 2104.03310, eqs. 3 and 4, for small data sets: weight * (mean (D(x) - a_fake)^2 +
    mean (D(G(z)) - a_real)^2), where a_real and a_fake are running means of D's logits. For a Wasserstein
    loss it bounds the LeCam divergence. This batch's mean enters the running ones first, and the first
    batch's is where they begin, which the paper leaves open.

    Args:
        weight: of the term, >= 0 (the paper's are 0.01 to 0.5); multiplied by the recipe's penalty schedule.
        decay: share of the running means that is kept at each update of D, in [0, 1).
    """

    def __init__(self, weight: float = 0.3, decay: float = 0.99) -> None:
        super().__init__()
        if not 0.0 <= decay < 1.0:
            raise UsageError(f"lecam: decay must be in [0, 1), got {decay:g}")
        self.weight, self.decay = at_least_zero("weight", weight), decay
        nothing, sums = torch.tensor(float("nan")), torch.zeros(())  # before the first update
        self.state = {"real": nothing, "fake": nothing, "sum_real": sums, "sum_fake": sums, "parts": 0}

    def d_penalty(self, turn: Turn) -> Tensor:
        real, fake = (turn.critic(sample, turn.y) for sample in (turn.real, turn.fake))
        self.state["parts"] += 1
        anchors = {side: self._followed(side, logits) for side, logits in (("real", real), ("fake", fake))}
        away = _square(real, anchors["fake"]) + _square(fake, anchors["real"])
        return self.weight * turn.scale * away

    def weights(self, turn: Turn) -> None:
        if turn.phase == "d":
            self.state |= {side: self._mean(side) for side in ("real", "fake")}
            # On the device, as the first logits have put them there.
            sums = {name: torch.zeros_like(self.state[name]) for name in ("sum_real", "sum_fake")}
            self.state |= {**sums, "parts": 0}

    def _followed(self, side: str, logits: Logits) -> Tensor:
        """The running mean with these logits in it, and those of the parts of the batch so far, whose mean
        logits are summed up. It stays on the device: nothing waits for its value."""
        now = ranks.mean(torch.stack([part.detach().mean() for part in scales(logits)]).mean())
        self.state[f"sum_{side}"] = self.state[f"sum_{side}"].to(now) + now
        return self._mean(side)

    def _mean(self, side: str) -> Tensor:
        now: Tensor = self.state[f"sum_{side}"] / self.state["parts"]
        before = self.state[side].to(now)
        return torch.where(before.isnan(), now, torch.lerp(now, before, self.decay))


def _square(logits: Logits, anchor: Tensor) -> Tensor:
    return torch.stack([(part - anchor).square().mean() for part in scales(logits)]).mean()
