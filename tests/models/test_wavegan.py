"""WaveGAN: series of many lengths, phase shuffle written out, and what its nets are in the paper."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from parts import F64
from torch import nn

import ganzoo as zoo
from ganzoo.data.base import Dataset, Standardization
from ganzoo.data.tensors import TensorSplit
from ganzoo.errors import UsageError
from ganzoo.models.sample import pack
from ganzoo.models.wavegan import PhaseShuffle, steps_of
from ganzoo.registry import DATASETS, MODELS
from ganzoo.testing.training import tiny, want_exact_resume

# Everything that is 4 to 64 times a power of two from 2 on, written out.
BUILT = {base << k for base in range(4, 65) for k in range(1, 20)}


def wavegan(shape=(2, 64), **options):
    torch.manual_seed(0)
    return MODELS.get("wavegan")(shape, **{"width": 4, "z_dim": 5, **options})


def shifted(row, by):
    """One series shifted to the right, its edges reflected by numpy."""
    wide = np.pad(row, ((0, 0), (abs(by), abs(by))), mode="reflect")
    return wide[:, abs(by) - by :][:, : row.shape[1]]


@pytest.mark.parametrize(("length", "most"), [(9, 2), (16, 1), (3, 2), (2, 5)])
def test_phase_shuffle_shifts_each_series_and_reflects_its_edges(length, most):
    layer, x = PhaseShuffle(most), torch.randn(200, 3, length)
    torch.manual_seed(1)
    done = layer(x)
    most = min(most, length - 1)
    seen = set()
    for before, after in zip(x.numpy(), done.numpy(), strict=True):
        fitting = [by for by in range(-most, most + 1) if np.array_equal(shifted(before, by), after)]
        assert fitting  # all channels of a series go together
        seen |= {*fitting}
    assert seen == {*range(-most, most + 1)}


def test_phase_shuffle_is_for_training_alone_and_0_is_none():
    x = torch.randn(20, 1, 16)
    assert PhaseShuffle(2).eval()(x) is x
    assert PhaseShuffle(0)(x) is x
    gan = wavegan((2, 64), shuffle=3)
    assert [layer.most for layer in gan.discriminator.modules() if isinstance(layer, PhaseShuffle)] == [3]
    x = torch.randn(8, 2, 64)
    assert not torch.equal(gan.discriminator(x), gan.discriminator(x))
    gan.eval()
    assert torch.equal(gan.discriminator(x), gan.discriminator(x))


def test_phase_shuffle_can_be_differentiated_twice():
    layer = PhaseShuffle(2)

    def always_the_same(x):
        torch.manual_seed(3)
        return layer(x).square()

    x = torch.randn(3, 2, 6, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(always_the_same, x)
    assert torch.autograd.gradgradcheck(always_the_same, x)


@given(st.integers(1, 5000))
def test_lengths_that_are_built_and_lengths_that_are_refused(length):
    if length not in BUILT:
        with pytest.raises(UsageError, match="cannot build series of length") as error:
            steps_of(length)
        near = [int(word.rstrip(",")) for word in str(error.value).partition("nearest being ")[2].split()]
        assert len(near) == 3
        assert {*near} <= BUILT
        assert min(abs(other - length) for other in near) == min(abs(other - length) for other in BUILT)
        return
    factors = steps_of(length)
    assert factors == sorted(factors, reverse=True)
    assert {*factors} <= {2, 4}
    shortest, rest = divmod(length, int(np.prod(factors)))
    assert rest == 0
    assert 4 <= shortest <= 64
    # Two layers where it can, and no more than it needs.
    assert len(factors) <= 2 or shortest * factors[-1] > 16
    assert len(factors) >= 2 or shortest % 2 or shortest < 8


def test_the_paper_s_length_has_the_paper_s_nets():
    """Appendix D: 16 x 16d, five times 4, widths of d, 2d, 4d, 8d, 16d; kernels of 25."""
    assert steps_of(16384) == [4, 4, 4, 4, 4]
    gan = wavegan((1, 16384), **{"width": 2, "z_dim": 100})
    down = [layer for layer in gan.discriminator.modules() if isinstance(layer, nn.Conv1d)]
    up = [layer for layer in gan.generator.modules() if isinstance(layer, nn.ConvTranspose1d)]
    assert [(layer.in_channels, layer.out_channels) for layer in down] == [
        (1, 2), (2, 4), (4, 8), (8, 16), (16, 32)
    ]  # fmt: skip
    assert [(layer.in_channels, layer.out_channels) for layer in up] == [
        (32, 16), (16, 8), (8, 4), (4, 2), (2, 1)
    ]  # fmt: skip
    assert {(layer.kernel_size, layer.stride) for layer in (*down, *up)} == {((25,), (4,))}
    assert gan.generator.main[0].out_features == 32 * 16
    kinds = [type(layer).__name__ for layer in gan.discriminator.main]
    assert kinds == ["Conv1d", "LeakyReLU", "PhaseShuffle"] * 4 + ["Conv1d", "LeakyReLU", "Flatten"]


@pytest.mark.parametrize("length", [8, 12, 24, 50, 100, 128, 200, 252, 512, 3072])
@pytest.mark.parametrize("channels", [1, 3])
def test_nets_are_of_the_length_of_the_data(length, channels):
    gan = wavegan((channels, length), width=2)
    samples = gan.generator(gan.sample_z(3))
    assert samples.shape == (3, channels, length)
    assert gan.discriminator(samples).shape == (3,)


def test_samples_have_no_bounds():
    gan = wavegan()
    gan.generator.main[-1].weight.data.mul_(1000)
    assert gan.sample(gan.sample_z(8)).abs().max() > 3


@pytest.mark.parametrize(
    ("given", "y", "other"),
    [
        ({"num_classes": 3}, torch.tensor([0, 1, 2]), torch.tensor([1, 2, 0])),
        ({"condition_shape": (4,)}, torch.eye(3, 4), torch.ones(3, 4)),
    ],
)
def test_both_nets_are_told_what_a_sample_is_to_be(given, y, other):
    gan = wavegan(**given).eval()
    z, x = gan.sample_z(3), torch.randn(3, 2, 64)
    assert not torch.equal(gan.generator(z, y), gan.generator(z, other))
    assert (gan.discriminator(x, y) != gan.discriminator(x, other)).all()


def test_packed_series_are_judged_together():
    gan = wavegan(pack=2).eval()
    x = torch.randn(6, 2, 64)
    said = gan.discriminator(pack(x, 2))
    assert said.shape == (3,)
    x[1] = 0.0
    assert (gan.discriminator(pack(x, 2)) != said).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((1, 28, 28), {}, r"images of shape \(1, 28, 28\): use mlp-gan, or dcgan for images"),
        ((7,), {}, "makes series .* these data are vectors"),
        ((1, 4), {}, "length 4: it takes 4 to 64 times 2, 4, 8, ..., the nearest being 8, 10, 12"),
        ((1, 130), {}, "length 130"),
        ((1, 64), {"width": 0}, "model.width: expected a whole number of at least 1"),
        ((1, 64), {"shuffle": -1}, "model.shuffle: expected a whole number of at least 0"),
        ((1, 64), {"condition_shape": (1, 8, 8)}, "takes classes or vectors as conditions"),
    ],
)
def test_nonsense_is_refused(shape, options, words):
    with pytest.raises(UsageError, match=words):
        wavegan(shape, **options)


@pytest.mark.parametrize(
    "words",
    [{}, {"recipe": "paper"}, {"conditional": True, "stabilizer": ["spectral-norm", "packing:m=2"]}],
)
def test_it_resumes_exactly(words):
    config, data = tiny("wavegan", (2, 32), set=["width=4"], **words)
    want_exact_resume(config, data, "wavegan")


class Sines(Dataset):
    """Sines of three periods in 64 points, of any phase, and their fifths at half the height."""

    name = "sines"
    sample_shape = (1, 64)
    fingerprint = "sines"
    eval_samples = 500

    def __init__(self) -> None:
        phase = torch.rand(3000, 1, generator=torch.Generator().manual_seed(0))
        wave = 2 * torch.pi * (3 * torch.arange(64) / 64 + phase)
        x = (5.0 + 2.0 * wave.sin() + wave.mul(5).sin())[:, None]
        self.standardization = Standardization.of(x)
        self.train = TensorSplit(x[1000:], None, self.from_units(x[1000:]))
        self.test = TensorSplit(x[:1000], None, self.from_units(x[:1000]))


def test_from_the_command_line(ganzoo):
    with DATASETS.lent("sines", Sines):
        words = "--dataset sines --steps 2 --batch-size 8 --set model.width=4 --out X"
        assert ganzoo(f"run wavegan {words}").code == 0
        rows = list(map(json.loads, Path("X/log.jsonl").read_text().splitlines()))
        assert np.isfinite([rows[-1]["d_loss"], rows[-1]["g_loss"]]).all()
        assert ganzoo("sample X -n 3 --out x.npz").code == 0
        with np.load("x.npz") as kept:
            assert kept["samples"].shape == (3, 1, 64)
        assert ganzoo("sample X --interpolate -n 8").code == 0
        assert ganzoo("resume X --steps 4").code == 0


def spectrum(x):
    """The power of each frequency, the mean over samples."""
    return torch.fft.rfft(x[:, 0] - x[:, 0].mean()).abs().square().mean(0) / 64**2


@pytest.mark.slow
def test_it_learns_the_spectrum_of_sines():
    with DATASETS.lent("sines", Sines):
        run = zoo.train("wavegan", "sines", steps=1200, progress=False)
        made, real = run.sample(500), run.dataset.test.all()[0]
        ours, theirs = spectrum(made), spectrum(real)
        assert torch.topk(ours, 2).indices.tolist() == torch.topk(theirs, 2).indices.tolist() == [3, 15]
        torch.testing.assert_close(ours[[3, 15]], theirs[[3, 15]], rtol=0.25, atol=0.0)
        assert float(ours.sum() - ours[[3, 15]].sum()) < 0.15 * float(ours.sum())
        # Of any phase, as the data are.
        phases = torch.fft.rfft(made[:, 0])[:, 3].angle()
        assert torch.histc(phases, 8, -torch.pi, torch.pi).min() > 8
