"""What D sees: noise that fades, and DiffAugment against a loop over images and pixels."""

from __future__ import annotations

import pytest
import torch
from toys import ToyGAN, part, real_batch, toy_step, turn_of

from ganzoo.errors import UsageError
from ganzoo.registry import LOSSES, MODELS
from ganzoo.stabilizers.augment import DiffAugment, InstanceNoise, color, cutout, translate
from ganzoo.training.step import Step

F64 = torch.float64


def images(n=6, channels=3, height=16, width=None):
    x = torch.rand(n, channels, height, width or height, dtype=F64) * 2 - 1
    return x.contiguous(memory_format=torch.channels_last)


def seeded(function, *args, seed=0):
    torch.manual_seed(seed)
    return function(*args)


def test_noise_has_the_level_of_its_time():
    noise = InstanceNoise(std=0.5, until=0.5)
    x = torch.zeros(200, 3, 10, 10)
    for t, level in ((0.0, 0.5), (0.25, 0.25), (0.4, 0.1)):
        seen = seeded(noise.transform, x, turn_of(t=t))
        assert float(seen.std()) == pytest.approx(level, rel=0.02)
        assert abs(float(seen.mean())) < 0.02 * level


def test_noise_that_has_faded_draws_nothing():
    x = torch.zeros(2, 3)
    for noise, t in ((InstanceNoise(0.5, until=0.5), 0.5), (InstanceNoise(0.5, until=0.5), 1.0),
                     (InstanceNoise(std=0.0), 0.0)):  # fmt: skip
        before = torch.get_rng_state()
        assert noise.transform(x, turn_of(t=t)) is x
        assert torch.equal(torch.get_rng_state(), before)


def test_noise_is_on_every_scale_and_gradients_pass_it():
    scales = tuple(torch.zeros(50, 1, side, side, requires_grad=True) for side in (4, 8))
    seen = InstanceNoise(std=1.0).transform(scales, turn_of())
    assert [x.shape for x in seen] == [x.shape for x in scales]
    assert all(0.9 < float(x.detach().std()) < 1.1 for x in seen)
    for x, noisy in zip(scales, seen, strict=True):
        (grad,) = torch.autograd.grad(noisy.sum(), x)
        assert torch.equal(grad, torch.ones_like(x))


@pytest.mark.parametrize("options", [{"std": -0.1}, {"std": float("nan")}, {"until": 0.0}, {"until": -1.0}])
def test_noise_outside_its_range_is_refused(options):
    with pytest.raises(UsageError, match="instance-noise"):
        InstanceNoise(**options)


def shifted(x, down, right):
    """The loop that `translate` is without one."""
    moved = torch.zeros_like(x)
    for n in range(len(x)):
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                a, b = i - int(down[n]), j - int(right[n])
                if 0 <= a < x.shape[2] and 0 <= b < x.shape[3]:
                    moved[n, :, i, j] = x[n, :, a, b]
    return moved


@pytest.mark.parametrize("channels", [1, 3])
def test_translation_moves_whole_pixels_and_zeros_come_in(channels):
    x = images(6, channels, 8, 10).requires_grad_()
    down = torch.tensor([0.0, 1.0, -2.0, 3.0, 8.0, -20.0])
    right = torch.tensor([0.0, -1.0, 2.0, 0.0, 0.0, 1.0])
    moved = translate(x, down, right)
    assert torch.equal(moved, shifted(x, down, right))
    assert moved.is_contiguous(memory_format=torch.channels_last)
    # Its gradient is the move back, and the gradient of that the move again.
    weight = images(6, channels, 8, 10).requires_grad_()
    (back,) = torch.autograd.grad((moved * weight).sum(), x, create_graph=True)
    assert torch.equal(back, shifted(weight, -down, -right))
    (again,) = torch.autograd.grad((back * x.detach()).sum(), weight)
    assert torch.equal(again, moved)


def test_translation_takes_any_layout():
    x = images()
    shift = torch.arange(6.0) - 3
    assert torch.equal(translate(x, shift, -shift), translate(x.contiguous(), shift, -shift))


def test_diffaugment_translates_by_up_to_an_eighth_each_shift_equally_often():
    x = torch.zeros(4000, 1, 16, 28)
    x[:, :, 8, 14] = 1.0
    seen = seeded(DiffAugment("translation").transform, x, turn_of())
    place = seen.flatten(1).argmax(1)
    for shift, most in ((place // 28 - 8, 2), (place % 28 - 14, 4)):
        values, counts = shift.unique(return_counts=True)
        assert values.tolist() == list(range(-most, most + 1))
        assert (counts / 4000 - 1 / len(values)).abs().max() < 0.03


def test_cutout_zeroes_half_the_side():
    x = images(4, 2, 8, 8).abs() + 0.1
    cy, cx = torch.tensor([0.5, 0.3, 0.0, 0.99]), torch.tensor([0.5, 0.6, 0.49, 0.01])
    seen = cutout(x, cy, cx)
    expected = x.clone()
    expected[0, :, 2:6, 2:6] = 0.0
    expected[1, :, 0:4, 3:7] = 0.0  # rows nearer than 2 px to 2.4, columns to 4.8
    expected[2, :, 0:2, 2:6] = 0.0  # what lies outside is lost
    expected[3, :, 6:8, 0:2] = 0.0
    assert torch.equal(seen, expected)


def test_diffaugment_cuts_a_square_of_half_the_side_anywhere():
    seen = seeded(DiffAugment("cutout").transform, torch.ones(3000, 3, 16, 16), turn_of())
    cut = seen == 0
    assert torch.equal(cut.all(1), cut.any(1))  # all channels alike
    cut = cut[:, 0]
    sides = torch.stack([cut.any(2).sum(1), cut.any(1).sum(1)])
    assert torch.equal(cut.sum((1, 2)), sides.prod(0))  # a rectangle
    assert int(sides.max()) == 8
    assert int(sides.min()) == 4  # where its centre lies on the edge
    hit = cut.float().mean(0)
    assert hit[8, 8] > 0.2
    assert hit[0, 0] > 0.04


def test_color_is_saturation_then_contrast_then_brightness():
    x = images()
    b, s, c = torch.rand(6) - 0.5, torch.rand(6) * 2, torch.rand(6) + 0.5
    for n, (seen, image) in enumerate(zip(color(x, b, s, c), x, strict=True)):
        image = image.mean(0) + s[n] * (image - image.mean(0))
        image = image.mean() + c[n] * (image - image.mean())
        torch.testing.assert_close(seen, image + b[n])


def test_saturation_does_nothing_to_one_channel():
    x = images(channels=1)
    zero, one, any_ = torch.zeros(6), torch.ones(6), torch.rand(6) * 2
    assert torch.equal(color(x, zero, any_, one), x)
    assert not torch.allclose(color(x, zero, one, any_), x)


def test_color_stays_in_its_ranges():
    x = images(2000, 3, 4)
    seen = seeded(DiffAugment("color").transform, x, turn_of())
    brightness = (seen - x).mean((1, 2, 3))
    assert brightness.abs().max() <= 0.5
    assert brightness.std() == pytest.approx(12**-0.5, rel=0.1)
    grey = [image.mean(1, keepdim=True) for image in (x, seen)]
    contrast = grey[1].std((1, 2, 3)) / grey[0].std((1, 2, 3))
    assert contrast.min() >= 0.5
    assert contrast.max() <= 1.5
    both = (seen - grey[1]).std((1, 2, 3)) / (x - grey[0]).std((1, 2, 3))
    saturation = both / contrast
    assert saturation.min() < 0.1
    assert 1.9 < saturation.max() <= 2.0 + 1e-9


def test_no_strength_is_the_identity():
    x = images()
    zero, one = torch.zeros(6), torch.ones(6)
    assert torch.equal(color(x, zero, one, one), x)
    assert torch.equal(translate(x, zero, zero), x)
    assert torch.equal(cutout(x, zero - 1, zero), x)  # wholly outside


def test_a_policy_is_its_parts_in_one_order():
    x = images()
    parts = {name: DiffAugment(name) for name in DiffAugment.parts}
    by_hand = x
    for name in ("color", "translation", "cutout"):
        by_hand = seeded(parts[name].transform, by_hand, turn_of())
    for policy in ("color+translation+cutout", "cutout + color+translation"):
        assert torch.equal(seeded(DiffAugment(policy).transform, x, turn_of()), by_hand)
    assert not torch.equal(seeded(DiffAugment().transform, x, turn_of(), seed=1), by_hand)


def test_images_draw_for_themselves():
    seen = DiffAugment().transform(images(1).repeat(20, 1, 1, 1), turn_of())
    assert len(seen.flatten(1).unique(dim=0)) == 20


def test_a_pyramid_changes_alike_on_every_scale():
    fine = images(8, 3, 64)
    pyramid = tuple(torch.nn.functional.avg_pool2d(fine, k) if k > 1 else fine for k in (4, 2, 1))
    flat = tuple(torch.ones_like(x) for x in pyramid)
    # Cutout: the masks are the same squares.
    cut = seeded(DiffAugment("cutout").transform, flat, turn_of())
    for small, k in zip(cut, (4, 2), strict=False):
        shrunk = torch.nn.functional.avg_pool2d(cut[-1], k)
        assert torch.equal(small[(shrunk == 0) | (shrunk == 1)], shrunk[(shrunk == 0) | (shrunk == 1)])
        assert ((shrunk == 0) | (shrunk == 1)).float().mean() > 0.75
    # Colour: a mean of pixels is changed as they are.
    seen = seeded(DiffAugment("color").transform, pyramid, turn_of())
    for small, k in zip(seen, (4, 2), strict=False):
        grey = [x.mean(1, keepdim=True) for x in (small, torch.nn.functional.avg_pool2d(seen[-1], k))]
        assert torch.equal(grey[0].argmax(), grey[1].argmax())
        torch.testing.assert_close(small.mean((1, 2, 3)), seen[-1].mean((1, 2, 3)))
        torch.testing.assert_close(small, torch.nn.functional.avg_pool2d(seen[-1], k))
    # Translation: by the same part of the side, to half a pixel of each scale.
    dots = tuple(torch.zeros(50, 1, side, side) for side in (16, 32, 64))
    for dot in dots:
        dot[:, :, dot.shape[2] // 2, dot.shape[2] // 2] = 1.0
    moved = seeded(DiffAugment("translation").transform, dots, turn_of())
    places = [x.flatten(1).argmax(1) for x in moved]
    shifts = [(p // s - s // 2) / s for p, s in zip(places, (16, 32, 64), strict=True)]
    assert len(shifts[2].unique()) > 10
    for shift, side in zip(shifts[:2], (16, 32), strict=True):
        assert (shift - shifts[2]).abs().max() <= 0.5 / side
    # The full resolution is changed as it is alone.
    whole = DiffAugment()
    assert torch.equal(
        seeded(whole.transform, pyramid, turn_of())[-1], seeded(whole.transform, fine, turn_of())
    )


def test_gradients_pass_all_of_it_twice():
    x = images(2, 3, 6).requires_grad_()

    def changed(x):
        return seeded(DiffAugment().transform, x, turn_of())

    assert torch.autograd.gradcheck(changed, (x,))
    assert torch.autograd.gradgradcheck(lambda x: changed(x).pow(3), (images(2, 3, 4).requires_grad_(),))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, F64])
def test_it_keeps_dtype_and_layout(dtype):
    x = images().to(dtype)
    seen = DiffAugment().transform(x, turn_of())
    assert seen.dtype == dtype
    assert seen.shape == x.shape
    assert seen.is_contiguous(memory_format=torch.channels_last)


def test_an_unknown_part_is_refused_with_the_nearest_names():
    with pytest.raises(UsageError, match=r"no part 'colour': did you mean color or cutout\?"):
        DiffAugment("colour+cutout")
    with pytest.raises(UsageError, match="valid names: color, cutout, translation"):
        DiffAugment("")


def test_vectors_are_refused():
    with pytest.raises(UsageError, match="vectors of shape"):
        DiffAugment().setup(ToyGAN())
    DiffAugment().setup(MODELS.get("dcgan")((1, 28, 28), width=2))


@pytest.mark.parametrize("make", [InstanceNoise, DiffAugment])
def test_a_dcgan_trains_through_it_and_g_learns(make):
    torch.manual_seed(0)
    gan = MODELS.get("dcgan")((1, 28, 28), width=2, z_dim=3)
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.1) for net in (gan.generator, gan.discriminator)]
    step = Step(gan, LOSSES.get("non-saturating")(), [make()], tuple(optimizers))
    before = {name: p.detach().clone() for name, p in gan.named_parameters()}
    for _ in range(2):
        step(lambda i: (torch.rand(4, 1, 28, 28), None))
    assert all(torch.isfinite(p).all() for p in gan.parameters())
    assert all(not torch.equal(before[n], p) for n, p in gan.named_parameters() if p.grad.any())


def test_a_linear_d_learns_from_what_it_sees():
    """D's update is of the transformed samples: with w = 0 its gradient is (mean fake - mean real) / 2."""
    step = toy_step(stabilizers=[InstanceNoise(std=3.0)], lr=0.1)
    step.gan.discriminator.weight.data.zero_()
    torch.manual_seed(5)
    step._update_d(part(torch.zeros(8, 3), None, real_batch()[0], real_batch(1)[0]))
    torch.manual_seed(5)
    real, fake = (real_batch(i)[0] + 3.0 * torch.randn(8, 3, dtype=F64) for i in range(2))
    torch.testing.assert_close(step.gan.discriminator.weight.data, 0.05 * (real.mean(0) - fake.mean(0)))
