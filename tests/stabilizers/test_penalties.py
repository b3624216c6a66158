"""Each penalty against its closed form on critics worked out by hand, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from toys import ToyGAN, part, real_batch, toy_step, turn_of

from ganzoo.errors import UsageError
from ganzoo.models.sample import map_sample
from ganzoo.registry import LOSSES, MODELS
from ganzoo.stabilizers.augment import DiffAugment
from ganzoo.stabilizers.base import Stabilizer, refuse_nonsense
from ganzoo.stabilizers.penalties import R1, R2, Dragan, Drift, GradientPenalty

F64 = torch.float64
N, DIM = 6, 4
LAZY = (R1, R2, GradientPenalty, Dragan)


def points(seed, *shape):
    return torch.randn(*(shape or (N, DIM)), generator=torch.Generator().manual_seed(seed), dtype=F64)


REAL, FAKE = points(1), 0.5 * points(2) + 1.0
W = points(3, DIM)
A = points(4, DIM, DIM)


def linear(w=W):
    return lambda x, y=None: x.flatten(1) @ w


def quadratic(a=A):
    """x'Ax / 2, with gradient (A + A')x / 2."""
    return lambda x, y=None: ((x @ a) * x).sum(1) / 2


def gradient(x, a=A):
    return x @ (a + a.T) / 2


def penalty(stabilizer, critic, real=REAL, fake=FAKE, y=None, pack=1, seed=7, **told):
    stabilizer.setup(ToyGAN(pack=pack))
    torch.manual_seed(seed)
    return stabilizer.d_penalty(turn_of(critic=critic, real=real, fake=fake, y=y, **told))


class Watched:
    """A critic that remembers what it judged."""

    def __init__(self, critic):
        self.critic, self.seen = critic, []

    def __call__(self, x, y=None):
        self.seen.append(map_sample(torch.Tensor.detach, x))
        return self.critic(x, y)


def rows(x):
    return x.square().sum(1)


# Closed forms


@pytest.mark.parametrize("leaf", [False, True], ids=["plain", "requires-grad"])
@pytest.mark.parametrize("kind", [R1, R2])
def test_r1_and_r2_on_linear_and_quadratic_critics(kind, leaf):
    real, fake = (x.clone().requires_grad_(leaf) for x in (REAL, FAKE))
    seen = REAL if kind is R1 else FAKE
    torch.testing.assert_close(penalty(kind(gamma=3.0), linear(), real, fake), 1.5 * W.square().sum())
    torch.testing.assert_close(
        penalty(kind(gamma=3.0), quadratic(), real, fake), 1.5 * rows(gradient(seen)).mean()
    )


@pytest.mark.parametrize(("kind", "other"), [(R1, "fake"), (R2, "real")])
def test_they_look_at_one_side_alone(kind, other):
    nothing = {other: torch.full((N, DIM), math.nan, dtype=F64)}
    assert torch.isfinite(penalty(kind(), quadratic(), **nothing))


@pytest.mark.parametrize("leaf", [False, True], ids=["plain", "requires-grad"])
def test_gradient_penalty_on_linear_and_quadratic_critics(leaf):
    real, fake = (x.clone().requires_grad_(leaf) for x in (REAL, FAKE))
    one = penalty(GradientPenalty(weight=5.0, target=0.5), linear(), real, fake)
    torch.testing.assert_close(one, 5.0 * (W.norm() - 0.5).square())
    watched = Watched(quadratic())
    value = penalty(GradientPenalty(weight=5.0, target=0.5), watched, real, fake)
    norms = rows(gradient(watched.seen[-1])).sqrt()
    torch.testing.assert_close(value, 5.0 * (norms - 0.5).square().mean())


def test_dragan_on_linear_and_quadratic_critics():
    torch.testing.assert_close(penalty(Dragan(weight=5.0), linear()), 5.0 * (W.norm() - 1.0).square())
    watched = Watched(quadratic())
    value = penalty(Dragan(weight=5.0), watched)
    norms = rows(gradient(watched.seen[-1])).sqrt()
    torch.testing.assert_close(value, 5.0 * (norms - 1.0).square().mean())


def test_drift_pulls_outputs_for_real_samples_to_zero():
    torch.testing.assert_close(penalty(Drift(weight=0.3), linear()), 0.3 * (REAL @ W).square().mean())
    two = lambda x, y=None: (x @ W, (2.0 * x @ W)[:, None])  # noqa: E731
    squares = (REAL @ W).square().mean()
    torch.testing.assert_close(penalty(Drift(weight=0.3), two), 0.3 * (squares + 4.0 * squares) / 2)


@pytest.mark.parametrize("kind", [GradientPenalty, Dragan])
def test_a_flat_critic_has_a_finite_penalty_and_gradient(kind):
    w = torch.zeros(DIM, dtype=F64, requires_grad=True)
    value = penalty(kind(weight=2.0), linear(w))
    torch.testing.assert_close(value.detach(), torch.tensor(2.0, dtype=F64), rtol=0, atol=1e-5)
    (grad,) = torch.autograd.grad(value, w)
    assert torch.isfinite(grad).all()


# Where gradients are taken


def test_points_of_the_gradient_penalty_lie_on_the_lines():
    watched = Watched(linear())
    penalty(GradientPenalty(), watched)
    share = (watched.seen[-1] - FAKE) / (REAL - FAKE)
    torch.testing.assert_close(share, share[:, :1].expand_as(share))
    assert share.min() >= 0.0
    assert share.max() <= 1.0
    assert len(share[:, 0].unique()) == N
    many = Watched(linear())
    penalty(GradientPenalty(), many, torch.ones(4000, DIM, dtype=F64), torch.zeros(4000, DIM, dtype=F64))
    share = many.seen[-1][:, 0]
    assert float(share.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(share.var()) == pytest.approx(1 / 12, abs=0.01)


def test_one_share_per_pack_and_for_all_scales():
    watched = Watched(lambda x, y=None: sum(s.reshape(len(s) // 2, -1).sum(1) for s in x))
    real = (REAL, points(5, N, 1, 4, 4))
    fake = (FAKE, points(6, N, 1, 4, 4))
    penalty(GradientPenalty(), watched, real, fake, pack=2)
    shares = [((p - f) / (r - f)).flatten(1) for p, r, f in zip(watched.seen[-1], real, fake, strict=True)]
    for share in shares:
        torch.testing.assert_close(share, shares[0][:, :1].expand_as(share))
        assert torch.equal(share[::2, :1].round(decimals=9), share[1::2, :1].round(decimals=9))
        assert len(share[:, 0].round(decimals=9).unique()) == N // 2


def test_dragan_looks_around_real_samples():
    watched = Watched(linear())
    real = 3.0 * points(8, 3000, DIM)
    penalty(Dragan(noise=0.5), watched, real)
    away = (watched.seen[-1] - real) / (0.5 * real.std())
    assert away.abs().max() <= 1.0
    assert away.abs().max() > 0.9
    assert torch.equal(penalty(Dragan(noise=0.0), quadratic(), real),
                       penalty(Dragan(noise=0.0), quadratic(), real, seed=8))  # fmt: skip


def test_gradients_are_with_respect_to_the_sample_before_transforms():
    """Through cutout and translation, pixels that D does not see have no gradient."""
    real, w = points(9, 5, 1, 8, 8), points(10, 64)
    augment = DiffAugment("translation+cutout")

    def critic(x, y=None):
        torch.manual_seed(11)
        return augment.transform(x, turn_of()).flatten(1) @ w

    for kind in (R1, R2, GradientPenalty, Dragan):
        value = penalty(kind(), critic, real, real + 0.1)
        x = real.clone().requires_grad_()
        (grad,) = torch.autograd.grad(critic(x).sum(), x)
        squares = rows(grad.flatten(1))
        assert float(squares.max()) < float(w.square().sum())
        expected = squares.mean() / 2 if kind in (R1, R2) else 10.0 * (squares.sqrt() - 1.0).square().mean()
        torch.testing.assert_close(value, expected)


def test_a_pack_is_one_sample():
    w = points(12, 2 * DIM)
    packed = lambda x, y=None: x.reshape(N // 2, 2 * DIM) @ w  # noqa: E731
    assert float(penalty(R1(gamma=2.0), packed, pack=2)) == pytest.approx(float(w.square().sum()))
    expected = 10.0 * (w.norm() - 1.0).square()
    torch.testing.assert_close(penalty(GradientPenalty(), packed, pack=2), expected)
    torch.testing.assert_close(penalty(Dragan(), packed, pack=2), expected)


def test_scales_of_a_pyramid_add_up():
    v = points(13, 16)
    real, fake = (REAL, points(5, N, 1, 4, 4)), (FAKE, points(6, N, 1, 4, 4))
    critic = lambda x, y=None: x[0] @ W + x[1].flatten(1) @ v  # noqa: E731
    square = W.square().sum() + v.square().sum()
    for kind in (R1, R2):
        torch.testing.assert_close(penalty(kind(gamma=1.0), critic, real, fake), square / 2)
    for kind in (GradientPenalty, Dragan):
        torch.testing.assert_close(penalty(kind(), critic, real, fake), 10.0 * (square.sqrt() - 1).square())


def test_outputs_of_several_heads_and_of_patches_add_up():
    v = points(14, DIM)
    two = lambda x, y=None: (x @ W, x @ v)  # noqa: E731
    patches = lambda x, y=None: torch.stack([x @ W, x @ v], dim=1).view(-1, 1, 1, 2)  # noqa: E731
    for critic in (two, patches):
        for kind in (R1, R2):
            torch.testing.assert_close(penalty(kind(gamma=1.0), critic), (W + v).square().sum() / 2)


def test_labels_reach_the_critic():
    y = torch.arange(N)
    critic = lambda x, y=None: (x @ W) * y  # noqa: E731
    expected = W.square().sum() * y.square().double().mean()
    for kind in (R1, R2):
        torch.testing.assert_close(penalty(kind(gamma=2.0), critic, y=y), expected)
    norms = W.norm() * y
    for kind in (GradientPenalty, Dragan):
        torch.testing.assert_close(
            penalty(kind(), critic, y=y), 10.0 * (norms - 1).square().mean(), atol=1e-4, rtol=1e-6
        )


# What D learns from them


def test_gradients_to_ds_parameters_on_a_quadratic_critic():
    """With B = (A + A') / 2 and M = mean xx', gamma / 2 mean |Bx|^2 has the gradient gamma / 2 (BM + MB)."""
    for kind, seen in ((R1, REAL), (R2, FAKE)):
        a = A.clone().requires_grad_()
        (grad,) = torch.autograd.grad(penalty(kind(gamma=3.0), quadratic(a)), a)
        b, m = (A + A.T) / 2, seen.T @ seen / N
        torch.testing.assert_close(grad, 1.5 * (b @ m + m @ b))
    for kind in (GradientPenalty, Dragan):
        a = A.clone().requires_grad_()
        watched = Watched(quadratic(a))
        (grad,) = torch.autograd.grad(penalty(kind(weight=2.0), watched), a)
        a = A.clone().requires_grad_()
        by_hand = 2.0 * (rows(gradient(watched.seen[-1], a)).sqrt() - 1).square().mean()
        torch.testing.assert_close(grad, torch.autograd.grad(by_hand, a)[0])


@pytest.mark.parametrize("kind", LAZY)
def test_gradients_to_a_real_nets_parameters_equal_autograd_by_hand(kind):
    torch.manual_seed(0)
    net = MODELS.get("mlp-gan")((DIM,), d_width=8, d_depth=2, d_norm="layer").discriminator.double()
    watched = Watched(net)
    stabilizer = kind()
    value = penalty(stabilizer, watched)
    parameters = [p for name, p in net.named_parameters() if name != "head.linear.bias"]
    grads = torch.autograd.grad(value, parameters, allow_unused=True)

    x = watched.seen[-1].clone().requires_grad_()
    (grad_x,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    by_hand = rows(grad_x).mean() / 2 if kind in (R1, R2) else 10 * (grad_x.norm(dim=1) - 1).square().mean()
    torch.testing.assert_close(value, by_hand)
    expected = torch.autograd.grad(by_hand, parameters, allow_unused=True)
    for one, other in zip(grads, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)
    assert any(one is not None and one.abs().max() > 1e-3 for one in grads)


@pytest.mark.parametrize("pack", [1, 2])
@pytest.mark.parametrize("interval", [1, 2])
def test_the_step_adds_them_to_ds_update_and_not_to_gs(interval, pack):
    """On D(x) = w . x: r1 and r2 add gamma w each to D's gradient, the gradient penalty 2 (1 - 1 / |w|) w."""
    for kinds, extra in (
        ([R1(gamma=0.3, interval=interval)], lambda w: 0.3 * w),
        ([R1(gamma=0.3, interval=interval), R2(gamma=0.4, interval=interval)], lambda w: 0.7 * w),
        ([GradientPenalty(weight=0.5, interval=interval)], lambda w: (1 - 1 / w.norm()) * w),
        ([Dragan(weight=0.5, interval=interval), R1(gamma=0.2, interval=interval)],
         lambda w: (1.2 - 1 / w.norm()) * w),
    ):  # fmt: skip
        one, plain = toy_step(stabilizers=kinds, gan=ToyGAN(pack=pack)), toy_step(gan=ToyGAN(pack=pack))
        for number in range(3):
            w = plain.gan.discriminator.weight.detach().clone()
            for step in (one, plain):
                step.gan.load_state_dict(plain.gan.state_dict())
                step.now = number, 0.0, 1.0
                torch.manual_seed(number)
                z = step.gan.sample_z(8)
                step._update_d(part(z, None, real_batch(number)[0], z))
            change = one.gan.discriminator.weight - plain.gan.discriminator.weight
            strength = interval if number % interval == 0 else 0
            torch.testing.assert_close(change.detach(), -0.1 * strength * extra(w), rtol=1e-6, atol=1e-8)
            weight = one.gan.discriminator.weight.detach().clone()
            one._update_g(part(z, None, real_batch()[0], one.gan.generator(z)))
            assert torch.equal(one.gan.discriminator.weight, weight)


def test_the_step_logs_them_and_lowers_the_norm_of_ds_gradient():
    step = toy_step(stabilizers=[R1(gamma=5.0)], lr_d=0.05)
    step.stabilizers[0].name = "r1"
    before = step.gan.discriminator.weight.detach().norm()
    for i in range(20):
        step(lambda _, i=i: real_batch(i))
    assert step.gan.discriminator.weight.norm() < before
    assert step.meter.read()["d_penalty/r1"] > 0.0


# When and how strongly


@pytest.mark.parametrize("kind", LAZY)
def test_lazy_penalties_come_every_kth_step_k_times_as_strong(kind):
    every = penalty(kind(), quadratic())
    lazy = kind(interval=4)
    values = []
    for step in range(8):
        values.append(penalty(lazy, quadratic(), step=step))
        assert bool(lazy.differentiates_at(turn_of(step=step))) == (kind in (R1, R2) and step % 4 == 0)
    assert [value is None for value in values] == [False, True, True, True] * 2
    torch.testing.assert_close(values[0], 4 * every)
    torch.testing.assert_close(sum(value for value in values if value is not None) / 8, every)


@pytest.mark.parametrize("kind", LAZY)
def test_the_schedule_scales_them(kind):
    torch.testing.assert_close(penalty(kind(), quadratic(), scale=0.25), 0.25 * penalty(kind(), quadratic()))


def test_where_they_differentiate():
    assert R1().differentiates_at(turn_of()) == {"real"}
    assert R2().differentiates_at(turn_of()) == {"fake"}
    for kind in (GradientPenalty, Dragan, Drift):
        assert kind().differentiates_at(turn_of()) == frozenset()


@pytest.mark.parametrize("kind", LAZY)
@pytest.mark.parametrize("interval", [0, -1])
def test_an_interval_below_one_is_refused(kind, interval):
    with pytest.raises(UsageError, match="interval: expected a whole number of at least 1"):
        kind(interval=interval)


def check(*stabilizers: Stabilizer, **options) -> None:
    gan = MODELS.get("dcgan")((1, 28, 28), width=4, **options)
    for stabilizer in stabilizers:
        stabilizer.name = type(stabilizer).__name__
    refuse_nonsense(gan, LOSSES.get("hinge")(), "hinge", list(stabilizers))


@pytest.mark.parametrize("kind", LAZY)
def test_batchnorm_is_refused(kind):
    with pytest.raises(UsageError, match=r"BatchNorm2d \(main\.\d\).*model\.d_norm=layer"):
        check(kind())
    for d_norm in ("layer", "spectral", "none"):
        check(kind(), d_norm=d_norm)


def test_drift_goes_with_batchnorm():
    check(Drift())
