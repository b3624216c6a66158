"""Loggers write what the log has, once, and go on where a run goes on; they are read by who reads them."""

from __future__ import annotations

import csv
import inspect
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas
import pytest

import ganzoo as library
from ganzoo import CALLBACKS, Callback
from ganzoo.system.lines import read_lines

WORDS = {
    "model": "mlp-gan", "dataset": "ring8", "steps": 6, "batch_size": 8, "device": "cpu", "progress": False,
    "set": {"model.width": 4, "model.d_width": 4}, "checkpoint_every": 2, "eval_metric": ["modes"],
    "eval_every": 3,
}  # fmt: skip


class Dies(Callback):
    """As a machine does, in the middle of the step after a checkpoint."""

    def after_step(self, trainer):
        if trainer.step == 5:
            raise KeyboardInterrupt


def died(*callbacks: str) -> library.Run:
    with CALLBACKS.lent("dies", Dies), pytest.raises(KeyboardInterrupt):
        library.train(**WORDS, out="X", callback=[*callbacks, "none", "dies"])
    return library.resume("X", callback=["none", *callbacks], progress=False)


def expected(run) -> list[tuple[int, str, float]]:
    made = []
    for row in read_lines(run.path / "log.jsonl"):
        made += [(row["step"], key, value) for key, value in row.items() if key != "step"]
    for row in read_lines(run.path / "metrics.jsonl"):
        made += [(row["step"], f"score/{key}", value) for key, value in row["scores"].items()]
    return sorted(made)


def steady(rows) -> list[tuple[int, str, float]]:
    """Without the speed, which is another one each time."""
    return sorted(row for row in rows if row[1] != "images_per_s")


def in_table(path: Path) -> list[tuple[int, str, float]]:
    with path.open(newline="") as file:
        return [
            (int(row["step"]), f"{'score/' * (row['kind'] == 'score')}{row['name']}", float(row["value"]))
            for row in csv.DictReader(file)
        ]


def test_csv_is_the_log_and_the_scores_and_goes_on_exactly():
    run = died("csv")
    made = in_table(run.path / "log.csv")
    assert steady(made) == steady(expected(run))
    assert len({row[:2] for row in made}) == len(made)
    wide = pandas.read_csv(run.path / "log.csv").pivot_table("value", "step", "name")
    assert list(wide.index) == list(range(1, 7))
    assert wide["modes"].notna().sum() == 2


def test_a_row_that_a_crash_cut_off_is_dropped():
    library.train(**{**WORDS, "steps": 2}, out="X", callback="csv")
    path = Path("X/log.csv")
    whole = path.read_bytes()
    path.write_bytes(whole + b"3,log,d_lo")
    run = library.resume("X", steps=4, progress=False)
    assert steady(in_table(path)) == steady(expected(run))
    assert path.read_bytes().startswith(whole)


@pytest.fixture
def wandb(monkeypatch):
    """As much of it as is used; `runs` has what each was told."""
    fake = ModuleType("wandb")
    fake.runs, fake.begun = {}, []

    class Run:
        def __init__(self, kept):
            self.kept = kept
            self.first = 1 + max((at for at, *_ in kept["rows"]), default=-1)

        def log(self, data, step=None):
            if step >= self.first:  # as it does: of steps before, it says that they are ignored
                assert not {row[:2] for row in self.kept["rows"]} & {(step, key) for key in data}
                self.kept["rows"] += [(step, key, value) for key, value in data.items()]

        def finish(self, exit_code=None):
            self.kept["ended"] = exit_code

    def init(**words):
        fake.begun.append(words)
        return Run(fake.runs.setdefault(words["id"], {"rows": []}))

    fake.init, fake.Settings, fake.Run = init, lambda **words: words, Run
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


def test_wandb_has_one_run_and_no_step_twice(wandb):
    run = died("wandb:project=mine,mode=offline")
    ((kept, made),) = wandb.runs.items()
    assert steady(made["rows"]) == steady(expected(run))
    assert len(wandb.begun) == 2
    for words in wandb.begun:
        assert (words["id"], words["project"], words["mode"], words["name"]) == (kept, "mine", "offline", "X")
        assert words["resume"] == "allow"
        assert words["config"]["model"] == "mlp-gan"
    assert made["ended"] == 0
    assert (run.path / "wandb-id.txt").read_text() == f"{kept}\n"


def test_wandb_that_cannot_begin_is_a_sentence(wandb, ganzoo, monkeypatch):
    def init(**words):
        raise RuntimeError("api_key not configured\nstack")

    monkeypatch.setattr(wandb, "init", init)
    result = ganzoo("run mlp-gan --dataset ring8 --steps 2 --callback wandb")
    assert result.code == 2
    assert result.sentence == (
        "ganzoo: the callback wandb cannot begin (api_key not configured): log in with wandb login, or give "
        "wandb:mode=offline"
    )
    assert (
        "did you mean offline" in ganzoo("run mlp-gan --dataset ring8 --callback wandb:mode=ofline").sentence
    )


@pytest.fixture
def mlflow(monkeypatch):
    """As much of it as is used, with one store."""
    store = SimpleNamespace(experiments={}, runs={}, uris=[])

    class Client:
        def __init__(self, tracking_uri=None):
            store.uris.append(tracking_uri)

        def get_experiment_by_name(self, name):
            return store.experiments.get(name)

        def create_experiment(self, name):
            store.experiments[name] = SimpleNamespace(experiment_id="7")
            return "7"

        def create_run(self, experiment_id, run_name=None):
            store.runs["abc1"] = {"rows": [], "params": {}, "name": run_name, "status": []}
            return SimpleNamespace(info=SimpleNamespace(run_id="abc1"))

        def update_run(self, run_id, status=None):
            store.runs[run_id]["status"].append(status)

        def log_batch(self, run_id, metrics=(), params=()):
            assert len(params) <= 100
            store.runs[run_id]["params"] |= {param.key: param.value for param in params}
            store.runs[run_id]["rows"] += [(one.step, one.key, one.value) for one in metrics]

        def get_metric_history(self, run_id, key):
            rows = store.runs[run_id]["rows"]
            return [SimpleNamespace(step=step) for step, name, _ in rows if name == key]

        def set_terminated(self, run_id, status=None):
            store.runs[run_id]["status"].append(status)

    package, tracking, entities = (ModuleType(f"mlflow{part}") for part in ("", ".tracking", ".entities"))
    package.__path__ = []
    tracking.MlflowClient = Client
    entities.Metric = lambda key, value, timestamp, step: SimpleNamespace(key=key, value=value, step=step)
    entities.Param = lambda key, value: SimpleNamespace(key=key, value=value)
    for module in (package, tracking, entities):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return store


def test_mlflow_has_one_run_and_no_step_twice(mlflow):
    run = died("mlflow:experiment=mine,uri=sqlite:///here.db")
    ((name, made),) = mlflow.runs.items()
    assert (name, made["name"]) == ("abc1", "X")
    assert steady(made["rows"]) == steady(expected(run))
    assert made["params"]["model"] == "mlp-gan"
    assert made["status"] == ["FAILED", "RUNNING", "FINISHED"]
    assert {*mlflow.uris} == {"sqlite:///here.db"}


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_without_its_package_a_logger_says_what_to_install(ganzoo, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    result = ganzoo(f"run mlp-gan --dataset ring8 --steps 2 --callback {name}")
    assert (result.code, Path("runs").exists()) == (2, False)
    assert result.sentence == (
        f"ganzoo: the callback {name} needs a package that is not installed: pip install "
        f'"ganzoo-torch[{name}]"'
    )


@pytest.mark.skipif(find_spec("wandb") is None, reason="the fake is held against wandb where it is there")
def test_wandb_is_called_as_it_is():
    import wandb

    words = dict.fromkeys(("project", "name", "id", "resume", "dir", "config", "mode", "settings"))
    inspect.signature(wandb.init).bind(**words)
    wandb.Settings(console="off", silent=True)
    inspect.signature(wandb.Run.log).bind(None, {}, step=1)
    inspect.signature(wandb.Run.finish).bind(None, exit_code=0)


@pytest.mark.skipif(find_spec("mlflow") is None, reason="the fake is held against mlflow where it is there")
def test_mlflow_is_called_as_it_is():
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient as Client

    for call, words in (
        (Client, {"tracking_uri": None}),
        (Client.create_experiment, {"self": None, "name": ""}),
        (Client.get_experiment_by_name, {"self": None, "name": ""}),
        (Client.create_run, {"self": None, "experiment_id": "", "run_name": ""}),
        (Client.update_run, {"self": None, "run_id": "", "status": ""}),
        (Client.log_batch, {"self": None, "run_id": "", "metrics": [], "params": []}),
        (Client.get_metric_history, {"self": None, "run_id": "", "key": ""}),
        (Client.set_terminated, {"self": None, "run_id": "", "status": ""}),
    ):
        inspect.signature(call).bind(**words)
    assert Metric("a", 1.0, 0, 3).step == 3
    assert Param("a", "b").value == "b"
