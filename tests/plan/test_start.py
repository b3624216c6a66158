"""Where words start from: a file, what --dry-run printed, another run; what is typed counts more."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ganzoo.errors import UsageError
from ganzoo.plan.start import read_start, with_typed

WORDS = "run mlp-gan --dataset ring8 --batch-size 16 --set width=8 --steps 6 --lr 0.01"
MORE = f"{WORDS} --stabilizer packing:m=2 --stabilizer r1:gamma=3 --eval-metric modes --eval-every 2"


@pytest.fixture
def settings(ganzoo):
    """settings("run ..."): what --dry-run prints, without the record of the machine."""

    def of(words: str) -> dict:
        result = ganzoo(f"{words} --dry-run")
        assert result.code == 0, result.err
        return {key: value for key, value in json.loads(result.out).items() if key != "provenance"}

    return of


@pytest.mark.parametrize(
    "words",
    [
        WORDS,
        MORE,
        f"{WORDS} --stabilizer none --recipe paper --seed 5 --checkpoint-every 3 --conditional --offline",
        f"{WORDS} --set lr_schedule.kind=cosine --set optimizer_d.beta1=0.2 --callback none",
        f"{WORDS} --on-nan rollback --eval-metric modes --stop-when modes>7 --patience 3",
    ],
)
def test_what_dry_run_prints_asks_for_the_same_again(ganzoo, settings, words):
    Path("it.json").write_text(ganzoo(f"{words} --dry-run").out)
    assert settings("run --config it.json") == settings(words)


def test_a_run_like_another_one(ganzoo, settings):
    assert ganzoo(f"{MORE} --seed 4").code == 0
    recorded = json.loads(next(Path("runs").glob("*/config.json")).read_text())
    recorded.pop("provenance")
    assert settings("run --from 1") == recorded
    assert settings("run --from 1 --seed 5") == {**recorded, "seed": 5}
    assert settings("run --config runs/0001-mlp-gan-ring8-s4/config.json") == recorded


def test_what_is_typed_counts_more_than_another_run(ganzoo, settings):
    Path("it.json").write_text(ganzoo(f"{MORE} --dry-run").out)
    changed = settings("run --config it.json --stabilizer r1:gamma=5 --lr-d 0.5 --set width=9 --steps 60")
    recipe = changed["recipe"]
    assert recipe["stabilizers"] == ["packing:m=2", "r1:gamma=5.0,interval=1"]
    assert (recipe["optimizer_g"]["lr"], recipe["optimizer_d"]["lr"]) == (0.01, 0.5)
    assert (changed["model_options"]["width"], changed["model_options"]["pack"]) == (9, 2)
    assert (recipe["steps"], changed["sample_every"], changed["eval_every"]) == (60, 6, 2)
    without = settings("run --config it.json --stabilizer none")
    assert without["recipe"]["stabilizers"] == []
    assert without["model_options"]["pack"] == 1  # which packing had asked for


def test_another_model_has_a_recipe_of_its_own(ganzoo, settings):
    Path("it.json").write_text(ganzoo(f"{MORE} --seed 3 --dry-run").out)
    other = settings("run r3gan --config it.json")
    alone = settings("run r3gan --dataset ring8 --seed 3 --steps 6 --eval-metric modes --eval-every 2")
    assert other == alone


def test_other_data(ganzoo, settings):
    Path("it.json").write_text(ganzoo(f"{MORE} --dry-run").out)
    before = settings("run --config it.json")
    same_kind = settings("run --config it.json --dataset grid25")
    assert same_kind["recipe"] == before["recipe"]
    assert same_kind["model_options"] == before["model_options"]
    other_kind = settings("run --config it.json --dataset mnist-5k")
    alone = settings("run mlp-gan --dataset mnist-5k --eval-metric modes --eval-every 2")
    assert other_kind["recipe"] == alone["recipe"]  # that for images


def test_metrics_of_another_run_that_do_not_fit_say_where_they_are_from(ganzoo, settings):
    assert ganzoo(f"{MORE} --patience 3 --stop-when modes>9").code == 0
    np.save("x.npy", np.random.default_rng(0).normal(size=(60, 2)))
    said = ganzoo("run --from 1 --dataset npy:x.npy --dry-run").sentence
    assert "modes needs data whose modes are known" in said
    assert "--eval-metric modes comes from runs/0001-mlp-gan-ring8-s0: --eval-metric none drops it" in said
    without = settings("run --from 1 --dataset npy:x.npy --eval-metric none")
    assert (without["eval_metrics"], without["eval_every"], without["stop_when"]) == ([], 0, "")
    typed = ganzoo("run --from 1 --dataset npy:x.npy --eval-metric modes --dry-run").sentence
    assert "comes from" not in typed


def test_a_run_folder_and_a_picture_are_no_files_of_words(ganzoo):
    Path("old").mkdir()
    Path("old/config.json").write_text("{}")
    assert "--config old is a run folder: say --from old" in ganzoo("run --config old").sentence
    Path("im0.png").write_bytes(b"\x89PNG\r\n")
    assert "im0.png is no text: expected words" in ganzoo("run --config im0.png").sentence


def test_a_short_file_of_words(settings):
    Path("it.toml").write_text(
        'model = "mlp-gan"\ndataset = "ring8"\nsteps = 6\nbatch-size = 16\nlr = 0.01\n'
        'stabilizer = ["packing:m=2", "r1:gamma=3"]\neval_metric = "modes"\neval-every = 2\n'
        "[set]\nmodel.width = 8\n"
    )
    assert settings("run --config it.toml") == settings(MORE)
    assert settings("run --config it.toml --lr-g 0.5 --seed 1") == settings(f"{MORE} --lr-g 0.5 --seed 1")
    assert settings("run dcgan --config it.toml --dataset mnist-5k")["model"] == "dcgan"


@pytest.mark.parametrize(
    ("words", "typed", "expected"),
    [
        ({"steps": 5}, {"epochs": 2.0}, {"epochs": 2.0}),
        ({"lr_g": 1.0, "lr_d": 1.0}, {"lr": 2.0}, {"lr": 2.0}),
        ({"loss": "hinge"}, {"set": ("recipe.loss=minimax",)}, {"set": ("recipe.loss=minimax",)}),
        ({"lr": 1.0}, {"set": ("optimizer_g.lr=3",)}, {"set": ("optimizer_g.lr=3",)}),
        ({"set": ["a=1"]}, {"set": ("a=2",)}, {"set": ["a=1", "a=2"]}),
        ({}, {"set": ("a=2",), "stabilizer": ("r1",)}, {"set": ("a=2",), "stabilizer": ("r1",)}),
        ({"stabilizer": ["r1", "r2"]}, {"stabilizer": ("r1:gamma=2",)}, {"stabilizer": ["r2", "r1:gamma=2"]}),
        ({"stabilizer": ["r1"]}, {"stabilizer": ("none",)}, {"stabilizer": ["none"]}),
        ({"stabilizer": ["skip-d"]}, {"skip_d_below": 0.1}, {"stabilizer": [], "skip_d_below": 0.1}),
        ({"skip_d_below": 0.1}, {"stabilizer": ("skip-d",)}, {"stabilizer": ("skip-d",)}),
        ({"eval_metric": ["fid"]}, {"eval_metric": ("kid",)}, {"eval_metric": ("kid",)}),
    ],
)
def test_what_is_typed_counts_more(words, typed, expected):
    assert with_typed(words, typed) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('modle = "dcgan"', "there is no word 'modle': did you mean model"),
        ("base = 3", "there is no word 'base'"),
        ('steps = "many"', "steps: expected a whole number"),
        ("dataset = 3", "dataset: expected text, got 3"),
        ("stabilizer = 3", "stabilizer: expected a list of texts, got 3"),
        ("set = 3", r"set: expected a table, such as \[set\]"),
        ("[set]\nwidth = 2020-01-01", "set.width: expected a number, text, true or false"),
        ('offline = "perhaps"', "offline: expected true or false"),
        ("model dcgan", "expected words for a run in TOML"),
        ("\xff", "expected words for a run in TOML"),
        ("{", "it is not JSON"),
        ('{"model": "dcgan", "setp": 3}', "there is no word 'setp': did you mean"),
        ('{"data_fingerprint": "x", "sede": 3}', "there is no word 'sede': did you mean seed"),
        (
            '{"recipe": {"optimizer_g": {"bta1": 3}}}',
            "'recipe.optimizer_g.bta1': did you mean recipe.optimizer_g",
        ),
        ('{"recipe": {}}', "object missing required field"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_a_sentence(ganzoo, text, said):
    Path("it").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=said):
        read_start(Path("it"))
    assert ganzoo("run mlp-gan --dataset ring8 --config it").code == 2


def test_what_is_missing_or_too_much_is_said(ganzoo):
    assert "MODEL is missing: expected ganzoo run MODEL --dataset NAME" in ganzoo("run").sentence
    assert "--dataset NAME is missing" in ganzoo("run dcgan").sentence
    Path("it.toml").write_text('model = "dcgan"')
    assert "--dataset NAME is missing" in ganzoo("run --config it.toml").sentence
    Path("runs/0001-x").mkdir(parents=True)
    Path("runs/0001-x/config.json").write_text("{}")
    assert "give one of them" in ganzoo("run --config it.toml --from 1").sentence
    assert "nothing is not there" in ganzoo("run --config nothing").sentence
    assert "runs is a folder" in ganzoo("run --config runs").sentence


def test_a_run_whose_member_is_gone(ganzoo):
    document = json.loads(ganzoo(f"{WORDS} --dry-run").out)
    document["origins"]["loss non-saturating"] = {"distribution": "gone", "version": "7"}
    Path("it.json").write_text(json.dumps(document))
    assert (
        "of the package 'gone', version '7', which is not installed"
        in ganzoo("run --config it.json").sentence
    )
    document["origins"]["loss non-saturating"] = {"distribution": "ganzoo-torch", "version": "0.0.1"}
    Path("it.json").write_text(json.dumps(document))
    result = ganzoo("run --config it.json --dry-run")
    assert result.code == 0
    assert "was made with ganzoo-torch 0.0.1" in result.err


def test_a_grown_budget_and_other_data_are_told(ganzoo):
    document = json.loads(ganzoo(f"{WORDS} --dry-run").out)
    document |= {"first_steps": 3, "schedule_steps": 3, "data_fingerprint": "x"}
    Path("it.json").write_text(json.dumps(document))
    told = ganzoo("run --config it.json --dry-run").err
    assert "had a budget of 3 steps first" in told
    assert "ring8 has other samples" in told
