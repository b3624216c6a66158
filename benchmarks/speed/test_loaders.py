"""A DataLoader of one's own, read by ganzoo, beside the loop by hand: dcgan, 64 px, 3 channels, batch 64."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader, TensorDataset

from ganzoo.data.base import from_uint8
from ganzoo.data.given import as_dataset
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.training.trainer import Trainer

BATCH, STEPS, ROUNDS = 64, 10, 9
X = torch.randint(0, 256, (640, 3, 64, 64), dtype=torch.uint8)


def loader():
    return DataLoader(TensorDataset(X), BATCH, shuffle=True, drop_last=True)


def trainer():
    dataset = as_dataset(loader(), test=X[:64])
    config, _ = plan(
        Words("dcgan", "given", given=dataset, steps=10**6, batch_size=BATCH, seed=0, device="cpu")
    )
    return Trainer(config, dataset)


def test_own_loader_over_the_loop_by_hand(side_by_side):
    """Target <= 1.03: seeding and cutting batches anew are the only work that is added."""
    ours, hands = trainer(), trainer()
    source = iter(loader())

    def by_hand(i):
        nonlocal source
        try:
            (x,) = next(source)
        except StopIteration:
            source = iter(loader())
            (x,) = next(source)
        return from_uint8(x).contiguous(memory_format=torch.channels_last), None

    hands.real = by_hand

    def run(each):
        def steps():
            for _ in range(STEPS):
                each.one_step()

        return steps

    side_by_side(run(hands), run(ours), ROUNDS, "the same steps with ganzoo reading the loader")
