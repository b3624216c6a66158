"""pix2pix: U-Net, a D of patches that sees the condition, and equation 4, written out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from parts import F64, assert_gradients, double_z, images, model, moved, step_of, twin, weights
from torch import nn

import ganzoo as zoo
from ganzoo.data.base import Dataset
from ganzoo.data.tensors import TensorSplit
from ganzoo.errors import UsageError
from ganzoo.models.sample import pack
from ganzoo.models.translation import PatchCritic, UNet
from ganzoo.registry import DATASETS, MODELS
from ganzoo.stabilizers.augment import InstanceNoise
from ganzoo.testing.training import tiny, want_exact_resume

softplus = torch.nn.functional.softplus
SHOWN = (2, 8, 8)


def pix2pix(shape=(1, 8, 8), **options):
    gan = model("pix2pix", shape, **{"condition_shape": SHOWN, "z_dim": 5, "dropout": 0.0, **options})
    double_z(gan)
    return gan


def shown(n=6, shape=SHOWN, seed=3):
    return images(n, shape, seed)


@pytest.mark.parametrize(("weight", "loss"), [(100.0, "non-saturating"), (7.0, "relativistic")])
def test_g_minimises_its_loss_and_the_difference_from_what_belongs_to_the_condition(weight, loss):
    gan = pix2pix(weight=weight)
    before = twin(gan)
    x, y = images(), shown()
    torch.manual_seed(1)
    step = step_of(gan, lr_g=0.01, loss=loss)
    step(lambda i: (x, y))
    torch.manual_seed(1)
    fake = before.generator(gan.sample_z(6), y)
    off = sum((a - b).abs().mean() for a, b in zip(fake, x, strict=True)) / 6
    logits = before.discriminator(fake, y)
    if loss == "relativistic":
        plain = softplus(before.discriminator(x, y) - logits).mean()
    else:
        plain = softplus(-logits).mean()
    assert_gradients(gan.generator, plain + weight * off, 0.01, before.generator)
    assert moved(gan, weights(before)) == {"generator"}
    assert step.meter.read()["g_term/l1"] == pytest.approx(weight * float(off.detach()))


def test_d_tells_pairs_apart_patch_by_patch_and_knows_no_difference():
    gan = pix2pix()
    before = twin(gan)
    x, y = images(), shown()
    torch.manual_seed(1)
    step = step_of(gan, lr_d=0.1)
    step(lambda i: (x, y))
    torch.manual_seed(1)
    fake = before.generator(gan.sample_z(6), y).detach()
    real_logits, fake_logits = before.discriminator(x, y), before.discriminator(fake, y)
    assert real_logits.shape == (6, 2, 2)
    loss = softplus(-real_logits).mean() + softplus(fake_logits).mean()
    assert_gradients(gan.discriminator, loss, 0.1, before.discriminator)
    assert moved(gan, weights(before)) == {"discriminator"}
    assert not any(name.startswith("d_term") for name in step.meter.read())


def test_the_difference_is_that_of_what_g_made_and_not_of_what_d_sees():
    x, y = images(), shown()
    said = []
    for stabilizers in ([], [InstanceNoise(std=3.0)]):
        gan = pix2pix()
        torch.manual_seed(1)
        step = step_of(gan, stabilizers=stabilizers)
        step(lambda i: (x, y))
        said.append(step.meter.read())
    assert said[0]["g_term/l1"] == said[1]["g_term/l1"]
    assert said[0]["g_loss"] != said[1]["g_loss"]


def test_a_sample_with_the_wrong_condition_is_judged_otherwise():
    d, x, y = pix2pix().eval().discriminator, images(), shown()
    assert (d(x, y) != d(x, y.flip(0))).any(2).any(1).all()
    assert (d(x, y) != d(x.flip(0), y)).any(2).any(1).all()


def test_packed_samples_are_judged_beside_their_conditions():
    gan, x, y = pix2pix(pack=2).eval(), images(), shown()
    side_by_side = torch.cat(
        [torch.cat([x[0], x[1], y[0], y[1]])[None], torch.cat([x[2], x[3], y[2], y[3]])[None]]
    )
    torch.testing.assert_close(gan.discriminator(pack(x, 2), y)[:2], gan.discriminator(side_by_side, None))
    seen = []
    gan.discriminator.register_forward_hook(lambda net, inputs, output: seen.append(output.shape))
    step_of(gan.train())(lambda i: (x, y))
    assert {*seen} == {(3, 2, 2)}


def test_each_skip_reaches_the_layer_of_its_size():
    """With the lowest map cut off, what is left comes by the skips; with these cut off, it is coarse."""
    torch.manual_seed(0)
    net = UNet([4, 8, 16, 32], 1, 1, 3, 4, 0.0).double().eval()
    y = torch.randn(1, 1, 32, 32, dtype=F64, requires_grad=True)
    z = torch.randn(1, 3, dtype=F64)
    sizes = []
    for up in net.up:
        up.register_forward_hook(lambda net, inputs, output: sizes.append((inputs[0].shape, output.shape)))
    net(z, y)
    assert [(a[1], b[1]) for a, b in sizes] == [(16 + 3, 8), (8 + 8, 4), (4 + 4, 1)]
    assert [(a[2], b[2]) for a, b in sizes] == [(4, 8), (8, 16), (16, 32)]

    def reach(pixel):
        """How many pixels of the input the gradient of one of the output's goes to."""
        (gradient,) = torch.autograd.grad(net(z, y)[0, 0, pixel, pixel], y)
        return int((gradient != 0).sum())

    assert reach(16) > 400
    net.up[-1][-1].weight.data[:4] = 0.0  # what came from below
    # A transposed convolution sees 2 x 2 of the map of half the side, which sees 4 x 4 of the input.
    assert reach(16) == 36


def test_the_output_follows_the_input_pixel_by_pixel():
    """Full resolution comes through: of a U-Net without skips, the same test fails."""
    torch.manual_seed(0)
    net = UNet([4, 8, 16], 1, 1, 3, 8, 0.0).eval()
    y = torch.randint(0, 2, (64, 1, 16, 16)) * 2.0 - 1.0  # a pattern that no map of 4 x 4 holds
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(60):
        loss = (net(torch.zeros(64, 3), y) + y).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.2


def test_z_has_an_effect_and_dropout_is_for_training_alone():
    gan = pix2pix((1, 64, 64), condition_shape=(2, 64, 64), dropout=0.5)
    y, z = shown(shape=(2, 64, 64)), gan.sample_z(6)
    torch.manual_seed(1)
    first = gan.generator(z, y)
    assert not torch.equal(first, gan.generator(z, y))
    gan.eval()
    assert torch.equal(gan.generator(z, y), gan.generator(z, y))
    assert (gan.generator(z, y) != gan.generator(z.flip(0), y)).flatten(1).any(1).all()
    rates = [layer.p for layer in gan.generator.modules() if isinstance(layer, nn.Dropout)]
    assert rates == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(("size", "patch"), [(256, 70), (128, 70), (64, 70), (32, 34), (16, 16), (8, 16)])
def test_patches_are_of_the_papers_size(size, patch):
    """By the support of the gradient, in an image that is large enough for it."""
    torch.manual_seed(0)
    critic = PatchCritic(size, 1, 2, nn.Identity).double()
    for layer in critic.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data.abs_()  # so that no two ways cancel out
    x = torch.rand(1, 1, 160, 160, dtype=F64, requires_grad=True)
    logits = critic(x)
    at = logits.shape[1] // 2
    (gradient,) = torch.autograd.grad(logits[0, at, at], x)
    for over in (2, 3):
        assert int((gradient != 0).any(over).sum()) == patch


def test_the_papers_d_is_c64_c128_c256_c512():
    critic = PatchCritic(256, 6, 64, nn.BatchNorm2d, sees=True)
    layers = [layer for layer in critic.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in layers] == [64, 128, 256, 512, 1]
    assert [layer.stride[0] for layer in layers] == [2, 2, 2, 1, 1]
    assert critic(torch.zeros(1, 3, 256, 256), torch.zeros(1, 3, 256, 256)).shape == (1, 30, 30)
    norms = [layer for layer in critic.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert [layer.num_features for layer in norms] == [128, 256, 512]  # none in the first


def test_weights_start_as_in_the_paper():
    gan = MODELS.get("pix2pix")((3, 32, 32), width=32, condition_shape=(1, 32, 32))
    drawn = torch.cat([p.detach().flatten() for p in gan.parameters() if p.dim() == 4])
    assert float(drawn.std()) == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((1, 8, 8), {"condition_shape": ()}, "such as pairs:PATH, and cannot do without the condition"),
        (
            (1, 8, 8),
            {"condition_shape": (1, 16, 16)},
            "as large as those .*pairs:PATH makes both of one size",
        ),
        ((1, 8, 8), {"condition_shape": (3,)}, "takes images as conditions"),
        ((1, 8, 16), {"condition_shape": (1, 8, 16)}, "square images of 4, 5, 6 or 7"),
        ((2, 8), {}, "pix2pix makes images, and these data are series"),
        ((1, 8, 8), {"dropout": 1.0}, r"model.dropout in \[0, 1\)"),
        ((1, 8, 8), {"weight": -1.0}, "model.weight of at least 0"),
        ((1, 8, 8), {"d_width": -2}, "model.d_width"),
    ],
)
def test_nonsense_is_refused(shape, options, words):
    with pytest.raises(UsageError, match=words):
        pix2pix(shape, **options)


@pytest.mark.parametrize("words", [{}, {"stabilizer": ["packing:m=2", "instance-noise"]}])
def test_it_resumes_exactly(words):
    config, data = tiny("pix2pix", (3, 8, 8), (1, 8, 8), set=["width=4"], **words)
    assert config.conditional
    want_exact_resume(config, data, "pix2pix")


class Negatives(Dataset):
    """Digits, and their negatives, which are to be made of them."""

    name = "negatives"
    sample_shape = condition_shape = (1, 28, 28)
    fingerprint = "negatives"

    def __init__(self) -> None:
        digits = DATASETS.make("mnist-5k")
        parts = (split.all()[0] for split in (digits.train, digits.test))
        self.train, self.test = (TensorSplit(255 - x, x) for x in parts)


def test_from_the_command_line(ganzoo):
    with DATASETS.lent("negatives", Negatives):
        words = "--dataset negatives --steps 2 --batch-size 8 --set model.width=4 --out X"
        assert ganzoo(f"run pix2pix {words}").code == 0
        rows = list(map(json.loads, Path("X/log.jsonl").read_text().splitlines()))
        assert rows[-1]["g_term/l1"] > 0
        assert ganzoo("sample X -n 3 --out x.npz").code == 0
        with np.load("x.npz") as kept:
            assert kept["samples"].shape == kept["conditions"].shape == (3, 1, 28, 28)
        assert ganzoo("sample X --interpolate -n 8").code == 0
        assert ganzoo("resume X --steps 4").code == 0


@pytest.mark.slow
def test_it_learns_what_belongs_to_a_condition():
    with DATASETS.lent("negatives", Negatives):
        run = zoo.train("pix2pix", "negatives", steps=400, set={"model.width": 12}, progress=False)
        x, y = run.dataset.test.all()
        made = run.sample(200, condition=y[:200]).float()
        off = float((made - x[:200].float()).abs().mean()) / 255
        assert float((x[:200].float() - x.float().mean(0)).abs().mean()) / 255 > 0.14  # of one for all
        assert off < 0.04
