"""Datasets of Hugging Face that somebody has in Python: rows of pictures as their transforms give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganzoo.data.hugging import LABELS, columns_of_images, splits_of
from ganzoo.data.items import X, Y
from ganzoo.errors import UsageError, nearest


class Rows:
    """A dataset with pictures, or with a transform of its own, as pairs (x, y).

    Attributes:
        classes: the names of the classes, where it has them.
    """

    def __init__(self, dataset: Any, label: str) -> None:
        from datasets import ClassLabel

        if not hasattr(dataset, "__len__"):
            raise UsageError(
                "a Hugging Face dataset that streams has no end that is known: take(N) rows as a list"
            )
        features = dataset.features or {}
        labels = [name for name, kind in features.items() if isinstance(kind, ClassLabel)]
        if label and label not in features:
            raise UsageError(f"y={label!r}: there is no column {label!r}; {nearest(label, features)}")
        self._dataset = dataset
        self._x = [*(columns_of_images(dataset) if features else ()), *X]
        self._y = [label] if label else [*labels, *LABELS, *Y]
        kind = features.get(next((name for name in self._y if name in features), ""))
        self.classes = tuple(kind.names) if isinstance(kind, ClassLabel) else ()

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        row = self._dataset[i]
        x = next((row[name] for name in self._x if name in row), None)
        if x is None:
            raise UsageError(
                f"the rows have {', '.join(map(str, row))}: expected one of {', '.join(self._x)}"
            )
        return x, next((row[name] for name in self._y if name in row), None)


def parts_of(data: Any, test: Any, label: str) -> tuple[Any, Any, bool]:
    """What to train on, what is held out, and whether these are tables of numbers: else they are `Rows`.

    Raises:
        UsageError: there is no such split or column.
    """
    if isinstance(data, Mapping):
        data, own = splits_of(data, "", "")
        test = own if test is None else test
    if isinstance(test, Mapping):
        test = splits_of(test, "", "")[0]
    if _is_table(data):
        return _chosen(data), None if test is None else _chosen(test), True
    return Rows(data, label), None if test is None else Rows(test, label), False


def _is_table(data: Any) -> bool:
    """Whether nothing in it is a picture, and nothing changes its rows."""
    return hasattr(data, "format") and not columns_of_images(data) and data.format["type"] != "custom"


def _chosen(data: Any) -> Any:
    """Without the columns that its format leaves out."""
    return data.select_columns(data.format["columns"])
