"""What it costs to make a step with others, on one machine: idle cores for as many processes are needed."""

from __future__ import annotations

import pytest

from ganzoo.bench.machine import cores

ROUNDS = 15
ALONE = """
import sys, torch
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.training.trainer import Trainer

torch.set_num_threads(1)
trainer = Trainer(*plan(Words(sys.argv[1], "mnist-5k", batch_size=64, device="cpu")))
trainer.gan.train()

def work():
    for _ in range(10):
        trainer.one_step()
"""
TOGETHER = """
import sys
from speed.together import steps

work = steps(sys.argv[1], int(sys.argv[2]))
"""
MODELS = ["dcgan", "sngan"]


@pytest.mark.parametrize("model", MODELS)
def test_a_group_of_one_over_no_group(model, side_by_side, in_a_process):
    """Target >= 0.98: one process that torchrun has started pays nothing for it."""
    one, alone = in_a_process(TOGETHER, model, 1), in_a_process(ALONE, model)
    side_by_side(one, alone, ROUNDS, "the same steps in a process that is in no group")


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("model", MODELS)
def test_many_processes_over_one(model, count, side_by_side, in_a_process):
    """Weak scaling: each has a batch of 64 and a core, so that 1 would be as fast as one alone."""
    if cores() < count:
        pytest.skip(f"needs {count} cores")
    many, one = in_a_process(TOGETHER, model, count), in_a_process(TOGETHER, model, 1)
    side_by_side(many, one, ROUNDS, "one process with its share of the batch")
