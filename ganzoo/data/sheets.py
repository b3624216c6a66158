"""Images in rows on one sheet, with words around them where somebody wants any."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ganzoo.data.captions import Words, fitted, font
from ganzoo.system.console import plain

GREY, WHITE, INK, FAINT = 128, 255, (32, 33, 36), (95, 99, 104)
BETWEEN = 205  # images, where there are words
SIDE = 64  # pixels that a small image is brought to, by a whole factor
NARROWEST = 400  # of a sheet with words
MARGIN, LINE, HEADING, TAG = 10, 19, 18, 14  # pixels around all, and heights of lines of text


def grid(images: Tensor, columns: int, words: Words | None = None) -> bytes:
    """uint8 [N, C, H, W] to a PNG, row by row."""
    return sheet(torch.split(images, columns), words)


def sheet(rows: Sequence[Tensor], words: Words | None = None) -> bytes:
    """Rows of images uint8 [n, C, H, W] to a PNG; small images are shown at a multiple of their size.

    Without words it is a grid with nothing but 2 grey pixels, or a multiple, between images.
    """
    words = words or Words()
    height, width = rows[0].shape[2:]
    scale = max(1, round(SIDE / width))
    gap, cell = 2 * scale, (width * scale, height * scale)
    columns = max(map(len, rows))
    tag = TAG if words.each else 0
    left, top, bottom = _margins(words)
    group = len(words.rows) if 1 < len(words.rows) < len(rows) else len(rows)

    def corner(row: int, column: int) -> tuple[int, int]:
        x = left + gap + column * (cell[0] + gap)
        return x, top + gap + tag + row * (cell[1] + gap + tag) + row // group * MARGIN

    wide, high = corner(len(rows) - 1, columns)
    size = (wide, high + cell[1] + gap + bottom)
    if words:
        size = (max(NARROWEST, size[0] + MARGIN), size[1])
    page = Image.new("RGB", size, (WHITE,) * 3 if words else (GREY,) * 3)
    draw = ImageDraw.Draw(page)
    each = iter(words.each)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            x, y = corner(i, j)
            if words:
                draw.rectangle(
                    (x - gap, y - gap, x + cell[0] + gap - 1, y + cell[1] + gap - 1), (BETWEEN,) * 3
                )
            page.paste(_image(image, scale), (x, y))
            if tag:
                _centred(draw, next(each, ""), x + cell[0] / 2, y - gap - tag / 2, cell[0], 10)
        if words.rows:
            of = font(11)
            name = plain(words.rows[i % len(words.rows)])
            at = (left - 6, corner(i, 0)[1] + cell[1] / 2)
            draw.text(at, fitted(name, left - MARGIN, of), INK, of, anchor="rm")
    for j, heading in enumerate(words.columns[:columns]):
        _centred(draw, heading, corner(0, j)[0] + cell[0] / 2, top - HEADING / 2, cell[0] + gap, 12)
    for i, line in enumerate(words.lines):
        of = font(13, bold=i == 0)
        at = (MARGIN, MARGIN + i * LINE)
        draw.text(at, fitted(line, size[0] - 2 * MARGIN, of), FAINT if i else INK, of)
    page.save(file := io.BytesIO(), "PNG")
    return file.getvalue()


def _margins(words: Words) -> tuple[int, int, int]:
    """Left, above and below, in pixels."""
    if not words:
        return 0, 0, 0
    names = max((math.ceil(font(11).getlength(plain(name))) for name in words.rows), default=0)
    left = MARGIN + (min(names, 160) + 6 if names else 0)
    gap = 4 * bool(words.each)
    return left, MARGIN + LINE * len(words.lines) + HEADING * bool(words.columns) + gap, MARGIN


def _centred(draw: ImageDraw.ImageDraw, text: str, x: float, y: float, width: float, size: int) -> None:
    of = font(size)
    draw.text((x, y), fitted(plain(text), width, of), INK, of, anchor="mm")


def _image(pixels: Tensor, scale: int) -> Image.Image:
    """uint8 [C, H, W]; of other channels than one or three, the first three, and black for those it lacks."""
    if len(pixels) not in (1, 3):
        pixels = torch.cat([pixels, torch.zeros_like(pixels[:1]).expand(3, -1, -1)])[:3]
    image = Image.fromarray(pixels.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
