"""How many machines one `ganzoo bench` keeps at work: python benchmarks/grid.py

Cells on a cluster that does nothing but say after a while that it has done them: measured is the process that
hands them out, reads what came of them and writes it down. A line of results/grid.jsonl.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from ganzoo.bench.cells import plan_cells
from ganzoo.bench.machine import processor
from ganzoo.bench.progress import Show
from ganzoo.bench.runner import Runner
from ganzoo.bench.source import Source
from ganzoo.bench.suite import read_suite
from ganzoo.bench.work import RESULT
from ganzoo.system.processes import Polled

RESULTS = Path(__file__).parent / "results" / "grid.jsonl"
SUITE = """
model = "mlp-gan"
dataset = "ring8"
metric = ["modes"]
seeds = {cells}
[[cells]]
"""
SECONDS = 10.0  # of a cell; they begin together, and end over half of this


class Pretended(Polled):
    """A cell that somebody has done after a while; of a real one the answer is as long."""

    title = "a cell"

    def __init__(self, folder: Path, task: dict[str, Any]) -> None:
        super().__init__()
        self._until = time.monotonic() + SECONDS * random.uniform(0.75, 1.25)
        self._folder, self._hash = folder, task["hash"]

    def status(self) -> int | None:
        if time.monotonic() < self._until:
            return None
        result = {"hash": self._hash, "status": "failed", "error": "nobody has worked on it " * 60}
        (self._folder / RESULT).write_text(json.dumps(result), encoding="utf-8")
        return 0

    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Cluster:
    """Where nothing is worked on."""

    def start(self, folder: Path, task: dict[str, Any], log: Path, threads: int, device: str) -> Pretended:
        log.write_bytes(b"")
        return Pretended(folder, task)

    def room(self, threads: int) -> int:
        return 1

    def at_once(self) -> AbstractContextManager[None]:
        return nullcontext()

    def close(self) -> None: ...


def measured(cells: int, at_once: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder, "grid.toml")
        suite.write_text(SUITE.format(cells=cells), encoding="utf-8")
        began = time.process_time()
        source = Source(plan_cells(read_suite(suite), threads=1))
        planning = time.process_time() - began
        runner = Runner("grid", Path(folder, "out"), at_once, Show(cells, 0, at_once), Cluster())
        began, cpu = time.perf_counter(), time.process_time()
        runner.run(source)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        size = runner.results.stat().st_size
    return {
        "cells": cells,
        "at_once": at_once,
        "planning_ms": round(planning / cells * 1e3, 2),
        "cpu_ms": round(cpu / cells * 1e3, 2),
        "cells_per_s": round(cells / seconds, 1),
        "row_bytes": round(size / cells),
        "processor": processor("cpu"),
        "torch": torch.__version__.partition("+")[0],
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    row = measured(asked.cells, asked.at_once)
    print(json.dumps(row))
    asked.out.write_text(json.dumps(row) + "\n", encoding="utf-8")
