"""Talking to a person: on stderr, so that stdout stays clean for programs; there are tables alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.markup import escape

T = TypeVar("T")


def terminal(soft_wrap: bool = False, stderr: bool = False) -> Console:
    """A terminal that shows text as it is: `folder:cat` is a name, and no picture of a cat."""
    return Console(stderr=stderr, emoji=False, highlight=False, soft_wrap=soft_wrap)


stderr = terminal(soft_wrap=True, stderr=True)


def notice(text: str) -> None:
    """One line that a person should see."""
    stderr.print(f"[bold yellow]note:[/] {escape(text)}")


def stages(names: Sequence[str], description: str) -> Iterator[str]:
    """`names` behind a progress bar that says which of them is under way."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(description, total=len(names))
        for name in names:
            bar.update(task, description=f"{description} {escape(name)}")
            yield name
            bar.advance(task)


def track(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """`items` behind a progress bar."""
    from rich.progress import track as tracked

    # Into a file or a pipe, a bar that leaves no trace would still leave an empty line.
    off = not stderr.is_terminal
    yield from tracked(
        items, description=description, total=total, console=stderr, transient=True, disable=off
    )


def number(value: float) -> str:
    """Four significant digits, without an exponent where none is needed."""
    if not math.isfinite(value):
        return str(value)
    if value == round(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e6 else f"{value:.1e}"
