"""Both members keep the contract, and the choice of a generator is uniform."""

import torch
from mgan.model import MGAN

from ganzoo.testing import contract

test_model = contract("mgan", width=8)
test_stabilizer = contract("tell-generators-apart")


def test_generators_are_chosen_equally_often() -> None:
    gan = MGAN((2,), generators=5)
    shares = torch.bincount(gan.generator.choice(gan.sample_z(20_000)), minlength=5) / 20_000
    torch.testing.assert_close(shares, torch.full((5,), 0.2), atol=0.02, rtol=0.0)


def test_each_generator_is_another_one() -> None:
    gan = MGAN((2,), generators=3)
    z = torch.zeros(3, 16)
    z[:, 0] = torch.tensor([-1.0, 0.0, 1.0])  # a third of a normal distribution each
    assert gan.generator.choice(z).tolist() == [0, 1, 2]
    x = gan.generator(z)
    z[:, 1:] = 1.0
    assert gan.generator.choice(z).tolist() == [0, 1, 2]
    assert len(x.unique(dim=0)) == 3
