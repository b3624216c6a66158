"""The Fourier features through which D sees vectors."""

from __future__ import annotations

import pytest
import torch

from ganzoo.errors import UsageError
from ganzoo.models.layers import FourierFeatures
from ganzoo.registry import MODELS


@pytest.mark.parametrize("inputs", [1, 2, 7])
def test_waves_of_known_frequencies_along_unit_directions(inputs):
    torch.manual_seed(0)
    features = FourierFeatures(inputs, 2000)
    frequencies = features.waves.norm(dim=0)
    low, high = FourierFeatures.FREQUENCIES
    assert low <= frequencies.min() < 1.02 * low
    assert high >= frequencies.max() > 0.98 * high
    # Even on a logarithmic scale: as many in each half of it.
    below = float((frequencies < (low * high) ** 0.5).double().mean())
    assert below == pytest.approx(0.5, abs=0.05)
    x = torch.randn(5, inputs)
    out = features(x)
    assert out.shape == (5, features.width) == (5, inputs + 4000)
    assert torch.equal(out[:, :inputs], x)
    sine, cosine = out[:, inputs:].chunk(2, dim=1)
    torch.testing.assert_close(sine.square() + cosine.square(), torch.ones(5, 2000))
    torch.testing.assert_close(sine, (x @ features.waves).sin())


def test_waves_are_kept_with_the_weights_and_not_trained():
    gan = MODELS.get("r3gan")((2,), fourier=8, width=8)
    assert "main.1.waves" in gan.discriminator.state_dict()
    assert not any("waves" in name for name, _ in gan.discriminator.named_parameters())


@pytest.mark.parametrize("model", ["mlp-gan", "r3gan"])
@pytest.mark.parametrize(("shape", "fourier"), [((2,), -1), ((1, 28, 28), 8)])
def test_refused_where_it_has_no_meaning(model, shape, fourier):
    with pytest.raises(UsageError, match=r"model\.fourier: expected"):
        MODELS.get(model)(shape, fourier=fourier)


def test_packed_samples_are_seen_through_waves_too():
    gan = MODELS.get("mlp-gan")((2,), fourier=8, pack=3, d_width=8)
    assert gan.discriminator(torch.randn(4, 6)).shape == (4,)
