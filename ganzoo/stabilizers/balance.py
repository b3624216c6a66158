"""Keeping D from winning too early: softer targets, and pauses."""

from __future__ import annotations

from ganzoo.errors import UsageError
from ganzoo.models.turn import Turn
from ganzoo.stabilizers.base import Stabilizer


class LabelSmoothing(Stabilizer):
    """One-sided label smoothing: the target of real samples becomes 1 - amount, in D's step only.

    Salimans et al. 2016, arXiv 1606.03498, section 3.4. Fake targets stay 0: smoothing them would reward G
    for staying where it is.

    Args:
        amount: in [0, 0.5).
    """

    needs = ("targets",)

    def __init__(self, amount: float = 0.1) -> None:
        super().__init__()
        if not 0.0 <= amount < 0.5:
            raise UsageError(f"label smoothing must be in [0, 0.5), got {amount:g}")
        self.amount = amount

    def real_target(self, target: float, turn: Turn) -> float:
        return target - self.amount


class SkipD(Stabilizer):
    """Skip D's update while the running mean of its plain loss is below a threshold.

    The loss is the adversarial one on real + fake, without smoothing and penalties, so that 2 ln 2 = 1.386 is
    the equilibrium of the non-saturating game. It is read one update late, which spares the device a halt,
    and is still computed, forward only, on skipped updates. A practitioners' remedy, without a paper to its
    name.

    Args:
        below: the threshold, a finite number.
        momentum: of the running mean, in [0, 1).
        max_skips: at most so many skips in a row, so that D cannot fall asleep.
    """

    needs = ("bounded-loss",)

    def __init__(self, below: float = 0.3, momentum: float = 0.9, max_skips: int = 10) -> None:
        super().__init__()
        if not abs(below) < float("inf"):
            raise UsageError(f"skip-d: below must be a finite number, got {below}")
        if not 0.0 <= momentum < 1.0:
            raise UsageError(f"skip-d: momentum must be in [0, 1), got {momentum:g}")
        if max_skips < 1:
            raise UsageError(f"skip-d: max_skips must be at least 1, got {max_skips}")
        self.below, self.momentum, self.max_skips = below, momentum, max_skips
        self.state = {"mean": None, "in_a_row": 0, "skipped": 0, "asked": 0}

    def update_d(self, turn: Turn) -> bool:
        state, last = self.state, turn.d_loss
        if last is not None:
            old = last if state["mean"] is None else state["mean"]
            state["mean"] = self.momentum * old + (1.0 - self.momentum) * last
        skip = state["mean"] is not None and state["mean"] < self.below and state["in_a_row"] < self.max_skips
        state["in_a_row"] = state["in_a_row"] + 1 if skip else 0
        state["skipped"] += skip
        state["asked"] += 1
        return not skip

    def log(self) -> dict[str, float]:
        rate = self.state["skipped"] / max(1, self.state["asked"])
        self.state.update(skipped=0, asked=0)
        return {"d_skip_rate": rate}
