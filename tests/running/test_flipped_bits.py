"""One flipped bit in a file of weights: other weights are never taken silently, and the run is not lost."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
import torch
from resuming import assert_same, interrupted

import ganzoo
from ganzoo.data import pictures
from ganzoo.errors import UsageError, WorkError
from ganzoo.training.checkpoint import load_checkpoint, saved

WORDS = {
    "model": "mlp-gan", "dataset": "ring8", "batch_size": 8, "steps": 8, "checkpoint_every": 2,
    "eval_every": 2, "eval_metric": ["d-accuracy"],
    "set": {"model.width": 4, "model.d_width": 4, "model.depth": 1, "model.d_depth": 1},
}  # fmt: skip
FILES = {
    "the newest checkpoint": ("checkpoints/step-*", "last"),
    "the weights to sample from": ("generator.safetensors", "last"),
    "the best step": ("checkpoints/best*", "best"),
}


@pytest.fixture
def runs(monkeypatch):
    """One that was never stopped, and the folder of one that was stopped on its way."""
    monkeypatch.setattr(pictures, "plot", lambda *_: b"")  # most of the time of such a run
    whole = ganzoo.train(**WORDS, out="whole", progress=False)
    interrupted(WORDS, "stopped", monkeypatch)
    return whole.path, Path("stopped")


def looked_at(path: Path, checkpoint: str) -> dict:
    """What is made of a run's weights: samples and scores, with the sentences of what was refused."""

    def answer(act):
        try:
            return act()
        except (UsageError, WorkError) as error:
            return str(error)

    scores = answer(
        lambda: ganzoo.load(path).evaluate(
            ["d-accuracy", "modes"], samples=100, checkpoint=checkpoint, progress=False
        )["scores"]
    )
    if checkpoint == "best":  # which only evaluations read
        return {"eval": scores}
    return {"sample": answer(lambda: ganzoo.load(path).sample(4).tolist()), "eval": scores}


@pytest.mark.parametrize("flips", [20, pytest.param(600, marks=pytest.mark.long)])
@pytest.mark.parametrize("file", FILES)
def test_a_flipped_bit_is_never_believed(file, flips, runs, capsys):
    whole, stopped = runs
    pattern, checkpoint = FILES[file]
    names = [path.relative_to(stopped) for path in sorted(stopped.glob(pattern))]
    names = names[-1:] if checkpoint == "last" else names
    undamaged = looked_at(shutil.copytree(stopped, "undamaged"), checkpoint)
    assert not any(isinstance(answer, str) for answer in undamaged.values())
    expected = load_checkpoint(saved(whole)[-1])
    chosen = random.Random(0)
    for _ in range(flips):
        path = shutil.copytree(stopped, "damaged") / chosen.choice(names)
        content = bytearray(path.read_bytes())
        bit = chosen.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        capsys.readouterr()
        for what, answer in looked_at(Path("damaged"), checkpoint).items():
            told = answer if isinstance(answer, str) else capsys.readouterr().err
            assert answer == undamaged[what] or path.name in told, (what, path, bit, told)
            assert not isinstance(answer, str) or len(answer.splitlines()) == 1
        resumed = ganzoo.resume("damaged", progress=False).path
        assert_same(load_checkpoint(saved(resumed)[-1]), expected)
        generators = [folder / "generator.safetensors" for folder in (resumed, whole)]
        assert generators[0].read_bytes() == generators[1].read_bytes(), (path, bit)
        shutil.rmtree("damaged")


def test_the_two_runs_compared_are_alike(runs):
    """The stopped run, resumed whole, gives the weights of the other: else the tests above could not fail."""
    whole, stopped = runs
    before = load_checkpoint(saved(stopped)[-1])
    assert before["step"] < WORDS["steps"]
    assert not torch.equal(
        *(next(iter(s["generator"].values())) for s in (before, load_checkpoint(saved(whole)[-1])))
    )
    ganzoo.resume(stopped, progress=False)
    assert_same(*(load_checkpoint(saved(path)[-1]) for path in (whole, stopped)))
