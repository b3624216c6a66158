"""Paths as they are typed."""

from __future__ import annotations

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
