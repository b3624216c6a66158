"""A suite file: models x datasets x options x seeds, in the words of `ganzoo run` and `ganzoo eval`."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ganzoo.bench.ranges import Search, read_search
from ganzoo.bench.words import EVALUATION, EXPECTED, MOST_CELLS, OPTIONS, TRAINING, fits
from ganzoo.errors import UsageError, nearest
from ganzoo.registry.kinds import LARGEST
from ganzoo.system.files import is_folder, read_regular

LARGEST_FILE = 2**20  # bytes
NOT_IN_LABEL = ("model", "dataset", "steps", "epochs", "data-root", "offline", "callback")


@dataclasses.dataclass(frozen=True)
class Asked:
    """One combination of a suite, for all of its seeds.

    Attributes:
        where: file and place in it, for messages.
        label: its options in a few words; "default" where there are none.
        training, evaluation: by the words of `ganzoo run` and of `ganzoo eval`.
        search: what else is tried of it, and how often.
    """

    where: str
    label: str
    training: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    seeds: tuple[int, ...]
    search: Search | None = None


def read_suite(path: Path, **instead: Any) -> list[Asked]:
    """What a suite asks for; `instead` replaces options of all its cells.

    Raises:
        UsageError: there is no such file, or a word in it is wrong: the sentence names file, cell and word.
    """
    top = _load(path)
    cells = top.pop("cells", [{}])
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise UsageError(f"{path}: a cell begins with [[cells]], in two pairs of brackets")
    search = read_search(top.pop("search"), f"{path}") if "search" in top else None
    top, cells = _lists(top), [_lists(cell) for cell in cells]
    _check(top, f"{path}", ["seeds", "cells", "search"])
    instead = {key: value for key, value in instead.items() if value is not None}
    asked: list[Asked] = []
    count = 0
    for number, cell in enumerate(cells, start=1):
        where = f"{path}, cell {number}" if cell else f"{path}"
        _check(cell, where, ["seeds", "label"])
        words = _merge(_merge(top, cell), instead)
        for missing in {"model", "dataset"} - words.keys():
            raise UsageError(f"{where} does not say its {missing}")
        count += _count(words, where) * (search.trials if search else 1)
        if count > MOST_CELLS:
            raise UsageError(f"{where}: {count:,} cells or more: expected at most {MOST_CELLS:,} in a suite")
        if search:
            words = search.fitted(words, where)
        asked.extend(_combinations(words, cell, where, search))
    return asked


def _load(path: Path) -> dict[str, Any]:
    if is_folder(path) or not os.path.lexists(path):
        folders = (path.parent, Path("benchmarks", "suites"))
        there = [str(file) for folder in folders for file in folder.glob("*.toml")]
        raise UsageError(f"there is no suite {path}: {nearest(str(path), set(there))}")
    content = read_regular(path, "a suite, which is a TOML file", LARGEST_FILE)
    try:
        suite = tomllib.loads(content.decode())
        repr(suite)  # which messages show parts of
    except RecursionError:
        raise UsageError(f"{path} is no suite: it is nested too deeply") from None
    except ValueError as error:  # of TOML, of UTF-8, or of a number with thousands of digits
        raise UsageError(f"{path} is not TOML: {error}") from error
    return suite


def _lists(words: Mapping[str, Any]) -> dict[str, Any]:
    """One text where a list is meant is a list of one, as `ganzoo run` has one `--stabilizer`."""
    return {
        key: [value] if OPTIONS.get(key) is list and isinstance(value, str) else value
        for key, value in words.items()
    }


def _check(words: Mapping[str, Any], where: str, more: list[str]) -> None:
    for key, value in words.items():
        if key not in OPTIONS and key not in more:
            raise UsageError(f"{where}: no option {key!r}; {nearest(key, [*OPTIONS, *more])}")
        kind = OPTIONS.get(key)
        if key == "label" and not isinstance(value, str):
            raise UsageError(f"{where}: label: expected text, got {value!r}")
        if kind is None:
            continue
        each = value if isinstance(value, list) and kind not in (list, dict) else [value]
        if not each:
            raise UsageError(f"{where}: {key}: an empty list makes no cell")
        for one in each:
            if not fits(one, kind):
                raise UsageError(f"{where}: {key}: expected {EXPECTED[kind]}, got {one!r}")


def _merge(words: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`more` in place of `words`; settings one by one, and steps in place of epochs."""
    merged = {**words, **more}
    if "set" in words and "set" in more:
        merged["set"] = {**words["set"], **more["set"]}
    for one, other in (("steps", "epochs"), ("epochs", "steps")):
        if one in more and other not in more:
            merged.pop(other, None)
    return merged


def _count(words: Mapping[str, Any], where: str) -> int:
    """How many cells there are, before any of them is made."""
    return math.prod(map(len, _several(words).values())) * len(_seeds(words.get("seeds", 1), where))


def _several(words: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The options that have several values."""
    return {
        key: value
        for key, value in words.items()
        if isinstance(value, list) and OPTIONS.get(key) not in (None, list, dict)
    }


def _combinations(
    words: Mapping[str, Any], cell: Mapping[str, Any], where: str, search: Search | None
) -> Iterator[Asked]:
    """One for each combination of the options that have several values."""
    seeds = tuple(_seeds(words.get("seeds", 1), where))
    several = _several(words)
    for values in itertools.product(*several.values()):
        chosen = dict(zip(several, values, strict=True))
        single = {**words, **chosen}
        own = [key for key in cell if key in TRAINING and key not in NOT_IN_LABEL and "label" not in cell]
        ways = [key for key in several if key not in ("model", "dataset")]
        parts = [_shown(key, chosen.get(key, cell.get(key))) for key in dict.fromkeys([*own, *ways])]
        label = ", ".join(part for part in [cell.get("label", ""), *parts] if part) or "default"
        yield Asked(
            f"{where} ({single['model']} on {single['dataset']})",
            label,
            {key: value for key, value in single.items() if key in TRAINING},
            {key: value for key, value in single.items() if key in EVALUATION},
            seeds,
            search,
        )


def _seeds(value: Any, where: str) -> Sequence[int]:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST:
        return range(value)
    whole = isinstance(value, list) and all(type(seed) is int and 0 <= seed <= LARGEST for seed in value)
    if not whole or not value or len(set(value)) < len(value):
        raise UsageError(
            f"{where}: seeds: expected how many, or a list of different whole numbers from 0 to {LARGEST:,}, "
            f"got {value!r}"
        )
    seeds: list[int] = value
    return seeds


def _shown(key: str, value: Any) -> str:
    """An option in a label: what it is set to, without its name where that is plain."""
    if key == "set":
        return ", ".join(f"{name}={one}" for name, one in value.items())
    if key == "stabilizer":
        return ", ".join(value)
    if isinstance(value, bool):
        return key if value else f"not {key}"
    return f"{key}={','.join(value) if isinstance(value, list) else value}"
