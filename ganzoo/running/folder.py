"""Run folders: the next one, and the ones that are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo.errors import UsageError, WorkError, nearest
from ganzoo.system.files import is_file, is_folder
from ganzoo.system.paths import typed_path

if TYPE_CHECKING:
    from ganzoo.plan.config import Config

RUNS = Path("runs")
LONGEST = 40  # characters of a dataset's name in a folder's


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
        numbers = [int(match[1]) for path in RUNS.iterdir() if (match := re.match(r"(\d+)-", path.name))]
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


def find(name: str | None) -> Path:
    """A run folder by path, by name under runs/, or the newest one. Raises UsageError if there is none."""
    if name is None:
        runs = all_runs()
        if not runs:
            raise UsageError(
                "there is no run under runs/ yet: start one with ganzoo run MODEL --dataset NAME"
            )
        return runs[-1]
    typed = typed_path(name)
    for path in (typed, RUNS / name):
        if is_file(path / "config.json"):
            return path
    if is_file(typed) or is_folder(typed):
        raise UsageError(f"{name} is not a run folder: it has no config.json")
    raise UsageError(f"no run {name!r}: {nearest(name, [path.name for path in all_runs()])}")


def all_runs() -> list[Path]:
    """The runs under runs/, oldest first."""
    found = [config.parent for config in RUNS.glob("*/config.json")]
    return sorted(found, key=lambda path: ((path / "config.json").stat().st_mtime_ns, path.name))
