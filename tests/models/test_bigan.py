"""BiGAN: an encoder beside G, and a D of pairs, against its losses written out."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Unpack

import pytest
import torch
from parts import F64, assert_gradients, double_z, gradients, images, model, moved, step_of, twin, weights

from ganzoo.models.base import Common
from ganzoo.registry import MODELS
from ganzoo.stabilizers.augment import DiffAugment, InstanceNoise
from ganzoo.testing.training import same, tiny, trained, turn_of, want_exact_resume

softplus = torch.nn.functional.softplus


def bigan(**options):
    gan = model("bigan", **{"z_dim": 5, "d_norm": "none", **options})
    double_z(gan)
    return gan


def pairs(gan, z):
    """(x, E(x)) and (G(z), z)."""
    x = images()
    return (x, gan.encoder(x)), (gan.generator.main(z), z)


def test_d_learns_to_tell_the_pairs_apart():
    gan = bigan()
    before = twin(gan)
    torch.manual_seed(1)
    step_of(gan, lr_d=0.1)(lambda i: (images(), None))
    torch.manual_seed(1)
    real, fake = pairs(before, gan.sample_z(6))
    d = before.discriminator
    loss = softplus(-d(real)).mean() + softplus(d(fake)).mean()
    assert_gradients(gan.discriminator, loss, 0.1, before.discriminator)
    assert moved(gan, weights(before)) == {"discriminator"}


# What G does for fakes with D's answer, E does for real pairs with its labels the other way round.
SWAPPED = {
    "non-saturating": (lambda f: softplus(-f), softplus),
    "minimax": (lambda f: -softplus(f), lambda r: -softplus(-r)),
    "hinge": (lambda f: -f, lambda r: r),
    "wasserstein": (lambda f: -f, lambda r: r),
    "least-squares": (lambda f: 0.5 * (f - 1).square(), lambda r: 0.5 * r.square()),
}


@pytest.mark.parametrize("loss", SWAPPED)
def test_g_and_e_learn_with_swapped_labels(loss):
    gan = bigan()
    before = twin(gan)
    torch.manual_seed(1)
    step = step_of(gan, lr_g=0.1, loss=loss)
    step(lambda i: (images(), None))
    torch.manual_seed(1)
    real, fake = pairs(before, gan.sample_z(6))
    of_g, of_e = SWAPPED[loss]
    g = of_g(before.discriminator(fake)).mean()
    e = of_e(before.discriminator(real)).mean()
    assert_gradients(gan.generator, g, 0.1, before.generator)
    assert_gradients(gan.encoder, e, 0.1, before.encoder)
    assert not any(gradient is not None for gradient in gradients(e, before.generator).values())
    assert moved(gan, weights(before)) == {"generator", "encoder"}
    assert step.meter.read()["g_term/encoder"] == pytest.approx(float(e.detach()))


def test_a_loss_of_pairs_teaches_e_already():
    gan = bigan()
    before = twin(gan)
    torch.manual_seed(1)
    step = step_of(gan, lr_g=0.1, loss="relativistic")
    step(lambda i: (images(), None))
    torch.manual_seed(1)
    real, fake = pairs(before, gan.sample_z(6))
    loss = softplus(before.discriminator(real) - before.discriminator(fake)).mean()
    assert_gradients(gan.generator, loss, 0.1, before.generator)
    assert_gradients(gan.encoder, loss, 0.1, before.encoder)
    assert moved(gan, weights(before)) == {"generator", "encoder"}
    assert "g_term/encoder" not in step.meter.read()


def test_pairs_and_what_is_read_of_them():
    gan = bigan().eval()
    x, z = images(), gan.sample_z(6)
    assert gan.view(x)[0] is x
    assert torch.equal(gan.view(x)[1], gan.encoder(x))
    assert torch.equal(gan.encode(x), gan.encoder(x))
    assert torch.equal(gan.encode(x, torch.zeros(6)), gan.encoder(x))
    made, again = gan.generator(z)
    assert again is z
    assert gan.samples((made, z)) is made
    assert gan.encode(x).shape == (6, 5)


def test_d_judges_images_and_latents_together():
    gan = bigan()
    torch.nn.init.normal_(gan.discriminator.head.linear.weight)
    x, z = images(), torch.randn(6, 5, dtype=F64)
    said = gan.discriminator((x, z))
    assert said.shape == (6,)
    assert (gan.discriminator((x, z.flip(0))) != said).all()
    assert (gan.discriminator((x.flip(0), z)) != said).all()


def test_e_is_not_told_the_class_and_g_and_d_are():
    gan = bigan(num_classes=3)
    y = torch.tensor([0, 1, 2, 0, 1, 2])
    x, z = images(), torch.randn(6, 5, dtype=F64)
    assert not torch.equal(gan.generator(z, y)[0], gan.generator(z, y.flip(0))[0])
    gan.discriminator.head.embed.weight.data.normal_()
    assert not torch.equal(gan.discriminator((x, z), y), gan.discriminator((x, z), y.flip(0)))


def test_packed_pairs_lie_side_by_side():
    gan = bigan(pack=2)
    x, seen = images(), []
    gan.discriminator.register_forward_hook(lambda net, inputs, output: seen.append((inputs[0], output)))
    step_of(gan)(lambda i: (x, None))
    (pair, logits), *_ = seen
    assert [tuple(part.shape) for part in pair] == [(3, 2, 8, 8), (3, 10)]
    assert logits.shape == (3,)
    assert torch.equal(pair[0][1], torch.cat([x[2], x[3]]))


def test_changes_of_images_leave_latents_alone():
    gan = bigan()
    pair = images(), torch.randn(6, 5, dtype=F64)
    torch.manual_seed(0)
    x, z = DiffAugment().transform(pair, turn_of(pair))
    assert z is pair[1]
    torch.manual_seed(0)
    assert torch.equal(x, DiffAugment().transform(pair[0], turn_of(pair[0])))
    seen = []
    gan.discriminator.register_forward_hook(lambda net, inputs, output: seen.append(inputs[0]))
    step_of(gan, stabilizers=[DiffAugment()])(lambda i: (pair[0], None))
    assert not torch.equal(seen[0][0], pair[0])
    torch.testing.assert_close(seen[0][1], twin(gan).train().encoder(pair[0]))


def test_noise_is_on_all_that_d_sees():
    """Instance noise is no change of images: the distributions of pairs are to overlap."""
    pair = torch.zeros(50, 1, 8, 8), torch.zeros(50, 64)
    for part in InstanceNoise(std=0.5).transform(pair, turn_of(pair)):
        assert float(part.std()) == pytest.approx(0.5, rel=0.05)


def test_where_e_inverts_g_d_cannot_tell_the_pairs_apart():
    """E = 0 inverts a G that is only asked for z = 0."""
    gan = bigan()
    for parameter in gan.encoder[1].parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(gan.encode(images()), torch.zeros(6, 5, dtype=F64))
    z = torch.zeros(6, 5, dtype=F64)
    made = gan.generator(z)
    torch.testing.assert_close(gan.discriminator(gan.view(made[0])), gan.discriminator(made))


def test_the_averaged_encoder_has_statistics_of_its_own_weights_on_real_samples():
    """In eval mode it gives what it gives in train mode, whatever training's running mean is of."""
    config, data = tiny("bigan", (1, 16, 16), set=["width=4", "ema_halflife=1000"])
    trainer = trained(config, data)
    for norm in (part for part in trainer.gan.encoder.modules() if isinstance(part, torch.nn.BatchNorm2d)):
        norm.running_mean.fill_(1e3)
    before = copy.deepcopy(trainer.gan.state_dict())
    still = trainer.snapshot()
    x = trainer._some_real(64)
    with torch.no_grad():
        told = still.encode(x)
        torch.testing.assert_close(told, still.train().encode(x), rtol=0.05, atol=0.02)
    assert all(torch.equal(value, before[key]) for key, value in trainer.gan.state_dict().items())
    assert torch.equal(trainer.ema.snapshot(config.seed, trainer.step, 1.0).eval().encode(x), told)


def test_a_net_that_terms_alone_run_keeps_the_statistics_of_training():
    class Reads(MODELS.get("infogan")):
        def __init__(self, sample_shape, z_dim=16, *, width=4, d_norm="none", **common: Unpack[Common]):
            super().__init__(sample_shape, z_dim, width=width, d_norm=d_norm, **common)
            self.reader.append(torch.nn.BatchNorm1d(sum(self.parts[1:])))

    with MODELS.lent("reads", Reads):
        trainer = trained(*tiny("reads", (1, 8, 8), set=["width=4"]))
    norm = trainer.gan.reader[-1]
    assert norm.running_mean.any()
    assert torch.equal(trainer.snapshot().reader[-1].running_mean, norm.running_mean)


def test_the_encoder_is_averaged_saved_and_loaded_with_g():
    config, data = tiny("bigan", (1, 8, 8), set=["width=4", "ema_halflife=100"])
    trainer = trained(config, data)
    state = trainer.state_dict()
    for part in ("generator", "ema"):
        assert {key.split(".")[0] for key in state[part]} == {"generator", "encoder"}
    still = trainer.snapshot()
    name = "encoder.1.weight"
    assert torch.equal(state["ema"][name], still.state_dict()[name])
    assert not same(state["ema"][name], state["generator"][name])
    assert not still.encoder.training
    assert set(MODELS.get("bigan").with_g) == {"encoder"}


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"conditional": True, "stabilizer": ["diffaugment", "packing:m=2"]},
        {"loss": "relativistic", "stabilizer": ["instance-noise", "ada:p=0.5"]},
        {"loss": "wasserstein", "stabilizer": ["unrolled:k=1", "none"]},
    ],
)
def test_it_resumes_exactly(words):
    config, data = tiny("bigan", (1, 8, 8), set=["width=4"], **words)
    want_exact_resume(config, data, "bigan")


def test_from_the_command_line(ganzoo):
    words = "--dataset mnist-5k --steps 2 --batch-size 8 --set width=4 --out X"
    assert ganzoo(f"run bigan {words}").code == 0
    rows = list(map(json.loads, Path("X/log.jsonl").read_text().splitlines()))
    assert rows[-1]["g_term/encoder"] > 0
    assert ganzoo("sample X -n 3 --out x.npz").code == 0
    assert ganzoo("resume X --steps 4").code == 0
