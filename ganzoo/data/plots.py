"""Samples without pixels as plots: points over the real ones in one frame, walks as lines, curves."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo.data.base import Modes
from ganzoo.data.captions import Words
from ganzoo.data.counted import Order
from ganzoo.system.console import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

SHOWN = 2500  # points of a scatter plot
AXES = 4  # of vectors, that are shown against each other
MIDDLE = 0.998  # of the real data in the frame, and a margin
MARGIN = 0.15
LIKE = 4.0  # how many times as long an axis may be, where both have one unit
LONGEST = 68  # characters of a title
REAL, GENERATED, MISSED = "0.72", "#d93025", "#1967d2"
LABELS = {"real": REAL, "generated": GENERATED}


def plot(
    samples: Tensor,
    real: Tensor | None,
    words: Words | None = None,
    modes: Modes | None = None,
    walks: Tensor | None = None,
) -> bytes:
    """float [N, D] beside the real data [M, D], if there are any, as a PNG.

    In 1-D it is a histogram, in 2-D points, else a matrix of both for the first axes. The frame follows from
    the real data alone, and is the same for all pictures of a run.

    Args:
        modes: where the true ones are, which is marked.
        walks: [rows, T, D], ways through the data that are lines, with the samples as stops on them.
    """
    from matplotlib.figure import Figure

    dim = samples.shape[1]
    shown = {"real": real, "generated": samples}
    points = {label: _some(x) for label, x in shown.items() if x is not None}
    frames = frames_of(points.get("real", samples))
    figure = Figure(figsize=(5.6, 5.8) if dim <= 2 else (7.4, 7.6), layout="constrained")
    words = words or Words()
    if dim == 1:
        _histogram(figure.subplots(), points, frames[0], 0, walks)
    elif dim == 2:
        axes = figure.subplots()
        _scatter(axes, points, frames, (0, 1), walks)
        if walks is None and modes is not None and modes.centers is not None and modes.std is not None:
            words = words.saying(_mark_modes(axes, samples, modes))
        _same_dots(axes.legend(loc="upper right", framealpha=0.9))
    else:
        _matrix(figure, points, frames, walks)
    outside = 0.0 if walks is not None else _outside(samples, frames)
    words = words.saying(f"{outside:.0%} outside of the frame" if outside >= 0.005 else "")
    _write(figure, words)
    return _png(figure)


def frames_of(real: Tensor) -> list[tuple[float, float]]:
    """From where to where each of the first axes is shown, so that nearly all of [M, D] is in it."""
    axes = real[:, :AXES].double()
    tails = torch.tensor([0.5 - MIDDLE / 2, 0.5 + MIDDLE / 2], dtype=torch.float64)
    bounds = torch.quantile(axes[torch.isfinite(axes).all(1)], tails, dim=0).T
    middle, half = bounds.mean(1), (bounds[:, 1] - bounds[:, 0]) / 2
    half = torch.where(half > 0, half, middle.abs().clamp(min=1.0) * 0.5) * (1 + 2 * MARGIN)
    if len(half) == 2 and half.max() <= LIKE * half.min():  # of one unit
        half = half.max().expand(2)
    return [(float(a), float(b)) for a, b in zip(middle - half, middle + half, strict=True)]


def _some(x: Tensor) -> Tensor:
    """At random, but always the same: rows may be sorted."""
    return x[Order(len(x)).indices(min(SHOWN, len(x)), 0, 0)]


def _outside(samples: Tensor, frames: list[tuple[float, float]]) -> float:
    low, high = torch.tensor(frames, dtype=torch.float64).T
    axes = samples[:, : len(frames)].double()
    return float(((axes < low) | (axes > high)).any(1).double().mean())


def _histogram(
    axes: Axes,
    points: Mapping[str, Tensor],
    frame: tuple[float, float],
    axis: int,
    walks: Tensor | None = None,
) -> None:
    if walks is not None:  # along the way, so that one sees where it jumps
        t = torch.linspace(0, 1, walks.shape[1])
        _lines(axes, torch.stack([t.expand(len(walks), -1), walks[..., axis]], dim=2))
        axes.set(xlim=(-0.02, 1.02), ylim=frame, xlabel="from one z to another", ylabel="sample")
        return
    bins = torch.linspace(*frame, 101).tolist()
    styles: dict[str, dict[str, Any]] = {
        "real": {"color": REAL},
        "generated": {"color": GENERATED, "histtype": "step"},
    }
    highest = {}
    for label, x in points.items():
        weights = torch.full((len(x),), 1 / (len(x) * (bins[1] - bins[0]))).numpy()  # also what lies outside
        heights, *_ = axes.hist(x[:, axis].numpy(), bins, weights=weights, label=label, **styles[label])
        highest[label] = float(max(heights))
    axes.set(xlim=frame)
    if highest.get("real"):
        axes.set(ylim=(0, 1.6 * highest["real"]))
    axes.legend(loc="upper right", framealpha=0.9)


def _scatter(
    axes: Axes,
    points: Mapping[str, Tensor],
    frames: list[tuple[float, float]],
    pair: tuple[int, int],
    walks: Tensor | None = None,
    size: float = 1.0,
) -> None:
    dots: dict[str, dict[str, Any]] = {"real": {"s": 9}, "generated": {"s": 4}}
    for label, x in points.items():
        if walks is not None and label == "generated":
            continue
        across, up = x[:, pair].T.numpy()
        axes.scatter(
            across,
            up,
            s=dots[label]["s"] * size,
            color=LABELS[label],
            label=label,
            linewidths=0,
            alpha=0.6,
        )
    if walks is not None:
        _lines(axes, walks[..., pair])
        axes.scatter([], [], color="C0", s=5, label="where a walk begins")
    a, b = (frames[axis] for axis in pair)
    axes.set(xlim=a, ylim=b)
    if b[1] - b[0] == a[1] - a[0]:
        axes.set_aspect("equal")


def _lines(axes: Axes, walks: Tensor) -> None:
    """Walks [rows, T, 2], each with a dot where it begins and a ring where it ends."""
    from matplotlib.collections import LineCollection

    colors = [f"C{i % 10}" for i in range(len(walks))]
    axes.add_collection(LineCollection(list(walks.numpy()), colors=colors, linewidths=1.3, alpha=0.9))
    for end, faces in ((0, colors), (-1, "white")):
        x, y = walks[:, end].T.numpy()
        axes.scatter(x, y, facecolors=faces, edgecolors=colors, s=30, zorder=3)


def _mark_modes(axes: Axes, samples: Tensor, modes: Modes) -> str:
    """Rings around the modes that samples [N, 2] have found, crosses on those they have missed."""
    assert modes.centers is not None
    nearest, near = modes.nearest(samples)
    found = torch.zeros(modes.count, dtype=torch.bool)
    found[nearest[near]] = True
    x, y = modes.centers.T.numpy()
    here, gone = found.numpy(), (~found).numpy()
    axes.scatter(x[here], y[here], s=190, facecolors="none", edgecolors="0.35", linewidths=0.8)
    if gone.any():
        axes.scatter(x[gone], y[gone], s=60, color=MISSED, marker="x", linewidths=1.6, label="missed")
    return f"{int(found.sum())} of {modes.count} modes found"


def _same_dots(legend: Legend) -> None:
    """Whatever the size of the points is."""
    from matplotlib.collections import PathCollection

    for handle in legend.legend_handles:
        assert isinstance(handle, PathCollection)
        handle.set_sizes([36])


def _matrix(
    figure: Figure, points: Mapping[str, Tensor], frames: list[tuple[float, float]], walks: Tensor | None
) -> None:
    """Each of the first axes as a histogram, and below these one against the other."""
    count = len(frames)
    panels = figure.subplots(count, count, squeeze=False)
    for i in range(count):
        for j in range(count):
            axes = panels[i, j]
            axes.tick_params(labelsize=7)
            if j > i:
                axes.set_axis_off()
                continue
            if i == j:
                drawn = {label: x for label, x in points.items() if walks is None or label == "real"}
                _histogram(axes, drawn, frames[i], i)
                axes.get_legend().remove()
                axes.set_yticks([])
            else:
                _scatter(axes, points, frames, (j, i), walks, size=0.5)
                axes.set_aspect("auto")
            if i == count - 1:
                axes.set_xlabel(f"axis {j + 1}", fontsize=8)
            else:
                axes.set_xticklabels([])
            if j == 0 and i:
                axes.set_ylabel(f"axis {i + 1}", fontsize=8)
            elif j:
                axes.set_yticklabels([])
    handles, labels = panels[1, 0].get_legend_handles_labels()
    dim = next(iter(points.values())).shape[1]
    more = f"axes 1 to {count} of {dim}" if dim > count else f"all {dim} axes"
    legend = panels[0, count - 1].legend(handles, labels, loc="upper right", title=more, fontsize=9)
    legend.set_in_layout(False)  # or its column would be the widest
    _same_dots(legend)


def curves(
    series: Tensor,
    columns: int,
    words: Words | None = None,
    bounds: tuple[float, float] | None = None,
) -> bytes:
    """float [N, C, L]: a small plot for each, all on one scale, with a line for each channel, as a PNG.

    Args:
        bounds: what the scale reaches from and to; the least and the largest number of these where left out.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    n, channels, length = series.shape
    rows = -(-n // columns)
    words = words or Words()
    figure = Figure(figsize=(7.4, max(1.6, 7.0 * rows / columns) + 0.5), layout="constrained")
    axes = figure.subplots()
    low, high = bounds or tuple(float(bound) for bound in series.float().aminmax())
    y = ((series.float() - low) / ((high - low) or 1.0)).clamp(-0.1, 1.1)
    x = torch.linspace(0.0, 1.0, length).expand(n, length)
    place = torch.arange(n)
    right, down = 1.15 * (place % columns).float(), 1.25 * (place // columns).float()
    x, y = x + right[:, None], y - down[:, None, None]
    zero = (0.0 - low) / ((high - low) or 1.0)
    if 0.0 <= zero <= 1.0:
        axes.hlines(zero - down, right, right + 1, colors="0.85", linewidths=0.6)
    for channel in range(channels):
        lines = torch.stack([x, y[:, channel]], dim=2).numpy()
        axes.add_collection(LineCollection(list(lines), colors=f"C{channel % 10}", linewidths=0.8))
    above: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 8, "parse_math": False}
    for i, heading in enumerate(words.columns[:columns]):
        axes.text(1.15 * i + 0.5, 1.12, _cut(heading, 90 // columns), **above)
    for i, name in enumerate(words.each[:n]):
        axes.text(float(right[i]) + 0.5, 1.02 - float(down[i]), _cut(name, 90 // columns), **above)
    axes.set(xlim=(-0.05, 1.15 * columns - 0.1), ylim=(-1.25 * (rows - 1) - 0.12, 1.12))
    axes.set_axis_off()
    _write(figure, words)
    return _png(figure)


def _write(figure: Figure, words: Words) -> None:
    """The lines above a figure; always as many, so that all figures of a run are alike."""
    if words.lines:
        text = "\n".join(_cut(line, LONGEST * figure.get_figwidth() / 5.6) for line in words.lines)
        figure.suptitle(text, x=0.02, ha="left", fontsize=10, parse_math=False)


def _cut(text: str, most: float) -> str:
    text = plain(text)
    return text if len(text) <= most else f"{text[: max(1, int(most) - 1)]}\u2026"


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of characters that the font lacks
        figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
