"""The part of docs/scaling.md on GPUs, from results/gpu.jsonl where there is one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

NONE = "**CUDA is untested**: no `benchmarks/results/gpu.jsonl` has been made yet."
HEADS = ("model", "px", "batch", "precision", "images/s", "ms a step", "GFLOP/s", "of the ceiling")


def gpu_table(file: Path) -> str:
    """A table for each machine, or the sentence that nothing was measured."""
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    rows = [row for row in rows if not row["processor"].endswith(" cores")]  # a trial of the command on a CPU
    if not rows:
        return NONE
    parts = []
    for machine in dict.fromkeys(row["processor"] for row in rows):
        own = [row for row in rows if row["processor"] == machine]
        days = " and ".join(dict.fromkeys(row["date"] for row in own))
        versions = " and ".join(dict.fromkeys(row["torch"] for row in own))
        most = max(row["ceiling"] for row in own) / 1e3
        parts += [
            f"{machine}, torch {versions}, {days}; the ceiling, a product of bf16 matrices, is {most:,.0f} "
            "TFLOP/s here:",
            "",
            f"| {' | '.join(HEADS)} |",
            f"|---|{'---:|' * (len(HEADS) - 1)}",
            *(f"| {' | '.join(_cells(row))} |" for row in own),
            "",
        ]
    return "\n".join(parts).rstrip()


def _cells(row: dict[str, Any]) -> list[str]:
    counted = row["gflop_per_s"] is not None
    return [
        f"`{row['model']}`" if counted else row["model"],
        str(row["px"]),
        str(row["batch"]),
        row["precision"] + " compiled" * row["compile"],
        f"{row['images_per_s']:,.0f}",
        f"{row['ms']:.2f}",
        f"{row['gflop_per_s']:,.0f}" if counted else "",
        f"{row['gflop_per_s'] / row['ceiling']:.1%}" if counted else "",
    ]
