"""What the lines of a run's records hold, as far as they are read again; they have other keys too."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from ganzoo.system.records import Count, checked


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


def stepped(value: Any) -> Stepped:
    return checked(value, Stepped)


def log_row(value: Any) -> LogRow:
    return checked(value, LogRow)


def metrics_row(value: Any) -> MetricsRow:
    return checked(value, MetricsRow)
