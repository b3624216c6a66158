"""What a map of learning rates says in words and tables, and its picture docs/images/results/sensitivity.png.

ganzoo bench benchmarks/suites/sensitivity.toml --jobs 2
python benchmarks/pages/sensitivity.py results/sensitivity.jsonl
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from sample_pictures import IMAGES

from ganzoo.bench.rows import Row
from ganzoo.table.read import read_rows

PICTURE = IMAGES / "results" / "sensitivity.png"
BATCH = 64  # of the map of two rates
GOOD = 0.5  # share of samples within three standard deviations of a mode
Pair = tuple[float, float]


@dataclasses.dataclass
class Spot:
    """The seeds at one place of a map: the score of each, 0 where its numbers were gone."""

    scores: list[float] = dataclasses.field(default_factory=list)
    found: list[bool] = dataclasses.field(default_factory=list)
    dead: int = 0

    @property
    def score(self) -> float:
        return mean(self.scores)

    @property
    def is_good(self) -> bool:
        return all(self.found)

    def add(self, row: Row) -> None:
        if row["status"] != "done":
            self.dead += 1
            self.scores.append(0.0)
            self.found.append(False)
            return
        modes, share, all_modes = row["scores"]["modes"], row["scores"]["hq"], row["real"]["modes"]
        self.scores.append(modes / all_modes * share)
        self.found.append(modes == all_modes and share >= GOOD)


def option(row: Row, name: str) -> str:
    found = re.search(rf"(?:^|, ){name}=([^,]+)", row["options"])
    return found[1] if found else ""


def is_measured(row: Row) -> bool:
    """Whether it is done or dead; what failed for another reason says nothing about rates."""
    return row["status"] == "done" or "diverged" in row["error"]


def maps(rows: Sequence[Row]) -> dict[str, dict[Pair, Spot]]:
    """By loss: (rate of G, rate of D) -> what became of its seeds."""
    found: dict[str, dict[Pair, Spot]] = defaultdict(lambda: defaultdict(Spot))
    for row in filter(is_measured, rows):
        g, d = option(row, "lr-g"), option(row, "lr-d")
        if g and d:
            found[option(row, "loss") or "wasserstein"][float(g), float(d)].add(row)
    return found


def batches(rows: Sequence[Row]) -> dict[Pair, Spot]:
    """(batch, rate of both) -> what became of its seeds; the diagonal of the map is one of the batches."""
    found: dict[Pair, Spot] = defaultdict(Spot)
    for row in filter(is_measured, rows):
        batch, rate = option(row, "batch-size"), option(row, "lr")
        if batch and rate:
            found[float(batch), float(rate)].add(row)
    rates = {rate for _, rate in found}
    for (g, d), spot in maps(rows).get("non-saturating", {}).items():
        if g == d and g in rates:
            found[float(BATCH), g] = spot
    return found


def body(rows: list[Row]) -> str:
    """Markdown: what the maps say."""
    planes = maps(rows)
    lines = [
        "A place of the map is a rate of G and one of D. It is **good** where every seed finds all modes "
        f"with at least {GOOD:.0%} of its samples within three standard deviations of one. Its score is the "
        "share of modes found times the share of such samples, the mean over seeds.",
        "",
        "| loss | good places | best rates (G, D) | score there | rates of G with a good place | of D "
        "| nothing found | numbers gone |",
        "|---|---:|---|---:|---|---|---:|---:|",
    ]
    widest = sorted(planes, key=lambda loss: -share(planes[loss]))
    lines += [table_row(loss, planes[loss]) for loss in widest]
    lines += ["", *(sentences({loss: planes[loss] for loss in widest}) if planes else [])]
    left_out = sum(not is_measured(row) for row in rows)
    if left_out:
        lines.append(f"{left_out} runs failed for another reason than their numbers, and are left out.")
    by_batch = batches(rows)
    return "\n".join([*lines, *(["", *batch_table(by_batch)] if by_batch else [])])


def share(plane: Mapping[Pair, Spot]) -> float:
    return mean(spot.is_good for spot in plane.values())


def best(plane: Mapping[Pair, Spot]) -> Pair:
    return max(plane, key=lambda pair: plane[pair].score)


def table_row(loss: str, plane: Mapping[Pair, Spot]) -> str:
    top = best(plane)
    good = [pair for pair, spot in plane.items() if spot.is_good]
    spans = [span([pair[i] for pair in good]) for i in (0, 1)]
    nothing = sum(spot.score == 0.0 and not spot.dead for spot in plane.values())
    dead = sum(spot.dead > 0 for spot in plane.values())
    cells = [
        f"`{loss}`", f"{share(plane):.0%}", f"{top[0]:g}, {top[1]:g}", f"{plane[top].score:.2f}", *spans,
        f"{nothing / len(plane):.0%}", f"{dead / len(plane):.0%}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def span(rates: Sequence[float]) -> str:
    return f"{min(rates):g} to {max(rates):g}" if rates else "-"


def sentences(planes: Mapping[str, Mapping[Pair, Spot]]) -> list[str]:
    """The comparison in words; `planes` from the widest good region to the narrowest."""
    lines = []
    shares = {loss: share(plane) for loss, plane in planes.items()}
    if max(shares.values()) > min(shares.values()):
        wide, *_, narrow = shares
        lines.append(
            f"`{wide}` forgives most: {shares[wide]:.0%} of its places are good, and {shares[narrow]:.0%} of "
            f"those of `{narrow}`."
        )
        top = max(planes, key=lambda loss: planes[loss][best(planes[loss])].score)
        pair = best(planes[top])
        lines.append(f"The best place of all is `{top}`'s, with {pair[0]:g} for G and {pair[1]:g} for D.")
    for loss, plane in planes.items():
        good = [pair for pair, spot in plane.items() if spot.is_good]
        if good:
            faster = mean(d > g for g, d in good)
            equal = mean(d == g for g, d in good)
            lines.append(
                f"`{loss}`: in {faster:.0%} of its good places D's rate is above G's, in {equal:.0%} both "
                f"are the same."
            )
        edge = dies_from(plane)
        if edge:
            lines.append(f"`{loss}` finds nothing at any rate of the other net {edge}.")
    return lines


def dies_from(plane: Mapping[Pair, Spot]) -> str:
    """From which rate of a net on nothing is found, whatever the other's is, as the end of a sentence."""
    said = []
    for i, net in enumerate("GD"):
        rates = sorted({pair[i] for pair in plane})
        alive = [rate for rate in rates if any(s.score > 0.0 for pair, s in plane.items() if pair[i] == rate)]
        above = [rate for rate in rates if not alive or rate > alive[-1]]
        if above:
            said.append(f"from {above[0]:g} on for {net}")
    return " and ".join(said)


def batch_table(spots: Mapping[Pair, Spot]) -> list[str]:
    sizes, rates = (sorted({pair[i] for pair in spots}) for i in (0, 1))
    lines = [
        "`non-saturating` with one rate for both nets, by batch, over as many steps; **bold** where good:",
        "",
        f"| batch | {' | '.join(f'{rate:g}' for rate in rates)} |",
        f"|---:|{'---:|' * len(rates)}",
    ]
    for size in sizes:
        cells = [told(spots[size, rate]) if (size, rate) in spots else "-" for rate in rates]
        lines.append(f"| {size:g} | {' | '.join(cells)} |")
    return lines


def told(spot: Spot) -> str:
    score = f"**{spot.score:.2f}**" if spot.is_good else f"{spot.score:.2f}"
    return f"{score}, {spot.dead} dead" if spot.dead else score


def panel(axes: Axes, loss: str, plane: Mapping[Pair, Spot]) -> None:
    """One loss: colour is the score, a cross where the numbers of a seed were gone."""
    g, d = (sorted({pair[i] for pair in plane}) for i in (0, 1))
    grid = [[plane[x, y].score if (x, y) in plane else float("nan") for x in g] for y in d]
    axes.pcolormesh(g, d, grid, cmap="cividis", norm=Normalize(0.0, 1.0), shading="nearest")
    dead = [pair for pair, spot in plane.items() if spot.dead]
    axes.scatter(
        *(zip(*dead, strict=True) if dead else ([], [])), marker="x", s=14, color="0.75", linewidths=1
    )
    axes.set(xscale="log", yscale="log", title=loss, xlabel="rate of G", box_aspect=1)
    axes.plot(*[[max(g[0], d[0]), min(g[-1], d[-1])]] * 2, color="white", linewidth=0.8, linestyle=":")
    axes.set_facecolor("0.6")


def picture(rows: Sequence[Row]) -> Figure:
    planes = maps(rows)
    figure = Figure(figsize=(2.15 * max(len(planes), 2) + 0.9, 2.75), layout="constrained")
    panels = figure.subplots(1, len(planes), sharey=True, squeeze=False)[0]
    for axes, (loss, plane) in zip(panels, planes.items(), strict=True):
        panel(axes, loss, plane)
    panels[0].set_ylabel("rate of D")
    shade = panels[0].collections[0]
    figure.colorbar(shade, ax=list(panels), label="modes found x samples on them", pad=0.01)
    return figure


if __name__ == "__main__":
    results = read_rows([Path(sys.argv[1])])
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    picture(results).savefig(PICTURE, dpi=140)
    print(body(results))
