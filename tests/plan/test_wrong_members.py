"""What a plugin's author gets wrong is told before anything is written, by the name that was typed."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import pytest
import torch
from torch import nn

from ganzoo import GAN, Common, Dataset, Recipe, Stabilizer
from ganzoo.cli.commands import COMMANDS
from ganzoo.data.tensors import TensorSplit
from ganzoo.models.mlp import MLPGAN
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry import DATASETS, MODELS, STABILIZERS

RING = "--dataset ring8 --steps 2 --batch-size 8"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def model(**own):
    """mlp-gan with other attributes; `build` is called at the end of its __init__."""
    build = own.pop("build", None)

    def __init__(self, sample_shape, z_dim=2, num_classes=0, condition_shape=()):
        MLPGAN.__init__(
            self, sample_shape, z_dim, num_classes=num_classes, condition_shape=condition_shape, width=8
        )
        if build:
            build(self)

    return type("Wrong", (MLPGAN,), {"__init__": __init__, "recipes": {"default": Recipe()}, **own})


def beside(gan):
    gan.encoder = nn.Linear(2, 2)


WRONG = {
    "text": (model(with_g="encoder", build=beside), "with_g = 'encoder': expected a tuple of names"),
    "typo": (model(with_g=("encodr",), build=beside), "no net `encodr`, which with_g or with_d names"),
    "twice": (
        model(with_g=("encoder",), with_d=("encoder",), build=beside),
        "names its net encoder twice: one optimizer alone trains it",
    ),
    "stray": (model(build=beside), "parameters in encoder, which no optimizer trains: name it in with_g"),
    "none": (model(build=lambda gan: delattr(gan, "discriminator")), "no net `discriminator`: set it in"),
    "no dict": (
        model(d_terms=lambda self, turn: turn.z.mean()),
        "gives d_terms of float32 (): expected a dict",
    ),
    "nothing": (model(g_terms=lambda self, turn: None), "gives g_terms of type NoneType: expected a dict"),
    "vector": (model(g_terms=lambda self, turn: {"a": turn.z}), "gives a of float32 "),
}


@pytest.mark.parametrize(("member", "says"), WRONG.values(), ids=WRONG)
def test_a_wrong_model(ganzoo, member, says):
    with MODELS.lent("wrong", member):
        result = ganzoo(f"run wrong {RING}")
    assert (result.code, result.out) == (2, "")
    assert says in result.err
    assert "'wrong'" in result.err
    assert not Path("runs").exists()


def test_a_stabilizer_that_has_no_state(ganzoo):
    wrong = type("Wrong", (Stabilizer,), {"__init__": lambda self: None, "__doc__": "Wrong."})
    with STABILIZERS.lent("wrong", wrong):
        result = ganzoo(f"run mlp-gan {RING} --stabilizer wrong")
    assert result.code == 2
    assert "stabilizer 'wrong' has no dict `state`" in result.err


class Points(Dataset):
    """Points, with an option that others have as an argument."""

    name, sample_shape, fingerprint = "points", (2,), "x"

    def __init__(self, name: str = "a") -> None:
        x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
        self.train, self.test = TensorSplit(x[:20], None), TensorSplit(x[20:], None)


def test_an_option_may_be_called_name():
    with DATASETS.lent("points", Points):
        config, _ = plan(
            Words("mlp-gan", "points", steps=2, batch_size=8, device="cpu", set={"data.name": "b"})
        )
        assert config.data_options["name"] == "b"


@pytest.mark.parametrize("conditions", [(), ("vectors",)])
def test_a_model_takes_the_conditions_that_it_says(ganzoo, conditions):
    with MODELS.lent("wrong", model(conditions=conditions)):
        takes = "no conditions" if not conditions else "vectors as conditions"
        refused = ganzoo(f"run wrong {RING} --conditional")
        assert (refused.code, refused.out) == (2, "")
        assert f"takes {takes}, and those of these data are 8 classes" in refused.err
        config, _ = plan(Words("wrong", "ring8", steps=2, batch_size=8, device="cpu"))
        assert not config.conditional


def test_a_model_without_z_needs_values(ganzoo):
    class Maps(GAN):
        """From values alone."""

        def __init__(self, sample_shape, **common: Unpack[Common]):
            super().__init__(sample_shape, 0, **common)

    with MODELS.lent("maps", Maps):
        assert (
            "pairs:PATH and unpaired:PATH_A,PATH_B, and these data have none"
            in ganzoo(f"run maps {RING}").err
        )


def test_images_are_no_numbers_on_a_grid(ganzoo):
    class Grid(Points):
        """Numbers on a grid."""

        sample_shape, kind = (1, 16, 16), "tensors"

        def __init__(self):
            x = 5.0 * torch.randn(40, 1, 16, 16, generator=torch.Generator().manual_seed(0))
            self.train, self.test = TensorSplit(x[:20], None), TensorSplit(x[20:], None)

    with DATASETS.lent("grid", Grid):
        for name in ("dcgan", "sngan", "stylegan2", "pix2pix", "wavegan"):
            result = ganzoo(f"run {name} --dataset grid --steps 2 --batch-size 8")
            assert result.code == 2
            assert "these data are tensors of shape (1, 16, 16)" in result.err or name == "pix2pix"
    with DATASETS.lent("grid", type("Bare", (Grid,), {"kind": "", "__doc__": "Bare."})):
        result = ganzoo("run mlp-gan --dataset grid --steps 2 --batch-size 8")
        assert 'numbers on a grid are of the kind "tensors"' in result.err


def test_commands_are_listed_and_looked_at(ganzoo):
    listed = ganzoo("list commands")
    assert listed.code == 0
    assert all(name in listed.out for name in COMMANDS.names())
    assert "run is a command: ganzoo run --help" in ganzoo("info run").err
    assert ganzoo("list commands --check").code == 0


def test_what_a_stabilizer_is_tried_on_is_not_refused(ganzoo):
    for name in STABILIZERS.names():
        said = ganzoo(f"info {name}").out
        words = said.partition("try it\n  ganzoo ")[2].partition("\n")[0]
        assert ganzoo(f"{words} --dry-run --offline").code == 0, words
