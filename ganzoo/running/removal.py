"""Removing run folders: looked at first, all of them, and then each at once and whole."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from ganzoo.errors import UsageError, WorkError
from ganzoo.system.cache import discard
from ganzoo.system.locks import Lock, only_one


@contextlib.contextmanager
def to_remove(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Run folders that may go, each once; nobody trains one of them inside the block.

    Raises:
        UsageError: a process trains one, or other runs lie in it, or one is the folder where one is.
        WorkError: one may not be removed.
    """
    once = {path if path.is_symlink() else path.resolve(): path for path in paths}
    with ExitStack() as locks:
        for path in once.values():
            if not path.is_symlink():  # else the link alone goes
                _refuse(path)
                locks.enter_context(_alone(path))
        yield list(once.values())


def remove(path: Path) -> None:
    """Remove a run folder: first it is renamed, so that never a part of a run is left under its name.

    A link to one goes alone, and what lies behind links in it stays.

    Raises:
        WorkError: it may not be removed; it is as it was.
    """
    _sweep(path.parent)
    try:
        discard(path)
    except OSError as error:
        raise WorkError(f"cannot remove {path}: {error.strerror or error}; it is as it was") from error


def _refuse(path: Path) -> None:
    if path.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise UsageError(f"{path} is where you are, or above it: go to another folder first")
    inside = [config.parent for config in path.rglob("config.json") if config.parent != path]
    if inside:
        raise UsageError(f"{path} has another run in it, {inside[0]}: remove that first, or move it away")


def _alone(path: Path) -> Lock:
    try:
        return only_one(path, "ganzoo", "wait for it, or stop it with Ctrl-C")
    except OSError as error:
        raise WorkError(f"cannot remove {path}: {error.strerror or error}") from error


def _sweep(folder: Path) -> None:
    """Finish removals that were killed."""
    for left in folder.glob(".*.part-*/gone"):
        if len(list(left.parent.iterdir())) == 1:
            shutil.rmtree(left.parent, ignore_errors=True)
