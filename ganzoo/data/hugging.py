"""Datasets of the library Hugging Face `datasets` as ganzoo's arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganzoo.data.columns import choose_columns
from ganzoo.data.kept import Pictures
from ganzoo.data.own import Samples, check_memory, classes_of
from ganzoo.data.packed import choose_form, read_packed
from ganzoo.data.parquet import read_arrow
from ganzoo.data.tensors import Array
from ganzoo.data.tree import SPLITS
from ganzoo.errors import UsageError, nearest

NONE = "none"
LABELS = ("label", "labels", "class", "target", "cls")  # what people call whole numbers that are classes


def splits_of(parts: Mapping[str, Any], train: str, test: str) -> tuple[Any, Any]:
    """Which splits are to train on and to test, the latter None where there is none.

    Args:
        train, test: their names; where they are empty, what people call them. "none" is no test split.

    Raises:
        UsageError: there is none of that name.
    """
    for option, name in (("train", train), ("test", test)):
        if name and name != NONE and name not in parts:
            raise UsageError(f"data.{option}: there is no split {name!r}: {nearest(name, parts)}")
    role = {name: SPLITS.get(name.lower(), "") for name in parts}
    first = train or next((name for name in parts if role[name] == "train"), "")
    if not first:
        if len(parts) != 1:
            raise UsageError(f"data.train: there is no split called train: choose one of {', '.join(parts)}")
        first = next(iter(parts))
    held_out = test or next((name for way in ("test", "val") for name in parts if role[name] == way), NONE)
    return parts[first], None if held_out in (NONE, first) else parts[held_out]


def columns_of_images(dataset: Any) -> list[str]:
    """The names of its columns that hold pictures."""
    from datasets import Image

    return [name for name, kind in dataset.features.items() if isinstance(kind, Image)]


def pictures_of(
    of: str, dataset: Any, test: Any, image: str, label: str, size: int, channels: int
) -> Pictures | None:
    """What there is to decode, or None where no column is of images.

    Args:
        of: what it is, in words.
        dataset, test: of which the samples are; another one, which is the test split, or None.
        image: the column of images; found by its type where it is empty.
        label: the column of classes; found by its type, or its name, where it is empty; none is none.
        size: of the squares in pixels; 0 is 64 if all images are that large, else 32.
        channels: 1 or 3; 0 is 1 if all images are grey, else 3.

    Raises:
        UsageError: no such column, or an image that is not there.
    """
    from datasets import Image

    columns = columns_of_images(dataset)
    if image and image not in columns:
        raise UsageError(f"data.image: {of} has no column {image!r} of images: {nearest(image, columns)}")
    if not columns:
        return None
    if not image and len(columns) > 1:
        raise UsageError(
            f"{of} has images in {', '.join(columns)}: choose one with --set data.image={columns[0]}"
        )
    column = image or columns[0]
    parts = [dataset, *([] if test is None else [test])]
    for part in parts:
        if column not in part.features:
            raise UsageError(f"{of} has no column {column!r} of images in its test split")
    raw = [
        part.with_format(None).select_columns([column]).cast_column(column, Image(decode=False))
        for part in parts
    ]
    train, count = len(dataset), sum(map(len, parts))

    def content(i: int) -> bytes | Path:
        cell = (raw[0][i] if i < train else raw[1][i - train])[column]
        if cell is None or (cell.get("bytes") is None and not cell.get("path")):
            raise UsageError(f"{name(i)} is not there: drop its row")
        return bytes(cell["bytes"]) if cell.get("bytes") is not None else Path(cell["path"])

    def name(i: int) -> str:
        return f"image {i} of {of}" if i < train else f"image {i - train} to test of {of}"

    values, names = _labels(of, parts, label)
    size, channels = choose_form(content, name, count, size, channels)

    def read(i: int) -> Array:
        return read_packed(content(i), name(i), size, channels)

    return Pictures((count, channels, size, size), read, values, names, count - train)


def table_of(of: str, dataset: Any, test: Any, label: str, columns: Sequence[str]) -> Samples:
    """Columns of numbers as samples; those of lists of numbers are as many columns."""
    parts = [part.flatten() for part in (dataset, *([] if test is None else [test]))]
    column = _label_column(of, parts[0], label)
    values, names = _labels(of, parts, label)
    made: list[Samples] = []
    for part in parts:
        chosen = choose_columns(of, part.column_names, columns, column)
        kept = part.select_columns([*chosen.chosen])
        check_memory(of, len(kept), len(chosen.chosen))
        table = _spread(of, kept.with_format("arrow")[:])
        made.append(read_arrow(of, table, choose_columns(of, table.column_names, (), "")))
    x, count = made[0].x, len(made[0].x)
    y = torch.from_numpy(values) if len(values) else None
    held = None if test is None else (made[1].x, None if y is None else y[count:])
    return Samples(x, None if y is None else y[:count], names, held)


def _spread(of: str, table: Any) -> Any:
    """Columns of lists, each of as many numbers, as a column for each of the numbers."""
    import pyarrow

    made: dict[str, Any] = {}
    for name in table.column_names:
        column = table.column(name)
        if not (pyarrow.types.is_list(column.type) or pyarrow.types.is_fixed_size_list(column.type)):
            made[name] = column
            continue
        rows = column.to_pylist()
        lengths = {None if row is None else len(row) for row in rows}
        if len(lengths) != 1 or None in lengths:
            raise UsageError(f"{of} has lists of several lengths in column {name!r}: expected one length")
        values = np.array(rows, dtype=object)
        if values.ndim != 2:
            raise UsageError(
                f"{of} has lists of lists in column {name!r}: expected numbers, or lists of them"
            )
        for i in range(values.shape[1]):
            made[f"{name}[{i}]"] = pyarrow.chunked_array([pyarrow.array(values[:, i].tolist())])
    return pyarrow.table(made)


def _label_column(of: str, dataset: Any, label: str) -> str:
    """Which column has the classes; an empty word where none has."""
    from datasets import ClassLabel, Value

    features = dict(dataset.features)
    if label == NONE:
        return ""
    if label:
        if label not in features:
            raise UsageError(f"data.label: {of} has no column {label!r}: {nearest(label, features)}")
        return label
    found = [name for name, kind in features.items() if isinstance(kind, ClassLabel)]
    if len(found) > 1:
        raise UsageError(
            f"{of} has classes in {', '.join(found)}: choose with --set data.label={found[0]}, or none "
            f"of them, with --set data.label={NONE}"
        )
    whole = [name for name, kind in features.items() if isinstance(kind, Value) and "int" in kind.dtype]
    return next((name for name in (*found, *whole) if name in found or name.lower() in LABELS), "")


def _labels(of: str, parts: Sequence[Any], label: str) -> tuple[Array, tuple[str, ...]]:
    """Classes of all samples, int64 [N], and their names; [0] and none where there are none."""
    from datasets import ClassLabel

    column = _label_column(of, parts[0], label)
    if not column:
        return np.empty(0, np.int64), ()
    values: list[Any] = []
    for part in parts:
        if column not in part.features:
            raise UsageError(
                f"{of} has no column {column!r} in its test split: choose --set data.test={NONE}"
            )
        values += list(part.with_format(None)[column])
    kind = parts[0].features[column]
    names = tuple(kind.names) if isinstance(kind, ClassLabel) else ()
    for i, value in enumerate(values):
        if value is None or value == "" or (names and not 0 <= value < len(names)):
            here = "its test split" if i >= len(parts[0]) else "it"
            raise UsageError(
                f"{of} has samples without a class in column {column!r}, the first in row "
                f"{i - len(parts[0]) * (i >= len(parts[0]))} (from 0) of {here}: choose "
                f"--set data.label={NONE}, or --set data.test={NONE} where those to test have none"
            )
    if names:
        return np.array(values, dtype=np.int64), names
    if not all(isinstance(value, str | int) for value in values):
        raise UsageError(f"data.label: expected text or whole numbers in column {column!r} of {of}")
    classes, found = classes_of([str(value) for value in values])
    return classes.numpy(), found
