"""Whose code an error came out of: the member, its distribution, and the method that was called.

A plugin may fail at any time, wherever ganzoo calls it. Nothing is wrapped for that: what was running when it
failed is in the traceback.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import FrameType, TracebackType

from ganzoo.errors import UsageError, WorkError, first_line

_members: dict[type, str] = {}
_files: dict[str, set[str]] = {}  # of whose classes a file has code


def know(member: type, where: str) -> None:
    """Take in a member that is not the zoo's own; `where` is what sentences call it."""
    _members[member] = where
    for file in sources(member):
        _files.setdefault(file, set()).add(where)


def known_as(member: type) -> str:
    """What sentences call a member."""
    return _members.get(member, member.__name__)


def sources(kind: type) -> set[str]:
    """The files in which the methods of a class are written, whatever a base class has wrapped round them."""
    functions = (inspect.unwrap(value) for value in vars(kind).values() if callable(value))
    return {function.__code__.co_filename for function in functions if hasattr(function, "__code__")}


def blame(error: BaseException) -> str:
    """A sentence that names the member at fault, what was called of it and what it raised; "" if none is."""
    if isinstance(error, UsageError | WorkError):
        return ""
    frames = [(frame, _owner(frame)) for frame in _frames(error.__traceback__)]
    owner = next((owner for _, owner in reversed(frames) if owner), "")
    if not owner:
        return ""
    # Not what a base class wraps round it.
    own = [frame.f_code for frame, whose in frames if whose == owner]
    called = next((code for code in own if owner in _files.get(code.co_filename, ())), own[0]).co_name
    return f"{owner} fails in {called}: {type(error).__name__}: {first_line(error)}"


@contextmanager
def blaming(silent: bool = False) -> Iterator[None]:
    """What a member's code raises inside the block becomes a WorkError that says whose it is.

    Args:
        silent: what it prints goes to stderr, as stdout is for a program that reads it.
    """
    try:
        if silent:
            with redirect_stdout(sys.stderr):
                yield
        else:
            yield
    except (UsageError, WorkError):
        raise
    except (Exception, SystemExit) as error:
        sentence = blame(error)
        if not sentence:
            raise
        raise WorkError(f"{sentence} (ganzoo --debug shows where)") from error


def _frames(trace: TracebackType | None) -> list[FrameType]:
    return [frame for frame, _ in traceback.walk_tb(trace)]


def _owner(frame: FrameType) -> str:
    """Whose frame it is: by the object whose method it is, or else by the file."""
    for kind in type(frame.f_locals.get("self")).__mro__:
        if kind in _members:
            return _members[kind]
    whose = _files.get(frame.f_code.co_filename, set())
    return next(iter(whose)) if len(whose) == 1 else ""
