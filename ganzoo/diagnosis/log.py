"""A log as judgements read it: columns, and since when something holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from ganzoo.diagnosis import thresholds as at
from ganzoo.errors import UsageError, WorkError
from ganzoo.plan.config import Config
from ganzoo.registry import LOSSES
from ganzoo.registry.registry import DISTRIBUTION

Row = Mapping[str, Any]
Point = tuple[int, float]  # a step, and what was logged there
SIGNAL = "signal/"


class LossFacts(NamedTuple):
    """What judgements need to know of a loss.

    Attributes:
        probabilistic: sigma(logit) is D's probability that a sample is real.
        of_nothing: D's loss where it answers 0 to everything; 0 where it can fall for ever.
    """

    probabilistic: bool
    of_nothing: float


# Of the zoo's own, so that a log is judged without torch; a test holds them against the losses.
OWN = {
    "minimax": LossFacts(True, 2 * math.log(2)),
    "non-saturating": LossFacts(True, 2 * math.log(2)),
    "least-squares": LossFacts(False, 0.5),
    "hinge": LossFacts(False, 2.0),
    "wasserstein": LossFacts(False, 0.0),
    "relativistic": LossFacts(False, math.log(2)),
    "relativistic-average": LossFacts(False, 2 * math.log(2)),
}


class Log:
    """The rows of log.jsonl, and the settings that they were made with."""

    def __init__(self, rows: Sequence[Row], config: Config) -> None:
        self.rows = [row for row in rows if isinstance(row.get("step"), int)]
        self.config = config

    @property
    def steps(self) -> int:
        """Done when the last row was written."""
        return int(self.rows[-1]["step"]) if self.rows else 0

    def column(self, name: str) -> list[Point]:
        """The rows that have it."""
        return [
            (row["step"], float(row[name])) for row in self.rows if isinstance(row.get(name), int | float)
        ]

    def signal(self, name: str) -> list[Point]:
        """The measured rows; none in a log of an older version."""
        return self.column(SIGNAL + name)

    @cached_property
    def loss(self) -> LossFacts | None:
        """None where it belongs to a plugin that is gone."""
        name = self.config.recipe.loss
        try:
            own = LOSSES.origin(name)["distribution"] == DISTRIBUTION
            return OWN[name] if own and name in OWN else facts_of(name)
        except (UsageError, WorkError):
            return None

    @cached_property
    def margin(self) -> list[Point]:
        """D's loss as a share of what it would be for a D that answers 0 to everything."""
        whole = 0.0 if self.loss is None else self.loss.of_nothing
        return [(step, value / whole) for step, value in self.column("d_loss")] if whole > 0 else []


def facts_of(name: str) -> LossFacts:
    """Of a loss, by asking it. Raises UsageError or WorkError if it cannot be had."""
    import torch

    from ganzoo.plan.assemble import build_loss

    loss, nothing = build_loss(name), torch.zeros(1)
    with torch.no_grad():
        whole = float(loss.d(nothing, nothing)) if loss.bounded_below else 0.0
    return LossFacts(loss.probabilistic, whole)


def since(points: Sequence[Point], bad: Callable[[float], bool], rows: int = at.ROWS) -> int | None:
    """The step from which on all values are bad; None where they are not, or have not been for long.

    Long are so many rows, and steps and a share of the run by `thresholds`.
    """
    first: int | None = None
    count = 0
    for step, value in reversed(points):
        if not bad(value):
            break
        first, count = step, count + 1
    if first is None or count < rows:
        return None
    end = points[-1][0]
    return first if end - first >= max(at.STEPS, at.SHARE * end) else None


def last(points: Sequence[Point], count: int = 3) -> float:
    """The mean of the last values."""
    values = [value for _, value in points[-count:]]
    return sum(values) / len(values)
