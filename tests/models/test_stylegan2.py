"""StyleGAN2's layers and its path length regularisation, against the papers' equations written out."""

from __future__ import annotations

import math

import pytest
import torch
from resuming import N, assert_same, interrupted
from test_growing import colour_images
from torch import nn
from torch.nn import functional as F
from toys import ToyGAN, toy_step, turn_of

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.models.equalized import equalized
from ganzoo.models.styled import SLOW, ModulatedConv, Smooth, slow
from ganzoo.models.stylegan2 import Block, StyleGAN2
from ganzoo.stabilizers.path_length import PathLength, path_lengths
from ganzoo.stabilizers.penalties import R1, R2
from ganzoo.training.checkpoint import load_checkpoint, saved, write_state
from ganzoo.training.restoring import restored
from ganzoo.training.sampling import draw

F64 = torch.float64


def built(shape=(1, 16, 16), **options):
    torch.manual_seed(0)
    return StyleGAN2(shape, **{"z_dim": 6, "w_dim": 5, "depth": 2, "width": 4, "max_width": 8} | options)


def noisy(gan):
    """The same with a noise strength of 1 everywhere, where it starts without any."""
    for name, parameter in gan.named_parameters():
        if name.endswith("strength"):
            nn.init.ones_(parameter)
    return gan


def modulated(gain=1.0, up=False, n=5):
    torch.manual_seed(1)
    layer = ModulatedConv(6, 7, w_dim=4, kernel=3, gain=gain, up=up).double()
    nn.init.normal_(layer.bias)
    return layer, torch.randn(n, 6, 8, 8, dtype=F64), torch.randn(n, 4, dtype=F64)


def weights_of_samples(layer, w):
    """Equations 1 and 3, written as they are. [N, after, before, k, k]"""
    weight = torch.einsum("ni,oikl->noikl", layer.style(w), layer.conv.weight)
    if layer.gain is None:
        return weight
    return layer.gain * weight / (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()


# The modulated convolution


@pytest.mark.parametrize("gain", [None, 1.0, math.sqrt(2)])
def test_one_convolution_for_all_samples_is_a_convolution_for_each(gain):
    layer, x, w = modulated(gain)
    each = weights_of_samples(layer, w)
    one_by_one = torch.cat([F.conv2d(x[n : n + 1], each[n], layer.bias, padding=1) for n in range(len(x))])
    grouped = F.conv2d(x.reshape(1, -1, 8, 8), each.flatten(0, 1), padding=1, groups=len(x))
    torch.testing.assert_close(layer(x, w), one_by_one)
    torch.testing.assert_close(layer(x, w), grouped.view(5, 7, 8, 8) + layer.bias.view(1, -1, 1, 1))
    # So are the gradients to all that is learnt.
    target = torch.randn_like(one_by_one)
    for a, b in zip(
        *(torch.autograd.grad(y, tuple(layer.parameters()), target) for y in (layer(x, w), one_by_one)),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_enlarging_is_bilinear_and_before_the_convolution():
    """Away from the borders, where each filter continues the map in its own way."""
    layer, x, w = modulated(up=True)
    large = F.interpolate(x, scale_factor=2, mode="bilinear")
    each = weights_of_samples(layer, w).flip((3, 4))  # a transposed convolution turns the kernel round
    expected = torch.cat([F.conv2d(large[n : n + 1], each[n], layer.bias) for n in range(len(x))])
    ours = layer(x, w)
    assert ours.shape == (5, 7, 16, 16)
    torch.testing.assert_close(ours[:, :, 2:-2, 2:-2], expected[:, :, 1:-1, 1:-1])


@pytest.mark.parametrize("size", [0.01, 1.0, 100.0])
def test_demodulated_outputs_have_variance_one_whatever_the_style(size):
    layer, _, w = modulated(n=200)
    nn.init.zeros_(layer.bias)
    x = torch.randn(200, 6, 8, 8, dtype=F64)
    with torch.no_grad():
        for parameter in layer.style.parameters():
            parameter.mul_(size)
        y = layer(x, w)[:, :, 1:-1, 1:-1]
        layer.gain = None
        plain = layer(x, w)[:, :, 1:-1, 1:-1]
    for o in range(7):
        assert float(y[:, o].std()) == pytest.approx(1.0, rel=0.03)
    assert float(plain.std()) > 0.3 * size
    assert float(plain.std()) < 3.0 * size


def test_a_style_of_one_leaves_the_weight_alone():
    layer, x, w = modulated()
    nn.init.zeros_(layer.style.parametrizations.weight.original)
    weight = layer.conv.weight
    expected = F.conv2d(x, weight / weight.flatten(1).norm(dim=1)[:, None, None, None], padding=1)
    torch.testing.assert_close(layer(x, w), expected + layer.bias.view(1, -1, 1, 1))


def test_styles_start_around_one():
    torch.manual_seed(0)
    styles = ModulatedConv(512, 4, w_dim=64).style(torch.randn(100, 64)).detach()
    assert float(styles.mean()) == pytest.approx(1.0, abs=0.02)
    assert float(styles.std()) == pytest.approx(1.0, abs=0.05)


# The other layers


def thrice_averaged(x):
    """[1, 3, 3, 1] is [1, 1] three times. [..., s, s] -> [..., s - 3, s - 3]"""
    for _ in range(3):
        x = F.avg_pool2d(x, 2, stride=1)
    return x


def test_smooth_is_its_filter():
    x = torch.randn(2, 3, 9, 9, dtype=F64)
    torch.testing.assert_close(Smooth(padding=0)(x), thrice_averaged(x))
    torch.testing.assert_close(Smooth(padding=2, gain=4.0)(x), 4 * thrice_averaged(F.pad(x, (2, 2, 2, 2))))
    torch.testing.assert_close(
        Smooth(padding=1, stride=2)(x), thrice_averaged(F.pad(x, (1, 1, 1, 1)))[:, :, ::2, ::2]
    )


@pytest.mark.parametrize("side", [8, 14])
def test_ds_block_convolves_then_halves_beside_its_skip(side):
    torch.manual_seed(0)
    block = Block(3, 5).double()
    x = torch.randn(2, 3, side, side, dtype=F64)
    first, _, _, second, _ = block.main
    h = F.leaky_relu(first(x), 0.2)
    h = F.conv2d(h, second.weight, second.bias, padding=1)
    h = F.leaky_relu(thrice_averaged(F.pad(h, (1, 1, 1, 1)))[:, :, ::2, ::2], 0.2)
    skip = F.conv2d(thrice_averaged(F.pad(x, (1, 1, 1, 1)))[:, :, ::2, ::2], block.skip[1].weight)
    ours = block(x)
    assert ours.shape == (2, 5, side // 2, side // 2)
    # At the border a smoothed convolution and a convolution of what is smoothed differ in what is outside.
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(ours[inside], ((h + skip) / math.sqrt(2))[inside])


def test_the_mapping_network_starts_as_others_and_learns_a_hundredth_as_fast():
    torch.manual_seed(0)
    layers = slow(nn.Linear(300, 400)), equalized(nn.Linear(300, 400))
    x = torch.randn(50, 300)
    changes = []
    for layer in layers:
        assert float(layer.weight.detach().std()) == pytest.approx(math.sqrt(2 / 300), rel=0.02)
        before = layer.weight.detach().clone(), layer.bias.detach().clone()
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
        layer(x).square().sum().backward()
        optimizer.step()
        after = layer.weight.detach(), layer.bias.detach()
        changes.append([(a - b).abs().mean() for a, b in zip(after, before, strict=True)])
    for one, other in zip(*changes, strict=True):
        torch.testing.assert_close(one, SLOW * other, rtol=0.01, atol=0)


def test_parameters_are_as_many_as_the_papers():
    """1024 px: "25M" in G for configuration E, and "30M" with twice the maps at high resolutions for F."""
    for width, millions in ((16, 24.9), (32, 30.4)):
        with torch.device("meta"):
            gan = StyleGAN2((3, 1024, 1024), 512, w_dim=512, depth=8, width=width, max_width=512)
        count = sum(p.numel() for p in gan.generator.parameters())
        assert count / 1e6 == pytest.approx(millions, abs=0.05)


# Styles and noise


@pytest.mark.parametrize("z", ["normal", "uniform"])
def test_most_training_samples_change_to_another_w_somewhere(z):
    gan = built((1, 32, 32), z=z)
    generator, n = gan.generator, 20_000
    generator.mapping = nn.Identity()  # w is z: one sees who is who
    own = gan.sample_z(n)
    w = generator.styles(own)
    layers = w.shape[1]
    assert layers == generator.synthesis.layers == 8
    mine = (w == own[:, None]).all(2)
    change = mine.sum(1)
    assert (mine == (torch.arange(layers) < change[:, None])).all()  # own ones first, another's after
    assert (change >= 1).all()
    counts = torch.bincount(change, minlength=layers + 1)[1:] / n
    expected = torch.tensor([0.9 / 7] * 7 + [0.1])
    torch.testing.assert_close(counts, expected, atol=0.01, rtol=0)
    mixed = w[:, -1][change < layers]
    assert float(mixed.std()) == pytest.approx(float(own.std()), rel=0.02)
    assert z == "normal" or float(mixed.abs().max()) <= 1.0
    for n in range(20):
        assert len(w[n].unique(dim=0)) <= 2
    generator.eval()
    assert torch.equal(generator.styles(own), own[:, None].expand(-1, layers, -1))


def test_the_label_goes_with_both_styles():
    gan = built(num_classes=3)
    generator = gan.generator
    generator.mapping = nn.Identity()
    y = torch.arange(60) % 3
    w = generator.styles(gan.sample_z(60), y)
    assert torch.equal(w[:, :, gan.z_dim :], generator.latent.embed(y)[:, None].expand(-1, w.shape[1], -1))


def test_each_training_sample_has_noise_of_its_own_and_a_drawn_batch_shares_one():
    gan = noisy(built())
    synthesis = gan.generator.synthesis
    w = gan.generator.eval().styles(gan.sample_z(1)).expand(4, -1, -1)
    images = synthesis(w)
    for image in images[1:]:
        torch.testing.assert_close(image, images[0])
    assert not torch.allclose(synthesis(w), images, atol=1e-3)
    synthesis.train()
    images = synthesis(w)
    assert not torch.allclose(images[0], images[1], atol=1e-3)


def test_samples_follow_from_the_seed_and_the_first_come_first():
    gan = noisy(built()).eval()
    many = draw(gan, 300, seed=1)
    assert torch.equal(many, draw(gan, 300, seed=1))
    torch.testing.assert_close(many[:40], draw(gan, 40, seed=1))
    assert not torch.allclose(many, draw(gan, 300, seed=2), atol=1e-2)


# Path length regularisation


class Drawn(nn.Module):
    """z -> w [N, 2, 3] and w -> images [N, 1, 2, 3], small enough to write out the Jacobian."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        self.into, self.first, self.second = (
            nn.Parameter(torch.randn(shape, generator=generator, dtype=F64))
            for shape in ((4, 6), (3, 6), (3, 6))
        )

    def styles(self, z, y=None):
        scale = 1.0 if y is None else (1.0 + y[:, None])
        return (scale * torch.tanh(z @ self.into)).view(-1, 2, 3)

    def synthesis(self, w):
        return (torch.tanh(w[:, 0] @ self.first) * (w[:, 1] @ self.second)).view(-1, 1, 2, 3)

    def forward(self, z, y=None):
        return self.synthesis(self.styles(z, y))


class DrawnGAN(ToyGAN):
    def __init__(self):
        super().__init__((6,), z_dim=4)
        self.generator = Drawn()


def explicit_lengths(generator, w, noise):
    """|J'y| from the whole Jacobian [pixels, layers * w_dim], a sample at a time."""
    lengths = []
    for one, y in zip(w, noise, strict=True):
        jacobian = torch.autograd.functional.jacobian(
            lambda v: generator.synthesis(v[None]).flatten(), one, create_graph=True
        )
        lengths.append((y.flatten() @ jacobian.flatten(1)).norm())
    return torch.stack(lengths) / math.sqrt(2 * 6)  # layers, pixels


def test_path_lengths_are_those_of_the_whole_jacobian():
    generator = Drawn()
    w = generator.styles(torch.randn(5, 4, dtype=F64))
    images = generator.synthesis(w)
    noise = torch.randn_like(images)
    torch.testing.assert_close(path_lengths(images, w, noise), explicit_lengths(generator, w, noise))


def penalise(stabilizer, gan, seed=3, batch=7, **told):
    stabilizer.setup(gan)
    torch.manual_seed(seed)
    return stabilizer.g_penalty(turn_of("g", gan, z=torch.zeros(batch, gan.z_dim), **told))


@pytest.mark.parametrize("y", [None, torch.tensor([0, 1, 2, 0, 2, 1, 1])], ids=["plain", "labels"])
def test_the_penalty_and_its_gradient_are_those_of_the_equation(y):
    gan = DrawnGAN()
    one = penalise(PathLength(weight=0.5, decay=0.25, interval=4), gan, y=y)
    torch.manual_seed(3)
    z = gan.sample_z(4)  # half of 7, rounded up
    w = gan.generator.styles(z, None if y is None else y[:4])
    lengths = explicit_lengths(gan.generator, w, torch.randn(4, 1, 2, 3, dtype=F64))
    expected = 4 * 0.5 * (lengths - 0.25 * lengths.mean().detach()).square().mean()
    torch.testing.assert_close(one, expected)
    parameters = list(gan.generator.parameters())
    for a, b in zip(*(torch.autograd.grad(v, parameters) for v in (one, expected)), strict=True):
        torch.testing.assert_close(a, b)


def test_the_running_mean_forgets_by_its_decay():
    gan, stabilizer = DrawnGAN(), PathLength(decay=0.2, interval=1)
    mean = 0.0
    for seed in range(5):
        torch.manual_seed(seed)
        w = gan.generator.styles(gan.sample_z(4))
        length = float(explicit_lengths(gan.generator, w, torch.randn(4, 1, 2, 3, dtype=F64)).mean().detach())
        penalise(stabilizer, gan, seed)
        mean = 0.8 * mean + 0.2 * length
        assert stabilizer.state == {"mean": pytest.approx(mean)}


def test_it_comes_every_kth_step_k_times_as_strong_and_scaled():
    gan, lazy = DrawnGAN(), PathLength(interval=4)
    every = penalise(PathLength(interval=1), gan)
    torch.testing.assert_close(penalise(lazy, gan, scale=0.5), 4 * 0.5 * every)
    for step in (1, 2, 3, 5):
        before = dict(lazy.state)
        assert penalise(lazy, gan, step=step) is None
        assert lazy.state == before
    assert penalise(lazy, gan, step=8) is not None


@pytest.mark.parametrize("as_number", [False, True], ids=["a tensor", "a number, as contract 1 kept it"])
def test_its_state_goes_through_a_file_to_the_last_bit(tmp_path, as_number):
    gan = built()
    first, second = PathLength(), PathLength()
    for seed in range(3):
        penalise(first, gan, seed)
    kept = {"mean": float(first.state["mean"])} if as_number else first.state
    write_state(tmp_path / "half.safetensors", {"path-length": kept})
    read = load_checkpoint(tmp_path / "half.safetensors")["path-length"]
    second.state = restored("path-length", read, second.state, torch.device("cpu"))
    assert first.state["mean"] > 0.0
    assert not first.state["mean"].requires_grad
    for seed in range(3, 6):
        a, b = (penalise(stabilizer, gan, seed) for stabilizer in (first, second))
        assert torch.equal(a, b)
        assert first.state == second.state


def test_it_makes_path_lengths_more_alike():
    """On a generator whose first w direction counts ten times as much as the others."""
    gan = DrawnGAN()
    gan.generator.first.data[0] *= 10.0
    stabilizer, optimizer = (
        PathLength(decay=0.1, interval=1),
        torch.optim.Adam(gan.generator.parameters(), 0.01),
    )

    def spread():
        torch.manual_seed(9)
        w = gan.generator.styles(gan.sample_z(500))
        images = gan.generator.synthesis(w)
        lengths = path_lengths(images, w, torch.randn_like(images)).detach()
        return float(lengths.std() / lengths.mean())

    before = spread()
    for seed in range(300):
        optimizer.zero_grad()
        penalise(stabilizer, gan, seed, batch=64).backward()
        optimizer.step()
    assert spread() < 0.8 * before


def test_it_is_computed_in_full_precision_whatever_the_nets_run_in():
    gan = noisy(built())
    with torch.autocast("cpu", torch.bfloat16):
        value = penalise(PathLength(), gan)
    assert value.dtype == torch.float32
    assert torch.equal(value, penalise(PathLength(), gan))


@pytest.mark.parametrize("model", ["dcgan", "msg-gan"])
def test_a_generator_without_a_mapping_network_is_refused(model):
    with pytest.raises(UsageError, match="needs a generator with a mapping network, as stylegan2"):
        PathLength().setup(ganzoo.MODELS.get(model)((1, 16, 16), width=4))


@pytest.mark.parametrize("options", [{"weight": -1.0}, {"decay": 0.0}, {"decay": 1.1}, {"interval": 0}])
def test_options_without_a_meaning_are_refused(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        PathLength(**options)


# In training


@pytest.mark.parametrize("pack", [1, 2])
@pytest.mark.parametrize("classes", [0, 3])
def test_all_penalties_at_once(pack, classes):
    gan = built((3, 16, 16), pack=pack, num_classes=classes)
    stabilizers = [R1(), R2(), PathLength(interval=1)]
    step = toy_step(stabilizers=stabilizers, gan=gan, lr=0.01)
    before = {key: value.clone() for key, value in gan.named_parameters()}
    y = torch.arange(8) % classes if classes else None
    for seed in range(3):
        torch.manual_seed(seed)
        step(lambda i: (torch.rand(8, 3, 16, 16) * 2 - 1, y))
    for key, value in gan.named_parameters():
        assert torch.isfinite(value).all()
        assert not torch.equal(value, before[key]), key


def test_resume_bit_for_bit(monkeypatch, tmp_path):
    colour_images(tmp_path / "colour")
    words = {"model": "stylegan2", "dataset": "folder:colour", "conditional": True, "batch_size": 4,
             "steps": N, "stabilizer": ["r1:interval=2", "path-length:interval=2"],
             "set": {"model.width": 4, "model.max_width": 8, "model.w_dim": 8}}  # fmt: skip
    whole = ganzoo.train(**words, progress=False)
    interrupted(words, "parts", monkeypatch)
    parts = ganzoo.resume("parts", progress=False)
    one, other = (load_checkpoint(saved(run.path)[-1]) for run in (whole, parts))
    assert one["step"] == N
    assert one["stabilizers"]["path-length"]["mean"] > 0.0
    assert_same(one, other)
    assert torch.equal(whole.sample(5), parts.sample(5))
