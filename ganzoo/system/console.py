"""Talking to a person: on stderr, so that stdout stays clean for programs; there are tables alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.markup import escape

T = TypeVar("T")
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


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


@contextmanager
def transfer(description: str, done: int, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar over bytes, to be told how many are done; a total of 0 is not known."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(escape(description), total=total or None, completed=done)
        yield lambda now: bar.update(task, completed=now)


def in_bytes(count: int) -> str:
    """ "3.0 GiB": as many as memory is counted in."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 2**power:
            return f"{count / 2**power:,.1f} {unit}"
    return f"{count} byte{'s' * (count != 1)}"


def number(value: float) -> str:
    """Four significant digits, without an exponent where none is needed."""
    if not math.isfinite(value):
        return str(value)
    if value == round(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e6 else f"{value:.1e}"


def size(count: float) -> str:
    """A number of bytes as 512 bytes, 1.5 MiB, 20 GiB."""
    if count < 1024:
        return f"{count:.0f} byte{'s' * (count != 1)}"
    power = 0
    while count >= 1000 and power < len(UNITS) - 1:
        count, power = count / 1024, power + 1
    return f"{count:.3g} {UNITS[power]}"
