"""Memorization: are generated samples nearer to the training data than fresh real ones are?"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from ganzoo.metrics.base import Metric, Scores
from ganzoo.metrics.context import Context, Samples
from ganzoo.metrics.neighbours import ROWS, distances


class Memorization(Metric):
    """The chance that a generated sample is nearer to the training data than a held-out real one is.

    After the data-copying test of Meehan, Chaudhuri & Dasgupta 2020, arXiv 2004.05675: each sample's distance
    to its nearest training sample, in the extractor's features; the score is the Mann-Whitney probability
    that it is smaller for a generated than for a held-out real sample, ties counting half. 1/2 where the two
    are alike, towards 1 for a generator that copies; below 1/2, samples are farther from the data than real
    ones are, which `fid` and `precision` judge.
    """

    needs = ("features", "training data")
    higher_is_better: ClassVar = {"memorization": False}
    uses: ClassVar = ("ganzoo run dcgan --dataset mnist", "ganzoo eval --metric NAME")
    says: ClassVar = {"memorization": "nearer to training data than fresh real ones; 1 copies"}

    def protocol(self, context: Context) -> dict[str, Any]:
        return {"n_train": len(context.train), "n_held_out": len(context.test)}

    def __call__(self, context: Context) -> Scores:
        generated = nearest_distance(context.fake.features, context.train.features)
        return {"memorization": chance_of_less(generated, self._fresh(context.test, context.train))}

    def on_real(self, context: Context) -> Scores:
        return {"memorization": 0.5}  # by definition: held-out samples against themselves

    def _fresh(self, test: Samples, train: Samples) -> Tensor:
        def make() -> dict[str, Tensor]:
            return {"distances": nearest_distance(test.features, train.features)}

        # Kept by the content of the test split; which training data it is about is in the name.
        return test.once(f"distances to {train.content}", make)["distances"]


def nearest_distance(x: Tensor, among: Tensor) -> Tensor:
    """[N, d] and [M, d] -> the distance of each to its nearest of `among`, [N]."""
    return torch.cat([distances(rows, among).amin(1) for rows in torch.split(x, ROWS)])


def chance_of_less(a: Tensor, b: Tensor) -> float:
    """P(a < b) + P(a = b) / 2 for one element of each, [N] and [M]: Mann-Whitney's statistic over N M."""
    ordered = b.sort().values
    above = len(b) - torch.searchsorted(ordered, a, right=True)
    equal = torch.searchsorted(ordered, a, right=True) - torch.searchsorted(ordered, a)
    return float((above.double() + 0.5 * equal.double()).mean() / len(b))
