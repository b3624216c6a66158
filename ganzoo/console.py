"""Talking to a person: always on stderr, so that stdout stays clean for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import track as _track

T = TypeVar("T")

stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def notice(text: str) -> None:
    """One line that a person should see."""
    stderr.print(f"[bold yellow]note:[/] {escape(text)}")


def track(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """`items` behind a progress bar."""
    yield from _track(items, description=description, total=total, console=stderr, transient=True)
