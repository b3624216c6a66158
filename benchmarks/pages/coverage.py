"""Draw docs/images/grid25-coverage.png: samples of a plain GAN, a packed one and r3gan, from their runs.

    ganzoo bench benchmarks/suites/gaussians.toml --jobs 2
    python benchmarks/pages/coverage.py results/gaussians.jsonl

All on grid25 with the same budget, and of each the seed in the middle: as many of its seeds found
more modes (and high-quality samples) as fewer.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

import ganzoo
from ganzoo.bench.rows import Row
from ganzoo.data.pictures import SHOWN
from ganzoo.metrics.modes import RADIUS
from ganzoo.table.read import Group, group_rows, read_rows

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "grid25-coverage.png"
STEPS = 25_000
SHOW = {
    ("mlp-gan", "loss=non-saturating"): "plain GAN",
    ("mlp-gan", "packing:m=2"): "packing:m=2",
    ("r3gan", "default"): "r3gan",
}


def middle(group: Group) -> Row:
    ranked = sorted(group.done, key=lambda row: (row["scores"]["modes"], row["scores"]["hq"]))
    return ranked[len(ranked) // 2]


def draw(axes: Axes, row: Row, name: str, results: Path) -> None:
    run = ganzoo.load(results.parent / row["run"])
    modes = run.dataset.modes
    x, y = run.sample(SHOWN, seed=0).T.numpy()
    for centre in modes.centers.tolist():
        axes.add_patch(Circle(centre, RADIUS * modes.std, color="0.8", linewidth=0))
    axes.scatter(x, y, s=3, color="C3", linewidths=0, alpha=0.5)
    scores = row["scores"]
    axes.set_title(
        f"{name}, seed {row['seed']}: {scores['modes']:.0f} of 25 modes, {scores['hq']:.0%} within 3 std"
    )
    axes.set(aspect="equal", xlim=(-5, 5), ylim=(-5, 5))


if __name__ == "__main__":
    results = Path(sys.argv[1])
    rows = [row for row in read_rows([results]) if (row["dataset"], row["steps"]) == ("grid25", STEPS)]
    groups = {(group.model, group.options): group for group in group_rows(rows)}
    figure = Figure(figsize=(15, 5.4), layout="constrained")
    for axes, (key, name) in zip(figure.subplots(1, len(SHOW)), SHOW.items(), strict=True):
        draw(axes, middle(groups[key]), name, results)
    figure.savefig(PICTURE, dpi=90)
