"""Points in the plane through a training, over the modes of the data: which are reached, and which missed."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganzoo.data.arrays import Header, read_npy
from ganzoo.data.base import RADIUS, Modes
from ganzoo.data.counted import Order
from ganzoo.errors import UsageError
from ganzoo.reports.pictures import chosen
from ganzoo.system.console import number
from ganzoo.training.stored import SAMPLES, step_of

MOST = 48  # frames
POINTS = 2000  # of a frame, where one run is shown
GRID = 65535  # places along an axis
MARGIN = 0.18  # of the width of the data, around them
NAMED = 12  # missed modes

Points = NDArray[np.float32]


@dataclass(frozen=True)
class Moment:
    """The points at one step.

    Attributes:
        at: places on the grid, two of them for each point, little-endian uint16 in base64.
        hit: of each mode, how many points are near it; none where modes are not known.
        said: the same in words.
        outside: points beyond the frame.
    """

    step: int
    at: str
    hit: list[int]
    said: str
    outside: int


@dataclass(frozen=True)
class Cloud:
    """The moments of a run in one frame.

    Attributes:
        low, high: of the frame, along both axes.
        real: places of real points, as those of a moment.
        modes: places of the centres, from 0 to 1 across the frame; `radius` likewise.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    moments: list[Moment]
    real: str = ""
    modes: list[tuple[float, float]] = field(default_factory=list)
    radius: float = 0.0

    def as_json(self) -> dict[str, Any]:
        moments = [{"step": one.step, "at": one.at, "hit": one.hit, "said": one.said} for one in self.moments]
        return {"moments": moments, "real": self.real, "modes": self.modes, "radius": self.radius,
                "low": self.low, "high": self.high}  # fmt: skip


def has_points(folder: Path) -> bool:
    return any(step_of(path) >= 0 for path in (folder / SAMPLES).glob("step-*.npy"))


def cloud(
    folder: Path, real: Points | None, modes: Modes | None, points: int = POINTS
) -> tuple[Cloud | None, list[str]]:
    """The points [N, 2] that a run has kept; and why some are missing.

    Args:
        real: [M, 2], real points, where they are to be had.
        modes: of the data, where they are known.
        points: shown of each step.
    """
    paths = [path for path in (folder / SAMPLES).glob("step-*.npy") if step_of(path) >= 0]
    kept: dict[int, Points] = {}
    faults: list[str] = []
    for path in chosen(sorted(paths, key=step_of), MOST):
        try:
            kept[step_of(path)] = read_points(path)
        except UsageError as error:
            faults.append(str(error))
    if not kept:
        return None, faults
    if modes is not None and (modes.centers is None or modes.std is None):
        modes = None  # of which nobody knows where they are
    centers = None if modes is None or modes.centers is None else modes.centers.numpy()
    framed = [one for one in (real, centers) if one is not None] or [kept[max(kept)]]
    low, high = _frame(framed)
    width = high - low
    moments = []
    for step, x in kept.items():
        inside = ((x >= low) & (x <= high)).all(1)
        hit = [] if modes is None else _hit(x, modes)
        said = _said(x, hit, centers)
        moments.append(
            Moment(step, _places(some(x[inside], points), low, high), hit, said, int((~inside).sum()))
        )
    radius = 0.0 if modes is None else modes.radius / float(width[0])
    made = Cloud(
        (float(low[0]), float(low[1])),
        (float(high[0]), float(high[1])),
        moments,
        "" if real is None else _places(some(real, points), low, high),
        [] if centers is None else [(float(x), float(y)) for x, y in (centers - low) / width],
        radius,
    )
    return made, faults


def read_points(path: Path) -> Points:
    """float32 [N, 2] of a file. Raises UsageError where it holds anything else."""

    def check(header: Header) -> None:
        if header.dtype.kind != "f" or len(header.shape) != 2 or header.shape[1] != 2 or not header.shape[0]:
            raise UsageError(f"{path} has an array of shape {header.shape}, and is left out: no points")

    x = np.asarray(read_npy(path, check, lambda header: 4 * header.size), dtype=np.float32)
    finite = np.isfinite(x).all(1)
    if not finite.any():
        raise UsageError(f"{path} has no finite points, and is left out")
    return x[finite]


def some(x: Points, count: int) -> Points:
    """So many rows, at random but always the same: they may be sorted."""
    return x[Order(len(x)).indices(min(count, len(x)), 0, 0).numpy()] if len(x) > count else x


def _frame(shown: Sequence[Points]) -> tuple[Points, Points]:
    """A square around them, with a margin: distances look the same along both axes."""
    low = np.min([one.min(0) for one in shown], axis=0)
    high = np.max([one.max(0) for one in shown], axis=0)
    half = max(float((high - low).max()) * (0.5 + MARGIN), 1e-6)
    middle = (low + high) / 2
    return (middle - half).astype(np.float32), (middle + half).astype(np.float32)


def _hit(x: Points, modes: Modes) -> list[int]:
    """How many points are of each mode."""
    nearest, near = modes.nearest(torch.from_numpy(x))
    return [int(count) for count in torch.bincount(nearest[near], minlength=modes.count)]


def _said(x: Points, hit: list[int], centers: Points | None) -> str:
    if centers is None:
        return f"{len(x):,} points"
    missed = [i for i, count in enumerate(hit) if not count]
    text = (
        f"{len(hit) - len(missed)} of {len(hit)} modes reached, {sum(hit) / len(x):.0%} of {len(x):,} "
        f"samples within {RADIUS:g} standard deviations of one"
    )
    if not missed:
        return text
    named = [f"({', '.join(number(float(value)) for value in centers[i])})" for i in missed[:NAMED]]
    more = f" and {len(missed) - NAMED} more" if len(missed) > NAMED else ""
    return f"{text}; missed: {', '.join(named)}{more}"


def _places(x: Points, low: Points, high: Points) -> str:
    places = np.clip(np.rint((x - low) / (high - low) * GRID), 0, GRID).astype("<u2")
    return base64.b64encode(places.tobytes()).decode()
