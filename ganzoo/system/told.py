"""What a command has said already, and need not say again however often it reads a file."""

from __future__ import annotations

_told: set[str] = set()


def first_time(sentence: str) -> bool:
    """Whether nobody has said so since the command began; from now on somebody has."""
    new = sentence not in _told
    _told.add(sentence)
    return new


def tell_again() -> None:
    """Another command begins in this process: it may say what was said before."""
    _told.clear()
