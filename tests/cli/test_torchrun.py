"""torchrun -m ganzoo: one run of two processes, of which one writes and talks, and either may die."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.slow

RUN = ["run", "mlp-gan", "--dataset", "ring8", "--set", "model.width=16", "--checkpoint-every", "40"]
TORCHRUN = [
    *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
    *("-m", "ganzoo"),
]


class Two:
    """Two processes under torchrun."""

    def __init__(self, folder, *words):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [*TORCHRUN, *words], cwd=folder, env=environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def children(self):
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=True
        )
        return [int(pid) for pid in found.stdout.split()]

    def end(self, within=300):
        out, err = self.process.communicate(timeout=within)
        return self.process.returncode, out, err


def until(there, patience=120):
    deadline = time.monotonic() + patience
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def weights(run):
    return load_file(run / "generator.safetensors")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    status, out, err = Two(folder, *RUN, "--steps", "400", "--out", "run").end()
    assert status == 0, err
    assert out.count("pictures:") == 1
    assert err.count("mlp-gan on ring8") == 1
    return folder


def test_the_folder_is_that_of_any_run_and_goes_on_with_one_process(whole, tmp_path):
    shutil.copytree(whole / "run", tmp_path / "run")
    ganzoo = [sys.executable, "-m", "ganzoo"]
    told = subprocess.run(
        [*ganzoo, "resume", "run", "--steps", "404"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "step 400 was made by 2 processes, and what follows is by 1 process: sums are in" in told.stderr
    assert (tmp_path / "run" / "samples" / "step-00000404.png").exists()


def test_one_that_is_killed_ends_the_other_and_nothing_is_lost(whole, tmp_path):
    before = weights(whole / "run")
    for victim in (0, 1):
        run = tmp_path / f"run-{victim}"
        two = Two(tmp_path, *RUN, "--steps", "400", "--out", run.name)
        until(lambda run=run: list(run.glob("checkpoints/step-*")))
        os.kill(sorted(two.children())[victim], signal.SIGKILL)
        killed = time.monotonic()
        status, _, err = two.end()
        assert time.monotonic() - killed < 30
        assert status == 1
        if victim:
            assert err.count("ganzoo: another process of this run is gone: ganzoo resume goes on") == 1
        status, _, err = Two(tmp_path, "resume", run.name).end()
        assert status == 0, err
        after = weights(run)
        assert all(torch.equal(before[key], value) for key, value in after.items())


def test_ctrl_c_ends_both_after_the_same_step_and_keeps_it(tmp_path):
    two = Two(tmp_path, *RUN, "--steps", "100000", "--out", "run")
    until(lambda: list((tmp_path / "run").glob("checkpoints/step-*")))
    os.kill(sorted(two.children())[1], signal.SIGINT)  # and it tells the other
    status, out, err = two.end(within=60)
    assert status == 1  # torchrun's, of the first process's 130
    assert "exitcode  : 130" in err
    assert "(stopped at step" in out


def test_what_fails_in_one_is_said_once(tmp_path):
    status, _, err = Two(tmp_path, *RUN, "--steps", "40", "--batch-size", "33").end()
    assert status == 1
    assert err.count("--batch-size 33 is that of all 2 processes together, and not a multiple of 2") == 1
    assert not (tmp_path / "runs").exists()
    status, _, err = Two(tmp_path, *RUN, "--steps", "40", "--lr", "1e30", "--on-nan", "rollback").end()
    assert status == 1
    assert err.count("ganzoo: training diverged") == 1
    assert err.count("back to step 0, with other random numbers, at half the rates") > 1


def test_other_commands_are_done_once(whole):
    status, out, err = Two(whole, "eval", "run", "--metric", "modes", "--samples", "100", "--json").end()
    assert status == 0, err
    assert out.count('"scores"') == 1
