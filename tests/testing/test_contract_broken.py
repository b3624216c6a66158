"""Each check of the contract can fail: members that break it in one way each, and what is said of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import ganzoo
from ganzoo.data.base import Standardization
from ganzoo.data.tensors import TensorSplit, fingerprint
from ganzoo.errors import UsageError
from ganzoo.models.mlp import MLPGAN
from ganzoo.registry import OF_KIND
from ganzoo.testing import Broken, checks
from ganzoo.testing.core import NotRun


class Base(MLPGAN):
    """A model that is changed below."""

    recipes = {"default": ganzoo.Recipe()}

    def __init__(self, sample_shape, z_dim=6, num_classes=0, pack=1):
        super().__init__(sample_shape, z_dim, num_classes, pack, width=8, d_width=8, d_depth=1)
        self.change()

    def change(self):
        pass


class Wrapped(nn.Module):
    """A net with something done to what it is given, or to what it gives."""

    def __init__(self, net, before=lambda *inputs: inputs, after=lambda x: x):
        super().__init__()
        self.net, self.before, self.after = net, before, after

    def forward(self, x, y=None):
        return self.after(self.net(*self.before(x, y)))


class OnceDifferentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, by):
        return 2 * by


def model(change, base=Base, **attributes):
    return type("Changed", (base,), {"__doc__": "A model.", "change": change, **attributes})


def generator(**how):
    return model(lambda self: setattr(self, "generator", Wrapped(self.generator, **how)))


def discriminator(**how):
    return model(lambda self: setattr(self, "discriminator", Wrapped(self.discriminator, **how)))


def unused_layer(self):
    self.discriminator.unused = nn.Linear(2, 2)


def layer_outside(self):
    self.outside = nn.Linear(2, 2)


def raises(self):
    if self.sample_shape == (7,):
        raise TypeError("seven is too many")


def no_pack(self):
    if self.pack > 1:
        self.discriminator = MLPGAN(self.sample_shape, width=8).discriminator


def wrong_head(self):
    self.discriminator.head.forward = lambda h, y=None: h.sum(1)
    self.discriminator.forward = lambda x, y=None: self.discriminator.features(x, y).mean(1)


def counts_up(self):
    calls = itertools.count()
    self.generator = Wrapped(self.generator, after=lambda x: x * (1 - 1e-3 * next(calls)))


def random_weights(self):
    with torch.no_grad():
        self.generator.main[0].weight.mul_(float(np.random.default_rng().uniform(0.5, 1.0)))


def gives_a_vector(self, turn):
    return {"kl": turn.z.square().sum(1)}


def of_features_and_z(self, turn):
    features = turn.critic.features(turn.fake, turn.y)
    return {"match": (features.mean(1) * turn.z.mean(1)).mean()}


class Grows(Base):
    """A model that remembers how often it has grown."""

    def progress(self, t):
        self.grown = getattr(self, "grown", 0) + 1
        self.generator.main[0].bias.data.fill_(0.01 * self.grown)


class OddOption(Base):
    """A model with an option that nobody could type."""

    def __init__(self, sample_shape, num_classes=0, table: dict[str, int] | None = None, **more):
        super().__init__(sample_shape, num_classes=num_classes, **more)


class NoNets(ganzoo.GAN):
    """A model of nothing, with nothing."""


class NoZ(Base):
    """A model with a z of its own mind."""

    def sample_z(self, n):
        return torch.full((n, self.z_dim, 1), torch.nan)[:, :, 0]


MODELS = {
    "described": (type("Changed", (Base,), {"__doc__": None}), "a docstring, got none"),
    "hooks": (model(Base.change, d_term=Base.d_terms), "d_term is no hook: did you mean d_terms?"),
    "hooks-static": (model(Base.change, progres=staticmethod(print)), "progres is no hook: .* progress?"),
    "typed": (OddOption, "an option table of a kind that can be typed, got dict"),
    "recipes": (model(Base.change, recipes={"paper": ganzoo.Recipe()}), "a recipe called default"),
    "builds": (model(raises), r"a model for samples of shape \(7,\).*TypeError: seven is too many"),
    "builds-strays": (model(layer_outside), r"others are never trained, got \['outside.weight'"),
    "builds-no-nets": (NoNets, "`generator` and `discriminator` to be set.*got no generator and no disc"),
    "builds-no-d": (
        model(lambda self: delattr(self, "discriminator")),
        "to be set in __init__, got no discriminator$",
    ),
    "builds-text": (model(Base.change, with_g="encoder"), "with_g to be a tuple of names .*, got 'encoder'"),
    "builds-list": (model(Base.change, with_d=["critic"]), r"with_d to be a tuple of .*, got \['critic'\]"),
    "builds-none": (
        model(Base.change, with_d=("critic",)),
        "with_d to name nets of the model, got 'critic', which it l",
    ),
    "builds-twice": (
        model(layer_outside, with_g=("outside",), with_d=("outside",)),
        "with_g and with_d to name each net once.*got 'outside' and 'outside', which are the same net",
    ),
    "builds-no-module": (model(Base.change, with_g=("z_dim",)), "an nn.Module as z_dim, got int"),
    "builds-conditions": (
        model(Base.change, conditions="classes"),
        "`conditions` to be a tuple of words .*, got 'classes'",
    ),
    "builds-no-kind": (
        model(Base.change, conditions=("classes", "sounds")),
        "among classes, vectors, .*, got 'sounds'",
    ),
    "latent": (NoZ, "a finite sample_z"),
    "generates": (generator(after=lambda x: 1.5 + x), r"images in \[-1, 1\] .*got values up to \d\.\d"),
    "generates-shape": (generator(after=lambda x: x[:, :1]), "samples of shape"),
    "judges": (discriminator(after=lambda f: f.mean()), r"logits of 4 rows .* got shape \(\)"),
    "gradients": (model(unused_layer), r"got none for discriminator\.unused\.bias"),
    "gradients-cut": (generator(after=lambda x: x.detach().requires_grad_()), "got none for generator"),
    "differentiable": (discriminator(before=lambda x, y: (OnceDifferentiable.apply(x), y)), "differentiate"),
    "labels": (generator(before=lambda z, y: (z, y * 0 if y is not None else y)), "another sample"),
    "packing": (model(no_pack), "cannot be multiplied|got 8"),
    "packing-terms": (
        model(Base.change, g_terms=of_features_and_z),
        r"^model 'broken' fails in a dry step: RuntimeError: The size of tensor",
    ),
    "split": (model(wrong_head), r"head\(features\(x, y\), y\) to be D\(x, y\)"),
    "progress": (Grows, "whatever t was before"),
    "repeats": (model(random_weights), "first weights that follow from torch's seed"),
    "resumes": (model(counts_up), "2 more steps to give the numbers of 4 steps"),
    "trains": (generator(after=lambda x: x.detach().requires_grad_()), "a generator that moves"),
    "trains-vector": (
        model(Base.change, d_terms=gives_a_vector),
        r"^model 'broken' gives kl of float32 \(8,\): expected a scalar tensor$",
    ),
    "trains-range": (
        generator(after=lambda x: 40 + x if x.dim() == 4 else x),
        r"expected pixels in \[-1, 1\]",
    ),
    "resumes-vector": (model(Base.change, g_terms=gives_a_vector), "^model 'broken' gives kl of float32"),
}


@pytest.mark.parametrize("what", MODELS)
def test_a_broken_model_is_told_what_is_wrong(what):
    member, sentence = MODELS[what]
    fails("model", member, what, sentence)


@pytest.mark.parametrize(
    ("kind", "member", "shape", "idle"),
    [
        ("model", NoNets, None, 14),
        ("model", ganzoo.MODELS.get("dcgan"), (2,), 14),
    ],
)
def test_where_nothing_was_built_nothing_else_is_checked(kind, member, shape, idle):
    with OF_KIND[kind].lent("broken", member):
        remarks = [
            check() for check in checks("broken", kind, shape) if check.name not in ("builds", "typed")
        ]
    assert [remark for remark in remarks if isinstance(remark, NotRun)] == ["nothing was built"] * idle


def fails(kind, member, what, sentence):
    """The check named `what`, up to a hyphen, fails with this sentence."""
    with OF_KIND[kind].lent("broken", member):
        (check,) = (check for check in checks("broken", kind) if check.name == what.partition("-")[0])
        with pytest.raises(Exception, match=sentence) as failure:
            check()
    if "the contract wants" in str(failure.value):
        assert isinstance(failure.value, Broken)
        assert ", got " in str(failure.value)


HINGE = OF_KIND["loss"].get("hinge")
CROSS = OF_KIND["loss"].get("non-saturating")


def loss(base=HINGE, **attributes):
    return type("Changed", (base,), {"__doc__": "A loss.", **attributes})


def pairs(one):
    """A loss method that forgets about tuples: it is set after the class has been made."""

    def made(self, real, fake, **options):
        real, fake = (x[0] if isinstance(x, tuple) else x for x in (real, fake))
        return one(real, fake)

    return made


ONLY_FIRST = loss()
ONLY_FIRST.d = pairs(lambda real, fake: HINGE().d(real, fake))


class Sharp(HINGE):
    """A loss with an option."""

    def __init__(self, sharpness: float = 1.0):
        pass


LOSSES = {
    "no_options": (Sharp, "a loss without options: nobody can type them, got the option sharpness"),
    "finite": (loss(d=lambda self, r, f, real_target=1.0: (-r).exp().mean() + f.exp().mean()), "a finite d"),
    "finite-shape": (loss(g=lambda self, f, r=None: -f), r"g\(fake\) to be a scalar, got shape \(12,\)"),
    "finite-float": (
        loss(d=lambda self, r, f, real_target=1.0: 0.5),
        r"d\(real, fake\) to be a scalar, got t",
    ),
    "direction-shape": (loss(d=lambda self, r, f, real_target=1.0: r), r"to be a scalar, got shape \(12,\)"),
    "finite-gradient": (loss(g=lambda self, f, r=None: -f.detach().mean()), "does not require grad"),
    "direction": (loss(g=lambda self, f, r=None: f.mean()), "g that falls where the logit of a fake rises"),
    "direction-d": (
        loss(d=lambda self, r, f, real_target=1.0: HINGE().d(f, r)),
        "d that falls where the logit of a real sample rises, got a slope of 0.25",
    ),
    "tuples": (ONLY_FIRST, "d of a tuple to be .* the mean"),
    "targets": (loss(has_targets=True), "real_target to count, as has_targets says"),
    "targets-unsaid": (loss(CROSS, has_targets=False), "real_target without effect"),
    "real_in_g": (loss(needs_real_in_g=True), "g that depends on real logits"),
    "bounded": (loss(bounded_below=False), "bounded_below = True, .*got a d that falls by 0 "),
    "bounded-unsaid": (
        loss(OF_KIND["loss"].get("wasserstein"), bounded_below=True),
        "bounded_below = False, .* got a d that falls by",
    ),
    "probability": (loss(probabilistic=True), "or probabilistic = False, got a slope"),
}


@pytest.mark.parametrize("what", LOSSES)
def test_a_broken_loss_is_told_what_is_wrong(what):
    fails("loss", *_with(LOSSES, what))


def _with(table, what):
    member, sentence = table[what]
    return member, what, sentence


def stabilizer(**attributes):
    return type("Changed", (ganzoo.Stabilizer,), {"__doc__": "A switch.", **attributes})


def scale_weights(self, turn):
    for parameter in turn.net.parameters():
        parameter.data.fill_(float("nan"))


def freeze(self, turn):
    for parameter in turn.net.parameters():
        parameter.grad = torch.zeros_like(parameter)


class Remembers(ganzoo.Stabilizer):
    """A switch that keeps a number outside of `state`."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def d_penalty(self, turn):
        self.seen += 1
        return self.seen * turn.critic(turn.real, turn.y).square().mean()


class RemembersLate(Remembers):
    """A switch that keeps a number outside of `state`, for later."""

    def d_penalty(self, turn):
        penalty = super().d_penalty(turn)
        return penalty if turn.step > 5 else 0 * penalty


class RefusesAll(ganzoo.Stabilizer):
    """A switch for nothing."""

    def setup(self, gan):
        raise UsageError("it goes with nothing")


STABILIZERS = {
    "hooks": (
        stabilizer(d_penality=lambda self, turn: None),
        "d_penality is no hook: did you mean d_penalty",
    ),
    "declares": (stabilizer(needs=("time",)), "needs among targets, .*, got 'time'"),
    "goes_with": (RefusesAll, "a model that it goes with, got it goes with nothing"),
    "trains": (stabilizer(weights=scale_weights), "finite weights after 10 steps for mlp-gan"),
    "trains-float": (
        stabilizer(d_penalty=lambda self, turn: 0.5),
        "^stabilizer 'broken' gives d_penalty of type float: expected a scalar tensor$",
    ),
    "keeps-float": (stabilizer(g_penalty=lambda self, turn: 1.0), "gives g_penalty of type float"),
    "trains-still": (stabilizer(gradients=freeze), r"a \w+ that moves in 10 steps for mlp-gan"),
    "keeps": (
        stabilizer(update_d=lambda self, turn: not self.state.update(mean=np.ones(()))),
        r"numbers and tensors in `state`, or dicts of them, got state/mean = array",
    ),
    "keeps-list": (
        stabilizer(update_d=lambda self, turn: not self.state.update(a={"means": [1.0]})),
        r"numbers and tensors in `state`, or dicts of them, got state/a/means = \[1\.0\]",
    ),
    "keeps-log": (stabilizer(log=lambda self: {"mean": "high"}), "numbers by name, got 'mean': 'high'"),
    "resumes": (Remembers, "what is kept to be in parameters, buffers or `state`"),
    "resumes-late": (RemembersLate, "5 steps, a checkpoint and 5 more steps to give the numbers of 10"),
    "transforms": (
        stabilizer(transform=lambda self, x, turn: x[0] if isinstance(x, tuple) else x),
        "transform to keep the shapes",
    ),
    "transforms-gradient": (
        stabilizer(
            transform=lambda self, x, turn: (
                tuple(s.detach() for s in x) if isinstance(x, tuple) else x.detach()
            )
        ),
        "a transform through which gradients go",
    ),
}


@pytest.mark.parametrize("what", STABILIZERS)
def test_a_broken_stabilizer_is_told_what_is_wrong(what):
    fails("stabilizer", *_with(STABILIZERS, what))


class KeepsTensors(ganzoo.Stabilizer):
    """A switch that keeps tensors from step to step, one of them from the first time on that it is asked."""

    def __init__(self):
        super().__init__()
        self.state = {"scale": torch.ones(())}

    def d_penalty(self, turn):
        mean = turn.critic.features(turn.real, turn.y).detach().mean(0)
        self.state["mean"] = 0.5 * (self.state.get("mean", mean) + mean)
        self.state["scale"] = self.state["scale"] + self.state["mean"].norm()
        return self.state["scale"] * turn.critic(turn.fake, turn.y).square().mean()


def test_a_stabilizer_may_keep_tensors():
    with OF_KIND["stabilizer"].lent("keeps-tensors", KeepsTensors):
        for check in checks("keeps-tensors", "stabilizer"):
            check()


def metric(call=lambda self, context: {"size": float(len(context.fake))}, **attributes):
    words = {"higher_is_better": {"size": True}, "says": {"size": "how many"}, "__call__": call}
    return type("Changed", (ganzoo.Metric,), {"__doc__": "A metric.", **words, **attributes})


def measures_nothing(self, dataset):
    raise UsageError("it measures nothing")


class Counts(metric()):
    """A metric with an option."""

    def __init__(self, times: int = 1):
        pass


METRICS = {
    "no_options": (Counts, "a metric without options: nobody can type them, got the option times"),
    "hooks": (metric(on_reel=Counts.on_real), "on_reel is no hook: did you mean on_real?"),
    "declares": (metric(needs=("faith",)), "needs among .*, got 'faith'"),
    "declares-direction": (metric(higher_is_better={}), "a direction for each score"),
    "declares-words": (metric(says={}), "`says` for the scores size, got none"),
    "declares-length": (metric(says={"size": "much " * 20}), "1 to 60 characters"),
    "measures": (metric(needs_for=measures_nothing), "scores of ring8 or .*, got it measures nothing"),
    "scores": (metric(lambda self, context: {"length": 1.0}), "no scores but size, size_std on ring8"),
    "scores-nan": (metric(lambda self, context: {"size": float("nan")}), "size is nan"),
    "scores-missing": (metric(lambda self, context: {}), "nothing could be measured|the scores size"),
    "on_real": (metric(on_real=lambda self, context: {}), "scores of real data on ring8"),
    "repeats": (metric(lambda self, context: {"size": float(torch.rand(()))}), "the same scores on ring8"),
    "comparable": (metric(protocol=lambda self, context: {"at": torch.ones(1)}), "a protocol of plain"),
}  # fmt: skip


@pytest.mark.parametrize("what", METRICS)
def test_a_broken_metric_is_told_what_is_wrong(what):
    fails("metric", *_with(METRICS, what))


class Points(ganzoo.Dataset):
    """Some points."""

    name = "broken"
    sample_shape = (2,)

    def __init__(self):
        x = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
        self.train, self.test = TensorSplit(x[:80], None), TensorSplit(x[80:], None)
        self.fingerprint = fingerprint(x)
        self.change()

    def change(self):
        pass


class Unlike(TensorSplit):
    """A split whose batches or whole something is done to."""

    def __init__(self, split, batch=lambda made, n, step, seed: made, everything=lambda made: made):
        self.split, self.on_batch, self.on_all = split, batch, everything

    def __len__(self):
        return len(self.split)

    def batch(self, n, step, seed):
        return self.on_batch(self.split.batch(n, step, seed), n, step, seed)

    def all(self):
        return self.on_all(self.split.all())

    def to(self, device):
        return self


def points(change=Points.change, **attributes):
    return type("Changed", (Points,), {"__doc__": "Points.", "change": change, **attributes})


def train(**how):
    return points(lambda self: setattr(self, "train", Unlike(self.train, **how)))


def drawn(made, n, step, seed):
    return made[0] + 0 * torch.rand(()), None


def chance(made, n, step, seed):
    return torch.from_numpy(np.random.default_rng().normal(size=(n, 2))).float(), None


def no_test(self):
    self.test = self.train


def new_fingerprint(self):
    self.fingerprint = str(np.random.default_rng().integers(10**9))


DATASETS = {
    "declares": (points(sample_shape=(2, 0)), r"sample_shape a tuple of whole numbers, .*got \(2, 0\)"),
    "declares-kind": (points(kind="sounds"), "a kind of data, vectors, series, .*got sounds"),
    "declares-both": (points(num_classes=2, condition_shape=(3,)), r"not both, got 2 and \(3,\)"),
    "declares-names": (points(class_names=("a",)), "0 class_names or none, got"),
    "declares-units": (
        points(standardization=Standardization.of(torch.eye(3))), r"a standardization of \(2,\), .*got \(3,\)"
    ),
    "reopens": (points(name="other"), "`name` to be one that it is registered by, .*got 'other'"),
    "reopens-print": (points(new_fingerprint), "the fingerprint .* again"),
    "batches": (train(batch=lambda made, *_: (made[0].double(), None)), "float32 train batches, got torch.f"),
    "batches-labels": (points(num_classes=3), "labels in train batches, as num_classes is 3, got None"),
    "batches-shape": (train(batch=lambda made, *_: (made[0][1:], None)), "train batches"),
    "counted": (train(batch=chance), "the same train batch for the same n, step and seed"),
    "counted-global": (train(batch=drawn), "torch's default generator left alone"),
    "counted-step": (train(batch=lambda made, n, *_: (torch.ones(n, 2), None)), "batch for another step"),
    "everything": (train(everything=lambda made: (made[0].double(), None)), "train.all.. as torch.float32"),
    "everything-less": (train(everything=lambda made: (made[0][1:], None)), r"all\(\) of shape \(80, 2\)"),
    "splits": (points(no_test), "test samples that are not in the training split, got 100% of them"),
    "units": (points(to_units=lambda self, x: 2 * x.float()), r"to_units\(from_units\(x\)\) to be x"),
    "trains": (train(batch=chance), "2 more steps to give the numbers"),
}  # fmt: skip


@pytest.mark.parametrize("what", DATASETS)
def test_a_broken_dataset_is_told_what_is_wrong(what):
    fails("dataset", *_with(DATASETS, what))


def extractor(call=lambda self, x: {"features": x.flatten(1).float(), "logits": None}, **attributes):
    words = {"classifies": False, "weights_hash": "v1", "__call__": call}
    return type("Changed", (ganzoo.Extractor,), {"__doc__": "An extractor.", **words, **attributes})


def no_samples(self, sample_shape):
    raise UsageError("it takes nothing")


EXTRACTORS = {
    "takes": (extractor(check=no_samples), "got it takes nothing"),
    "identifies": (extractor(weights_hash=""), "a weights_hash, got ''"),
    "extracts": (extractor(classifies=True), "classifies = False, .*got True"),
    "extracts-shape": (extractor(lambda self, x: {"features": x.float(), "logits": None}), r"\[10, d\]"),
    "extracts-type": (
        extractor(lambda self, x: {"features": x.flatten(1).double(), "logits": None}), "float32 features",
    ),
    "repeats": (
        extractor(lambda self, x: {"features": torch.rand(len(x), 3), "logits": None}), "same features again",
    ),
    "repeats-input": (
        extractor(lambda self, x: {"features": x.zero_().flatten(1).float(), "logits": None}),
        "samples left as they are",
    ),
    "independent": (
        extractor(lambda self, x: {"features": (x.float() - x.float().mean(0)).flatten(1), "logits": None}),
        "the same features in batches of 3 and 10",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", EXTRACTORS)
def test_a_broken_extractor_is_told_what_is_wrong(what):
    fails("extractor", *_with(EXTRACTORS, what))


def callback(**attributes):
    return type("Changed", (ganzoo.Callback,), {"__doc__": "A callback.", **attributes})


def nudges(self, trainer):
    with torch.no_grad():
        next(trainer.gan.discriminator.parameters()).add_(1e-3)


def nudges_late(self, trainer):
    if trainer.step % 5 == 0:
        nudges(self, trainer)


def shows_d_more(self, trainer):
    trainer.gan.discriminator(*trainer.real(0))


class Resets(ganzoo.Callback):
    """A callback that forgets what D has learnt when a run goes on."""

    def begin(self, trainer):
        if trainer.step:
            next(trainer.gan.discriminator.parameters()).data.zero_()


def takes_none(self, trainer):
    raise UsageError("it looks at nothing")


CALLBACKS = {
    "hooks": (callback(after_steps=nudges), "after_steps is no hook: did you mean after_step?"),
    "looks_on": (callback(begin=takes_none), "a run at which it looks on, got it looks at nothing"),
    "harmless": (callback(after_step=nudges), "the same with and without it.*got .* differ with it on v"),
    "harmless-late": (callback(after_step=nudges_late), "the same with and without it.*with it on vectors"),
    "harmless-modes": (callback(after_step=shows_d_more), "to be the same with and without it"),
    "harmless-eval": (
        callback(after_step=lambda self, trainer: trainer.gan.eval()), "to be the same with and without it",
    ),
    "resumes": (Resets, "after a stop with it on vectors"),
    "closes": (callback(close=lambda self: [][3]), "fails in <lambda>: IndexError"),
    "closes-late": (
        type("Late", (ganzoo.Callback,), {
            "__doc__": "A callback.", "ended": False,
            "at_end": lambda self, trainer: setattr(self, "ended", True),
            "close": lambda self: None if self.ended else [][3],
        }),
        r"close\(\) to raise nothing, got IndexError",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CALLBACKS)
def test_a_broken_callback_is_told_what_is_wrong(what):
    fails("callback", *_with(CALLBACKS, what))


def test_every_check_can_fail():
    """Those that are common to all kinds are tried on models."""
    for kind, table in (
        ("loss", LOSSES), ("stabilizer", STABILIZERS), ("metric", METRICS), ("dataset", DATASETS),
        ("extractor", EXTRACTORS), ("callback", CALLBACKS), ("model", MODELS),
    ):  # fmt: skip
        name = OF_KIND[kind].entries()[0].name
        tried = {what.partition("-")[0] for what in (*table, *MODELS)}
        assert {check.name for check in checks(name, kind)} - tried <= {"reloads", "samples"}
