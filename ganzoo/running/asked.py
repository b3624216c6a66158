"""What somebody asks samples for in Python, settled: classes, and rows of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.ranges import plain_array
from ganzoo.errors import UsageError, nearest


def class_called(word: str, names: Sequence[str], count: int, run: Path, said: str) -> int:
    """One of `count` classes: by its name, or, where no names are numbers, by its number from 0.

    Where names are numbers, 1 is also the name 001, if there is no other 1.

    Args:
        said: how a sentence begins, "--class cat".

    Raises:
        UsageError: none is called so.
    """
    if word in names:
        return names.index(word)
    is_number = word.isdecimal() and word.isascii() and len(word) < 20
    if any(name.isdecimal() for name in names):
        same = [
            i for i, name in enumerate(names) if is_number and name.isdecimal() and int(name) == int(word)
        ]
        if len(same) == 1:
            return same[0]
        by_numbers = (
            ", and some are called by numbers, so that a number is a name here" if word.isdecimal() else ""
        )
        raise UsageError(f"{said}: {run} has no class of that name{by_numbers}: {nearest(word, names)}")
    if not is_number or int(word) >= count:
        known = f", or one of {', '.join(names)}" if names else ""
        raise UsageError(f"{said}: expected a number from 0 to {count - 1}{known}")
    return int(word)


def classes_of(labels: Any, count: int, names: Sequence[str], classes: int, run: Path) -> Tensor:
    """int64 [N] of `labels`: a class for each sample, by index or by name; one alone is that of all `count`.

    Raises:
        UsageError: there is none, or one is no class of the run.
    """
    if isinstance(labels, Tensor) and labels.dtype == torch.int64 and labels.dim() == 1 and len(labels):
        return labels  # held against the model where samples are drawn
    given = labels.tolist() if isinstance(labels, Tensor | np.ndarray | np.generic) else labels
    alone = isinstance(given, str | bytes) or not isinstance(given, Iterable)
    several = [given] if alone else list(given)
    if not several or isinstance(given, Mapping | Set):
        raise UsageError(f"labels: expected a class for each sample, in their order, got {given!r}")
    indices = [_index(one, names, classes, run) for one in several]
    return torch.tensor(indices * count if alone else indices)


def _index(label: Any, names: Sequence[str], classes: int, run: Path) -> int:
    if isinstance(label, Tensor | np.generic) and label.ndim == 0:
        label = label.item()
    if isinstance(label, str):
        return class_called(label, names, classes, run, f"labels: {label!r}")
    if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < classes:
        by_name = ", or names" if names else ""
        raise UsageError(f"labels: expected numbers from 0 to {classes - 1}{by_name}, got {label!r}")
    return int(label)


def rows_of(what: str, given: Any) -> Tensor:
    """A tensor [N, ...] of numbers, of whatever holds such. Raises UsageError where it holds none."""
    try:
        made = given if isinstance(given, Tensor) else torch.from_numpy(plain_array(given))
    except Exception as error:  # whatever a foreign type raises
        raise _no_rows(what, type(given).__name__) from error
    if not made.dim() or not len(made) or made.layout != torch.strided or made.dtype.is_complex:
        raise _no_rows(what, f"{list(made.shape)} of {made.dtype}")
    return made.detach()


def _no_rows(what: str, got: str) -> UsageError:
    return UsageError(f"{what}: expected a tensor or an array, a row of numbers for each sample, got {got}")
