"""Who looks on while a run trains: found by name, harmless, closed in any case, named where it fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from packages import distribution, forgotten
from resuming import interrupted

import ganzoo
from ganzoo import CALLBACKS, Callback, UsageError, WorkError
from ganzoo.bench.cells import plan_cells
from ganzoo.bench.suite import read_suite
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.running.callbacks import open_callbacks, sorted_out
from ganzoo.system.lines import read_lines

WORDS = {
    "model": "mlp-gan", "dataset": "ring8", "steps": 12, "batch_size": 16, "seed": 1, "device": "cpu",
    "set": {"model.width": 8, "model.d_width": 8, "model.d_norm": "batch"}, "checkpoint_every": 4,
    "eval_metric": ["modes"], "eval_every": 6,
}  # fmt: skip
HOOKS = ["begin", "after_step", "columns", "after_log", "after_scores", "at_end", "close"]


def train(out: str, **words):
    return ganzoo.train(**{**WORDS, **words}, out=out, progress=False)


class Seen(Callback):
    """Remembers what it is called with."""

    made: list[Seen] = []

    def __init__(self, at: int = 0, how: str = "") -> None:
        self.at, self.how = at, how
        self.calls: list[tuple] = []
        Seen.made.append(self)

    def begin(self, trainer):
        self.calls.append(("begin", trainer.step, trainer.folder.name))

    def after_step(self, trainer):
        self.calls.append(("after_step", trainer.step))
        if trainer.step == self.at:
            raise {"error": WorkError("the disk is full"), "at once": KeyboardInterrupt()}[self.how]

    def columns(self, trainer):
        return {"seen": float(trainer.step), "none": float("nan"), "step": -1.0}

    def after_log(self, trainer, row):
        self.calls.append(("after_log", trainer.step, dict(row)))

    def after_scores(self, trainer, scores):
        self.calls.append(("after_scores", trainer.step, dict(scores)))

    def at_end(self, trainer):
        self.calls.append(("at_end", trainer.step))

    def close(self):
        self.calls.append(("close",))

    def of(self, hook):
        return [call[1:] for call in self.calls if call[0] == hook]


@pytest.fixture
def seen():
    """The objects of "seen" that runs make, those that only plans make left out."""
    Seen.made.clear()
    with CALLBACKS.lent("seen", Seen):
        yield lambda: [one for one in Seen.made if one.calls]


def names(progress=True, **words) -> list[str]:
    config, _ = plan(Words(**{**WORDS, **words}))
    known = {CALLBACKS.get(name): name for name in CALLBACKS.names()}
    return [known[type(one)] for one in open_callbacks(config, progress)]


def test_which_look_on_and_in_which_order(seen):
    assert names() == ["diagnosis", "log", "evaluations", "pictures", "checkpoints", "bar"]
    assert names(progress=False, eval_metric=(), eval_every=None) == [
        "diagnosis",
        "log",
        "pictures",
        "checkpoints",
    ]
    asked = ["seen", "log:every=3", "tensorboard"]  # before the checkpoint, which makes their work valid
    assert names(progress=False, callback=asked) == [
        "diagnosis", "log", "evaluations", "pictures", "seen", "tensorboard", "checkpoints",
    ]  # fmt: skip
    assert names(progress=False, callback=["none", "seen"]) == ["log", "evaluations", "seen", "checkpoints"]


def test_every_hook_is_called_with_what_is_recorded(seen):
    run = train("X", callback="seen")
    (one,) = seen()
    assert one.calls[0] == ("begin", 0, "X")
    assert one.calls[-2:] == [("at_end", 12), ("close",)]
    assert one.of("after_step") == [(step,) for step in range(1, 13)]
    rows = read_lines(run.path / "log.jsonl")
    assert one.of("after_log") == [(row["step"], row) for row in rows]
    assert [row["seen"] for row in rows] == [row["step"] for row in rows] == list(range(1, 13))
    assert "none" not in rows[0]
    scores = [(row["step"], row["scores"]) for row in read_lines(run.path / "metrics.jsonl")]
    assert one.of("after_scores") == scores
    assert [step for step, _ in scores] == [6, 12]


def test_options_of_the_zoo_s_own():
    run = train("X", callback=["log:every=5", "pictures:every=6,n=10"])
    assert [row["step"] for row in read_lines(run.path / "log.jsonl")] == [5, 10, 12]
    pictures = [path.name for path in sorted(run.path.glob("samples/*.png"))]
    assert pictures == ["step-00000000.png", "step-00000006.png", "step-00000012.png"]
    assert (run.config.log_every, run.config.sample_every) == (5, 6)
    assert not list(train("Y", callback="none").path.glob("samples/*"))
    once = train("Z", callback="pictures:every=12").path  # as `ganzoo bench` has it: pictures take time
    assert [path.name for path in once.glob("samples/*.png")] == ["step-00000012.png"]


def test_the_first_picture_shows_what_was_there_before_training():
    shown = ["pictures:every=6,n=10"]
    one, other, none = (
        train("X", callback=shown),
        train("Y", callback=shown, loss="hinge"),
        train("Z", callback="none"),
    )
    first, last = (
        [np.load(run.path / "samples" / f"step-{at:08d}.npy") for run in (one, other)] for at in (0, 12)
    )
    assert np.array_equal(*first)  # of one seed, whatever they are trained with
    assert not np.array_equal(*last)
    assert not np.array_equal(first[0], last[0])
    assert torch.equal(one.sample(5), none.sample(5))  # it has moved nothing


def test_a_run_is_the_same_to_the_bit_with_and_without(seen, monkeypatch):
    plain, watched = train("plain"), train("watched", callback=["seen", "tensorboard"])
    interrupted({**WORDS, "callback": ["seen", "tensorboard"]}, "parts", monkeypatch)
    parts = ganzoo.resume("parts", progress=False)
    for run in (watched, parts):
        for file in ("generator.safetensors", "checkpoints/step-00000012.safetensors"):
            assert (run.path / file).read_bytes() == (plain.path / file).read_bytes()
    one, first, second = seen()
    assert first.calls[-2:] == [("at_end", 5), ("close",)]
    assert second.of("begin") == [(5, "parts")]
    logged = [{**row, "images_per_s": 0} for _, row in [*first.of("after_log"), *second.of("after_log")]]
    assert logged == [{**row, "images_per_s": 0} for _, row in one.of("after_log")]


def test_what_is_recorded_and_what_resume_changes(seen, ganzoo):
    run = train("X", steps=6, callback=["seen:at=0", "pictures:n=9"])

    def read():
        return json.loads((run.path / "config.json").read_text())

    assert read()["callbacks"] == ["seen:at=0,how=", "pictures:n=9,every=None,captions=True"]
    assert read()["origins"]["callback seen"] == {"distribution": "(added by hand)", "version": ""}
    assert ganzoo("resume X --steps 8 --callback pictures:n=4 --callback tensorboard").code == 0
    assert read()["callbacks"] == ["seen:at=0,how=", "pictures:n=4,every=None,captions=True", "tensorboard"]
    assert ganzoo("resume X --steps 10 --callback none").code == 0
    assert read()["callbacks"] == ["none"]
    assert "callback seen" not in read()["origins"]
    assert not (run.path / "samples" / "step-00000010.png").exists()
    assert len(seen()) == 2
    result = ganzoo("resume X --steps 12 --callback tensorbord")
    assert (result.code, result.sentence) == (
        2,
        "ganzoo: no callback 'tensorbord': did you mean tensorboard?",
    )


def test_a_run_of_before_goes_on():
    whole, run = train("whole"), train("X", steps=8)
    config = json.loads((run.path / "config.json").read_text())
    assert config.pop("callbacks") == []
    (run.path / "config.json").write_text(json.dumps(config))
    resumed = ganzoo.resume("X", steps=12, progress=False)
    assert resumed.steps_done == 12
    assert whole.config.callbacks == resumed.config.callbacks == ()


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("piktures", "no callback 'piktures': did you mean pictures?"),
        ("pictures:evry=3", "callback pictures has no option 'evry': did you mean every?"),
        ("pictures:every=x", "callback pictures: every: expected a whole number or none, got 'x'"),
        ("pictures:every=0", "pictures: every: expected a whole number of at least 1, got 0"),
        ("log:every=-1", "log: every: expected a whole number of at least 1, got -1"),
        ("evaluations", "--callback evaluations: a run is measured where it began with --eval-metric NAME"),
        ("checkpoints:every=3", "callback checkpoints has no option 'every'"),
        ("pictures:3", "'pictures:3': expected NAME:key=value,key=value, and '3' is no key=value"),
    ],
)
def test_wrong_words(ganzoo, word, sentence):
    result = ganzoo(f"run mlp-gan --dataset ring8 --steps 2 --callback {word}")
    assert (result.code, Path("runs").exists()) == (2, False)
    assert sentence in result.sentence
    twice = ganzoo("run mlp-gan --dataset ring8 --callback log --callback log:every=2")
    assert "callback 'log' is given twice: give it once, with all its options" in twice.sentence


FAILS = """
from ganzoo import Callback
class Fails(Callback):
    '''Fails.'''
    def __init__(self, hook: str = ""):
        self.hook = hook
    def _tick(self, hook):
        if hook == self.hook:
            [][3]
""" + "".join(
    f"    def {hook}(self, *given):\n        self._tick({hook!r})\n        return {{}}\n" for hook in HOOKS
)


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    site = tmp_path / "site"
    points = {"ganzoo.callbacks": {"fails": "fails_mod:Fails"}}
    monkeypatch.syspath_prepend(
        distribution(site, "bad-dist", points, {"fails_mod.py": FAILS}, version="2.1")
    )
    with forgotten(site):
        yield site


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("hook", HOOKS)
def test_an_error_in_any_hook_is_named_with_its_distribution(ganzoo, hook):
    words = "--steps 4 --batch-size 8 --checkpoint-every 2 --eval-metric modes --eval-every 2 --out X"
    result = ganzoo(f"run mlp-gan --dataset ring8 {words} --callback fails:hook={hook}")
    assert result.code == 1
    said = f"ganzoo: callback 'fails' of bad-dist 2.1 fails in {hook}: IndexError: list index out of range"
    assert result.sentence.startswith(said)
    done = {"begin": 0, "after_step": 0, "columns": 0, "after_log": 0, "after_scores": 0}.get(hook, 4)
    assert [int(path.stem[5:]) for path in sorted(Path("X/checkpoints").glob("step-*"))][-1:] == [done][
        : done > 0
    ]
    result = ganzoo("resume X --callback none --steps 6")  # and without it the run goes on
    assert result.code == 0, result.err


@pytest.mark.usefixtures("plugin")
def test_a_plugin_that_is_gone_can_be_left_out(ganzoo, monkeypatch, plugin):
    run = train("X", steps=4, callback="fails")
    origin = json.loads((run.path / "config.json").read_text())["origins"]["callback fails"]
    assert origin == {"distribution": "bad-dist", "version": "2.1"}
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(plugin)])
    result = ganzoo("resume X --steps 6")
    assert (
        "the callback 'fails' of the package 'bad-dist', version '2.1', which is not installed"
        in result.sentence
    )
    assert json.loads((run.path / "config.json").read_text())["recipe"]["steps"] == 4
    assert ganzoo("resume X --steps 6 --callback none").code == 0


@pytest.mark.parametrize(("how", "error"), [("error", WorkError), ("at once", KeyboardInterrupt)])
def test_close_is_called_after_an_error_and_after_ctrl_c(seen, how, error):
    class Unclosable(Callback):
        """Fails where it is closed."""

        def close(self):
            raise ValueError("not now")

    with CALLBACKS.lent("unclosable", Unclosable):
        with pytest.raises(error):
            train("X", callback=[f"seen:at=3,how={how}", "unclosable"])
        (one,) = seen()
        assert one.calls[-1] == ("close",)
        assert one.of("at_end") == []
        with pytest.raises(WorkError, match="callback 'unclosable' fails in close: ValueError: not now"):
            train("Y", callback=["seen", "unclosable"])
        assert seen()[-1].calls[-1] == ("close",)


def test_what_fails_to_close_hides_no_error(capsys):
    class Unclosable(Callback):
        """Fails twice."""

        def after_step(self, trainer):
            raise KeyError("first")

        def close(self):
            raise ValueError("second")

    with (
        CALLBACKS.lent("unclosable", Unclosable),
        pytest.raises(WorkError, match="fails in after_step: KeyError: 'first'"),
    ):
        train("X", callback="unclosable")
    assert "callback 'unclosable' fails in close: ValueError: second" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_column_that_is_no_number_is_refused():
    class Words(Callback):
        """Logs a text."""

        def columns(self, trainer):
            return {"mood": "good"}

    said = r"^callback 'words' gives 'good' as column 'mood': expected a number"
    with CALLBACKS.lent("words", Words), pytest.raises(WorkError, match=said):
        train("X", callback="words")


def test_one_that_refuses_leaves_the_run_as_it_was():
    class Picky(Callback):
        """Takes images alone."""

        def begin(self, trainer):
            if len(trainer.dataset.sample_shape) == 1:
                raise UsageError("picky takes images: leave it out")

    run = train("X", steps=4)
    before = (run.path / "config.json").read_bytes()
    with CALLBACKS.lent("picky", Picky), pytest.raises(UsageError, match=r"^picky takes images"):
        ganzoo.resume("X", steps=8, callback="picky", progress=False)
    assert (run.path / "config.json").read_bytes() == before


# --- tensorboard ---


def read_events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    tags = events.Tags()["scalars"]
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags}


def expected(run) -> dict[str, list[tuple[int, float]]]:
    made: dict[str, list[tuple[int, float]]] = {}
    for row in read_lines(run.path / "log.jsonl"):
        for key, value in row.items():
            if key != "step":
                made.setdefault(key, []).append((row["step"], pytest.approx(value, rel=1e-6)))
    for row in read_lines(run.path / "metrics.jsonl"):
        for key, value in row["scores"].items():
            made.setdefault(f"score/{key}", []).append((row["step"], pytest.approx(value, rel=1e-6)))
    return made


def test_tensorboard_reads_the_log_and_the_scores():
    run = train("X", callback="tensorboard")
    read = read_events(run.path / "tensorboard")
    assert {"d_loss", "g_loss", "images", "score/modes"} <= set(read)
    assert read == expected(run)


def test_tensorboard_has_no_step_twice_after_a_kill_and_a_resume(seen):
    with pytest.raises(KeyboardInterrupt):  # at step 7, past the checkpoint of step 4
        train("X", callback=["seen:at=7,how=at once", "tensorboard"])
    steps = [step for step, _ in read_events(Path("X/tensorboard"))["d_loss"]]
    assert steps == list(range(1, 8))
    run = ganzoo.resume("X", callback=["none", "tensorboard"], progress=False)
    read = read_events(run.path / "tensorboard")
    assert [step for step, _ in read["d_loss"]] == list(range(1, 13))
    assert read == expected(run)


def test_without_its_package_tensorboard_says_what_to_install(ganzoo, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    result = ganzoo("run mlp-gan --dataset ring8 --steps 2 --callback tensorboard")
    assert (result.code, Path("runs").exists()) == (2, False)
    assert result.sentence == (
        "ganzoo: the callback tensorboard needs a package that is not installed: pip install "
        '"ganzoo-torch[tensorboard]"'
    )


# --- suites ---


def test_a_suite_says_who_looks_on_and_its_cells_stay_the_same():
    lines = 'model = "mlp-gan"\ndataset = "ring8"\nsteps = 2\nmetric = ["modes"]\n'
    Path("plain.toml").write_text(lines)
    Path("watched.toml").write_text(lines + 'callback = ["tensorboard"]\n')
    (plain,), (watched,) = (plan_cells(read_suite(Path(f"{name}.toml")), 1) for name in ("plain", "watched"))
    assert (plain.hash, plain.label) == (watched.hash, watched.label)
    assert [spec.name for spec in watched.config.callbacks] == ["tensorboard"]
    assert "--callback tensorboard" in watched.commands["run"]


def test_in_a_notebook_a_bar_is_that_of_the_cell(monkeypatch, tmp_path):
    config = plan(Words(**WORDS, callback=["bar"]))[0]
    assert "Bar" in [type(one).__name__ for one in open_callbacks(config, progress=False)]
    monkeypatch.setattr("ganzoo.running.callbacks.in_notebook", lambda: True)
    for progress in (False, True):
        names = [type(one).__name__ for one in open_callbacks(config, progress)]
        assert "Bar" not in names
        assert names.count("Notebook") == 1


def test_a_misspelt_hook_is_told_of(capsys):
    class Misspelt(Callback):
        def after_stepp(self, trainer):
            """Never called."""

        def remember(self):
            """No hook, nor like one."""

    sorted_out([Misspelt()])
    told = capsys.readouterr().err.split()
    assert " ".join(told) == "note: callback Misspelt: nobody calls after_stepp; did you mean after_step?"
