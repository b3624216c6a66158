"""A metric as the harness calls it, features in hand, beside the formulas of its paper in numpy.

The scores have to agree; `is` and `kid` are torch-fidelity's, so the ratio says what going through it costs;
`kl` has the densities that `js` needs as well.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import digamma, softmax
from sklearn.neighbors import NearestNeighbors

from ganzoo.data.base import Dataset
from ganzoo.extractors.base import Extractor
from ganzoo.metrics.context import Context, Samples
from ganzoo.metrics.densities import K
from ganzoo.metrics.inception_score import SHUFFLE_SEED, SPLITS
from ganzoo.metrics.kernel import SEED, SUBSET_SIZE, SUBSETS
from ganzoo.registry import METRICS

SAMPLES = 10_000
ROUNDS = 5


class Vectors(Dataset):
    def __init__(self, dim: int) -> None:
        self.name, self.sample_shape = f"vectors of {dim}", (dim,)


class AsTheyAre(Extractor):
    """The vectors are the features, and the logits."""

    name, remembered = "as they are", False

    def __call__(self, samples):
        return {"features": samples, "logits": samples}


def in_splits(fake, real):
    """exp(mean KL(p(y|x) || p(y))), the mean of ten splits."""
    p = softmax(np.random.RandomState(SHUFFLE_SEED).permutation(fake.astype(float)), axis=1)
    parts = np.array_split(p, SPLITS)
    return np.mean([np.exp((q * (np.log(q) - np.log(q.mean(0)))).sum(1).mean()) for q in parts])


def in_subsets(fake, real):
    """The unbiased squared MMD of the cubic kernel, the mean of a hundred subsets."""
    random, m, found = np.random.RandomState(SEED), SUBSET_SIZE, []
    for _ in range(SUBSETS):
        x, y = (z[random.choice(len(z), m, replace=False)] for z in (fake, real))
        xx, yy, xy = ((a @ b.T / a.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
        within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (m * (m - 1))
        found.append(within - 2 * xy.mean())
    return np.mean(found)


def by_neighbours(fake, real):
    """The mean of log q - log p at the generated points, by the distances to the 3rd neighbour."""

    def log_density(points, at, own):
        radius = NearestNeighbors(n_neighbors=K + own).fit(points).kneighbors(at)[0][:, -1]
        return digamma(K) - np.log(len(points) - own) - at.shape[1] * np.log(radius)

    p = real.astype(float)
    scale = p.std(0, ddof=1)  # which changes who is whose neighbour
    q, p = fake / scale, p / scale
    return (log_density(q, q, 1) - log_density(p, q, 0)).mean()


FORMULAS = {"is": (in_splits, 10), "kid": (in_subsets, 128), "kl": (by_neighbours, 2)}


@pytest.mark.parametrize("name", FORMULAS)
def test_metric_over_numpy(name, side_by_side):
    """10,000 generated against 10,000 real samples: 10 logits, 128 features, vectors of 2."""
    formula, dim = FORMULAS[name]
    generator = torch.Generator().manual_seed(0)
    fake, real = (torch.randn(SAMPLES, dim, generator=generator) * scale for scale in (1.2, 1.0))
    found = {}

    def ours():
        made = [Samples(which, x, None, AsTheyAre()) for which, x in (("generated", fake), ("train", real))]
        found["ours"] = METRICS.get(name)()(Context(Vectors(dim), *made, made[1], extractor=AsTheyAre()))

    def theirs():
        found["theirs"] = formula(fake.numpy(), real.numpy())

    side_by_side(ours, theirs, ROUNDS, f"the formulas in numpy, {SAMPLES} x {SAMPLES} x {dim}")
    assert math.isclose(found["ours"][name], found["theirs"], rel_tol=1e-4)
