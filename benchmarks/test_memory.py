"""Steps of a process that keeps its freed memory, as `ganzoo run` does, beside one that hands it back."""

from __future__ import annotations

import subprocess
import sys

import pytest

STEPS, ROUNDS = 30, 20
PROCESS = """
import sys
from ganzoo.memory import keep_freed_memory
from ganzoo.plan import plan
from ganzoo.training.trainer import Trainer
from ganzoo.words import Words

if sys.argv[2] == "keep":
    keep_freed_memory()
trainer = Trainer(*plan(Words(sys.argv[1], "mnist-5k", device="cpu")))
trainer.gan.train()
for line in sys.stdin:
    for _ in range(int(line)):
        trainer.one_step()
    print(flush=True)
"""


@pytest.mark.parametrize("model", ["dcgan", "sngan"])
def test_kept_memory_over_given_back(model, side_by_side):
    """The same steps in two processes, which take turns."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, model, how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for how in ("keep", "give back")
    ]

    def steps(process):
        def work():
            process.stdin.write(f"{STEPS}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "\n"

        return work

    side_by_side(*map(steps, processes), ROUNDS, "the same in a process that hands freed memory back")
    for process in processes:
        process.communicate()
        assert process.returncode == 0
