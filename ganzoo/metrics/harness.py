"""The harness: generate once, extract features once, measure with every metric that was asked for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Split
from ganzoo.errors import UsageError, WorkError, nearest
from ganzoo.extractors.base import Extractor
from ganzoo.extractors.open import default_extractor, open_extractor
from ganzoo.metrics.base import Scores
from ganzoo.metrics.context import Context, Samples, order
from ganzoo.metrics.open import lack, open_metrics
from ganzoo.models.base import GAN
from ganzoo.registry import METRICS
from ganzoo.system.console import stages

AT_MOST = 50_000  # real samples of a split: as many as papers use for CIFAR-10


class Evaluation:
    """Metrics, extractor and real samples, ready to measure any number of sets of generated samples.

    Everything that can be refused is refused here, before anything is generated.

    Args:
        names: of metrics; all that fit the data where there are none.
        dataset: the data to measure against.
        extractor: by name; the one that follows from the data where it is None.
        weights: a file for the extractor.
        reference: the split to compare with, "train" or "test".
        offline: download nothing.
        device: where features are computed.
        has_discriminator: a trained discriminator comes with the samples.

    Raises:
        UsageError: a name is not known, or a metric needs what these data do not have.
    """

    def __init__(
        self,
        names: Iterable[str],
        dataset: Dataset,
        *,
        extractor: str | None = None,
        weights: str | None = None,
        reference: str = "train",
        offline: bool = False,
        device: torch.device | None = None,
        has_discriminator: bool = False,
    ) -> None:
        if reference not in ("train", "test"):
            raise UsageError(f"--reference {reference}: {nearest(reference, ('train', 'test'))}")
        self.dataset, self.reference = dataset, reference
        asked = list(dict.fromkeys(names))
        self.metrics, self._broken = open_metrics(asked)
        lacks = {name: lack(metric, dataset, has_discriminator) for name, metric in self.metrics.items()}
        self.extractor: Extractor | None = None
        if any(self._uses_extractor(name) for name, why in lacks.items() if not why):
            chosen = extractor or default_extractor(dataset)
            self.extractor = open_extractor(chosen, weights, offline, device)
            self.extractor.check(dataset.sample_shape)
        for name, metric in self.metrics.items():
            if not lacks[name] and "logits" in metric.needs_for(dataset) and not self._extractor().classifies:
                lacks[name] = f"a classifier, and the extractor {self._extractor().name} is none"
        if asked and any(lacks.values()):
            name = next(name for name, why in lacks.items() if why)
            raise UsageError(f"{name} needs {lacks[name]}")
        self.metrics = {name: metric for name, metric in self.metrics.items() if not lacks[name]}
        self._lenient = not asked
        self._train = _some("train", dataset.train, self.extractor)
        self._test = _some("test", dataset.test, self.extractor)

    def __call__(
        self,
        x: Tensor,
        y: Tensor | None = None,
        gan: GAN | None = None,
        with_real: bool = True,
        progress: bool = True,
    ) -> dict[str, Any]:
        """Measure samples x, uint8 [N, C, H, W] or float32 [N, D] in the data's units, with labels y [N].

        Args:
            gan: the model with its trained discriminator.
            with_real: measure real data too.
            progress: show bars on stderr.

        Returns:
            {"scores", "real", "protocol", "notes", "seconds"}; the protocol lacks what is known of the
            generator alone.
        """
        fake = Samples("generated", x, y, self.extractor)
        context = Context(self.dataset, fake, self._train, self._test, self.reference, gan, self.extractor)
        if any(self._uses_extractor(name) for name in self.metrics):
            needed = {id(part): part for part in (fake, context.real, *([context.held_out] * with_real))}
            for part in needed.values():
                part.extract(progress)
        result: dict[str, Any] = {"scores": {}, "real": {}, "protocol": {}, "notes": [], "seconds": {}}
        parameters: dict[str, Any] = {}
        for name, fault in self._broken.items():
            context.note(f"{name} was left out: {fault}")
        for name in stages(list(self.metrics), "measuring") if progress else list(self.metrics):
            metric, began = self.metrics[name], time.perf_counter()
            try:
                scores = self._named(name, self._guarded(name, metric, context))
                parameters[name] = metric.protocol(context)
            except UsageError as error:
                if not self._lenient:
                    raise
                context.note(f"{name} was left out: {error}")
                continue
            result["scores"] |= scores
            if with_real:
                try:
                    real = self._guarded(name, metric.on_real, context)
                    result["real"] |= self._named(name, real)
                except UsageError as error:
                    context.note(f"no value of {name} on real data: {error}")
            result["seconds"][name] = round(time.perf_counter() - began, 2)
        if not result["scores"]:
            raise UsageError("; ".join(["nothing could be measured", *context.notes]))
        result["protocol"] = self._protocol(context, parameters)
        result["notes"] = context.notes
        return result

    @property
    def first_score(self) -> str:
        """The first score with a direction, of the first metric: what a best checkpoint is chosen by."""
        for name, metric in self.metrics.items():
            for key, direction in metric.higher_is_better.items():
                if direction is not None:
                    return next(iter(self._named(name, {key: 0.0})))
        raise UsageError(f"none of {', '.join(self.metrics)} has a direction to choose a checkpoint by")

    @property
    def first_is_higher(self) -> bool:
        key = self.first_score.partition("@")[0]
        return any(metric.higher_is_better.get(key) for metric in self.metrics.values())

    @property
    def needs_discriminator(self) -> bool:
        return any("discriminator" in metric.needs_for(self.dataset) for metric in self.metrics.values())

    def least(self) -> int:
        """The fewest samples with which features have a covariance of full rank; 0 without features."""
        if self.extractor is None:
            return 0
        features = self.extractor(self._test.x[:2])["features"]
        return 0 if features is None else features.shape[1] + 1

    def _uses_extractor(self, name: str) -> bool:
        return bool({"features", "logits"} & set(self.metrics[name].needs_for(self.dataset)))

    def _extractor(self) -> Extractor:
        assert self.extractor is not None
        return self.extractor

    def _named(self, name: str, scores: Scores) -> Scores:
        suffix = f"@{self._extractor().name}" if self._uses_extractor(name) else ""
        return {f"{key}{suffix}": float(value) for key, value in scores.items()}

    def _guarded(self, name: str, measure: Callable[[Context], Scores], context: Context) -> Scores:
        try:
            scores = measure(context)
        except (UsageError, WorkError):
            raise
        except Exception as error:  # whatever a plugin raises: the message says whose it is
            origin = METRICS.origin(name)["distribution"]
            raise WorkError(f"metric {name!r} of {origin} failed: {type(error).__name__}: {error}") from error
        for key, value in scores.items():
            if not math.isfinite(value):
                raise WorkError(f"metric {name!r}: {key} is {value}, which is no score")
        return scores

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
            "extractor": extractor,
            "metrics": parameters,
        }


def _some(name: str, split: Split, extractor: Extractor | None) -> Samples:
    x, y = split.all()
    if len(x) > AT_MOST:
        index = order(len(x))[:AT_MOST].sort().values
        x, y = x[index], None if y is None else y[index]
    return Samples(name, x, y, extractor)
