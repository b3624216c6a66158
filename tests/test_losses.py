"""Losses against closed forms and against torch's own (as properties: tests/testing/test_contract.py)."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import logsigmoid, mse_loss

from ganzoo.registry import LOSSES

LN2 = math.log(2.0)
NAMES = LOSSES.names()


def logits(seed: int, n: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(3.0 * torch.randn(n, generator=generator, dtype=torch.float64) for _ in range(2))


def g_of(loss, fake, real):
    return loss.g(fake, real if loss.needs_real_in_g else None)


# D's and G's value where every logit is 0, by hand.
AT_ZERO = {
    "minimax": (2 * LN2, -LN2),
    "non-saturating": (2 * LN2, LN2),
    "least-squares": (0.5, 0.5),
    "hinge": (2.0, 0.0),
    "wasserstein": (0.0, 0.0),
    "relativistic": (LN2, LN2),
    "relativistic-average": (2 * LN2, 2 * LN2),
}


def reference(name: str, r: torch.Tensor, f: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The papers' formulas, written with torch's other functions."""
    one, zero = torch.ones_like(r), torch.zeros_like(r)
    cross = bce(r, one) + bce(f, zero)
    a, b = r - f.mean(), f - r.mean()
    return {
        "minimax": (cross, logsigmoid(-f).mean()),
        "non-saturating": (cross, bce(f, one)),
        "least-squares": (mse_loss(r, one) / 2 + mse_loss(f, zero) / 2, mse_loss(f, one) / 2),
        "hinge": ((1 - r).clamp(min=0).mean() + (1 + f).clamp(min=0).mean(), -f.mean()),
        "wasserstein": (f.mean() - r.mean(), -f.mean()),
        "relativistic": (-logsigmoid(r - f).mean(), -logsigmoid(f - r).mean()),
        "relativistic-average": (bce(a, one) + bce(b, zero), bce(b, one) + bce(a, zero)),
    }[name]


@pytest.mark.parametrize("name", NAMES)
def test_value_at_zero(name):
    loss, zeros = LOSSES.get(name)(), torch.zeros(5)
    assert float(loss.d(zeros, zeros)) == pytest.approx(AT_ZERO[name][0])
    assert float(g_of(loss, zeros, zeros)) == pytest.approx(AT_ZERO[name][1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_formula(name, seed):
    loss, (real, fake) = LOSSES.get(name)(), logits(seed)
    d, g = reference(name, real, fake)
    torch.testing.assert_close(loss.d(real, fake), d, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(g_of(loss, fake, real), g, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in NAMES if LOSSES.get(name).has_targets])
def test_real_target_moves_the_target_of_real_samples(name):
    loss, (real, fake) = LOSSES.get(name)(), logits(0)
    if name == "least-squares":
        expected = 0.5 * ((real - 0.9).square() - (real - 1.0).square()).mean()
    else:
        expected = bce(real, torch.full_like(real, 0.9)) - bce(real, torch.ones_like(real))
    torch.testing.assert_close(loss.d(real, fake, real_target=0.9) - loss.d(real, fake), expected)


def test_every_loss_is_covered_by_the_closed_forms():
    assert set(NAMES) == set(AT_ZERO)


def test_a_loss_that_needs_real_logits_says_so():
    with pytest.raises(ValueError, match="real samples in G's step"):
        LOSSES.get("relativistic")().g(torch.zeros(3))
