"""The harness: generate once, extract features once, measure with every metric that was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Split
from ganzoo.data.classes import class_shares, has_shares
from ganzoo.data.conditions import Conditions
from ganzoo.errors import UsageError, nearest
from ganzoo.extractors.base import Extractor
from ganzoo.extractors.open import Source
from ganzoo.metrics.by_class import by_class
from ganzoo.metrics.context import Context, Samples, order
from ganzoo.metrics.extracting import NoExtractor, extractor_for, lack_of_logits
from ganzoo.metrics.measure import Measure, Measured
from ganzoo.metrics.open import Given, lack, open_metrics
from ganzoo.models.base import GAN
from ganzoo.system.bars import stages

LEAST_OF_CLASS = 50
ACCURACY = "conditional-accuracy"
AT_MOST = 50_000  # real samples of a split: as many as papers use for CIFAR-10


class Evaluation:
    """Metrics, extractor and real samples, ready to measure any number of sets of generated samples.

    Everything that can be refused is refused here, before anything is generated.

    Args:
        names: of metrics; all that fit the data where there are none.
        dataset: the data to measure against.
        extractor: by name, an object or a function; the one that follows from the data where it is None.
        weights: a file for the extractor.
        reference: the split to compare with, "train" or "test".
        offline: download nothing.
        device: where features are computed.
        given: what comes with the samples.
        per_class: measure each class too, and how many samples show the class that was asked for.
        train: the real samples of the train split, where their features are there already.

    Raises:
        UsageError: a name is not known, or a metric needs what these data do not have.
    """

    def __init__(
        self,
        names: Iterable[str],
        dataset: Dataset,
        *,
        extractor: Source | None = None,
        weights: str | Path | None = None,
        reference: str = "train",
        offline: bool = False,
        device: torch.device | None = None,
        given: Given = Given(),
        per_class: bool = False,
        train: Samples | None = None,
    ) -> None:
        if reference not in ("train", "test"):
            raise UsageError(f"--reference {reference}: {nearest(reference, ('train', 'test'))}")
        self.dataset, self.reference = dataset, reference
        asked = list(dict.fromkeys(names))
        opened = open_metrics([*asked, *([ACCURACY] * (per_class and bool(asked)))], dataset)
        self._needs, self._broken = opened.needs, opened.broken
        lacks = {name: lack(needs, dataset, given) for name, needs in self._needs.items()}
        self.extractor: Extractor | None = None
        self._notes: list[str] = []
        using = [n for n, why in lacks.items() if not why and {"features", "logits"} & set(self._needs[n])]
        if using:
            try:
                self.extractor = extractor_for(dataset, extractor, weights, offline, device)
            except NoExtractor as error:
                named = [name for name in using if name in asked]
                if named:
                    others = [name for name in asked if name not in named and not lacks[name]]
                    alone = f"; {', '.join(others)} can be measured without" if others else ""
                    raise UsageError(f"{', '.join(named)}: {error}{alone}") from error
                lacks |= dict.fromkeys(using, "an extractor")
                self._notes.append(f"left out, as they need an extractor: {', '.join(using)}; {error}")
        for name, needs in self._needs.items():
            lacks[name] = lacks[name] or lack_of_logits(needs, self.extractor)
        for name in asked:
            if lacks[name]:
                raise UsageError(f"{name} needs {lacks[name]}")
        fitting = {name: metric for name, metric in opened.metrics.items() if not lacks[name]}
        extractor_name = self.extractor.name if self.extractor else ""
        self._measure = Measure(fitting, self._needs, extractor_name, asked)
        self.metrics, self._per_class = self._measure.metrics, per_class
        self._train = _some("train", dataset.train, self.extractor) if train is None else train
        self._test = _some("test", dataset.test, self.extractor)

    def __call__(
        self,
        x: Tensor,
        y: Tensor | None = None,
        gan: GAN | None = None,
        with_real: bool = True,
        progress: bool = True,
        made: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Any]:
        """Measure samples x [N, ...] in the data's own units, with the y [N, ...] that they were made for.

        Args:
            made: their features and logits, where they are there already.
            gan: the model with its trained discriminator.
            with_real: measure as many real samples too.
            progress: show bars on stderr.

        Returns:
            {"scores", "real", "protocol", "notes", "seconds"}; the protocol lacks what is known of the
            generator alone. Where there are fewer held-out samples than generated ones, "matched" has the
            scores of both at as many as there are: {"n", "scores", "real"}. "per_class" is a list of rows.
        """
        _check_labels(x, y, self.dataset)
        fake = Samples("generated", x, y, self.extractor, made)
        ways = (self.reference, gan, self.extractor, self._apportioned(y))
        context = Context(self.dataset, fake, self._train, self._test, *ways)
        if any(map(self._measure.uses_extractor, self.metrics)):
            needed = {id(part): part for part in (fake, context.real, *([context.held_out] * with_real))}
            for part in needed.values():
                part.extract(progress)
        for name, fault in {**self._broken, **self._measure.left_out}.items():
            context.note(f"{name} was left out: {fault}")
        for note in self._notes:
            context.note(note)
        names = stages(list(self.metrics), "measuring") if progress else list(self.metrics)
        measured = self._measure(context, names, with_real)
        if not measured.scores:
            raise UsageError("; ".join(["nothing could be measured", *context.notes]))
        result: dict[str, Any] = {"scores": measured.scores, "real": measured.real}
        if measured.unequal:
            result["matched"] = self._matched(context, measured)
        if self._per_class:
            result["per_class"] = by_class(
                self._measure, context, self._least_of_class(), with_real, "; ".join(self._notes)
            )
        result["protocol"] = self._protocol(context, measured.parameters)
        return {**result, "notes": context.notes, "seconds": measured.seconds}

    def _matched(self, context: Context, measured: Measured) -> dict[str, Any]:
        """Generated and real samples at as many as there are held out, by the metrics that lack a value."""
        n = len(context.held_out)
        names = ", ".join(measured.unequal)
        context.note(
            f"no value of real data beside {names}: {n} samples are held out, fewer than the "
            f"{len(context.fake)} generated ones"
        )
        few = context.fewer()
        at_n = self._measure(few, measured.unequal, lenient=True)
        for note in few.notes:
            context.note(f"at {n} samples: {note}")
        scores = {key: value for key, value in at_n.scores.items() if key in at_n.real}
        return {"n": n, "scores": scores, "real": at_n.real}

    def _apportioned(self, y: Tensor | None) -> bool:
        """Whether the labels have exactly the shares of the reference split."""
        return y is not None and self.dataset.num_classes > 0 and has_shares(y, self.shares)

    @property
    def shares(self) -> Tensor:
        """The share of each class in the reference split, float64 [num_classes]."""
        return class_shares(self.dataset, self.reference)

    @cached_property
    def conditions(self) -> Conditions:
        """What samples are drawn for where y is that of these data."""
        if self.dataset.condition_shape:
            return Conditions.of(self.dataset, conditional=True, whole=True)
        return Conditions(self.shares)

    @property
    def first_score(self) -> str:
        """The first score with a direction, of the first metric: what a best checkpoint is chosen by."""
        for name, metric in self.metrics.items():
            for key in metric.scores_for(self.dataset):
                if metric.higher_is_better[key] is not None:
                    return next(iter(self._measure.named(name, {key: 0.0})))
        raise UsageError(f"none of {', '.join(self.metrics)} has a direction to choose a checkpoint by")

    @property
    def score_names(self) -> list[str]:
        """The scores that can be expected, as a person sees them."""
        return [
            key
            for name, metric in self.metrics.items()
            for key in self._measure.named(name, dict.fromkeys(metric.scores_for(self.dataset), 0.0))
        ]

    @property
    def first_is_higher(self) -> bool:
        key = self.first_score.partition("@")[0]
        return any(metric.higher_is_better.get(key) for metric in self.metrics.values())

    @property
    def needs_discriminator(self) -> bool:
        return any("discriminator" in self._needs[name] for name in self.metrics)

    def least(self) -> int:
        """The fewest samples with which features have a covariance of full rank; 0 without features."""
        if self.extractor is None:
            return 0
        features = self.extractor(self._test.x[:2])["features"]
        return 0 if features is None else features.shape[1] + 1

    def _least_of_class(self) -> int:
        """The fewest held-out samples of a class that all are measured at."""
        return max(LEAST_OF_CLASS, self.least() if "fid" in self.metrics else 0)

    def _protocol(self, context: Context, parameters: dict[str, Any]) -> dict[str, Any]:
        extractor = None
        if self.extractor is not None:
            extractor = {"name": self.extractor.name, "weights": self.extractor.weights_hash}
        return {
            "dataset": self.dataset.name,
            "fingerprint": self.dataset.fingerprint,
            "shape": list(self.dataset.sample_shape),
            "reference": self.reference,
            "n_fake": len(context.fake),
            "n_real": len(context.real),
            "n_held_out": len(context.held_out),
            "real": "of n_fake samples",
            "extractor": extractor,
            "metrics": parameters,
        }


def _check_labels(x: Tensor, y: Tensor | None, dataset: Dataset) -> None:
    """Raise a UsageError for labels that are not classes of the data, one for each sample."""
    if y is None or not dataset.num_classes:
        return
    expected = f"whole numbers ({len(x)},) from 0 to {dataset.num_classes - 1}, the classes of {dataset.name}"
    if y.dtype != torch.int64 or y.shape != (len(x),):
        raise UsageError(f"labels of the samples are {y.dtype} {tuple(y.shape)}: expected {expected}")
    if len(y) and (int(y.min()) < 0 or int(y.max()) >= dataset.num_classes):
        raise UsageError(f"labels of the samples go from {y.min()} to {y.max()}: expected {expected}")


def _some(name: str, split: Split, extractor: Extractor | None) -> Samples:
    x, y = split.all()
    index = compared(len(x))
    if index is not None:
        x, y = x[index], None if y is None else y[index]
    return Samples(name, x, y, extractor)


def compared(n: int) -> Tensor | None:
    """Which of n real samples are compared with, where these are too many: always the same ones."""
    return order(n)[:AT_MOST].sort().values if n > AT_MOST else None
