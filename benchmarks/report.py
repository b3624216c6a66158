"""Write benchmarks/README.md from the results; with --check, only say whether it is stale."""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
TITLE = """# Benchmarks

Speed as a ratio to a reference, measured side by side in one run: the two take turns, and the ratio is the
median over pairs, with quartiles. Above 1 means that ganzoo is faster. To measure again, on an idle machine:

    pytest benchmarks --benchmark-only && python benchmarks/report.py

This page is made from `results/speed.jsonl`; nothing on it is typed by hand.

| what | over | times as fast | quartiles | pairs | threads | torch | processor | date |
|---|---|---|---|---|---|---|---|---|
"""


def page() -> str:
    rows = [json.loads(line) for line in (HERE / "results" / "speed.jsonl").read_text().splitlines()]
    cells = [
        f"| {row['name'].removeprefix('test_').replace('_', ' ')} | {row['against']} "
        f"| **{row['ratio']:.2f}** "
        f"| {row['quartiles'][0]:.2f} to {row['quartiles'][1]:.2f} | {row['pairs']} | {row['threads']} "
        f"| {row['torch']} | {row['processor']} | {row['date']} |\n"
        for row in rows
    ]
    return TITLE + "".join(cells)


if __name__ == "__main__":
    target = HERE / "README.md"
    if "--check" not in sys.argv:
        target.write_text(page(), encoding="utf-8")
    elif target.read_text(encoding="utf-8") != page():
        sys.exit("benchmarks/README.md is stale: run python benchmarks/report.py")
