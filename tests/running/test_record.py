"""A run as an object: its history, scores, curves and generator, and what a notebook shows of it."""

from __future__ import annotations

import builtins
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo
from ganzoo.running.history import History
from ganzoo.system.notebook import Cell, bar_of

PIXELS = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(60) % 3
WORDS = {"steps": 6, "batch_size": 8, "set": {"model.width": 4}, "progress": False}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("record")
    ganzoo.train(
        "dcgan", PIXELS, CLASSES, **WORDS, out=folder / "given", eval_metric="d-accuracy", eval_every=3
    )
    ganzoo.train("mlp-gan", "ring8", steps=4, progress=False, out=folder / "ring")
    return folder


@pytest.fixture
def run(trained):
    return ganzoo.load(trained / "given")


def rows(run):
    return [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]


def without_pandas(monkeypatch):
    real = builtins.__import__

    def guarded(name, *rest):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", guarded)


@pytest.mark.parametrize("pandas", [True, False])
def test_history_has_the_columns_of_the_log(run, monkeypatch, pandas):
    if pandas:
        pytest.importorskip("pandas")
    else:
        without_pandas(monkeypatch)
    history = run.history
    logged = rows(run)
    assert list(history["step"]) == [row["step"] for row in logged]
    assert np.allclose(history["g_loss"], [row["g_loss"] for row in logged])
    assert set(history.columns) == {*(key for row in logged for key in row), "d_accuracy"}
    assert np.isfinite(history["d_accuracy"]).sum() == 2
    assert isinstance(history, History) != pandas


def test_scores_are_those_that_were_measured_last(run):
    before = run.scores
    assert set(before) == {"d_accuracy"}
    found = run.evaluate  # without the data there is nothing to measure with
    with pytest.raises(ganzoo.UsageError, match="given in Python"):
        found(["d-accuracy"])
    run.give(ganzoo.load(run.path, PIXELS, CLASSES).dataset)
    scores = run.evaluate(["d-accuracy"], samples=16, progress=False)["scores"]
    assert run.scores == {**before, **scores}


def test_the_generator_is_a_module_that_makes_the_samples(run):
    z = run.model.sample_z(5)
    y = torch.arange(5) % 3
    with torch.no_grad():
        made = run.generator(z, y)
    assert isinstance(run.generator, torch.nn.Module)
    assert not run.generator.training
    assert (made.shape, float(made.abs().max()) <= 1.0) == ((5, 1, 8, 8), True)
    assert (run.sample(labels=y, z=z).int() - run.to_units(made).int()).abs().max() <= 1


def test_it_says_what_it_is(run, trained):
    assert repr(run) == f"<Run {str(run.path)!r}: {run}>"
    assert re.fullmatch(r"dcgan on data from Python \([0-9a-f]{16}\): step 6 of 6", str(run))
    assert str(ganzoo.load(trained / "ring")) == "mlp-gan on ring8: step 4 of 4"


def test_a_notebook_shows_picture_scores_and_name(run):
    shown = run._repr_html_()
    assert str(run) in shown
    assert f"d_accuracy</td><td>{run.scores['d_accuracy']:.4g}"[:10] in shown
    assert 'src="data:image/png;base64,' in shown
    assert "<script" not in shown


def test_what_is_shown_is_text_also_where_a_name_is_markup(run, monkeypatch):
    import dataclasses

    run.config = dataclasses.replace(run.config, model="<img src=x onerror=alert(1)>")
    assert "<img src=x" not in run._repr_html_()


def test_a_run_without_a_step_is_shown_too(run, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.json").write_bytes((run.path / "config.json").read_bytes())
    empty = ganzoo.load(bare)
    assert (empty.scores, len(empty.history), empty.diagnose()) == ({}, 0, [])
    assert "step 0 of 6" in empty._repr_html_()
    assert empty.plot() is not None


def test_curves_are_a_picture_also_without_a_backend(run):
    figure = run.plot()
    assert [axes.get_title() for axes in figure.axes] == ["losses", "what D says", "d_accuracy"]
    losses = figure.axes[0].get_lines()
    assert [line.get_label() for line in losses] == ["D", "G"]
    assert np.allclose(losses[1].get_ydata(), [row["g_loss"] for row in rows(run)])
    assert Image.open(io.BytesIO(figure._repr_png_())).width > 600


def test_data_given_again_must_be_the_same(run):
    assert ganzoo.load(run.path, PIXELS, CLASSES).dataset.num_classes == 3
    for other in ((PIXELS, CLASSES.flip(0)), (PIXELS.flip(0) + 1, CLASSES), (PIXELS[1:], CLASSES[1:])):
        with pytest.raises(ganzoo.UsageError, match="is not what"):
            ganzoo.load(run.path, *other)


def test_commands_say_how_a_run_on_data_from_python_goes_on(run, ganzoo):
    for words in ("resume", "eval --metric d-accuracy"):
        command, *rest = words.split()
        result = ganzoo(" ".join([command, str(run.path), *rest, *["--steps 9"] * (command == "resume")]))
        assert result.code == 2
        assert "ganzoo.resume(" in result.sentence
    assert ganzoo(f"sample {run.path} -n 4 --out x.npz").code == 0
    result = ganzoo(f"run --from {run.path} --seed 1 --dry-run")
    assert (result.code, "--dataset NAME" in result.sentence) == (2, True)


def test_a_bar_of_text_has_all_there_is_to_know():
    assert bar_of(0, 10, 0.0, "steps").startswith("\u2591" * 40 + " 0/10 steps")
    assert bar_of(5, 10, 0.5, "steps").endswith("5/10 steps  0.5 steps/s  0:00:10 left")
    assert bar_of(10, 10, 2.0, "steps").startswith("\u2588" * 40)


def test_outside_of_a_notebook_nothing_is_shown(capsys):
    Cell().show("text", b"png")
    assert capsys.readouterr() == ("", "")


def test_all_runs_are_there_the_newest_last(trained):
    found = ganzoo.runs(trained)
    assert [run.path.name for run in found] == ["given", "ring"]
    assert [str(run) for run in found] == [str(ganzoo.load(run.path)) for run in found]
    assert ganzoo.runs() == []


def test_a_damaged_run_is_told_of_and_left_out(trained, tmp_path, capsys):
    import shutil

    shutil.copytree(trained, tmp_path / "copies")
    (tmp_path / "copies" / "ring" / "config.json").write_text("{")
    assert [run.path.name for run in ganzoo.runs(tmp_path / "copies")] == ["given"]
    assert "ring is left out" in capsys.readouterr().err
