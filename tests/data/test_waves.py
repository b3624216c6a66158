"""Waves against their closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from ganzoo.data.waves import SHAPES, Waves, waves
from ganzoo.errors import UsageError


def test_each_shape_in_closed_form():
    length = 64
    y = torch.arange(4)
    x = waves(y, torch.full((4,), 2.0), torch.tensor([0.0, 0.0, 0.0, 0.25]), length)
    assert (x.shape, x.dtype) == ((4, 1, length), torch.float32)
    t = 2 * torch.arange(length) / length
    by_name = dict(zip(SHAPES, x[:, 0], strict=True))
    assert torch.allclose(by_name["sine"], torch.sin(2 * math.pi * t), atol=1e-6)
    assert torch.allclose(
        by_name["triangle"], 2 / math.pi * torch.asin(torch.sin(2 * math.pi * t)), atol=1e-3
    )
    assert by_name["triangle"][[0, 8, 16, 24]].tolist() == [0.0, 1.0, 0.0, -1.0]
    assert by_name["square"].tolist() == ([1.0] * 16 + [-1.0] * 16) * 2
    assert torch.allclose(by_name["sawtooth"], 2 * ((t + 0.25) % 1) - 1, atol=1e-6)


def test_frequency_and_phase_are_uniform():
    x, y = Waves(256).train.all()
    assert torch.bincount(y).min() > 2_300
    assert x.abs().max() <= 1.0
    sines = x[y == 0, 0].double()
    # The second difference of a sine is it, times 2 cos(2 pi f / L) - 2.
    inner = sines[:, 1:-1]
    ratio = ((sines[:, 2:] + sines[:, :-2]) * inner).sum(1) / (2 * inner.square().sum(1))
    periods = ratio.clamp(-1, 1).acos() * 256 / (2 * math.pi)
    assert 0.99 < periods.min() < 1.05
    assert 3.95 < periods.max() < 4.01
    assert torch.histc(periods, 6, 1, 4).min() > len(periods) / 8
    first = sines[:, 0].asin() / math.pi  # uniform in phase: the arcsine of a sine is uniform
    assert torch.histc(first, 6, -0.5, 0.5).min() > len(first) / 8


def test_squares_have_two_values_and_sawtooths_climb():
    x, y = Waves(128).test.all()
    assert {*x[y == 2].unique().tolist()} == {-1.0, 1.0}
    steps = x[y == 3].diff(dim=2)
    assert ((steps > 0).sum(2) >= 123).all()


def test_its_length_is_an_option():
    assert (Waves().sample_shape, Waves(64).sample_shape) == ((1, 128), (1, 64))
    assert Waves(64).fingerprint != Waves().fingerprint
    for length in (15, 4097):
        with pytest.raises(UsageError, match=r"data\.length: expected 16 to 4,096 numbers"):
            Waves(length)
