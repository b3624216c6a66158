"""CycleGAN: two generators, two critics, there and back, against equation 3 written out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from parts import assert_gradients, gradients, images, model, moved, step_of, twin, weights
from torch import nn

import ganzoo as zoo
from ganzoo.data.base import Dataset
from ganzoo.data.tensors import TensorSplit
from ganzoo.errors import UsageError
from ganzoo.models.translation import ResNetTranslator
from ganzoo.registry import DATASETS, MODELS
from ganzoo.testing.training import same, tiny, trained, want_exact_resume

softplus = torch.nn.functional.softplus
LOSSES = {
    "least-squares": (
        lambda r, f: 0.5 * ((r - 1) ** 2).mean() + 0.5 * (f**2).mean(),
        lambda r, f: 0.5 * ((f - 1) ** 2).mean(),
    ),
    "non-saturating": (
        lambda r, f: softplus(-r).mean() + softplus(f).mean(),
        lambda r, f: softplus(-f).mean(),
    ),
    "relativistic": (lambda r, f: softplus(f - r).mean(), lambda r, f: softplus(r - f).mean()),
}


def cyclegan(b=1, a=1, **options):
    return model("cyclegan", (b, 8, 12), **{"condition_shape": (a, 8, 12), "blocks": 1, **options})


def pictures(b=1, a=1):
    """Of B, which are to be made, and of A."""
    return images(4, (b, 8, 12), 7), images(4, (a, 8, 12), 3)


def off(x, wanted):
    return torch.stack([(one - other).abs().mean() for one, other in zip(x, wanted, strict=True)]).mean()


@pytest.mark.parametrize("loss", LOSSES)
def test_both_critics_learn_with_ds_optimizer(loss):
    gan = cyclegan()
    before = twin(gan)
    b, a = pictures()
    step = step_of(gan, lr_d=0.1, loss=loss)
    step(lambda i: (b, a))
    of_d, _ = LOSSES[loss]
    of_b = of_d(before.discriminator(b), before.discriminator(before.generator(None, a).detach()))
    of_a = of_d(before.critic_a(a), before.critic_a(before.back(b).detach()))
    assert_gradients(gan.discriminator, of_b, 0.1, before.discriminator)
    assert_gradients(gan.critic_a, of_a, 0.1, before.critic_a)
    assert moved(gan, weights(before)) == {"discriminator", "critic_a"}
    said = step.meter.read()
    assert said["d_loss"] == pytest.approx(float(of_b.detach()))
    assert said["d_term/a"] == pytest.approx(float(of_a.detach()))


def full_objective(gan, a, b, loss="least-squares", cycle=10.0, identity=0.5):
    """What both generators minimise, by its parts."""
    _, of_g = LOSSES[loss]
    to_b, to_a, d_b, d_a = (lambda x: gan.generator(None, x)), gan.back, gan.discriminator, gan.critic_a
    terms = {
        "b": of_g(d_b(b), d_b(to_b(a))),
        "a": of_g(d_a(a), d_a(to_a(b))),
        "cycle": cycle * (off(to_a(to_b(a)), a) + off(to_b(to_a(b)), b)),
    }
    if a.shape == b.shape:
        terms["identity"] = cycle * identity * (off(to_a(a), a) + off(to_b(b), b))
    return terms


@pytest.mark.parametrize(
    ("loss", "given"),
    [
        ("least-squares", {}),
        ("least-squares", {"cycle": 3.0, "identity": 0.2}),
        ("non-saturating", {}),
        ("relativistic", {}),
    ],
)
def test_both_generators_learn_with_gs_optimizer(loss, given):
    gan = cyclegan(**given)
    before = twin(gan)
    b, a = pictures()
    step = step_of(gan, lr_g=0.01, loss=loss)
    step(lambda i: (b, a))
    terms = full_objective(before, a, b, loss, **given)
    total = sum(terms.values())
    assert_gradients(gan.generator, total, 0.01, before.generator)
    assert_gradients(gan.back, total, 0.01, before.back)
    assert moved(gan, weights(before)) == {"generator", "back"}
    said = step.meter.read()
    assert said["g_loss"] == pytest.approx(float(terms.pop("b").detach()))
    found = {key.removeprefix("g_term/"): value for key, value in said.items() if key.startswith("g_term")}
    assert found == pytest.approx({name: float(term.detach()) for name, term in terms.items()})


def test_neither_turn_reaches_the_nets_of_the_other():
    """Gradients, and not weights alone: an optimizer steps what has one."""
    gan = cyclegan()
    b, a = pictures()
    step = step_of(gan, lr_g=0.1, lr_d=0.1)
    asked = {}
    d_terms, g_terms = gan.d_terms, gan.g_terms

    def in_d(turn):
        terms = d_terms(turn)
        asked["d"] = gradients(sum(terms.values()), turn.net), gradients(sum(terms.values()), gan.net("g"))
        return terms

    def in_g(turn):
        terms = g_terms(turn)
        asked["g"] = [p.requires_grad for p in gan.net("d").parameters()]
        return terms

    gan.d_terms, gan.g_terms = in_d, in_g
    step(lambda i: (b, a))
    own, others = asked["d"]
    assert {key.split(".")[0] for key, value in own.items() if value is not None} == {"critic_a"}
    assert not any(value is not None for value in others.values())
    assert not any(asked["g"])


@pytest.mark.parametrize(("b", "a"), [(3, 1), (1, 3)])
def test_of_other_channels_there_is_no_identity(b, a):
    gan = cyclegan(b, a)
    x, y = pictures(b, a)
    assert gan.generator(None, y).shape == x.shape
    assert gan.back(x).shape == y.shape
    before = twin(gan)
    step = step_of(gan, lr_g=0.01, loss="least-squares")
    step(lambda i: (x, y))
    terms = full_objective(before, y, x)
    assert set(terms) == {"a", "b", "cycle"}
    assert_gradients(gan.net("g"), sum(terms.values()), 0.01, before.net("g"))
    assert "g_term/identity" not in step.meter.read()


def test_what_comes_home_costs_nothing():
    gan = cyclegan()
    weight = gan.generator.main[0].weight  # which has to have a gradient
    gan.generator.forward = lambda z, y: -y + 0.0 * weight.sum()
    gan.back.forward = lambda x: -x
    b, a = pictures()
    step = step_of(gan)
    step(lambda i: (b, a))
    said = step.meter.read()
    assert said["g_term/cycle"] == pytest.approx(0.0, abs=1e-12)
    assert said["g_term/identity"] == pytest.approx(5.0 * float(2 * a.abs().mean() + 2 * b.abs().mean()))


@pytest.mark.parametrize("sides", [(8, 8), (8, 20), (32, 12)])
def test_rectangles_are_made_as_they_are(sides):
    gan = MODELS.get("cyclegan")((3, *sides), width=2, blocks=1, condition_shape=(1, *sides))
    y = torch.rand(2, 1, *sides)
    samples = gan.generator(gan.sample_z(2), y)
    assert samples.shape == (2, 3, *sides)
    assert samples.abs().max() <= 1.0
    assert gan.discriminator(samples).dim() == 3
    assert gan.critic_a(gan.back(samples)).dim() == 3


def test_g_draws_nothing():
    gan = cyclegan()
    b, a = pictures()
    assert gan.z_dim == 0
    assert gan.sample_z(4).shape == (4, 0)
    assert torch.equal(gan.generator(gan.sample_z(4), a), gan.generator(gan.sample_z(4), a))
    assert not torch.equal(gan.generator(gan.sample_z(4), a), gan.generator(gan.sample_z(4), b))


def test_the_papers_g_for_256_pixels():
    """c7s1-64, d128, d256, R256 nine times, u128, u64, c7s1-3."""
    net = ResNetTranslator(3, 3, 64, 9)
    layers = [layer for layer in net.main if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    assert [(layer.kernel_size[0], layer.stride[0], layer.out_channels) for layer in layers] == [
        (7, 1, 64), (3, 2, 128), (3, 2, 256), (3, 2, 128), (3, 2, 64), (7, 1, 3)
    ]  # fmt: skip
    assert sum(type(layer).__name__ == "Residual" for layer in net.main) == 9
    # 11.378 million weights, as its authors' code prints for this net.
    assert sum(p.numel() for p in net.parameters()) == 11_378_179


def test_the_average_holds_the_way_back():
    config, data = tiny("cyclegan", (1, 8, 8), (1, 8, 8), set=["width=4", "blocks=1", "ema_halflife=100"])
    trainer = trained(config, data)
    state = trainer.state_dict()
    for part in ("generator", "ema"):
        assert {key.split(".")[0] for key in state[part]} == {"generator", "back"}
    still = trainer.snapshot()
    name = next(key for key in state["ema"] if key.startswith("back.") and key.endswith("weight"))
    assert torch.equal(state["ema"][name], still.state_dict()[name])
    assert not same(state["ema"][name], state["generator"][name])
    assert not still.back.training


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((1, 8, 8), {}, "such as unpaired:PATH_A,PATH_B, and cannot do without the condition"),
        ((1, 8, 8), {"condition_shape": (3,)}, "takes images as conditions, and those of these data are vec"),
        ((1, 8, 8), {"condition_shape": (1, 8, 12)}, "as large as those"),
        ((1, 30, 32), {"condition_shape": (1, 30, 32)}, r"of 30 x 32 px \(--set data.size=32\)"),
        ((1, 4, 4), {"condition_shape": (1, 4, 4)}, r"from 8 on, and not of 4 x 4 px \(--set data.size=8\)"),
        ((1, 8, 8), {"condition_shape": (1, 8, 8), "pack": 2}, "model.pack must be 1, got 2"),
        ((1, 8, 8), {"condition_shape": (1, 8, 8), "cycle": -1.0}, "model.cycle and model.identity of at"),
        ((1, 8, 8), {"condition_shape": (1, 8, 8), "identity": float("nan")}, "identity of at least 0"),
        ((1, 8, 8), {"condition_shape": (1, 8, 8), "blocks": 0}, "model.blocks"),
    ],
)
def test_nonsense_is_refused(shape, options, words):
    with pytest.raises(UsageError, match=words):
        model("cyclegan", shape, **options)


@pytest.mark.parametrize(
    "words", [{}, {"loss": "relativistic", "stabilizer": ["instance-noise", "spectral-norm", "r1"]}]
)
def test_it_resumes_exactly(words):
    config, data = tiny("cyclegan", (1, 8, 8), (3, 8, 8), set=["width=4", "blocks=1"], **words)
    assert config.conditional
    want_exact_resume(config, data, "cyclegan")


def grey(x):
    return 127 + x // 2


class Unpaired(Dataset):
    """Digits, and others on grey, with half the contrast."""

    name = "unpaired-greys"
    sample_shape = condition_shape = (1, 28, 28)
    fingerprint = "unpaired greys"

    def __init__(self) -> None:
        digits = DATASETS.make("mnist-5k")
        parts = (split.all()[0] for split in (digits.train, digits.test))
        self.train, self.test = (TensorSplit(grey(x), x.roll(500, 0)) for x in parts)


def test_from_the_command_line(ganzoo):
    with DATASETS.lent("unpaired-greys", Unpaired):
        words = "--dataset unpaired-greys --steps 2 --batch-size 4 --set model.width=4 --out X"
        assert ganzoo(f"run cyclegan {words} --set model.blocks=1").code == 0
        rows = list(map(json.loads, Path("X/log.jsonl").read_text().splitlines()))
        assert rows[-1]["g_term/cycle"] > rows[-1]["g_term/identity"] > 0
        assert rows[-1]["d_term/a"] > 0
        assert ganzoo("sample X -n 3 --out x.npz").code == 0
        with np.load("x.npz") as kept:
            assert kept["samples"].shape == kept["conditions"].shape == (3, 1, 28, 28)
        assert "cyclegan has no z" in ganzoo("sample X --interpolate -n 8").sentence
        assert ganzoo("resume X --steps 4").code == 0


@pytest.mark.slow
def test_it_learns_without_pairs():
    """What no pair has shown, as neither a picture of all nor the one of another digit comes near."""
    with DATASETS.lent("unpaired-greys", Unpaired):
        small = {"model.width": 8, "model.blocks": 1}
        run = zoo.train("cyclegan", "unpaired-greys", steps=400, set=small, progress=False)
        y = run.dataset.test.all()[1][:200]
        made, wanted = run.sample(200, condition=y).float(), grey(y).float()

        def away(x):
            return float((x - wanted).abs().mean()) / 255

        assert away(y.float()) > 0.4
        assert away(wanted.mean(0)) > 0.07
        assert away(made) < 0.05
        with torch.no_grad():
            home = run.model.eval().back(made / 127.5 - 1)
        # Of twice the contrast, so twice as far off.
        assert float((home - (y / 127.5 - 1)).abs().mean()) / 2 < 0.12
