"""Labels that come with generated samples: checked, and told apart from those of real data."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganzoo.data.classes import labels_by_shares
from ganzoo.data.open import open_dataset
from ganzoo.data.vectors import Npy
from ganzoo.errors import UsageError
from ganzoo.metrics.neighbours import distances, neighbourhoods
from ganzoo.metrics.two_sample import copied
from ganzoo.running.evaluation import evaluate


@pytest.fixture(scope="module")
def digits():
    return open_dataset("mnist-5k", {}).test.all()


@pytest.mark.parametrize(
    "change",
    [lambda y: y + 1, lambda y: y - 1, lambda y: y[1:], lambda y: y.float(), lambda y: y * 10**12],
    ids=["beyond", "negative", "fewer", "not whole", "huge"],
)
def test_labels_that_are_no_classes_are_refused(digits, change):
    x, y = digits
    with pytest.raises(
        UsageError, match=r"labels of the samples .*: expected whole numbers \(300,\) from 0 to 9"
    ):
        evaluate(x[:300], "mnist-5k", ["precision-recall"], labels=change(y[:300]), progress=False)


def test_many_classes_are_not_served_in_the_order_of_their_numbers():
    """Of three digits in one number, the first 200 would have the first digit 0 or 1 alone."""
    labels = labels_by_shares(200, torch.ones(1000))
    assert len(labels.unique()) == 200
    assert torch.bincount(labels // 100, minlength=10).min() >= 10
    assert torch.equal(labels_by_shares(1000, torch.ones(1000)).sort().values, torch.arange(1000))


def test_neighbourhoods_do_not_depend_on_the_unit():
    draw = torch.Generator().manual_seed(0)
    real, near = torch.randn(400, 2, generator=draw), torch.randn(300, 2, generator=draw)
    plain = neighbourhoods(near, real)
    for unit in (1e-25, 1e20, 1e30):
        found = neighbourhoods(near * unit, real * unit)
        assert found.precision == pytest.approx(plain.precision, abs=0.01), unit
        assert found.coverage == pytest.approx(plain.coverage, abs=0.01), unit


def test_one_far_row_leaves_other_distances_alone():
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    far = torch.cat([x, torch.full((1, 2), 1e8)])
    torch.testing.assert_close(distances(far, far)[:50, :50], distances(x, x))


def test_copies_are_counted_against_all_of_the_reference():
    x = torch.randn(1000, 3)
    assert copied(x[:100], x) == (1.0, 0.0)
    assert copied(x[:100] + 1e-3, x) == (0.0, 0.0)
    assert copied(x[:10], x.repeat(2, 1)) == (1.0, 0.5)


def test_a_column_that_float32_rounds_away_is_refused(tmp_path):
    rows = np.random.default_rng(0).normal(size=(100, 2))
    np.save(tmp_path / "times.npy", rows * 30 + np.array([0, 1.7e9]))
    with pytest.raises(UsageError, match=r"column 1 .*subtract the column's mean"):
        Npy(tmp_path / "times.npy")
    np.save(tmp_path / "fine.npy", rows * 30 + np.array([0, 1.7e4]))
    assert Npy(tmp_path / "fine.npy").sample_shape == (2,)
