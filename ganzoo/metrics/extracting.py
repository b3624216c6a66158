"""The extractor that metrics measure with, and what to do where there is none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from ganzoo.data.base import Dataset
from ganzoo.data.kinds import kind_of
from ganzoo.data.open import GIVEN
from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor
from ganzoo.extractors.open import Source, default_extractor, open_extractor
from ganzoo.metrics.base import Need
from ganzoo.registry.spec import Ref
from ganzoo.system.console import typed


class NoExtractor(UsageError):
    """The one that follows from the data cannot be had; nobody asked for it by name."""


def extractor_for(
    dataset: Dataset,
    given: Source | None,
    weights: str | Path | None,
    offline: bool,
    device: torch.device | None,
) -> Extractor:
    """The extractor that was given, or the one that follows from the data, for samples such as theirs.

    Raises:
        NoExtractor: the latter cannot be had; the sentence says how another one is made.
        UsageError: the name or the weights are wrong, or it takes other samples.
    """
    none = given is None or given == ""
    chosen = default_extractor(dataset) if none else given
    assert chosen is not None
    try:
        extractor = open_extractor(chosen, weights, offline, device)
    except UsageError as error:
        if not none or weights:
            raise
        raise NoExtractor(f"{error}; or {_own(dataset)}") from error
    refuse_kind(extractor, dataset)
    return extractor


def refuse_kind(extractor: Extractor, dataset: Dataset) -> None:
    """Raise a UsageError where these are not samples that the extractor takes."""
    if extractor.kinds and kind_of(dataset) not in extractor.kinds:
        raise UsageError(
            f"{extractor.name} takes {' and '.join(extractor.kinds)}, and {dataset.name} has "
            f"{kind_of(dataset)} of shape {tuple(dataset.sample_shape)}: choose another --extractor"
        )
    extractor.check(dataset.sample_shape)


def lack_of_logits(needs: Iterable[Need], extractor: Extractor | None) -> str:
    """What a metric needs and the extractor does not give, as the end of a sentence; empty if nothing."""
    if extractor is None or "logits" not in needs or extractor.classifies:
        return ""
    return f"a classifier, and the extractor {extractor.name} is none"


def _own(dataset: Dataset) -> str:
    """How to have a classifier for these data."""
    if Ref.parse(dataset.name).name == GIVEN:
        return "give one from Python, extractor=, a function or a network of yours"
    words = ("ganzoo", "extractor", "train", "--dataset")
    if dataset.num_classes > 1:
        return f"train one of these data (with the same --set): {typed(*words, dataset.name)}"
    return (
        f"train one of images like these that have classes, in sub-folders, {typed(*words, 'folder:PATH')}, "
        f"and give it as --extractor cnn:NAME"
    )
