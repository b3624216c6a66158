"""Side by side in one run: two ways of the same work in turn, and the ratio pair by pair.

    pytest benchmarks --benchmark-only

Each test adds a line to results/speed.jsonl or results/peers.jsonl. A ratio is a median over
interleaved pairs with its quartiles; absolute times depend on the machine and are not quoted.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import torch

from ganzoo.bench.machine import processor
from ganzoo.data.tensors import ImageSet
from ganzoo.registry import DATASETS

RESULTS = Path(__file__).parent / "results"
DONE = "--- done\n"
EACH = f"""
import sys
for _ in sys.stdin:
    work()
    print({DONE!r}, end="", flush=True)
"""


class Noise32(ImageSet):
    """Random 32 px images: speed does not depend on what they show."""

    def __init__(self) -> None:
        x = torch.randint(
            0, 256, (4096, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
        )
        y = torch.zeros(len(x), dtype=torch.int64)
        super().__init__("noise32", (x, y), (x[:100], y[:100]), ("noise",))


DATASETS.add("noise32", Noise32)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@pytest.fixture
def side_by_side(benchmark, request):
    """side_by_side(ours, other, rounds, against): the median of seconds(other) / seconds(ours), recorded."""

    def compare(ours: Callable[[], object], other: Callable[[], object], rounds: int, against: str) -> float:
        ours(), other()  # warm up
        pairs = []
        for i in range(rounds):
            first, second = (ours, other) if i % 2 else (other, ours)
            times = {first: seconds(first), second: seconds(second)}
            pairs.append(times[other] / times[ours])
        low, middle, high = statistics.quantiles(pairs, n=4)
        benchmark.extra_info.update(against=against, ratio=middle, quartiles=[low, high])
        benchmark.pedantic(ours, rounds=3)
        row = {
            "name": request.node.name,
            "against": against,
            "ratio": round(middle, 3),
            "quartiles": [round(low, 3), round(high, 3)],
            "pairs": rounds,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "processor": processor("cpu"),
            "date": date.today().isoformat(),
        }
        file = RESULTS / ("peers.jsonl" if "peers" in request.path.parts else "speed.jsonl")
        kept = [line for line in lines(file) if json.loads(line)["name"] != row["name"]]
        file.write_text("".join(f"{line}\n" for line in [*kept, json.dumps(row)]))
        print(f"\n{row['name']}: {middle:.2f} x ({low:.2f} to {high:.2f}) over {against}")
        return middle

    return compare


@pytest.fixture
def in_a_process():
    """in_a_process(code, *words): what calls `work()`, which the code defines, in a process of its own."""
    processes = []

    def start(code: str, *words: object) -> Callable[[], None]:
        command = [sys.executable, "-c", code + EACH, *map(str, words)]
        process = subprocess.Popen(
            command, cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        processes.append(process)

        def work() -> None:
            print(file=process.stdin, flush=True)
            for line in process.stdout:  # it may print more
                if line == DONE:
                    return
            raise RuntimeError("the process ended")

        return work

    yield start
    for process in processes:
        process.communicate()
        assert process.returncode == 0


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
