"""Data for members that do not learn from digits as they are: series, and digits that come as conditions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ganzoo.data import mnist
from ganzoo.data.base import Dataset
from ganzoo.data.tensors import TensorSplit


class Sines(Dataset):
    """4,000 sines of 64 points to train on, and 1,000 held out: of any phase, with 2 to 6 periods."""

    name = "test-sines"
    sample_shape = (1, 64)
    fingerprint = "sines"

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(0)
        phase, periods, height = torch.rand(3, 5000, 1, generator=draw)
        at = torch.arange(64) / 64 * (2 + 4 * periods)
        x = ((1 + height) * (2 * math.pi * (at + phase)).sin())[:, None]
        self.train, self.test = TensorSplit(x[1000:], None), TensorSplit(x[:1000], None)


class Negatives(Dataset):
    """The 5,000 digits as conditions, and their negatives as samples, in pairs."""

    name = "test-negatives"
    sample_shape = condition_shape = (1, 28, 28)
    fingerprint = "negatives"
    shift = 0  # by so many rows what is shown stands beside what is made of it

    def __init__(self) -> None:
        self.train, self.test = (self._split(x) for x, _ in mnist.read_5k())

    def _split(self, x: Tensor) -> TensorSplit:
        return TensorSplit(255 - x, x.roll(self.shift, 0))


class UnpairedNegatives(Negatives):
    """The same, of which none belongs to the one beside it."""

    name = "test-unpaired-negatives"
    fingerprint = "unpaired negatives"
    shift = 500


OWN = {"wavegan": Sines, "pix2pix": Negatives, "cyclegan": UnpairedNegatives}


def data_of(model: str) -> str:
    """The name of the dataset that a member's healthy runs learn from."""
    return OWN[model].name if model in OWN else "mnist-5k"


def healthy_case(model: str) -> str:
    """The name of a member's case of healthy runs."""
    return f"{model}-{data_of(model).removeprefix('test-')}" if model in OWN else f"{model}-digits"
