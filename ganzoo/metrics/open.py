"""Metrics by name, which of them fit which data, and whose fault it is where one fails."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from ganzoo.data.base import Dataset
from ganzoo.data.kinds import kind_of
from ganzoo.errors import UsageError, WorkError
from ganzoo.extractors.open import Source
from ganzoo.metrics.base import Metric, Need
from ganzoo.registry import EXTRACTORS, METRICS
from ganzoo.registry.spec import Ref

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Given:
    """What comes with the generated samples: a trained discriminator, labels."""

    discriminator: bool = False
    labels: bool = False


@dataclass(frozen=True)
class Opened:
    """Metrics by name, what each of them needs of this data, and what is wrong with the broken ones."""

    metrics: dict[str, Metric]
    needs: dict[str, tuple[Need, ...]]
    broken: dict[str, str]


def check_names(names: Iterable[str], extractor: Source | None = None) -> None:
    """Raise a UsageError for a metric or an extractor that there is not: before any data are opened."""
    for name in names:
        METRICS.get(name)
    if isinstance(extractor, str):
        EXTRACTORS.get(Ref.parse(extractor).name)


def open_metrics(asked: Sequence[str], dataset: Dataset) -> Opened:
    """The metrics that are asked for, or else all there are, without the broken ones."""
    opened = Opened({}, {}, {})
    for name in asked or METRICS.names():
        try:
            metric: Metric = METRICS.make(name)
            opened.needs[name] = guarded(name, _needs, metric, dataset)
            opened.metrics[name] = metric
        except (UsageError, WorkError) as error:
            if asked:
                raise
            opened.broken[name] = str(error)
    return opened


def _needs(metric: Metric, dataset: Dataset) -> tuple[Need, ...]:
    return tuple(metric.needs_for(dataset))


def guarded(name: str, call: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """`call(...)` of a metric's code. Raises WorkError, which says whose it is, for all that it raises."""
    try:
        with redirect_stdout(sys.stderr):  # stdout is for the scores
            return call(*args, **options)
    except (UsageError, WorkError):
        raise
    except (Exception, SystemExit) as error:
        origin = METRICS.origin(name)["distribution"]
        raise WorkError(f"metric {name!r} of {origin} failed: {type(error).__name__}: {error}") from error


def lack(needs: Iterable[Need], dataset: Dataset, given: Given) -> str:
    """What a metric needs and these samples do not have, as the end of a sentence; empty if nothing."""
    there = {
        "images": (kind_of(dataset) == "images", f"images, and {dataset.name} has {kind_of(dataset)}"),
        "labels": (dataset.num_classes > 0, f"labels, and {dataset.name} has none"),
        "generated labels": (
            given.labels and dataset.num_classes > 0,
            "labels of the generated samples: evaluate a conditional run, or an .npz file that has them",
        ),
        "modes": (
            dataset.modes is not None,
            f"data whose modes are known, and those of {dataset.name} are not",
        ),
        "discriminator": (given.discriminator, "a trained discriminator: evaluate a run"),
        "training data": (
            not dataset.endless and len(dataset.test) > 0,
            f"a training set with an end, and {dataset.name} is drawn afresh: there is nothing to memorise"
            if dataset.endless
            else f"held-out real samples beside {dataset.name}: give them to ganzoo.score as held_out=...",
        ),
    }
    for need in needs:
        met, why = there.get(need, (True, ""))
        if not met:
            return why
    return ""
