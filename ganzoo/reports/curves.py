"""The columns of logs as panels of curves, thinned so that any run fits in a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo.reports.subject import Subject
from ganzoo.system.console import number

MOST = 900  # points of a curve
SIGNAL = "signal/"
KNOWN = ("step", "images", "images_per_s")
Column = NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """Columns that belong into one panel.

    Args:
        columns: to what each is called.
        says: how to read it.
        parted: what must be equal for runs to share a panel; "" where all may.
        level: a value to compare with, and what it is; None where there is none.
        log: on a logarithmic axis.
        range: of the axis, where that is known.
        first: among those that are shown at once.
    """

    title: str
    columns: dict[str, str]
    says: str
    parted: Callable[[Subject], str] = lambda _: ""
    level: Callable[[Subject], tuple[str, float] | None] = lambda _: None
    log: bool = False
    range: Callable[[str], tuple[float, float] | None] = lambda _: None
    first: bool = False


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        x, y: finite numbers; y may be negative on a logarithmic axis, where it is not drawn.
        colour, dashes: of the page's, by number.
    """

    label: str
    x: list[float]
    y: list[float]
    colour: int
    dashes: int = 0

    def said(self) -> tuple[str, ...]:
        """First, lowest, highest and last value, as text."""
        return tuple(map(number, (self.y[0], min(self.y), max(self.y), self.y[-1])))


@dataclass(frozen=True)
class Panel:
    """Curves over one axis; `level` is a value to compare with, and what it is."""

    title: str
    says: str
    unit: str
    lines: list[Line]
    level: tuple[str, float] | None = None
    log: bool = False
    range: tuple[float, float] | None = None
    first: bool = True

    def as_json(self) -> dict[str, Any]:
        lines = [{"x": one.x, "y": one.y, "colour": one.colour, "dashes": one.dashes} for one in self.lines]
        level = None if self.level is None else self.level[1]
        return {"lines": lines, "level": level, "log": self.log, "range": self.range}


def _nothing(run: Subject) -> tuple[str, float] | None:
    found = run.loss_of_nothing
    return None if found is None else ("loss of a D that tells nothing apart", found)


def _at(label: str, value: float) -> Callable[[Subject], tuple[str, float]]:
    return lambda _: (label, value)


KINDS = (
    Kind(
        "Losses",
        {"d_loss": "D", "g_loss": "G"},
        "Neither has to fall: each is measured against the other, which learns too. Levels that hold are a "
        "game in balance; a D whose loss goes to nothing has won, and teaches G no more.",
        parted=lambda run: run.config.recipe.loss,
        level=_nothing,
        first=True,
    ),
    Kind(
        "What D says",
        {"d_real": "of real samples", "d_fake": "of generated samples"},
        "The nearer these two are, the better G deceives. Far apart from early on, D is too strong.",
        parted=lambda run: run.unit,
        range=lambda unit: (0.0, 1.0) if unit == "probability" else None,
        first=True,
    ),
    Kind(
        "Updates that D left out",
        {"d_skip_rate": "share"},
        "The share of D's updates that skip-d left out since the row before, as D was ahead.",
        range=lambda _: (0.0, 1.0),
        first=True,
    ),
    Kind(
        "Gradient norms",
        {f"{SIGNAL}grad_d": "D", f"{SIGNAL}grad_g": "G"},
        "Of the last update, after what stabilizers did to it. A gradient that fades away teaches nothing; "
        "one that jumps by powers of ten comes before a divergence.",
        log=True,
        first=True,
    ),
    Kind(
        "Variety of samples",
        {
            f"{SIGNAL}diversity": "distance between samples",
            f"{SIGNAL}diversity_in_class": "distance within a class",
            f"{SIGNAL}reach": "kinds of samples reached",
        },
        "As shares of what real data have. A fall towards 0 is a collapse.",
        level=_at("real data", 1.0),
        first=True,
    ),
    Kind(
        "Training data, preferred by D",
        {f"{SIGNAL}d_told_train": "share"},
        "How often D prefers a training sample to a held-out one. Towards 1 it knows them by heart.",
        level=_at("no preference", 0.5),
        range=lambda _: (0.0, 1.0),
    ),
    Kind(
        "Distance from training data",
        {f"{SIGNAL}nn_ratio": "share"},
        "Of samples to their nearest training sample, as a share of that of held-out data. Well below 1 they "
        "are copies.",
        level=_at("held-out data", 1.0),
    ),
    Kind(
        "Units that never change",
        {f"{SIGNAL}dead_d": "D", f"{SIGNAL}dead_g": "G"},
        "Their share in the layer that has most of them.",
        range=lambda _: (0.0, 1.0),
    ),
    Kind(
        "Where the mean of the samples is",
        {f"{SIGNAL}mean_1": "first direction", f"{SIGNAL}mean_2": "second direction"},
        "In standard deviations of the data, along the two directions in which these vary most. Swings that "
        "do not fade are players that chase each other round.",
        level=_at("real data", 0.0),
    ),
    Kind(
        "The averaged G, from G",
        {f"{SIGNAL}ema_distance": "distance"},
        "How far their samples lie apart, as a share of the distance between real ones.",
    ),
)


def panels(runs: Sequence[Subject]) -> list[Panel]:
    """All that was logged: of one run what belongs together in one panel, of several a panel for each."""
    kinds = [*KINDS, *_others(runs)]
    several = len(runs) > 1
    return [panel for kind in kinds for panel in (_apart(kind, runs) if several else _alone(kind, runs[0]))]


def _others(runs: Sequence[Subject]) -> list[Kind]:
    """A panel for each column that nothing is known of, and the speed."""
    known = {*KNOWN, *(column for kind in KINDS for column in kind.columns)}
    more = {
        name: None
        for run in runs
        for name in run.history
        if name not in known and name not in run.history.scores
    }
    own = [Kind(name, {name: name}, "A column that a stabilizer or a callback logged.") for name in more]
    speed = "It goes by the machine, and by what else ran on it."
    return [*own, Kind("Speed", {"images_per_s": "real images per second"}, speed)]


def _alone(kind: Kind, run: Subject) -> Iterator[Panel]:
    unit = kind.parted(run)
    lines = [
        Line(label, *points, i, i) for i, (name, label) in enumerate(kind.columns.items())
        if (points := column(run, name)) is not None
    ]  # fmt: skip
    if lines:
        yield Panel(
            kind.title, kind.says, unit, lines, kind.level(run), kind.log, kind.range(unit), kind.first
        )


def _apart(kind: Kind, runs: Sequence[Subject]) -> Iterator[Panel]:
    for name, label in kind.columns.items():
        title = kind.title if len(kind.columns) == 1 else f"{kind.title}: {label}"
        for unit in dict.fromkeys(map(kind.parted, runs)):
            here = [(i, run) for i, run in enumerate(runs) if kind.parted(run) == unit]
            lines = [
                Line(run.name, *points, i, i) for i, run in here if (points := column(run, name)) is not None
            ]
            of_first = name == next(iter(kind.columns))
            level = None if kind.level is _nothing and not of_first else kind.level(here[0][1])
            if lines:
                yield Panel(title, kind.says, unit, lines, level, kind.log, kind.range(unit), kind.first)


def column(run: Subject, name: str) -> tuple[list[float], list[float]] | None:
    """Steps and finite values of a column, thinned; None where there are none."""
    if name not in run.history:
        return None
    there = np.isfinite(run.history[name])
    x, y = run.history["step"][there], run.history[name][there]
    return thin(x, y) if len(x) else None


def thin(x: Column, y: Column, most: int = MOST) -> tuple[list[float], list[float]]:
    """About `most` points of a curve at most: the ends, and the lowest and highest of each stretch."""
    if len(x) > most:
        kept = {0, len(x) - 1}
        for part in np.array_split(np.arange(len(x)), most // 2):
            kept |= {int(part[y[part].argmin()]), int(part[y[part].argmax()])}
        rows = sorted(kept)
        x, y = x[rows], y[rows]
    return [float(value) for value in x], [_short(float(value)) for value in y]


def thin_points(values: Mapping[int, float]) -> tuple[list[float], list[float]]:
    """The same of values by step, in order."""
    return thin(np.array([*values], dtype=float), np.array([*values.values()], dtype=float))


def _short(value: float) -> float:
    """Six digits, which are more than anybody sees."""
    return float(f"{value:.6g}") if math.isfinite(value) else value
