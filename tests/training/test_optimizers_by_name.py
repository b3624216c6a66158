"""Every optimizer of torch by its name, their options, and learning rates of parts."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from parts import step_of

from ganzoo.errors import UsageError
from ganzoo.models.recipe import UNFIT, Optimizer, Recipe, Schedule, optimizers
from ganzoo.plan.config import Config
from ganzoo.registry import MODELS
from ganzoo.stabilizers.unrolled import Unrolled
from ganzoo.testing.training import StopAt, flat, resumed, same, tiny, trained, want_exact_resume
from ganzoo.training.checkpoint import load_checkpoint, write_state
from ganzoo.training.optimizers import make_optimizer, set_rate
from ganzoo.training.trainer import Trainer

CPU = torch.device("cpu")
F64 = torch.float64
FIT = sorted(set(optimizers()) - set(UNFIT) - {"muon"})
RING = "--dataset ring8 --batch-size 8 --set width=8 --set d_width=8 --steps 2"


def net(width=4):
    torch.manual_seed(0)
    parts = {"body": torch.nn.Linear(3, width), "body2": torch.nn.Linear(3, width)}
    return torch.nn.ModuleDict({**parts, "head": torch.nn.ModuleDict({"a": torch.nn.Linear(width, 1)})})


def updates(optimizer, module, steps=3, rate=None):
    x = torch.linspace(-1, 1, 15).view(5, 3)
    for i in range(steps):
        if rate is not None:
            set_rate(optimizer, rate)
        optimizer.zero_grad()
        h = (module["body"](x) + module["body2"](x)).tanh()
        (module["head"]["a"](h) - i).square().mean().backward()
        optimizer.step()


def test_they_are_all_that_torch_has():
    names = [name for name in dir(torch.optim) if isinstance(getattr(torch.optim, name), type)]
    classes = [getattr(torch.optim, name) for name in names]
    assert {kind.__name__.lower() for kind in classes} - {"optimizer"} == set(optimizers())
    assert {"adam", "adamw", "sgd", "rmsprop", "nadam", "radam", "adafactor"} <= set(FIT)


@pytest.mark.parametrize("kind", FIT)
def test_each_trains_and_resumes_exactly(kind):
    words = [f"optimizer_{side}.kind={kind}" for side in "gd"]
    config, data = tiny("mlp-gan", (2,), set=["width=8", "d_width=8", *words, "optimizer_g.momentum=0.5"])
    trainer = trained(config, data)
    assert type(trainer.optimizer_g) is optimizers()[kind] is type(trainer.optimizer_d)
    start = Trainer(config, data)
    for one, other in zip(start.gan.parameters(), trainer.gan.parameters(), strict=True):
        assert other.isfinite().all()
        assert not torch.equal(one, other)
    want_exact_resume(config, data, f"with {kind}")


@pytest.mark.parametrize("kind", FIT)
def test_each_follows_the_learning_rate(kind):
    """A schedule reaches it: with a rate of 0 nothing moves, whatever was before."""
    module = net()
    optimizer = make_optimizer(Optimizer(kind, lr=0.1), module, CPU)
    updates(optimizer, module, rate=0.1)
    if kind == "asgd":  # which works its next step's rate out after each
        updates(optimizer, module, 1, rate=0.0)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    updates(optimizer, module, rate=0.0)
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())


@pytest.mark.parametrize("kind", sorted(UNFIT))
def test_what_does_not_fit_is_refused_with_a_sentence(kind, ganzoo):
    with pytest.raises(UsageError, match=rf"^optimizer_d.kind={kind} \w.*: use adam, adamw, sgd or rmsprop$"):
        make_optimizer(Optimizer(kind), net(), CPU, "optimizer_d")
    result = ganzoo(f"run mlp-gan {RING} --set optimizer_d.kind={kind} --out X")
    assert result.code == 2
    assert f"optimizer_d.kind={kind}" in result.sentence
    assert not Path("X").exists()


@pytest.mark.skipif("muon" not in optimizers(), reason="a torch without muon")
def test_muon_is_for_matrices_alone():
    with pytest.raises(UsageError, match=r"optimizer_g\.kind=muon: .*2D"):
        make_optimizer(Optimizer("muon"), net(), CPU, "optimizer_g")
    matrices = torch.nn.ModuleDict({"body": torch.nn.Linear(3, 2, bias=False)})
    optimizer = make_optimizer(Optimizer("muon", lr=0.1, momentum=0.5), matrices, CPU)
    assert optimizer.defaults["momentum"] == 0.5


def test_its_name_may_be_written_as_torch_does_and_a_wrong_one_names_the_nearest():
    assert type(make_optimizer(Optimizer("AdamW"), net(), CPU)) is torch.optim.AdamW
    with pytest.raises(UsageError, match=r"optimizer_g.kind=adamv: did you mean adam"):
        make_optimizer(Optimizer("adamv"), net(), CPU, "optimizer_g")


SETTINGS = {"lr": 0.01, "beta1": 0.3, "beta2": 0.7, "eps": 1e-5, "momentum": 0.6}
GIVEN = {
    "adam": {"betas": (0.3, 0.7), "eps": 1e-5}, "adamw": {"betas": (0.3, 0.7), "eps": 1e-5},
    "adamax": {"betas": (0.3, 0.7), "eps": 1e-5}, "nadam": {"betas": (0.3, 0.7), "eps": 1e-5},
    "radam": {"betas": (0.3, 0.7), "eps": 1e-5}, "rmsprop": {"alpha": 0.7, "eps": 1e-5, "momentum": 0.6},
    "sgd": {"momentum": 0.6}, "adagrad": {"eps": 1e-5}, "adadelta": {"eps": 1e-5, "rho": 0.9},
    "asgd": {"alpha": 0.75, "lambd": 1e-4}, "adafactor": {"eps": (None, 1e-3), "beta2_decay": -0.8},
}  # fmt: skip


@pytest.mark.parametrize("kind", FIT)
def test_each_is_given_what_it_takes_and_no_more(kind):
    """The rest stays at torch's own defaults, which are written out for those that look alike."""
    got = make_optimizer(Optimizer(kind, **SETTINGS), net(), CPU).defaults
    expected = GIVEN[kind]
    own = optimizers()[kind](net().parameters(), lr=0.01, **expected).defaults
    assert {key: value for key, value in got.items() if key != "fused"} == {
        key: value for key, value in own.items() if key != "fused"
    }
    assert expected.items() <= got.items()
    assert got["lr"] == 0.01


@pytest.mark.parametrize("kind", FIT)
def test_its_steps_are_those_of_torchs_own(kind):
    ours, plain = net(), net()
    updates(make_optimizer(Optimizer(kind, **SETTINGS), ours, CPU), ours)
    updates(optimizers()[kind](plain.parameters(), lr=0.01, **GIVEN[kind]), plain)
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("kind", "device", "fused"), [
    ("adam", "cpu", True), ("adam", "cuda", True), ("adam", "mps", False), ("sgd", "cuda", True),
    ("adagrad", "cpu", True), ("adagrad", "cuda", False),  # torch 2.6 has no such kernel
])  # fmt: skip
def test_fused_where_torch_has_a_kernel(kind, device, fused):
    assert make_optimizer(Optimizer(kind), net(), torch.device(device)).defaults["fused"] is fused


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("adamw", "weight_decay=0.1", {"weight_decay": 0.1}),
        ("adam", "amsgrad=true,weight_decay=0.2", {"amsgrad": True, "weight_decay": 0.2}),
        ("sgd", {"nesterov": True, "weight_decay": 0.01}, {"nesterov": True, "weight_decay": 0.01}),
        ("nadam", {"momentum_decay": 0.01, "decoupled_weight_decay": "yes"},
         {"momentum_decay": 0.01, "decoupled_weight_decay": True}),
        ("asgd", "alpha=0.5,t0=10", {"alpha": 0.5, "t0": 10.0}),
        ("adafactor", "d=2,beta2_decay=-0.5", {"d": 2.0, "beta2_decay": -0.5}),
        ("rmsprop", "centered=1", {"centered": True}),
    ],
)  # fmt: skip
def test_options_as_typed_or_by_name(kind, given, expected):
    module, plain = net(), net()
    optimizer = make_optimizer(Optimizer(kind, lr=0.05, momentum=0.9, options=given), module, CPU)
    assert expected.items() <= optimizer.defaults.items()
    taken = {key: optimizer.defaults[key] for key in GIVEN[kind]}
    updates(optimizer, module)
    updates(optimizers()[kind](plain.parameters(), lr=0.05, **{**taken, **expected}), plain)
    for a, b in zip(module.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("adam", "weight_decy=0.1", r"optimizer_g has no option 'weight_decy': did you mean weight_decay"),
        ("sgd", "amsgrad=true", "optimizer_g has no option 'amsgrad'"),
        ("adam", "weight_decay=much", "optimizer_g: weight_decay: expected a number, got 'much'"),
        ("adam", "amsgrad=perhaps", "optimizer_g: amsgrad: expected true or false, got 'perhaps'"),
        ("adam", "weight_decay=-1", "optimizer_g.kind=adam: Invalid weight_decay value: -1"),
        ("sgd", "nesterov=true", "optimizer_g.kind=sgd: Nesterov momentum requires a momentum"),
        ("adam", "lr=0.1", "optimizer_g: lr is not one of its options: use optimizer_g.lr"),
        ("adam", "betas=0.1", "betas is not one of its options: use optimizer_g.beta1"),
        ("adam", "eps=0.1", "eps is not one of its options: use optimizer_g.eps"),
        ("rmsprop", "alpha=0.1", "alpha is not one of its options: use optimizer_g.beta2"),
        ("sgd", "momentum=0.1", "momentum is not one of its options: use optimizer_g.momentum"),
        ("adafactor", "eps=0.1", "optimizer_g"),
        ("adam", "foreach=true", "optimizer_g has no option 'foreach'"),
        ("adam", "maximize=true", "optimizer_g has no option 'maximize'"),
        ("adam", "amsgrad", "expected NAME:key=value"),
        ("adam", "amsgrad=true,amsgrad=false", "amsgrad is given twice"),
    ],
)
def test_wrong_options_are_refused(kind, given, words):
    with pytest.raises(UsageError, match=words):
        make_optimizer(Optimizer(kind, options=given), net(), CPU, "optimizer_g")


@pytest.mark.parametrize(
    "given",
    [
        "options=weight_decy=0.1",
        "options=amsgrad",
        "options=weight_decay=-1",
        "parts=mian=0.1",
        "parts=main=-1",
    ],
)
def test_they_are_refused_in_a_sentence_before_anything_is_written(given, ganzoo):
    result = ganzoo(f"run mlp-gan {RING} --set optimizer_g.{given} --out X")
    assert result.code == 2
    assert result.sentence
    assert not Path("X").exists()


# Parts.


def test_groups_have_the_rates_of_their_parts_after_schedules():
    parts = {"body": 0.5, "head": 0.1, "head.a.bias": 2}
    optimizer = make_optimizer(Optimizer(parts=parts), net(), CPU)
    set_rate(optimizer, 0.3)
    module = net()
    sizes = {
        round(group["lr"], 6): sorted(p.numel() for p in group["params"]) for group in optimizer.param_groups
    }
    assert sizes == {
        0.3: [4, 12],  # body2: a part is a whole word
        0.15: [4, 12],
        0.03: [4],
        0.6: [1],
    }
    assert sum(map(len, sizes.values())) == len(list(module.parameters()))


def test_a_factor_is_that_on_the_learning_rate():
    """Every part moves as under an optimizer of its own."""
    module, plain = net(), net()
    optimizer = make_optimizer(Optimizer("sgd", lr=9.0, parts="body=0.5,head=0"), module, CPU)
    updates(optimizer, module, 1, rate=0.2)
    by_hand = torch.optim.SGD(
        [{"params": plain["body"].parameters(), "lr": 0.1}, {"params": plain["body2"].parameters()}], lr=0.2
    )
    updates(by_hand, plain, 1)
    for a, b in zip(module.parameters(), plain.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", FIT)
def test_a_factor_of_0_leaves_a_part_as_it_starts(kind):
    config, data = tiny("mlp-gan", (2,), set=[
        "width=8", "d_width=8", f"optimizer_g.kind={kind}", "optimizer_g.parts=main.0=0,main.4=0.1",
        "lr_schedule.kind=linear", "lr_schedule.end=0.5", "optimizer_g.options="
        + ("weight_decay=0.1" if "weight_decay" in optimizers()[kind].__init__.__annotations__ else ""),
    ])  # fmt: skip
    start, end = Trainer(config, data).gan.generator, trained(config, data).gan.generator
    for (name, a), b in zip(start.named_parameters(), end.parameters(), strict=True):
        assert torch.equal(a, b) == name.startswith("main.0.")


def test_rates_of_parts_follow_schedule_and_rollbacks():
    config, data = tiny("mlp-gan", (2,), lr_g=0.01, lr_d=0.03, set=[
        "width=8", "d_width=8", "optimizer_d.parts=head=0.25", "lr_schedule.kind=linear", "lr_schedule.end=0",
    ])  # fmt: skip
    trainer = Trainer(config, data)
    seen = []
    for _ in range(4):
        trainer.one_step()
        seen.append([group["lr"] for group in trainer.optimizer_d.param_groups])
        assert [group["lr"] for group in trainer.optimizer_g.param_groups] == pytest.approx([seen[-1][0] / 3])
    assert seen == [pytest.approx([0.03 * (1 - i / 4), 0.0075 * (1 - i / 4)]) for i in range(4)]
    trainer.step, trainer.rollbacks = 2, 1
    trainer.one_step()
    assert [group["lr"] for group in trainer.optimizer_d.param_groups] == pytest.approx([0.0075, 0.001875])
    want_exact_resume(config, data, "with parts")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ("bodi=0.1", "optimizer.parts: no part of the net is called 'bodi': did you mean body"),
        ("bod=0.1", "no part of the net is called 'bod'"),
        ("head.b=0.1", "no part of the net is called 'head.b': did you mean head.a"),
    ],
)
def test_unknown_parts_name_the_nearest(parts, words):
    with pytest.raises(UsageError, match=words):
        make_optimizer(Optimizer(parts=parts), net(), CPU)


@pytest.mark.parametrize("factor", ["-1", "much", "nan", "inf"])
def test_factors_are_numbers_of_at_least_0(factor):
    with pytest.raises(UsageError, match=r"optimizer_d.parts: head: expected a (finite )?number"):
        Recipe(optimizer_d=Optimizer(parts={"head": factor})).check()


def test_a_part_under_a_longer_one_may_have_no_parameters_left():
    optimizer = make_optimizer(Optimizer(parts="head=0.5,head.a=0.25"), net(), CPU)
    assert [group["factor"] for group in optimizer.param_groups] == [1.0, 0.25]


def test_of_a_model_with_more_nets_parts_begin_with_the_net():
    config, data = tiny("acgan", (1, 8, 8), set=["width=4", "optimizer_d.parts=classifier=0"])
    start, end = Trainer(config, data).gan, trained(config, data).gan
    assert torch.equal(start.classifier.weight, end.classifier.weight)
    assert not torch.equal(start.discriminator.main[0].weight, end.discriminator.main[0].weight)


# Looking ahead.


@pytest.mark.parametrize("kind", ["adam", "sgd", "rmsprop"])
def test_looking_ahead_knows_parts(kind):
    module = net().double()
    optimizer = make_optimizer(Optimizer(kind, parts="body=0,head=0.1"), module, CPU)
    set_rate(optimizer, 0.05)
    x = torch.linspace(-1, 1, 15, dtype=F64).view(5, 3)

    def loss(weights):
        weights = {**dict(module.named_parameters()), **weights}
        h = x @ (weights["body.weight"] + weights["body2.weight"]).T
        h = h + weights["body.bias"] + weights["body2.bias"]
        return (h.tanh() @ weights["head.a.weight"].T + weights["head.a.bias"]).square().mean()

    class D:
        discriminator = module

    unrolled = Unrolled(3)
    unrolled.setup(D)
    ahead = unrolled.look_ahead(None, loss, optimizer)
    start = {key: value.clone() for key, value in module.state_dict().items()}
    for _ in range(3):
        optimizer.zero_grad()
        loss({}).backward()
        optimizer.step()
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(ahead[name], parameter.detach(), rtol=1e-5, atol=1e-7)
        assert torch.equal(start[name], parameter) == name.startswith("body.")


@pytest.mark.parametrize(
    "words",
    ["kind=adamw", "kind=adagrad", "options=amsgrad=true", "options=weight_decay=0.1", "kind=nadam"],
)
def test_looking_ahead_refuses_what_it_does_not_know_before_training(words, ganzoo):
    result = ganzoo(f"run mlp-gan {RING} --stabilizer unrolled --set optimizer_d.{words} --out X")
    assert result.code == 2
    assert "unrolled knows the plain adam, rmsprop and sgd as D's optimizer" in result.sentence
    assert not Path("X").exists()
    assert ganzoo(f"run mlp-gan {RING} --stabilizer unrolled --set optimizer_g.{words} --out X").code == 0


# From the command line, and back from files.


def test_from_the_command_line_and_back(ganzoo):
    words = "--set optimizer_g.kind=adamw --set optimizer_g.options=weight_decay=0.5,amsgrad=true"
    parts = "--set optimizer_d.parts=head=0.5,main.1=0"
    assert ganzoo(f"run mlp-gan {RING} {words} {parts} --out X").code == 0
    config = Config.read(Path("X/config.json"))
    assert config.recipe.optimizer_g.options == "weight_decay=0.5,amsgrad=true"
    assert config.recipe.optimizer_d.parts == "head=0.5,main.1=0"
    assert Config.from_json(json.loads(json.dumps(config.as_json()))) == config
    assert ganzoo("resume X --steps 4").code == 0
    other = ganzoo("run mlp-gan --dataset ring8 --steps 1 --set optimizer_g.option=1 --out Y")
    assert "did you mean" in other.sentence
    assert "optimizer_g.options" in other.sentence


def test_what_moments_cost_is_in_checkpoints_by_parameter():
    config, data = tiny("mlp-gan", (2,), set=["width=8", "d_width=8", "optimizer_g.options=amsgrad=true"])
    state = trained(config, data).state_dict()
    assert all("max_exp_avg_sq" in own for own in state["optimizer_g"].values())
    assert not any("max_exp_avg_sq" in own for own in state["optimizer_d"].values())


NEW = ("accumulate", "lr_schedule_d", "options", "parts", "steps", "warmup")


def test_a_checkpoint_from_before_the_new_settings_goes_on(tmp_path):
    config, data = tiny("mlp-gan", (2,), set=["width=8", "d_width=8"])
    whole = trained(config, data).state_dict()
    half = trained(config, data, 2).state_dict()
    old = {
        key: value for key, value in half["config"].items()
        if not (key.startswith("recipe.") and key.rpartition(".")[2] in NEW)
    }  # fmt: skip
    assert len(half["config"]) - len(old) >= 12
    write_state(tmp_path / "old.safetensors", {**half, "config": old})
    trainer = Trainer(config, data)
    trainer.load_state_dict(load_checkpoint(tmp_path / "old.safetensors"))
    trainer.fit()
    one, other = flat(whole), flat(trainer.state_dict())
    assert one.keys() == other.keys()
    assert all(same(one[key], other[key]) for key in one)
    for change in (
        {"accumulate": 2}, {"lr_schedule_d": Schedule("linear", 1.0, 0.5)},
        {"optimizer_g": dataclasses.replace(config.recipe.optimizer_g, options="amsgrad=true")},
    ):  # fmt: skip
        changed = dataclasses.replace(config, recipe=dataclasses.replace(config.recipe, **change))
        with pytest.raises(UsageError, match="the settings are not those of the checkpoint"):
            Trainer(changed, data).load_state_dict(load_checkpoint(tmp_path / "old.safetensors"))


def test_a_config_from_before_the_new_settings_is_read(ganzoo):
    assert ganzoo(f"run mlp-gan {RING} --out X").code == 0
    path = Path("X/config.json")
    said = json.loads(path.read_text())
    for name in ("accumulate", "lr_schedule_d"):
        del said["recipe"][name]
    for part in ("optimizer_g", "optimizer_d"):
        del said["recipe"][part]["options"], said["recipe"][part]["parts"]
    for part in ("lr_schedule", "penalty_schedule", "ema_schedule"):
        del said["recipe"][part]["steps"], said["recipe"][part]["warmup"]
    whole = Config.read(path)
    path.write_text(json.dumps(said))
    assert Config.read(path) == whole
    assert ganzoo("resume X --steps 3").code == 0


def test_moments_of_another_optimizer_are_refused():
    config, data = tiny("mlp-gan", (2,), set=["width=8", "d_width=8"])
    state = trained(config, data, 2).state_dict()
    own = next(iter(state["optimizer_g"].values()))
    own["exp_avg"] = own["exp_avg"][:1]
    with pytest.raises(UsageError, match="exp_avg of parameter 0"):
        Trainer(config, data).load_state_dict(state)
    del own["exp_avg"]
    with pytest.raises(UsageError, match="the moments of parameter 0"):
        Trainer(config, data).load_state_dict(state)


def test_one_step_of_every_kind_on_a_convolution():
    """Moments of weights in channels_last memory lie as these do."""
    for kind in FIT:
        torch.manual_seed(0)
        gan = MODELS.get("dcgan")((1, 8, 8), width=4, d_norm="none").to(memory_format=torch.channels_last)
        step = step_of(gan)
        step.optimizers = {
            side: make_optimizer(Optimizer(kind, lr=1e-3), gan.net(side), CPU) for side in ("g", "d")
        }
        x = torch.rand(4, 1, 8, 8).contiguous(memory_format=torch.channels_last)
        for _ in range(2):
            step(lambda i, x=x: (x, None))
        assert all(p.isfinite().all() for p in gan.parameters()), kind


def test_a_stopped_run_is_what_resumed_makes():
    """So that exact resumes above compare what they say."""
    config, data = tiny("mlp-gan", (2,), set=["width=8", "d_width=8"])
    assert resumed(config, data).step == trained(config, data).step == 4
    assert isinstance(StopAt(1), StopAt)
