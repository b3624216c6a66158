"""What each stabilizer cures and costs: each of them beside the same training without it.

ganzoo bench benchmarks/suites/ablation.toml  # and ablation-digits
python benchmarks/pages/ablation.py results/ablation.jsonl
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from ganzoo.bench.rows import Done, Row
from ganzoo.table.layout import spread
from ganzoo.table.read import Column, Group, columns_of, group_rows, read_rows
from ganzoo.table.statistics import LEVEL, distances, holm, summarise, welch

OFF = ("off", "none")  # labels of a training without any
SHOWN = ("modes", "hq", "reverse_kl", "fid", "density", "coverage", "precision", "recall", "memorization")
Verdicts = dict[str, tuple[str, float]]  # by stabilizer: "better" or "worse", and the adjusted p


@dataclasses.dataclass
class Bench:
    """One training and what was tried against its faults."""

    off: Group
    on: Sequence[Group]

    @property
    def name(self) -> str:
        return f"`{self.off.model}` on `{self.off.dataset}`"

    @property
    def columns(self) -> list[Column]:
        found = columns_of([self.off, *self.on], [])
        return [column for column in found if column.score.partition("@")[0] in SHOWN]

    def verdicts(self, column: Column) -> Verdicts:
        """What differs from `off` by more than chance, of all that were tried.

        Welch's t-test of each against `off`, adjusted for their number after Holm.
        """
        plain = distances(self.off, column)
        p = {group.options: welch(distances(group, column), plain) for group in self.on}
        known = {name: value for name, value in p.items() if value is not None}
        adjusted = dict(zip(known, holm(list(known.values())), strict=True))
        less = {group.options: distances(group, column) for group in self.on}
        return {
            name: ("better" if mean(less[name]) < mean(plain) else "worse", value)
            for name, value in adjusted.items()
            if value < LEVEL
        }


def benches(rows: Sequence[Row]) -> list[Bench]:
    groups = group_rows(rows)
    found = []
    for off in groups:
        if off.options in OFF and off.done:
            same = [g for g in groups if (g.model, g.dataset) == (off.model, off.dataset) and g is not off]
            found.append(Bench(off, same))
    return found


def body(rows: list[Row]) -> str:
    """Markdown: for each training a table, and what it says."""
    return "\n\n".join("\n".join([*sentences(bench), "", *table(bench)]) for bench in benches(rows))


def table(bench: Bench, shown: Sequence[Group] | None = None) -> list[str]:
    """The training without any first, then by the first score, the best first; of some groups or of all."""
    shown = bench.on if shown is None else shown
    columns = bench.columns
    verdicts = {column.score: bench.verdicts(column) for column in columns}
    heads = [*(f"`{column.score}`" for column in columns), "seconds"]
    lines = [f"| stabilizer | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    ranked = sorted((g for g in shown if g.done), key=lambda g: mean(distances(g, columns[0])))
    for group in [bench.off, *ranked]:
        cells = [score(group, column, verdicts[column.score]) for column in columns]
        cells.append(f"x {cost(group, bench.off):.2f}")
        name = "**off**" if group is bench.off else f"`{group.options}`"
        failed = f" ({len(group.failed)} failed)" if group.failed else ""
        lines.append(f"| {name}{failed} | {' | '.join(cells)} |")
    lines += [f"| `{group.options}` (all failed) |{' - |' * len(heads)}" for group in shown if not group.done]
    return lines


def score(group: Group, column: Column, verdicts: Verdicts) -> str:
    """Mean and spread, with what is sure about it."""
    values = group.scores(column.score)
    said = spread(summarise(values)) if values else "-"
    how = verdicts.get(group.options, ("", 1.0))[0]
    return {"better": f"**{said}** +", "worse": f"{said} -"}.get(how, said)


def sentences(bench: Bench) -> list[str]:
    seeds, runs = len(bench.off.done), bench.off.done
    lines = [
        f"{bench.name}, {runs[0]['steps']:,} steps, {seeds} seeds, each of {len(bench.on)} stabilizers "
        f"alone. **Bold** with + is better than `{bench.off.options}`, - is worse: Welch's t-test of each, "
        f"adjusted after Holm for all of them, p < {LEVEL}.",
        "",
    ]
    for column in bench.columns:
        verdicts = bench.verdicts(column)
        plain = spread(summarise(bench.off.scores(column.score)))
        parts = [told(verdicts, how) for how in ("better", "worse")]
        said = "; ".join(part for part in parts if part) or "nothing makes a difference that is sure"
        lines.append(f"- `{column.score}`, {plain} without: {said}.")
    done = [row for group in [bench.off, *bench.on] for row in group.done]
    slow = sorted((cost(g, bench.off), g.options) for g in bench.on if g.done)
    if slow:
        (least, cheap), (most, dear) = slow[0], slow[-1]
        lines.append(f"- The time goes from x {least:.2f} (`{cheap}`) to x {most:.2f} (`{dear}`).")
    if all("cpu_seconds" in row for row in done):
        lines.append("- Seconds are the processor's, not those of a clock.")
    elif not all(row["alone"] for row in done):
        lines.append("- Cells ran beside others, so seconds are rough.")
    return lines


def told(verdicts: Verdicts, how: str) -> str:
    found = sorted((p, name) for name, (which, p) in verdicts.items() if which == how)
    return f"{how} with {', '.join(f'`{name}` (p = {p:.2g})' for p, name in found)}" if found else ""


def cost(group: Group, off: Group) -> float:
    """Seconds of training, as a ratio to the training without any."""
    return mean(map(seconds, group.done)) / mean(map(seconds, off.done))


def seconds(row: Done) -> float:
    return row.get("cpu_seconds", row["train_seconds"])


if __name__ == "__main__":
    print(body(read_rows([Path(sys.argv[1])])))
