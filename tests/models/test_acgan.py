"""AC-GAN: a classifier on D's features, which both players help, against equations 2 and 3."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from parts import F64, assert_gradients, double_z, images, model, moved, step_of, twin, weights

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.registry import MODELS
from ganzoo.stabilizers.augment import InstanceNoise
from ganzoo.testing.training import tiny, want_exact_resume

softplus = torch.nn.functional.softplus
Y = torch.tensor([0, 1, 2, 0, 1, 2])


def acgan(**options):
    gan = model("acgan", num_classes=3, z_dim=5, d_norm="none", **options)
    double_z(gan)
    return gan


def wrong(gan, x):
    """The mean of -log softmax of the right class, from D's features, written out."""
    h = gan.discriminator.main(x)
    scores = h @ gan.classifier.weight.T + gan.classifier.bias
    likelihood = scores.exp() / scores.exp().sum(1, keepdim=True)
    return -likelihood[torch.arange(len(x)), Y].log().mean()


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_d_and_the_classifier_minimise_the_loss_with_both_terms(weight):
    gan = acgan(weight=weight)
    before = twin(gan)
    x = images()
    torch.manual_seed(1)
    step = step_of(gan, lr_d=0.1)
    step(lambda i: (x, Y))
    torch.manual_seed(1)
    fake = before.generator(gan.sample_z(6), Y).detach()
    loss = softplus(-before.discriminator(x)).mean() + softplus(before.discriminator(fake)).mean()
    terms = wrong(before, x) + wrong(before, fake)
    assert_gradients(gan.net("d"), loss + weight * terms, 0.1, before.net("d"))
    assert step.meter.read()["d_term/class"] == pytest.approx(float(weight * terms.detach()))
    assert moved(gan, weights(before)) == {"discriminator", "classifier"}


def test_g_minimises_its_loss_with_the_term_of_its_samples():
    gan = acgan(weight=0.5)
    before = twin(gan)
    torch.manual_seed(1)
    step = step_of(gan, lr_g=0.1)
    step(lambda i: (images(), Y))
    torch.manual_seed(1)
    fake = before.generator(gan.sample_z(6), Y)
    term = wrong(before, fake)
    loss = softplus(-before.discriminator(fake)).mean() + 0.5 * term
    assert_gradients(gan.net("g"), loss, 0.1, before.net("g"))
    assert step.meter.read()["g_term/class"] == pytest.approx(0.5 * float(term.detach()))
    assert moved(gan, weights(before)) == {"generator"}


def test_the_classifier_is_given_what_d_sees(monkeypatch):
    """Behind transforms, and of the forward that the logits are of: no forward is made twice."""
    gan = acgan()
    noise = InstanceNoise()
    monkeypatch.setattr(noise, "transform", lambda sample, turn: 0.5 * sample)
    calls, given = [], []
    gan.discriminator.register_forward_hook(lambda net, inputs, output: calls.append(inputs[0]))
    gan.classifier.register_forward_hook(lambda net, inputs, output: given.append(inputs[0]))
    x = images()
    step_of(gan, stabilizers=[noise])(lambda i: (x, Y))
    assert len(calls) == 3
    assert torch.equal(calls[0], 0.5 * x)
    assert len(given) == 3
    for seen, features in zip(calls, given, strict=True):
        torch.testing.assert_close(features, gan.discriminator.main(seen))


def test_d_is_not_told_the_class_and_g_is():
    gan = acgan()
    x, z = images(), torch.randn(6, 5, dtype=F64)
    assert torch.equal(gan.discriminator(x, Y), gan.discriminator(x, Y.flip(0)))
    assert not torch.equal(gan.generator(z, Y), gan.generator(z, Y.flip(0)))


def test_the_classifier_starts_as_the_other_layers_do():
    gan = MODELS.get("acgan")((1, 28, 28), width=32, num_classes=10)
    for weight in (gan.classifier.weight, gan.discriminator.main[0].weight):
        assert float(weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    assert not gan.classifier.bias.any()


def test_recipes_are_those_of_dcgan_with_labels():
    recipes, others = (MODELS.get(name).recipes for name in ("acgan", "dcgan"))
    assert recipes.keys() == others.keys()
    for name, recipe in recipes.items():
        assert recipe.conditional
        assert recipe.settings() == others[name].settings()
        assert recipe.model == others[name].model


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_classes": 0}, "acgan classifies each sample: it needs data with labels, and model.pack=1"),
        ({"num_classes": 3, "pack": 2}, "acgan classifies each sample"),
        ({"num_classes": 3, "weight": 0.0}, "acgan: weight must be a positive number, got 0"),
        ({"num_classes": 3, "weight": float("inf")}, "weight"),
        ({"num_classes": 3, "weight": float("nan")}, "weight"),
        ({"num_classes": 3, "d_norm": "bath"}, "d_norm=bath"),
    ],
)
def test_nonsense_is_refused(options, words):
    with pytest.raises(UsageError, match=words):
        model("acgan", **options)


@pytest.mark.parametrize("words", [{"conditional": False}, {"stabilizer": ["packing:m=2"]}])
def test_a_run_without_labels_or_of_packed_samples_is_refused(words):
    with pytest.raises(UsageError, match="acgan classifies each sample"):
        ganzoo.train("acgan", dataset="mnist-5k", progress=False, **words)


def test_it_learns_the_classes_of_what_can_be_told_apart():
    """After some steps the classifier knows which of three flat greys it is shown."""
    gan = acgan()
    x = torch.tensor([-0.8, 0.0, 0.8], dtype=F64)[Y].view(6, 1, 1, 1).expand(6, 1, 8, 8)
    first = float(wrong(gan, x).detach())
    step = step_of(gan, lr_d=0.5)
    for _ in range(150):
        step(lambda i: (x, Y))
    assert float(wrong(gan, x).detach()) < 0.5 * first


@pytest.mark.parametrize("words", [{}, {"stabilizer": ["spectral-norm", "diffaugment"]}])
def test_it_resumes_exactly(words):
    config, data = tiny("acgan", (1, 8, 8), set=["width=4"], **words)
    assert config.conditional
    want_exact_resume(config, data, "acgan")


def test_from_the_command_line(ganzoo):
    words = "--dataset mnist-5k --steps 2 --batch-size 8 --set width=4 --set weight=0.5 --out X"
    assert ganzoo(f"run acgan {words}").code == 0
    rows = list(map(json.loads, Path("X/log.jsonl").read_text().splitlines()))
    assert rows[-1]["d_term/class"] > rows[-1]["g_term/class"] > 0
    assert ganzoo("sample X -n 3 --class 7 --out x.npz").code == 0
    with np.load("x.npz") as kept:
        assert len(kept[kept.files[0]]) == 3
    assert ganzoo("resume X --steps 4").code == 0
