"""Freed memory is used again, and a long run needs no more than a short one."""

from __future__ import annotations

import gc
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from ganzoo.data.pictures import picture

LOOP = """
import resource

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    return [b"x" * 8_000_000 for _ in range(5)]  # and frees them

step(), step()
before = faults()
for _ in range(10):
    step()
print(faults() - before)
"""
KEEPING = "from ganzoo.system.memory import keep_freed_memory\nkeep_freed_memory()\n"


def faults(script: str) -> int:
    return int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="keep_freed_memory leaves others as they are")
def test_pages_that_were_freed_are_not_faulted_in_anew():
    given_back, kept = faults(LOOP), faults(KEEPING + LOOP)
    assert kept < 1000  # of the 100,000 that hold what was allocated
    assert given_back > 10 * kept


def test_a_picture_leaves_no_figure_behind():
    """Each holds 1.3 MB, and too few objects for the collector to come by itself."""
    gc.collect()
    gc.disable()
    try:
        picture(Path("a.png"), torch.zeros(4, 2), torch.ones(4, 2))
        assert not [one for one in gc.get_objects() if type(one) is Figure]
    finally:
        gc.enable()


STEPS = 50_000
RUN = (
    f"run mlp-gan --dataset ring8 --steps {STEPS} --batch-size 8 --set model.width=4 --set model.d_width=4"
    " --eval-every 2000 --eval-metric modes --out run"
)
BLOCKS = 12  # of neighbouring measurements, which are alike and no independent ones


def growth(steps: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """A line's slope through the second half, per unit of steps, and its standard error."""
    late = steps > steps[-1] / 2
    x, y = ([part.mean() for part in np.array_split(all_[late], BLOCKS)] for all_ in (steps, sizes))
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    return float(slope), float(covariance[0, 0] ** 0.5)


def test_growth_is_seen_in_noise():
    x, noise = np.arange(1000.0), np.random.default_rng(0).normal(size=1000)
    for true in (0.0, 0.27):
        slope, error = growth(x, true * x + noise)
        assert abs(slope - true) < 3 * error < 0.01


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_long_run_does_not_grow():
    process = subprocess.Popen([sys.executable, "-m", "ganzoo", *RUN.split()], stderr=subprocess.DEVNULL)
    page, rows, log = resource.getpagesize() / 2**20, [], Path("run/log.jsonl")
    while process.poll() is None:
        time.sleep(0.1)
        lines = log.read_text().splitlines() if log.exists() else []
        resident = Path(f"/proc/{process.pid}/statm").read_text().split()
        if len(lines) > 1 and resident:
            rows.append((json.loads(lines[-2])["step"] / 1000, int(resident[1]) * page))
    assert process.returncode == 0
    steps, mib = np.array(rows).T
    slope, error = growth(steps, mib)
    # A page more or less in a whole block is no noise, and no growth either: 0.5 MiB over the run.
    assert slope <= max(2 * error, 0.01), f"{slope:.3f} +- {error:.3f} MiB for each 1,000 steps"
