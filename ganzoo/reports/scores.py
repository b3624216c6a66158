"""The scores of runs: the latest of each and their course, never two protocols in one row or one panel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

from ganzoo.errors import UsageError, WorkError
from ganzoo.metrics.columns import columns
from ganzoo.registry import METRICS
from ganzoo.reports.curves import Line, Panel, thin_points
from ganzoo.reports.subject import Subject
from ganzoo.system.console import number
from ganzoo.system.records import Damaged, checked
from ganzoo.table.read import Column, protocol_of
from ganzoo.training.rows import WHEN, MetricsRow

OF_G = ("checkpoint", "generator")  # of a protocol, of which real data know nothing
OF_DATA = ("fingerprint", "shape")
TOLD = ("n_fake", "n_real", "reference", *OF_G)  # what a protocol is told by
BETTER = {True: "higher", False: "lower", None: "near real data"}
MOST_ROWS = 200  # classes of a table

Key = tuple[str, frozenset[tuple[str, str]]]


@dataclass
class Score:
    """A score by one protocol.

    Attributes:
        name: with its extractor.
        protocol: what must be equal for two values to be compared, by dotted name.
        apart: what tells its protocol from the others of this score.
        courses: of each run by its place, its values and their spreads (None where there is none) by step.
        real: of as many real samples, where it was measured.
    """

    name: str
    metric: str
    higher_is_better: bool | None
    protocol: dict[str, str]
    apart: str = ""
    courses: dict[int, dict[int, tuple[float, float | None]]] = field(default_factory=dict)
    real: float | None = None

    @property
    def says(self) -> str:
        """What it is, in a few words; "" where its metric is gone."""
        try:
            said = METRICS.said(self.metric).attributes.get("says", {})
        except (UsageError, WorkError):
            return ""
        return str(said.get(self.name.partition("@")[0], "")) if isinstance(said, Mapping) else ""

    @property
    def better(self) -> str:
        return BETTER[self.higher_is_better]

    @property
    def measured(self) -> str:
        """By what protocol, in words."""
        told = self.protocol
        n = f"{_count(told.get('n_fake'))} generated, {_count(told.get('n_real'))} real"
        when = told.get("checkpoint", "")
        parts = [f"{n} of the {told.get('reference', '?')} split"]
        parts += [when if when == WHEN else f"{when} checkpoint"] * bool(when)
        return ", ".join([*parts, *filter(None, [self.apart])])

    def latest(self, run: int) -> tuple[int, float, float | None] | None:
        """The step of a run's last value, that value and its spread."""
        course = self.courses.get(run)
        if not course:
            return None
        step = max(course)
        return step, *course[step]

    def best(self) -> set[int]:
        """The runs with the best of the latest values, where several have one that differs."""
        values = {run: found[1] for run in self.courses if (found := self.latest(run)) is not None}
        if self.higher_is_better is None or len(set(values.values())) < 2:
            return set()
        top = (max if self.higher_is_better else min)(values.values())
        return {run for run, value in values.items() if value == top}


class ClassRow(TypedDict):
    """One class of an evaluation with --per-class."""

    n: int
    scores: dict[str, float]
    real: NotRequired[dict[str, float]]


@dataclass(frozen=True)
class ClassTable:
    """The scores of each class; `rows` has the class, how many samples, and a cell for each score."""

    step: int
    scores: list[str]
    rows: list[tuple[str, str, list[tuple[str, str]]]]
    left_out: int


def scores(runs: Sequence[Subject]) -> list[Score]:
    """All scores of the runs, a row for each protocol, in the order in which they were measured."""
    found: dict[Key, Score] = {}
    for i, run in enumerate(runs):
        for row in run.scored:
            for score, says in _columns(row):
                column = Column(score, says["metric"], says["higher_is_better"])
                protocol = protocol_of(row["protocol"], column)
                key = (score, frozenset(protocol.items()))
                one = found.setdefault(key, Score(score, column.metric, column.higher_is_better, protocol))
                value = (row["scores"][score], row["scores"].get(_spread(score)))
                one.courses.setdefault(i, {})[row["step"]] = value
                one.real = row["real"].get(score, one.real)
    by_name: dict[str, list[Score]] = {}
    for one in found.values():
        by_name.setdefault(one.name, []).append(one)
    for same in by_name.values():
        _share_real(same)
        _tell_apart(same)
    return [one for same in by_name.values() for one in same]


def _columns(row: MetricsRow) -> Iterator[tuple[str, Any]]:
    try:
        yield from columns(row).items()
    except (UsageError, WorkError, KeyError):  # a metric is gone: nobody knows what its scores mean
        return


def _spread(score: str) -> str:
    name, at, extractor = score.partition("@")
    return f"{name}_std{at}{extractor}"


def _share_real(same: Sequence[Score]) -> None:
    """Real data that were measured alike for another checkpoint are the same real data."""
    known: dict[frozenset[tuple[str, str]], float] = {}
    for fill in (False, True):
        for one in same:
            key = frozenset((name, value) for name, value in one.protocol.items() if name not in OF_G)
            if one.real is not None:
                known[key] = one.real
            elif fill:
                one.real = known.get(key)


def _tell_apart(same: Sequence[Score]) -> None:
    """Say what differs where the usual words say the same of two protocols."""
    names = dict.fromkeys(name for one in same for name in one.protocol if name not in TOLD)
    differ = [name for name in names if len({one.protocol.get(name) for one in same}) > 1]
    if "dataset" in differ:  # which says it
        differ = [name for name in differ if name not in OF_DATA]
    for one in same:
        one.apart = ", ".join(f"{name} {one.protocol.get(name, 'none')}" for name in differ)


def _count(text: str | None) -> str:
    return f"{int(text):,}" if text is not None and text.isdecimal() else "?"


def said(value: float, spread: float | None = None) -> str:
    return number(value) if spread is None else f"{number(value)} ± {number(spread)}"


def score_panels(found: Sequence[Score], runs: Sequence[Subject]) -> list[Panel]:
    """The course of each score that was measured more than once, beside real data at as many samples."""
    made = []
    for one in found:
        courses = {run: course for run, course in one.courses.items() if len(course) > 1}
        lines = [
            Line(
                runs[run].name if len(runs) > 1 else "generated",
                *thin_points({step: value for step, (value, _) in sorted(course.items())}),
                run,
                run,
            )
            for run, course in courses.items()
        ]
        if lines:
            what = "; ".join(filter(None, [one.says, f"better: {one.better}"]))
            level = None if one.real is None else ("real data", one.real)
            made.append(Panel(one.name, f"{what[:1].upper()}{what[1:]}. {one.measured}.", "", lines, level))
    return made


def by_class(run: Subject) -> ClassTable | None:
    """The last evaluation with --per-class; None where there is none, or where it cannot be read."""
    for row in reversed(run.scored):
        try:
            rows = checked(dict(row).get("per_class"), list[dict[str, Any]])
            classes = [(str(one.get("class")), checked(one, ClassRow)) for one in rows]
        except Damaged:
            continue
        names = list(dict.fromkeys(score for _, one in classes for score in one["scores"]))
        table = [(label, f"{one['n']:,}", [_cell(one, name) for name in names]) for label, one in classes]
        return ClassTable(row["step"], names, table[:MOST_ROWS], max(0, len(table) - MOST_ROWS))
    return None


def _cell(row: ClassRow, score: str) -> tuple[str, str]:
    """The value, and that of real data; "" where there is none."""
    value, real = row["scores"].get(score), row.get("real", {}).get(score)
    return "" if value is None else number(value), "" if real is None else number(real)
