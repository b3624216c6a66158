"""Steps of a process that keeps its freed memory, as `ganzoo run` does, beside one that hands it back."""

from __future__ import annotations

import pytest

ROUNDS = 10
STEPS = """
import sys
from ganzoo.plan.plan import plan
from ganzoo.training.trainer import Trainer
from ganzoo.plan.words import Words

trainer = Trainer(*plan(Words(sys.argv[1], "mnist-5k", device="cpu")))
trainer.gan.train()

def work():
    for _ in range(30):
        trainer.one_step()
"""
KEEP = "from ganzoo.system.memory import keep_freed_memory\nkeep_freed_memory()\n"


@pytest.mark.parametrize("model", ["dcgan", "sngan"])
def test_kept_memory_over_given_back(model, side_by_side, in_a_process):
    """The same steps in two processes, which take turns."""
    kept, given_back = in_a_process(KEEP + STEPS, model), in_a_process(STEPS, model)
    side_by_side(kept, given_back, ROUNDS, "the same in a process that hands freed memory back")
