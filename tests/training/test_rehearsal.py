"""What cannot work is refused before a folder is made, with the name of the member at fault."""

from __future__ import annotations

import random
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Unpack

import numpy as np
import pytest
import torch
from little import OF_IMAGES, OF_PAIRS
from torch import nn

import ganzoo
from ganzoo.data.base import Dataset
from ganzoo.data.tensors import TensorSplit
from ganzoo.errors import UsageError
from ganzoo.losses import NonSaturating
from ganzoo.models.base import GAN, Common
from ganzoo.models.recipe import Recipe
from ganzoo.plan.words import Words
from ganzoo.registry import DATASETS, LOSSES, MODELS, STABILIZERS
from ganzoo.running.training import plan_run
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.training import looks

LENT = {"model": MODELS, "dataset": DATASETS, "loss": LOSSES, "stabilizer": STABILIZERS}


class Pictures(Dataset):
    """64 pictures of noise, 4 x 4, with labels in turn."""

    name, sample_shape, num_classes, fingerprint = "toy", (1, 4, 4), 3, "toy"

    def __init__(self) -> None:
        x = torch.randint(
            0, 256, (64, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
        )
        self.train = self.test = TensorSplit(x, torch.arange(64) % 3)


class Net(nn.Module):
    """Linear in everything but its end."""

    def __init__(self, inputs, outputs, end=None) -> None:
        super().__init__()
        self.main, self.end = nn.Linear(inputs, outputs), end or (lambda h: h)

    def forward(self, x, y=None):
        return self.end(self.main(x.flatten(1)))


class Toy(GAN):
    """A linear G and a linear D, plain and sound."""

    recipes = {"default": Recipe(batch_size=8, steps=5)}

    def __init__(self, sample_shape, z_dim=4, **common: Unpack[Common]) -> None:
        super().__init__(sample_shape, z_dim, **common)
        self.generator = Net(z_dim, 16, self.image)
        self.discriminator = Net(16 * self.pack, 1, self.logit)

    def image(self, h):
        return h.tanh().unflatten(1, (1, 4, 4))

    def logit(self, h):
        return h.squeeze(1)


def rehearse(words=(), **members):
    """Plan a run of the toys, with others in their places: model=..., loss=..., stabilizer=..."""
    settled = {"model": Toy, "dataset": Pictures, **members}
    with ExitStack() as stack:
        for kind, member in settled.items():
            stack.enter_context(LENT[kind].lent("toy", member))
        more = {"loss": "toy"} if "loss" in members else {}
        more |= {"stabilizer": ["toy"]} if "stabilizer" in members else {}
        return plan_run(Words("toy", "toy", device="cpu", **{**more, **dict(words)}))


def refused(words=(), **members) -> str:
    with pytest.raises(UsageError) as error:
        rehearse(words, **members)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_sound_passes(capsys):
    for more in ({}, {"conditional": True}, {"precision": "bf16"}, {"batch_size": 1}, {"n_dis": 3}):
        config, _ = rehearse(more)
        assert (
            config.recipe.optimizer_g.lr == Recipe().optimizer_g.lr
        )  # the plan itself is as it was asked for
    assert capsys.readouterr().err == ""


# --- the member at fault ---


def fails(where):
    """A stabilizer that fails in one of its hooks."""

    def hook(self, *args):
        raise KeyError("no such thing\nand more")

    return type("Fails", (Stabilizer,), {where: hook})


@pytest.mark.parametrize(
    "hook",
    ["transform", "wrap_critic", "real_target", "update_d", "differentiates_at", "d_penalty", "g_penalty",
     "look_ahead", "gradients", "weights", "log"],
)  # fmt: skip
def test_a_stabilizer_that_fails_is_named(hook):
    said = "stabilizer 'toy' fails in a dry step: KeyError: 'no such thing\\nand more' (ganzoo --debug "
    assert refused(stabilizer=fails(hook)).startswith(said)


def test_a_stabilizer_that_cannot_be_set_up_is_named():
    assert "stabilizer 'toy' cannot be set up on model 'toy': KeyError" in refused(stabilizer=fails("setup"))


def test_a_function_beside_the_class_is_its_members(tmp_path, monkeypatch):
    (tmp_path / "beside.py").write_text(
        "from ganzoo import Stabilizer\n"
        "def broken(critic):\n"
        "    raise ZeroDivisionError('by nothing')\n"
        "class Beside(Stabilizer):\n"
        "    def wrap_critic(self, critic, turn):\n"
        "        return lambda x, y: broken(critic)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import beside

    assert "stabilizer 'toy' fails in a dry step: ZeroDivisionError: by nothing" in refused(
        stabilizer=beside.Beside
    )
    del sys.modules["beside"]


def test_a_layer_of_the_model_is_named():
    class Wrong(Toy):
        def __init__(self, sample_shape, z_dim=4, **common: Unpack[Common]) -> None:
            super().__init__(sample_shape, z_dim, **common)
            self.discriminator = nn.Sequential(nn.Flatten(), nn.Linear(17, 1))
            self.discriminator.forward = lambda x, y=None: self.discriminator[1](
                self.discriminator[0](x)
            ).squeeze(1)

    assert refused(model=Wrong).startswith(
        "model 'toy' (discriminator.1) fails in a dry step: RuntimeError: mat1"
    )


def test_a_loss_that_fails_is_named():
    class Fails(NonSaturating):
        def g(self, fake, real=None):
            raise SystemExit("bye")

    assert refused(loss=Fails).startswith("loss 'toy' fails in a dry step: SystemExit: bye (")


def test_a_dataset_that_fails_is_named():
    class Fails(TensorSplit):
        def batch(self, n, step, seed):
            raise OSError("the file is gone")

        def to(self, device):
            return self

    class Gone(Pictures):
        def __init__(self) -> None:
            super().__init__()
            self.train = Fails(*self.train.all())

    assert refused(dataset=Gone).startswith("dataset 'toy' fails in a dry step: OSError: the file is gone (")


def test_ctrl_c_goes_through():
    class Stops(Stabilizer):
        def weights(self, turn):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehearse(stabilizer=Stops)


@pytest.mark.parametrize("at", [0.0, 1.0])
def test_both_ends_of_the_plan_are_tried_with_lazy_penalties(at):
    class Lazy(Stabilizer):
        interval = 7

        def d_penalty(self, turn):
            if turn.step % self.interval == 0 and turn.t == at:
                raise ValueError("now")

    assert "stabilizer 'toy' fails in a dry step: ValueError: now" in refused(stabilizer=Lazy)


def test_the_averaged_generator_is_sampled():
    class Forgets(Toy):
        def image(self, h):
            if not self.generator.training:
                raise RuntimeError("only when trained")
            return super().image(h)

    assert "only when trained" in refused(model=Forgets)


def test_what_fails_on_few_samples_alone_passes(monkeypatch):
    sizes = []

    class Fours(Toy):
        def logit(self, h):
            sizes.append(len(h))
            if len(h) % 4:
                raise ValueError("not in fours")
            return super().logit(h)

    rehearse(model=Fours)
    assert min(sizes) == 2
    assert max(sizes) == 8
    assert "not in fours" in refused({"batch_size": 6}, model=Fours)


def test_packs_stay_whole():
    class Packs(Toy):
        def logit(self, h):
            assert len(h) >= 2
            return super().logit(h)

    rehearse({"stabilizer": ["packing:m=4"]}, model=Packs)


# --- samples, logits, losses ---

ENDS = {
    "wrong shape": (lambda h: h, "makes samples of float32 (8, 16): expected (8, 1, 4, 4)"),
    "wrong size": (lambda h: h.tanh().unflatten(1, (1, 4, 4))[..., :2], "(8, 1, 4, 2)"),
    "not finite": (lambda h: h.tanh().unflatten(1, (1, 4, 4)) / 0.0, "not finite"),
    "from 0 to 1": (lambda h: h.sigmoid().unflatten(1, (1, 4, 4)), "expected pixels in [-1, 1]"),
    "clamped": (lambda h: h.clamp(0.0, 1.0).unflatten(1, (1, 4, 4)), "expected pixels in [-1, 1]"),
    "from 0 to 255": (lambda h: 255.0 * h.sigmoid().unflatten(1, (1, 4, 4)), "expected pixels in [-1, 1]"),
    "around 127": (lambda h: 127.5 + 20.0 * h.unflatten(1, (1, 4, 4)), "expected pixels in [-1, 1]"),
    "from -128 to 127": (lambda h: 128.0 * h.tanh().unflatten(1, (1, 4, 4)), "expected pixels in [-1, 1]"),
    "whole numbers": (lambda h: (128.0 * h).unflatten(1, (1, 4, 4)).char(), "torch.int8"),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_generator_of_other_samples_is_refused(end):
    function, piece = ENDS[end]
    said = refused(model=type("Other", (Toy,), {"image": lambda self, h: function(h)}))
    assert said.startswith("model 'toy'")
    assert piece in said


def test_linear_images_pass_though_untrained_ones_leave_their_range():
    rehearse(model=type("Linear", (Toy,), {"image": lambda self, h: 3.0 * h.unflatten(1, (1, 4, 4))}))


@pytest.mark.parametrize("name", [*OF_IMAGES, *OF_PAIRS])
def test_no_model_of_the_zoo_is_taken_for_one_of_another_range(name):
    kind = MODELS.get(name)
    recipe = kind.recipes.get("default") or kind.recipes["default/images"]
    x, y = torch.full((2, 1, 28, 28), -1.0), torch.tensor([0, 1])
    asked = {"num_classes": 2}
    if name in OF_PAIRS:
        asked, y = {"condition_shape": (1, 28, 28)}, torch.rand(2, 1, 28, 28) * 2 - 1
    for seed in range(4):
        torch.manual_seed(seed)
        gan = kind((1, 28, 28), **asked, **recipe.model)
        for t in (0.0, 0.5, 1.0):
            gan.progress(t)
            with torch.no_grad():
                looks.at_range(name, gan, gan.samples(gan.generator(gan.sample_z(2), y)), x, y)


def test_images_that_are_positive_by_chance_pass():
    """A constant G in [-1, 1], with one sign or the other: the weights decide, and not its end."""

    class Bright(Toy):
        def __init__(self, *args, **more) -> None:
            super().__init__(*args, **more)
            for p in self.generator.parameters():
                p.data.zero_()
            self.generator.main.bias.data.fill_(0.3)

    for _ in range(20):
        rehearse(model=Bright)


LOGITS = {
    "one for all": (lambda h: h.mean(), "logits of float32 ()"),
    "turned": (lambda h: h.T, "logits of float32 (1, 2) for 2 inputs"),
    "a row for each scale": (lambda h: (h, h[:1]), "logits of float32 (1, 1) for 2 inputs"),
    "a list": (lambda h: [h, h], "logits of type list"),
    "not finite": (lambda h: h.log(), "logits that are not finite"),
}


@pytest.mark.parametrize("end", LOGITS)
@pytest.mark.parametrize("stabilizer", [[], ["unrolled:k=1"]])
def test_a_discriminator_of_other_rows_is_refused(end, stabilizer):
    function, piece = LOGITS[end]
    model = type("Other", (Toy,), {"logit": lambda self, h: function(h)})
    said = refused({"stabilizer": stabilizer, "batch_size": 2}, model=model)
    assert said.startswith("model 'toy': D gives")
    assert piece in said


def test_real_and_generated_samples_of_unlike_shapes_are_refused():
    class Halves(Toy):
        def view(self, x):
            return x[..., :2]

    assert "model 'toy' shows D real samples of (8, 1, 4, 2), and its G makes (8, 1, 4, 4)" in refused(
        model=Halves
    )


def test_a_loss_or_a_penalty_that_is_no_number_is_refused():
    rows = type("Rows", (NonSaturating,), {"g": lambda self, fake, real=None: fake})
    assert refused({"batch_size": 4}, loss=rows).startswith(
        "loss 'toy' gives g of float32 (4,): expected a scalar"
    )
    nan = type(
        "Nan", (NonSaturating,), {"d": lambda self, real, fake, real_target=1.0: (real * float("nan")).mean()}
    )
    assert "loss 'toy' gives a d of nan for untrained nets" in refused(loss=nan)
    penalty = type("Rows", (Stabilizer,), {"d_penalty": lambda self, turn: turn.critic(turn.real, turn.y)})
    assert refused({"batch_size": 4}, stabilizer=penalty).startswith(
        "stabilizer 'toy' gives d_penalty of float32 (4,)"
    )


def with_terms(d=lambda turn: {}, g=lambda turn: {}):
    return type(
        "Terms", (Toy,), {"d_terms": lambda self, turn: d(turn), "g_terms": lambda self, turn: g(turn)}
    )


def test_terms_that_are_no_numbers_are_refused_by_their_names():
    rows = {"rows": lambda turn: {"sound": turn.z.mean(), "rows": turn.critic(turn.fake, turn.y)}}
    for phase in "dg":
        said = refused({"batch_size": 4}, model=with_terms(**{phase: rows["rows"]}))
        assert said.startswith("model 'toy' gives rows of float32 (4,): expected a scalar")
        said = refused(model=with_terms(**{phase: lambda turn: {"nan": turn.z.mean() * float("nan")}}))
        assert "model 'toy' gives a nan of nan for untrained nets" in said
    rehearse(model=with_terms(d=lambda turn: {"sound": turn.critic(turn.real, turn.y).square().mean()}))


def test_terms_that_fail_are_the_models():
    said = refused(model=with_terms(g=lambda turn: {}[turn.phase]))
    assert said.startswith("model 'toy' ")
    assert "fails in a dry step: KeyError: 'g' (" in said


# --- data ---


def data(x=None, y=None, **attributes):
    """Pictures with other batches or labels."""

    class Split(TensorSplit):
        def batch(self, n, step, seed):
            real, labels = super().batch(n, step, seed)
            return (real if x is None else x(real)), labels

        def to(self, device):
            return self

    def init(self) -> None:
        pixels, labels = Pictures().train.all()
        self.train = self.test = Split(pixels, labels if y is None else y(labels))

    return type("Other", (Pictures,), {"__init__": init, **attributes})


@pytest.mark.parametrize(
    ("dataset", "piece"),
    [
        (data(x=lambda x: 127.5 * (x + 1.0)), "gives images from"),
        (data(x=lambda x: x / 0.0), "not finite"),
        (data(x=lambda x: x.double()), "batches of float64 (8, 1, 4, 4)"),
        (data(x=lambda x: x[:, :, :2]), "batches of float32 (8, 1, 2, 4): expected float32 (8, 1, 4, 4)"),
        (data(x=lambda x: x.numpy()), "batches of type ndarray"),
        (data(y=lambda y: y.int()), "labels of int32 (8,) in a batch: expected int64 (8,)"),
        (data(y=lambda y: y[:, None]), "labels of int64 (8, 1) in a batch"),
        (data(y=lambda y: y - 1), "labels from -1 to"),
        (data(y=lambda y: y + 1), "to 3 in a batch: expected 0 to 2, by its num_classes of 3"),
        # One label of 64, which no batch of the first step may hold.
        (data(y=lambda y: y.index_fill(0, torch.tensor([5]), 9)), "labels from 0 to 9 in"),
    ],
    ids=["0 to 255", "infinite", "double", "shape", "array", "int32", "column", "negative", "beyond", "one"],
)  # fmt: skip
def test_data_that_break_their_word_are_refused(dataset, piece):
    said = refused(dataset=dataset)
    assert said.startswith("dataset 'toy'")
    assert piece in said


def test_labels_that_are_not_there_are_missed_where_they_are_needed():
    dataset = data(y=lambda y: None)
    rehearse(dataset=dataset)
    assert refused({"conditional": True}, dataset=dataset).startswith(
        "dataset 'toy' gives batches without labels"
    )


@pytest.mark.parametrize("name", ["train", "test"])
def test_an_empty_split_is_refused(name):
    def init(self) -> None:
        Pictures.__init__(self)
        setattr(self, name, TensorSplit(torch.empty(0, 1, 4, 4, dtype=torch.uint8), torch.empty(0).long()))

    said = refused(dataset=type("Empty", (Pictures,), {"__init__": init}))
    assert said.startswith(f"dataset 'toy' has no samples in its {name} split")


# --- what nothing teaches ---


class Bi(Toy):
    """D judges pairs, (x, E(x)) and (G(z), z); `spare` is never used."""

    def __init__(self, sample_shape, z_dim=4, **common: Unpack[Common]) -> None:
        super().__init__(sample_shape, z_dim, **common)
        self.generator = Pairs(self.generator, nn.Sequential(nn.Flatten(), nn.Linear(16, z_dim)))
        self.discriminator = Judge()
        self.discriminator.spare = nn.Linear(2, 2)

    def view(self, x):
        return x, self.generator.encoder(x)

    def samples(self, sample):
        return sample[0]


class Pairs(nn.Module):
    def __init__(self, main, encoder) -> None:
        super().__init__()
        self.main, self.encoder = main, encoder

    def forward(self, z, y=None):
        return self.main(z), z


class Judge(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, pair, y=None):
        return self.layers(torch.cat([part.flatten(1) for part in pair], 1)).squeeze(1)


def test_modules_that_nothing_teaches_are_said(capsys):
    rehearse(model=Bi)
    said = capsys.readouterr().err
    assert said.startswith("note: no step teaches generator.encoder, discriminator.spare of toy:")
    assert said.count("\n") == 1
    rehearse({"loss": "relativistic"}, model=Bi)
    assert "no step teaches discriminator.spare of toy" in capsys.readouterr().err


def test_nets_that_go_with_g_or_d_are_taught_by_terms_or_named(capsys):
    class More(Toy):
        with_g, with_d = ("encoder",), ("tell",)

        def __init__(self, sample_shape, z_dim=4, **common: Unpack[Common]) -> None:
            super().__init__(sample_shape, z_dim, **common)
            self.encoder, self.tell = Net(16, z_dim), Net(16, z_dim)

    def told(net):
        return lambda self, turn: {net: (getattr(self, net)(turn.fake) - turn.z).square().mean()}

    rehearse(model=More)
    assert "no step teaches encoder, tell of toy" in capsys.readouterr().err
    # A term teaches what its own turn trains: the encoder does not learn from D's.
    rehearse(model=type("Wrong", (More,), {"d_terms": told("encoder"), "g_terms": told("tell")}))
    assert "no step teaches encoder, tell of toy" in capsys.readouterr().err
    rehearse(model=type("Right", (More,), {"d_terms": told("tell"), "g_terms": told("encoder")}))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("last", [2.0, 100.0])
def test_a_growing_model_is_looked_at_between(capsys, last):
    for more in ({}, {"stabilizer": ["unrolled:k=1"]}):
        plan_run(Words("progan", "mnist-5k", device="cpu", set={"width": 4, "last": last}, **more))
    assert capsys.readouterr().err == ""


def test_frozen_weights_are_nobodys_concern(capsys):
    class Frozen(Toy):
        def __init__(self, *args, **more) -> None:
            super().__init__(*args, **more)
            self.discriminator.main.bias.requires_grad_(False)

    rehearse(model=Frozen)
    assert capsys.readouterr().err == ""


# --- nothing is left behind ---


def test_global_state_and_stdout_are_as_they_were(capsys, tmp_path):
    class Draws(Toy):
        def image(self, h):
            print("a plugin talks")
            torch.rand(1), np.random.rand(), random.random()
            torch.set_num_threads(2)
            return super().image(h)

    def states():
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()

    before = states()
    rehearse(model=Draws)
    assert states() == before
    assert torch.get_num_threads() == 1
    assert capsys.readouterr().out == ""
    assert not list(Path(tmp_path).iterdir())


def test_training_is_bit_for_bit_what_it_is_without(monkeypatch):
    words = {"dataset": "mnist-5k", "batch_size": 8, "steps": 3, "progress": False, "set": {"width": 4},
             "stabilizer": ["skip-d:below=1.3", "diffaugment", "instance-noise"]}  # fmt: skip
    one = ganzoo.train("dcgan", **words)
    monkeypatch.setattr("ganzoo.running.training.rehearse", lambda *_: None)
    other = ganzoo.train("dcgan", **words)
    assert (one.path / "generator.safetensors").read_bytes() == (
        other.path / "generator.safetensors"
    ).read_bytes()


def test_nothing_is_written_where_it_is_refused(tmp_path):
    with STABILIZERS.lent("toy", fails("weights")):
        for words in ({}, {"out": tmp_path / "X"}):
            with pytest.raises(UsageError, match="stabilizer 'toy' fails"):
                ganzoo.train("mlp-gan", "ring8", stabilizer=["toy"], steps=1, progress=False, **words)
    assert not list(tmp_path.iterdir())


def test_warnings_are_shown_as_ever():
    class Warns(Toy):
        def image(self, h):
            warnings.warn("mind the step", stacklevel=1)
            return super().image(h)

    with pytest.warns(UserWarning, match="mind the step"):
        rehearse(model=Warns)
