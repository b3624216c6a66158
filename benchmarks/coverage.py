"""Draw docs/images/grid25-coverage.png: samples of a plain GAN and of r3gan on grid25, from their runs.

    ganzoo bench benchmarks/gaussians.toml --jobs 2 && python benchmarks/coverage.py results/gaussians.jsonl

Of each the seed in the middle: as many of its seeds found more modes (and high-quality samples) as fewer.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

import ganzoo
from ganzoo.bench.results import Row
from ganzoo.metrics.modes import RADIUS
from ganzoo.pictures import SHOWN
from ganzoo.table.read import Group, group_rows, read_rows

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "grid25-coverage.png"
SHOW = {("mlp-gan", "loss=non-saturating"): "plain GAN", ("r3gan", "default"): "r3gan"}


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
    groups = {(g.model, g.options): g for g in group_rows(read_rows([results])) if g.dataset == "grid25"}
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    for axes, (key, name) in zip(figure.subplots(1, 2), SHOW.items(), strict=True):
        draw(axes, middle(groups[key]), name, results)
    figure.savefig(PICTURE, dpi=90)
