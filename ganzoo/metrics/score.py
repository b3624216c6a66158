"""Metrics alone: scores of any two sets of samples, whoever made them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from ganzoo.data.base import Modes
from ganzoo.data.ranges import Range
from ganzoo.errors import UsageError
from ganzoo.extractors.open import Source
from ganzoo.metrics.harness import Evaluation
from ganzoo.metrics.open import Given, check_names
from ganzoo.metrics.sets import RealSet, as_labels, as_samples, refuse_unlike
from ganzoo.registry.blame import blaming
from ganzoo.system.devices import choose_device

FAKE, REAL, HELD_OUT = "generated samples", "real samples", "held-out samples"


class Scored(dict[str, float]):
    """Scores by name, `{"fid@mnist-cnn-v1": 0.02, ...}`, with what they mean.

    Attributes:
        protocol: all that must be equal for two scores to be compared.
        notes: what should be said beside them.
        real: the same scores of as many held-out real samples, where such were given.
    """

    def __init__(self, result: Mapping[str, Any]) -> None:
        super().__init__(result["scores"])
        self.protocol: dict[str, Any] = result["protocol"]
        self.notes: list[str] = result["notes"]
        self.real: dict[str, float] = result["real"]


@blaming()
def score(
    fake: Any,
    real: Any,
    metrics: str | Iterable[str] = (),
    *,
    extractor: Source | None = None,
    weights: str | Path | None = None,
    labels: Any = None,
    real_labels: Any = None,
    held_out: Any = None,
    pixels: Range | None = None,
    modes: Modes | None = None,
    device: str | torch.device | None = None,
    offline: bool = False,
    progress: bool = False,
) -> Scored:
    """The scores of generated samples against real ones, as `ganzoo eval` computes them.

    Args:
        fake, real: tensors or arrays: images uint8 [N, C, H, W] (the channels may be last), or floats in
            [-1, 1]; vectors or features [N, D], or anything else [N, ...], as they are. They need not be
            equally many.
        metrics: by name, one or several; all that fit the samples where there are none.
        extractor: by name, a `ganzoo.Extractor`, or a function of uint8 [N, C, H, W] that gives features
            [N, d]. Where left out, `inception` for images and `identity`, which takes them as they are, for
            all else.
        weights: a file for the extractor that is named.
        labels, real_labels: int64 [N], the classes of either, for metrics that need them.
        held_out: real samples that neither the generator nor `real` has, which `memorization` needs; their
            own scores are `.real` of the result then, where there are as many as generated ones.
        pixels: the range of images that are floats, where it is not [-1, 1]: (0, 1), say.
        modes: what is known of the data's modes, for `modes`.
        device: where features are computed; the best there is where left out. An extractor that is an object
            stays where it is, and a function is given samples on the CPU.
        offline: download nothing.
        progress: show bars on stderr.

    Returns:
        A dict of floats, with `.protocol`, `.notes` and `.real`.

    Raises:
        UsageError: these are no samples, a word is wrong, or a metric needs what is not there.
    """
    names = as_names(metrics)
    check_names(names, extractor)
    if modes is not None and not isinstance(modes, Modes):
        raise UsageError(f"modes: expected ganzoo.Modes(count, centers, std), got {modes!r}")
    there = as_samples(REAL, real, pixels)
    given = as_samples(FAKE, fake, pixels)
    like = there.dtype, tuple(there.shape[1:])
    refuse_unlike(FAKE, given, REAL, like)
    more = None if held_out is None else as_samples(HELD_OUT, held_out, pixels)
    if more is not None:
        refuse_unlike(HELD_OUT, more, REAL, like)
    y, real_y = as_labels(FAKE, labels, len(given)), as_labels(REAL, real_labels, len(there))
    evaluation = Evaluation(
        names,
        RealSet(there, real_y, more, modes),
        extractor=extractor,
        weights=weights,
        offline=offline,
        device=where(extractor, device),
        given=Given(labels=y is not None),
    )
    return Scored(evaluation(given, y, with_real=more is not None, progress=progress))


def as_names(metrics: Any) -> list[str]:
    """Names of metrics, from one or several. Raises UsageError where these are none."""
    names = [metrics] if isinstance(metrics, str) or not isinstance(metrics, Iterable) else list(metrics)
    for name in names:
        if not isinstance(name, str):
            raise UsageError(
                f"metrics are given by name, and {name!r} is none: ganzoo.METRICS.add(NAME, CLASS) gives one "
                "of your own a name"
            )
    return names


def where(extractor: Source | None, device: str | torch.device | None) -> torch.device | None:
    """Where features are computed; None where an object is, which nobody told to go elsewhere."""
    if device is None and extractor is not None and not isinstance(extractor, str):
        return None
    return choose_device("auto" if device is None else device)
