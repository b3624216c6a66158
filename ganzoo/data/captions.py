"""What is written on pictures of samples: of which model and data, what is shown, and of which class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from PIL import ImageFont
from torch import Tensor

from ganzoo.registry.spec import Ref
from ganzoo.system.console import plain

MOST_COLUMNS = 16  # of classes, each of which has columns of its own
USUAL_COLUMNS = 8
GIVEN = "given"  # data from Python


@dataclass(frozen=True)
class Words:
    """What is written around samples; with nothing of it, a picture has no margins.

    Attributes:
        title: the first line, of which model and data.
        says: the second line, what is shown.
        columns: what is in each column.
        rows: what is in each row; where there are more rows than names, they come in groups of these.
        each: what each sample is.
    """

    title: str = ""
    says: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    each: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.title or self.says or self.columns or self.rows or self.each)

    @property
    def lines(self) -> list[str]:
        return [plain(line) for line in (self.title, self.says) if line]

    def saying(self, *parts: str) -> Words:
        """The same, where the second line has these too."""
        return replace(self, says=", ".join(filter(None, [self.says, *parts])))


def titled(model: str, dataset: str, step: int | None = None) -> str:
    """ "dcgan on mnist, step 2,000"; of paths, which can be long, the last part."""
    ref = Ref.parse(dataset)
    name = ref.name
    if ref.name == GIVEN:
        name = "data from Python"
    elif ref.path is not None:
        name = f"{ref.name}:{Path(ref.path.rstrip('/')).name or ref.path}"
    return f"{model} on {name}" + ("" if step is None else f", step {step:,}")


def by_class(words: Words, labels: Tensor | None, names: Sequence[str]) -> tuple[Words, int | None]:
    """Where samples have labels [N] in turn, a heading for each column, and how many columns; else on each.

    Args:
        names: of all classes.
    """
    if labels is None or labels.dim() != 1 or labels.is_floating_point() or not len(labels):
        return words, None
    shown = [class_name(names, label) for label in range(max(len(names), int(labels.max()) + 1))]
    if bool((labels == labels[0]).all()):
        one = len(shown) > 1 or bool(names)
        return words.saying(f"class {shown[int(labels[0])]}") if one else words, None
    count = len(shown)
    if torch.equal(labels, torch.arange(len(labels)) % count) and count <= MOST_COLUMNS:
        columns = min(columns_of(count), len(labels))
        return replace(words, columns=tuple(shown * (columns // count + 1))[:columns]), columns
    return replace(words, each=tuple(shown[label] for label in labels.tolist())), None


def columns_of(classes: int) -> int:
    """How many columns show so many classes in turn, each in columns of its own."""
    return classes * max(1, round(USUAL_COLUMNS / classes))


def class_name(names: Sequence[str], label: int) -> str:
    """A class as it is shown: by its name, or by its number where the name is none that can be drawn."""
    name = plain(names[label]) if label < len(names) else ""
    return name if name and all(map(has_glyph, name)) else str(label)


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans, which matplotlib carries and has letters of many scripts; found without importing it."""
    spec = find_spec("matplotlib")
    for place in (spec and spec.submodule_search_locations) or ():
        path = Path(place) / "mpl-data" / "fonts" / "ttf" / f"DejaVuSans{'-Bold' * bold}.ttf"
        if path.exists():
            return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    return ImageFont.load_default(size)


@cache
def has_glyph(c: str) -> bool:
    """Whether the font has a picture of its own for a character."""
    return c == " " or bytes(font(12).getmask(c)) != bytes(font(12).getmask("\uffff"))


def fitted(text: str, width: float, of: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """As much of a text as fits into so many pixels."""
    if of.getlength(text) <= width:
        return text
    while text and of.getlength(f"{text}\u2026") > width:
        text = text[:-1]
    return f"{text.rstrip()}\u2026" if text else ""
