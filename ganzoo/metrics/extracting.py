"""The extractor that metrics measure with, and what to do where there is none."""

from __future__ import annotations

import torch

from ganzoo.data.base import Dataset
from ganzoo.data.kinds import kind_of
from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor
from ganzoo.extractors.open import default_extractor, open_extractor
from ganzoo.system.console import typed


class NoExtractor(UsageError):
    """The one that follows from the data cannot be had; nobody asked for it by name."""


def extractor_for(
    dataset: Dataset, name: str | None, weights: str | None, offline: bool, device: torch.device | None
) -> Extractor:
    """The extractor of a name, or the one that follows from the data, for samples such as theirs.

    Raises:
        NoExtractor: the latter cannot be had; the sentence says how another one is made.
        UsageError: the name or the weights are wrong, or it takes other samples.
    """
    chosen = name or default_extractor(dataset)
    try:
        extractor = open_extractor(chosen, weights, offline, device)
    except UsageError as error:
        if name or weights:
            raise
        raise NoExtractor(f"{error}; or {_own(dataset)}") from error
    if extractor.kinds and kind_of(dataset) not in extractor.kinds:
        raise UsageError(
            f"{chosen} takes {' and '.join(extractor.kinds)}, and {dataset.name} has "
            f"{kind_of(dataset)} of shape {tuple(dataset.sample_shape)}: choose another --extractor"
        )
    extractor.check(dataset.sample_shape)
    return extractor


def _own(dataset: Dataset) -> str:
    """How to have a classifier for these data."""
    words = ("ganzoo", "extractor", "train", "--dataset")
    if dataset.num_classes > 1:
        return f"train one of these data (with the same --set): {typed(*words, dataset.name)}"
    return (
        f"train one of images like these that have classes, in sub-folders, {typed(*words, 'folder:PATH')}, "
        f"and give it as --extractor cnn:NAME"
    )
