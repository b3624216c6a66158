"""Whether numbers swing round: by how far, how often, and how regularly."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import mean, pstdev

from ganzoo.diagnosis.log import Point

LATER = 0.4  # of the steps so far are left out: a game finds its level first


def later(points: Sequence[Point]) -> list[Point]:
    """The points after the beginning."""
    return [point for point in points if point[0] >= LATER * points[-1][0]]


def swing(points: Sequence[Point]) -> tuple[float, int]:
    """The standard deviation about the middle, and how often the middle is crossed."""
    values = [value for _, value in points]
    middle = mean(values)
    above = [value > middle for value in values]
    return pstdev(values), sum(a != b for a, b in pairwise(above))


def rhythm(points: Sequence[Point]) -> float:
    """How regularly values swing, by their autocorrelation about a line: 1 for a wave, about 0 for noise.

    The smaller of the depth of its first valley and of the height of the peak after it: noise has neither,
    and a slow drift has a valley alone.
    """
    values = _without_line([value for _, value in points])
    power = sum(value * value for value in values)
    if power <= 0.0:
        return 0.0
    lags = [
        sum(a * b for a, b in zip(values, values[lag:], strict=False))
        / power
        * len(values)
        / (len(values) - lag)
        for lag in range(1, 2 * len(values) // 3)
    ]
    if len(lags) < 4:
        return 0.0
    valley = next((i for i, value in enumerate(lags) if value < 0.0), None)
    if valley is None or valley == 0:  # of opposite signs from one row to the next: that is noise
        return 0.0
    end = next((i for i in range(valley, len(lags)) if lags[i] > 0.0), None)
    if end is None:
        return 0.0
    after = next((i for i in range(end, len(lags)) if lags[i] < 0.0), len(lags))
    return min(-min(lags[valley:end]), max(lags[end:after]))


def _without_line(values: Sequence[float]) -> list[float]:
    n, middle = len(values), mean(values)
    at = [i - (n - 1) / 2 for i in range(n)]
    slope = sum(a * value for a, value in zip(at, values, strict=True)) / sum(a * a for a in at)
    return [value - middle - slope * a for a, value in zip(at, values, strict=True)]
