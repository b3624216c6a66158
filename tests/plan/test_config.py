"""A Config that was read: typed, its values those that could have been typed, and nothing absurd built."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.models.recipe import Recipe
from ganzoo.plan.assemble import build_model
from ganzoo.plan.config import Config
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry import MODELS
from ganzoo.system import memory

MANY = 10**12


@pytest.fixture(scope="module")
def written() -> dict:
    config, _ = plan(Words("mlp-gan", "ring8", steps=4, device="cpu", stabilizer=["r1"]))
    return json.loads(json.dumps(config.as_json()))


def put(written: dict, place: str, value: object) -> Path:
    """A file in which one setting has another value."""
    data = json.loads(json.dumps(written))
    *before, last = place.split(".")
    holder = data
    for key in before:
        holder = holder[key]
    holder[last] = value
    path = Path("config.json")
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("seed", "1", "seed: expected a whole number, got text"),
        ("seed", 1.0, "seed: expected a whole number, got a number"),
        ("seed", True, "seed: expected a whole number, got true or false"),
        ("seed", -1, "seed: expected a whole number of at least 0, got -1"),
        ("seed", 10**400, "seed: expected a whole number <= 9223372036854775807"),
        ("model", None, "model: expected text, got null"),
        ("recipe", [], "recipe: expected an object, got a list"),
        ("recipe.steps", 0, "steps: expected a whole number of at least 1, got 0"),
        ("recipe.steps", MANY, "steps: expected a whole number of at most 1,000,000,000"),
        ("recipe.batch_size", MANY, "batch_size: expected a whole number of at most 1,048,576"),
        ("recipe.n_dis", MANY, "n_dis: expected a whole number of at most 10,000"),
        ("recipe.optimizer_g.lr", "fast", "recipe.optimizer_g.lr: expected a number, got text"),
        ("recipe.optimizer_g.lr", 10**400, "recipe.optimizer_g.lr: number out of range"),
        ("recipe.optimizer_g.lr", -1.0, "optimizer_g.lr: expected a number above 0"),
        ("recipe.optimizer_d.kind", "adm", "optimizer_d.kind=adm: did you mean adam"),
        ("recipe.lr_schedule.until", 0, "lr_schedule.until: expected a number above 0"),
        ("recipe.stabilizers", "r1", "recipe.stabilizers: expected a list, got text"),
        ("recipe.stabilizers", [1], "recipe.stabilizers[0]: expected text, got a whole number"),
        ("recipe.stabilizers", ["r1:gamma"], "expected NAME:key=value"),
        ("sample_shape", [1, 100_000, 100_000], "sample_shape: expected [D]"),
        ("sample_shape", [], "sample_shape: expected [D]"),
        ("sample_shape", [1] * 7, "sample_shape: expected [D]"),
        ("sample_shape", [0], "sample_shape: expected [D]"),
        ("sample_shape", [2.0], "sample_shape[0]: expected a whole number, got a number"),
        ("sample_shape", [2**26], "expected at most 32 for samples of 67,108,864 numbers, got 256"),
        ("num_classes", -1, "num_classes: expected a whole number of at least 0"),
        ("threads", 0, "threads: expected a whole number of at least 1"),
        ("threads", 2**40, "threads: expected a whole number of at most"),
        *((f"{name}_every", 0, f"{name}_every: expected a whole number of at least 1, got 0")
          for name in ("checkpoint", "sample", "log")),
        ("eval_every", 5, "eval_every needs eval_metrics"),
        ("eval_metrics", "fid", "eval_metrics: expected a list, got text"),
        ("schedule_steps", -3, "schedule_steps: expected a whole number of at least 0"),
        ("precision", "fp8", "precision 'fp8': did you mean fp32 or fp16?"),
        ("device", "gpu", "device 'gpu': expected a name like cpu or cuda:0"),
        ("conditional", 1, "conditional: expected true or false, got a whole number"),
        ("data_options.root", 3, "data_options: expected a path or null as root"),
        ("data_options.offline", "no", "data_options: expected a path or null as root, and true or false"),
        ("dataset", "folder:a\0b", "no path has a character 0"),
        ("origins", {"model": "mine"}, "origins[...]: expected an object, got text"),
        ("origins", {"module x": {"distribution": "a", "version": "1"}}, "origins: expected a member's kind"),
        ("origins", {"model x": {"distribution": "a"}}, "origins: expected a member's kind, distribution"),
        ("provenance", 1, "provenance: expected an object, got a whole number"),
        ("speed", 1, "object contains unknown field speed"),
        ("recipe.speed", 1, "recipe: object contains unknown field speed"),
    ],
)  # fmt: skip
def test_a_value_that_could_not_have_been_typed(written, place, value, says):
    with pytest.raises(UsageError) as refused:
        Config.read(put(written, place, value))
    assert str(refused.value).startswith("config.json is damaged (")
    assert says in str(refused.value)
    assert str(refused.value).endswith("): bring back a whole copy of it, or start a new run")


# What a version that did not know these would have done.
DEFAULTS = {
    "provenance": {}, "eval_every": 0, "eval_metrics": (), "first_steps": 0, "schedule_steps": 0,
    "on_nan": "stop", "stop_when": "", "patience": 0, "callbacks": (), "condition_shape": (), "kind": "",
    "compile": False,
}  # fmt: skip


def test_a_setting_without_a_default_may_not_be_missing(written):
    for name in written.keys() - {"format"}:
        without = {key: value for key, value in written.items() if key != name}
        Path("config.json").write_text(json.dumps(without))
        if name in DEFAULTS:
            assert getattr(Config.read(Path("config.json")), name) == DEFAULTS[name]
        else:
            with pytest.raises(UsageError, match=f"object missing required field {name}"):
                Config.read(Path("config.json"))


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("width", MANY, "model mlp-gan: width: expected a whole number of at most 10,000,000"),
        ("width", 10**7, "model mlp-gan needs more memory than there is: lower its z_dim=2, "),
        ("width", "wide", "model mlp-gan: width: expected a whole number, got 'wide'"),
        ("depth", 10**7, "model mlp-gan needs more memory than there is: lower its z_dim=2, "),
        ("dropout", 10**400, "model mlp-gan: dropout: expected a number"),
        ("dropout", None, "model mlp-gan: dropout: expected a number"),
        ("g_norm", [], "model mlp-gan: g_norm: expected true or false"),
        ("d_norm", 3, "model mlp-gan: d_norm: expected text"),
        ("speed", 3, "model mlp-gan has no option 'speed'"),
        ("num_classes", 3, "model mlp-gan has no option 'num_classes'"),
    ],
)
def test_options_of_the_model_are_held_against_what_it_takes(written, option, value, says):
    config = Config.read(put(written, f"model_options.{option}", value))
    with pytest.raises(UsageError) as refused:
        build_model(config, torch.device("cpu"))
    assert says in str(refused.value)


class Hungry(GAN):
    """Asks for what no machine has, in one piece and not as weights."""

    def __init__(self, sample_shape, z_dim: int = 2, num_classes: int = 0) -> None:
        super().__init__(sample_shape, z_dim, num_classes)
        self.generator = self.discriminator = nn.Linear(2, 2)
        torch.empty(2**50)


def test_no_raw_error_of_torch_where_memory_is_missing():
    with MODELS.lent("hungry", Hungry), pytest.raises(UsageError) as refused:
        plan(Words("hungry", "ring8", device="cpu", steps=2))
    says = "model hungry needs more memory than there is: lower its z_dim=2, num_classes=0"
    assert str(refused.value) == says


class NeverConditional(GAN):
    """Takes no number of classes, as nobody's labels are of use to it."""

    recipes = {"default": Recipe()}

    def __init__(self, sample_shape, z_dim: int = 2) -> None:
        super().__init__(sample_shape, z_dim)
        own = MODELS.get("mlp-gan")(sample_shape, z_dim)
        self.generator, self.discriminator = own.generator, own.discriminator


def test_a_model_that_is_never_conditional_need_not_take_the_number_of_classes():
    with MODELS.lent("never", NeverConditional):
        assert plan(Words("never", "ring8", device="cpu", steps=2))[0].conditional is False
        with pytest.raises(UsageError, match="takes no num_classes, and these data have num_classes 8"):
            plan(Words("never", "ring8", device="cpu", steps=2, conditional=True))


def test_weights_are_counted_before_they_are_filled(written, monkeypatch):
    config = Config.read(put(written, "model_options.width", 1000))
    monkeypatch.setattr("ganzoo.system.size.machine_memory", lambda: 2 * 1000**2 * 4)
    filled = []
    reset = nn.Linear.reset_parameters
    monkeypatch.setattr(nn.Linear, "reset_parameters", lambda self: (filled.append(self), reset(self)))
    with pytest.raises(UsageError, match="needs more memory than there is"):
        build_model(config, torch.device("cpu"))
    assert sum(layer.weight.nbytes for layer in filled) <= 2 * 1000**2 * 4


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
    ],
)
def test_how_missing_memory_is_told(error, is_it):
    assert memory.is_too_large(error) is is_it


def test_a_typed_value_of_no_sense_is_refused_as_one_that_was_read():
    for more in ({"seed": 2**63}, {"steps": MANY}, {"checkpoint_every": MANY}, {"batch_size": MANY}):
        with pytest.raises(UsageError, match=f"{next(iter(more))}: expected a whole number of at most"):
            plan(Words("mlp-gan", "ring8", **{"steps": 4, "device": "cpu", **more}))
