"""docs/speed.md: where a step's time goes, from results/where.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PAGE = """# Where the time goes

Made by `python benchmarks/pages/report.py` from `benchmarks/results/where.jsonl`, which
`python benchmarks/pages/where.py` makes on an idle machine.

A step is an update of G with those of D before it, by the member's default recipe on digits of 28 pixels, at
full size where it grows. Its work is the operations of matrix products and convolutions, a multiplication and
an addition counted as two. The ceiling is what a product of two matrices of 2,048 x 2,048 reaches in the same
process: no network is faster. Small nets stay below it, as starting an operation takes as long as doing it.

## Beside the ceiling

{speed}

`bf16` is `--precision bf16`: how many times as fast a step is as in float32.

## What it is spent on

Shares of the time that torch's profiler counts inside operations, in float32.

{parts}

{machine}
"""


def where_page(file: Path) -> str:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    single = [row for row in rows if row["precision"] == "fp32"]
    half = {row["model"]: row for row in rows if row["precision"] == "bf16"}
    kinds = list(single[0]["parts"])
    machines = sorted(
        {f"{row['processor']}, {row['threads']} threads, torch {row['torch']}, {row['date']}" for row in rows}
    )
    return PAGE.format(
        speed=_table(
            ["member", "batch", "ms a step", "GFLOP a step", "GFLOP/s", "of the ceiling", "bf16"],
            [_speed(row, half.get(row["model"])) for row in single],
        ),
        parts=_table(
            ["member", *kinds],
            [[f"`{row['model']}`", *(f"{row['parts'][kind]:.0%}" for kind in kinds)] for row in single],
        ),
        machine="\n".join(f"Measured on {machine}." for machine in machines),
    )


def _speed(row: dict[str, Any], half: dict[str, Any] | None) -> list[str]:
    return [
        f"`{row['model']}`",
        str(row["batch"]),
        f"{row['ms']:.1f}",
        f"{row['gflop']:.2f}",
        f"{row['gflop_per_s']:.0f}",
        f"{row['gflop_per_s'] / row['ceiling']:.0%}",
        "" if half is None else f"{row['ms'] / half['ms']:.2f}",
    ]


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
