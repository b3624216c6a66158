"""Progress bars on stderr, for commands that take long; apart, as others need not wait for rich's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TransferSpeedColumn,
)
from rich.progress import TimeElapsedColumn as Elapsed

from ganzoo.system.console import plain, stderr
from ganzoo.system.notebook import Counter, in_notebook

T = TypeVar("T")


class Words(TextColumn):
    """A column of a bar, of text."""

    def __init__(self, text: str, **how: Any) -> None:
        super().__init__(text, markup=False, **how)


def bar(*columns: ProgressColumn) -> Progress:
    """A bar on stderr that leaves nothing behind; in a file or a pipe an empty line would be left."""
    return Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)


@contextmanager
def counting(description: str, total: int, unit: str = "") -> Iterator[Counter | None]:
    """In the cell of a notebook a counter; elsewhere None."""
    counter = Counter(plain(description), total, unit) if in_notebook() else None
    try:
        yield counter
    finally:
        if counter is not None:
            counter.close()


def stages(names: Sequence[str], description: str) -> Iterator[str]:
    """`names` behind a progress bar that says which of them is under way."""
    with (
        counting(description, len(names)) as counter,
        bar(Words("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed()) as progress,
    ):
        task = progress.add_task(description, total=len(names))
        for i, name in enumerate(names):
            said = f"{description} {plain(name)}"
            progress.update(task, description=said)
            if counter is not None:
                counter.description = said
                counter.at(i)
            yield name
            progress.advance(task)


def track(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """`items` behind a progress bar."""
    with (
        counting(description, total) as counter,
        bar(Words("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed()) as progress,
    ):
        for i, item in enumerate(progress.track(items, total=total, description=plain(description))):
            if counter is not None:
                counter.at(i)
            yield item


@contextmanager
def transfer(description: str, done: int, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar over bytes, to be told how many are done; a total of 0 is not known."""
    columns = (Words("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with counting(description, total, "bytes") as counter, bar(*columns) as progress:
        task = progress.add_task(plain(description), total=total or None, completed=done)

        def tell(now: int) -> None:
            progress.update(task, completed=now)
            if counter is not None:
                counter.at(now)

        yield tell
