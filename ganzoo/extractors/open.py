"""Feature extractors by name, as they are typed, and which one follows from the data."""

from __future__ import annotations

from pathlib import Path

import torch

from ganzoo.data.base import Dataset, kind_of_data
from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor
from ganzoo.extractors.cnn import trained_for
from ganzoo.registry import EXTRACTORS
from ganzoo.registry.options import options_of
from ganzoo.registry.spec import Ref
from ganzoo.system.paths import typed_path


def open_extractor(
    name: str, weights: str | Path | None = None, offline: bool = False, device: torch.device | None = None
) -> Extractor:
    """The feature extractor called NAME or NAME:PATH. Raises UsageError if its name or weights are wrong."""
    ref = Ref.parse(name)
    takes = options_of(EXTRACTORS.get(ref.name))
    if ref.path is not None and "path" not in takes:
        raise UsageError(f"--extractor {name}: {ref.name} takes nothing after a colon")
    if weights is not None and "weights" not in takes:
        raise UsageError(f"--extractor-weights: the extractor {ref.name} has none")
    given = {
        "path": ref.path or "",
        "weights": None if weights is None else typed_path(weights),
        "offline": offline,
    }
    extractor: Extractor = EXTRACTORS.make(ref.name, **{key: given[key] for key in given if key in takes})
    extractor.name = name
    extractor.to(device or torch.device("cpu"))
    return extractor


def default_extractor(dataset: Dataset) -> str:
    """The name of the extractor that follows from the data."""
    if dataset.extractor:
        return dataset.extractor
    if kind_of_data(dataset.sample_shape) == "vectors":
        return "identity"
    return trained_for(dataset.fingerprint) or "inception"
