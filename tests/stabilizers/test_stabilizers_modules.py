"""Stabilizers that change D's layers or its batches: on toys, on real models, and through runs and back."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from toys import ToyGAN, part, real_batch, toy_step, turn_of

import ganzoo
from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.models.layers import HeadedDiscriminator, batch_std
from ganzoo.registry import LOSSES, MODELS
from ganzoo.stabilizers.augment import DiffAugment, InstanceNoise
from ganzoo.stabilizers.base import couples_batch, refuse_nonsense
from ganzoo.stabilizers.batches import FeatureMatching, Packing
from ganzoo.stabilizers.critic import GradientNormalization
from ganzoo.stabilizers.gradients import ClipWeights
from ganzoo.stabilizers.norms import LayerNorm, MinibatchStd, SpectralNorm
from ganzoo.stabilizers.penalties import R1, R2, Dragan, GradientPenalty
from ganzoo.training.checkpoint import load_checkpoint, saved

F64 = torch.float64
NAMES = {
    "spectral-norm": SpectralNorm, "layer-norm": LayerNorm, "minibatch-std": MinibatchStd,
    "packing": Packing, "feature-matching": FeatureMatching, "instance-noise": InstanceNoise,
    "diffaugment": DiffAugment,
}  # fmt: skip


def dcgan(**options) -> GAN:
    torch.manual_seed(0)
    return MODELS.get("dcgan")((1, 28, 28), **{"width": 4, "z_dim": 5, **options})


def mlp(**options) -> GAN:
    torch.manual_seed(0)
    return MODELS.get("mlp-gan")((3,), **{"width": 8, "d_width": 8, **options})


def set_up(gan: GAN, *stabilizers) -> nn.Module:
    for stabilizer in stabilizers:
        stabilizer.name = next(
            (n for n, c in NAMES.items() if c is type(stabilizer)), type(stabilizer).__name__
        )
        stabilizer.setup(gan)
    return gan.discriminator


def check(gan: GAN, *stabilizers) -> None:
    set_up(gan, *stabilizers)
    refuse_nonsense(gan, LOSSES.get("hinge")(), "hinge", list(stabilizers))


class Headless(GAN):
    """A D without a head, in which there is nothing to normalise."""

    def __init__(self):
        super().__init__((3,), 3)
        self.generator = nn.Linear(3, 3)
        self.discriminator = ToyGAN().discriminator


# Spectral norm


def largest_singular_value(weight: torch.Tensor) -> float:
    return float(torch.linalg.matrix_norm(weight.detach().flatten(1), 2))


@pytest.mark.parametrize(
    "gan", [dcgan(d_norm="none", num_classes=3), mlp(num_classes=3)], ids=["dcgan", "mlp"]
)
def test_spectral_norm_divides_every_weight_by_its_largest_singular_value(gan):
    torch.manual_seed(0)
    plain = copy.deepcopy(gan.discriminator).requires_grad_(False)
    d = set_up(copy.deepcopy(gan), SpectralNorm())
    x = torch.randn(2, *gan.sample_shape)
    for _ in range(200):  # one power iteration each
        d(x, torch.arange(2))
    d.eval()
    kinds = (nn.Conv2d, nn.Linear, nn.Embedding)
    layers = [(p, q) for p, q in zip_layers(plain, d) if isinstance(p, kinds)]
    assert len(layers) == sum(isinstance(p, kinds) for p in plain.modules()) > 3
    for before, after in layers:
        expected = before.weight / largest_singular_value(before.weight)
        torch.testing.assert_close(after.weight.detach(), expected, rtol=1e-3, atol=1e-4)


def zip_layers(one: nn.Module, other: nn.Module):
    others = dict(other.named_modules())
    return [(part, others[name]) for name, part in one.named_modules()]


def test_spectral_norm_makes_an_mlp_lipschitz():
    gan = mlp().double()
    for p in gan.discriminator.parameters():
        p.data.mul_(5.0)
    d = set_up(gan, SpectralNorm())
    x = torch.randn(200, 3, dtype=F64).requires_grad_()
    for _ in range(100):
        d(x)
    (grad,) = torch.autograd.grad(d(x).sum(), x)
    assert grad.norm(dim=1).max() <= 1.0 + 1e-6


def test_spectral_norm_is_not_given_twice():
    gan = dcgan(d_norm="spectral")
    before = {name: value.clone() for name, value in gan.state_dict().items()}
    set_up(gan, SpectralNorm())
    assert before.keys() == gan.state_dict().keys()
    assert all(torch.equal(before[name], value) for name, value in gan.state_dict().items())
    older = Headless()
    older.discriminator = nn.utils.spectral_norm(nn.Linear(3, 1))
    set_up(older, SpectralNorm())
    assert not hasattr(older.discriminator, "parametrizations")


def test_spectral_norm_is_the_models_own_by_another_way():
    ours, own = dcgan(d_norm="none"), dcgan(d_norm="spectral")
    set_up(ours, SpectralNorm())
    assert ours.state_dict().keys() == own.state_dict().keys()


def test_spectral_norm_draws_the_same_for_whoever_loads_it_and_leaves_the_random_state():
    one, other = dcgan(d_norm="none"), dcgan(d_norm="none")
    torch.manual_seed(1)
    set_up(one, SpectralNorm())
    torch.manual_seed(2)
    expected = torch.get_rng_state()
    set_up(other, SpectralNorm())
    assert torch.equal(torch.get_rng_state(), expected)
    assert all(torch.equal(a, b) for a, b in zip(one.buffers(), other.buffers(), strict=True))


def test_spectral_norm_refuses_what_it_cannot_divide():
    with pytest.raises(UsageError, match="no convolution, linear layer or embedding"):
        set_up(Headless(), SpectralNorm())
    gan = mlp()
    gan.discriminator.head.linear.weight.data.zero_()
    with pytest.raises(UsageError, match=r"weight of D's head\.linear, which starts at zero"):
        set_up(gan, SpectralNorm())


def test_spectral_norm_leaves_g_alone():
    gan = dcgan()
    before = list(gan.generator.state_dict())
    set_up(gan, SpectralNorm())
    assert list(gan.generator.state_dict()) == before


# Layer norm


def test_layer_norm_is_the_models_own_by_another_way():
    for make in (dcgan, mlp):
        ours, own = make(d_norm="batch"), make(d_norm="layer")
        set_up(ours, LayerNorm())
        ours.load_state_dict(own.state_dict())
        x = torch.randn(4, *ours.sample_shape)
        assert couples_batch(ours.discriminator) == ""
        assert torch.equal(ours.discriminator(x), own.discriminator(x))
    assert any(isinstance(part, nn.BatchNorm2d) for part in dcgan().generator.modules())


def test_layer_norm_keeps_what_belongs_to_the_layer():
    gan = mlp().double()
    shared = nn.BatchNorm1d(8, eps=0.1, affine=False).eval()
    gan.discriminator.main = nn.Sequential(nn.Linear(3, 8), shared, nn.ReLU(), shared).double()
    main = set_up(gan, LayerNorm()).main
    first, second = main[1], main[3]
    assert first is second
    assert (first.eps, first.affine, first.training) == (0.1, False, False)


def test_layer_norm_makes_room_for_penalties():
    with pytest.raises(UsageError, match="mixes the samples"):
        check(dcgan(), R1())
    check(dcgan(), LayerNorm(), R1())


@pytest.mark.parametrize("gan", [dcgan(d_norm="layer"), mlp(), Headless()], ids=["layer", "none", "toy"])
def test_layer_norm_without_batchnorm_is_refused(gan):
    with pytest.raises(UsageError, match=r"no BatchNorm to replace in this D: .*model\.d_norm"):
        set_up(gan, LayerNorm())


# Minibatch standard deviation


def test_minibatch_std_is_one_more_input_of_the_last_layer():
    gan = mlp(num_classes=3).double()
    plain = copy.deepcopy(gan.discriminator)
    d = set_up(gan, MinibatchStd(group=4))
    x, y = torch.randn(8, 3, dtype=F64), torch.arange(8) % 3
    assert torch.equal(d(x, y), plain(x, y))  # at the start
    d.head.w.data.fill_(0.7)
    h = plain.features(x)
    wider = torch.cat([h, batch_std(h, 4)[:, None]], dim=1)
    weight = torch.cat([plain.head.linear.weight, torch.full((1, 1), 0.7, dtype=F64)], dim=1)
    embedded = (plain.head.embed(y) * h).sum(1)
    expected = nn.functional.linear(wider, weight, plain.head.linear.bias).squeeze(1) + embedded
    torch.testing.assert_close(d(x, y), expected)
    assert torch.equal(d.features(x), h)


def test_minibatch_std_tells_a_collapsed_batch_by_its_lack_of_variety():
    d = set_up(mlp().double(), MinibatchStd())
    d.head.w.data.fill_(1.0)
    one = torch.randn(1, 3, dtype=F64)
    collapsed, varied = one.expand(8, 3), torch.cat([one, torch.randn(7, 3, dtype=F64)])
    added = [d(x) - d.head.head(d.features(x)) for x in (collapsed, varied)]
    torch.testing.assert_close(added[0], torch.full((8,), 1e-4, dtype=F64))
    assert added[1].min() > 1e-2


def test_minibatch_std_trains_its_weight():
    step = train_two_steps(dcgan(), MinibatchStd())
    assert step.gan.discriminator.head.w.abs() > 0


def test_minibatch_std_goes_with_penalties_and_not_with_gradient_normalization():
    for penalty in (R1(), R2(), GradientPenalty(), Dragan(), SpectralNorm()):
        check(dcgan(d_norm="none"), MinibatchStd(), penalty)
    std, normalization = MinibatchStd(), GradientNormalization()
    normalization.name = "gradient-normalization"
    gan = dcgan(d_norm="none")
    set_up(gan, std)
    with pytest.raises(UsageError, match="makes no sense together with gradient-normalization"):
        refuse_nonsense(gan, LOSSES.get("hinge")(), "hinge", [std, normalization])


def test_spectral_norm_refuses_clipped_weights():
    clip = ClipWeights()
    clip.name = "clip-weights"
    gan = mlp()
    set_up(gan, spectral := SpectralNorm())
    with pytest.raises(UsageError, match="makes no sense together with clip-weights"):
        refuse_nonsense(gan, LOSSES.get("hinge")(), "hinge", [spectral, clip])


@pytest.mark.parametrize("make", [MinibatchStd, FeatureMatching])
def test_a_d_without_features_and_head_is_refused(make):
    with pytest.raises(UsageError, match=r"needs a discriminator with features.*Headless's has none"):
        set_up(Headless(), make())


@pytest.mark.parametrize("group", [1, 0, -2])
def test_a_group_of_one_is_refused(group):
    with pytest.raises(UsageError, match="group must be"):
        MinibatchStd(group=group)


# Packing


def test_packing_sets_the_models_option():
    assert Packing(m=3).model_options() == {"pack": 3}
    check(dcgan(pack=3), Packing(m=3))
    with pytest.raises(UsageError, match=r"packing:m=2 contradicts model\.pack=3"):
        check(dcgan(pack=3), Packing(m=2))
    with pytest.raises(UsageError, match="m must be"):
        Packing(m=0)


# Feature matching


class Halves(HeadedDiscriminator):
    """features(x) = Vx, logits = w . Vx, in float64; counts its forwards."""

    def __init__(self, inputs, width=2):
        super().__init__(nn.Linear(inputs, width, bias=False), nn.Linear(width, 1, bias=False))
        self.double()
        self.calls = 0

    def forward(self, x, y=None):
        self.calls += 1
        return self.head(self.features(x)).squeeze(1)


def headed(pack=1) -> ToyGAN:
    torch.manual_seed(0)
    gan = ToyGAN(pack=pack)
    gan.discriminator = Halves(3 * pack)
    return gan


def judging(step, real, fake, **told):
    """A turn of G, with the critic of the step."""
    return step._judged(turn_of("g", step.gan, real=real, fake=fake, **told))


@pytest.mark.parametrize("pack", [1, 2])
@pytest.mark.parametrize("judged", [False, True])
def test_feature_matching_is_the_distance_of_mean_features(pack, judged):
    gan = headed(pack)
    matching = FeatureMatching(weight=3.0)
    real, fake = real_batch(0)[0], real_batch(1)[0].requires_grad_()
    turn = judging(toy_step(gan=gan, stabilizers=[matching]), real, fake, scale=0.5)
    if judged:
        turn.critic(real, None), turn.critic(fake, None)
    v = gan.discriminator.main.weight.detach()
    means = [x.reshape(len(x) // pack, -1).mean(0) for x in (real, fake)]
    penalty = matching.g_penalty(turn)
    torch.testing.assert_close(penalty, 1.5 * (v @ (means[0] - means[1])).square().sum())
    (grad,) = torch.autograd.grad(penalty, fake)
    rows = (3.0 * pack / 8) * (v.T @ v @ (means[1] - means[0])).detach()
    torch.testing.assert_close(grad, rows.expand(8 // pack, -1).reshape(8, 3))


def test_feature_matching_moves_g_and_not_d():
    gan, plain = headed(), headed()
    steps = [toy_step(gan=gan, stabilizers=[FeatureMatching(2.0)], lr=0.1), toy_step(gan=plain, lr=0.1)]
    real, fake = real_batch()[0], real_batch(1)[0]
    for step in steps:
        step._update_g(part(fake, None, real, step.gan.generator(fake)))
    v = plain.discriminator.main.weight.detach()
    expected = -0.1 * 4.0 * v.T @ v @ (fake.mean(0) - real.mean(0))
    torch.testing.assert_close((gan.generator.bias - plain.generator.bias).detach(), expected)
    assert all(p.grad is None for p in gan.discriminator.parameters())


@pytest.mark.parametrize(("loss", "calls"), [("non-saturating", 2), ("relativistic", 2)])
def test_feature_matching_listens_to_the_forwards_of_the_loss(loss, calls):
    step = toy_step(loss, gan=headed(), stabilizers=[FeatureMatching()])
    z = real_batch(1)[0]
    step._update_g(part(z, None, real_batch()[0], step.gan.generator(z)))
    assert step.gan.discriminator.calls == calls
    assert not step.gan.discriminator.head._forward_pre_hooks


def test_feature_matching_sees_what_d_sees():
    """Transforms included, whatever the order in which they are given."""
    for order in (1, -1):
        noise, matching = InstanceNoise(std=5.0), FeatureMatching()
        step = toy_step(gan=headed(), stabilizers=[noise, matching][::order])
        real, fake = real_batch()[0], real_batch(1)[0]
        turn = judging(step, real, fake)
        torch.manual_seed(3)
        turn.critic(fake, None)
        seen = matching.g_penalty(turn)
        torch.manual_seed(3)
        noisy = fake + 5.0 * torch.randn_like(fake), real + 5.0 * torch.randn_like(real)
        v = step.gan.discriminator.main.weight
        torch.testing.assert_close(seen, (v @ (noisy[0] - noisy[1]).mean(0)).square().sum())


def test_feature_matching_registers_no_module_and_draws_no_gradient_from_real_samples():
    gan = headed()
    before = list(gan.state_dict())
    matching = FeatureMatching()
    step = toy_step(gan=gan, stabilizers=[matching])
    assert list(gan.state_dict()) == before
    real, fake = real_batch()[0].requires_grad_(), real_batch(1)[0].requires_grad_()
    matching.g_penalty(judging(step, real, fake)).backward()
    assert real.grad is None
    assert fake.grad.abs().sum() > 0


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
def test_a_weight_without_a_meaning_is_refused(weight):
    with pytest.raises(UsageError, match="weight must be"):
        FeatureMatching(weight)


# On the zoo's models


def train_two_steps(gan: GAN, *stabilizers, loss="non-saturating"):
    step = toy_step(loss, stabilizers, gan=gan, lr=0.01)
    shape = gan.sample_shape
    for i in range(2):
        torch.manual_seed(i)
        step(lambda _: (torch.randn(8, *shape).clamp(-1, 1), torch.arange(8) % max(1, gan.num_classes)))
    assert all(torch.isfinite(value).all() for value in gan.state_dict().values())
    return step


@pytest.mark.parametrize("make", [SpectralNorm, MinibatchStd, FeatureMatching, lambda: Packing(1)])
@pytest.mark.parametrize("model", [dcgan, mlp])
@pytest.mark.parametrize("classes", [0, 3])
def test_models_train_with_it(make, model, classes):
    gan = model(num_classes=classes)
    step = train_two_steps(gan, make(), loss="relativistic")
    before = copy.deepcopy(gan.state_dict())
    step(lambda _: (torch.randn(8, *gan.sample_shape), torch.arange(8) % max(1, classes)))
    after = gan.state_dict()
    for net in ("generator", "discriminator"):
        assert any(not torch.equal(before[k], after[k]) for k in before if k.startswith(net))


def test_all_of_them_together():
    gan = dcgan(pack=2, num_classes=3)
    stabilizers = [LayerNorm(), SpectralNorm(), MinibatchStd(), FeatureMatching(), Packing(2), DiffAugment(),
                   InstanceNoise(), R1(), R2(interval=2), GradientPenalty()]  # fmt: skip
    train_two_steps(gan, *stabilizers, loss="relativistic-average")


def test_feature_matching_goes_with_gradient_normalization():
    for order in (1, -1):
        gan = dcgan(d_norm="none")
        train_two_steps(gan, *[FeatureMatching(), GradientNormalization()][::order], loss="relativistic")


CASES = {
    "dcgan": (
        "mnist-5k", {"model.width": 4, "model.d_norm": "batch"},
        ["layer-norm", "spectral-norm", "minibatch-std:group=2", "feature-matching", "packing:m=2",
         "diffaugment:policy=color+cutout", "instance-noise:std=0.3"],
    ),
    "mlp-gan": ("ring8", {"model.width": 4, "model.d_width": 8}, ["minibatch-std", "spectral-norm"]),
}  # fmt: skip


@pytest.mark.parametrize("model", CASES)
def test_a_run_goes_round(model):
    """Trained, loaded again with its discriminator, and resumed bit for bit."""
    dataset, settings, specs = CASES[model]
    words = {"batch_size": 8, "seed": 2, "stabilizer": specs, "set": settings}
    whole = ganzoo.train(model, dataset, steps=4, checkpoint_every=2, progress=False, **words)
    end = load_checkpoint(saved(whole.path)[-1])
    gan, step = whole.load_model(discriminator=True)
    assert step == 4
    for name, value in gan.discriminator.state_dict().items():
        assert torch.equal(value, end["discriminator"][name])
    assert any("parametrizations" in name for name in end["discriminator"])
    assert "head.w" in end["discriminator"]
    saved(whole.path)[-1].unlink()
    again = load_checkpoint(saved(ganzoo.resume(whole.path, progress=False).path)[-1])
    for net in ("generator", "discriminator", "ema"):
        assert all(torch.equal(value, again[net][name]) for name, value in end[net].items())


def test_two_runs_of_one_seed_are_the_same():
    words = {"steps": 2, "batch_size": 8, "progress": False, "stabilizer": ["spectral-norm"]}
    torch.manual_seed(1)
    one = ganzoo.train("mlp-gan", "ring8", **words, set={"model.d_width": 8})
    torch.manual_seed(2)
    other = ganzoo.train("mlp-gan", "ring8", **words, set={"model.d_width": 8})
    states = [load_checkpoint(saved(run.path)[-1])["discriminator"] for run in (one, other)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_packed_run_has_a_packed_d():
    words = {"steps": 2, "batch_size": 8, "progress": False, "stabilizer": ["packing:m=4"]}
    run = ganzoo.train("mlp-gan", "ring8", **words)
    assert run.config.model_options["pack"] == 4
    with pytest.raises(UsageError, match=r"packing:m=4 contradicts model\.pack=2"):
        ganzoo.train("mlp-gan", "ring8", **words, set={"model.pack": 2})
