"""What is drawn from a trained generator, and the averaged weights that it is drawn from."""

from __future__ import annotations

import io
import math
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from PIL import Image
from torch import nn
from toys import ToyGAN

import ganzoo
from ganzoo.data.captions import Words
from ganzoo.data.classes import has_shares, labels_by_shares
from ganzoo.data.conditions import Conditions
from ganzoo.data.plots import SHOWN, plot
from ganzoo.data.sheets import grid
from ganzoo.metrics.base import Metric
from ganzoo.models.base import GAN
from ganzoo.models.latent import slerp
from ganzoo.registry import METRICS, MODELS
from ganzoo.testing.training import tiny
from ganzoo.training.ema import EMA
from ganzoo.training.sampling import draw, interpolate, nearest_rows
from ganzoo.training.trainer import Trainer


def test_slerp_is_the_arc():
    a, b = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    t = torch.linspace(0, 1, 7)[:, None]
    angle = t[:, 0] * math.pi / 2
    torch.testing.assert_close(slerp(a, b, t), 2 * torch.stack([angle.cos(), angle.sin()], 1))


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_slerp_without_an_arc_is_the_straight_line(factor):
    a = torch.tensor([1.0, 2.0, -1.0])
    t = torch.linspace(0, 1, 5)[:, None]
    torch.testing.assert_close(slerp(a, factor * a, t), (1 - t) * a + t * factor * a, rtol=1e-5, atol=1e-5)


def test_interpolation_ends_at_samples_of_its_own_z():
    torch.manual_seed(0)
    gan = MODELS.get("mlp-gan")((2,), num_classes=3).eval()
    points = interpolate(gan, rows=2, columns=5, seed=4)
    assert points.shape == (10, 2)
    assert torch.equal(points, interpolate(gan, 2, 5, 4))
    assert not torch.equal(points, interpolate(gan, 2, 5, 5))
    assert not torch.equal(points[0], interpolate(gan, 2, 5, 4, torch.tensor([2, 2]))[0])


def test_draw_is_counted_by_seed_and_gives_the_first_ones_first():
    gan = ToyGAN()
    many = draw(gan, 600, seed=1)
    assert torch.equal(many[:40], draw(gan, 40, seed=1))
    assert torch.equal(many[:300], draw(gan, 300, seed=1))
    assert not torch.equal(many[:40], draw(gan, 40, seed=2))
    assert not torch.equal(many[:256], many[256:512])
    assert not torch.equal(many[:40], draw(gan, 40, seed=1, purpose="other"))


def test_draw_checks_labels():
    conditional = MODELS.get("mlp-gan")((2,), num_classes=3)
    assert draw(conditional, 5, 0, y=torch.tensor([0, 1, 2, 2, 1])).shape == (5, 2)
    for labels in (torch.tensor([0, 1]), torch.tensor([0, 1, 2, 3, 0]), torch.tensor([0, -1, 0, 0, 0])):
        with pytest.raises(ganzoo.UsageError, match="from 0 to 2"):
            draw(conditional, 5, 0, y=labels)
    with pytest.raises(ganzoo.UsageError, match="not conditional"):
        draw(ToyGAN(), 2, 0, y=torch.tensor([0, 0]))


def test_nearest_rows_are_the_nearest():
    generator = torch.Generator().manual_seed(0)
    real = torch.randint(0, 256, (50, 1, 4, 4), dtype=torch.uint8, generator=generator)
    noisy = (real[[3, 41, 17]].int() + torch.randint(-3, 4, (3, 1, 4, 4), generator=generator)).clamp(0, 255)
    assert torch.equal(real[nearest_rows(noisy.to(torch.uint8), real)], real[[3, 41, 17]])


@pytest.mark.parametrize("halflife", [100.0, 1000.0])
def test_ema_follows_its_formula_with_the_ramp(halflife):
    gan, batch, ramp = ToyGAN(), 10, 0.5
    ema = EMA(gan, halflife, ramp)
    expected = torch.zeros(3, dtype=torch.float64)
    for step in range(1, 40):
        gan.generator.bias.data.fill_(float(step))
        ema.update(step * batch, batch)
        decay = 0.5 ** (batch / min(halflife, ramp * step * batch))
        expected = decay * expected + (1 - decay) * step
    torch.testing.assert_close(ema.gan.generator.bias.data, expected)
    assert ema.gan.discriminator is gan.discriminator


def test_without_averaging_the_snapshot_has_the_training_weights():
    gan = ToyGAN()
    ema = EMA(gan, 0.0, 0.05)
    gan.generator.bias.data.fill_(7.0)
    ema.update(10, 10)
    assert float(ema.snapshot(0, 1, 0.5).generator.bias.detach()[0]) == 7.0


def test_one_average_serves_all_that_ask_after_a_step(monkeypatch):
    trainer = Trainer(*tiny("mlp-gan", (2,), set={"model.width": 4, "model.g_norm": True}))
    trainer.gan.train()
    made, original = [], trainer.ema.snapshot
    monkeypatch.setattr(trainer.ema, "snapshot", lambda *when: made.append(when) or original(*when))
    one, other = trainer.snapshot(), trainer.snapshot()
    for parameter in one.generator.parameters():
        parameter.data.add_(1.0)  # what one does with it is not seen by the other
    assert not any(map(torch.equal, one.generator.parameters(), other.generator.parameters()))
    assert all(map(torch.equal, trainer.snapshot().generator.parameters(), other.generator.parameters()))
    assert one.discriminator is other.discriminator is trainer.gan.discriminator
    assert len(made) == 1
    trainer.one_step()
    trainer.snapshot()
    assert len(made) == 2
    trainer.load_state_dict(trainer.state_dict())
    trainer.snapshot()
    assert len(made) == 3


def test_batchnorm_statistics_are_those_of_the_averaged_weights():
    """The mean of what reaches the first BatchNorm, over z ~ N(0, I), is the bias of the layer before it."""
    torch.manual_seed(0)
    gan = MODELS.get("mlp-gan")((2,), z_dim=4, g_norm=True, width=6)
    ema = EMA(gan, 1e9, 1e9)
    for parameter in gan.generator.parameters():
        parameter.data.add_(5.0)  # training has gone elsewhere; the average is where it was
    gan.generator.main[1].running_mean.fill_(1e3)
    still = ema.snapshot(seed=0, step=1, t=0.0, batches=50)
    linear, norm = still.generator.main[0], still.generator.main[1]
    torch.testing.assert_close(norm.running_mean, linear.bias.detach(), atol=0.05, rtol=0)
    variance = linear.weight.detach().square().sum(1)
    torch.testing.assert_close(norm.running_var, variance, atol=0, rtol=0.1)
    assert not still.generator.training
    assert gan.generator.training
    assert float(gan.generator.main[1].running_mean[0]) == 1e3  # the training net is not touched


@pytest.mark.parametrize("channels", [1, 3])
def test_grid_shows_the_very_pixels(channels):
    images = torch.randint(0, 256, (6, channels, 32, 32), dtype=torch.uint8)
    picture = Image.open(io.BytesIO(grid(images, columns=3)))
    assert picture.size == (2 * (3 * 34 + 2), 2 * (2 * 34 + 2))
    pixels = torch.from_numpy(np.array(picture.convert("RGB")))
    first = pixels[4:68:2, 4:68:2].permute(2, 0, 1)
    assert torch.equal(first, images[0].expand(3, 32, 32))


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_plots_of_vectors_are_pictures(dim):
    samples, real = torch.randn(30, dim), torch.randn(40, dim)
    picture = Image.open(io.BytesIO(plot(samples, real, Words("step 1"))))
    assert picture.size[0] > 300
    assert len(picture.convert("RGB").getcolors(1 << 20)) > 10


def test_of_many_rows_some_of_all_are_shown(monkeypatch):
    """Not the first ones: a file may be sorted."""
    shown, scatter = [], Axes.scatter

    def watched(axes, x, y, **words):
        shown.append(x)
        return scatter(axes, x, y, **words)

    monkeypatch.setattr(Axes, "scatter", watched)
    for _ in range(2):
        plot(torch.zeros(5, 2), torch.arange(10_000.0)[:, None].expand(-1, 2))
    real, samples, again, _ = shown
    assert (len(real), len(set(real.tolist())), len(samples)) == (SHOWN, SHOWN, 5)
    assert (real < 5_000).mean() == pytest.approx(0.5, abs=0.05)
    assert (again == real).all()


def test_a_run_from_python(tmp_path):
    run = ganzoo.train(
        "dcgan",
        dataset="mnist-5k",
        steps=2,
        batch_size=4,
        conditional=True,
        set={"model.width": 4},
        progress=False,
    )
    images = run.sample(5, seed=1, labels=[7, 7, 0, 1, 2])
    assert images.dtype == torch.uint8
    assert images.shape == (5, 1, 28, 28)
    again = ganzoo.load(run.path)
    assert torch.equal(again.sample(5, seed=1, labels=[7, 7, 0, 1, 2]), images)
    assert ganzoo.load().path == run.path
    vectors = ganzoo.train("mlp-gan", dataset="ring8", steps=2, progress=False).sample(3)
    assert vectors.dtype == torch.float32
    assert vectors.shape == (3, 2)


def test_packed_training():
    run = ganzoo.train(
        "mlp-gan", "ring8", steps=2, batch_size=8, conditional=True, set={"model.pack": 2}, progress=False
    )
    assert run.sample(4).shape == (4, 2)


def test_the_global_names_are_lazy_and_all_there():
    for name in ganzoo.__all__:
        assert getattr(ganzoo, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = ganzoo.nonsense
    with pytest.raises(ganzoo.UsageError, match="label_smoothing"):
        ganzoo.train("mlp-gan", "ring8", label_smoothin=0.1)


@given(st.integers(1, 600), st.lists(st.integers(0, 50), min_size=1, max_size=40).filter(any))
def test_labels_by_shares_are_apportioned_exactly_from_the_first_on(n, weights):
    shares = torch.tensor(weights, dtype=torch.float64)
    labels = labels_by_shares(n, shares)
    counts = torch.nn.functional.one_hot(labels, len(weights)).cumsum(0)
    quota = torch.arange(1, n + 1)[:, None] * shares / shares.sum()
    assert (counts - quota).abs().max() < 1 + 1e-9
    assert not counts[-1][shares == 0].any()
    assert torch.equal(labels_by_shares(n // 2 + 1, shares), labels[: n // 2 + 1])
    assert has_shares(labels, shares)


def test_equal_shares_are_labelled_in_turn():
    assert labels_by_shares(25, torch.ones(10)).tolist() == [i % 10 for i in range(25)]
    assert not has_shares(torch.tensor([0, 0, 0, 1]), torch.ones(2))
    assert not has_shares(torch.tensor([0, 1, 2]), torch.ones(2))


def test_batchnorm_statistics_are_of_the_datas_shares():
    class Labelled(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(1)

        def forward(self, z, y=None):
            return self.norm(y[:, None].float())

    class One(GAN):
        def __init__(self):
            super().__init__((1,), 1, 2)
            self.generator, self.discriminator = Labelled(), nn.Linear(1, 1)

    for own, mean in ((Conditions(torch.tensor([0.9, 0.1])), 0.1), (None, 0.5)):
        still = EMA(One(), 1e3, 0.05, own).snapshot(seed=0, step=1, t=0.0, batches=50)
        assert float(still.generator.norm.running_mean) == pytest.approx(mean, abs=0.02)


@pytest.fixture
def looks():
    """A metric that keeps the labels it is shown."""
    seen = []

    class Looks(Metric):
        higher_is_better: ClassVar = {"looks": True}
        says: ClassVar = {"looks": "at labels"}

        def __call__(self, context):
            seen.append(context.fake.y)
            return {"looks": 1.0}

    METRICS.add("looks", Looks)
    yield seen
    del METRICS._added["looks"]


def test_scores_are_of_samples_labelled_as_the_data_are(tmp_path, looks):
    """Ten of eleven are of one class; for people, pictures show the classes in turn."""
    pixels = np.random.default_rng(0).integers(0, 256, (110, 16, 16), dtype=np.uint8)
    for i, one in enumerate(pixels):
        file = tmp_path / "mine" / ("a" if i < 100 else "b") / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one).save(file)
    run = ganzoo.train(
        "mlp-gan", f"folder:{tmp_path / 'mine'}", steps=1, batch_size=8, conditional=True, progress=False,
        eval_every=1, eval_metric=["looks"], set={"data.size": 16, "model.width": 8},
    )  # fmt: skip
    for reference in ("train", "test"):
        _, y = getattr(run.dataset, reference).all()
        del looks[1:]
        made = run.evaluate(["looks"], samples=1100, progress=False, reference=reference)
        counts = torch.bincount(
            max(looks[1:], key=len), minlength=2
        )  # the others are of as few as are held out
        assert (counts - 1100 * torch.bincount(y, minlength=2) / len(y)).abs().max() < 1, reference
        assert made["protocol"]["labels"] == "by the shares of the reference split"
    during = torch.bincount(looks[0])
    assert int(during[1]) < len(looks[0]) / 5
    assert run.card.conditions.in_turn(4).tolist() == [0, 1, 0, 1]
