"""Nothing in a step asks the device for a number: each such question would make a GPU run dry."""

from __future__ import annotations

import traceback

import pytest
import torch
from little import BUILDS, CONDITIONAL, small, stabilized
from torch.utils._python_dispatch import TorchDispatchMode

from ganzoo.registry import LOSSES, STABILIZERS
from ganzoo.training.late import LateScalar
from ganzoo.training.trainer import Trainer

ASKING = {
    "aten::_local_scalar_dense", "aten::item", "aten::is_nonzero", "aten::equal", "aten::nonzero",
    "aten::masked_select", "aten::_unique2", "aten::unique_dim", "aten::unique_consecutive", "aten::allclose",
}  # fmt: skip


class Questions(TorchDispatchMode):
    """Remembers where a number, or a shape that depends on numbers, was asked for."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._schema.name in ASKING:
            ours = [frame for frame in traceback.extract_stack() if "/ganzoo/" in frame.filename]
            self.asked.append(f"{func._schema.name} in {ours[-1].filename}:{ours[-1].lineno}" if ours else "")
        return func(*args, **(kwargs or {}))


def questions(config, data, monkeypatch):
    """What is asked in some steps after the first, beyond D's loss, which is read one update late."""
    monkeypatch.setattr(LateScalar, "get", lambda self: 1.0)
    trainer = Trainer(config, data)
    trainer.gan.train()
    trainer.one_step()  # optimizers make their state
    with Questions() as found:
        for _ in range(3):
            trainer.one_step()
    return found.asked


@pytest.mark.parametrize(("model", "vectors"), BUILDS)
def test_no_model_waits(model, vectors, monkeypatch):
    assert questions(*small(model, vectors=vectors, batch_size=8), monkeypatch) == []
    if model not in CONDITIONAL:
        assert questions(*small(model, vectors=vectors, batch_size=8, conditional=True), monkeypatch) == []


@pytest.mark.parametrize("stabilizer", STABILIZERS.names())
def test_no_stabilizer_waits(stabilizer, monkeypatch):
    assert questions(*stabilized(stabilizer, batch_size=8), monkeypatch) == []


@pytest.mark.parametrize("loss", LOSSES.names())
def test_no_loss_waits(loss, monkeypatch):
    assert questions(*small("dcgan", batch_size=8, loss=loss), monkeypatch) == []


def test_a_question_is_noticed():
    with Questions() as found:
        float(torch.ones(()))
        torch.arange(3).nonzero()
    assert [name.split(" ")[0] for name in found.asked] == ["", ""]
