"""The mixtures are what their closed form says."""

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from ganzoo.data.mixtures import Gaussian1d, Grid25, Ring8

N = 200_000
ALL = [Ring8, Grid25, Gaussian1d]
COVARIANCE = {"ring8": 0.5 + 1e-4, "grid25": 8 + 0.0025, "gaussian-1d": 8 / 3 + 0.04}  # per axis
both = pytest.mark.parametrize("member", ALL, ids=lambda member: member.name)


def test_the_centers_are_the_published_ones():
    ring = Ring8().modes
    assert (ring.count, ring.std) == (8, 0.01)
    h = math.sqrt(0.5)
    expected = [(1, 0), (h, h), (0, 1), (-h, h), (-1, 0), (-h, -h), (0, -1), (h, -h)]
    assert torch.allclose(ring.centers, torch.tensor(expected), atol=1e-7)
    grid = Grid25().modes
    assert (grid.count, grid.std) == (25, 0.05)
    steps = (-4.0, -2.0, 0.0, 2.0, 4.0)
    assert {tuple(center) for center in grid.centers.tolist()} == {(a, b) for a in steps for b in steps}
    line = Gaussian1d()
    assert line.sample_shape == (1,)
    assert (line.modes.count, line.modes.std) == (3, 0.2)
    assert line.modes.centers.tolist() == [[-2], [0], [2]]


@both
def test_moments_and_weights_are_those_of_the_closed_form(member):
    data = member()
    x, y = data.train.batch(N, 0, 7)
    assert (x.dtype, y.dtype, x.shape) == (torch.float32, torch.int64, (N, *data.sample_shape))
    assert data.endless
    assert data.num_classes == data.modes.count
    variance = COVARIANCE[data.name]
    assert x.mean(dim=0).abs().max() < 5 * math.sqrt(variance / N)
    covariance = (x.double().T @ x.double()) / N
    expected = variance * torch.eye(x.shape[1], dtype=torch.float64)
    # Five standard errors: the fourth moment of these is less than three squared variances.
    assert (covariance - expected).abs().max() < 5 * variance * math.sqrt(2 / N)
    p = 1 / data.num_classes
    assert (torch.bincount(y) / N - p).abs().max() < 5 * math.sqrt(p * (1 - p) / N)
    offsets = x - data.modes.centers[y]
    assert abs(offsets.std() / data.modes.std - 1) < 5 / math.sqrt(2 * offsets.numel())
    distances = torch.cdist(x, data.modes.centers)
    assert (distances.argmin(dim=1) == y).float().mean() > 0.99999


@both
def test_log_density_is_a_direct_sum_over_the_modes(member):
    data = member()
    x = torch.cat([data.test.batch(200, 3, 0)[0], torch.randn(50, *data.sample_shape) * 3]).double()
    centers = data.modes.centers.double()
    oracle = MixtureSameFamily(
        Categorical(torch.ones(len(centers), dtype=torch.float64)), Independent(Normal(centers, data.std), 1)
    )
    assert torch.allclose(data.log_density(x), oracle.log_prob(x), rtol=1e-9)


def test_the_density_integrates_to_one():
    line = torch.linspace(-5, 5, 4001, dtype=torch.float64)
    total = torch.trapezoid(Gaussian1d().log_density(line[:, None]).exp(), line)
    assert abs(total - 1) < 1e-9
    ring = Ring8()
    axis = torch.linspace(-0.08, 0.08, 161, dtype=torch.float64)  # eight widths to each side of a center
    patch = torch.cartesian_prod(axis, axis)
    mass = sum(
        ring.log_density(center + patch).exp().sum() * (axis[1] - axis[0]) ** 2
        for center in ring.modes.centers
    )
    assert abs(mass - 1) < 1e-9


@both
def test_draws_are_counted(member):
    data, again = member(), member()
    x, y = data.train.batch(32, 5, 1)
    data.train.batch(16, 9, 2)
    for split in (again.train, again.train.to(torch.device("cpu"))):
        same_x, same_y = split.batch(32, 5, 1)
        assert torch.equal(x, same_x)
        assert torch.equal(y, same_y)
    others = [data.train.batch(32, 6, 1), data.train.batch(32, 5, 2), data.test.batch(32, 5, 1)]
    assert all(not torch.equal(x, other) for other, _ in others)


@both
def test_all_is_a_fixed_draw(member):
    data = member()
    x, y = data.train.all()
    assert len(x) == len(y) == len(data.train) == 50_000
    assert torch.equal(x, member().train.all()[0])
    test, _ = data.test.all()
    assert len(test) == len(data.test) == 10_000
    assert not torch.equal(test, x[:10_000])
    assert torch.equal(data.to_units(test), test)


def test_fingerprints_are_stable():
    assert {member.name: member().fingerprint for member in ALL} == {
        "ring8": "ee622f3598b5cf48",
        "grid25": "d4861eed19f9a653",
        "gaussian-1d": "a44969c6c3349498",
    }
