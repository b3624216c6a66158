"""Samples from any program, measured; and what a measurement is written down as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.data.kinds import has_pixels
from ganzoo.data.numbers import finite_rows
from ganzoo.data.open import open_dataset
from ganzoo.errors import UsageError
from ganzoo.metrics.context import order
from ganzoo.metrics.foreign import check_kind, read_samples
from ganzoo.metrics.harness import Evaluation
from ganzoo.metrics.open import Given, check_names
from ganzoo.metrics.score import as_names
from ganzoo.metrics.sets import as_array, as_samples
from ganzoo.registry.blame import blaming
from ganzoo.registry.kinds import as_int
from ganzoo.system.devices import choose_device
from ganzoo.system.paths import typed_path
from ganzoo.system.provenance import provenance

Document = dict[str, Any]


@blaming(silent=True)  # stdout is for the scores
def evaluate(
    samples: str | Path | Tensor | Any,
    dataset: str,
    metrics: str | Sequence[str] = (),
    *,
    count: int | None = None,
    labels: Tensor | Any = None,
    data_options: Mapping[str, Any] | None = None,
    reference: str = "train",
    extractor: str | None = None,
    extractor_weights: str | None = None,
    per_class: bool = False,
    data_root: str | None = None,
    offline: bool = False,
    device: str | torch.device = "auto",
    progress: bool = True,
) -> Document:
    """Measure samples from any program against a dataset.

    Args:
        samples: an .npz file, a folder or a .zip of images; or a tensor or an array: images uint8
            [N, C, H, W] (the channels may be last) or floats in [-1, 1], all else [N, ...] in their own
            units.
        dataset, data_options: by name, and its options, such as {"size": 64}.
        metrics, reference, extractor, extractor_weights: as in `Run.evaluate`.
        count: measure so many of them, at random, always the same ones; all where it is None.
        labels: whole numbers [N], the classes of samples that are no file.
        per_class: measure each class of samples with labels too.
        device: where features are computed.

    Raises:
        UsageError: a word is wrong, or the samples are not of the dataset's kind, shape and range.
    """
    metrics = as_names(metrics)
    check_names(metrics, extractor)
    device = choose_device(device)
    if not isinstance(dataset, str):
        raise UsageError(
            f"dataset: expected a name, got {type(dataset).__name__}: ganzoo.score compares two sets of "
            "samples"
        )
    if isinstance(samples, str | Path):
        check_kind(typed_path(samples))
    data = open_dataset(dataset, dict(data_options or {}), data_root, offline)
    if isinstance(samples, str | Path):
        (x, y), name = read_samples(typed_path(samples), data), str(samples)
    else:
        x, name = _as_given(samples, data), "(tensor)"
        y = None if labels is None else _as_classes(labels)  # held against the data where it is measured
    if count is not None:
        if as_int("--samples", count, at_least=1) > len(x):
            raise UsageError(f"--samples {count}: {name} has {len(x)} samples")
        chosen = order(len(x))[:count]  # the first by name would be of one class or two
        x, y = x[chosen], None if y is None else y[chosen]
    evaluation = Evaluation(
        metrics,
        data,
        extractor=extractor,
        weights=extractor_weights,
        reference=reference,
        offline=offline,
        device=device,
        given=Given(labels=y is not None),
        per_class=per_class,
    )
    result = evaluation(x, y, progress=progress)
    made_by = {"generator": "foreign", "labels": "none" if y is None else "as they come"}
    return document(result, made_by, {"samples": name, "device": str(device)})


def _as_classes(labels: Any) -> Tensor:
    array = as_array("labels of samples", labels)
    return torch.from_numpy(array.astype("int64") if array.dtype.kind in "iu" else array)


def _as_given(samples: Any, data: Dataset) -> Tensor:
    """Samples that are no file, of the dataset's kind and shape."""
    array, wanted = as_array("samples", samples), "float32"
    if has_pixels(data):
        array, wanted = as_samples("samples", array).numpy(), "uint8"
    is_wanted = wanted == "float32" or array.dtype.name == wanted
    if not array.size or array.shape[1:] != data.sample_shape or not is_wanted:
        raise UsageError(
            f"samples are {array.dtype.name} {array.shape}: {data.name} needs {wanted} [N, "
            f"{', '.join(map(str, data.sample_shape))}]"
        )
    return torch.from_numpy(array if wanted == "uint8" else finite_rows("samples", array))


def document(result: Document, made_by: Document, source: Document) -> Document:
    """What was measured, with what is known of the samples in its protocol and in its provenance."""
    extra: Document = {key: result[key] for key in ("matched", "per_class") if key in result}
    return {
        "scores": result["scores"],
        "real": result["real"],
        **extra,
        "protocol": {**result["protocol"], **made_by},
        "provenance": {
            **source,
            **provenance(),
            "threads": torch.get_num_threads(),
            "seconds": result["seconds"],
        },
        "notes": result["notes"],
    }
