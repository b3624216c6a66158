"""The cell of a notebook, where there is one: text and a picture that are replaced as work goes on."""

from __future__ import annotations

import base64
import html
import sys
import time
from typing import Any

WIDTH = 40  # characters of a bar
PAUSE = 0.5  # seconds between two looks; what takes less shows nothing


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def bar_of(done: int, total: int, rate: float, unit: str) -> str:
    """A bar of text with how many are done, how fast, and the time that is left."""
    filled = round(WIDTH * done / max(total, 1))
    left = (total - done) / rate if rate else 0.0
    minutes, seconds = divmod(round(left), 60)
    hours, minutes = divmod(minutes, 60)
    blocks = "\u2588" * filled + "\u2591" * (WIDTH - filled)
    unit = f" {unit}" if unit else ""
    speed = f"{rate:,.1f}{unit}/s" if rate < 1000 else f"{rate:,.0f}{unit}/s"
    return f"{blocks} {done:,}/{total:,}{unit}  {speed}  {hours}:{minutes:02}:{seconds:02} left"


def as_html(png: bytes) -> str:
    """A picture of samples as HTML that holds it."""
    content = base64.b64encode(png).decode()
    return f'<img alt="samples" style="max-width: 512px" src="data:image/png;base64,{content}">'


class Cell:
    """An output of the cell that runs; outside of a notebook, nothing."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, text: str, png: bytes = b"") -> None:
        """Have it show text and a picture, in the place of those before."""
        if not in_notebook():
            return
        from IPython.display import DisplayHandle

        shown = f"<pre>{html.escape(text)}</pre>"
        if png:
            shown += as_html(png)
        data = {"text/plain": text, "text/html": shown}
        if self._handle is None:
            self._handle = DisplayHandle()  # type: ignore[no-untyped-call]
            self._handle.display(data, raw=True)
        else:
            self._handle.update(data, raw=True)

    def clear(self) -> None:
        """Have it show nothing any more."""
        if self._handle is not None:
            self._handle.update({"text/plain": ""}, raw=True)


class Counter:
    """How much of something is done, in the cell while it lasts."""

    def __init__(self, description: str, total: int, unit: str = "") -> None:
        self.description, self._total, self._unit = description, total, unit
        self._cell, self._began = Cell(), time.monotonic()
        self._shown = self._began

    def at(self, done: int) -> None:
        now = time.monotonic()
        if now - self._shown >= PAUSE:
            self._shown = now
            bar = bar_of(done, self._total, done / (now - self._began), self._unit)
            self._cell.show(f"{self.description}\n{bar}")

    def close(self) -> None:
        self._cell.clear()
