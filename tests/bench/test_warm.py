"""Cells that are forked: the same numbers as those of a Python of their own, and the same ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ganzoo.bench import starting
from ganzoo.bench.cells import Cell, plan_cells
from ganzoo.bench.starting import Starter, Warm
from ganzoo.bench.suite import read_suite
from ganzoo.bench.work import RESULT, STOPPED
from ganzoo.system.files import write_json
from ganzoo.system.processes import Process, ask_to_end

pytestmark = pytest.mark.skipif(not starting.FORKS, reason="cells are not forked here")
SUITE = """
model = "mlp-gan"
dataset = "ring8"
metric = ["modes"]
samples = 300
batch-size = 256
seeds = [3]
"""
# of each time
ITS_OWN = ("finished", "train_seconds", "images_per_s", "eval_seconds", "peak_mib", "cpu_seconds")


@pytest.fixture(scope="module")
def starter() -> Iterator[Starter]:
    starter = Starter()
    yield starter
    starter.close()


def cell(steps: int, threads: int = 1) -> Cell:
    path = Path("tiny.toml")
    path.write_text(f"{SUITE}steps = {steps}\ncheckpoint-every = {steps // 10}\n")
    return plan_cells(read_suite(path), threads)[0]


def started(starter: Starter, cell: Cell, folder: Path, device: str = "cpu") -> Process:
    if not folder.exists():
        folder.mkdir()
        write_json(folder / "config.json", cell.config.as_json())
    task = {"hash": cell.hash, "evaluation": dict(cell.evaluation), "alone": True}
    return starter.start(folder, task, folder / "bench.log", cell.config.threads, device)


def result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / RESULT).read_text())


def wait_for(condition: Callable[[], object], seconds: float = 300.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_fork_gives_the_bits_of_a_python_of_its_own(threads, starter):
    one = cell(40, min(threads, os.cpu_count() or 1))
    folders = [Path("forked"), Path("its-own")]
    for folder, device in zip(folders, ("cpu", "not forked"), strict=True):
        process = started(starter, one, folder, device)
        assert isinstance(process, subprocess.Popen) == (device != "cpu")
        assert process.wait(300) == 0
        assert (folder / "bench.log").read_text() == ""  # not even that the threads were set
        if process.stdin is not None:
            process.stdin.close()
    rows = [{key: value for key, value in result(one).items() if key not in ITS_OWN} for one in folders]
    assert rows[0] == rows[1]
    weights = [(folder / "generator.safetensors").read_bytes() for folder in folders]
    assert weights[0] == weights[1]
    # Its own peak, in which are no pages of libraries that it never touched.
    forked, whole = (result(folder)["peak_mib"] for folder in folders)
    assert 50 < forked < 1.2 * whole


def test_one_that_is_asked_to_end_saves_and_the_next_goes_on(starter):
    one, folder = cell(400), Path("run")
    process = started(starter, one, folder)
    wait_for(lambda: list(folder.glob("checkpoints/step-*.safetensors")))
    ask_to_end(process)
    assert process.wait(300) == STOPPED
    assert not (folder / RESULT).exists()
    assert started(starter, one, folder).wait(300) == 0
    whole = Path("whole")
    assert started(starter, one, whole).wait(300) == 0
    assert result(folder)["scores"] == result(whole)["scores"]
    assert (folder / "generator.safetensors").read_bytes() == (whole / "generator.safetensors").read_bytes()


def test_one_that_is_killed_takes_no_other_along(starter):
    one = cell(200)
    killed, other = (started(starter, one, Path(name)) for name in ("killed", "other"))
    killed.kill()
    assert (killed.wait(300), other.wait(300)) == (-signal.SIGKILL, 0)
    killed.kill()  # of what has ended, nothing


def test_what_a_cell_says_is_in_its_own_log(starter):
    one, folder = cell(40), Path("run")
    folder.mkdir()
    write_json(folder / "config.json", one.config.as_json() | {"model": "nothing"})
    assert started(starter, one, folder).wait(300) == 0
    assert result(folder)["status"] == "failed"
    assert "nothing" in result(folder)["error"]


def test_where_the_warm_process_is_lost_its_cells_end_and_the_next_has_another(starter):
    one, folder = cell(100_000), Path("run")
    process = started(starter, one, folder)
    wait_for((folder / "log.jsonl").exists)
    next(iter(starter._warm.values()))._process.kill()
    assert process.wait(300) == -signal.SIGKILL
    wait_for(lambda: is_still(folder / "log.jsonl"))
    shutil.rmtree(folder)
    assert started(starter, cell(40), folder).wait(300) == 0


def is_still(log: Path) -> bool:
    """Whether nobody writes to it any more, where a line comes every few milliseconds."""
    size = log.stat().st_size
    time.sleep(1.0)
    return log.stat().st_size == size


def test_without_a_warm_process_each_cell_has_a_python_of_its_own(monkeypatch):
    monkeypatch.setattr(Warm, "__init__", lambda self, threads: setattr(self, "is_gone", True))
    process = started(Starter(), cell(40), Path("run"))
    assert isinstance(process, subprocess.Popen)
    process.kill()
    process.wait()
    process.stdin.close()


def test_a_program_that_is_gone_leaves_no_cell_behind():
    """Killed in any way: the end of a pipe is all that tells."""
    one, folder = cell(100_000), Path("run")
    folder.mkdir()
    write_json(folder / "config.json", one.config.as_json())
    script = (
        "import sys, time, json; from pathlib import Path; from ganzoo.bench.starting import Starter\n"
        "task = json.loads(sys.argv[1])\n"
        "Starter().start(Path('run'), task, Path('run/bench.log'), 1, 'cpu'); time.sleep(600)"
    )
    task = {"hash": one.hash, "evaluation": dict(one.evaluation), "alone": True}
    with subprocess.Popen([sys.executable, "-c", script, json.dumps(task)]) as program:
        wait_for((folder / "log.jsonl").exists)
        program.kill()
    wait_for(lambda: is_still(folder / "log.jsonl"))
