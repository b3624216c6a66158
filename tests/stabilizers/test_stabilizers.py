"""Each stabilizer against a closed form on a critic worked out by hand, and its refusals."""

from __future__ import annotations

import pytest
import torch
from toys import ToyGAN, real_batch, toy_step, turn_of

from ganzoo.errors import UsageError
from ganzoo.registry import LOSSES, MODELS
from ganzoo.stabilizers.base import Stabilizer, couples_batch, refuse_nonsense
from ganzoo.stabilizers.open import open_stabilizer


def make(spec: str) -> Stabilizer:
    return open_stabilizer(spec)


def test_label_smoothing_moves_the_target_of_real_samples_in_ds_step_only():
    torch.manual_seed(0)
    plain, smooth = toy_step(), toy_step(stabilizers=[make("label-smoothing:amount=0.1")])
    x, _ = real_batch()
    weight = plain.gan.discriminator.weight.detach().clone()
    for step in (plain, smooth):
        torch.manual_seed(1)
        step(lambda i: (x, None))
    # The loss grows by (1 - t) mean(w . x), so D's update differs by exactly -lr (1 - t) mean(x).
    change = smooth.gan.discriminator.weight - plain.gan.discriminator.weight
    torch.testing.assert_close(change.detach(), -0.1 * 0.1 * x.mean(0))
    # G's update differs only through D's new weights, the same formula for both.
    for step in (plain, smooth):
        torch.manual_seed(1)
        z = step.gan.sample_z(8)
        w = step.gan.discriminator.weight.detach()
        expected = 0.1 * torch.sigmoid(-(z @ w)).mean() * w
        torch.testing.assert_close(step.gan.generator.bias.detach(), expected)
    assert not torch.equal(weight, plain.gan.discriminator.weight)


@pytest.mark.parametrize("amount", [-0.1, 0.5, 1.0, float("nan")])
def test_label_smoothing_outside_its_range_is_refused(amount):
    with pytest.raises(UsageError):
        make(f"label-smoothing:amount={amount}")


def feed(skip: Stabilizer, losses: list[float]) -> list[bool]:
    return [skip.update_d(turn_of(d_loss=loss)) for loss in losses]


def test_skip_d_compares_the_running_mean_one_update_late():
    skip = make("skip-d:below=0.5,momentum=0.5,max_skips=100")
    # means:        -     1.0   .55   .325  .2125  .656  .878
    asked = feed(skip, [None, 1.0, 0.1, 0.1, 0.1, 1.1, 1.1])
    assert asked == [True, True, True, False, False, True, True]
    assert skip.log() == {"d_skip_rate": pytest.approx(2 / 7)}
    assert skip.log() == {"d_skip_rate": 0.0}


def test_skip_d_never_sleeps_longer_than_its_cap():
    skip = make("skip-d:below=0.5,max_skips=3")
    assert feed(skip, [0.1] * 9) == [False, False, False, True] * 2 + [False]


def test_skipped_updates_compute_the_loss_forward_only_and_move_nothing():
    step = toy_step(stabilizers=[make("skip-d:below=100,max_skips=1000")])
    step(real_batch)  # nothing is known yet: this one updates
    weight = step.gan.discriminator.weight.detach().clone()
    bias = step.gan.generator.bias.detach().clone()
    step.meter.read()
    step(real_batch)
    assert torch.equal(step.gan.discriminator.weight, weight)
    assert not torch.equal(step.gan.generator.bias, bias)
    assert step.meter.read()["d_loss"] > 0.0


def test_skip_d_sees_the_plain_loss_without_smoothing_and_penalties():
    class Spy(Stabilizer):
        name = "spy"
        seen: list[float] = []

        def update_d(self, turn):
            self.seen.append(turn.d_loss)
            return True

        def d_penalty(self, turn):
            return torch.tensor(1000.0)

    spy = Spy()
    step = toy_step(stabilizers=[make("label-smoothing:amount=0.4"), spy], lr=0.0)
    torch.manual_seed(3)
    step(real_batch)
    step(real_batch)
    torch.manual_seed(3)
    w = step.gan.discriminator.weight
    plain = LOSSES.get("non-saturating")().d(real_batch()[0] @ w, step.gan.sample_z(8) @ w)
    assert spy.seen[0] is None
    assert spy.seen[1] == pytest.approx(plain.item())


def grads_after(spec: str) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Gradients of a small net before and after the hook."""
    torch.manual_seed(0)
    gan = MODELS.get("mlp-gan")((2,), width=8, d_width=8)
    for p in gan.parameters():
        p.grad = torch.randn_like(p)
    before = [p.grad.clone() for p in gan.discriminator.parameters()]
    stabilizer = make(spec)
    stabilizer.setup(gan)
    untouched = [p.grad.clone() for p in gan.generator.parameters()]
    stabilizer.gradients(turn_of("d", gan))
    assert all(torch.equal(a, p.grad) for a, p in zip(untouched, gan.generator.parameters(), strict=True))
    return before, [p.grad for p in gan.discriminator.parameters()]


def total(grads: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([g.flatten() for g in grads]).norm()


def test_clip_grad_norm():
    before, after = grads_after("clip-grad-norm:max=0.5")
    assert float(total(after)) == pytest.approx(0.5, rel=1e-4)
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(b, a * (0.5 / total(before)), rtol=1e-4, atol=1e-6)
    before, after = grads_after("clip-grad-norm:max=1e6")
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_clip_grad_value():
    before, after = grads_after("clip-grad-value:max=0.3")
    assert all(torch.equal(b, a.clamp(-0.3, 0.3)) for a, b in zip(before, after, strict=True))


def test_unit_grad_norm():
    before, after = grads_after("unit-grad-norm")
    assert float(total(after)) == pytest.approx(1.0, rel=1e-5)
    torch.testing.assert_close(after[0], before[0] / total(before))


@pytest.mark.parametrize("name", ["clip-grad-norm:max=0.5", "clip-grad-value:max=0.3", "unit-grad-norm"])
def test_gradients_of_one_net_alone(name):
    before, after = grads_after(name + ("," if ":" in name else ":") + "net=g")
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_gradient_normalization_of_a_linear_critic():
    """f = w . x has |grad f| = |w|, so the critic becomes f / (|w| + |f|)."""
    gan = ToyGAN()
    critic = make("gradient-normalization").wrap_critic(lambda x, y: gan.discriminator(x, y), turn_of())
    x = real_batch()[0]
    f, norm = x @ gan.discriminator.weight, gan.discriminator.weight.norm()
    torch.testing.assert_close(critic(x, None), f / (norm + f.abs()))
    with torch.no_grad():
        assert not critic(x, None).requires_grad
    # Its gradients are those of the closed form, to D's weights and to x.
    x.requires_grad_()
    for target in (x, gan.discriminator.weight):
        (one,) = torch.autograd.grad(critic(x, None).sum(), target)
        f, norm = x @ gan.discriminator.weight, gan.discriminator.weight.norm()
        (other,) = torch.autograd.grad((f / (norm + f.abs())).sum(), target)
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


def test_gradient_normalization_is_lipschitz_and_bounded_on_a_real_net():
    torch.manual_seed(0)
    gan = MODELS.get("mlp-gan")((2,), d_width=32).double()
    for p in gan.discriminator.parameters():
        p.data.mul_(5.0)
    critic = make("gradient-normalization").wrap_critic(lambda x, y: gan.discriminator(x, y), turn_of())
    x = (3 * torch.randn(500, 2, dtype=torch.float64)).requires_grad_()
    out = critic(x, None)
    assert out.abs().max() <= 1.0
    (grad,) = torch.autograd.grad(out.sum(), x)
    assert grad.norm(dim=1).max() <= 1.0 + 1e-9
    assert gan.discriminator(x, None).abs().max() > 1.0


def test_gradient_normalization_reads_each_sample_alone_and_packs_as_one():
    torch.manual_seed(0)
    gan = ToyGAN(pack=2)
    x = real_batch()[0]
    critic = make("gradient-normalization").wrap_critic(
        lambda x, y: gan.discriminator(x.reshape(4, 6), y), turn_of()
    )
    f, norm = x.reshape(4, 6) @ gan.discriminator.weight, gan.discriminator.weight.norm()
    torch.testing.assert_close(critic(x, None), f / (norm + f.abs()))


def refuse(model: str, loss: str, *specs: str, **options) -> None:
    gan = MODELS.get(model)((1, 28, 28), **options)
    refuse_nonsense(gan, LOSSES.get(loss)(), loss, [make(spec) for spec in specs])


@pytest.mark.parametrize("loss", LOSSES.names())
def test_needs_of_the_loss(loss):
    member = LOSSES.get(loss)
    for spec, offered in (("label-smoothing", member.has_targets), ("skip-d", member.bounded_below)):
        if offered:
            refuse("mlp-gan", loss, spec)
        else:
            with pytest.raises(UsageError, match=f"{spec} needs a loss .*{loss}.*--loss .*minimax"):
                refuse("mlp-gan", loss, spec)


class LooksAtFakesAlone(Stabilizer):
    """What a loss that compares samples in pairs would take the sense of."""

    name, needs = "looks-at-fakes", ("unpaired-loss",)


@pytest.mark.parametrize("loss", LOSSES.names())
def test_a_need_of_unpaired_samples(loss):
    member, gan = LOSSES.get(loss)(), ToyGAN()
    if not member.needs_real_in_g:
        refuse_nonsense(gan, member, loss, [LooksAtFakesAlone()])
        return
    with pytest.raises(UsageError) as error:
        refuse_nonsense(gan, member, loss, [LooksAtFakesAlone()])
    before, named = str(error.value).split(": use --loss ")
    assert before == (
        f"looks-at-fakes needs a loss whose G looks at generated samples alone, and '{loss}' compares them "
        f"with real ones"
    )
    unpaired = [name for name in LOSSES.names() if not LOSSES.get(name).needs_real_in_g]
    assert named.split(" or ") == unpaired


def test_relativistic_losses_are_those_in_pairs():
    assert {name for name in LOSSES.names() if LOSSES.get(name).needs_real_in_g} == {
        "relativistic", "relativistic-average",
    }  # fmt: skip


def test_per_sample_gradients_are_refused_on_batchnorm_by_name():
    with pytest.raises(UsageError, match=r"BatchNorm2d \(main\.\d\).*model\.d_norm=layer"):
        refuse("dcgan", "hinge", "gradient-normalization", width=4)
    for d_norm in ("layer", "spectral", "none"):
        refuse("dcgan", "hinge", "gradient-normalization", width=4, d_norm=d_norm)


def test_batchnorm_in_a_net_that_goes_with_d_does_not_matter():
    """No penalty differentiates it."""
    gan = MODELS.get("acgan")((1, 8, 8), width=4, d_norm="none", num_classes=3)
    gan.classifier = torch.nn.Sequential(gan.classifier, torch.nn.BatchNorm1d(3))
    refuse_nonsense(gan, LOSSES.get("hinge")(), "hinge", [make("gradient-penalty")])
    gan.discriminator.main.append(torch.nn.BatchNorm1d(gan.discriminator.head.width))
    with pytest.raises(UsageError, match=r"BatchNorm1d \(main\.\d+\) in D mixes the samples"):
        refuse_nonsense(gan, LOSSES.get("hinge")(), "hinge", [make("gradient-penalty")])


def test_pairs_without_a_meaning_are_refused():
    with pytest.raises(UsageError, match="no sense together with clip-grad-norm"):
        refuse("mlp-gan", "hinge", "unit-grad-norm", "clip-grad-norm")


def test_couples_batch_sees_flagged_modules():
    module = torch.nn.Sequential(torch.nn.Identity())
    assert couples_batch(module) == ""
    module[0].couples_batch = True
    assert couples_batch(module) == "Identity (0)"
