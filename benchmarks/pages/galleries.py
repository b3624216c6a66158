"""Pictures beside each other: of the rows of a card, and of all members."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cards import Card
from sample_pictures import shown

from ganzoo.registry import MODELS
from ganzoo.registry.registry import DISTRIBUTION
from ganzoo.table.read import Group

PER_ROW = 3


def pictures(card: Card, groups: Sequence[Group], every: Sequence[Group], images: Path) -> str:
    """Those of the card, and of each row."""
    own = [f"![{one.alt}](images/{one.file})" for one in card.pictures]
    found = [(group, picture) for group in groups if (picture := shown(card.results, group, every, images))]
    cells = [
        f"![{picture.alt(group.name)}](images/results/{picture.path.name})<br>{picture.caption(group.name)}"
        for group, picture in found
    ]
    return "\n\n".join(filter(None, [*own, gallery(cells)]))


def gallery(cells: Sequence[str]) -> str:
    """Pictures beside each other."""
    if not cells:
        return ""
    width = min(PER_ROW, len(cells))
    padded = [*cells, *[""] * (-len(cells) % width)]
    rows = [f"| {' | '.join(padded[i : i + width])} |" for i in range(0, len(padded), width)]
    return "\n".join(["| " * width + "|", "|---" * width + "|", *rows])


def members(images: Path) -> str:
    """The picture of each member on digits, with a link to its page; the others by name."""
    names = [entry.name for entry in MODELS.entries() if entry.distribution == DISTRIBUTION]
    drawn = [name for name in names if (images / f"{name}-mnist.png").exists()]
    cells = [
        f"[![64 samples of {name}](images/{name}-mnist.png)](models/{name}.md)<br>"
        f"[`{name}`](models/{name}.md)"
        for name in drawn
    ]
    others = ", ".join(f"[`{name}`](models/{name}.md)" for name in names if name not in drawn)
    said = f"Without a picture of digits: {others}." if others else ""
    return "\n\n".join(filter(None, [gallery(cells), said]))
