"""Balanced consistency regularisation against the sum written out."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from toys import ToyGAN

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.stabilizers.consistency import Consistency
from ganzoo.testing.training import tiny, turn_of, want_exact_resume


def turn(real, fake, critic, scale=1.0, y=None):
    return dataclasses.replace(turn_of(real, y), fake=fake, critic=critic, scale=scale)


def images(n=6, channels=3, height=8, width=None):
    return torch.randn(n, channels, height, width or height)


def test_the_term_is_the_squared_change_of_logits():
    torch.manual_seed(0)
    real, fake, w = images(), images(), torch.randn(3 * 8 * 8)
    labels = torch.arange(6)
    seen = []

    def critic(sample, y):
        seen.append(sample)
        assert y is labels
        return sample.flatten(1) @ w

    value = Consistency(real=3.0, fake=5.0).d_penalty(turn(real, fake, critic, scale=0.5, y=labels))
    assert seen[0] is real
    assert seen[2] is fake
    expected = 0.0
    for weight, (before, after) in ((3.0, seen[:2]), (5.0, seen[2:])):
        difference = [float((a - b).flatten() @ w) for a, b in zip(before, after, strict=True)]
        expected += 0.5 * weight * sum(d * d for d in difference) / 6
    assert len(seen) == 4
    assert float(value) == pytest.approx(expected, rel=1e-4)
    assert expected > 0


def test_outputs_count_alike():
    real, fake = images(), images()
    side = {True: (torch.zeros(6), torch.zeros(6, 2, 2)), False: (torch.ones(6), 3 * torch.ones(6, 2, 2))}

    def critic(sample, y):
        return side[sample is real or sample is fake]

    assert float(Consistency(real=1.0, fake=0.0).d_penalty(turn(real, fake, critic))) == (1 + 9) / 2


def test_a_weight_of_0_leaves_a_side_out_and_a_d_that_sees_no_change_pays_nothing():
    real, fake = images(), images()

    def by_side(sample, y):
        return (sample - real).flatten(1).sum(1) if sample is not fake else torch.zeros(6)

    total = Consistency(real=0.0, fake=0.0).d_penalty(turn(real, fake, by_side))
    assert float(total) == 0.0
    constant = Consistency().d_penalty(turn(real, fake, lambda sample, y: torch.ones(6)))
    assert float(constant) == 0.0


def test_both_sides_of_the_difference_learn():
    real, fake = images(2), images(2)
    logits = [torch.tensor([float(i), 2.0 * i], requires_grad=True) for i in range(4)]
    given = iter(logits)
    value = Consistency(real=2.0, fake=1.0).d_penalty(turn(real, fake, lambda sample, y: next(given)))
    gradients = torch.autograd.grad(value, logits)
    difference = torch.tensor([1.0, 2.0])
    for got, expected in zip(gradients, (-2.0, 2.0, -1.0, 1.0), strict=True):
        torch.testing.assert_close(got, expected * 2 * difference / 2)


def loop(x, flip, down, right):
    moved = torch.zeros_like(x)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            a, b = i - down, j - right
            if 0 <= a < x.shape[1] and 0 <= b < x.shape[2]:
                moved[:, i, j] = x[:, a, x.shape[2] - 1 - b if flip else b]
    return moved


@pytest.mark.parametrize(("height", "width", "shift", "most"), [(8, 8, 0.125, (1, 1)), (4, 12, 0.25, (1, 3))])
def test_images_are_mirrored_then_moved_by_whole_pixels_and_zeros_come_in(height, width, shift, most):
    torch.manual_seed(0)
    x = images(40, 2, height, width)
    seen = Consistency(shift=shift).changed(x)
    found = []
    for before, after in zip(x, seen, strict=True):
        found += [
            (flip, down, right)
            for flip in (False, True)
            for down in range(-height, height + 1)
            for right in range(-width, width + 1)
            if torch.equal(after, loop(before, flip, down, right))
        ]
    assert len(found) == 40
    flips, downs, rights = zip(*found, strict=True)
    assert set(flips) == {False, True}
    assert max(map(abs, downs)) == most[0]
    assert max(map(abs, rights)) == most[1]


def test_a_half_is_mirrored_and_each_move_has_its_share():
    torch.manual_seed(0)
    x = torch.zeros(8000, 1, 16, 24)
    x[:, :, 8, 11] = 1.0  # mirrored: 12
    plain = Consistency(shift=0.0).changed(x).flatten(1).argmax(1) % 24
    assert set(plain.tolist()) == {11, 12}
    assert float((plain == 12).float().mean()) == pytest.approx(0.5, abs=0.02)
    place = Consistency(shift=0.125, mirror=False).changed(x).flatten(1).argmax(1)
    for shift, most in ((place // 24 - 8, 2), (place % 24 - 11, 3)):
        values, counts = shift.unique(return_counts=True)
        assert values.tolist() == list(range(-most, most + 1))
        shares = [(0.5 if abs(k) == most else 1.0) / (2 * most) for k in values.tolist()]
        assert (counts / 8000 - torch.tensor(shares)).abs().max() < 0.02


def test_without_either_nothing_changes():
    x = images()
    assert torch.equal(Consistency(shift=0.0, mirror=False).changed(x), x)


def test_on_a_pyramid_an_image_is_changed_alike_and_latents_are_left_alone():
    torch.manual_seed(0)
    small = torch.randn(20, 3, 4, 4)
    large = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    z = torch.randn(20, 5)
    # Moved by even numbers of pixels of the finest scale, so that the coarser one is moved by whole ones.
    torch.manual_seed(4)
    a, b, c = Consistency(shift=0.5).changed((small, large, z))
    torch.manual_seed(4)
    assert torch.equal(b, Consistency(shift=0.5).changed(large))
    assert c is z
    even = [n for n in range(20) if torch.equal(b[n, :, ::2, ::2], b[n, :, 1::2, 1::2])]
    assert len(even) > 3
    assert torch.equal(a[even], b[even][:, :, ::2, ::2])


def test_it_trains_and_resumes():
    config, data = tiny("dcgan", (3, 8, 8), stabilizer=["consistency", "none"])
    want_exact_resume(config, data, "with consistency")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shift": 0.51}, r"consistency: shift must be in \[0, 0.5\], got 0.51"), ({"shift": -0.1}, "shift"),
        ({"shift": float("nan")}, "shift"), ({"real": -1.0}, "real"), ({"fake": float("inf")}, "fake"),
        ({"fake": float("nan")}, "fake"),
    ],
)  # fmt: skip
def test_options_outside_their_range_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        Consistency(**options)


def test_vectors_are_refused():
    with pytest.raises(UsageError, match=r"consistency changes images.*\(3,\).*r1 or lecam"):
        Consistency().setup(ToyGAN())
    with pytest.raises(UsageError, match="consistency changes images"):
        ganzoo.train("mlp-gan", dataset="ring8", stabilizer=["consistency"], progress=False)
