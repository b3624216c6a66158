"""What a log says about a training: findings on made-up rows, and on recorded runs, healthy and failing."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import ganzoo
from ganzoo.diagnosis import judge
from ganzoo.diagnosis.advice import advise
from ganzoo.diagnosis.judge import JUDGEMENTS, REMEDIES, diagnose, look, unjudged
from ganzoo.diagnosis.log import since
from ganzoo.diagnosis.oscillation import rhythm
from ganzoo.errors import WorkError
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry import LOSSES, MODELS, STABILIZERS
from ganzoo.registry.registry import DISTRIBUTION
from ganzoo.running.run import create, load
from ganzoo.running.training import plan_run
from ganzoo.system.lines import append_line, read_lines

ROOT = Path(__file__).parents[2]
MEMBERS = [entry.name for entry in MODELS.entries() if entry.distribution == DISTRIBUTION]


def config_of(model="mlp-gan", dataset="ring8", steps=1000, **words):
    return plan(Words(model=model, dataset=dataset, steps=steps, device="cpu", **words))[0]


@pytest.fixture(scope="module")
def config():
    return config_of()


def log(n=50, every=20, measured=5, **changed):
    """Rows of a healthy run, with other values, constant or by the step, where they are given."""
    rows = []
    for i in range(1, n + 1):
        step = i * every
        row = {"d_loss": 1.2, "g_loss": 0.9, "d_real": 0.6, "d_fake": 0.4}
        if i % measured == 0:
            signals = {
                "diversity": 0.95, "reach": 0.9, "mean_1": 0.1 * (-1) ** i, "mean_2": 0.05, "nn_ratio": 1.0,
                "ema_distance": 0.3, "d_told_train": 0.52, "dead_g": 0.2, "dead_d": 0.0, "grad_g": 1.0,
            }  # fmt: skip
            row |= {f"signal/{name}": value for name, value in signals.items()}
        for name, value in changed.items():
            key = name if name in row else f"signal/{name}"
            if key in row:
                row[key] = value(step) if callable(value) else value
        rows.append({"step": step, "images": step * 64, **row})
    return rows


def names(rows, config):
    return [found.name for found in look(rows, config)]


def from_step(step, bad, good):
    return lambda at: bad if at >= step else good


def test_nothing_is_found_in_a_healthy_log(config):
    assert diagnose(log(), config) == []
    assert diagnose([], config) == diagnose(log(n=1), config) == []


WRONG = {
    "d-won": {"d_loss": from_step(400, 0.01, 1.2), "d_real": 1.0, "d_fake": 0.0},
    "d-won by its gradient": {"grad_g": from_step(400, 1e-9, 1.0)},
    "collapse": {"diversity": from_step(400, 0.02, 0.9)},
    "collapse to a few kinds": {"reach": from_step(400, 0.02, 0.9)},
    "collapse within a class": {"diversity_in_class": from_step(400, 0.02, 0.9)},
    "oscillation": {"mean_1": lambda step: 1.5 * math.sin(step / 60)},
    "oscillation of losses": {
        "d_loss": lambda step: 1.0 + 0.8 * math.sin(step / 40),
        "g_loss": lambda step: 1.0 + 0.8 * math.cos(step / 40),
    },
    "dead": {"dead_d": from_step(400, 1.0, 0.0)},
    "average": {"ema_distance": from_step(400, 1.8, 0.2)},
    "overfitting": {"d_told_train": from_step(400, 0.99, 0.5)},
    "memorizing": {"nn_ratio": from_step(400, 0.05, 1.0)},
}


@pytest.mark.parametrize("case", WRONG)
def test_each_finding_alone_says_what_since_when_and_what_to_try(case, config):
    rows = log(**WRONG[case])
    if "class" in case:
        for row in rows:
            if "signal/diversity" in row:
                row["signal/diversity_in_class"] = WRONG[case]["diversity_in_class"](row["step"])
    (found,) = diagnose(rows, config)
    assert found.name == case.split()[0]
    assert found.since == (500 if "oscillation" in case else 400)
    assert found.advice
    assert str(found).startswith(f"since step {found.since} {found.sentence}; try --")
    assert json.loads(json.dumps(found.as_json()))["advice"] == list(found.advice)


def test_what_has_passed_and_what_has_just_begun_is_not_said(config):
    for bad in (lambda step: 0.02 if step < 600 else 0.9, from_step(950, 0.02, 0.9)):
        assert names(log(diversity=bad), config) == []
    assert names(log(d_loss=from_step(960, 0.01, 1.2)), config) == []


def test_a_large_margin_of_a_critic_is_healthy():
    config = config_of(loss="wasserstein", stabilizer="clip-weights:max=0.01")
    assert names(log(d_loss=-50.0, d_real=80.0, d_fake=30.0, g_loss=-30.0), config) == []


def test_margins_are_those_of_the_loss():
    for loss, won, even in (("hinge", 0.02, 1.5), ("least-squares", 0.005, 0.2), ("relativistic", 0.01, 0.6)):
        config = config_of(loss=loss)
        (found,) = look(log(d_loss=won), config)
        assert found.name == "d-won"
        assert "(logits)" in found.sentence
        assert names(log(d_loss=even), config) == []


def test_a_collapsed_generator_that_lies_near_to_data_does_not_memorize(config):
    assert names(log(nn_ratio=0.05, diversity=0.01), config) == ["collapse"]


def test_a_fault_is_told_first(config):
    rows = [*log(n=10), {"step": 215, "images": 1, "fault": "the batch is not finite", "fault_kind": "data"}]
    found = diagnose(rows, config)[0]
    assert (found.name, found.since) == ("diverged", 215)
    assert "the batch is not finite" in found.sentence


def test_an_older_log_tells_what_it_can(config):
    rows = [{k: v for k, v in row.items() if "/" not in k} for row in log(d_loss=0.001)]
    assert names(rows, config) == ["d-won"]
    assert unjudged(rows, config) == ["collapse", "dead", "average", "overfitting", "memorizing"]
    assert unjudged(log(), config) == []


def test_a_loss_that_is_gone_is_no_error(config):
    gone = dataclasses.replace(config, recipe=dataclasses.replace(config.recipe, loss="gone-loss"))
    assert [found.name for found in diagnose(log(d_loss=0.001, diversity=0.01), gone)] == ["collapse"]


def test_since():
    points = [(100, 0.0), (200, 1.0), (300, 1.0), (400, 1.0)]
    assert since(points, bool) == 200
    assert since(points, bool, rows=4) is None
    assert since([(step / 4, value) for step, value in points], bool) is None  # 50 steps
    assert since([(4000 + step, value) for step, value in points], bool) is None  # a small part of the run
    assert since([], bool) is None


def test_an_untrained_generator_has_not_collapsed(config):
    assert names(log(n=20, diversity=0.02), config) == []  # 400 steps
    assert names(log(diversity=0.02), config) == ["collapse"]
    won = log(diversity=0.02, d_loss=0.001)
    assert names(won, config) == ["d-won"]
    won[4]["signal/diversity"] = 0.9  # it had been better before
    assert names(won, config) == ["d-won", "collapse"]


def test_rhythm_of_waves_noise_and_slopes():
    import random

    noise = random.Random(0)
    wave = [(i, math.sin(i / 3)) for i in range(60)]
    assert rhythm(wave) > 0.8
    assert rhythm([(i, value + 5 * i + 0.3 * noise.gauss(0, 1)) for i, value in wave]) > 0.6
    assert rhythm([(i, 1.0) for i in range(60)]) == 0.0
    assert max(rhythm([(i, noise.gauss(0, 1)) for i in range(60)]) for _ in range(50)) < 0.6


# Advice


def all_advice(config):
    return {typed for wanted in REMEDIES.values() for typed in advise(config, *wanted)}


def test_every_judgement_has_remedies_that_exist():
    assert set(JUDGEMENTS) == set(REMEDIES)
    known = set(STABILIZERS.names())
    from ganzoo.diagnosis.advice import REMEDIES as own

    wanted = {name for each in REMEDIES.values() for name in each}
    assert {name for name in wanted if name not in own and name.partition(":")[0] not in known} == set()


def test_the_page_has_every_finding():
    page = (ROOT / "docs" / "diagnosis.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([\w-]+)` \|", page, flags=re.M) == list(JUDGEMENTS)


def test_nothing_is_advised_that_the_run_has():
    config = config_of(
        stabilizer=["r1:gamma=1", "minibatch-std", "label-smoothing:amount=0.1", "clip-grad-norm:max=1"],
        set={"optimizer_g.beta1": 0.0, "optimizer_d.beta1": 0.0, "model.g_norm": True},
    )
    typed = " ".join(all_advice(config))
    for name in ("r1", "minibatch-std", "label-smoothing", "clip-grad-norm", "beta1", "g_norm", "minimax"):
        assert name not in typed


def test_nothing_is_advised_that_the_loss_or_d_refuses():
    typed = " ".join(all_advice(config_of(loss="wasserstein", stabilizer="clip-weights:max=0.01")))
    for name in ("label-smoothing", "skip-d", "unrolled", "r1"):
        assert name not in typed
    assert "r1" not in " ".join(all_advice(config_of(set={"model.d_norm": "batch"})))
    assert "packing" not in " ".join(all_advice(config_of(batch_size=33)))
    assert "diffaugment" not in " ".join(all_advice(config_of()))


def test_a_d_that_compares_a_batch_by_itself_needs_no_minibatch_std():
    assert "--stabilizer minibatch-std" not in all_advice(config_of("progan", "mnist-5k"))
    assert "--stabilizer minibatch-std" in all_advice(config_of("r3gan", "mnist-5k"))


def words_with(typed: str) -> dict:
    """What is typed behind `ganzoo run`, as Words have it."""
    words: dict = {"set": [], "stabilizer": []}
    parts = typed.split()
    for option, value in zip(parts[::2], parts[1::2], strict=True):
        name = option.removeprefix("--").replace("-", "_")
        if name in words:
            words[name].append(value)
        else:
            words[name] = (
                int(value) if name == "n_dis" else float(value) if name[:2] in ("lr", "la", "sk") else value
            )
    return words


@pytest.mark.parametrize("loss", LOSSES.names())
def test_advice_is_taken_by_ganzoo_run(loss):
    config = config_of(loss=loss)
    for typed in all_advice(config):
        asked = {"loss": loss, **words_with(typed)}
        plan_run(Words(model="mlp-gan", dataset="ring8", steps=1000, device="cpu", **asked))


@pytest.mark.long
@pytest.mark.parametrize("model", MEMBERS)
def test_advice_is_taken_by_every_member(model, cases):
    cases.add_members()
    data = cases.data_of(model)
    for typed in all_advice(config_of(model, data)):
        plan_run(Words(model=model, dataset=data, steps=1000, device="cpu", **words_with(typed)))


# Recorded runs: what benchmarks/diagnosis/collect.py made of its cases. The long tests train them anew.


@pytest.fixture(scope="module")
def records():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        yield importlib.import_module("benchmarks.diagnosis.records")


@pytest.fixture(scope="module")
def cases():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        yield importlib.import_module("benchmarks.diagnosis.cases")


def test_healthy_runs_are_silent(records, cases):
    found = {
        f"{case} seed {seed}": [str(one) for one in look(rows, config)]
        for case, seed, _, config, rows in records.recorded(records.HERE / "healthy.jsonl")
    }
    assert {run: said for run, said in found.items() if said} == {}
    seeds = Counter(run.partition(" seed")[0] for run in found)
    assert [model for model in MEMBERS if seeds[cases.healthy_case(model)] < 10] == []


def test_failing_runs_are_diagnosed(records):
    wrong, cases = [], defaultdict(set)
    for case, seed, finds, config, rows in records.recorded(records.HERE / "failing.jsonl"):
        found = names(rows, config)
        cases[finds].add(case)
        if finds not in found:
            wrong.append(f"{case} seed {seed}: {found}")
    assert wrong == []
    assert set(cases) == set(JUDGEMENTS)
    assert all(len(some) >= 3 for some in cases.values())


@pytest.mark.long
@pytest.mark.parametrize("finds", JUDGEMENTS)
def test_a_run_made_to_fail_is_diagnosed(finds, records, cases, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    collect = importlib.import_module("benchmarks.diagnosis.collect")
    cases.add_members()
    for i, case in enumerate(case for case in cases.FAILING if case.finds == finds):
        run = load(collect.train(case, 7, Path.cwd() / str(i)))
        assert finds in names(read_lines(run.path / "log.jsonl"), run.config), case.name


@pytest.mark.long
@pytest.mark.parametrize("name", ["mlp-gan-ring8", "dcgan-digits", "wgan-digits"])
def test_a_healthy_run_is_silent(name, records, cases, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    collect = importlib.import_module("benchmarks.diagnosis.collect")
    case = next(case for case in cases.HEALTHY if case.name == name)
    run = load(collect.train(case, 11, Path.cwd()))
    assert look(read_lines(run.path / "log.jsonl"), run.config) == []


# Where it is said


@pytest.fixture
def run(ganzoo):
    ganzoo("run mlp-gan --dataset ring8 --steps 4 --batch-size 16 --device cpu --out X")
    return Path("X")


def test_diagnose_reads_the_log_of_a_run(ganzoo, run):
    (run / "log.jsonl").unlink()
    for row in log(diversity=0.01):
        append_line(run / "log.jsonl", row)
    result = ganzoo("diagnose X")
    assert result.code == 0
    assert result.out.startswith("collapse: since step 100 G has collapsed: its samples differ by 1% of what")
    document = json.loads(ganzoo("diagnose X --json").out)
    assert [one["name"] for one in document["findings"]] == ["collapse"]
    assert document["step"] == 1000
    assert document["not_judged"] == []


def test_diagnose_of_a_short_run_says_what_was_not_judged(ganzoo, run):
    result = ganzoo("diagnose")
    assert "nothing is wrong that the log up to step 4 shows" in ganzoo("diagnose X").out or result.code == 2
    assert "not judged, for lack of measurements: collapse" in ganzoo("diagnose X").out


def test_diagnose_of_a_run_without_a_log(ganzoo, run):
    (run / "log.jsonl").unlink()
    result = ganzoo("diagnose X")
    assert result.code == 2
    assert "has no log yet" in result.sentence


def test_the_end_of_a_run_says_what_was_seen(ganzoo, monkeypatch):
    made = judge.Finding("collapse", 3, "collapsed", "G has collapsed", ("--lr-g 1e-05",))
    monkeypatch.setattr("ganzoo.running.diagnosis.diagnose", lambda rows, config: [made])
    lines = ganzoo(
        "run mlp-gan --dataset ring8 --steps 4 --batch-size 16 --device cpu --out Y"
    ).out.splitlines()
    assert lines[1] == "seen:     since step 3 G has collapsed; try --lr-g 1e-05"
    assert lines[2].startswith("next:")


# Where a number that is not finite came from


def diverging(dataset="ring8", model="mlp-gan", out="N", steps=20, **words):
    """The sentence of a run that diverges, and its log's last row. Not rehearsed: it would be refused."""
    asked = Words(model=model, dataset=dataset, steps=steps, batch_size=16, device="cpu", **words)
    run = create(plan(asked)[0], out)
    with pytest.raises(WorkError) as error:
        run.train(progress=False)
    return str(error.value), read_lines(Path(out, "log.jsonl"))[-1]


def test_weights_that_ran_away_are_named():
    said, row = diverging(lr=1e30)
    assert "training diverged" in said
    assert "it began at step 1: the output of D's main." in said
    assert (row["step"], row["fault_kind"], row["fault_net"]) == (1, "layer", "d")


@pytest.mark.parametrize(
    ("kind", "member", "words"),
    [
        ("stabilizer", "the penalty of stabilizer 'test-nan-penalty'", {"stabilizer": "test-nan-penalty"}),
        ("stabilizer", "what stabilizer 'test-nan-transform' makes", {"stabilizer": "test-nan-transform"}),
        ("data", "the batch that dataset 'test-poisoned' gave", {"dataset": "test-poisoned"}),
        ("loss", "loss 'test-naive-loss' of D", {"loss": "test-naive-loss", "lr_d": 1e4}),
    ],
)
def test_members_at_fault_are_named(kind, member, words, cases, monkeypatch):
    cases.add_members()
    monkeypatch.setattr(cases, "AFTER", 5)
    said, row = diverging(**words)
    assert member in said
    assert row["fault_kind"] == kind
    assert row["fault"] in said
    (found, *_) = look([row], load("N").config)
    assert found.name == "diverged"


@pytest.mark.parametrize("net", ["d", "g"])
def test_terms_of_the_model_at_fault_are_named(net):
    """By their value, and by their gradient where the value is finite."""

    class Terms(MODELS.get("mlp-gan")):
        """A model whose terms are no numbers after a while."""

        gradient = False

        def term(self, turn):
            x = turn.critic(turn.fake, turn.y)
            if turn.step < 5 or turn.phase != net:
                return {"late": 0.0 * x.sum()}
            return {"late": (0.0 * x).sum().abs().sqrt() if self.gradient else (x * math.nan).mean()}

        d_terms = g_terms = term

    with MODELS.lent("terms", Terms):
        said, row = diverging(model="terms")
        assert f"it began at step 6: the model's own terms in {net.upper()}'s loss" in said
        assert (row["step"], row["fault_net"]) == (6, net)
        Terms.gradient = True
        said, row = diverging(model="terms", out="M", steps=1000)
        assert f"the gradient of the model's own terms in {net.upper()}'s loss at {net.upper()}'s " in said
        assert (row["step"], row["fault_kind"], row["fault_net"]) == (6, "layer", net)


class Sixth(STABILIZERS.get("clip-grad-norm")):
    """G's gradient is no number from step 6 on."""

    def gradients(self, turn):
        if turn.phase == "g" and turn.step >= 5:
            for parameter in turn.net.parameters():
                parameter.grad.fill_(math.nan)


@pytest.mark.parametrize("steps", [20, 1000])
def test_an_update_of_g_is_told_at_its_own_step(steps):
    """The losses of that step are numbers, and may be in the last row; those of the next are not."""
    with STABILIZERS.lent("sixth", Sixth):
        said, row = diverging(stabilizer="sixth", steps=steps)
    assert "it began at step 6: the gradient of G's" in said
    assert "after stabilizer 'sixth'" in said
    assert (row["step"], row["fault_kind"], row["fault_net"]) == (6, "stabilizer", "g")


def test_it_begins_from_the_last_checkpoint_and_a_resumed_run_forgets_it(cases, monkeypatch):
    cases.add_members()
    monkeypatch.setattr(cases, "AFTER", 5)
    said, _ = diverging(stabilizer="test-nan-penalty", checkpoint_every=4)
    assert "it began at step 7" in said
    monkeypatch.setattr(cases, "AFTER", 1000)
    run = ganzoo.resume("N", progress=False)
    assert run.steps_done == 20
    assert not any("fault" in row for row in read_lines(Path("N/log.jsonl")))


def test_what_is_not_found_is_said_to_be_so(monkeypatch):
    class Forgetful(LOSSES.get("non-saturating")):
        """It counts its calls, which no checkpoint knows."""

        calls = 0

        def d(self, real, fake, *, real_target=1.0):
            type(self).calls += 1
            return super().d(real, fake) * (math.nan if type(self).calls == 12 else 1.0)

    with LOSSES.lent("forgetful", Forgetful):
        said, row = diverging(loss="forgetful")
    assert "where it came from was not found (the steps again were all finite)" in said
    assert row["fault_kind"] == ""
