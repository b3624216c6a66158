"""Metrics by name, and which of them fit which data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ganzoo.data.base import Dataset, kind_of_data
from ganzoo.errors import UsageError, WorkError
from ganzoo.metrics.base import Metric
from ganzoo.registry import EXTRACTORS, METRICS
from ganzoo.registry.spec import Ref


def check_names(names: Iterable[str], extractor: str | None = None) -> None:
    """Raise a UsageError for a metric or an extractor that there is not: before any data are opened."""
    for name in names:
        METRICS.get(name)
    if extractor is not None:
        EXTRACTORS.get(Ref.parse(extractor).name)


def open_metrics(asked: Sequence[str]) -> tuple[dict[str, Metric], dict[str, str]]:
    """Metrics by name, all there are where none is asked for; and what is wrong with the broken of these."""
    metrics: dict[str, Metric] = {}
    broken: dict[str, str] = {}
    for name in asked or METRICS.names():
        try:
            metrics[name] = METRICS.make(name)
        except (UsageError, WorkError) as error:
            if asked:
                raise
            broken[name] = str(error)
    return metrics, broken


def lack(metric: Metric, dataset: Dataset, has_discriminator: bool) -> str:
    """What the metric needs and these samples do not have, as the end of a sentence; empty if nothing."""
    there = {
        "images": (kind_of_data(dataset.sample_shape) == "images", f"images, and {dataset.name} has vectors"),
        "labels": (dataset.num_classes > 0, f"labels, and {dataset.name} has none"),
        "modes": (
            dataset.modes is not None,
            f"data whose modes are known, and those of {dataset.name} are not",
        ),
        "discriminator": (has_discriminator, "a trained discriminator: evaluate a run"),
        "training data": (
            not dataset.endless,
            f"a training set with an end, and {dataset.name} is drawn afresh: there is nothing to memorise",
        ),
    }
    for need in metric.needs_for(dataset):
        met, why = there.get(need, (True, ""))
        if not met:
            return why
    return ""
