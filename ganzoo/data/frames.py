"""Tables of pandas: the columns of numbers as vectors, and one more column as what they are made for."""

from __future__ import annotations

from typing import Any

from ganzoo.data.tensors import Array
from ganzoo.errors import UsageError, nearest


def columns_of(frame: Any, y: Any) -> tuple[Array, Any]:
    """x [N, D] of a frame of numbers, and y: the column of that name, or as it was given.

    Raises:
        UsageError: there is no such column, or another one holds no numbers.
    """
    if isinstance(y, list) and y and all(isinstance(name, str) and name in frame.columns for name in y):
        values, _ = columns_of(frame[y], None)
        return columns_of(frame.drop(columns=y), values)
    if isinstance(y, str | int):
        if y not in frame.columns:
            raise UsageError(f"y={y!r}: there is no such column; {nearest(str(y), map(str, frame.columns))}")
        labels = frame[y]
        frame = frame.drop(columns=[y])
        if labels.isna().any():
            row = int(labels.isna().to_numpy().argmax())
            raise UsageError(f"y={y!r}: row {row} (from 0) has none: drop such rows")
        y = labels.to_numpy() if labels.dtype.kind in "iufb" else labels.astype(str).to_numpy(dtype=object)
    if getattr(frame, "ndim", 2) != 2 or not len(frame.columns):
        raise UsageError("expected a frame with a column of numbers at least")
    for name, kind in frame.dtypes.items():
        if kind.kind not in "iufb":
            raise UsageError(
                f"column {name!r} holds {kind}, and numbers are needed: drop it, or name it as y if it says "
                f"what the rows are"
            )
    missing = frame.isna()
    if missing.to_numpy().any():
        name = next(name for name in frame.columns if missing[name].any())
        row = int(missing[name].to_numpy().argmax())
        raise UsageError(f"column {name!r} has nothing in row {row} (from 0): fill it, or drop such rows")
    return frame.to_numpy(dtype=float), y


def alike(frame: Any, like: Any) -> Any:
    """A frame with its columns in the order of another one. Raises UsageError unless it has the same."""
    if _names(frame) != _names(like):
        odd = sorted(_names(frame) ^ _names(like), key=str)
        raise UsageError(f"test and the data have other columns: {odd[0]!r} is in one of them alone")
    return frame[list(like.columns)]


def _names(frame: Any) -> set[Any]:
    if getattr(frame, "ndim", 0) != 2 or not hasattr(frame, "columns"):
        raise UsageError("expected a frame of pandas as test, as the data are one")
    return set(frame.columns)
