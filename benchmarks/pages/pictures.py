"""Draw docs/images/results/: samples of the seed in the middle of each row of a suite's table.

    ganzoo bench benchmarks/suites/NAME.toml --jobs 2
    python benchmarks/pages/pictures.py results/NAME.jsonl

Images are a grid, a class per column where the run learned labels; points in the plane lie over the modes of
their data. `python benchmarks/pages/report.py` then shows them in docs/results.md.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sample_pictures import IMAGES, SAYS, middle, picture_of
from torch import Tensor

import ganzoo
from ganzoo.bench.rows import Done
from ganzoo.data.base import Modes
from ganzoo.data.plots import SHOWN, curves, plot
from ganzoo.data.sheets import grid
from ganzoo.table.read import group_rows, read_rows

LARGEST = 100_000  # bytes
COLUMNS, ROWS = 10, 8
MOST_CLASSES = 16  # that are columns


def over_modes(axes: Axes, samples: Tensor, modes: Modes) -> None:
    """Samples [N, 2] over the true modes: discs where one was found, crosses where none was."""
    nearest, near = modes.nearest(samples)
    found = set(nearest[near].tolist())
    x, y = modes.centers.T.numpy()
    covered = [i in found for i in range(modes.count)]
    missed = [not here for here in covered]
    axes.scatter(x[covered], y[covered], s=150, color="0.85", linewidths=0, label="found")
    axes.scatter(x[missed], y[missed], s=110, color="C0", marker="x", label="missed")
    axes.scatter(*samples.T.numpy(), s=3, color="C3", linewidths=0, alpha=0.5)
    side = 1.25 * float(modes.centers.abs().max())
    axes.set(aspect="equal", xlim=(-side, side), ylim=(-side, side))


def drawn(run: ganzoo.Run) -> Iterator[tuple[bytes, int, str]]:
    """Pictures of one run, each smaller than the one before: PNG, number of samples, what its columns are."""
    shape = run.sample(1).shape[1:]
    if len(shape) == 3:
        by_class = 1 < run.config.num_classes <= MOST_CLASSES and run.config.conditional
        columns = run.config.num_classes if by_class else COLUMNS
        for rows in range(ROWS, 0, -1):
            n = rows * columns
            images = run.sample(n, labels=torch.arange(columns).repeat(rows) if by_class else None)
            yield grid(images, columns), n, ", a class per column" if by_class else ""
    elif tuple(shape) == (2,) and run.dataset.modes is not None:
        figure = Figure(figsize=(4.8, 4.8), layout="constrained")
        over_modes(axes := figure.subplots(), run.sample(SHOWN), run.dataset.modes)
        axes.legend(loc="upper right")
        figure.savefig(file := io.BytesIO(), dpi=90, format="png")
        yield file.getvalue(), SHOWN, ""
    elif len(shape) == 2:
        yield curves(run.sample(36), 6), 36, ""
    else:
        yield plot(run.sample(SHOWN).flatten(1), None), SHOWN, ""


def save(path: Path, run: ganzoo.Run, row: Done) -> None:
    """The first picture that is small enough, with what the page must know of it."""
    for png, samples, columns in drawn(run):
        image = Image.open(io.BytesIO(png)).convert("RGB")
        if not np.ptp(np.asarray(image), axis=2).any():
            image = image.convert("L")
        elif len(png) > LARGEST:
            image = image.quantize(256)
        says = PngInfo()
        says.add_text(SAYS, json.dumps({"hash": row["hash"], "samples": samples, "columns": columns}))
        image.save(file := io.BytesIO(), "PNG", optimize=True, pnginfo=says)
        if len(file.getvalue()) <= LARGEST:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.getvalue())
            return
    sys.exit(f"{path}: one row of samples is larger than {LARGEST:,} bytes already")


if __name__ == "__main__":
    results = Path(sys.argv[1])
    groups = group_rows(read_rows([results]))
    for group in groups:
        row = middle(group)
        if row is not None and "run" in row:
            place = picture_of(results.stem, group, groups)
            save(place, ganzoo.load(results.parent / row["run"]), row)
            print(place.relative_to(IMAGES.parent))
