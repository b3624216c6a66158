"""The two ways in which ganzoo stops, each with one sentence for a person."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MOST = 20  # names in a sentence


class UsageError(ValueError):
    """The user's words were wrong (exit status 2): says what, what was expected, and what to do."""


class WorkError(RuntimeError):
    """The work itself failed (exit status 1): says what happened, and what is safe."""


class Gone(WorkError):
    """Another process of the same run is gone, which says so itself unless it was killed."""

    def __init__(self) -> None:
        super().__init__(
            "another process of this run is gone: ganzoo resume goes on from the last checkpoint"
        )


def first_line(error: BaseException) -> str:
    """Of somebody else's error, whose text may go on with a stack; its type where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def nearest(word: str, names: Iterable[str]) -> str:
    """The tail of an error sentence: the valid names nearest to `word`, or all of a few."""
    known = sorted(names)
    close = get_close_matches(word, known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    shown = sorted(get_close_matches(word, known, n=MOST, cutoff=0.0)) if len(known) > MOST else known
    more = f" and {len(known) - MOST} more" if shown != known else ""
    return f"valid names: {', '.join(shown)}{more}" if known else "there are none"
