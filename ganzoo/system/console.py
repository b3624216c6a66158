"""Talking to a person: on stderr, so that stdout stays clean for programs; there are tables and results.

Names, labels, docstrings, paths and the words of libraries come from files, and files come from anywhere. A
terminal obeys escape sequences, a reader believes a line that a name began with its line break, and rich
obeys brackets and emoji codes: here text is text, in lines and cells that are one line whatever is in it.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

T = TypeVar("T")
WIDEST = 10_000  # characters of a line in a pipe
Part = str | tuple[str, str]
"""Of a line or a cell: text, or text and its style."""

# Letters and marks by their category, of which nothing is seen.
UNSEEN = {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10)}
UNSEEN |= {*range(0xE0100, 0xE01F0)}


def plain(text: object) -> str:
    r"""`text` as one line that shows all there is: what is unseen, or steers, as \x1b, \n, \u202e."""
    words = str(text)
    if words.isascii() and words.isprintable():
        return words
    return "".join(c if _is_seen(c) else _escape(c) for c in words)


def _is_seen(c: str) -> bool:
    return (c.isprintable() and ord(c) not in UNSEEN) or unicodedata.category(c) == "Zs"


def _escape(c: str) -> str:
    if 0xDC80 <= ord(c) <= 0xDCFF:  # a byte of a path that is not UTF-8
        return f"\\x{ord(c) - 0xDC00:02x}"
    return c.encode("unicode_escape").decode()


def typed(*words: object) -> str:
    """A command to be typed, each word quoted for a shell, and none of them an option by accident."""
    shown = [
        plain(f"./{word}" if isinstance(word, Path) and str(word)[:1] == "-" else word) for word in words
    ]
    return shlex.join(shown)


class Terminal(Console):
    """Shows text as it is: `folder:cat:` is a name, and no picture of a cat; `[bold]` is a word."""

    def __init__(self, **how: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **how)

    def say(self, *parts: Part, indent: int = 0, hang: int = 0) -> None:
        """One line; one that is too long goes on below, unless this wraps softly. No word is cut.

        Args:
            indent: spaces before it; those below have `hang` more.
        """
        text = _text(*parts)
        width = self.width - indent
        for i, line in enumerate([text] if self.soft_wrap else _broken(text, width, width - hang)):
            line.pad_left(indent + hang * (i > 0))
            self.print(line, soft_wrap=True)

    def table(self, table: RenderableType, indent: int = 0) -> None:
        """A table; where there is no terminal, without spaces at the ends of its lines."""
        shown = Padding(table, (0, 0, 0, indent)) if indent else table
        if self.is_terminal:
            self.print(shown)
            return
        with self.capture() as got:
            self.print(shown)
        for line in got.get().removesuffix("\n").split("\n"):
            self.print(Text(line.rstrip()), soft_wrap=True)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """What rich makes of it; last of all, so that nothing gets past, whoever prints."""
        for part in super().render(renderable, options):
            if part.control or part.text.isprintable():
                yield part
            else:
                yield Segment("\n".join(map(plain, part.text.split("\n"))), part.style)


class Grid(Table):
    """A table without rules."""

    def __init__(self) -> None:
        super().__init__(box=None, header_style="bold", pad_edge=False)

    def column(
        self,
        *lines: str,
        right: bool = False,
        no_wrap: bool = False,
        overflow: Literal["fold", "ellipsis"] = "ellipsis",
        max_width: int | None = None,
    ) -> None:
        """A column with a title of several lines."""
        self.add_column(
            Text("\n".join(map(plain, lines))),
            justify="right" if right else "left",
            no_wrap=no_wrap,
            overflow=overflow,
            max_width=max_width,
        )

    def row(self, *cells: Part) -> None:
        self.add_row(*map(_text, cells))


def _broken(text: Text, first: int, others: int) -> Iterator[Text]:
    """A text in lines of these widths, cut between words alone: a path stays whole, and can be copied."""
    cuts: list[int] = []
    column = 0
    for word in re.finditer(r"\s*\S+\s*", text.plain):
        if column and column + cell_len(word[0].rstrip()) > (others if cuts else first):
            cuts.append(word.start())
            column = 0
        column += cell_len(word[0])
    for line in text.divide(cuts):
        line.rstrip()
        yield line


def _text(*parts: Part) -> Text:
    pairs = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(*((plain(text), style) for text, style in pairs))


def terminal(soft_wrap: bool = False) -> Terminal:
    """What a command prints its texts and tables on; the width is that of now.

    In a pipe or a file no line is broken, unless $COLUMNS says how wide it is.
    """
    made = Terminal(soft_wrap=soft_wrap)
    if not made.is_terminal and not os.environ.get("COLUMNS"):
        made.width = WIDEST
    return made


def tell(*parts: Part) -> None:
    """A sentence on stdout, broken into lines between words where there is a terminal."""
    terminal().say(*parts)


stderr = Terminal(soft_wrap=True, stderr=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is said on stderr inside the block: no notices, no bars."""
    before, stderr.quiet = stderr.quiet, True
    try:
        yield
    finally:
        stderr.quiet = before


def say(*parts: Part) -> None:
    """One line on stdout, not broken where it is long."""
    terminal(soft_wrap=True).say(*parts)


def say_json(document: Any) -> None:
    """On stdout, as JSON, in which a program reads all characters and a terminal obeys none."""
    sys.stdout.write(json.dumps(document, indent=2).replace("\x7f", "\\u007f") + "\n")


def notice(text: str) -> None:
    """One line that a person should see."""
    stderr.say(("note:", "bold yellow"), f" {text}")


def in_bytes(count: float) -> str:
    """A number of bytes as memory is counted in: 512 bytes, 1.5 MiB, 20.0 GiB."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 2**power:
            return f"{count / 2**power:,.1f} {unit}"
    return f"{count:.0f} byte{'s' * (count != 1)}"


def number(value: float) -> str:
    """Four significant digits, without an exponent where none is needed."""
    if not math.isfinite(value):
        return str(value)
    if value == round(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e6 else f"{value:.1e}"
