"""Data that somebody has in Python, arrays, tables, sets of items, loaders, as a dataset known by content.

No name opens them again: a run records their fingerprint, and asks for the same data where it needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from ganzoo.data.arrays import Header
from ganzoo.data.base import Dataset
from ganzoo.data.beside import y_of
from ganzoo.data.frames import alike, columns_of
from ganzoo.data.hugging import table_of
from ganzoo.data.hugging_rows import Rows, parts_of
from ganzoo.data.items import gathered, named_classes
from ganzoo.data.loaded import LoadedSet
from ganzoo.data.numbers import as_samples, channel_axis, check_numbers
from ganzoo.data.open import GIVEN, given_name
from ganzoo.data.own import OwnArrays, Part, Samples
from ganzoo.data.ranges import Range, are_pixels, as_array, as_bytes, checked_range, to_pixels
from ganzoo.errors import UsageError


def as_dataset(data: Any, y: Any = None, test: Any = None, pixels: Range | None = None) -> Dataset:
    """What was given, as a dataset.

    Args:
        data: an array or a tensor [N, ...], a pair (x, y) of them; a torch Dataset, whose items are read
            once, or a DataLoader, which is read as it goes on; a Hugging Face dataset; a data frame; or a
            dataset of ganzoo's.
        y: of each row of `data` its class, as a whole number or text, or values; of a table the name of the
            column that has them.
        test: what is held out, of the same kind as `data`; a tenth of the rows, by hash, where left out.
        pixels: the range of images that are floats. Where it is left out, floats [N, 1 or 3, H, W] are images
            if they are in [-1, 1] with some below 0.

    Raises:
        UsageError: these are no data, or not finite, or they do not belong together.
    """
    if isinstance(data, Dataset):
        if y is not None or test is not None:
            raise UsageError("a dataset of ganzoo's has its own labels and its own test split: give it alone")
        return data
    if pixels is not None:
        pixels = checked_range(pixels)
    if isinstance(data, Path):
        raise UsageError(
            f"data: {data} is a path: say what it is by name, 'folder:{data}', 'csv:{data}', ..."
        )
    if isinstance(data, DataLoader):
        if y is not None:
            raise UsageError("a DataLoader gives pairs (x, y) where there are labels: give it without y")
        if test is None or isinstance(test, DataLoader):
            return LoadedSet(data, test, pixels)
        return LoadedSet(data, _as_part("test", *_taken_apart(test, None)[:2], pixels), pixels)
    if _library(data) == "datasets":
        if y is not None and not isinstance(y, str):
            raise UsageError("y of a Hugging Face dataset is the name of its column")
        train, held_rows, table = parts_of(data, test, y or "")
        if table:
            return _known_by_content(table_of("the dataset", train, held_rows, y or "", ()))
        data, test, y = train, held_rows, None
    elif _library(data) == "pandas" and test is not None:
        test = alike(test, data)
    x, labels, names = _taken_apart(data, y)
    if test is None:
        return _known_by_content(_samples(_as_part("data", x, labels, pixels), names))
    held, held_labels, held_names = _taken_apart(test, y if _library(test) == "pandas" else None)
    labels, held_labels, names = _one_numbering((labels, names), (held_labels, held_names))
    held_out = _as_part("test", held, held_labels, pixels)
    return _known_by_content(_samples(_as_part("data", x, labels, pixels), names, held_out))


def _samples(part: Part, names: tuple[str, ...], test: Part | None = None) -> Samples:
    x, y = part
    kind = "tensors" if x.dim() > 3 and x.dtype != torch.uint8 else ""
    if y is None or y.dim() != 1 or int(y.max()) >= len(names):
        names = ()  # there are other classes than those that have names
    return Samples(x, y, names, test, kind)


def _library(data: Any) -> str:
    """The name of the package that a type is of."""
    return type(data).__module__.partition(".")[0]


def _known_by_content(samples: Samples) -> Dataset:
    if samples.test is not None:
        _check_alike((samples.x, samples.y), samples.test)
    dataset = OwnArrays(GIVEN, samples)
    dataset.name = given_name(dataset)
    return dataset


def _taken_apart(data: Any, y: Any) -> tuple[Any, Any, tuple[str, ...]]:
    """x, y and the names of classes, as they are inside of what was given."""
    x: Any
    names: tuple[str, ...] = ()
    if _library(data) == "pandas":
        x, y = columns_of(data, y)
    elif isinstance(y, str):
        raise UsageError(
            f"y={y!r} names a column, and these data have none: give an array with a row for each"
        )
    elif isinstance(data, tuple | list) and len(data) == 2 and y is None and _is_pair(data):
        x, y = data
    elif isinstance(data, TensorDataset) and len(data.tensors) <= 2:
        x, y = data.tensors[0], data.tensors[1] if len(data.tensors) == 2 else y
    elif isinstance(data, TorchDataset | Rows) or _are_pictures(data):
        names = tuple(map(str, getattr(data, "classes", None) or ()))
        x, labels = gathered(data)
        y = labels if y is None else y
    else:
        x = data
    if y is not None and (found := named_classes(y)) is not None:
        y, names = found
    return x, y, names


def _are_pictures(data: Any) -> bool:
    return isinstance(data, list | tuple) and bool(data) and hasattr(data[0], "getbands")


def _is_pair(data: Sequence[Any]) -> bool:
    """Whether these are x and y: two arrays of as many rows, and not two samples."""
    return all(hasattr(part, "shape") or isinstance(part, list) for part in data) and len(data[0]) == len(
        data[1]
    )


def _one_numbering(
    train: tuple[Any, tuple[str, ...]], test: tuple[Any, tuple[str, ...]]
) -> tuple[Any, Any, tuple[str, ...]]:
    """Labels of both with the same number for the same name."""
    (y, names), (held_y, held_names) = train, test
    if not names or not held_names or names == held_names:
        return y, held_y, names or held_names
    unknown = [name for name in held_names if name not in names]
    if unknown:
        raise UsageError(f"test has the class {unknown[0]!r}, which the data have not")
    number = np.array([names.index(name) for name in held_names])
    return y, number[np.asarray(held_y)], names


def _as_part(label: str, x: Any, y: Any, pixels: Range | None) -> Part:
    array = as_array(label, x)
    header = Header(array.shape, array.dtype, False, 0)
    check_numbers(label, header, 2)
    if array.ndim == 1:
        raise UsageError(f"{label} has the shape {array.shape}: expected [N, D], x[:, None] where D is 1")
    axis = channel_axis(header)
    if pixels is not None or (not axis and are_pixels(label, array)):
        samples = to_pixels(label, array, pixels or (-1.0, 1.0))
    else:
        samples = torch.from_numpy(as_samples(label, array, axis))
        if axis:
            samples = as_bytes(label, samples.numpy())
    return samples, None if y is None else _as_y(label, y, len(samples))


def _as_y(label: str, y: Any, count: int) -> Tensor:
    array = as_array(f"y of {label}", y)
    if len(array) != count:
        raise UsageError(f"{label} has {count:,} rows, and its y {len(array):,}: expected one for each")
    if array.ndim == 2 and array.shape[1] == 1 and array.dtype.kind in "iu":
        array = array[:, 0]
    header = Header(array.shape, array.dtype, False, 0)
    check_numbers(f"y of {label}", header, 0)
    return y_of(f"y of {label}", array, channel_axis(header))


def _check_alike(train: Part, test: Part) -> None:
    for name, here, there in (("samples", train[0], test[0]), ("y", train[1], test[1])):
        if (here is None) != (there is None):
            raise UsageError(f"one of the data and test has {name}, and the other has none: give both")
        if here is None or there is None:
            continue
        if here.shape[1:] != there.shape[1:] or here.dtype != there.dtype:
            raise UsageError(
                f"{name} of the data are {here.dtype} {tuple(here.shape[1:])}, and those of test "
                f"{there.dtype} {tuple(there.shape[1:])}: expected the same"
            )
