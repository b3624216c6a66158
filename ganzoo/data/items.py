"""Items of somebody else's data sets: which part is the sample, which its label, and all in arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from ganzoo.data.images import channels_first
from ganzoo.data.own import classes_of
from ganzoo.data.tensors import Array
from ganzoo.errors import UsageError, first_line
from ganzoo.system.bars import track
from ganzoo.system.console import in_bytes
from ganzoo.system.memory import machine_memory

X = ("image", "images", "img", "pixel_values", "x", "input", "inputs", "data", "features")
Y = ("label", "labels", "y", "target", "targets", "class", "fine_label")
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # modes of Pillow
SHOWN_FROM = 2_000  # items, with a bar
STREAM = "give a DataLoader, which is read as training goes on"


def pair_of(item: Any) -> tuple[Any, Any]:
    """x and y, or None, of an item or of a batch: of a tuple the first two, of a mapping by name.

    Raises:
        UsageError: nothing in a mapping is called as samples are.
    """
    if isinstance(item, Mapping):
        x = next((item[name] for name in X if name in item), None)
        if x is None:
            raise UsageError(
                f"the items have {', '.join(map(str, item))}: expected the samples to be called one of "
                f"{', '.join(X)}, or pairs (x, y)"
            )
        return x, next((item[name] for name in Y if name in item), None)
    if isinstance(item, tuple | list):
        if not item:
            raise UsageError("the items are empty: expected samples, or pairs (x, y)")
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def as_numbers(x: Any) -> Array:
    """A sample as an array; of a picture of Pillow its channels first, grey or RGB."""
    if isinstance(x, Tensor):
        return x.detach().cpu().numpy()
    if hasattr(x, "getbands"):
        if x.mode in DEEP:
            raise UsageError(
                f"a picture of mode {x.mode} has more than 8 bits, and nothing says which value is white: "
                "scale it to 0 to 255 first; folder:PATH finds it for all files together"
            )
        return channels_first(x.convert("L" if x.mode in ("1", "L", "LA") else "RGB"))
    return np.asarray(x)


def gathered(data: TorchDataset[Any]) -> tuple[Array, Any]:
    """All items of a set that is read once: x [N, ...], and y [N, ...] or None.

    Raises:
        UsageError: an item cannot be read, or they are of several shapes, or do not go into memory.
    """
    x: Array | None = None
    ys: list[Any] = []
    count, total = 0, _length(data)
    rows: list[Array] = []
    for i, item in enumerate(_items(data, total)):
        sample, y = pair_of(item)
        try:
            row = as_numbers(sample)
        except UsageError as error:
            raise UsageError(f"item {i}: {error}") from error
        except Exception as error:  # whatever a foreign type raises
            raise UsageError(
                f"the sample of item {i} is a {type(sample).__name__}: {first_line(error)}"
            ) from error
        if i == 0:
            _refuse_too_many(row, total)
            if total is not None:
                x = np.empty((total, *row.shape), row.dtype)
        first = x if x is not None else rows[0][None] if rows else row[None]
        if row.shape != first.shape[1:] or row.dtype != first.dtype:
            raise UsageError(
                f"item {i} is {row.dtype} of shape {row.shape}, and those before are {first.dtype} of "
                f"{first.shape[1:]}: expected one shape, as a transform that resizes gives"
            )
        if x is None:
            rows.append(row)
            if len(rows) * row.nbytes > machine_memory() / 4:
                raise UsageError(f"these are more samples than memory holds: {STREAM}")
        else:
            x[i] = row
        ys.append(y)
        count += 1
    if not count:
        raise UsageError("the data set has no items")
    whole = np.stack(rows) if x is None else x[:count]
    missing = [i for i, y in enumerate(ys) if y is None]
    if len(missing) == count:
        return whole, None
    if missing:
        raise UsageError(f"item {missing[0]} has no label, and others have one")
    return whole, ys if isinstance(ys[0], str) else np.stack([as_numbers(y) for y in ys])


def _length(data: TorchDataset[Any]) -> int | None:
    try:
        return len(data)  # type: ignore[arg-type]  # which some sets have, and torch says none has
    except TypeError:
        return None


def _items(data: TorchDataset[Any], total: int | None) -> Iterator[Any]:
    """Each item; a set with a length is asked by index, as a loader does, since it need not end by itself."""
    if total is None:
        yield from iter(data)
        return
    items = (_item(data, i) for i in range(total))
    yield from track(items, "reading the data", total) if total > SHOWN_FROM else items


def _item(data: TorchDataset[Any], i: int) -> Any:
    try:
        return data[i]
    except Exception as error:  # whatever somebody's own set raises
        raise UsageError(
            f"item {i} of the data cannot be read: {type(error).__name__}: {first_line(error)}"
        ) from error


def _refuse_too_many(row: Array, total: int | None) -> None:
    if total and total * row.nbytes > machine_memory() / 4:
        raise UsageError(
            f"{total:,} samples of {row.dtype} {row.shape} take {in_bytes(total * row.nbytes)}, and a "
            f"quarter of the memory is {in_bytes(machine_memory() / 4)}: {STREAM}"
        )


def named_classes(y: Any) -> tuple[Array, tuple[str, ...]] | None:
    """Classes given by name, as numbers, with their names in order; None where y is of another kind."""
    if isinstance(y, Tensor):
        return None
    if isinstance(y, Sequence) and not any(isinstance(one, str) for one in y):
        return None
    array = np.asarray(y)
    if array.dtype.kind not in "UO" or array.ndim != 1:
        return None
    missing = [i for i, one in enumerate(array) if one is None or one != one]
    if missing:
        raise UsageError(f"y has nothing in row {missing[0]} (from 0): drop such rows")
    numbers, names = classes_of([str(one) for one in array])
    return numbers.numpy(), names


def as_tensor(value: Any) -> Tensor:
    """What a loader collated, as a tensor."""
    return value if isinstance(value, Tensor) else torch.from_numpy(as_numbers(value))
