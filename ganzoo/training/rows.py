"""What the lines of a run's records hold, as far as they are read again; they have other keys too."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from ganzoo.system.lines import read_lines
from ganzoo.system.records import Count, Damaged, checked

WHEN = "during training"  # what a protocol says of the checkpoint, for scores of that time


class Stepped(TypedDict):
    """A line of log.jsonl or of metrics.jsonl."""

    step: Count


class LogRow(Stepped):
    """A line of log.jsonl."""

    images: Count
    images_per_s: float


class RunProtocol(TypedDict):
    metrics: dict[str, dict[str, Any]]
    checkpoint: NotRequired[str]


class MetricsRow(Stepped):
    """A line of metrics.jsonl."""

    scores: dict[str, float]
    real: dict[str, float]
    protocol: RunProtocol


def is_of_training(row: MetricsRow) -> bool:
    """Whether a line of metrics.jsonl was written during the training."""
    return row["protocol"].get("checkpoint") == WHEN


FAULT = ("fault", "fault_kind", "fault_net")  # texts, in the row that a run ends with whose numbers are gone


def observed(value: Any) -> dict[str, Any]:
    """A line of log.jsonl with all of its columns: numbers, but for a fault."""
    row = dict(stepped(value))
    for key, one in row.items():
        if not isinstance(one, str if key in FAULT else int | float):
            raise Damaged(f"{key}: expected {'text' if key in FAULT else 'a number'}")
    return row


def stepped(value: Any) -> Stepped:
    return checked(value, Stepped)


def log_row(value: Any) -> LogRow:
    return checked(value, LogRow)


def metrics_row(value: Any) -> MetricsRow:
    return checked(value, MetricsRow)


def measured(folder: Path) -> list[MetricsRow]:
    """The lines of a run's metrics.jsonl that were written during the training."""
    return [row for row in read_lines(folder / "metrics.jsonl", metrics_row) if is_of_training(row)]
