"""What the results have to say of one member: of a stabilizer, its rows of the ablations."""

from __future__ import annotations

from pathlib import Path

import ablation

from ganzoo.table.read import read_rows

ABLATIONS = ("ablation", "ablation-digits", "clothing")


def member_results(kind: str, name: str, results: Path) -> str:
    parts = _ablations(name, results) if kind == "stabilizer" else []
    return "\n\n".join(parts) or f"The repository holds no results of this {kind} alone yet."


def _ablations(name: str, results: Path) -> list[str]:
    """Beside the training without any, a part for each training that it was tried in."""
    parts = []
    for suite in ABLATIONS:
        file = results / f"{suite}.jsonl"
        if not file.exists():
            continue
        for bench in ablation.benches(read_rows([file])):
            own = [group for group in bench.on if group.options.partition(":")[0] == name]
            if own:
                off = bench.off.done
                said = (
                    f"{bench.name}, {off[0]['steps']:,} steps, {len(off)} seeds, without and with it. "
                    f"**Bold** with + is better than without, - is worse, both more than by chance among the "
                    f"{len(bench.on)} that were tried. To repeat it: "
                    f"`ganzoo bench benchmarks/suites/{suite}.toml`; all of them are in "
                    f"[Results](../results.md)."
                )
                parts.append("\n".join([said, "", *ablation.table(bench, own)]))
    return parts
