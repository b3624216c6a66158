"""What a table says about one dataset, as text: the same on a screen and on a page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from statistics import mean

from ganzoo.bench.rows import Done
from ganzoo.system.console import number
from ganzoo.table.read import Column, Group, commands_of, refuse_mixed
from ganzoo.table.statistics import Score, scores_of

NONE = "-"
LONG = 1e15  # from here on with an exponent
LARGE = 1e6  # scores, from here on in millions
UNITS = ((1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"))
BETTER = {True: "higher", False: "lower", None: "as real"}
MEASURED = ("train_seconds", "images_per_s", "peak_mib")  # worth something where nothing else ran beside
COSTS = {
    "steps": ("steps",),
    "images": ("real", "images"),
    "train_seconds": ("seconds",),
    "images_per_s": ("images/s",),
    "peak_mib": ("MiB",),
    "parameters_g": ("weights", "of G"),
    "parameters_d": ("weights", "of D"),
}


@dataclasses.dataclass(frozen=True)
class Text:
    """A cell: what stands in it, whether it is the best of its column, and the number of its footnote."""

    text: str
    best: bool = False
    note: int = 0


@dataclasses.dataclass
class Block:
    """One dataset's part of a table.

    Attributes:
        scores: by score, then by the group's name.
    """

    dataset: str
    groups: list[Group]
    columns: list[Column]
    scores: dict[str, dict[str, Score]]
    shared: bool

    def titles(self) -> list[tuple[str, ...]]:
        """Of the columns, in lines."""
        scores = [(*_lines(column.score), BETTER[column.higher_is_better]) for column in self.columns]
        return [
            ("model",),
            ("options",),
            *scores,
            *[("seen",)] * self.shows_seen,
            ("seeds",),
            *COSTS.values(),
        ]

    @property
    def shows_seen(self) -> bool:
        """Whether a training of these is known to have gone wrong: there is a column for it then."""
        return any(group.seen() for group in self.groups)

    def lines(self) -> list[list[Text]]:
        """A line per group, and one of real data."""
        return [*(self._line(group) for group in self.groups), self._real_line()]

    def measured(self) -> str:
        """How many samples the scores are of."""
        return "; ".join(dict.fromkeys(way for group in self.groups for way in group.measured()))

    def notes(self) -> list[str]:
        """What must be known about the cells; a cell's `note` counts them from 1."""
        return list(dict.fromkeys(self._note(c, s) for c in self.columns for s in self._best(c) if s.note))

    def cost(self, group: Group, name: str) -> float | None:
        """The mean over seeds; None where it is not known, or was measured while other cells ran beside."""
        rows = [row for row in group.done if name not in MEASURED or self.shared or row["alone"]]
        return mean(cost_of(row, name) for row in rows) if rows else None

    def _best(self, column: Column) -> list[Score]:
        return [score for score in self.scores[column.score].values() if score.best]

    def _note(self, column: Column, score: Score) -> str:
        return f"{column.score}: {score.note}"

    def _line(self, group: Group) -> list[Text]:
        cells = [Text(group.model), Text(group.options)]
        for column in self.columns:
            score = self.scores[column.score].get(group.name)
            if score is None:
                cells.append(Text(NONE))
                continue
            note = self.notes().index(self._note(column, score)) + 1 if score.note else 0
            cells.append(Text(spread(score), score.best, note))
        if self.shows_seen:
            cells.append(Text(seen(group)))
        cells.append(Text(seeds(group)))
        for name in COSTS:
            cost = self.cost(group, name)
            starred = name in MEASURED and not all(row["alone"] for row in group.done)
            cells.append(Text(NONE if cost is None else quantity(cost) + "*" * (starred and self.shared)))
        return cells

    def _real_line(self) -> list[Text]:
        scores = [Text(self._real(column.score)) for column in self.columns]
        return [Text("(real data)"), Text(""), *scores, *[Text("")] * (self.shows_seen + 1 + len(COSTS))]

    def _real(self, score: str) -> str:
        """Of real data; a range where rows have several: classes drawn beside those without labels, say."""
        values = [mean(found) for group in self.groups if (found := group.real(score))]
        shown = list(dict.fromkeys(readable(value) for value in sorted(values)))
        return " to ".join(dict.fromkeys([shown[0], shown[-1]])) if shown else NONE


def blocks_of(groups: Sequence[Group], columns: Sequence[Column], shared: bool) -> list[Block]:
    """A block per dataset, of the columns that it has. Raises UsageError if protocols would mix.

    Args:
        shared: show costs too of cells that others ran beside, with a star.
    """
    refuse_mixed(groups, columns)
    # With some columns chosen, a row has none of them.
    groups = [group for group in groups if not group.done or any(group.scores(c.score) for c in columns)]
    blocks = []
    for dataset in dict.fromkeys(group.dataset for group in groups):
        here = [group for group in groups if group.dataset == dataset]
        there = [column for column in columns if any(group.scores(column.score) for group in here)]
        scores = {column.score: scores_of(here, column) for column in there}
        blocks.append(Block(dataset, here, there, scores, shared))
    return blocks


def cost_of(row: Done, name: str) -> float:
    costs = {**row, **{f"parameters_{net}": count for net, count in row["parameters"].items()}}
    return float(costs[name])  # type: ignore[arg-type]  # of all keys, those of COSTS


def spread(score: Score) -> str:
    """Mean and standard deviation, with two digits of the latter."""
    if score.std is None:
        return readable(score.mean)
    most = max(abs(score.mean), score.std)
    if most >= LONG:
        return f"{score.mean:.1e} ± {score.std:.1e}"
    if most >= LARGE:
        size, unit = next((size, unit) for size, unit in reversed(UNITS) if most >= size)
        return f"{_spread(score.mean / size, score.std / size)}{unit}"
    return _spread(score.mean, score.std)


def _spread(mean: float, std: float) -> str:
    if std == 0.0:
        return f"{number(mean)} ± 0"
    digits = 1 - math.floor(math.log10(std))
    if digits > 6:
        return f"{number(mean)} ± {std:.1e}"
    return f"{mean:.{max(digits, 0)}f} ± {std:.{max(digits, 0)}f}"


def seeds(group: Group) -> str:
    done, counts = len(group.done), {"failed": len(group.failed), "stopped": len(group.stopped)}
    others = [f", {count} {how}" for how, count in counts.items() if count]
    return f"{done}/{len(group.rows)}{''.join(others)}" if others else str(done)


def seen(group: Group) -> str:
    """What the trainings of its seeds show, and of how many of them, where not of all."""
    done = len(group.done)
    return ", ".join(f"{short} ({n} of {done})" if n < done else short for short, n in group.seen().items())


def quantity(value: float) -> str:
    """A cost to three digits, in thousands, millions and so on where it is large: 33.7k, 260M."""
    if value >= 1e4:
        return large(value, 3)
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def readable(value: float) -> str:
    """A score to four digits; a large one in millions and so on: 260M for 2.6e+08."""
    return number(value) if abs(value) < LARGE else large(value, 4)


def large(value: float, digits: int) -> str:
    """So many digits, and a letter for a thousand, a million and so on; from 1e15 on an exponent."""
    for size, unit in UNITS:
        short = float(f"{value / size:.{digits}g}")  # rounded, it may be a thousand, which has another word
        if abs(short) < 1000:
            return f"{short:.{digits}g}{unit}"
    return f"{value:.1e}"


def general_notes(blocks: Sequence[Block]) -> list[str]:
    """What is said once below all tables."""
    groups = [group for block in blocks for group in block.groups]
    notes = []
    spreads = [score.std for block in blocks for column in block.scores.values() for score in column.values()]
    if any(std is not None for std in spreads):
        notes.append("± is the standard deviation over seeds; significance by Welch's test, p < 0.05")
    if any(std is None for std in spreads):
        notes.append("a row of one seed says nothing of other seeds: no significance is claimed for it")
    alone = [row["alone"] for group in groups for row in group.done]
    if not all(alone) and any(block.shared for block in blocks):
        notes.append("*: measured while other cells ran beside")
    elif not all(alone):
        notes.append("no seconds, images/s and MiB of cells that others ran beside: --shared-cost shows them")
    stopped = sum(len(group.stopped) for group in groups)
    if stopped:
        notes.append(f"stopped: {stopped} that had fallen behind the median of a search")
    errors = [(group, row) for group in groups for row in group.failed]
    notes += [
        f"failed: {group.name} on {group.dataset}, seed {row['seed']}: {row['error']}"
        for group, row in errors
    ]
    return [*notes, *_made_with(groups)]


def _made_with(groups: Sequence[Group]) -> list[str]:
    rows = [row for group in groups for row in group.done]
    made: dict[str, list[str]] = {}
    for row in rows:
        versions = {name: f"{name} {version}" for name, version in row["versions"].items()}
        facts = {**versions, "commit": f"commit {row['commit']}", "processor": row["processor"]}
        facts["threads"] = f"threads: {row['threads']}"
        for key, value in facts.items():
            if value not in made.setdefault(key, []):
                made[key].append(value)
    return ["made with " + "; ".join(" and ".join(values) for values in made.values())] if made else []


def commands(block: Block) -> list[str]:
    """What does each row again, by its first seed, with its name as a comment before."""
    made = []
    for group in block.groups:
        first, others = group.rows[0], [str(row["seed"]) for row in group.rows[1:]]
        seeds = f"; and with --seed {', '.join(others)}" if others else ""
        made += [f"# {group.name} on {group.dataset}{seeds}", *commands_of(first).values()]
    return made


def _lines(score: str) -> tuple[str, ...]:
    plain, at, extractor = score.partition("@")
    return (plain, at + extractor) if at else (plain,)
