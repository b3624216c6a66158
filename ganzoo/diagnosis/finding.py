"""What is found in a log."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a training.

    Args:
        name: for programs; one of `ganzoo.diagnosis.judge.NAMES`.
        since: the step from which on it is seen.
        short: a few words, for a progress bar.
        sentence: for people, without a full stop.
        advice: switches of `ganzoo run` to try, the likeliest first, none of which the run has or refuses.
    """

    name: str
    since: int
    short: str
    sentence: str
    advice: tuple[str, ...] = ()

    def __str__(self) -> str:
        tries = f"; try {', or '.join(self.advice)}" if self.advice else ""
        return f"since step {self.since} {self.sentence}{tries}"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "advice": list(self.advice)}
