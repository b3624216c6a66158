"""What the pieces of a step must look like: data, samples, logits, losses. Each check raises a UsageError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.data.conditions import as_seen_by_nets
from ganzoo.data.kinds import PIXELS, has_pixels, kind_of, kind_of_shape
from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.models.sample import Logits, Sample, scales
from ganzoo.training.ema import twin

FAR = 10.0  # mean size of an untrained generator's pixels: even without tanh they are about 1
TRIES = 16
SOME = 64  # values of a split


def at_data(dataset: Dataset, n: int, conditional: bool) -> None:
    """A batch, and all labels where they have an end."""
    who = f"dataset {dataset.name!r}"
    # On a copy: a split may start processes that read ahead for as long as it lives.
    x, y = dataset.train.to(torch.device("cpu")).batch(n, 0, 0)
    shape = (n, *dataset.sample_shape)
    if not isinstance(x, Tensor) or tuple(x.shape) != shape or x.dtype != torch.float32:
        raise UsageError(f"{who} gives batches of {_kind(x)}: expected float32 {shape}, by its sample_shape")
    if not bool(x.isfinite().all()):
        raise UsageError(f"{who} gives batches with numbers that are not finite")
    if has_pixels(dataset) and not float(x.abs().max()) <= 1.0:
        raise UsageError(
            f"{who} gives {kind_of(dataset)} from {_range(x)}: expected pixels in [-1, 1]; numbers on a grid "
            'are of the kind "tensors", which the dataset says'
        )
    scale = dataset.standardization
    if scale is not None and not scale.fits(dataset.sample_shape):
        raise UsageError(
            f"{who} has a standardization of shape {tuple(scale.mean.shape)}: expected one number for each "
            f"column, or [C, 1, ...] for each channel, by its sample_shape {tuple(dataset.sample_shape)}"
        )
    if conditional and y is None:
        raise UsageError(f"{who} gives batches without labels: --conditional needs them")
    if dataset.num_classes and dataset.condition_shape:
        raise UsageError(f"{who} has num_classes and a condition_shape: expected classes or values, not both")
    _look_at_labels(who, "a batch", y, n, dataset.num_classes)
    if dataset.condition_shape:
        _look_at_values(who, "a batch", y, n, dataset.condition_shape)
        held_out = dataset.test.all()[1]
        if isinstance(held_out, Tensor):
            held_out = as_seen_by_nets(held_out[:SOME])  # of images, all would be many
        some = min(SOME, len(dataset.test))
        _look_at_values(who, "the test split", held_out, some, dataset.condition_shape)
    if not dataset.endless and dataset.num_classes:
        for name, split in (("train", dataset.train), ("test", dataset.test)):
            _look_at_labels(who, f"the {name} split", split.all()[1], len(split), dataset.num_classes)


def _look_at_labels(who: str, where: str, y: Any, n: int, classes: int) -> None:
    if y is None or not classes:
        return
    if not isinstance(y, Tensor) or y.dtype != torch.int64 or tuple(y.shape) != (n,):
        raise UsageError(f"{who} has labels of {_kind(y)} in {where}: expected int64 {(n,)}")
    low, high = (int(bound) for bound in y.aminmax())
    if low < 0 or high >= classes:
        raise UsageError(
            f"{who} has labels from {low} to {high} in {where}: expected 0 to {classes - 1}, by its "
            f"num_classes of {classes}"
        )


def _look_at_values(who: str, where: str, y: Any, n: int, shape: tuple[int, ...]) -> None:
    if not isinstance(y, Tensor) or y.dtype != torch.float32 or tuple(y.shape) != (n, *shape):
        raise UsageError(
            f"{who} has conditions of {_kind(y)} in {where}: expected float32 {(n, *shape)}, by its "
            f"condition_shape (images as uint8 in what all() gives)"
        )
    if not bool(y.isfinite().all()):
        raise UsageError(f"{who} has conditions that are not finite in {where}")
    if kind_of_shape(shape) in PIXELS and not float(y.abs().max()) <= 1.0:
        raise UsageError(f"{who} has images as conditions from {_range(y)} in {where}: expected [-1, 1]")


def at_samples(model: str, samples: Any, n: int, shape: tuple[int, ...]) -> None:
    """What a generator made, in full resolution."""
    if not isinstance(samples, Tensor) or tuple(samples.shape) != (n, *shape):
        raise UsageError(
            f"{model} makes samples of {_kind(samples)}: expected {(n, *shape)}, as the data are"
        )
    if not samples.is_floating_point():
        raise UsageError(f"{model} makes samples of {samples.dtype}: expected float32")
    if not bool(samples.isfinite().all()):
        raise UsageError(f"{model} makes samples with numbers that are not finite, untrained")


@torch.no_grad()
def at_range(model: str, gan: GAN, samples: Tensor, x: Tensor, y: Tensor | None) -> None:
    """Images of an untrained G lie about 0, if not within [-1, 1]; those of the data x have both signs."""
    wrong = float(samples.abs().mean()) > FAR
    if not wrong and float(samples.min()) >= 0.0 > float(x.min()):
        # By chance, or always: by chance at most one time in two, if every weight takes any sign.
        other = twin(gan)
        weights = list(other.generator.parameters())
        wrong = True
        for _ in range(TRIES):
            for weight in weights:
                weight.mul_(torch.randint(2, weight.shape, device=weight.device) * 2 - 1)
            if float(other.samples(other.generator(other.sample_z(len(x)), y)).min()) < 0.0:
                wrong = False
                break
    if wrong:
        raise UsageError(
            f"{model} makes images from {_range(samples)}, untrained: expected pixels in [-1, 1], as "
            f"those of the data are (end G with tanh)"
        )


def at_pair(model: str, real: Sample, fake: Sample) -> None:
    """D is shown the same shapes of real and of generated samples."""
    shapes = [[tuple(x.shape) for x in scales(sample)] for sample in (real, fake)]
    if shapes[0] != shapes[1]:
        raise UsageError(
            f"{model} shows D real samples of {_shapes(shapes[0])}, and its G makes {_shapes(shapes[1])}: "
            f"expected the same shapes"
        )


def at_logits(model: str, sample: Sample, logits: Logits) -> None:
    """A row for each of the samples, or packs of them, that D was given."""
    rows = len(scales(sample)[0])
    for output in scales(logits):
        if not isinstance(output, Tensor) or not output.dim() or len(output) != rows:
            raise UsageError(
                f"{model}: D gives logits of {_kind(output)} for {rows} inputs: expected a row for each"
            )
        if not bool(output.isfinite().all()):
            raise UsageError(f"{model}: D gives logits that are not finite, untrained")


def at_terms(who: str, name: str, value: Any) -> None:
    """A model's own terms of a loss."""
    if not isinstance(value, Mapping):
        raise UsageError(f"{who} gives {name} of {_kind(value)}: expected a dict of scalars by name")


def at_scalar(who: str, what: str, value: Any) -> None:
    """A loss or a penalty."""
    if not isinstance(value, Tensor) or value.numel() != 1:
        raise UsageError(f"{who} gives {what} of {_kind(value)}: expected a scalar tensor")
    if not bool(value.isfinite()):
        raise UsageError(
            f"{who} gives a {what} of {float(value)} for untrained nets: expected a finite number"
        )


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return f"type {type(value).__name__}"


def _shapes(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join(map(str, shapes))


def _range(x: Tensor) -> str:
    low, high = x.aminmax()
    return f"{float(low):.3g} to {float(high):.3g}"
