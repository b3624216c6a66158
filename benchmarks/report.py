"""Write benchmarks/README.md and tables in docs/ from the results; with --check, only say what is stale."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from ganzoo.cli.eval import rows

HERE = Path(__file__).parent
TITLE = """# Benchmarks

Speed as a ratio to a reference, measured side by side in one run: the two take turns, and the ratio is the
median over pairs, with quartiles. Above 1 means that ganzoo is faster. To measure again, on an idle machine:

    pytest benchmarks --benchmark-only && python benchmarks/report.py

This page is made from `results/speed.jsonl`; nothing on it is typed by hand.

| what | over | times as fast | quartiles | pairs | threads | torch | processor | date |
|---|---|---|---|---|---|---|---|---|
"""
MEMORY = """
Peak memory beyond imports and inputs, each in a process of its own, from `results/memory.jsonl`:

| what | over | ganzoo | the other | torch | date |
|---|---|---|---|---|---|
"""


def page() -> str:
    results = (HERE / "results" / "speed.jsonl").read_text()
    cells = [
        f"| {row['name'].removeprefix('test_').replace('_', ' ')} | {row['against']} "
        f"| **{row['ratio']:.2f}** "
        f"| {row['quartiles'][0]:.2f} to {row['quartiles'][1]:.2f} | {row['pairs']} | {row['threads']} "
        f"| {row['torch']} | {row['processor']} | {row['date']} |\n"
        for row in map(json.loads, results.splitlines())
    ]
    memory = (HERE / "results" / "memory.jsonl").read_text()
    peaks = [
        f"| {row['name'].removeprefix('test_peak_memory_of_').replace('_', ' ')} | {row['against']} "
        f"| {row['mib']:.0f} MiB | {row['other_mib']:.0f} MiB | {row['torch']} | {row['date']} |\n"
        for row in map(json.loads, memory.splitlines())
    ]
    return TITLE + "".join(cells) + MEMORY + "".join(peaks)


METRICS_PAGE = HERE.parent / "docs" / "metrics.md"
EXAMPLE = re.compile(r"(<!-- made by benchmarks/report.py -->\n).*(<!-- end -->)", re.DOTALL)


def metrics_page() -> str:
    """docs/metrics.md with the table of the README's run in its place."""
    document = json.loads((HERE / "results" / "eval-dcgan-mnist-5k.json").read_text())
    protocol, source = document["protocol"], document["provenance"]
    lines = ["| score | generated | real data | better |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {made} | {real} | {better} |" for name, made, real, better, _ in rows(document)]
    lines.append(
        f"\n`dcgan` on `{protocol['dataset']}`, step {source['step']}, seed {source['seed']}: "
        f"{protocol['n_fake']} generated samples against {protocol['n_real']} of the "
        f"{protocol['reference']} split; real data: {protocol['n_held_out']} "
        "held-out samples in their place, or the exact value."
    )
    text = METRICS_PAGE.read_text(encoding="utf-8")
    return EXAMPLE.sub(lambda match: match[1] + "\n".join(lines) + "\n" + match[2], text)


if __name__ == "__main__":
    for target, text in ((HERE / "README.md", page()), (METRICS_PAGE, metrics_page())):
        if "--check" not in sys.argv:
            target.write_text(text, encoding="utf-8")
        elif target.read_text(encoding="utf-8") != text:
            sys.exit(f"{target.name} is stale: run python benchmarks/report.py")
