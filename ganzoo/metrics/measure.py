"""Metrics on one set of samples, each beside real data at the same number of samples."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ganzoo.errors import UsageError, WorkError
from ganzoo.metrics.base import Metric, Need, Scores
from ganzoo.metrics.context import Context, TooFewHeldOut
from ganzoo.metrics.open import guarded
from ganzoo.registry import METRICS
from ganzoo.registry.registry import DISTRIBUTION


@dataclasses.dataclass
class Measured:
    """What `Measure` found.

    Attributes:
        scores, real: by score, of the samples and of as many real ones.
        parameters, seconds: by metric.
        unequal: metrics without a value of real data, because there are fewer held-out samples.
    """

    scores: Scores = dataclasses.field(default_factory=dict)
    real: Scores = dataclasses.field(default_factory=dict)
    parameters: dict[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    unequal: list[str] = dataclasses.field(default_factory=list)


class Measure:
    """Measures contexts with some metrics.

    Args:
        metrics: by name.
        needs: of each of them.
        extractor: its name, which scores of features carry.
        asked: those whose failure is an error; any other one that fails is left out with a note.

    Raises:
        UsageError: two metrics that were asked for give scores of one name.
    """

    def __init__(
        self,
        metrics: Mapping[str, Metric],
        needs: Mapping[str, tuple[Need, ...]],
        extractor: str,
        asked: Iterable[str],
    ) -> None:
        self.metrics, self._extractor, self._asked = dict(metrics), extractor, frozenset(asked)
        self._uses = {name for name in metrics if {"features", "logits"} & set(needs[name])}
        self.left_out: dict[str, str] = {}
        owners: dict[str, str] = {}
        for name, metric in metrics.items():
            for key in self.named(name, dict.fromkeys(metric.higher_is_better, 0.0)):
                other = owners.setdefault(key, name)
                if other != name:
                    self._clash(name, other, key)

    def _clash(self, name: str, other: str, key: str) -> None:
        """Two scores of one name: what was asked for is measured alone, or else the zoo's own."""
        origins = {each: METRICS.origin(each)["distribution"] for each in sorted((name, other))}
        whose = " and ".join(f"{each} of {origin}" for each, origin in origins.items())
        why = f"{whose} both give a score called {key}: measure them one at a time (--metric NAME)"
        unasked = [each for each in origins if each not in self._asked]
        if not unasked:
            raise UsageError(why)
        foreign = [each for each in unasked if origins[each] != DISTRIBUTION]
        for each in foreign or unasked:
            self.left_out[each] = why
            self.metrics.pop(each, None)

    def uses_extractor(self, name: str) -> bool:
        return name in self._uses

    def named(self, name: str, scores: Mapping[str, float]) -> Scores:
        """Scores of the metric by the names that a person sees."""
        suffix = f"@{self._extractor}" if self.uses_extractor(name) else ""
        return {f"{key}{suffix}": float(value) for key, value in scores.items()}

    def __call__(
        self, context: Context, names: Iterable[str], with_real: bool = True, lenient: bool = False
    ) -> Measured:
        """The scores of `context.fake` by the metrics called `names`.

        Why others are missing is noted; also of one that was asked for, where this is `lenient`.
        """
        measured = Measured()
        for name in names:
            began = time.perf_counter()
            try:
                self._one(name, context, measured, with_real)
            except (UsageError, WorkError) as error:
                if name in self._asked and not lenient:
                    raise
                context.note(f"{name} was left out: {error}")
                continue
            measured.seconds[name] = round(time.perf_counter() - began, 2)
        return measured

    def _one(self, name: str, context: Context, measured: Measured, with_real: bool) -> None:
        metric = self.metrics[name]
        scores = self._checked(name, guarded(name, metric, context))
        twice = scores.keys() & measured.scores.keys()
        if twice:  # a score that a metric does not declare
            raise UsageError(f"{name} gives the score {min(twice)}, and so does another metric before it")
        measured.parameters[name] = guarded(name, metric.protocol, context)
        measured.scores |= scores
        if not with_real:
            return
        try:
            measured.real |= self._checked(name, guarded(name, metric.on_real, context))
        except TooFewHeldOut:
            measured.unequal.append(name)
        except (UsageError, WorkError) as error:
            context.note(f"no value of {name} on real data: {error}")

    def _checked(self, name: str, scores: Mapping[str, float]) -> Scores:
        try:
            plain = self.named(name, scores)
        except (AttributeError, TypeError, ValueError) as error:
            raise WorkError(f"metric {name!r} gives no numbers by name: {error}") from error
        for key, value in plain.items():
            if not math.isfinite(value):
                raise WorkError(f"metric {name!r}: {key} is {value}, which is no score")
        return plain
