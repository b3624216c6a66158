"""Runs to report on, trained once and copied."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from pages import Page

import ganzoo as library

TINY = {"width": 8, "d_width": 8, "depth": 1, "d_depth": 1}


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """trained("name", "mlp-gan", "ring8", steps=4): the folder of such a run, trained once."""
    made: dict[str, Path] = {}
    folder = tmp_path_factory.mktemp("runs")

    def of(name: str, *words, **more) -> Path:
        if name not in made:
            torch.set_num_threads(1)
            more = {"steps": 4, "batch_size": 16, "progress": False, **more}
            made[name] = library.train(*words, out=folder / name, **more).path
        return made[name]

    return of


@pytest.fixture
def copy(trained):
    """The same, as a copy in runs/ of this test's folder."""

    def of(name: str, *words, **more) -> Path:
        return shutil.copytree(trained(name, *words, **more), Path("runs", name))

    return of


@pytest.fixture(scope="session")
def trained_ring(trained):
    """Eight Gaussians: a row for each of 12 steps, a picture and scores every third."""
    more = {"steps": 12, "set": TINY, "eval_metric": "modes", "eval_every": 3, "skip_d_below": 0.5}
    return trained("0001-ring", "mlp-gan", "ring8", callbacks=["pictures:every=3"], **more)


@pytest.fixture(scope="session")
def trained_digits(trained):
    """Ten classes of digits, measured class by class and for copies."""
    path = trained("0002-digits", "dcgan", "mnist-5k", set={"model.width": 4, "z_dim": 8}, conditional=True)
    if not (path / "metrics.jsonl").exists():
        metrics = ["memorization", "precision-recall"]
        library.load(path).evaluate(metrics, samples=200, per_class=True, progress=False)
    return path


@pytest.fixture
def ring(trained_ring):
    return shutil.copytree(trained_ring, Path("runs", trained_ring.name))


@pytest.fixture
def digits(trained_digits):
    return shutil.copytree(trained_digits, Path("runs", trained_digits.name))


@pytest.fixture
def page():
    """page(RUN, ...): what `ganzoo report` makes of them."""

    def of(*runs, **more) -> Page:
        return Page(library.report(*runs, **more))

    return of
