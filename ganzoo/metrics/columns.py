"""Which metric a score is of, and which direction is better: known without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from ganzoo.registry import METRICS


class Says(TypedDict):
    """Of a score: its metric, and which direction is better."""

    metric: str
    higher_is_better: bool | None


def columns(document: Mapping[str, Any]) -> dict[str, Says]:
    """Each score's metric and direction, so that a table of them needs no metric to be installed."""
    known: dict[str, Says] = {}
    for name in document["protocol"]["metrics"]:
        for score, higher in METRICS.said(name).attributes["higher_is_better"].items():
            known[score] = {"metric": name, "higher_is_better": higher}
    # A spread, such as fid_std, is within one run and has no direction.
    plain = {key: key.partition("@")[0] for key in document["scores"]}
    return {key: known[score] for key, score in plain.items() if score in known}
