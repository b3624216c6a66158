"""Small pictures in terminals that can show them: by the graphics protocol of kitty, or as sixels.

Which one follows from the environment alone: a question to a terminal may never be answered, and its answer
would lie among what is typed.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable, Mapping
from itertools import groupby

from PIL import Image
from rich.console import Console, ConsoleOptions, RenderResult
from rich.control import Control
from rich.segment import ControlType, Segment

from ganzoo.errors import UsageError, nearest

WAYS = ("auto", "kitty", "sixel", "off")
KITTY = ("ghostty", "WezTerm")  # as TERM_PROGRAM, which speak it too
SIXEL = ("mintty", "iTerm.app", "contour")
SIXEL_TERMS = ("foot", "mlterm", "yaft", "sixel")  # parts of TERM
ROWS, CELL = 9, (9, 18)  # rows of text that a picture takes, and how many pixels a character is taken to have
CHUNK = 4096  # bytes of base64 in one sequence
COLORS = 48


def way_of(asked: str, environment: Mapping[str, str] = os.environ) -> str:
    """`asked`, or for "auto" what this terminal can: "kitty", "sixel" or "off".

    Raises UsageError for a word that is none of WAYS.
    """
    if asked not in WAYS:
        raise UsageError(f"bar: thumbnail {asked!r}: {nearest(asked, WAYS)}")
    if asked != "auto":
        return asked
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    multiplexed = "TMUX" in environment or term.startswith(("tmux", "screen"))  # which swallow both
    if multiplexed or "NO_COLOR" in environment or term in ("", "dumb") or "SSH_TTY" in environment:
        return "off"
    if "KITTY_WINDOW_ID" in environment or term == "xterm-kitty" or program in KITTY:
        return "kitty"
    return "sixel" if program in SIXEL or any(part in term for part in SIXEL_TERMS) else "off"


class Thumbnail:
    """A picture, given as PNG, to be printed on a console of `rich`: so high as ROWS lines of text."""

    def __init__(self, png: bytes, way: str) -> None:
        high = ROWS * CELL[1]
        with Image.open(io.BytesIO(png)) as opened:
            image = opened.convert("RGB")
        wide = max(1, min(4 * high, round(image.width * high / image.height)))
        small = image.resize((wide, high), Image.Resampling.LANCZOS)
        self._sequence = (as_kitty if way == "kitty" else as_sixel)(small)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # The room first, which may scroll; then back up, the picture, and down again.
        yield Segment("\n" * ROWS)
        yield Control((ControlType.CURSOR_UP, ROWS)).segment
        yield Segment(f"\x1b7{self._sequence}\x1b8", None, [(ControlType.CURSOR_DOWN, 0)])
        yield Control((ControlType.CURSOR_DOWN, ROWS)).segment


def as_kitty(image: Image.Image) -> str:
    """A PNG in sequences of 4 KiB, shown at the cursor, which stays; no answer is asked for."""
    image.save(file := io.BytesIO(), "PNG")
    content = base64.standard_b64encode(file.getvalue()).decode()
    parts = [content[i : i + CHUNK] for i in range(0, len(content), CHUNK)]
    first = f"a=T,f=100,q=2,C=1,r={ROWS},"
    return "".join(
        f"\x1b_G{first if i == 0 else ''}m={int(i < len(parts) - 1)};{part}\x1b\\"
        for i, part in enumerate(parts)
    )


def as_sixel(image: Image.Image) -> str:
    """Bands of six rows, color after color, runs of a character counted."""
    small = image.quantize(COLORS)
    palette = (small.getpalette() or [])[: 3 * COLORS]
    width, height = small.size
    pixels = small.tobytes()
    parts = [f'\x1bP0;1q"1;1;{width};{height}']
    for i in range(len(palette) // 3):
        red, green, blue = (round(part * 100 / 255) for part in palette[3 * i : 3 * i + 3])
        parts.append(f"#{i};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        rows = [pixels[y * width : (y + 1) * width] for y in range(top, min(top + 6, height))]
        lines = []
        for color in sorted(set(b"".join(rows))):
            bits = [sum((row[x] == color) << k for k, row in enumerate(rows)) for x in range(width)]
            lines.append(f"#{color}{_counted(bits)}")
        parts.append("$".join(lines) + "-")
    return "".join(parts) + "\x1b\\"


def _counted(bits: Iterable[int]) -> str:
    runs = ((chr(63 + value), len(list(run))) for value, run in groupby(bits))
    return "".join(f"!{count}{c}" if count > 3 else c * count for c, count in runs)
