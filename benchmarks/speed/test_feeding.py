"""Batches per second of the in-memory path, beside the usual loaders: 28 px, 1 channel, batch 64."""

from __future__ import annotations

from torch.utils.data import DataLoader, TensorDataset

from ganzoo.data.base import from_uint8
from ganzoo.data.mnist import read_5k
from ganzoo.data.tensors import TensorSplit

BATCH, ROUNDS = 64, 15


def ours(batches):
    split = TensorSplit(*read_5k()[0])
    count = iter(range(10**9))

    def run():
        for _ in range(batches):
            split.batch(BATCH, next(count), 0)

    return run


def loader(dataset, batches):
    feed = DataLoader(dataset, BATCH, shuffle=True, drop_last=True)

    def run():
        source = iter(feed)
        for _ in range(batches):
            next(source)

    return run


def test_feeding_over_torchvision_mnist(side_by_side, tmp_path):
    """Target >= 20: torchvision's MNIST with ToTensor makes a picture of every item."""
    from torchvision.datasets import MNIST
    from torchvision.transforms import ToTensor

    x, y = read_5k()[0]
    mnist = MNIST.__new__(MNIST)  # the reader's own item path, over digits that are on disk already
    mnist.data, mnist.targets = x[:, 0], y
    mnist.transform, mnist.target_transform = ToTensor(), None
    side_by_side(ours(60), loader(mnist, 60), ROUNDS, "DataLoader over torchvision MNIST with ToTensor")


def test_feeding_over_tensor_dataset(side_by_side):
    """Target >= 2."""
    x, y = read_5k()[0]
    side_by_side(
        ours(60), loader(TensorDataset(from_uint8(x), y), 60), ROUNDS, "DataLoader over a TensorDataset"
    )
