"""What no machine can hold: a sentence that says what was too large, before memory is taken."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from ganzoo.errors import UsageError, WorkError
from ganzoo.losses import Hinge
from ganzoo.models.mlp import MLPGAN
from ganzoo.registry import LOSSES, MODELS
from ganzoo.system.memory import is_too_large, machine_memory, room_for
from ganzoo.system.size import of_a_size_to_train
from ganzoo.training.sampling import draw


@pytest.mark.parametrize(
    "ask",
    [
        lambda: torch.empty(10**15),
        lambda: torch.empty(2**62, 2**62),
        lambda: np.empty(10**15),
        lambda: np.empty((10**9, 10**9, 10**9)),
        lambda: bytearray(10**15),
        lambda: int(float("inf")),
        lambda: nn.Linear(10**9, 10**9),
        lambda: nn.Conv2d(10**9, 10**9, 3),
    ],
)
def test_every_way_in_which_libraries_say_it(ask):
    with (
        pytest.raises(WorkError, match="the numbers need more memory than there is"),
        room_for("the numbers"),
    ):
        ask()


@pytest.mark.parametrize(
    "error", [ValueError("x"), RuntimeError("size mismatch"), KeyError("memory"), UsageError("out of memory")]
)
def test_other_errors_are_other_errors(error):
    assert not is_too_large(error)
    with pytest.raises(type(error)), room_for("the numbers"):
        raise error


def test_how_much_is_said():
    with (
        pytest.raises(WorkError, match=r"x need more memory than there is, 3,725,290\.3 GiB at once"),
        room_for("x"),
    ):
        torch.empty(10**15)


def test_a_net_is_refused_before_its_weights_are_drawn():
    width = int((machine_memory() / 8) ** 0.5)  # half of the memory, where it takes four times as much
    with pytest.raises(MemoryError), of_a_size_to_train():
        nn.Linear(width, width)
    with pytest.raises(MemoryError, match="tensors"), of_a_size_to_train():
        nn.Sequential(*(nn.Linear(1, 1) for _ in range(5000)))
    with of_a_size_to_train():
        nn.Linear(10, 10)
    nn.Sequential(*(nn.Linear(1, 1) for _ in range(5000)))  # nobody counts any more


def test_a_model_says_which_option_was_too_large():
    with pytest.raises(WorkError, match=r"model mlp-gan:width=1000000000 need more memory"):
        MODELS.make("mlp-gan", (2,), num_classes=0, width=10**9, depth=2)


def test_an_error_of_a_plugin_is_its_own():
    class Broken(Hinge):
        def __init__(self):
            raise RuntimeError("no luck")

    with (
        LOSSES.lent("broken", Broken),
        pytest.raises(WorkError, match="cannot be made: RuntimeError: no luck"),
    ):
        LOSSES.make("broken")


def test_samples():
    gan = MLPGAN((2,), width=8, d_width=8).eval()
    with pytest.raises(WorkError, match=r"1,000,000,000,000,000 samples need more memory"):
        draw(gan, 10**15, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system decides")
def test_the_system_refuses_what_is_not_there():
    program = (
        "from ganzoo.system import memory; memory.machine_memory = lambda: 2**30; memory._swap = lambda: 0\n"
        "memory.Path = type('P', (), {'__init__': lambda s, p: None, 'exists': lambda s: False})\n"
        "memory.refuse_more_than_there_is(); memory.refuse_more_than_there_is()\n"
        "try:\n    bytearray(2**31)\nexcept MemoryError:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"
