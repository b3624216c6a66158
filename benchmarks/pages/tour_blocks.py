"""The generated parts of docs/tour.md, from results/tour.jsonl, which tour.py makes."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganzoo.system.console import number

HERE = Path(__file__).parents[1]
FILE = HERE / "results" / "tour.jsonl"
PAGE = HERE.parent / "docs" / "tour.md"
IMAGES = HERE.parent / "docs" / "images"

# Not for the page's shell blocks, whose commands all end well: what it shows is how these are refused.
REFUSED = ("ganzoo run --from batch-norm --stabilizer r1:gamma=0.1",)
LEVEL = {"d_loss": 2 * math.log(2), "g_loss": math.log(2), "d_real": 0.5, "d_fake": 0.5}
GAME = {
    "last/d_loss": "loss of D",
    "last/g_loss": "loss of G",
    "last/d_real": "D(real)",
    "last/d_fake": "D(fake)",
}
MODES = {"scores/modes": "modes", "scores/hq": "near a mode", "last/signal/diversity": "variety"}
CURES = {
    "collapsed": "nothing",
    "unrolled": "`--stabilizer unrolled:k=5`",
    "packing": "`--stabilizer packing:m=4`",
    "equal-rates": "`--lr-g 1e-3 --lr-d 1e-3`",
    "r1": "`--stabilizer r1:gamma=0.1`",
    "minibatch-std": "`--stabilizer minibatch-std`",
    "relativistic": "`--loss relativistic`",
}
NORMS = {
    "equal-rates": "`none`, the run of station 4",
    "batch-norm": "`batch`",
    "layer-norm": "`layer`, with `r1:gamma=0.1`",
}

Row = Mapping[str, Any]


def commands(page: Path) -> list[str]:
    """The ganzoo commands of a page's shell blocks, comments left out."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    words = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [shlex.join(one) for one in words if one[:1] == ["ganzoo"]]


def tour_parts() -> dict[str, str]:
    rows = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    runs = {row["run"]: row for row in rows if "run" in row}
    printed = {row["command"]: row["printed"] for row in rows if "printed" in row}
    return {
        "level": level(runs["level"]),
        "stuck": table(
            {"stuck": "`minimax`", "moving": "`non-saturating`"},
            runs,
            {**GAME, "last/signal/grad_g": "G's gradient"},
            "loss",
        ),
        "diagnosed": output("ganzoo diagnose stuck", printed),
        "collapsed": "\n\n".join(
            [
                table({"collapsed": "found", "equilibrium": "at the level of station 1"}, runs, GAME, "game"),
                output("ganzoo diagnose collapsed", printed),
            ]
        ),
        "cures": table(CURES, runs, MODES, "changed"),
        "norms": table(NORMS, runs, MODES, "`--set model.d_norm=`"),
        "refused": output(REFUSED[0], printed),
        "made": made(list(runs.values())),
    }


def level(run: Row) -> str:
    """The game of a run beside what theory says of its end, and how far G's samples are from the data."""
    lines = ["| what | found | at the level |", "|---|---:|---:|"]
    lines += [f"| {GAME[f'last/{key}']} | {short(run['last'][key])} | {short(LEVEL[key])} |" for key in LEVEL]
    lines += [
        f"| {name} | {short(run['scores'][key])} | {short(run['real'][key])} |"
        for key, name in (("js", "JS, in nats"), ("kl", "KL(generated to real), in nats"))
    ]
    return "\n".join(lines)


def table(names: Mapping[str, str], runs: Mapping[str, Row], columns: Mapping[str, str], head: str) -> str:
    """A line for each run: what is found under each column's "part/key", and what the diagnosis says."""
    lines = [f"| {head} | {' | '.join(columns.values())} | `ganzoo diagnose` |"]
    lines.append(f"|---|{'---:|' * len(columns)}---|")
    for name, words in names.items():
        run = runs.get(name, {"last": LEVEL, "scores": {}, "seen": ["-"]})
        cells = [short(run[part][key]) for part, _, key in (column.partition("/") for column in columns)]
        lines.append(f"| {words} | {' | '.join(cells)} | {', '.join(run['seen']) or 'nothing wrong'} |")
    return "\n".join(lines)


def short(value: float) -> str:
    return number(value) if abs(value) < 0.01 or value == round(value) else f"{value:.2f}"


def output(command: str, printed: Mapping[str, str]) -> str:
    return f"```console\n$ {command}\n{printed[command]}\n```"


def made(runs: Sequence[Row]) -> str:
    versions = sorted(
        {f"ganzoo {run['versions']['ganzoo']} and torch {run['versions']['torch']}" for run in runs}
    )
    threads = sorted({f"{run['threads']} thread{'s' * (run['threads'] != 1)}" for run in runs})
    return f"Made with {', '.join(versions)}, on the CPU with {', '.join(threads)}, seed 0."
