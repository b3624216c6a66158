"""Files that are no images, though they should be: why, and what is said of all of them at once."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

from ganzoo.errors import UsageError, WorkError

NAMED = 3  # files, in the sentence about all of them
WAYS = ("stop", "skip")
MACHINE = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "ENOMEM", "EIO", "ESTALE", "ETIMEDOUT", "ENETDOWN")
    if hasattr(errno, name)  # not all systems have all
}
"""Errors that say nothing of a file: a full disk, a bad cable, a server that is away."""

Faults = Mapping[str, str]
"""What is wrong with each of the broken files, by its path: the end of a sentence."""


class Broken(UsageError):
    """A file that is no image; the others of its folder may be fine.

    Attributes:
        path: of the file.
        reason: the end of a sentence that the path begins.
    """

    def __init__(self, path: object, reason: str, cure: str) -> None:
        super().__init__(f"{path} {reason}: {cure}")
        self.path, self.reason = str(path), reason


def refuse_machine(path: object, error: BaseException | None) -> None:
    """Raise WorkError for an error that is the fault of the machine on which the file is read."""
    if isinstance(error, WorkError):
        raise error
    if isinstance(error, MemoryError):
        raise WorkError(f"{path} cannot be decoded: there is not enough memory for it now") from error
    if isinstance(error, OSError) and error.errno in MACHINE:
        raise WorkError(f"{path} cannot be read ({error.strerror or error}): try again") from error


def check_broken(broken: str) -> None:
    """Raise UsageError for an option that is none of the WAYS."""
    if broken not in WAYS:
        raise UsageError(f"data.broken: expected {' or '.join(WAYS)}, got {broken!r}")


def told(root: Path, faults: Faults, total: int) -> str:
    """How many files of `total` are broken, and which are the first ones."""
    first = [f"{path} {reason}" for path, reason in sorted(faults.items())[:NAMED]]
    if len(faults) == 1:
        return first[0]
    more = f"; and {len(faults) - NAMED:,} more" if len(faults) > NAMED else ""
    return f"{root} has {len(faults):,} broken files among {total:,} ({'; '.join(first)}{more})"


def refused(root: Path, faults: Faults, total: int, more: str = "") -> UsageError:
    """One sentence about all of them, with what to do; `more` is the end of it."""
    them = "it" if len(faults) == 1 else "them"
    return UsageError(f"{told(root, faults, total)}: repair {them}, or move {them} out of the folder{more}")
