"""ADA: how p follows D, and each change of an image against its definition in appendix B of the paper."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from toys import ToyGAN, toy_step

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.registry import LOSSES
from ganzoo.stabilizers import ada as module
from ganzoo.stabilizers.ada import ADA, blit, color, geometry, turning
from ganzoo.stabilizers.base import refuse_nonsense
from ganzoo.testing.training import same, tiny, trained, turn_of, want_exact_resume

F64 = torch.float64
LN2 = math.log(2.0)
ONE = torch.tensor(1.0)


def images(n=4, channels=3, height=16, width=None, dtype=torch.float32):
    return torch.rand(n, channels, height, width or height, dtype=dtype) * 2 - 1


def changed(ada, x, seed=0):
    torch.manual_seed(seed)
    return ada.transform(x, turn_of(x))


def only(monkeypatch, draws, *names):
    """Draws of which those of the given calls alone take part."""
    count = iter(range(100))
    some = draws.some
    monkeypatch.setattr(draws, "some", lambda value, otherwise, p=None: (
        some(value, otherwise, ONE) if next(count) in names else torch.full_like(value, otherwise)
    ))  # fmt: skip
    return draws


class Draws(module._Draws):
    """Draws that are given: some [n] for each call of uniform and normal, all of which take part."""

    def __init__(self, n, *values):
        super().__init__(n, ONE)
        self.values = iter(values)

    def uniform(self, low, high):
        value = torch.tensor(next(self.values)).expand(self.n)
        assert ((low <= value) & (value <= high)).all()
        return value

    def normal(self, std):
        return torch.tensor(next(self.values)).expand(self.n)


# p and what it follows.


def judged(ada, real, fake=(0.0,), loss="non-saturating", phase="d"):
    """One update of D, which answered so."""
    answers = {"real": torch.tensor(real), "fake": torch.tensor(fake)}
    turn = turn_of(torch.zeros(len(real), 1))
    turn = dataclasses.replace(turn, fake=torch.zeros(len(fake), 1), loss=LOSSES.get(loss)(), phase=phase)
    made = turn.real

    def critic(sample, y):
        return answers["real" if sample is made else "fake"]

    turn = dataclasses.replace(turn, critic=critic)
    if phase == "d":
        assert ada.d_penalty(turn) is None
    ada.weights(turn)
    return float(ada.state["p"])


def test_p_goes_by_the_mean_sign_of_each_interval():
    """Worked out by hand: 4 images an update, 2 updates a change of 8 / 80 = 0.1, target 0.5."""
    ada = ADA(target=0.5, p=0.3, ramp=80, interval=2)
    assert judged(ada, [1.0, 2.0, 3.0, -1.0]) == pytest.approx(0.3)  # r = 0.5; not yet
    assert judged(ada, [1.0, 1.0, 1.0, 1.0]) == pytest.approx(0.4)  # r = (0.5 + 1) / 2 > 0.5
    judged(ada, [9.0, 9.0, -0.1, -0.1])
    assert judged(ada, [5.0, 5.0, 5.0, -0.1]) == pytest.approx(0.3)  # r = (0 + 0.5) / 2 < 0.5
    judged(ada, [1.0, 1.0, 1.0, -1.0])
    assert judged(ada, [1.0, 1.0, 1.0, -1.0]) == pytest.approx(0.3)  # r = 0.5: right as it is
    judged(ada, [0.0, 1.0, 1.0, 1.0])
    assert judged(ada, [0.0, 1.0, 1.0, 0.0]) == pytest.approx(0.4)  # zeros count as 0: r = 0.625


def test_updates_of_g_do_not_count():
    ada = ADA(ramp=10, interval=1)
    judged(ada, [1.0])
    assert judged(ada, [1.0], phase="g") == pytest.approx(0.1)
    assert ada.state["updates"] == 1


@pytest.mark.parametrize("interval", [1, 3])
def test_it_would_go_from_0_to_1_in_ramp_images_and_stays_there(interval):
    ada = ADA(ramp=24, interval=interval)
    seen = [judged(ada, [1.0, 1.0]) for _ in range(18)]
    expected = [min(1.0, 2 * interval * (n // interval) / 24) for n in range(1, 19)]
    assert seen == pytest.approx(expected)
    assert seen[11] == pytest.approx(1.0)
    back = [judged(ada, [-1.0, -1.0]) for _ in range(18)]
    assert back == pytest.approx([1.0 - value for value in expected], abs=1e-6)


def test_a_ramp_of_0_keeps_p():
    ada = ADA(p=0.25, ramp=0, interval=1)
    assert [judged(ada, [1.0]) for _ in range(5)] == [0.25] * 5


@pytest.mark.parametrize(
    ("loss", "real", "fake", "goes"),
    [
        ("non-saturating", 0.1, 9.0, 1), ("non-saturating", -0.1, -9.0, -1),
        ("hinge", 0.1, 9.0, 1), ("hinge", -0.1, -9.0, -1),
        ("least-squares", 0.51, 9.0, 1), ("least-squares", 0.49, -9.0, -1),
        ("wasserstein", 7.0, 6.0, 1), ("wasserstein", 7.0, 8.0, -1),
        ("relativistic", -7.0, -8.0, 1), ("relativistic", -7.0, -6.0, -1),
        ("relativistic-average", -7.0, -8.0, 1), ("relativistic-average", -7.0, -6.0, -1),
    ],
)  # fmt: skip
def test_the_level_is_that_of_the_loss_or_else_the_mean_of_fakes(loss, real, fake, goes):
    ada = ADA(p=0.5, ramp=10, interval=1)
    assert judged(ada, [real], [fake - 1.0, fake + 1.0], loss) == pytest.approx(0.5 + 0.1 * goes)


def test_each_output_of_d_has_its_own_level():
    ada = ADA(target=0.0, p=0.5, ramp=10, interval=1)
    x = torch.zeros(2, 1)
    turn = dataclasses.replace(turn_of(x), fake=torch.ones(2, 1), loss=LOSSES.get("wasserstein")())
    said = {0: (torch.tensor([1.0, 1.0]), torch.tensor([5.0, 5.0])), 1: (torch.zeros(2), 6.0 * torch.ones(2))}
    ada.d_penalty(dataclasses.replace(turn, critic=lambda sample, y: said[int(sample[0, 0])]))
    assert float(ada.state["signs"]) == 0.0  # one right, one wrong
    turn = dataclasses.replace(turn, loss=LOSSES.get("non-saturating")())
    ada.d_penalty(dataclasses.replace(turn, critic=lambda sample, y: said[int(sample[0, 0])]))
    assert float(ada.state["signs"]) == 2.0  # both right, of 2 images


def test_parts_of_a_batch_are_one_update():
    ada = ADA(ramp=40, interval=2)
    turn = turn_of(torch.zeros(2, 1))
    turn = dataclasses.replace(turn, critic=lambda sample, y: torch.ones(2))
    for update in range(4):
        for _ in range(3):
            ada.d_penalty(turn)
        ada.weights(turn)
        assert float(ada.state["p"]) == pytest.approx((update + 1) // 2 * 12 / 40)


def test_d_is_asked_nothing_more_than_it_said_and_no_number_is_read(monkeypatch):
    ada = ADA(interval=1, ramp=100, p=0.5)
    step = toy_step(stabilizers=[], gan=ToyGAN())
    step.stabilizers = [ada]
    ada.transform = lambda sample, turn: sample  # the toy has vectors
    for name in ("item", "__float__", "__bool__", "__int__", "tolist"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_: pytest.fail("a number was read from the device"))
    step(lambda i: (torch.zeros(8, 3, dtype=F64), None))
    x = images()
    ada = ADA(p=0.5)
    ada.transform(x, turn_of(x))
    monkeypatch.undo()
    assert step.gan.discriminator.calls == 3
    assert torch.is_tensor(step.stabilizers[0].state["p"])
    assert ADA(p=0.25).log() == {"ada_p": 0.25}


# All together.


def test_with_p_0_nothing_changes():
    for x in (images(), images(3, 1, 28), images(2, 3, 10, 14)):
        torch.testing.assert_close(changed(ADA(), x), x, atol=1e-5, rtol=0)


def test_with_p_1_every_image_changes_and_each_in_its_own_way():
    x = images(1).expand(16, -1, -1, -1)
    seen = changed(ADA(p=1.0), x)
    apart = (seen[:, None] - seen[None]).abs().flatten(2).amax(2) + 9 * torch.eye(16)
    assert float(apart.min()) > 0.05
    assert float((seen - x).abs().flatten(1).amax(1).min()) > 0.05


def test_the_chance_is_p():
    x = images(1, 1, 8).expand(4000, -1, -1, -1)
    seen = changed(ADA(p=0.2, policy="color"), x)
    moved = ((seen - x).abs().flatten(1).amax(1) > 1e-4).float().mean()
    # Brightness and contrast with 0.2, light for dark with 0.2 of which a half is no flip.
    assert float(moved) == pytest.approx(1 - 0.8 * 0.8 * 0.9, abs=0.03)


@pytest.mark.parametrize("policy", ["blit", "geometry", "color", "blit + color", "geometry+blit"])
def test_a_policy_makes_its_parts_alone(policy, monkeypatch):
    called = []
    for name in ("blit", "geometry", "color"):
        part = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, f=part, n=name: (called.append(n), f(*a))[1])
    x = images()
    assert not torch.equal(changed(ADA(p=1.0, policy=policy), x), x)
    assert sorted(called) == sorted(part.strip() for part in policy.split("+"))


def test_images_are_changed_alike_on_every_scale():
    smooth = torch.randn(6, 3, 4, 4)
    large = torch.nn.functional.interpolate(smooth, size=64, mode="bicubic").tanh()
    small = torch.nn.functional.avg_pool2d(large, 2)
    torch.manual_seed(1)
    a, b = ADA(p=1.0).transform((small, large), turn_of((small, large)))
    alone = changed(ADA(p=1.0), large, seed=1)
    assert torch.equal(b, alone)
    torch.testing.assert_close(a, torch.nn.functional.avg_pool2d(b, 2), atol=0.35, rtol=0.0)
    assert float((a - torch.nn.functional.avg_pool2d(b, 2)).abs().mean()) < 0.02


def test_what_is_no_image_stays_as_it_is():
    x, z = images(), torch.randn(4, 5)
    seen = ADA(p=1.0).transform((x, z), turn_of((x, z)))
    assert seen[1] is z
    assert not torch.equal(seen[0], x)


def test_it_can_be_differentiated_twice():
    """Against finite differences, with the same draws: gradients at images, and R1's through them."""
    ada = ADA(p=1.0)
    x = images(2, 3, 6, 5, dtype=F64).requires_grad_()
    w = torch.randn(2, 3, 6, 5, dtype=F64)

    def seen(x):
        return changed(ada, x, seed=3)

    assert torch.autograd.gradcheck(seen, x, atol=1e-6)
    assert torch.autograd.gradgradcheck(lambda x: (w * seen(x)).tanh(), x, atol=1e-6)


def test_with_torchs_own_sampling_the_gradient_would_be_the_same():
    x = images(2, 3, 6, 5, dtype=F64).requires_grad_()
    w = torch.randn(2, 3, 6, 5, dtype=F64)
    ada = ADA(p=1.0, policy="blit+geometry")
    (ours,) = torch.autograd.grad((changed(ada, x) * w).sum(), x)
    torch.manual_seed(0)
    draws = module._Draws(2, ONE)
    both = blit(draws, 6, 5) @ geometry(draws, 6, 5)
    (plain,) = torch.autograd.grad((place(both, x) * w).sum(), x)
    torch.testing.assert_close(ours, plain)


def test_in_half_precision_images_go_to_the_same_places():
    x = images(4, 3, 64)
    half = changed(ADA(p=1.0), x.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half, changed(ADA(p=1.0), x.bfloat16().float()).bfloat16())


def test_r1_goes_through_it():
    config, data = tiny("dcgan", (3, 8, 8), stabilizer=["ada:p=0.5", "r1:gamma=1", "none"])
    gan = trained(config, data).gan
    assert all(p.isfinite().all() for p in gan.parameters())


@pytest.mark.parametrize("loss", ["non-saturating", "wasserstein"])
def test_p_is_kept_by_checkpoints(loss):
    config, data = tiny("dcgan", (3, 8, 8), loss=loss, stabilizer=["ada:ramp=100,p=0.5,interval=3", "none"])
    p = trained(config, data).stabilizers[0].state["p"]
    assert float(p) != 0.5
    want_exact_resume(config, data, "with ada")


def test_looking_ahead_is_no_update_of_d():
    config, data = tiny("dcgan", (1, 8, 8), stabilizer=["unrolled:k=3", "ada:ramp=1000,interval=1", "none"])
    trainer = trained(config, data)
    ada = trainer.stabilizers[1]
    assert (ada.state["updates"], ada.state["images"]) == (4, 0)
    assert round(float(ada.state["p"]) * 1000) % 8 == 0


# Where pixels come from.


def place(matrix, x):
    grid = torch.nn.functional.affine_grid(matrix[:, :2].to(x.dtype), list(x.shape), align_corners=False)
    return torch.nn.functional.grid_sample(
        x, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_mirrors_and_quarter_turns_are_permutations_of_pixels(quarters, mirrored):
    x = images(2, 3, 12, dtype=F64)
    draws = Draws(2, 1.5 if mirrored else 0.5, quarters + 0.5, 0.0, 0.0)
    seen = place(blit(draws, 12, 12).double(), x)
    flipped = x.flip(3) if mirrored else x
    # The image is mirrored first; the turns all go the same way round.
    expected = torch.rot90(flipped, quarters, (2, 3))
    torch.testing.assert_close(seen, expected, atol=1e-5, rtol=0)


def test_whole_pixels_are_moved_exactly_and_the_border_is_a_mirror():
    x = images(1, 2, 16, 24, dtype=F64)
    for right, down in ((2, 0), (-3, 0), (0, 1), (0, -2), (3, -2), (-1, 2)):
        seen = place(blit(Draws(1, 0.5, 0.5, right / 24, down / 16), 16, 24).double(), x)
        rows = [mirror(i - down, 16) for i in range(16)]
        columns = [mirror(j - right, 24) for j in range(24)]
        torch.testing.assert_close(seen, x[:, :, rows][..., columns], atol=1e-5, rtol=0)


def mirror(i, side):
    """-1, -2 -> 0, 1 and side, side + 1 -> side - 1, side - 2: the edge itself is doubled."""
    return -1 - i if i < 0 else 2 * side - 1 - i if i >= side else i


def test_blit_draws_what_the_paper_does():
    torch.manual_seed(0)
    n, height, width = 20_000, 16, 28
    m = blit(module._Draws(n, ONE), height, width)
    pixels = torch.diag(torch.tensor([width / 2, height / 2, 1.0]))
    m = (pixels @ m @ pixels.inverse()).double()  # in pixels, where turns are rotations
    turned = m[:, :2, :2].round()
    torch.testing.assert_close(m[:, :2, :2], turned, atol=1e-4, rtol=0)
    kinds, counts = turned.reshape(n, 4).unique(dim=0, return_counts=True)
    assert len(kinds) == 8  # mirrored or not, in each of four ways
    assert (counts / n - 1 / 8).abs().max() < 0.01
    moves = -(m[:, :2, :2].inverse() @ m[:, :2, 2:])[..., 0]
    for axis, most in ((0, 3.5), (1, 2)):
        values, counts = moves[:, axis].round().unique(return_counts=True)
        torch.testing.assert_close(moves[:, axis], moves[:, axis].round(), atol=1e-3, rtol=0)
        shares = [max(0.0, min(k + 0.5, most) - max(k - 0.5, -most)) / (2 * most) for k in values.tolist()]
        assert (counts / n - torch.tensor(shares)).abs().max() < 0.015
        assert max(values.abs()) == math.ceil(most - 0.5) if most == 2 else max(values.abs()) in (3, 4)


def test_each_part_of_blit_has_its_own_chance():
    torch.manual_seed(0)
    n, p = 40_000, 0.4
    m = blit(module._Draws(n, torch.tensor(p)), 64, 64)
    turned = m[:, :2, :2]
    eye = (turned - torch.eye(2)).abs().amax((1, 2)) < 1e-3
    # Mirrored with p / 2, turned with 3 p / 4; a mirror and a half turn are never the identity together.
    assert float(eye.float().mean()) == pytest.approx((1 - p / 2) * (1 - 3 * p / 4), abs=0.01)
    mirrored = turned[:, 0, 0] * turned[:, 1, 1] - turned[:, 0, 1] * turned[:, 1, 0] < 0
    assert float(mirrored.float().mean()) == pytest.approx(p / 2, abs=0.01)
    moved = (m[:, :2, 2].abs() > 1e-4).float().mean(0)
    assert moved.tolist() == pytest.approx([p * 16 / 17] * 2, abs=0.02)


# Scaling, turning, stretching, moving.


def parts_of_geometry(seed, n, p, monkeypatch, *names):
    """Geometry's matrices where only some of: 0 size, 1 and 2 turns, 3 stretch, 4 right, 5 down."""
    torch.manual_seed(seed)
    return geometry(only(monkeypatch, module._Draws(n, torch.tensor(p)), *names), 8, 8).double()


def is_normal(sample, std):
    """Mean, deviation and the shares within one and two deviations."""
    n = len(sample)
    assert abs(float(sample.mean())) < 4 * std / math.sqrt(n)
    assert float(sample.std()) == pytest.approx(std, rel=0.03)
    for k, share in ((1, 0.6827), (2, 0.9545)):
        assert float((sample.abs() < k * std).double().mean()) == pytest.approx(share, abs=0.015)


def is_uniform(sample, low, high):
    quantiles = torch.quantile((sample - low) / (high - low), torch.linspace(0, 1, 11, dtype=F64))
    torch.testing.assert_close(quantiles, torch.linspace(0, 1, 11, dtype=F64), atol=0.02, rtol=0)


def test_geometry_draws_what_the_paper_does(monkeypatch):
    n = 10_000
    size = parts_of_geometry(0, n, 1.0, monkeypatch, 0)
    assert torch.equal(size[:, 0, 0], size[:, 1, 1])
    is_normal(size[:, 0, 0].log(), 0.2 * LN2)
    stretch = parts_of_geometry(0, n, 1.0, monkeypatch, 3)
    torch.testing.assert_close(stretch[:, 0, 0] * stretch[:, 1, 1], torch.ones(n, dtype=F64))
    is_normal(stretch[:, 0, 0].log(), 0.2 * LN2)
    for which in (1, 2):
        turn = parts_of_geometry(which, n, 1.0, monkeypatch, which)
        is_uniform(torch.atan2(turn[:, 1, 0], turn[:, 0, 0]), -math.pi, math.pi)
    for axis, which in ((0, 4), (1, 5)):
        move = parts_of_geometry(which, n, 1.0, monkeypatch, which)
        is_normal(move[:, axis, 2] / 2, 0.125)
        assert not move[:, 1 - axis, 2].any()


class Heard(module._Draws):
    """Draws that keep the chances that they are asked for."""

    def some(self, value, otherwise, p=None):
        self.chances = [*getattr(self, "chances", []), p]
        return super().some(value, otherwise, p)


def test_both_turns_together_are_made_with_chance_p():
    torch.manual_seed(0)
    for p in (0.1, 0.6, 1.0):
        draws = Heard(1, torch.tensor(p))
        geometry(draws, 8, 8)
        turns = [float(q) for q in draws.chances if q is not None]
        assert turns == pytest.approx([1 - math.sqrt(1 - p)] * 2, abs=1e-6)
        assert 1 - (1 - turns[0]) * (1 - turns[1]) == pytest.approx(p, abs=1e-6)
        assert len(draws.chances) == 6


def test_images_of_any_shape_turn_rigidly():
    """In pixels, turning is a rotation: it keeps lengths and angles where the sides differ too."""
    angle = torch.tensor([0.3, 2.0, -1.0])
    pixels = torch.diag(torch.tensor([24.0, 5.0, 1.0]))
    m = pixels @ turning(angle, 10, 48) @ pixels.inverse()
    torch.testing.assert_close(m[:, :2, :2] @ m[:, :2, :2].mT, torch.eye(2).expand(3, 2, 2))
    assert torch.linalg.det(m).tolist() == pytest.approx([1.0] * 3, abs=1e-5)
    torch.testing.assert_close(torch.atan2(m[:, 1, 0], m[:, 0, 0]), angle)


def test_a_quarter_turn_of_a_wide_image_keeps_squares_square():
    x = images(1, 1, 8, 12, dtype=F64)
    x[:] = 0.0
    x[..., 2:4, 5:7] = 1.0  # a square, one row above the centre
    seen = place(blit(Draws(1, 0.5, 1.5, 0.0, 0.0), 8, 12).double(), x)
    expected = torch.zeros_like(x)
    expected[..., 3:5, 4:6] = 1.0  # 1 px above -> 1 px to the left
    torch.testing.assert_close(seen, expected, atol=1e-5, rtol=0)


def test_the_order_is_size_turn_stretch_turn_move():
    """Of the image: numpy's matrices from old places to new, one after the other."""
    size, before, stretch, after, right, down = 0.3, 0.5, -0.2, -1.1, 0.25, -0.125
    got = geometry(Draws(1, size, before, after, stretch, right, down), 8, 8)[0].double().numpy()

    def turn(a):
        return np.array([[math.cos(a), math.sin(a), 0], [-math.sin(a), math.cos(a), 0], [0, 0, 1]])

    steps = [
        np.diag([math.exp(size), math.exp(size), 1]),
        turn(before),
        np.diag([math.exp(stretch), math.exp(-stretch), 1]),
        turn(after),
        np.array([[1, 0, 2 * right], [0, 1, 2 * down], [0, 0, 1]]),
    ]
    forward = np.eye(3)
    for step in steps:
        forward = step @ forward
    np.testing.assert_allclose(got, np.linalg.inv(forward), atol=1e-5)


def test_blit_comes_before_geometry(monkeypatch):
    """Of the image: a mirror, then a move by a fraction, is a mirror image that was moved."""
    x = images(2, 1, 16)
    mirrors = torch.diag(torch.tensor([-1.0, 1.0, 1.0])).expand(2, 3, 3)
    monkeypatch.setattr(module, "blit", lambda *_: mirrors)
    monkeypatch.setattr(module, "geometry", lambda *_: module.moving(torch.full((2,), 0.25), torch.zeros(2)))
    seen = changed(ADA(policy="blit+geometry"), x)
    torch.testing.assert_close(seen[..., 4:], x.flip(3)[..., :-4], atol=1e-5, rtol=0)


# Colours.


def tint(matrix, offset, x):
    return torch.einsum("ncd,ndhw->nchw", matrix, x) + offset[..., None]


def test_colours_against_numpy():
    """Brightness, contrast, light for dark, hue, saturation, in this order, as 4 x 4 matrices."""
    brightness, contrast, flip, hue, saturation = 0.15, -0.4, 1.5, 0.9, 0.7
    matrix, offset = color(Draws(2, brightness, contrast, flip, hue, saturation), 3)
    v = np.array([1.0, 1.0, 1.0, 0.0]) / math.sqrt(3)
    grey, eye = np.outer(v, v), np.eye(4)
    bright = np.eye(4)
    bright[:3, 3] = brightness
    harder = np.diag([*[math.exp(contrast)] * 3, 1.0])
    flipped = eye - 2.0 * grey
    faded = grey + (eye - grey) * math.exp(saturation)
    faded[3, 3] = 1.0
    expected = faded @ hue_matrix(hue) @ flipped @ harder @ bright
    for got, offset_of in zip(matrix.double().numpy(), offset.double().numpy(), strict=True):
        np.testing.assert_allclose(got, expected[:3, :3], atol=1e-5)
        np.testing.assert_allclose(offset_of[:, 0], expected[:3, 3], atol=1e-5)


def hue_matrix(angle):
    """A turn about (1, 1, 1), column by column, by Rodrigues' formula for a vector."""
    k = np.array([1.0, 1.0, 1.0]) / math.sqrt(3)
    m = np.eye(4)
    for i in range(3):
        e = np.eye(3)[i]
        m[:3, i] = (
            e * math.cos(angle) + np.cross(k, e) * math.sin(angle) + k * np.dot(k, e) * (1 - math.cos(angle))
        )
    return m


def test_hue_and_saturation_keep_greys_and_a_turn_keeps_lengths():
    quiet = (0.0, 0.0, 0.5)  # no brightness, no contrast, no flip
    grey = torch.full((1, 3, 2, 2), 0.4)
    for hue, saturation in ((1.0, 0.0), (-2.5, 0.8)):
        matrix, offset = color(Draws(1, *quiet, hue, saturation), 3)
        torch.testing.assert_close(tint(matrix, offset, grey), grey)
    matrix, offset = color(Draws(1, *quiet, 1.0, 0.0), 3)
    torch.testing.assert_close(matrix @ matrix.mT, torch.eye(3)[None])
    assert float(torch.linalg.det(matrix)) == pytest.approx(1.0)
    third, _ = color(Draws(1, *quiet, 2 * math.pi / 3, 0.0), 3)
    torch.testing.assert_close(third[0], torch.eye(3).roll(1, 0))  # red becomes green, green blue


def test_saturation_is_the_distance_from_grey():
    x = images(1)
    matrix, offset = color(Draws(1, 0.0, 0.0, 0.5, 0.0, LN2), 3)
    grey = x.mean(1, keepdim=True)
    torch.testing.assert_close(tint(matrix, offset, x), grey + 2.0 * (x - grey))


def test_light_for_dark_keeps_hues():
    x = images(1)
    matrix, offset = color(Draws(1, 0.0, 0.0, 1.5, 0.0, 0.0), 3)
    grey = x.mean(1, keepdim=True)
    torch.testing.assert_close(tint(matrix, offset, x), x - 2.0 * grey)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_where_there_are_no_colours_there_is_no_hue(channels):
    x = images(2, channels)
    matrix, offset = color(Draws(2, 0.1, LN2, 0.5), channels)
    torch.testing.assert_close(tint(matrix, offset, x), 2.0 * (x + 0.1))
    torch.manual_seed(0)
    seen = ADA(p=1.0, policy="color").transform(x, turn_of(x))
    assert seen.shape == x.shape


def test_light_for_dark_of_one_channel_is_the_negative():
    x = images(2, 1)
    matrix, offset = color(Draws(2, 0.1, 0.0, 1.5), 1)
    torch.testing.assert_close(tint(matrix, offset, x), -(x + 0.1))


def test_colours_are_drawn_as_in_the_paper(monkeypatch):
    n = 10_000

    def drawn(*names):
        torch.manual_seed(0)
        matrix, offset = color(only(monkeypatch, module._Draws(n, ONE), *names), 3)
        return matrix.double(), offset.double()

    matrix, offset = drawn(0)
    is_normal(offset[:, 0, 0], 0.2)
    assert torch.equal(matrix, torch.eye(3, dtype=F64).expand(n, 3, 3))
    matrix, offset = drawn(1)
    is_normal(matrix[:, 0, 0].log(), 0.5 * LN2)
    assert not offset.any()
    matrix, _ = drawn(2)
    flips = torch.linalg.det(matrix).round()
    assert set(flips.tolist()) == {-1.0, 1.0}
    assert float((flips < 0).double().mean()) == pytest.approx(0.5, abs=0.02)
    matrix, _ = drawn(3)
    cosine = ((matrix.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1)
    sine = (matrix[:, 1, 0] - matrix[:, 0, 1]) * math.sqrt(3) / 2
    is_uniform(torch.atan2(sine, cosine), -math.pi, math.pi)
    matrix, _ = drawn(4)
    is_normal((matrix[:, 0, 0] - matrix[:, 0, 1]).log(), LN2)


# What is refused.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": 1.0}, r"target must be in \(-1, 1\), got 1"), ({"target": -1.0}, "target"),
        ({"target": float("nan")}, "target"), ({"p": -0.1}, r"p must be in \[0, 1\], got -0.1"),
        ({"p": 1.1}, "p must"), ({"p": float("nan")}, "p must"), ({"ramp": -1.0}, "ramp must"),
        ({"ramp": float("inf")}, "ramp must"), ({"ramp": float("nan")}, "ramp must"),
        ({"interval": 0}, "interval must be a whole number of at least 1, got 0"),
        ({"policy": "blit+colour"}, "policy has no part 'colour': did you mean color"),
        ({"policy": ""}, "policy has no part ''"),
    ],
)  # fmt: skip
def test_options_outside_their_range_are_refused(options, words):
    with pytest.raises(UsageError, match=f"ada: {words}"):
        ADA(**options)


def test_vectors_and_diffaugment_are_refused():
    with pytest.raises(UsageError, match=r"ada changes images.*\(2,\).*instance-noise"):
        ganzoo.train("mlp-gan", dataset="ring8", stabilizer=["ada"], progress=False)
    other = type("D", (ADA,), {"refuses": ()})()
    ada = ADA()
    ada.name, other.name = "ada", "diffaugment"
    with pytest.raises(UsageError, match="ada makes no sense together with diffaugment"):
        refuse_nonsense(ToyGAN(), LOSSES.get("hinge")(), "hinge", [other, ada])


def test_what_it_draws_follows_from_the_seed():
    x = images()
    one, again, other = (changed(ADA(p=0.7), x, seed) for seed in (1, 1, 2))
    assert same(one, again)
    assert not same(one, other)
