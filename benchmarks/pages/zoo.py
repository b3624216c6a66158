"""The members side by side, for the first page: a picture, a line, and what a first run costs and gives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from ganzoo.registry import MODELS
from ganzoo.registry.registry import DISTRIBUTION
from ganzoo.table.layout import quantity
from ganzoo.table.read import Group

DATASET, SCORE = "mnist-5k", "fid@mnist-cnn-v1"
LINES = re.compile(r"^\| \[`([\w-]+)`\]\(\1\.md\) \| ([^|]+) \| ([^|]+) \|", flags=re.MULTILINE)


def zoo(docs: Path, groups: Sequence[Group]) -> str:
    """Cards of all members, those with a picture of digits first, and how their numbers were made."""
    names = [entry.name for entry in MODELS.entries() if entry.distribution == DISTRIBUTION]
    lines = {
        name: (line, data)
        for name, line, data in LINES.findall((docs / "models" / "index.md").read_text("utf-8"))
    }
    found = {
        group.model: group for group in groups if group.dataset == DATASET and group.options == "default"
    }
    drawn = [name for name in names if (docs / "images" / f"{name}-mnist.png").exists()]
    ranked = sorted(names, key=lambda name: (name not in drawn, name))
    cards = [card(name, *lines[name], name in drawn, found.get(name)) for name in ranked]
    cards.insert(len(drawn), "\n<!-- a list of its own, of lower cards -->\n")
    some = next(iter(found.values()))
    said = (
        f"Default recipes on {DATASET}, the digits that come along; means over {len(some.done)} seeds. "
        f"FID by the extractor {SCORE.partition('@')[2]}, lower is better, that of as many real digits is "
        f"{two_digits(mean(some.real(SCORE)))}; minutes of training on one core, with others at work beside; "
        "weights of G and D together. It is what a first run of a few minutes gives, not which member is the "
        "best: [Results](results.md) has the rest."
    )
    return "\n".join([*cards, "", "</div>", "", said])


def card(name: str, line: str, data: str, drawn: bool, group: Group | None) -> str:
    """An item of a list: the whole of it is one link, so that a keyboard stops there once."""
    picture = f"![64 digits made by {name}](images/{name}-mnist.png){{ loading=lazy }}" if drawn else ""
    told = "<br>".join([line, costs(group) if group is not None and group.done else f"For {data}."])
    return f"- [{picture}**{name}**](models/{name}.md)<br>{told}"


def costs(group: Group) -> str:
    weights = sum(group.done[0]["parameters"].values())
    minutes = mean(row["train_seconds"] for row in group.done) / 60
    return (
        f"{quantity(weights)} weights, {minutes:.1f}&nbsp;min<br>FID {two_digits(mean(group.scores(SCORE)))}"
    )


def two_digits(value: float) -> str:
    return f"{value:#.2g}".rstrip(".")
