"""A run that is stopped half way, and checkpoints compared: what tests of resuming share."""

from __future__ import annotations

import torch

import ganzoo
from ganzoo.training.trainer import Callback

N, K = 12, 5


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.at = step

    def after_step(self, trainer) -> None:
        if trainer.step == self.at:
            trainer.stop.set()


def tensors(state, prefix=""):
    """Every tensor and number in a checkpoint, by path."""
    if isinstance(state, dict):
        for key, value in state.items():
            yield from tensors(value, f"{prefix}/{key}")
    elif isinstance(state, list | tuple):
        for index, value in enumerate(state):
            yield from tensors(value, f"{prefix}/{index}")
    else:
        yield prefix, state


def assert_same(one: dict, other: dict) -> None:
    a, b = dict(tensors(one)), dict(tensors(other))
    assert a.keys() == b.keys()
    different = [k for k in a if not (torch.equal(a[k], b[k]) if torch.is_tensor(a[k]) else a[k] == b[k])]
    assert not different


def interrupted(words: dict, out: str, monkeypatch) -> None:
    """Train, and be asked to stop after K steps, as by Ctrl-C."""
    from ganzoo.running import training as runs

    trainers = []
    original = runs.Trainer

    def with_stop(config, dataset, callbacks, stop):
        trainers.append(original(config, dataset, [StopAt(K), *callbacks], stop))
        return trainers[-1]

    with monkeypatch.context() as patch:
        patch.setattr(runs, "Trainer", with_stop)
        ganzoo.train(**words, out=out, progress=False)
    assert trainers[0].step == K
