"""`ganzoo bench`: what a suite asks for, refusals before any work, and that stopping it loses nothing."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from little import OF_IMAGES

from ganzoo import train
from ganzoo.bench import starting
from ganzoo.bench.cells import plan_cells
from ganzoo.bench.machine import cores, peak_mib
from ganzoo.bench.progress import duration
from ganzoo.bench.results import alone_in, read_results, repair
from ganzoo.bench.suite import read_suite
from ganzoo.bench.work import COST, RESULT, costs, train_seconds, work
from ganzoo.cli.main import main
from ganzoo.errors import UsageError, WorkError
from ganzoo.system.files import write_json
from ganzoo.system.lines import read_lines
from ganzoo.system.provenance import commit

ROOT = Path(__file__).parents[2]
TINY = """
dataset = "ring8"
metric = ["modes"]
samples = 300
steps = 200
batch-size = 32
checkpoint-every = 20
set = { "model.width" = 16, "model.d_width" = 16 }
"""
CELL = '[[cells]]\nmodel = "mlp-gan"\nloss = "hinge"\nseeds = 2\n'


def ganzoo(*words: object) -> int:
    with pytest.raises(SystemExit) as done:
        main([str(word) for word in words])
    return int(done.value.code or 0)


def suite(text: str, name: str = "tiny.toml") -> Path:
    path = Path(name)
    path.write_text(text)
    return path


def planned(text: str) -> list:
    return plan_cells(read_suite(suite(text)), threads=1)


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """A suite of two seeds, both at a time: its folder of results."""
    folder = tmp_path_factory.mktemp("bench")
    file = folder / "tiny.toml"
    file.write_text(TINY + CELL)
    assert ganzoo("bench", file, "--jobs", 2, "--out", folder / "results") == 0
    return folder / "results"


def outcome(hash: str, **scores: float) -> str:
    """What the process of a cell that is done leaves."""
    protocol = {"metrics": {"modes": {}}, "reference": "train", "n_fake": 9, "n_real": 9, "n_held_out": 9}
    costs = {
        "steps": 1,
        "images": 1,
        "train_seconds": 1.0,
        "images_per_s": 1.0,
        "alone": True,
        "peak_mib": 1.0,
    }
    made = {"parameters": {"g": 1, "d": 1}, "threads": 1, "processor": "", "versions": {}, "commit": None}
    measured = {"scores": scores, "real": {}, "protocol": protocol, "columns": {}}
    return json.dumps({"hash": hash, "status": "done", **measured, **costs, **made})


def rows_of(out: Path, name: str = "tiny") -> list[dict]:
    return sorted(read_lines(out / f"{name}.jsonl"), key=lambda row: row["seed"])


# What a suite asks for


def test_a_list_where_one_value_is_expected_is_each_of_them():
    asked = read_suite(suite(TINY + '[[cells]]\nmodel = ["mlp-gan", "r3gan"]\nloss = ["hinge", "minimax"]\n'))
    assert [(one.training["model"], one.label) for one in asked] == [
        ("mlp-gan", "loss=hinge"),
        ("mlp-gan", "loss=minimax"),
        ("r3gan", "loss=hinge"),
        ("r3gan", "loss=minimax"),
    ]
    assert all(one.evaluation == {"metric": ["modes"], "samples": 300} for one in asked)
    assert all(one.seeds == (0,) for one in asked)


def test_one_text_where_a_list_is_expected_is_a_list_of_one():
    cell = '[[cells]]\nmodel = "mlp-gan"\nmetric = {}\nstabilizer = {}\n'
    (one,), (other,) = (
        planned(TINY + cell.format(*words))
        for words in (('"kl"', '"r1:gamma=1"'), ('["kl"]', '["r1:gamma=1"]'))
    )
    assert (one.hash, one.label) == (other.hash, "r1:gamma=1")


def test_a_suite_without_cells_is_one_cell():
    (one,) = read_suite(suite('model = "mlp-gan"\ndataset = "ring8"\nseeds = [3, 5]\n'))
    assert (one.label, one.seeds) == ("default", (3, 5))


def test_a_cell_overrides_what_stands_at_the_top():
    text = TINY + (
        '[[cells]]\nmodel = "mlp-gan"\nepochs = 2\nset = { "model.width" = 8, ema_halflife = 0 }\n'
        'stabilizer = ["r1:gamma=1", "dragan"]\nconditional = true\n'
        '[[cells]]\nmodel = "mlp-gan"\nlabel = "mine"\nrecipe = ["default", "paper"]\n'
    )
    first, *others = read_suite(suite(text))
    assert first.training["set"] == {"model.width": 8, "model.d_width": 16, "ema_halflife": 0}
    assert first.training["epochs"] == 2
    assert "steps" not in first.training
    assert first.label == "model.width=8, ema_halflife=0, r1:gamma=1, dragan, conditional"
    assert [one.label for one in others] == ["mine, recipe=default", "mine, recipe=paper"]
    assert [one.training["steps"] for one in read_suite(Path("tiny.toml"), steps=7)] == [7, 7, 7]


def test_the_hash_is_of_all_that_determines_the_result_and_of_nothing_else():
    cell = TINY + '[[cells]]\nmodel = "mlp-gan"\n'
    (base,) = planned(cell)
    same = 'label = "another name"\ncheckpoint-every = 7\noffline = true\n'
    (other,) = planned(cell + same)
    assert (other.hash, other.group, other.trained) == (base.hash, base.group, base.trained)
    for change in ("seeds = [1]", "steps = 201", 'loss = "hinge"', 'set = {"model.width" = 17}'):
        (other,) = planned(cell + change)
        assert other.hash != base.hash
        assert other.trained != base.trained
        assert (other.group == base.group) == (change == "seeds = [1]")
    for change in ("samples = 301", 'reference = "test"', 'metric = ["modes", "js"]'):
        (other,) = planned(cell + change)
        assert other.hash != base.hash
        assert other.trained == base.trained  # nothing is trained again to be measured in another way
    (spelled,) = planned(cell + 'loss = "non-saturating"')  # the recipe's own, said aloud
    assert spelled.hash == base.hash


def test_one_seed_of_all_combinations_comes_after_the_other():
    cells = planned(TINY + '[[cells]]\nmodel = "mlp-gan"\nseeds = 2\nloss = ["hinge", "minimax"]\n')
    assert [(cell.config.seed, cell.label) for cell in cells] == [
        (0, "loss=hinge"),
        (0, "loss=minimax"),
        (1, "loss=hinge"),
        (1, "loss=minimax"),
    ]


@pytest.mark.parametrize("name", ["quick", "gaussians", "members", "search", "ablation", "ablation-digits"])
def test_the_suites_of_the_repository_can_be_planned(name, capsys):
    assert ganzoo("bench", ROOT / "benchmarks" / "suites" / f"{name}.toml", "--dry-run") == 0
    assert "steps in total" in capsys.readouterr().out
    assert not Path("results").exists()


def test_every_member_for_images_is_in_the_suite_of_members():
    asked = read_suite(ROOT / "benchmarks" / "suites" / "members.toml")
    assert {one.training["model"] for one in asked} == {*OF_IMAGES}


# Refusals


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('modle = "mlp-gan"', "tiny.toml: no option 'modle'; did you mean model"),
        (CELL + "step = 3", "tiny.toml, cell 1: no option 'step'; did you mean steps"),
        (CELL + "batch_size = 3", "did you mean batch-size"),
        (CELL + "seed = 3", "did you mean seeds"),
        (CELL + CELL.replace("mlp-gan", "mlpgan"), "tiny.toml, cell 2 (mlpgan on ring8): no model 'mlpgan'"),
        (
            CELL + CELL.replace("hinge", "hinje"),
            "cell 2 (mlp-gan on ring8): no loss 'hinje': did you mean hi",
        ),
        (CELL + 'stabilizer = ["r3"]', "no stabilizer 'r3'"),
        (CELL + 'metric = ["mode"]', "no metric 'mode': did you mean modes"),
        (CELL + 'metric = ["is"]', "cell 1 (mlp-gan on ring8): is needs"),
        (CELL + 'steps = "many"', "cell 1: steps: expected a whole number, got 'many'"),
        (CELL + "steps = 1.5", "steps: expected a whole number, got 1.5"),
        (CELL + "steps = true", "steps: expected a whole number, got True"),
        (CELL + "steps = [4, 'x']", "steps: expected a whole number, got 'x'"),
        (CELL + "steps = -4", "--steps: expected a whole number of at least 1"),
        (CELL + "lr = []", "lr: an empty list makes no cell"),
        (CELL + 'conditional = "yes"', "conditional: expected true or false, got 'yes'"),
        (CELL + "metric = 1", "metric: expected a list of texts, got 1"),
        (CELL + 'set = ["a=1"]', "set: expected a table of texts and numbers"),
        (CELL + 'set = { "model.wdth" = 3 }', "--set model.wdth: no such option; did you mean"),
        (CELL + "label = 3", "label: expected text, got 3"),
        (CELL.replace("seeds = 2", "seeds = 0"), "seeds: expected how many, or a list of different whole"),
        (CELL.replace("seeds = 2", "seeds = [1, 1]"), "seeds: expected how many"),
        (CELL + 'checkpoint = "best"', "needs eval-metric"),
        (CELL + 'checkpoint = "bset"', "checkpoint: did you mean best"),
        (CELL + "samples = 0", "samples: expected a whole number of at least 1"),
        ('[cells]\nmodel = "mlp-gan"', "a cell begins with [[cells]]"),
        ('[[cells]]\nloss = "hinge"', "tiny.toml, cell 1 does not say its model"),
        (CELL + CELL, "cell 2 (mlp-gan on ring8): 'loss=hinge' with seed 0 is the same as 'loss=hinge' of"),
        ("model = ", "tiny.toml is not TOML"),
    ],
)
def test_a_wrong_word_is_refused_before_anything_runs(text, says, capsys):
    assert ganzoo("bench", suite(TINY + text)) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert not Path("results").exists()


def test_a_suite_that_is_not_there(capsys):
    suite(TINY + CELL, "tiny.toml")
    assert ganzoo("bench", "tny.toml") == 2
    assert "there is no suite tny.toml: did you mean tiny.toml?" in capsys.readouterr().err


def test_two_at_once_do_not_share_a_folder(capsys):
    with alone_in(Path("results")):
        assert ganzoo("bench", suite(TINY + CELL)) == 2
    said = capsys.readouterr().err
    assert f"another ganzoo bench (process {os.getpid()} on " in said
    assert ") is at work in results: wait for it, or name another folder with --out" in said
    with alone_in(Path("results")):  # free again
        pass
    Path("taken").write_text("")
    assert ganzoo("bench", "tiny.toml", "--out", "taken/results") == 2
    assert "part of that path is a file" in capsys.readouterr().err


# Results


def test_every_cell_is_a_line_with_all_that_must_be_known(done):
    rows = rows_of(done)
    assert [row["seed"] for row in rows] == [0, 1]
    for row in rows:
        assert (row["suite"], row["model"], row["dataset"]) == ("tiny", "mlp-gan", "ring8")
        assert (row["options"], row["status"]) == ("loss=hinge", "done")
        assert (row["steps"], row["images"], row["protocol"]["n_fake"]) == (200, 200 * 32, 300)
        assert (row["jobs"], row["alone"], row["threads"], row["device"]) == (2, False, 1, "cpu")
        assert row["real"]["modes"] == 8.0
        assert row["columns"]["hq"] == {"metric": "modes", "higher_is_better": None}
        assert row["images_per_s"] == pytest.approx(row["images"] / row["train_seconds"], rel=0.01)
        assert row["peak_mib"] > 50
        assert 0.0 < row["cpu_seconds"] < 20 * row["train_seconds"] + 10.0
        assert row["versions"].keys() == {"ganzoo", "torch", "python"}
        assert row["commit"] == commit()
        # 2 -> 16 -> 16 -> 16 -> 2 with biases; D has layer norms too.
        assert row["parameters"]["g"] == 3 * 16 + 17 * 16 * 2 + 17 * 2
        assert (done / row["run"] / "config.json").exists()
    assert rows[0]["group"] == rows[1]["group"]
    assert rows[0]["scores"] != rows[1]["scores"]


def test_weights_are_counted_with_the_nets_that_go_with_g_and_d():
    small = {"width": 4, "z_dim": 8}
    run = train("bigan", "mnist-5k", steps=1, batch_size=8, progress=False, set=small)
    write_json(run.path / COST, {"alone": True, "peak_mib": 1.0})
    counted, gan = costs(run)["parameters"], run.model
    alone, encoder = (sum(p.numel() for p in net.parameters()) for net in (gan.generator, gan.encoder))
    assert counted["g"] == alone + encoder
    assert counted["d"] == sum(p.numel() for p in gan.discriminator.parameters())


def test_the_commands_of_a_line_give_its_numbers(done, capsys):
    row = rows_of(done)[1]
    assert "--seed 1" in row["commands"]["run"]
    assert ganzoo(*shlex.split(row["commands"]["run"])[1:]) == 0
    capsys.readouterr()
    assert ganzoo(*shlex.split(row["commands"]["eval"])[1:], "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["scores"] == row["scores"]
    assert document["protocol"] == row["protocol"]


def test_what_is_done_is_not_done_again(done, monkeypatch, capsys):
    before = (done / "tiny.jsonl").read_bytes()
    monkeypatch.setattr(starting.subprocess, "Popen", None)  # nothing may be started
    assert ganzoo("bench", suite(TINY + CELL), "--out", done) == 0
    assert (done / "tiny.jsonl").read_bytes() == before
    assert ganzoo("bench", "tiny.toml", "--out", done, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "2/2" in out
    assert "2 cells, 400 steps in total, 0 of them left" in out


def wait_for(condition, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_killed_it_goes_on_to_the_same_numbers(done, capfd):
    """One job, killed and started again, gives the bits of two jobs at a time that ran through."""
    file = suite(TINY + CELL.replace("seeds = 2", "seeds = 1"))
    (cell,) = planned(file.read_text())
    folder = cell.folder(Path("results/tiny"))
    words = [sys.executable, "-m", "ganzoo", "bench", str(file)]
    with subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
        wait_for(lambda: list(folder.glob("checkpoints/step-*.safetensors")))
        process.kill()
    Path("results/tiny.jsonl").write_text('{"hash": "cut off by the ki')
    capfd.readouterr()
    assert ganzoo("bench", file) == 0
    assert "began mlp-gan on ring8, loss=hinge, seed 0, from step " in capfd.readouterr().err
    (row,), whole = rows_of(Path("results")), rows_of(done)[0]
    assert row["alone"]
    assert (row["hash"], row["scores"], row["real"]) == (whole["hash"], whole["scores"], whole["real"])
    weights = [out / row["run"] / "generator.safetensors" for out in (Path("results"), done)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.fixture
def process_is(monkeypatch, tmp_path):
    """The process of a cell is a shell script: $4 is the run folder."""

    def put(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(starting.sys, "executable", str(path))
        monkeypatch.setattr(starting, "FORKS", False)

    return put


def test_stopped_it_asks_its_cells_to_save_and_says_so(process_is, capsys):
    file = suite(TINY + CELL)
    first, second = planned(file.read_text())
    process_is('trap \'touch "$4/asked"; exit 75\' TERM; touch "$4/here"; while :; do sleep 0.02; done')
    folders = [cell.folder(Path("results/tiny")) for cell in (first, second)]

    def stop() -> None:
        wait_for(lambda: all((folder / "here").exists() for folder in folders))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop, daemon=True).start()
    assert ganzoo("bench", file, "--jobs", 2) == 130
    assert all((folder / "asked").exists() for folder in folders)
    assert "stopped: 0 of 2 cells are done; the same command goes on" in capsys.readouterr().err
    assert not Path("results/tiny.jsonl").exists()


def test_a_failed_cell_is_a_row_and_is_tried_again_when_asked(process_is, capsys):
    file = suite(TINY + CELL)
    first, second = planned(file.read_text())
    Path("good.json").write_text(outcome(second.hash, modes=7.0))
    process_is(
        f'case "$4" in *{second.trained[:12]}) cp good.json "$4/{RESULT}";; *) echo ouch; kill -9 $$;; esac'
    )
    assert ganzoo("bench", file) == 1
    err = capsys.readouterr().err
    assert "1 of 2 cells failed, the first of them mlp-gan on ring8, loss=hinge, seed 0: " in err
    rows = rows_of(Path("results"))
    assert [row["status"] for row in rows] == ["failed", "done"]
    assert rows[0]["error"] == "its process was ended by SIGKILL (out of memory?) at step 0: ouch"
    assert rows[0]["commands"]["run"].startswith("ganzoo run mlp-gan")

    Path("good.json").write_text(outcome(first.hash, modes=7.0))
    process_is(f'cp good.json "$4/{RESULT}"')
    assert ganzoo("bench", file) == 1  # known to fail: left alone
    assert len(rows_of(Path("results"))) == 2
    assert ganzoo("bench", file, "--retry") == 0
    results = read_results(Path("results/tiny.jsonl"))
    assert [results[cell.hash]["status"] for cell in (first, second)] == ["done", "done"]
    assert results[first.hash]["scores"] == {"modes": 7.0}


def test_a_result_that_nobody_recorded_is_taken_up(process_is):
    (cell,) = planned(TINY + CELL.replace("seeds = 2", "seeds = 1"))
    folder = cell.folder(Path("results/tiny"))
    folder.mkdir(parents=True)
    (folder / RESULT).write_text(outcome(cell.hash))
    process_is("exit 3")
    assert ganzoo("bench", "tiny.toml") == 0
    assert [row["hash"] for row in rows_of(Path("results"))] == [cell.hash]
    assert not (folder / RESULT).exists()


def test_a_run_that_diverges_is_one_sentence(tmp_path):
    (cell,) = planned(TINY + CELL.replace("seeds = 2", "seeds = 1") + "lr = 1e30\n")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(cell.config.as_json()))
    with pytest.raises(WorkError, match="training diverged"):
        work(folder, {"evaluation": dict(cell.evaluation), "alone": True})


def test_a_cell_that_once_ran_beside_others_never_ran_alone(tmp_path):
    text = (TINY + CELL).replace("steps = 200", "steps = 4").replace("seeds = 2", "seeds = 1")
    (cell,) = planned(text)
    (tmp_path / "config.json").write_text(json.dumps(cell.config.as_json()))
    (tmp_path / COST).write_text(json.dumps({"alone": False, "peak_mib": 1e9}))
    result = work(tmp_path, {"evaluation": dict(cell.evaluation), "alone": True})
    assert (result["alone"], result["peak_mib"], result["steps"]) == (False, 1e9, 4)
    assert 0.0 < result["cpu_seconds"] < 60.0


def test_the_processors_seconds_of_half_a_training_are_not_said_of_the_whole(tmp_path):
    text = (TINY + CELL).replace("steps = 200", "steps = 4").replace("seeds = 2", "seeds = 1")
    (cell,) = planned(text)
    (tmp_path / "config.json").write_text(json.dumps(cell.config.as_json()))
    work(tmp_path, {"evaluation": dict(cell.evaluation), "alone": True})
    more = json.loads((tmp_path / "config.json").read_text())
    more["recipe"]["steps"] = 8
    (tmp_path / "config.json").write_text(json.dumps(more))
    assert "cpu_seconds" not in work(tmp_path, {"evaluation": dict(cell.evaluation), "alone": True})


def test_training_time_is_that_of_the_log():
    log = [{"images": 100, "images_per_s": 50.0}, {"images": 400, "images_per_s": 100.0}]
    assert train_seconds(log) == 100 / 50 + 300 / 100


def test_a_line_that_a_crash_cut_off_is_removed(done):
    path = Path("x.jsonl")
    whole = (done / "tiny.jsonl").read_bytes()
    path.write_bytes(whole + whole[:100])
    repair(path)
    assert path.read_bytes() == whole
    assert len(read_results(path)) == 2


def test_a_damaged_line_hides_no_other_result_and_stays(done, process_is, capsys):
    """A suite that is begun again does the cell of that line alone."""
    shutil.copytree(done, "results")
    suite(TINY + CELL)
    path = Path("results/tiny.jsonl")
    first, second = path.read_bytes().splitlines(keepends=True)
    damaged = first.replace(b'"threads": ', b'"threads": -')
    path.write_bytes(damaged + second)
    process_is('echo "$4" >> asked')
    assert ganzoo("bench", "tiny.toml") == 1
    err = " ".join(capsys.readouterr().err.split())
    assert err.count(f"{path}, line 1 is left out: threads: expected a whole number >= 0") == 1
    assert "2 cells, 1 done" in err
    assert Path("asked").read_text().split() == [str(Path("results") / json.loads(first)["run"])]
    assert path.read_bytes().startswith(damaged + second)


@pytest.mark.parametrize(
    "left", [b"", b"{}", b"[]", b'{"hash": "x"}', b"\xff", b"[" * 100_000, b"NaN"], ids=len
)
def test_a_damaged_result_is_named_and_its_cell_done_again(left, process_is, capsys):
    (cell,) = planned(TINY + CELL.replace("seeds = 2", "seeds = 1"))
    folder = cell.folder(Path("results/tiny"))
    folder.mkdir(parents=True)
    (folder / RESULT).write_bytes(left)
    Path("good.json").write_text(outcome(cell.hash, modes=7.0))
    process_is(f'cp good.json "$4/{RESULT}"')
    assert ganzoo("bench", "tiny.toml") == 0
    assert " ".join(capsys.readouterr().err.split()).count(f"{folder / RESULT} is left out: ") == 1
    assert [row["scores"] for row in rows_of(Path("results"))] == [{"modes": 7.0}]


@pytest.mark.parametrize("name", [COST, "log.jsonl"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"alone": 1, "peak_mib": "x"}', b"\xff"], ids=len)
def test_a_damaged_record_of_costs_fails_its_cell_in_a_sentence(name, content, done, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(next(path for path in (done / "tiny").iterdir() if path.is_dir()), folder)
    (folder / name).write_bytes(content)
    with pytest.raises((UsageError, WorkError), match=f"{name}.*delete .*run, and --retry trains"):
        work(folder, {"evaluation": {"metrics": ["modes"], "samples": 300}, "alone": True})


def test_the_peak_of_memory_is_the_process_own():
    """A child does not begin with what its parent had."""
    ballast = bytearray(os.urandom(1)) * 200_000_000
    script = "from ganzoo.bench.machine import peak_mib; print(peak_mib())"
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(child.stdout) < 150 < len(ballast) / 2**20 < peak_mib()


def test_durations_and_cores():
    assert [duration(s) for s in (3.2, 99, 120, 3600, 36000)] == ["3 s", "99 s", "2 min", "60 min", "10.0 h"]
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_a_word_of_another_type_is_refused_by_python_too():
    with pytest.raises(UsageError, match="n-dis: expected a whole number"):
        read_suite(suite('model = "mlp-gan"\ndataset = "ring8"\nn-dis = "x"'))
