"""Feature extractors by name, as they are typed, and which one follows from the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.data.kinds import has_pixels
from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor
from ganzoo.extractors.called import Called, name_of
from ganzoo.extractors.cnn import trained_for
from ganzoo.registry import EXTRACTORS
from ganzoo.registry.options import known_options, options_of
from ganzoo.registry.spec import Ref, Spec
from ganzoo.system.paths import typed_path

Source = str | Extractor | Callable[[Tensor], Any]
"""An extractor by name, as an object, or as a function of samples that gives features [N, d]."""


def open_extractor(
    name: Source, weights: str | Path | None = None, offline: bool = False, device: torch.device | None = None
) -> Extractor:
    """The feature extractor called NAME, NAME:PATH or NAME:key=value,... as it takes a path or options.

    An object or a function is taken as it is, and stays where it is unless a device is said.

    Raises:
        UsageError: its name, its options or its weights are wrong.
    """
    if not isinstance(name, str):
        return _given(name, weights, device)
    ref = Ref.parse(name)
    takes = options_of(EXTRACTORS.get(ref.name))
    given = {
        "path": ref.path or "",
        "weights": None if weights is None else typed_path(weights),
        "offline": offline,
    }
    own: Mapping[str, Any] = {}
    if ref.path is not None and "path" not in takes:
        known = options_of(EXTRACTORS.get(ref.name), given)
        if not known:
            raise UsageError(f"--extractor {name}: {ref.name} takes nothing after a colon")
        own = known_options(f"extractor {ref.name}", known, Spec.parse(name).options)
    if weights is not None and "weights" not in takes:
        raise UsageError(f"--extractor-weights: the extractor {ref.name} has none")
    filled = {key: given[key] for key in given if key in takes}
    extractor: Extractor = EXTRACTORS.make(ref.name, **filled, **own)
    extractor.name = name
    extractor.to(device or torch.device("cpu"))
    return extractor


def _given(source: Any, weights: str | Path | None, device: torch.device | None) -> Extractor:
    if weights is not None:
        raise UsageError("weights are those of an extractor that is named: give this one with its own in it")
    if isinstance(source, type):
        raise UsageError(f"extractor={source.__name__}: this is a class: give an object of it, or its name")
    extractor = source if isinstance(source, Extractor) else Called(source)
    extractor.name = extractor.name or name_of(extractor)
    if device is not None:
        extractor.to(device)
    return extractor


def default_extractor(dataset: Dataset) -> str:
    """The name of the extractor that follows from the data."""
    if dataset.extractor:
        return dataset.extractor
    if not has_pixels(dataset):
        return "identity"
    return trained_for(dataset.fingerprint) or "inception"
