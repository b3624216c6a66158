"""Compiled nets give the numbers of nets as they are, and are nowhere to be seen but in a step."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path

import pytest
import torch
from little import BUILDS, small, stabilized
from safetensors import safe_open

from ganzoo.errors import UsageError
from ganzoo.plan.assemble import build_trained
from ganzoo.plan.compiling import refuse_uncompiled
from ganzoo.registry import MODELS, STABILIZERS
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.testing.training import StopAt, flat, want_exact_resume
from ganzoo.training import compiled
from ganzoo.training.rehearsal import rehearse
from ganzoo.training.trainer import Trainer

GROWING = [name for name in MODELS.names() if name == "progan"]
FEW = [("mlp-gan", True), ("dcgan", False)]
# Whose biases before a norm have no gradient but rounding, of which Adam makes steps.
ROUNDING = {"sngan": 0.01, "sagan": 0.01, "wgan-gp": 0.01, "biggan": 1e-3}
WORDS = "run mlp-gan --dataset ring8 --steps 4 --batch-size 8 --set width=8 --set d_width=8 --compile"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """All that torch does but for making code, which takes a compiler and minutes."""
    monkeypatch.setattr(compiled, "BACKEND", "aot_eager")
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def both(config, data):
    """Two trainers after the same steps: as it is, and compiled."""
    made = [Trainer(dataclasses.replace(config, compile=on), data) for on in (False, True)]
    for trainer in made:
        trainer.fit()
    return made


def assert_alike(plain, fast, far=1e-5):
    a, b = (flat(trainer.state_dict()) for trainer in (plain, fast))
    assert a.keys() == b.keys()
    for key, value in a.items():
        if key.split("/")[1] in ("generator", "discriminator", "ema"):
            torch.testing.assert_close(
                b[key], value, rtol=far, atol=far, msg=lambda text, key=key: key + text
            )


@pytest.mark.parametrize(("name", "vectors"), FEW)
def test_the_numbers_are_those_of_nets_as_they_are(name, vectors):
    plain, fast = both(*small(name, vectors=vectors))
    assert_alike(plain, fast)
    assert plain.compiled is None
    assert fast.compiled.seconds > 0.0
    assert fast.compiled.nets == ["g", "d"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "vectors"), [one for one in BUILDS if one[0] not in GROWING])
def test_so_are_those_of_every_model(name, vectors):
    assert_alike(*both(*small(name, vectors=vectors)), ROUNDING.get(name, 1e-5))


@pytest.mark.parametrize("stabilizer", ["r1", "unrolled:k=2", "averaged-d", "gradient-normalization"])
def test_whatever_is_differentiated_again_runs_as_it_is(stabilizer):
    config, data = small("mlp-gan", vectors=True, stabilizer=["none", stabilizer], set={"d_norm": "none"})
    plain, fast = both(config, data)
    assert_alike(plain, fast)
    assert fast.compiled.nets == (["g"] if stabilizer == "gradient-normalization" else ["g", "d"])


@pytest.mark.slow
@pytest.mark.parametrize("name", STABILIZERS.names())
def test_no_stabilizer_sees_a_difference(name):
    assert_alike(*both(*stabilized(name)), 1e-4)


def test_a_run_goes_on_exactly():
    config, data = small("mlp-gan", vectors=True)
    want_exact_resume(dataclasses.replace(config, compile=True), data, "compiled")


def test_copies_and_what_callbacks_do_are_as_they_are():
    config, data = small("dcgan")
    trainer = Trainer(dataclasses.replace(config, compile=True), data, [StopAt(2)])
    trainer.fit()
    parts = [part for part in trainer.gan.modules() if part._compiled_call_impl is not None]
    assert [type(part).__name__ for part in parts] == ["LatentGenerator", "Sequential"]
    assert all(part._compiled_call_impl is None for part in trainer.snapshot().generator.modules())
    assert all(part._compiled_call_impl is None for part in copy.deepcopy(trainer.gan).modules())
    seen = []
    trainer.gan.discriminator.main[0].register_forward_pre_hook(lambda *_: seen.append(1))
    with compiled.as_they_are():  # as callbacks are called
        trainer.gan.discriminator(torch.zeros(3, *config.sample_shape), torch.arange(3))
    assert seen


def test_nothing_of_the_compiler_is_loaded_where_nobody_asks(monkeypatch):
    monkeypatch.setattr(compiled, "_any", False)
    monkeypatch.setattr(torch.compiler, "set_stance", None)
    config, data = small("mlp-gan", vectors=True, stabilizer=["r1"])
    Trainer(config, data).fit()


# What is refused


def test_growing_nets_and_several_processes_are_refused():
    for name, count, says in (
        ("progan", 1, "progan grows"),
        ("dcgan", 2, "is for one process, and there are 2"),
    ):
        config = small(name)[0]
        gan, _ = build_trained(config, torch.device("cpu"))
        refuse_uncompiled(config, gan, count)
        with pytest.raises(UsageError, match=says):
            refuse_uncompiled(dataclasses.replace(config, compile=True), gan, count)


class Steep(Stabilizer):
    """Differentiates D's gradient in G's turn, which nobody knows of."""

    def g_penalty(self, turn):
        slope = torch.autograd.grad(turn.critic(turn.fake, turn.y).sum(), turn.fake, create_graph=True)
        return slope[0].square().mean()


def test_a_gradient_that_is_differentiated_unannounced_is_told_before_the_run():
    STABILIZERS.add("steep", Steep)
    config, data = small("mlp-gan", vectors=True, stabilizer=["steep"])
    rehearse(config, data)
    with pytest.raises(UsageError, match="a gradient of a compiled net cannot be differentiated again"):
        rehearse(dataclasses.replace(config, compile=True), data)


def test_a_machine_without_a_compiler_is_one_sentence(ganzoo, monkeypatch):
    def none(*_):
        raise RuntimeError("No working C++ compiler found")

    monkeypatch.setattr(compiled, "BACKEND", none)
    result = ganzoo(f"{WORDS} --out R")
    assert result.code == 2
    assert "--compile: torch makes no code for cpu here" in result.sentence
    assert "No working C++ compiler found" in result.sentence
    assert not Path("R").exists()


# From the command line


def test_a_run_records_it_says_how_long_it_took_and_goes_on_with_it_or_without(ganzoo):
    result = ganzoo(f"{WORDS} --out R --callback none")
    assert result.code == 0, result.err
    assert "compiling G and D took" in result.err
    assert json.loads(Path("R/config.json").read_text())["compile"] is True
    assert ganzoo(f"{WORDS} --no-compile --out P --callback none").code == 0
    names = [set(safe_open(f"{run}/generator.safetensors", "pt").keys()) for run in "RP"]
    assert names[0] == names[1]
    assert "compiling" in ganzoo("resume R --steps 8").err
    told = ganzoo("resume R --steps 12 --no-compile").err
    assert "from step 8 on nets run as they are: the last bits differ" in told
    assert "compiling" not in told
    assert "from step 12 on nets run compiled" in ganzoo("resume R --steps 16 --compile").err
    assert json.loads(Path("R/config.json").read_text())["compile"] is True


def test_words_from_elsewhere_say_it_too_and_what_is_typed_counts_more(ganzoo):
    Path("it.json").write_text(ganzoo(f"{WORDS} --dry-run").out)
    for words, on in (("--config it.json", True), ("--config it.json --no-compile", False)):
        assert json.loads(ganzoo(f"run {words} --dry-run").out)["compile"] is on


@pytest.mark.slow
def test_code_that_is_made_on_this_machine_gives_the_same_numbers(ganzoo, monkeypatch):
    monkeypatch.setattr(compiled, "BACKEND", "inductor")
    try:
        compiled.refuse_without_compiler(torch.device("cpu"))
    except UsageError as error:
        pytest.skip(str(error))
    for name, vectors in FEW:
        assert_alike(*both(*small(name, vectors=vectors)), 1e-4)
