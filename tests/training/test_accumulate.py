"""A batch in parts: the gradients of the whole, in one step."""

from __future__ import annotations

import copy

import pytest
import torch
from parts import double_z, images, model, step_of
from toys import ToyGAN, real_batch

import ganzoo
from ganzoo.registry import LOSSES
from ganzoo.stabilizers.balance import LabelSmoothing, SkipD
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.stabilizers.batches import FeatureMatching
from ganzoo.stabilizers.penalties import R1, R2
from ganzoo.testing.training import tiny, trained, want_exact_resume

F64 = torch.float64
MEANS = ("minimax", "non-saturating", "least-squares", "hinge", "wasserstein", "relativistic")


def given(gan, z):
    """Have a model take its latents from z, part by part."""
    taken = []

    def sample_z(n):
        start = sum(map(len, taken))
        taken.append(z[start : start + n])
        return taken[-1]

    gan.sample_z = sample_z
    return taken


def gradients(gan, loss, accumulate, z, x, y=None, stabilizers=()):
    """Of both nets in one step, in which D moves before G learns."""
    gan = copy.deepcopy(gan)
    taken, found = given(gan, z), {}
    step = step_of(gan, 0.1, 0.1, loss, stabilizers, accumulate)
    for phase, optimizer in step.optimizers.items():

        def noted(*_, phase=phase, make=optimizer.step):
            found[phase] = [p.grad.clone() for p in gan.net(phase).parameters()]
            return make()

        optimizer.step = noted
    step(lambda i: (x, y))
    assert [len(part) for part in taken] == [len(x) // accumulate] * accumulate
    return found, step


def assert_alike(one, other):
    assert one.keys() == other.keys() == {"d", "g"}
    for phase in one:
        assert any(gradient.any() for gradient in one[phase])
        for a, b in zip(one[phase], other[phase], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("loss", MEANS)
@pytest.mark.parametrize("parts", [2, 4, 8])
def test_the_gradients_are_those_of_the_whole_batch(loss, parts):
    z, x = torch.randn(8, 3, dtype=F64), real_batch()[0]
    gan = ToyGAN()
    whole, step = gradients(gan, loss, 1, z, x)
    cut, other = gradients(gan, loss, parts, z, x)
    assert_alike(whole, cut)
    a, b = step.meter.read(), other.meter.read()
    assert a == pytest.approx(b)
    assert step.late_d_loss.get() == pytest.approx(other.late_d_loss.get())


@pytest.mark.parametrize("options", [{}, {"num_classes": 3}])
@pytest.mark.parametrize("name", ["mlp-gan", "infogan", "acgan"])
def test_of_real_nets_too_with_terms_penalties_and_labels(name, options):
    """Each part has its own labels and its own codes in z."""
    if name == "acgan" and not options:
        pytest.skip("needs labels")
    own = {"d_depth": 2} if name == "mlp-gan" else {"z_dim": 20}
    gan = model(name, d_norm="none", **own, **options)
    double_z(gan)
    for part in gan.generator.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.eval()
            part.train = lambda mode=True, part=part: part
    z, x = gan.sample_z(8), images(8)
    y = torch.tensor([0, 1, 2, 0, 2, 1, 1, 0]) if options else None

    def stabilizers():
        made = R1(gamma=1.0), R2(gamma=2.0), LabelSmoothing(0.1)
        for stabilizer in made:
            stabilizer.name = type(stabilizer).__name__
        return made

    whole, _ = gradients(gan, "non-saturating", 1, z, x, y, stabilizers())
    cut, _ = gradients(gan, "non-saturating", 4, z, x, y, stabilizers())
    assert_alike(whole, cut)


def test_without_cutting_it_would_be_another_batch():
    """What the tests above compare does differ for a loss that is no mean."""
    z, x = torch.randn(8, 3, dtype=F64), real_batch()[0]
    whole, _ = gradients(ToyGAN(), "relativistic-average", 1, z, x)
    cut, _ = gradients(ToyGAN(), "relativistic-average", 4, z, x)
    assert not torch.allclose(whole["d"][0], cut["d"][0])


class Spy(Stabilizer):
    name = "spy"

    def __init__(self, answer=True):
        super().__init__()
        self.calls, self.sizes, self.answer = [], [], answer

    def update_d(self, turn):
        self.calls.append("update_d")
        return self.answer

    def d_penalty(self, turn):
        self.calls.append("d_penalty")
        self.sizes.append((len(turn.real), len(turn.fake), len(turn.z)))

    def g_penalty(self, turn):
        self.calls.append("g_penalty")

    def gradients(self, turn):
        self.calls.append(f"{turn.phase} gradients")

    def weights(self, turn):
        self.calls.append(f"{turn.phase} weights")


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_hooks_of_a_turn_are_called_once_and_penalties_for_each_part(parts):
    spy = Spy()
    gan = ToyGAN()
    step = step_of(gan, stabilizers=[spy], accumulate=parts)
    steps = []
    for phase, optimizer in step.optimizers.items():
        optimizer.step = lambda *_, phase=phase: steps.append(phase)
    step(real_batch)
    assert spy.calls == [
        "update_d", *["d_penalty"] * parts, "d gradients", "d weights",
        *["g_penalty"] * parts, "g gradients", "g weights",
    ]  # fmt: skip
    assert spy.sizes == [(8 // parts,) * 3] * parts
    assert steps == ["d", "g"]


@pytest.mark.parametrize("n_dis", [1, 2])
def test_each_turn_of_d_is_cut(n_dis):
    spy, gan = Spy(), ToyGAN()
    optimizers = tuple(torch.optim.SGD(gan.net(net).parameters(), lr=0.1) for net in "gd")
    step = ganzoo.training.step.Step(gan, LOSSES.get("hinge")(), [spy], optimizers, n_dis, accumulate=2)
    step(real_batch)
    assert spy.calls.count("update_d") == spy.calls.count("d weights") == n_dis
    assert spy.calls.count("d_penalty") == 2 * n_dis
    assert spy.calls.count("g_penalty") == 2


def test_a_skipped_update_is_still_judged():
    spy = Spy(answer=False)
    gan = ToyGAN()
    before = gan.discriminator.weight.detach().clone()
    step = step_of(gan, 0.1, 0.1, stabilizers=[spy], accumulate=4)
    step(real_batch)
    assert torch.equal(gan.discriminator.weight, before)
    assert spy.calls == ["update_d", *["g_penalty"] * 4, "g gradients", "g weights"]
    loss = step.late_d_loss.get()
    real = real_batch()[0]
    assert loss is not None
    assert 0.0 < loss < 3.0
    assert step.meter.read()["d_loss"] == pytest.approx(loss)
    assert len(real) == 8


def test_the_loss_that_skip_d_reads_is_the_mean_of_the_parts():
    z, x = torch.randn(8, 3, dtype=F64), real_batch()[0]
    means = []
    for parts in (1, 4):
        skip = SkipD()
        gan = ToyGAN()
        given(gan, z)
        step = step_of(gan, stabilizers=[skip], accumulate=parts)
        step(lambda i: (x, None))
        gan.sample_z = lambda n: z[:n]
        step(lambda i: (x, None))
        means.append(skip.state["mean"])
    assert means[0] == pytest.approx(means[1])


def test_gs_turn_judges_the_latents_that_ds_turn_judged():
    """No second draw: the same z again, part by part, with the graph that D's turn had no use for."""
    gan = ToyGAN()
    seen = {"d": [], "g": []}

    class Watch(Spy):
        def d_penalty(self, turn):
            seen["d"].append(turn)

        def g_penalty(self, turn):
            seen["g"].append(turn)

    step_of(gan, 0.1, 0.1, stabilizers=[Watch()], accumulate=4)(real_batch)
    for d, g in zip(seen["d"], seen["g"], strict=True):
        assert d.z is g.z
        assert torch.equal(d.real, g.real)
        assert torch.equal(d.fake, g.fake)
        assert not d.fake.requires_grad
        assert g.fake.requires_grad
    assert gan.generator.graphs == [False] * 4 + [True] * 4


def test_labels_go_with_their_samples():
    gan = model("mlp-gan", num_classes=3)
    double_z(gan)
    y = torch.arange(8) % 3
    seen = []

    class Watch(Spy):
        def d_penalty(self, turn):
            seen.append((turn.real, turn.y))

    x = images(8)
    step_of(gan, stabilizers=[Watch()], accumulate=4)(lambda i: (x, y))
    assert torch.equal(torch.cat([real for real, _ in seen]), x)
    assert torch.equal(torch.cat([label for _, label in seen]), y)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"batch_size": 8, "set": {"accumulate": 3}},
         "--batch-size 8 is not a multiple of model.pack=1 times recipe.accumulate=3"),
        ({"batch_size": 8, "stabilizer": ["packing:m=4"], "set": {"accumulate": 4}},
         "--batch-size 8 is not a multiple of model.pack=4 times recipe.accumulate=4"),
        ({"batch_size": 8, "set": {"accumulate": 16}}, "recipe.accumulate=16"),
        ({"batch_size": 8, "set": {"accumulate": 0}},
         "accumulate: expected a whole number of at least 1, got 0"),
        ({"batch_size": 8, "set": {"accumulate": 8, "d_norm": "batch"}},
         "--batch-size 8 is too small for BatchNorm"),
    ],
)  # fmt: skip
def test_parts_that_do_not_come_out_even_are_refused(words, sentence):
    with pytest.raises(ganzoo.UsageError, match=sentence):
        ganzoo.train("mlp-gan", dataset="ring8", steps=2, progress=False, **words)


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("mlp-gan", (2,), {"set": ["width=8", "d_width=8", "accumulate=4"]}),
        ("mlp-gan", (2,), {"set": ["width=8", "d_width=8", "accumulate=2"], "n_dis": 2,
                           "stabilizer": ["lecam", "packing:m=2", "averaged-d"]}),
        ("bigan", (1, 8, 8), {"set": ["width=4", "accumulate=2"], "stabilizer": ["ada:p=0.5", "r1"]}),
        ("acgan", (1, 8, 8), {"set": ["width=4", "accumulate=2"], "stabilizer": ["unrolled:k=1", "none"]}),
    ],
)  # fmt: skip
def test_it_resumes_exactly(name, shape, words):
    config, data = tiny(name, shape, **words)
    want_exact_resume(config, data, f"with accumulate={config.recipe.accumulate}")


def test_the_trainer_hands_it_on_and_counts_images_as_ever():
    config, data = tiny("mlp-gan", (2,), set=["width=8", "d_width=8", "accumulate=4"])
    trainer = trained(config, data)
    assert trainer._make_step.accumulate == 4
    assert trainer.images == 4 * 8
    plain, _ = tiny("mlp-gan", (2,), set=["width=8", "d_width=8"])
    other = trained(plain, data)
    # Latents are drawn per part, from the same stream.
    first = trainer.gan.discriminator.head.linear.weight
    assert not torch.equal(first, other.gan.discriminator.head.linear.weight)


@pytest.mark.parametrize("parts", [4, 8])
def test_a_rehearsal_on_few_samples_can_be_cut(parts, monkeypatch):
    """It need not be made on the whole batch, which may be slow."""
    from ganzoo.training import rehearsal

    made = []
    original = rehearsal._Rehearsal.__init__
    monkeypatch.setattr(
        rehearsal._Rehearsal, "__init__",
        lambda self, *args, few: (made.append(few), original(self, *args, few=few))[1],
    )  # fmt: skip
    config, data = tiny("mlp-gan", (2,), batch_size=64, set=["width=8", "d_width=8", f"accumulate={parts}"])
    rehearsal.rehearse(config, data)
    assert made == [True]


def test_from_the_command_line(ganzoo):
    words = "--dataset ring8 --batch-size 8 --set width=8 --set d_width=8 --steps 2 --set accumulate=4"
    assert ganzoo(f"run mlp-gan {words} --out X").code == 0
    assert ganzoo("resume X --steps 3").code == 0


def test_feature_matching_of_a_batch_in_parts_matches_parts():
    """The square of a mean is no mean: of parts, each is matched by itself. Held so that it is known."""
    gan = model("mlp-gan", d_norm="none")
    z, x = torch.randn(8, gan.z_dim, dtype=F64), images(8)
    matching = FeatureMatching()
    matching.name = "feature-matching"
    whole, _ = gradients(gan, "hinge", 1, z, x, None, [matching])
    cut, _ = gradients(gan, "hinge", 2, z, x, None, [matching])
    assert torch.allclose(whole["d"][0], cut["d"][0])
    assert not torch.allclose(whole["g"][0], cut["g"][0])
