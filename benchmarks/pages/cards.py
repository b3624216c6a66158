"""The cards of docs/results.md as cards.toml has them, and which runs of a suite a card still lacks."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ganzoo.bench.rows import Row
from ganzoo.bench.suite import read_suite
from ganzoo.table.read import Group

CARDS = Path(__file__).with_name("cards.toml")
SUITES = Path(__file__).parents[1] / "suites"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """A table of cards.toml: a word that is not one of its own is an error."""


class Figures(Entry, frozen=True, kw_only=True):
    """One published row: each score a number, or a number and its error."""

    name: str
    scores: dict[str, float | Annotated[list[float], msgspec.Meta(min_length=2, max_length=2)]]
    steps: int | None = None
    images: int | None = None


class Published(Entry, frozen=True, kw_only=True):
    """What a paper says, and what of its protocol is the same here and what is not.

    Attributes:
        unchecked: the figures were not read in the paper itself.
    """

    paper: str
    arxiv: str
    where: str
    same: str
    differs: str
    rows: list[Figures]
    unchecked: bool = False


class Target(Entry, frozen=True, kw_only=True):
    """What was asked for. One of the bounds is given.

    Attributes:
        at_most, at_least: a number.
        at_most_real: a multiple of what real data score.
        published: the figure of this published row.
        beats: options of the row that must be significantly worse; a regular expression.
        judged: of the rows that `model` and `options` (regular expressions) choose, the best or each.
        on: each seed, or the mean over them.
        of: what the rows have in common, in words.
    """

    score: str
    at_most: float | None = None
    at_least: float | None = None
    at_most_real: float | None = None
    published: str = ""
    beats: str = ""
    judged: Literal["best", "each"] = "best"
    on: Literal["every seed", "the mean"] = "every seed"
    model: str = ""
    options: str = ""
    of: str = ""


class Drawn(Entry, frozen=True):
    """A picture of docs/images and the command that made it."""

    file: str
    alt: str
    made_by: str


class Card(Entry, frozen=True, kw_only=True):
    """One headline result.

    Attributes:
        results: name of the file in benchmarks/results, and of the suite.
        dataset, metrics: the part of the results that it is about; all where empty.
        best_by: the score that says which row is the best; the first one where empty.
        before: commands that the suite needs done.
        body: module of benchmarks/pages whose `body(rows)` takes the table's place.
    """

    name: str
    results: str
    title: str
    protocol: str
    dataset: str = ""
    metrics: list[str] = []
    best_by: str = ""
    shared_cost: bool = False
    before: list[str] = []
    body: str = ""
    pictures: list[Drawn] = []
    published: list[Published] = []
    targets: list[Target] = []


class File(Entry, frozen=True):
    card: list[Card]


@dataclasses.dataclass(frozen=True)
class Missing:
    """Seeds of one row that the suite asks for and the results do not have."""

    model: str
    dataset: str
    options: str
    steps: int | None
    seeds: list[int]

    def of(self, group: Group) -> bool:
        steps = group.rows[0]["steps"]
        same = (self.model, self.dataset, self.options) == (group.model, group.dataset, group.options)
        return same and self.steps in (None, steps)


def read_cards(path: Path = CARDS) -> list[Card]:
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), File).card


def missing_runs(suite: Path, rows: Iterable[Row]) -> list[Missing]:
    """What a suite asks for beyond these results; nothing where there is no suite to ask."""
    if not suite.exists():
        return []
    there = {(row["model"], row["dataset"], row["options"], row["seed"], row["steps"]) for row in rows}
    missing = []
    for asked in read_suite(suite):
        words, steps = asked.training, asked.training.get("steps")
        key = (words["model"], words["dataset"], asked.label)
        found = {seed for *one, seed, n in there if tuple(one) == key and steps in (None, n)}
        seeds = [seed for seed in asked.seeds if seed not in found]
        if seeds:
            missing.append(Missing(*key, steps, seeds))
    return missing
