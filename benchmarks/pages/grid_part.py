"""What docs/scaling.md says of many machines, from results/grid.jsonl."""

from __future__ import annotations

import json
from pathlib import Path

MINUTES = (1, 10, 60)  # of a cell
PART = """`python benchmarks/grid.py` hands {cells:,} cells to a cluster that does nothing, {at_once:,} of
them at a time. The process that was started by `ganzoo bench` takes {cpu_ms:.1f} ms of a core for each, and
{planning_ms:.1f} ms to plan it; with its files flushed to the disk it did {cells_per_s:.0f} cells a second.
So one such process keeps at work, with half of its time to spare:

| a cell takes | machines |
|---|---:|
{rows}

A line of results has {row_bytes:,} bytes or so. Measured on {processor}, torch {torch}, {date}."""


def grid_part(file: Path) -> str:
    row = json.loads(file.read_text().splitlines()[-1])
    rows = "\n".join(
        f"| {minutes} minute{'s' * (minutes > 1)} | {round(row['cells_per_s'] / 2 * 60 * minutes, -2):,.0f} |"
        for minutes in MINUTES
    )
    return PART.format(**row, rows=rows)
