"""Columns of a table as samples: numbers as vectors, and one column of labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ganzoo.data.numbers import finite_rows
from ganzoo.data.own import Samples, classes_of
from ganzoo.data.tensors import Array
from ganzoo.errors import UsageError, nearest

SHOWN = 40  # characters of a cell, in a sentence


@dataclass(frozen=True)
class Chosen:
    """Which columns of a table are meant, by their place.

    Attributes:
        names: of all columns.
        numbers: those that are samples.
        label: the one whose values are classes, or None.
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    label: int | None

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the columns that are samples."""
        return tuple(self.names[i] for i in self.numbers)

    @property
    def labels(self) -> tuple[str, ...]:
        """Name of the column of classes, or nothing."""
        return () if self.label is None else (self.names[self.label],)


def choose_columns(path: Path | str, names: Sequence[str], columns: Sequence[str], label: str) -> Chosen:
    """Raises UsageError for a column that is not there, or is there twice, or for none at all.

    Args:
        columns: those that are samples; empty is all but the label.
        label: the one of classes, or empty.
    """
    known = tuple(names)
    given = [("columns", name) for name in columns] + [("label", label)] * bool(label)
    for option, name in given:
        if name not in known:
            raise UsageError(f"data.{option}: {path} has no column {name!r}: {nearest(name, known)}")
        if known.count(name) > 1:
            raise UsageError(f"data.{option}: {path} has {known.count(name)} columns called {name!r}")
        if columns.count(name) > 1:
            raise UsageError(f"data.columns: {name!r} is there {columns.count(name)} times: give it once")
    if label in columns:
        raise UsageError(f"data.columns: {label!r} is the label, and cannot be a number of the samples too")
    at = known.index(label) if label else None
    numbers = tuple(known.index(name) for name in columns) or tuple(i for i in range(len(known)) if i != at)
    if not numbers:
        raise UsageError(f"{path} has no column but the label {label!r}: expected numbers beside it")
    return Chosen(known, numbers, at)


def as_numbers(path: Path | str, name: str, cells: Sequence[str], where: Callable[[int], str]) -> Array:
    """Text as float64. Raises UsageError, which names the column and the row, for what is no finite number.

    Args:
        where: says in which row the i-th of the cells is.
    """
    try:
        values: Array = np.array(cells, dtype=np.float64)
        if np.isfinite(values).all():
            return values
    except ValueError:
        pass
    for i, cell in enumerate(cells):
        refuse_cell(path, name, cell, where(i))
    raise AssertionError("one of them was no number")


def refuse_cell(path: Path | str, name: str, cell: str, where: str) -> None:
    """Raise UsageError if a cell is no finite number."""
    text = cell.strip()
    if text.lower() in ("", "na", "n/a", "nan", "null", "none", "?", "-"):
        raise UsageError(
            f"{path} has no value in column {name!r}, {where}: fill it in or drop its row, or choose other "
            f"columns with --set data.columns=A,B"
        )
    try:
        finite = bool(np.isfinite(float(text)))
    except ValueError:
        finite = False
    if not finite:
        says = f"{path} has {text[:SHOWN]!r} in column {name!r}, {where}"
        if "," in text and is_number(text, comma=True):
            raise UsageError(f"{says}: write numbers with a point, {text.replace(',', '.')[:SHOWN]}")
        raise UsageError(
            f"{says}: expected a finite number; to learn it as a class, --set data.label={name}, to leave it "
            f"out, --set data.columns=A,B"
        )


def is_number(text: str, comma: bool = False) -> bool:
    """Whether a cell is a number; with a decimal comma too, where that is asked for."""
    try:
        float(text.replace(",", ".", 1) if comma else text)
    except ValueError:
        return False
    return True


def as_classes(path: Path | str, name: str, values: Sequence[str], where: Callable[[int], str]) -> Samples:
    """Classes of all rows: `y` and `class_names` of the samples, without any `x`.

    Raises UsageError for a row without a label, fractions, or a class for every row.
    """
    plain = [_whole(value.strip()) for value in values]
    for i, value in enumerate(plain):
        if not value or value.lower() == "nan":
            raise UsageError(
                f"{path} has no label in column {name!r}, {where(i)}: fill it in or drop its row"
            )
        if _is_fraction(value):
            raise UsageError(
                f"{path} has {value!r} in column {name!r}, {where(i)}: expected text or whole numbers as "
                "label"
            )
    y, names = classes_of(plain)
    if len(names) == len(values) > 1:
        raise UsageError(
            f"{path} has another label in column {name!r} for each of its {len(values):,} rows: expected "
            "classes, of several rows each"
        )
    return Samples(torch.empty(len(values), 0), y, names)


def as_table(path: Path | str, chosen: Chosen, columns: Sequence[Array], labels: Samples | None) -> Samples:
    """Columns of numbers, float [N] each, as samples. Raises UsageError as `finite_rows` does."""
    x = np.stack(columns, axis=1)
    if len(x) < 2:
        raise UsageError(f"{path} has {len(x)} row{'s' * (len(x) != 1)}: at least 2 are needed")
    rows = torch.from_numpy(finite_rows(path, x, chosen.chosen))
    return Samples(rows) if labels is None else Samples(rows, labels.y, labels.class_names)


def _whole(text: str) -> str:
    """Whole numbers that a program wrote as fractions, 3.0, without the fraction."""
    head, point, tail = text.partition(".")
    return head if point and head.lstrip("+-").isdecimal() and not tail.strip("0") else text


def _is_fraction(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return math.isfinite(number) and not number.is_integer()
