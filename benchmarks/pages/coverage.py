"""Draw docs/images/grid25-coverage.png: samples of a plain GAN, a packed one and r3gan, from their runs.

    ganzoo bench benchmarks/suites/gaussians.toml --jobs 2
    python benchmarks/pages/coverage.py results/gaussians.jsonl

All on grid25 with the same budget, and of each the seed in the middle: as many of its seeds found
more modes (and high-quality samples) as fewer.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure
from pictures import over_modes
from sample_pictures import IMAGES, middle

import ganzoo
from ganzoo.data.plots import SHOWN
from ganzoo.table.read import group_rows, read_rows

PICTURE = IMAGES / "grid25-coverage.png"
STEPS = 25_000
SHOW = {
    ("mlp-gan", "loss=non-saturating"): "plain GAN",
    ("mlp-gan", "packing:m=2"): "packing:m=2",
    ("r3gan", "default"): "r3gan",
}


if __name__ == "__main__":
    results = Path(sys.argv[1])
    rows = [row for row in read_rows([results]) if (row["dataset"], row["steps"]) == ("grid25", STEPS)]
    groups = {(group.model, group.options): group for group in group_rows(rows)}
    figure = Figure(figsize=(15, 5.4), layout="constrained")
    for axes, (key, name) in zip(figure.subplots(1, len(SHOW)), SHOW.items(), strict=True):
        row = middle(groups[key])
        run = ganzoo.load(results.parent / row["run"])
        over_modes(axes, run.sample(SHOWN), run.dataset.modes)
        scores = row["scores"]
        found = f"{scores['modes']:.0f} of 25 modes, {scores['hq']:.0%} within 3 std"
        axes.set_title(f"{name}, seed {row['seed']}: {found}")
    figure.savefig(PICTURE, dpi=90)
