"""Run folders: the next one, and the ones that are there. Nothing here needs torch."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ganzoo.errors import UsageError, WorkError, nearest
from ganzoo.plan.config import Config
from ganzoo.system.console import notice
from ganzoo.system.files import is_file, is_folder
from ganzoo.system.paths import typed_path
from ganzoo.system.stores import is_address

RUNS = Path("runs")
LONGEST = 40  # characters of a dataset's name in a folder's
NUMBER = re.compile(r"(\d+)-")
HOW = "a folder or an address, a name or a number under runs/, or the run that was trained last"
"""What a RUN may be, for the help of commands."""


class Recorded(Protocol):
    """A run folder, and the settings in it."""

    @property
    def path(self) -> Path: ...

    @property
    def config(self) -> Config: ...


@dataclass(frozen=True)
class Record:
    """A run folder that is only looked at."""

    path: Path
    config: Config


def new_folder(config: Config, out: str | None) -> Path:
    """The next number under runs/, or `out`. Raises UsageError if that is taken, WorkError if it can't be."""
    try:
        return _numbered(config) if out is None else _exactly(typed_path(out))
    except (NotADirectoryError, FileExistsError) as error:
        raise UsageError(
            f"cannot make the run folder {error.filename}: part of that path is a file"
        ) from error
    except OSError as error:
        raise WorkError(f"cannot make the run folder: {error}") from error


def _numbered(config: Config) -> Path:
    data = re.sub(r"[^\w.-]+", "-", Path(config.dataset).name)[:LONGEST]
    RUNS.mkdir(parents=True, exist_ok=True)
    while True:
        numbers = [number_of(path) or 0 for path in RUNS.iterdir()]
        path = RUNS / f"{max(numbers, default=0) + 1:04d}-{config.model}-{data}-s{config.seed}"
        try:
            path.mkdir()
        except FileExistsError:
            continue  # another process took the number
        return path


def refuse_taken(path: Path) -> None:
    """Raise a UsageError if `--out` names something that is there already."""
    if path.exists() and not path.is_dir():
        raise UsageError(f"--out {path} is a file: name a new folder")
    # A start that was killed may have left a part of the settings, and no run.
    if path.is_dir() and any(not each.match(".config.json.*.part") for each in path.iterdir()):
        what = (
            "holds a run already: ganzoo resume goes on with it"
            if (path / "config.json").exists()
            else "is not empty"
        )
        raise UsageError(f"--out {path} {what}; name a new folder")


def _exactly(path: Path) -> Path:
    refuse_taken(path)
    path.mkdir(parents=True, exist_ok=True)
    return path


def number_of(path: Path) -> int | None:
    """The number that the name of a run folder begins with, if it does."""
    match = NUMBER.match(path.name)
    return int(match[1]) if match else None


def find(name: str | None) -> Path:
    """A run folder by path, by address, by name or number under runs/, or the one that was trained last.

    Raises:
        UsageError: there is none, or several have that number.
    """
    if is_address(name):
        from ganzoo.running.fetched import fetched

        return fetched(name, RUNS)
    if name is None:
        runs = all_runs()
        if not runs:
            raise UsageError(
                "there is no run under runs/ yet: start one with ganzoo run MODEL --dataset NAME"
            )
        return _last_whole(runs)
    typed = typed_path(name)
    for path in (typed, RUNS / name):
        if is_file(path / "config.json"):
            return path
    if name.isascii() and name.isdecimal() and (numbered := _of_number(int(name))):
        return numbered
    if is_file(typed) or is_folder(typed):
        raise UsageError(f"{name} is not a run folder: it has no config.json")
    near = nearest(typed.name, [path.name for path in all_runs()])
    if typed.suffix or "/" in name:  # a path, for which names of runs are of use where they are near alone
        near = f": {near}" if near.startswith("did you mean") else ""
        raise UsageError(f"no file, run or folder {name!r} is there{near}")
    raise UsageError(f"no run {name!r}: {near}")


def _last_whole(runs: list[Path]) -> Path:
    """The last one with settings that can be read; where none has, the last one, of which they tell why."""
    for path in reversed(runs):
        try:
            Config.read(path / "config.json")
        except (UsageError, WorkError, OSError) as error:
            damage = str(error)
        else:
            return path
        notice(f"{path} is passed over, as it is damaged: {damage}")
    return runs[-1]


def look(name: str | None) -> Record:
    """The run folder that `find` finds, and its settings. Raises UsageError if these are damaged."""
    path = find(name)
    return Record(path, Config.read(path / "config.json"))


def _of_number(number: int) -> Path | None:
    found = [path for path in all_runs() if number_of(path) == number]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise UsageError(f"run {number} may be {names}: give its whole name")
    return found[0] if found else None


def all_runs(folder: Path = RUNS) -> list[Path]:
    """The runs in a folder, the one that was trained last at the end."""
    try:
        found = [config.parent for config in folder.glob("*/config.json") if is_file(config)]
    except OSError:
        found = []
    return sorted(found, key=lambda path: (last_trained(path), path.name))


def last_trained(path: Path) -> int:
    """When training last wrote to a run folder, in nanoseconds since 1970: its log, or a checkpoint.

    Its settings count where there are none yet. Samples, scores and pictures that are made of it later do
    not, nor does whoever edits or breaks its settings.
    """
    for patterns in (("log.jsonl", "checkpoints/step-*"), ("config.json",)):
        times = []
        for each in (each for pattern in patterns for each in path.glob(pattern)):
            with contextlib.suppress(OSError):
                times.append(each.stat().st_mtime_ns)
        if times:
            return max(times)
    return 0
