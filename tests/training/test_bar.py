"""The line under the progress bar says what D's answers are, in 80 columns."""

from __future__ import annotations

import pytest

from ganzoo.registry import LOSSES
from ganzoo.training.callbacks import judgement


def of(real, fake, d_loss=0.1234, g_loss=5.6789):
    return {"d_real": real, "d_fake": fake, "d_loss": d_loss, "g_loss": g_loss}


def test_a_probability_and_a_logit_are_told_apart():
    losses = "loss of D 0.123, of G 5.679"
    assert judgement(of(0.834, 0.1), True) == f"D(real) 0.83  D(fake) 0.10 (probabilities)  {losses}"
    assert judgement(of(-7.469, -9.0), False) == f"D(real) -7.47  D(fake) -9.00 (logits)  {losses}"


@pytest.mark.parametrize("size", [0.99999, -1.0, -99.999, -999.996, -1000.0, -1e5, -9.96e37, float("-inf")])
def test_it_fits_in_80_columns(size):
    assert len(judgement(of(size, size, size, size), False)) <= 80
    assert len(judgement(of(0.5, 0.99999, abs(size), size), True)) <= 80


def test_a_run_says_what_its_loss_makes_of_them(ganzoo):
    for loss in LOSSES.names():
        words = f"run mlp-gan --dataset ring8 --steps 1 --batch-size 8 --set width=8 --loss {loss}"
        unit = "(probabilities)" if LOSSES.get(loss).probabilistic else "(logits)"
        assert unit in ganzoo(words).err
