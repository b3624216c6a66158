"""`ganzoo compare`: every difference between two runs, and no difference of scores that do not compare."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

import ganzoo
from ganzoo.cli.main import main
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.running.run import create
from ganzoo.system.files import write_json
from ganzoo.system.lines import append_line


def make(out: str, **words) -> Path:
    config, _ = plan(Words("mlp-gan", "ring8", **words))
    return create(config, out).path


def measure(path: Path, spread: float, metrics=("modes",), n: int = 300, step: int = 10) -> dict:
    """An evaluation of points around the origin, as if the run had made them."""
    x = spread * torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
    document = ganzoo.evaluate(x, "ring8", list(metrics), progress=False)
    append_line(path / "metrics.jsonl", {"step": step, **document})
    return document["scores"]


def compare(capsys, *words: str, status: int = 0) -> str:
    with pytest.raises(SystemExit) as done:
        main(["compare", *words])
    output = capsys.readouterr()
    assert (done.value.code or 0) == status, output.err
    return output.err if status else output.out


def document(capsys, *words: str) -> dict:
    return json.loads(compare(capsys, *words, "--json"))


def test_every_setting_that_differs_and_none_that_does_not(capsys):
    make("a", seed=1, steps=10)
    make("b", seed=2, steps=10, loss="hinge", stabilizer=["r1:gamma=2"], set={"model.width": 7})
    made = document(capsys, "a", "b")
    assert made["settings"] == {
        "seed": ["1", "2"],
        "recipe.loss": ["non-saturating", "hinge"],
        "recipe.stabilizers": ["()", "('r1:gamma=2.0,interval=1',)"],
        "model_options.width": ["128", "7"],
    }
    assert made["provenance"] == {}  # other members are a setting, not another version
    assert made["runs"] == ["a", "b"]
    shown = compare(capsys, "a", "b")
    assert "recipe.loss" in shown
    assert "batch_size" not in shown
    assert "no version, commit or machine differs" in shown
    assert "no scores yet" in shown


def test_versions_and_commits(capsys):
    paths = [make("a"), make("b")]
    before = json.loads((paths[0] / "config.json").read_text())["provenance"]["commit"]
    config = json.loads((paths[1] / "config.json").read_text())
    config["provenance"]["versions"]["torch"] = "9.9"
    config["provenance"]["commit"] = "abc"
    config["origins"]["model mlp-gan"]["version"] = "8.8"
    write_json(paths[1] / "config.json", config)
    made = document(capsys, "a", "b")
    assert made["settings"] == {}
    assert made["provenance"] == {
        "versions.torch": [version("torch"), "9.9"],
        "commit": [before, "abc"],
        "model mlp-gan.version": [ganzoo.__version__, "8.8"],
    }
    assert "no setting differs" in compare(capsys, "a", "b")


def test_latest_scores_and_which_is_better(capsys):
    a, b = make("a"), make("b")
    measure(a, 3.0, step=5)
    old, new = measure(a, 0.5), measure(b, 1.0, ["modes", "js"])
    scores = document(capsys, "a", "b")["scores"]
    for key in old:
        assert scores[key]["values"] == [old[key], new[key]]
        assert scores[key]["difference"] == pytest.approx(new[key] - old[key])
        assert scores[key]["protocol"] == {}
    assert scores["js"]["values"] == [None, new["js"]]
    assert scores["js"]["difference"] is None
    assert scores["modes"]["steps"] == [10, 10]
    shown = compare(capsys, "a", "b")
    assert "A (step 10)" in shown
    line = next(line for line in shown.splitlines() if line.startswith("modes"))
    assert old["modes"] != new["modes"]
    better = "B" if new["modes"] > old["modes"] else "A"
    assert line.rstrip().endswith(f"{better} is better")
    assert "is better" not in next(line for line in shown.splitlines() if line.startswith("hq"))


def test_scores_of_different_protocols_are_not_subtracted(capsys):
    measure(make("a"), 1.0, n=300)
    measure(make("b"), 1.0, n=200)
    one = document(capsys, "a", "b")["scores"]["modes"]
    assert one["difference"] is None
    assert one["protocol"] == {"n_fake": ["300", "200"]}
    shown = " ".join(compare(capsys, "a", "b").split())
    assert "not to be compared, as the protocols differ (n_fake: 300 vs 200): modes, hq" in shown
    assert "is better" not in shown


def test_a_run_that_is_not_there(capsys):
    make("runs/0001-a")
    assert "no run '0001-b': did you mean 0001-a?" in compare(capsys, "0001-a", "0001-b", status=2)
