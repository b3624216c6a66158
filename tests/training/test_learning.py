"""Does it learn? Minutes long: pytest -m slow."""

from __future__ import annotations

import pytest
import torch

import ganzoo
from ganzoo.training.sampling import nearest_rows

pytestmark = pytest.mark.slow


def coverage(run: ganzoo.Run) -> tuple[int, float]:
    """Modes with a sample within 3 standard deviations, and the share of such samples (PacGAN's protocol)."""
    modes = run.dataset.modes
    distance, nearest = torch.cdist(run.sample(2500), modes.centers).min(1)
    good = distance < 3 * modes.std
    return len(nearest[good].unique()), float(good.float().mean())


@pytest.mark.parametrize(("dataset", "steps", "modes"), [("gaussian-1d", 2000, 3), ("ring8", 4000, 6)])
def test_mlp_gan_finds_the_modes(dataset, steps, modes):
    run = ganzoo.train("mlp-gan", dataset, steps=steps, progress=False)
    found, good = coverage(run)
    assert found >= modes
    assert good >= 0.6


def test_dcgan_makes_digits():
    run = ganzoo.train("dcgan", "mnist-5k", steps=700, progress=False)
    samples, real = run.sample(200), run.dataset.train.all()[0]
    held_out = run.dataset.test.all()[0][:200]

    def to_nearest(x: torch.Tensor) -> float:
        return float((x.float() - real[nearest_rows(x, real)].float()).flatten(1).norm(dim=1).mean())

    def spread(x: torch.Tensor) -> float:
        return float(torch.pdist(x.flatten(1).float()).mean())

    noise = torch.randint(0, 256, (200, 1, 28, 28), dtype=torch.uint8)
    assert to_nearest(samples) < 1.6 * to_nearest(held_out) < to_nearest(noise)
    assert spread(samples) > 0.8 * spread(held_out)
    assert float(samples.float().mean()) == pytest.approx(float(real.float().mean()), rel=0.2)


def test_a_conditional_dcgan_draws_the_class_that_is_asked_for():
    run = ganzoo.train("dcgan", "mnist-5k", steps=500, conditional=True, progress=False)
    x, y = run.dataset.train.all()
    labels = torch.arange(200) % 10
    samples = run.sample(200, labels=labels)
    # One nearest neighbour in pixels is a classifier of about 94 % on these digits.
    nearest = torch.cdist(samples.flatten(1).float(), x.flatten(1).float()).argmin(1)
    assert float((y[nearest] == labels).float().mean()) > 0.75
