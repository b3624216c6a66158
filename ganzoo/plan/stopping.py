"""When a run ends before its budget: a score that is good enough, or that grows no better."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ganzoo.errors import UsageError, nearest

ON_NAN = ("stop", "rollback")  # what to do where numbers are not finite any more
FORM = re.compile(r"\s*([^\s<>=]+)\s*([<>])=?\s*(\S+)\s*")


@dataclass(frozen=True)
class StopWhen:
    """A score that is good enough: "fid < 0.05"; "modes > 24.5"."""

    score: str
    below: bool
    bound: float

    @classmethod
    def parse(cls, text: str) -> StopWhen:
        """Raises UsageError if it is of another form."""
        match = FORM.fullmatch(text)
        try:
            bound = float(match[3]) if match else math.nan
        except ValueError:
            bound = math.nan
        if match is None or not math.isfinite(bound):
            raise UsageError(f"--stop-when {text!r}: expected a score and a bound, like 'fid < 0.05'")
        return cls(match[1], match[2] == "<", bound)

    def among(self, scores: Iterable[str]) -> str:
        """Which of these scores is meant, with or without the extractor's name. Raises UsageError if none."""
        known = list(scores)
        found = [key for key in known if self.score in (key, key.partition("@")[0])]
        if not found:
            raise UsageError(
                f"--stop-when {self.score}: not measured during training; {nearest(self.score, known)}"
            )
        return found[0]

    def holds(self, value: float) -> bool:
        return value < self.bound if self.below else value > self.bound


def why_ended(
    rows: Sequence[Mapping[str, float]], when: StopWhen | None, patience: int, first: str, higher: bool
) -> str:
    """Why a run ends at the last of its evaluations, as the end of a sentence; "" if it goes on.

    Args:
        rows: the scores of each evaluation so far, in order.
        patience: end after so many evaluations without a better one; 0 never does.
        first: the score that says what is better, which `higher` values are or lower ones.
    """
    if not rows:
        return ""
    if when is not None:
        key = when.among(rows[-1])
        if when.holds(rows[-1][key]):
            return f"{key} is {rows[-1][key]:.4g}, {'below' if when.below else 'above'} {when.bound:g}"
    values = [row[first] if higher else -row[first] for row in rows if first in row]
    best = max(range(len(values)), key=values.__getitem__, default=0)  # the first of equals
    if patience and len(values) - 1 - best >= patience:
        return f"{first} grew no better in {patience} evaluation{'s' * (patience != 1)}"
    return ""
