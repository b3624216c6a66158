"""ProGAN's growing, MSG-GAN's pyramid, and the blocks that they share."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.models.equalized import BatchStd, EqualizedHead, PixelNorm, equalized
from ganzoo.models.layers import widths_of
from ganzoo.models.msg import MSGGAN
from ganzoo.models.progan import ProGAN, double
from ganzoo.models.sample import map_sample, pack
from ganzoo.training.checkpoint import load_checkpoint, saved
from ganzoo.training.trainer import Callback, Trainer

SHAPES = [(1, 28, 28), (3, 32, 32)]
SMALL = {"width": 4, "max_width": 8, "z_dim": 5}
TIMES = [i / 24 for i in range(25)]
EPSILON = 1e-9


def built(kind=ProGAN, shape=(1, 28, 28), classes=0, **options):
    torch.manual_seed(0)
    return kind(shape, num_classes=classes, **SMALL | options).double()


def inputs(gan, n=4):
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(n, gan.z_dim, generator=generator, dtype=torch.float64)
    x = torch.rand(n, *gan.sample_shape, generator=generator, dtype=torch.float64) * 2 - 1
    return z, x, torch.arange(n) % gan.num_classes if gan.num_classes else None


def outputs(gan, n=4):
    """What G makes, what D says of it and of real images. All of these depend on the stage."""
    z, x, y = inputs(gan, n)
    with torch.no_grad():
        fake = gan.generator(z, y)
        return fake, gan.discriminator(fake, y), gan.view(x), gan.discriminator(gan.view(x), y)


def fades(gan):
    """(start, end) of each resolution's fade in the plan's time, lowest first."""
    top = len(gan.sizes) - 1
    total = top * (1 + gan.fade) + gan.last
    return [((k * (1 + gan.fade) + 1) / total, (k + 1) * (1 + gan.fade) / total) for k in range(top)]


both = pytest.mark.parametrize(("shape", "classes"), [(SHAPES[0], 0), (SHAPES[0], 3), (SHAPES[1], 3)])


def test_a_fresh_model_is_grown_up_and_views_as_it_is():
    gan = built()
    _, x, _ = inputs(gan)
    assert gan.view(x) is x
    before = outputs(gan)
    gan.progress(1.0)
    assert all(map(torch.equal, before, outputs(gan)))


@pytest.mark.parametrize(("fade", "last"), [(0.0, 1.0), (0.5, 2.0), (1.0, 1.0)])
def test_stages_follow_the_plan(fade, last):
    gan = built(shape=(3, 32, 32), fade=fade, last=last)
    plan = [gan.at(i / 1000) for i in range(1001)]
    assert plan[0] == (0, 1.0)
    assert plan[-1] == (3, 1.0)
    reached = [stage - 1 + alpha for stage, alpha in plan]
    assert reached == sorted(reached)
    full = sum(state == (3, 1.0) for state in plan) / 1000
    assert full == pytest.approx(last / (3 * (1 + fade) + last), abs=0.002)
    faded = sum(alpha < 1.0 for _, alpha in plan) / 1000
    assert faded == pytest.approx(3 * fade / (3 * (1 + fade) + last), abs=0.004)


@both
def test_progress_is_a_function_of_time_alone(shape, classes):
    gan = built(shape=shape, classes=classes)
    state = copy.deepcopy(gan.state_dict())
    seen = []
    for t in TIMES:
        gan.progress(t)
        seen.append(outputs(gan))
    twin = copy.deepcopy(gan)  # at t = 1
    for t in (0.5, 0.0, 1.0, 0.3):
        gan.progress(t)
    assert {len(x[0]) for x in seen} == {4}
    for i in torch.randperm(len(TIMES)).tolist():
        for model in (gan, twin):
            model.progress(TIMES[i])
            assert all(map(torch.equal, seen[i], outputs(model)))
    assert state.keys() == gan.state_dict().keys()
    assert all(torch.equal(state[key], value) for key, value in gan.state_dict().items())


@both
def test_real_and_generated_have_one_shape_at_all_times(shape, classes):
    gan = built(shape=shape, classes=classes)
    sides = []
    for t in TIMES:
        gan.progress(t)
        fake, _, real, _ = outputs(gan)
        assert fake.shape == real.shape
        assert gan.samples(fake).shape == (4, *shape)
        torch.testing.assert_close(F.avg_pool2d(gan.samples(fake), shape[1] // fake.shape[-1]), fake)
        sides.append(fake.shape[-1])
    assert sorted(set(sides)) == gan.sizes
    assert sides == sorted(sides)


@both
def test_a_fade_begins_and_ends_without_a_jump(shape, classes):
    gan = built(shape=shape, classes=classes)
    for level, (start, end) in enumerate(fades(gan)):
        gan.progress(start - EPSILON)
        low, d_fake, view, d_real = outputs(gan)
        assert low.shape[-1] == gan.sizes[level]
        gan.progress(start + EPSILON)
        high = outputs(gan)
        assert high[0].shape[-1] == gan.sizes[level + 1]
        torch.testing.assert_close(high[0], double(low), atol=1e-6, rtol=0)
        torch.testing.assert_close(high[2], double(view), atol=1e-6, rtol=0)
        torch.testing.assert_close(high[1], d_fake, atol=1e-5, rtol=0)
        torch.testing.assert_close(high[3], d_real, atol=1e-5, rtol=0)
        gan.progress((start + end) / 2)
        assert gan.generator.alpha == pytest.approx(0.5)
        assert not torch.allclose(outputs(gan)[0], high[0], atol=1e-3)
        gan.progress(end - EPSILON)
        before = outputs(gan)
        gan.progress(end + EPSILON)
        for a, b in zip(before, outputs(gan), strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_halfway_through_a_fade_images_are_the_mean_of_both():
    gan = built()
    z, x, _ = inputs(gan)
    gan.progress(sum(fades(gan)[1]) / 2)
    assert gan.generator.stage == 2
    maps = gan.generator.maps(z, None, 3)
    low, high = (gan.generator.to_image[k](maps[k]) for k in (1, 2))
    torch.testing.assert_close(gan.generator(z), (double(low) + high) / 2)
    torch.testing.assert_close(gan.view(x), (double(F.avg_pool2d(x, 2)) + x) / 2)


@pytest.mark.parametrize("kind", [ProGAN, MSGGAN])
def test_packed_and_labelled_samples_are_judged_at_all_stages(kind):
    gan = built(kind, classes=3, pack=2)
    z, x, y = inputs(gan)
    for t in TIMES[::4]:
        gan.progress(t)
        for sample in (gan.view(x), gan.generator(z, y)):
            packed = pack(sample, 2)
            logits = gan.discriminator(packed, y)
            assert logits.shape == (2,)
            torch.testing.assert_close(
                logits, gan.discriminator.head(gan.discriminator.features(packed, y), y)
            )
            assert not torch.equal(logits, gan.discriminator(packed, (y + 1) % 3))


@pytest.mark.parametrize("options", [{"fade": -0.1}, {"last": 0.0}, {"width": 0}])
def test_options_without_a_meaning_are_refused(options):
    with pytest.raises(UsageError, match=next(iter(options))):
        built(**options)


@pytest.mark.parametrize("gain", [1.0, 2**0.5])
def test_equalized_layers_keep_the_variance(gain):
    torch.manual_seed(0)
    conv = equalized(nn.Conv2d(64, 64, 3), gain)
    linear = equalized(nn.Linear(300, 400), gain)
    for layer, x in ((conv, torch.randn(16, 64, 12, 12)), (linear, torch.randn(500, 300))):
        stored = dict(layer.named_parameters())["parametrizations.weight.original"]
        assert float(stored.detach().std()) == pytest.approx(1.0, rel=0.02)
        assert float(layer(x).detach().std()) == pytest.approx(gain, rel=0.03)
        assert not layer.bias.detach().any()


def test_the_head_starts_with_logits_of_one_size_whatever_its_width():
    torch.manual_seed(0)
    for width in (8, 512):
        head = EqualizedHead(width, 1000)
        logits = head(torch.randn(1000, width), torch.arange(1000)).detach()
        assert float(logits.std()) == pytest.approx(2**0.5, rel=0.15)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3, 3)])
def test_pixel_norm(shape):
    x = PixelNorm()(10 * torch.randn(shape, dtype=torch.float64))
    torch.testing.assert_close(x.square().mean(1), torch.ones_like(x[:, 0]))


def test_batch_std_is_one_more_map_of_how_a_group_varies():
    x = torch.randn(8, 3, 5, 5, dtype=torch.float64)
    measured = BatchStd()(x)
    assert torch.equal(measured[:, :3], x)
    expected = [x[k::2].std(0, correction=0).mean() for k in (0, 1)]  # n, n + 2, ... make a group of four
    for n in range(8):
        torch.testing.assert_close(measured[n, 3], expected[n % 2].expand(5, 5))
    assert float(BatchStd()(x[:1].expand(8, 3, 5, 5))[:, 3].max()) < 1e-3


def test_channels_double_per_halving_up_to_a_cap():
    assert widths_of([4, 8, 16, 32], 16, 64) == [64, 64, 32, 16]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_pyramid_is_repeated_average_pooling(shape):
    gan = built(MSGGAN, shape)
    _, x, _ = inputs(gan)
    view = gan.view(x)
    assert [image.shape[-1] for image in view] == gan.sizes
    assert view[-1] is x
    for low, high in pairwise(view):
        torch.testing.assert_close(low, F.avg_pool2d(high, 2))
    fake = gan.generator(inputs(gan)[0])
    assert [image.shape for image in fake] == [image.shape for image in view]
    assert gan.samples(fake) is fake[-1]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_scale_reaches_d_and_every_scale_of_g_is_reached(shape):
    gan = built(MSGGAN, shape)
    z, x, _ = inputs(gan)
    view = map_sample(lambda image: image.requires_grad_(), gan.view(x))
    logits = gan.discriminator(view)
    for gradient in torch.autograd.grad(logits.sum(), view, retain_graph=True):
        assert (gradient.flatten(1).abs().sum(1) > 0).all()
    for level in range(len(view)):
        changed = tuple(-image if k == level else image for k, image in enumerate(view))
        assert not torch.allclose(gan.discriminator(changed), logits)
    gan.discriminator(gan.generator(z)).sum().backward()
    assert all(head[0].bias.grad.abs().sum() > 0 for head in gan.generator.to_image)


def test_nothing_grows_in_msg_gan():
    gan = built(MSGGAN)
    before = outputs(gan)
    gan.progress(0.0)
    for a, b in zip(before, outputs(gan), strict=True):
        assert all(map(torch.equal, *((s if isinstance(s, tuple) else (s,)) for s in (a, b))))


class StopAtThree(Callback):
    def after_step(self, trainer):
        if trainer.step == 3:
            trainer.stop.set()


@pytest.mark.parametrize("model", ["progan", "msg-gan"])
@pytest.mark.parametrize(
    "words",
    [
        {"dataset": "mnist-5k", "loss": "wasserstein",
         "stabilizer": ["gradient-penalty:weight=10", "drift:weight=0.001"]},
        {"dataset": "folder:colour", "conditional": True, "stabilizer": ["r1:gamma=1.0"]},
    ],
    ids=["grey", "colour"],
)  # fmt: skip
def test_resume_bit_for_bit(model, words, monkeypatch, tmp_path):
    from ganzoo.running import training as runs

    if words["dataset"].startswith("folder"):
        colour_images(tmp_path / "colour")
    words = {**words, "model": model, "batch_size": 4, "steps": 6, "seed": 3, "progress": False,
             "set": {"model.width": 4, "model.max_width": 8}}  # fmt: skip
    whole = ganzoo.train(**words)
    original = runs.Trainer

    def with_stop(config, dataset, callbacks, stop):
        return original(config, dataset, [StopAtThree(), *callbacks], stop)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "Trainer", with_stop)
        ganzoo.train(**words, out="parts")
    assert load_checkpoint(saved(tmp_path / "parts")[-1])["step"] == 3
    parts = ganzoo.resume("parts", progress=False)
    one, other = (load_checkpoint(saved(run.path)[-1]) for run in (whole, parts))
    assert one["step"] == other["step"] == 6
    for net in ("generator", "discriminator", "ema"):
        assert one[net].keys() == other[net].keys()
        assert all(torch.equal(one[net][key], other[net][key]) for key in one[net])
    assert torch.equal(whole.sample(5), parts.sample(5))


def test_a_grown_budget_does_not_shrink_the_nets():
    """4 of 4 steps, then 8: growth and schedules keep to the first plan."""
    words = {"dataset": "mnist-5k", "batch_size": 4, "progress": False, "seed": 3,
             "set": {"model.width": 4, "model.max_width": 8}}  # fmt: skip
    run = ganzoo.train("progan", steps=4, **words)
    run = ganzoo.resume(run.path, steps=8, progress=False)
    run = ganzoo.resume(run.path, steps=12, progress=False)
    assert (run.config.recipe.steps, run.config.first_steps, run.config.schedule_steps) == (12, 4, 4)
    trainer = Trainer(run.config, run.dataset)
    stages = []
    for step in range(13):
        trainer.step = step
        trainer.gan.progress(trainer.growth)
        stages.append((trainer.gan.generator.stage, trainer.gan.generator.alpha))
    assert stages == sorted(stages)
    assert stages[4:] == [(2, 1.0)] * 9
    assert trainer.t == 1.0
    assert run.load_model()[0].generator.alpha == 1.0


def colour_images(folder):
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        for n in range(8):
            pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{n}.png")
