"""What differs between two runs: settings, versions, and the latest value of each score."""

from __future__ import annotations

import math
from typing import Any

from ganzoo.metrics.columns import columns
from ganzoo.plan.config import flatten
from ganzoo.running.folder import Recorded
from ganzoo.system.lines import read_lines
from ganzoo.table.read import Column, protocol_of
from ganzoo.training.rows import MetricsRow, metrics_row

Pair = tuple[Any, Any]


def compare(a: Recorded, b: Recorded) -> dict[str, Any]:
    """{"runs", "settings", "provenance", "scores"}: each difference as [of a, of b], None where one has none.

    A score has {"values", "steps", "protocol": what differs in it, "difference", "higher_is_better"};
    the difference, b - a, is None where there is nothing to subtract.
    """
    configs = [run.config.as_json() for run in (a, b)]
    origins = [flatten(config.pop("origins")) for config in configs]
    provenances = [flatten(config.pop("provenance")) for config in configs]
    for one, other in (origins, origins[::-1]):
        for key in one.keys() - other.keys():  # of a member that only one run has: a setting that differs
            del one[key]
    for provenance, origin in zip(provenances, origins, strict=True):
        provenance.pop("command", None)  # it says the settings once more
        provenance.update(origin)
    return {
        "runs": [str(a.path), str(b.path)],
        "settings": _differences(*map(flatten, configs)),
        "provenance": _differences(*provenances),
        "scores": _scores(_latest(a), _latest(b)),
    }


def _differences(a: dict[str, str], b: dict[str, str]) -> dict[str, Pair]:
    return {key: (a.get(key), b.get(key)) for key in dict.fromkeys([*a, *b]) if a.get(key) != b.get(key)}


def _latest(run: Recorded) -> dict[str, MetricsRow]:
    """The last line of metrics.jsonl in which each score is."""
    rows = read_lines(run.path / "metrics.jsonl", metrics_row)
    return {score: row for row in rows for score in columns(row)}


def _scores(a: dict[str, MetricsRow], b: dict[str, MetricsRow]) -> dict[str, dict[str, Any]]:
    scores = {}
    for score in dict.fromkeys([*a, *b]):
        rows = (a.get(score), b.get(score))
        says = columns(rows[0] or rows[1] or {})[score]
        column = Column(score, says["metric"], says["higher_is_better"])
        protocol: dict[str, Pair] = {}
        difference = None
        if rows[0] is not None and rows[1] is not None:
            protocol = _differences(*(protocol_of(row["protocol"], column) for row in rows if row))
            far = rows[1]["scores"][score] - rows[0]["scores"][score]
            difference = far if not protocol and math.isfinite(far) else None
        scores[score] = {
            "values": [row and row["scores"][score] for row in rows],
            "steps": [row and row["step"] for row in rows],
            "protocol": protocol,
            "difference": difference,
            "higher_is_better": column.higher_is_better,
        }
    return scores
