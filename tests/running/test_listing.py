"""Runs by number, the run that was trained last, the list of runs, and their removal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ganzoo.errors import UsageError
from ganzoo.running.folder import all_runs, find
from ganzoo.running.listing import list_runs
from ganzoo.system.locks import holder, only_one

RING = "mlp-gan --dataset ring8 --batch-size 16 --set width=8 --set d_width=8"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """What --dry-run prints for 8 steps, measured by two metrics."""
    words = f"run {RING} --steps 8 --eval-metric kl --eval-metric modes --dry-run --device cpu".split()
    done = subprocess.run(
        [sys.executable, "-m", "ganzoo", *words], capture_output=True, text=True, check=True, cwd="/"
    )
    return done.stdout


@pytest.fixture
def made(settings):
    """made(3, trained=100): a folder as a run of 8 steps leaves it, without weights."""

    def make(number: int, trained: int = 0, steps: int = 8, scores=(), log=True, **row) -> Path:
        path = Path(f"runs/{number:04d}-mlp-gan-ring8-s0")
        (path / "checkpoints").mkdir(parents=True)
        (path / "config.json").write_text(settings)
        if steps:
            (path / f"checkpoints/step-{steps:08d}.safetensors").write_bytes(b"0" * 1000)
        if log:
            rows = [{"step": step, "images": 16 * step, "images_per_s": 1.0} for step in range(1, steps + 1)]
            rows[-1:] = [{**rows[-1], **row}] if rows else []
            (path / "log.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
        lines = [
            {
                "step": step,
                "scores": given,
                "real": {},
                "protocol": {"metrics": {"kl": {}, "modes": {}}, "checkpoint": "during training"},
            }
            for step, given in enumerate(scores, start=1)
        ]
        (path / "metrics.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
        if trained:
            for file in (path, *path.rglob("*")):
                os.utime(file, (trained, trained))
        return path

    return make


def test_a_number_is_a_run(made):
    three, twelve = made(3), made(12)
    assert find("3") == find("0003") == find("003") == three
    assert find("12") == twelve
    with pytest.raises(UsageError, match="no run '1': "):
        find("1")


def test_a_folder_of_that_name_is_meant_where_it_is_a_run(made):
    three = made(3)
    Path("3").mkdir()
    assert find("3") == three
    shutil.copy(three / "config.json", "3")
    assert find("3") == Path("3")


def test_a_number_that_two_have_is_refused(made):
    shutil.copytree(made(3), "runs/0003-copy")
    with pytest.raises(UsageError, match="run 3 may be 0003-copy and 0003-mlp-gan-ring8-s0: give its whole"):
        find("3")


def test_the_newest_run_is_the_one_that_was_trained_last(made):
    one, two = made(1, trained=100), made(2, trained=200)
    assert find(None) == two
    os.utime(one / "log.jsonl", (300, 300))
    assert find(None) == one
    (two / "metrics.jsonl").write_text("")  # a later evaluation is no training
    assert all_runs() == [two, one]
    os.utime(two / "config.json", (400, 400))  # nor is an edit
    assert find(None) == one
    os.utime(two / "checkpoints/step-00000008.safetensors", (400, 400))
    assert find(None) == two


def test_a_damaged_run_is_not_meant_by_no_name(made, capsys):
    one, two = made(1, trained=100), made(2, trained=200)
    (two / "config.json").write_text("{")
    assert find(None) == one
    assert f"{two} is passed over, as it is damaged" in capsys.readouterr().err
    (one / "config.json").write_text("{")
    assert find(None) == two  # whose settings tell why


def test_what_the_list_says(made):
    made(1, trained=100, scores=[{"kl": 3.0, "modes": 1}, {"kl": 2.0, "modes": 8}, {"kl": 2.5, "modes": 2}])
    made(2, trained=200, steps=3)
    made(3, trained=300, steps=0, log=False)
    made(4, trained=400, fault="loss of D is nan", fault_kind="loss", fault_net="d")
    broken = made(5, trained=500)
    (broken / "config.json").write_text("{")
    rows = {row.number: row for row in list_runs()}
    assert list(rows) == [1, 2, 3, 4, 5]
    assert [row.status for row in rows.values()] == [
        "finished", "stopped", "not started", "failed", "damaged",
    ]  # fmt: skip
    first = rows[1]
    assert (first.name, first.model, first.dataset, first.seed) == (
        "0001-mlp-gan-ring8-s0",
        "mlp-gan",
        "ring8",
        0,
    )
    assert (first.step, first.steps, first.trained) == (8, 8, 100.0)
    assert (first.score, first.best, first.best_step) == ("kl", 2.0, 2)
    assert first.bytes == sum(path.stat().st_size for path in Path(first.path).rglob("*") if path.is_file())
    assert rows[4].seen == ("not finite",)
    assert "is damaged" in rows[5].damage
    assert rows[5].bytes > 1000


def test_a_run_that_ended_early(made):
    path = made(1, steps=3, scores=[{"kl": 1.0}] * 3)
    lines = (path / "metrics.jsonl").read_text().splitlines()
    last = {**json.loads(lines[-1]), "ended": "kl is 1, below 2"}
    (path / "metrics.jsonl").write_text("\n".join([*lines[:-1], json.dumps(last)]) + "\n")
    assert list_runs()[0].status == "ended early"


def test_a_run_that_a_process_trains(made):
    path = made(1, steps=3)
    assert holder(path) is None
    with only_one(path):
        assert f"process {os.getpid()}" in holder(path)
        assert list_runs()[0].status == "running"
    assert list_runs()[0].status == "stopped"
    assert [each.name for each in Path("runs").iterdir()] == [path.name]


def test_damaged_records_are_no_end(made, capsys):
    path = made(1, scores=[{"kl": 3.0}])
    for name in ("log.jsonl", "metrics.jsonl"):
        with (path / name).open("a") as file:
            file.write('{"step": "x"}\nno json\n')
    row = list_runs()[0]
    assert (row.status, row.best) == ("finished", 3.0)
    metric_gone = path / "metrics.jsonl"
    metric_gone.write_text(metric_gone.read_text().replace('"kl": {}', '"gone": {}'))
    assert list_runs()[0].best is None
    assert capsys.readouterr().err == ""


def test_a_pipe_in_the_place_of_a_record_is_not_waited_for(made):
    for number, name in enumerate(("config.json", "log.jsonl", "metrics.jsonl"), start=1):
        path = made(number)
        (path / name).unlink()
        os.mkfifo(path / name)
    assert [(row.number, row.status) for row in list_runs()] == [(2, "damaged"), (3, "damaged")]


def test_a_folder_of_version_0_1():
    row = list_runs(Path(__file__).parent / "version-0.1")[0]
    assert (row.status, row.step, row.steps) == ("stopped", 4, 8)


def test_the_command(ganzoo, made):
    assert ganzoo("runs").out.startswith("there is no run in runs yet: start one with ganzoo run MODEL")
    made(1, trained=100, steps=3)
    made(2, trained=50, scores=[{"kl": 3.0}])
    result = ganzoo("runs")
    head, second, first = result.out.splitlines()
    assert head.split() == ["run", "status", "age", "size", "best", "seen"]
    assert second.startswith("0002-mlp-gan-ring8-s0  finished")
    assert "kl 3" in second
    assert "stopped 3/8" in first
    rows = json.loads(ganzoo("runs --json").out)
    assert [row["number"] for row in rows] == [2, 1]
    shutil.move("runs", "elsewhere")
    assert [row["number"] for row in json.loads(ganzoo("runs elsewhere --json").out)] == [2, 1]
    assert ganzoo("runs nowhere").code == 2


def test_listing_imports_no_torch(made):
    made(1, scores=[{"kl": 3.0}])
    program = "import sys; from ganzoo.cli.main import main\ntry: main(['runs'])\nexcept SystemExit: pass\n"
    program += "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "False", done.stderr


# --- rm ---


def test_it_asks_and_says_what_it_frees(ganzoo, made):
    made(1)
    result = ganzoo("rm 1")
    assert (result.code, result.sentence) == (
        2, "ganzoo: there is no terminal to ask whether that may go: --yes says so",
    )  # fmt: skip
    assert "runs/0001-mlp-gan-ring8-s0  " in result.err
    result = ganzoo("rm 1 0001-mlp-gan-ring8-s0 --yes")
    assert result.out.startswith("removed: runs/0001-mlp-gan-ring8-s0, ")
    assert len(result.out.splitlines()) == 1
    assert list(Path("runs").iterdir()) == []


def test_no_is_an_answer(ganzoo, made, monkeypatch):
    path = made(1)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, code in ((False, 1), (True, 0)):
        monkeypatch.setattr("click.confirm", lambda *_, answer=answer, **__: answer)
        result = ganzoo("rm 1")
        assert (result.code, path.exists()) == (code, not answer)


def test_nothing_goes_where_one_of_them_may_not(ganzoo, made):
    one, two = made(1), made(2)
    with only_one(two):
        assert "is at work in runs/0002" in ganzoo("rm 1 2 --yes").sentence
    assert "no run '7'" in ganzoo("rm 1 7 --yes").sentence
    Path("runs/mine").mkdir()
    assert "runs/mine is not a run folder" in ganzoo("rm 1 runs/mine --yes").sentence
    shutil.copytree(one, two / "below")
    assert "has another run in it" in ganzoo("rm 1 2 --yes").sentence
    assert one.is_dir()
    assert two.is_dir()


def test_it_follows_no_links(ganzoo, made, tmp_path):
    path = made(1)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (path / "link").symlink_to(outside)
    (path / "checkpoints/file").symlink_to(outside / "precious")
    linked = Path("runs/0002-linked")
    linked.symlink_to(shutil.copytree(path, tmp_path / "kept", symlinks=True))
    assert ganzoo("rm 1 2 --yes").code == 0
    assert (outside / "precious").read_text() == "x"
    assert (tmp_path / "kept/config.json").is_file()
    assert list(Path("runs").iterdir()) == []


def test_not_the_folder_where_one_is(ganzoo, made, monkeypatch):
    path = made(1).absolute()
    monkeypatch.chdir(path)
    assert "go to another folder first" in ganzoo("rm . --yes").sentence
    assert (path / "config.json").is_file()


def test_what_a_killed_removal_left_goes_with_the_next(ganzoo, made):
    made(1)
    left = Path("runs/.0007-x.part-abc/gone")
    left.mkdir(parents=True)
    (left / "weights").write_text("x")
    other = Path("runs/.mine.part-abc/notes")
    other.mkdir(parents=True)
    assert ganzoo("rm 1 --yes").code == 0
    assert [path.name for path in Path("runs").iterdir()] == [".mine.part-abc"]


def test_a_folder_that_cannot_be_renamed_stays_as_it_was(ganzoo, made, monkeypatch):
    path = made(1)

    def refuse(self, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    result = ganzoo("rm 1 --yes")
    assert (result.code, "it is as it was" in result.sentence) == (1, True)
    assert (path / "config.json").is_file()
    assert [each.name for each in Path("runs").iterdir()] == [path.name]
