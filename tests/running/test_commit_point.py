"""What belongs to a step is valid at once or not at all; what is damaged is noticed, and made again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from resuming import StopAt, assert_same

import ganzoo as library
from ganzoo.cli.main import main
from ganzoo.errors import UsageError
from ganzoo.losses import NonSaturating
from ganzoo.registry import LOSSES
from ganzoo.system.lines import read_lines
from ganzoo.system.locks import only_one
from ganzoo.system.tensors import HASH, DamagedFile, read_tensors, write_tensors
from ganzoo.training.checkpoint import Checkpoint, load_checkpoint, read_state, saved, write_state

WORDS = (
    "run mlp-gan --dataset ring8 --steps 12 --batch-size 16 --set model.width=8 --set model.d_width=8 "
    "--checkpoint-every 4 --eval-every 3 --eval-metric modes"
)
TIMES = {"log.jsonl": ("images_per_s",), "metrics.jsonl": ("provenance",), "config.json": ("provenance",)}


def content(folder: Path) -> dict[str, object]:
    """Every file of a run folder, times aside."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file():
            found[name] = path.read_bytes()
        if name in TIMES:
            rows = [json.loads(line) for line in path.read_text().splitlines()] if name[-1] == "l" else []
            rows = rows or [json.loads(path.read_text())]
            found[name] = [{k: v for k, v in row.items() if k not in TIMES[name]} for row in rows]
    return found


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Pictures that cost nothing, and show all the same whether they are of the same samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganzoo.data.pictures.plot", lambda samples, *_: samples.numpy().tobytes())
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs that were never stopped, each trained once, in a folder of their own."""
    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("trained")
    made: dict[str, Path] = {}

    def make(more: str = "") -> Path:
        """With the words `more`; the pictures of all runs here are the samples themselves."""
        if more not in made:
            made[more] = place / str(len(made))
            with pytest.raises(SystemExit) as end:
                main([*WORDS.split(), *more.split(), "--out", str(made[more])])
            assert not end.value.code
        return made[more]

    return make


@pytest.fixture
def whole(trained):
    shutil.copytree(trained(), "whole")
    return Path("whole")


@pytest.fixture
def copied(whole):
    shutil.copytree(whole, "copy")
    return Path("copy")


def flip(path: Path, bit: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8 if bit >= 0 else len(data) // 2] ^= 1
    path.write_bytes(data)


def test_what_lies_in_a_run_folder(whole):
    assert sorted(content(whole)) == sorted([
        "config.json", "data-card.safetensors", "log.jsonl", "metrics.jsonl", "generator.safetensors",
        "checkpoints/step-00000008.safetensors", "checkpoints/step-00000012.safetensors",
        *(f"checkpoints/best-{best_step(whole):08d}{end}.safetensors" for end in ("", ".generator")),
        *(f"samples/step-{step:08d}.{end}" for step in range(13) for end in ("png", "npy")),
    ])  # fmt: skip
    assert not list(Path().glob(".*"))  # the lock is gone too


def best_step(folder: Path) -> int:
    rows = read_lines(folder / "metrics.jsonl")
    return max(rows, key=lambda row: (row["scores"]["modes"], -row["step"]))["step"]


@pytest.mark.parametrize("stop", [1, 4, 5, 9, 11])
def test_a_run_that_was_stopped_has_nothing_that_the_other_lacks(ganzoo, monkeypatch, whole, stop):
    from ganzoo.running import training

    original = training.Trainer
    with monkeypatch.context() as patch:
        patch.setattr(training, "Trainer", lambda c, d, cs, s: original(c, d, [StopAt(stop), *cs], s))
        result = ganzoo(f"{WORDS} --out parts")
        assert result.code == 130
        assert f"stopped at step {stop} of 12" in result.out
    assert max(row["step"] for row in read_lines(Path("parts/log.jsonl"))) == stop  # a line for each step
    assert all(row["step"] % 3 == 0 for row in read_lines(Path("parts/metrics.jsonl")))
    assert ganzoo("resume parts").code == 0
    assert content(Path("parts")) == content(whole)


def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(ganzoo, whole, copied):
    flip(saved(copied)[-1])
    result = ganzoo("resume copy")
    assert result.code == 0
    assert "step-00000012.safetensors is damaged" in result.err
    assert "going on from step 8" in result.err
    assert content(copied) == content(whole)


def test_where_no_checkpoint_is_whole_nothing_is_changed(ganzoo, copied):
    for path in saved(copied):
        flip(path)
    before = content(copied)
    result = ganzoo("resume copy")
    assert result.code == 2
    for piece in ("step-00000012.safetensors is damaged", "step-00000008.safetensors", "delete"):
        assert piece in result.sentence
    assert content(copied) == before


def test_damaged_weights_are_refused_and_made_again(ganzoo, whole, copied):
    flip(copied / "generator.safetensors")
    for command in ("sample copy --out x.npz", "eval copy --metric modes --samples 100"):
        result = ganzoo(command)
        assert result.code == 2
        assert "generator.safetensors is damaged" in result.sentence
    assert ganzoo("resume copy").code == 0
    assert content(copied) == content(whole)


def test_weights_that_have_no_name_yet_are_sampled_and_published(ganzoo, whole, copied):
    """As after a kill between the last checkpoint and the rename of its weights."""
    newest = copied / "generator.safetensors"
    newest.rename(copied / ".generator.safetensors.next")
    assert ganzoo("sample copy --out a.npz").code == 0
    shutil.copy(older_generator(copied), newest)
    assert ganzoo("sample copy --out b.npz").code == 0
    ganzoo("sample whole --out c.npz")
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes() == Path("c.npz").read_bytes()
    assert "nothing is left to do" in ganzoo("resume copy").out
    assert content(copied) == content(whole)


def older_generator(folder: Path) -> Path:
    return next(iter((folder / "checkpoints").glob("best-*.generator.safetensors")))


def test_weights_of_a_step_before_the_newest_checkpoint_are_not_taken_for_its_own(ganzoo, whole, copied):
    (copied / "generator.safetensors").unlink()
    weights, meta = read_tensors(whole / "generator.safetensors")
    write_tensors(copied / "generator.safetensors", weights, {"step": 8, "t": meta["t"]})
    result = ganzoo("eval copy --metric modes --samples 100")
    assert result.code == 2
    assert "this run's generator of step 12" in result.sentence
    assert "ganzoo resume copy" in result.sentence
    assert ganzoo("resume copy").code == 0
    assert content(copied) == content(whole)


@pytest.mark.parametrize("kind", ["state", "generator"])
def test_no_flipped_bit_passes(copied, kind):
    path = saved(copied)[-1] if kind == "state" else copied / "generator.safetensors"
    data, bits = path.read_bytes(), 8 * path.stat().st_size
    for bit in torch.randperm(bits, generator=torch.Generator().manual_seed(0))[:300].tolist():
        flip(path, bit)
        with pytest.raises(DamagedFile):
            read_tensors(path)
        path.write_bytes(data)


def altered(path: Path, change) -> None:
    """A checkpoint with a right hash and another content: made by somebody, and not by accident."""
    state, meta = read_state(path)
    change(state)
    write_state(path, state, Checkpoint.of(path, meta))


def put(tree, keys, value):
    for key in keys[:-1]:
        tree = tree[key]
    tree[keys[-1]] = value


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("optimizer_g", 0, "exp_avg"), torch.zeros(3)),
        (("optimizer_d", 0, "exp_avg_sq"), torch.zeros(10**6)),
        (("optimizer_d", 1, "exp_avg"), torch.zeros(8, dtype=torch.float64)),
        (("optimizer_g", 0, "step"), torch.zeros(4)),
        (("optimizer_g", 0), {"exp_avg": torch.zeros(3)}),
        (("optimizer_g", 99), {}),
        (("optimizer_g",), [1, 2]),
        (("generator",), {}),
        (("ema",), None),
        (("discriminator",), {"weight": 3}),
        (("meter",), {"sums": {"d_loss": torch.zeros(2)}, "counts": {"d_loss": 1}}),
        (("meter", "counts"), {"d_loss": 1}),
        (("stabilizers",), {}),
        (("step",), -1),
        (("step",), "12"),
        (("rollbacks",), None),
        (("d_loss",), "low"),
        (("config",), 3),
    ],
)
def test_what_a_checkpoint_holds_must_be_of_the_models_shape_and_type(ganzoo, trained, keys, value):
    shutil.copytree(trained("--skip-d-below 0.1"), "X")
    path = saved(Path("X"))[-1]
    altered(path, lambda state: put(state, keys, value))
    result = ganzoo("resume X --steps 16")
    assert result.code == 2
    assert "not one of this run's model" in result.sentence or "checkpoint" in result.sentence


def test_the_threads_of_a_run_are_at_most_the_machines(ganzoo, copied, monkeypatch):
    settings = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**settings, "threads": 100_000}))
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    result = ganzoo("resume copy --steps 13")
    assert result.code == 0
    assert asked == [1]
    assert "100000 threads" in result.err


def test_a_second_process_is_refused_and_told_who_is_at_work(ganzoo, copied):
    with only_one(copied, "ganzoo"):
        result = ganzoo("resume copy --steps 16")
    assert result.code == 2
    for piece in (f"process {os.getpid()}", "at work in copy"):
        assert piece in result.sentence
    assert ganzoo("resume copy --steps 16").code == 0


# --- rolled back ---


@pytest.fixture
def fragile(monkeypatch):
    """A loss that is no number at the given calls of a run."""

    def make(*bad: int) -> None:
        calls = iter(range(1_000_000))

        class Fragile(NonSaturating):
            def d(self, real, fake, *, real_target=1.0):
                value = super().d(real, fake, real_target=real_target)
                training = bool(list(Path().glob("*/config.json")))  # and no dry step before it
                return value * float("nan") if training and next(calls) in bad else value

        monkeypatch.setattr(LOSSES, "_added", {"fragile": Fragile})

    return make


def test_a_run_that_is_rolled_back_goes_on_at_half_the_rates(ganzoo, fragile):
    fragile(6)
    result = ganzoo(f"{WORDS} --loss fragile --on-nan rollback --out X")
    assert result.code == 0, result.err
    assert "d_loss not finite at step 7 (it began at step 7: " in result.err
    assert "): back to step 4, with other" in result.err
    rows = read_lines(Path("X/log.jsonl"))
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert [row.get("rollbacks", 0) for row in rows] == [0] * 4 + [1] * 8
    state = load_checkpoint(saved(Path("X"))[-1])
    assert state["rollbacks"] == 1
    # What was rolled back comes back from a checkpoint as it was.
    fragile()
    longer = ganzoo("resume X --steps 16")
    assert longer.code == 0
    assert load_checkpoint(saved(Path("X"))[-1])["rollbacks"] == 1


def test_a_rolled_back_run_draws_other_numbers(fragile):
    fragile(5)
    words = {"dataset": "ring8", "steps": 8, "batch_size": 16, "set": {"model.width": 8}, "progress": False}
    a = library.train("mlp-gan", loss="fragile", on_nan="rollback", checkpoint_every=4, out="a", **words)
    fragile()
    b = library.train("mlp-gan", loss="fragile", checkpoint_every=4, out="b", **words)
    one, other = (load_checkpoint(saved(run.path)[0]) for run in (a, b))
    assert_same({**one, "rollbacks": 0}, {**other, "rollbacks": 0})  # until step 4
    assert not torch.equal(a.sample(4), b.sample(4))


def test_what_is_no_number_again_and_again_stops(ganzoo, fragile):
    fragile(*range(6, 100))
    result = ganzoo(f"{WORDS} --loss fragile --on-nan rollback --out X")
    assert result.code == 1
    assert "after 5 rollbacks too" in result.sentence
    assert load_checkpoint(saved(Path("X"))[-1])["step"] == 4


# --- ended early ---


def test_a_score_that_is_good_enough_ends_a_run(ganzoo):
    result = ganzoo(f"{WORDS} --stop-when hq>-1 --out X")
    assert result.code == 0
    assert "ended:    at step 3 of 12, as hq is 0, above -1" in result.out
    assert "next:     ganzoo sample X" in result.out
    before = content(Path("X"))
    assert "samples/step-00000003.png" in before
    again = ganzoo("resume X")
    assert (again.code, "nothing is left to do" in again.out) == (0, True)
    assert "hq is 0, above -1" in again.out
    assert content(Path("X")) == before
    assert ganzoo("resume X --steps 16").code == 0  # somebody wants more
    assert load_checkpoint(saved(Path("X"))[-1])["step"] > 3


def test_patience_ends_a_run_that_grows_no_better(ganzoo):
    result = ganzoo(f"{WORDS} --patience 2 --out X")
    assert result.code == 0
    rows = read_lines(Path("X/metrics.jsonl"))
    values = [row["scores"]["modes"] for row in rows]
    assert "modes grew no better in 2 evaluations" in result.out
    assert [bool(row.get("ended")) for row in rows] == [False] * (len(rows) - 1) + [True]
    assert max(values[-2:]) <= max(values[:-2])


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        ("--stop-when fid<1", ["--stop-when fid", "modes"]),
        ("--stop-when modes", ["--stop-when", "expected a score and a bound"]),
        ("--stop-when modes<nan", ["--stop-when", "expected a score and a bound"]),
        ("--patience 0", ["--patience", "1"]),
        ("--on-nan go", ["--on-nan", "stop or rollback"]),
    ],
)
def test_words_about_the_end_that_make_no_sense(ganzoo, words, pieces):
    result = ganzoo(f"{WORDS} {words} --out X")
    assert result.code == 2
    assert all(piece in result.sentence for piece in pieces)
    assert not Path("X").exists()


def test_words_about_the_end_need_something_to_measure():
    with pytest.raises(UsageError, match="--patience: say with --eval-metric"):
        library.train("mlp-gan", "ring8", steps=2, patience=3, progress=False)


def test_a_start_that_was_killed_blocks_no_other(ganzoo):
    Path("X").mkdir()
    Path("X/.config.json.abc.part").write_text("{")
    assert ganzoo(f"{WORDS} --out X").code == 0
    assert not list(Path("X").glob(".*"))


def test_checkpoints_that_a_kill_kept_from_being_removed_go_where_nothing_is_left_to_do(
    ganzoo, whole, copied
):
    state, meta = read_state(copied / "checkpoints/step-00000008.safetensors")
    state["step"] = 4
    write_state(copied / "checkpoints/step-00000004.safetensors", state, Checkpoint(4, meta["generator"]))
    shutil.copy(older_generator(copied), copied / "checkpoints/best-00000001.safetensors")
    assert "nothing is left to do" in ganzoo("resume copy").out
    assert content(copied) == content(whole)


@pytest.mark.parametrize("end", ["", ".generator"])
def test_weights_that_are_whole_but_not_what_was_kept_as_best_are_refused(ganzoo, copied, end):
    path = copied / f"checkpoints/best-{best_step(copied):08d}{end}.safetensors"
    tensors, meta = read_tensors(path)
    name = next(name for name in tensors if name.endswith("weight") and "optim" not in name)
    tensors[name] += 1
    del meta[HASH]
    write_tensors(path, tensors, meta)
    result = ganzoo("eval copy --metric d-accuracy --samples 100 --checkpoint best")
    assert result.code == 2
    assert f"{path.name} is not what this run kept as its best" in result.sentence


def test_a_run_whose_settings_have_fewer_steps_than_are_done_was_not_stopped(ganzoo, copied):
    settings = json.loads((copied / "config.json").read_text())
    settings["recipe"]["steps"] = 1
    (copied / "config.json").write_text(json.dumps(settings))
    (copied / "generator.safetensors").unlink()  # so that there is something to do
    result = ganzoo("resume copy")
    assert result.code == 0
    assert "stopped" not in result.out


def test_a_folder_whose_name_has_braces(ganzoo, copied):
    copied.rename("run{0}{step}")
    for checkpoint in ("last", "best"):
        words = f"--metric d-accuracy --samples 100 --checkpoint {checkpoint}"
        assert ganzoo("eval run{0}{step} " + words).code == 0
