"""Paths as they are typed."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from ganzoo.errors import UsageError

LONGEST_NAME, LONGEST = 255, 4095  # bytes, of one part and of all; on the systems that torch runs on


def typed_path(text: str | Path) -> Path:
    """The path that somebody typed, with the home folder for `~`.

    Raises:
        UsageError: no file can have it: it is empty or too long, has a NUL in it, or begins with the home of
            a user that there is not.
    """
    name = str(text)
    if not name:
        raise UsageError("an empty word is no path: expected the name of a file or folder")
    try:
        path = Path(name).expanduser()
        parts = [len(os.fsencode(part)) for part in path.parts]
    except RuntimeError:
        raise UsageError(f"{name}: there is no such user, whose home folder ~ would be") from None
    except UnicodeEncodeError:
        raise UsageError(f"{name!r} is no path: it has half a character in it") from None
    if "\0" in name:
        raise UsageError(f"{name!r} is no path: it has a NUL character in it")
    if max(parts, default=0) > LONGEST_NAME or sum(parts) + len(parts) > LONGEST:
        raise UsageError(
            f"{name[:40]}... is no path: a name may have {LONGEST_NAME} bytes, and a path {LONGEST}, and the "
            f"longest name in it has {max(parts)}"
        )
    return path


def typed_paths(text: str | Path, count: int) -> list[Path]:
    """The paths that somebody typed as one word, with commas between.

    Where there are more commas, in the names themselves, it is cut so that all of the paths are there.

    Raises:
        UsageError: as `typed_path`; there are too few, or it can be cut in no way, or in several.
    """
    if count == 1:
        return [typed_path(text)]
    parts = str(text).split(",")
    if len(parts) < count or "" in parts:
        raise UsageError(f"{text}: expected {count} paths with a comma between them")
    ways = [
        [",".join(parts[i:j]) for i, j in itertools.pairwise((0, *cuts, len(parts)))]
        for cuts in itertools.combinations(range(1, len(parts)), count - 1)
    ]
    if len(ways) > 1:
        ways = [way for way in ways if all(map(_is_there, way))]
    if len(ways) != 1:
        raise UsageError(
            f"{text} has {len(parts) - 1} commas, and {len(ways) or 'no'} ways to read it as {count} paths "
            "that are there: expected one; go where their names have no commas, or rename them"
        )
    return [typed_path(part) for part in ways[0]]


def _is_there(text: str) -> bool:
    try:
        return typed_path(text).exists()
    except (UsageError, OSError):
        return False
