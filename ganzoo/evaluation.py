"""Evaluations as people ask for them: of a run, or of samples from any program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo.assemble import open_dataset
from ganzoo.data.base import Dataset
from ganzoo.devices import choose_device
from ganzoo.errors import UsageError
from ganzoo.files import append_line
from ganzoo.metrics.evaluate import Evaluation, check_names
from ganzoo.metrics.foreign import read_samples
from ganzoo.options import as_int
from ganzoo.provenance import provenance
from ganzoo.sampling import draw, labels_for

if TYPE_CHECKING:
    from ganzoo.runs import Run

Document = dict[str, Any]


def evaluate_run(
    run: Run,
    metrics: Sequence[str] = (),
    *,
    samples: int | None = None,
    seed: int = 0,
    reference: str = "train",
    extractor: str | None = None,
    extractor_weights: str | None = None,
    checkpoint: str = "last",
    dataset: str | None = None,
    data_options: Mapping[str, Any] | None = None,
    data_root: str | None = None,
    offline: bool = False,
    progress: bool = True,
) -> Document:
    """Measure a run's averaged generator, and add a line to its metrics.jsonl.

    Args:
        metrics: by name; all that fit the data where there are none.
        samples: how many to generate; as many as the dataset's protocol says where it is None.
        seed: of the latent vectors: the samples are those of `ganzoo sample` with the same seed.
        reference: the real split to compare with, "train" or "test".
        extractor, extractor_weights: by name, and a file; both follow from the data where they are None.
        checkpoint: "last" or "best".
        dataset, data_options: what to measure against, where that is not the run's own data.

    Raises:
        UsageError: a word is wrong, or the run has no weights yet; nothing was written.
    """
    check_names(metrics, extractor)
    gan, step = run.load_model(checkpoint)
    if dataset is None and data_options:
        raise UsageError(
            "--set is for a dataset that is named with --dataset; a run's own is as it was trained on"
        )
    data = (
        run.dataset
        if dataset is None
        else open_dataset(dataset, dict(data_options or {}), data_root, offline)
    )
    if data.sample_shape != run.config.sample_shape:
        raise UsageError(
            f"{run.path} makes samples of shape {run.config.sample_shape}, and those of {data.name} are "
            f"{data.sample_shape}"
        )
    n = data.eval_samples if samples is None else as_int("--samples", samples, at_least=1)
    evaluation = Evaluation(
        metrics,
        data,
        extractor=extractor,
        weights=extractor_weights,
        reference=reference,
        offline=offline,
        device=run.device,
        has_discriminator=True,
    )
    if any("discriminator" in metric.needs_for(data) for metric in evaluation.metrics.values()):
        gan, step = run.load_model(checkpoint, discriminator=True)
    y = labels_for(n, gan.num_classes)
    x = run.dataset.to_units(draw(gan, n, seed, "sample", y, progress))
    result = evaluation(x, y, gan, progress=progress)
    made_by = {"generator": "averaged, eval mode", "checkpoint": checkpoint}
    source = {"run": run.path.name, "step": step, "seed": seed, "device": str(run.device)}
    document = _document(result, made_by, source)
    append_line(run.path / "metrics.jsonl", {"step": step, **document})
    return document


def evaluate(
    samples: str | Path | Tensor,
    dataset: str,
    metrics: Sequence[str] = (),
    *,
    count: int | None = None,
    labels: Tensor | None = None,
    data_options: Mapping[str, Any] | None = None,
    reference: str = "train",
    extractor: str | None = None,
    extractor_weights: str | None = None,
    data_root: str | None = None,
    offline: bool = False,
    progress: bool = True,
) -> Document:
    """Measure samples from any program against a dataset.

    Args:
        samples: an .npz file, a folder of images, or a tensor uint8 [N, C, H, W] or float32 [N, D].
        dataset, data_options: by name, and its options, such as {"size": 64}.
        metrics, reference, extractor, extractor_weights: as in `evaluate_run`.
        count: measure the first so many; all where it is None.

    Raises:
        UsageError: a word is wrong, or the samples are not of the dataset's kind, shape and range.
    """
    check_names(metrics, extractor)
    data = open_dataset(dataset, dict(data_options or {}), data_root, offline)
    if isinstance(samples, Tensor):
        x, y, name = samples, labels, "(tensor)"
        _refuse_tensor(x, data)
    else:
        (x, y), name = read_samples(Path(samples).expanduser(), data), str(samples)
    if count is not None:
        if as_int("--samples", count, at_least=1) > len(x):
            raise UsageError(f"--samples {count}: {name} has {len(x)} samples")
        x, y = x[:count], None if y is None else y[:count]
    device = choose_device("auto")
    evaluation = Evaluation(
        metrics,
        data,
        extractor=extractor,
        weights=extractor_weights,
        reference=reference,
        offline=offline,
        device=device,
    )
    result = evaluation(x, y, progress=progress)
    return _document(result, {"generator": "foreign"}, {"samples": name, "device": str(device)})


def _refuse_tensor(x: Tensor, data: Dataset) -> None:
    wanted = torch.uint8 if len(data.sample_shape) == 3 else torch.float32
    if x.dtype != wanted or tuple(x.shape[1:]) != data.sample_shape or not len(x):
        raise UsageError(
            f"samples are {x.dtype} {tuple(x.shape)}: {data.name} needs {wanted} [N, "
            f"{', '.join(map(str, data.sample_shape))}]"
        )
    if x.dtype.is_floating_point and not bool(torch.isfinite(x).all()):
        raise UsageError("samples have numbers that are not finite")


def _document(result: Document, made_by: Document, source: Document) -> Document:
    return {
        "scores": result["scores"],
        "real": result["real"],
        "protocol": {**result["protocol"], **made_by},
        "provenance": {
            **source,
            **provenance(),
            "threads": torch.get_num_threads(),
            "seconds": result["seconds"],
        },
        "notes": result["notes"],
    }
