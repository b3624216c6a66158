"""Mean and spread over seeds, the best of a column, and whether the spread allows to say so."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterable, Sequence
from statistics import mean, stdev, variance

from scipy.special import stdtr

from ganzoo.table.read import Column, Group

LEVEL = 0.05


@dataclasses.dataclass
class Score:
    """One cell of a table.

    Attributes:
        mean, std: over `n` seeds; sample standard deviation, None for one seed.
        best: nothing in the column is better.
        note: "not significantly better than ...", where `best` is not.
    """

    mean: float
    std: float | None
    n: int
    best: bool = False
    note: str = ""


def summarise(values: Sequence[float]) -> Score:
    scale = _scale(values)
    std = stdev([value / scale for value in values]) * scale if len(values) > 1 else None
    return Score(mean(values), std, len(values))


def _scale(values: Iterable[float]) -> float:
    """A power of two that brings the largest size to about 1: squares of any float do not fit into one."""
    return math.ldexp(1.0, math.frexp(max(map(abs, values), default=0.0))[1] - 1)


def scores_of(groups: Sequence[Group], column: Column) -> dict[str, Score]:
    """The column's score of each group, by name, the best of them marked; of one dataset."""
    scores = {group.name: summarise(values) for group in groups if (values := group.scores(column.score))}
    costs = {group.name: cost for group in groups if (cost := distances(group, column))}
    if len(costs) < 2:
        return scores
    ranked = sorted(costs, key=lambda name: mean(costs[name]))
    least = mean(costs[ranked[0]])
    best = [name for name in ranked if mean(costs[name]) == least]
    if len(best) == len(ranked):  # there is no best of equals
        return scores
    for name in best:
        scores[name].best = True
        scores[name].note = _note(name, ranked[len(best) :], costs)
    return scores


def distances(group: Group, column: Column) -> list[float]:
    """The values turned so that less is better: by the distance to real data where a score has no direction.

    The distance is taken seed by seed: 0.1 and 1.9 are not right on average where 1 is.
    """
    values = group.scores(column.score)
    if column.higher_is_better is None:
        real = group.real(column.score)
        far = [min(abs(a - b), sys.float_info.max) for a, b in zip(values, real, strict=False)]
        return far if len(values) == len(real) else []
    return [-value if column.higher_is_better else value for value in values]


def _note(name: str, others: Sequence[str], costs: dict[str, list[float]]) -> str:
    """The best of `others`, and how many more, than which `name` is not significantly better."""
    p = {other: welch(costs[name], costs[other]) for other in others}
    close = [(other, value) for other, value in p.items() if value is not None and value >= LEVEL]
    if not close:
        return ""
    more = f" and {len(close) - 1} more" if len(close) > 1 else ""
    return f"not significantly better than {close[0][0]} (p = {close[0][1]:.2f}){more}"


def welch(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Two-sided p of equal means (Welch 1947); None where there is no such thing: one seed, or no spread."""
    if min(len(a), len(b)) < 2:
        return None
    scale = _scale([*a, *b])
    a, b = [value / scale for value in a], [value / scale for value in b]
    u, v = variance(a) / len(a), variance(b) / len(b)
    if u + v == 0.0:
        return None
    t = (mean(a) - mean(b)) / math.sqrt(u + v)
    share = u / (u + v)
    freedom = 1.0 / (share**2 / (len(a) - 1) + (1.0 - share) ** 2 / (len(b) - 1))
    return float(2.0 * stdtr(freedom, -abs(t)))


def holm(p: Sequence[float]) -> list[float]:
    """Each p adjusted for how many there are, in the same order (Holm 1979).

    Where those below 0.05 are claimed, the chance of even one wrong claim is at most 0.05.
    """
    adjusted, least = [1.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        least = max(least, min(1.0, p[i] * (len(p) - rank)))
        adjusted[i] = least
    return adjusted
