"""Options, latents of one's own and reconstructions where samples are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import ganzoo as library
from ganzoo.errors import UsageError
from ganzoo.models.stylegan2 import StyleGAN2
from ganzoo.system.rng import counted
from ganzoo.training.sampling import draw, interpolate, sample_options

TINY = {"z_dim": 6, "w_dim": 5, "depth": 2, "width": 4, "max_width": 8}


def styled(classes=0):
    torch.manual_seed(0)
    return StyleGAN2((1, 16, 16), num_classes=classes, **TINY).eval()


def synthesized(gan, w):
    with torch.no_grad():
        return gan.generator.synthesis(w)


@pytest.mark.parametrize("classes", [0, 3])
def test_truncation_draws_w_towards_its_mean(classes):
    gan = styled(classes)
    z = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    y = torch.tensor([2, 0, 2, 1, 0]) if classes else None
    with counted(torch.device("cpu"), 0, "mean w"):
        many = gan.sample_z(4096)
    with torch.no_grad():
        w = gan.generator.styles(z, y)
        labels = [None] * 5 if y is None else [label.expand(4096) for label in y]
        mean = torch.stack([gan.generator.styles(many, label).mean(0) for label in labels])
        torch.manual_seed(2)
        seen = gan.sample(z, y, truncation=0.3)
        torch.manual_seed(2)
        torch.testing.assert_close(seen, synthesized(gan, mean + 0.3 * (w - mean)), rtol=1e-4, atol=1e-5)
        for truncation, same in ((1.0, w), (0.0, mean)):
            torch.manual_seed(2)
            seen = gan.sample(z, y, truncation=truncation)
            torch.manual_seed(2)
            torch.testing.assert_close(seen, synthesized(gan, same), rtol=1e-4, atol=1e-5)


def test_mixing_takes_the_later_styles_from_the_sample_before():
    gan, z = styled(), torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        w = gan.generator.styles(z).clone()
        for i in range(4):
            w[i, 2:] = gan.generator.styles(z)[i - 1, 2:]
        torch.manual_seed(2)
        seen = gan.sample(z, mix=2)
        torch.manual_seed(2)
        torch.testing.assert_close(seen, synthesized(gan, w))


def test_stylegan2_walks_in_w_and_others_on_the_circle():
    gan = styled()
    points = interpolate(gan, rows=1, columns=3, seed=4)
    with counted(torch.device("cpu"), 4, "interpolate"):
        a, b = gan.sample_z(1), gan.sample_z(1)
    with torch.no_grad():
        middle = (gan.generator.styles(a) + gan.generator.styles(b)) / 2
    gan.generator.synthesis.train(False)
    torch.testing.assert_close(points[1:2], synthesized(gan, middle), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(points, interpolate(gan, 1, 3, 4, truncation=0.2), atol=1e-4)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"truncation": 1.5}, "truncation must be in"), ({"truncation": "much"}, "expected a number"),
        ({"mix": 9}, "0 to 5"), ({"trunc": 0.5}, "did you mean truncation"),
    ],
)  # fmt: skip
def test_wrong_options_are_one_sentence(given, says):
    with pytest.raises(UsageError, match=says):
        draw(styled(), 4, seed=0, **given)


def test_a_model_without_options_says_so():
    run = library.train("mlp-gan", "ring8", steps=2, batch_size=8, progress=False)
    assert sample_options(run.model, {}) == {}
    with pytest.raises(UsageError, match="MLPGAN takes no options when it is sampled, got truncation"):
        run.sample(4, truncation=0.5)


def test_latents_of_ones_own(ganzoo):
    run = library.train("mlp-gan", "ring8", steps=2, batch_size=8, progress=False, out="X")
    z = torch.randn(600, run.model.z_dim, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = run.to_units(run.model.generator(z, None))
    torch.testing.assert_close(run.sample(600, z=z), expected)
    np.save("z.npy", z.numpy())
    assert ganzoo("sample X --z z.npy --out z.npz").code == 0
    torch.testing.assert_close(torch.as_tensor(np.load("z.npz")["samples"]), expected)
    for wrong in (np.zeros((4, 9)), np.zeros(4), np.zeros((0, 2)), np.array([["a", "b"]])):
        np.save("wrong.npy", wrong)
        result = ganzoo("sample X --z wrong.npy")
        assert result.code == 2
        assert f"rows of {run.model.z_dim} numbers" in result.sentence
    with pytest.raises(UsageError, match="expected 3 rows of 2 finite numbers"):
        run.sample(3, z=z)
    assert "give one of them" in ganzoo("sample X --z z.npy --interpolate").sentence


def test_options_and_reconstructions_from_the_command_line(ganzoo):
    small = "--steps 2 --batch-size 8 --set model.width=4"
    ganzoo(f"run stylegan2 --dataset mnist-5k {small} --set model.max_width=8 --out S")
    assert ganzoo("sample S --set truncation=0.5 -n 4 --out a.npz").code == 0
    assert ganzoo("sample S -n 4 --out b.npz").code == 0
    assert (np.load("a.npz")["samples"] != np.load("b.npz")["samples"]).any()
    assert ganzoo("sample S -n 4 --set truncation=0.5").out.strip().endswith("sample-s0-truncation0.5.png")
    assert "did you mean truncation" in ganzoo("sample S --set trunc=0.5").sentence
    ganzoo(f"run bigan --dataset mnist-5k {small} --out B")
    assert ganzoo("sample B --reconstruct -n 8 --out r.npz").code == 0
    arrays = np.load("r.npz")
    run = library.load("B")
    real, _ = run.dataset.test.all()
    assert (arrays["real"] == real[:8].numpy()).all()
    with torch.no_grad():
        z = run.model.encoder(real[:8].float() / 127.5 - 1.0)
    torch.testing.assert_close(run.encode(real[:8]), z)
    assert (arrays["samples"] == run.sample(8, z=z).numpy()).all()
    assert ganzoo("sample B --reconstruct").code == 0
    assert Path("B/samples/reconstruct-s0.png").stat().st_size > 0
    assert "has no encoder" in ganzoo("sample S --reconstruct").sentence


def test_the_nearest_are_found_by_the_encoder_of_a_model_that_has_one(ganzoo):
    ganzoo("run bigan --dataset mnist-5k --steps 2 --batch-size 8 --set model.width=4 --out B")
    result = ganzoo("sample B --nearest -n 5 --out n.npz")
    assert result.code == 0
    assert "encoder" in result.err
    run, arrays = library.load("B"), np.load("n.npz")
    real = run.dataset.train.all()[0]
    z, own = run.encode(torch.as_tensor(arrays["samples"])), run.encode(real)
    nearest = (z[:, None] - own[None]).square().sum(2).argmin(1)
    assert (arrays["nearest"] == real[nearest].numpy()).all()
