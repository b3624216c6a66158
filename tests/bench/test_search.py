"""`[search]` in a suite: which settings are tried, which are given up, and that stopping it loses nothing."""

from __future__ import annotations

import json
import math
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from ganzoo.bench import proposals, runner, starting, trials
from ganzoo.bench.proposals import Tried, falls_behind, propose
from ganzoo.bench.ranges import Range, Search, read_search, shown, with_values
from ganzoo.bench.results import read_results
from ganzoo.bench.suite import read_suite
from ganzoo.bench.trials import ASKED
from ganzoo.errors import UsageError
from ganzoo.system.lines import read_lines

TOP = """
model = "mlp-gan"
dataset = "ring8"
metric = ["js"]
samples = 300
steps = 20
batch-size = 16
set = { "model.d_width" = 8 }
"""
LR = "lr = { low = 1e-5, high = 1e-1, log = true }\n"
WIDTH = '"model.width" = [4, 8]\n'
RATE = Range(low=1e-5, high=1e-1, log=True)


def suite(
    ranges: str = LR + WIDTH, more: str = "trials = 6\nstartup = 3\nwarmup = 0\n", top: str = TOP
) -> Path:
    path = Path("s.toml")
    path.write_text(f"{top}[search]\n{more}[search.ranges]\n{ranges}")
    return path


# What may be said


def test_names_with_dots_need_no_quotes_and_whole_ends_make_whole_numbers():
    ranges = (
        "model.width = [4, 8]\nn-dis = { low = 1, high = 3 }\nstabilizer.r1.gamma = { low = 1, high = 2.0 }\n"
    )
    (asked,) = read_suite(suite(ranges + LR))
    known = asked.search.ranges
    assert list(known) == ["model.width", "n-dis", "stabilizer.r1.gamma", "lr"]
    assert known["model.width"].choices == (4, 8)
    assert (known["n-dis"].whole, known["stabilizer.r1.gamma"].whole, known["lr"].log) == (True, False, True)
    assert [str(known[name]) for name in ("n-dis", "lr")] == ["1 to 3 (whole)", "1e-05 to 0.1 (log)"]
    (asked,) = read_suite(suite("lr = { low = 1, high = 2 }\n"))
    assert not asked.search.ranges["lr"].whole  # a rate is a number, however its ends are written


def test_the_end_of_steps_is_one_of_them():
    known = read_search(
        {
            "trials": 1,
            "ranges": {
                "lr": {"low": 0.1, "high": 1, "step": 0.2},
                "a": {"low": 1, "high": 10, "step": 4},
                "b": {"low": 0.1, "high": 0.4, "step": 0.1},
            },
        },
        "",
    ).ranges
    assert [str(one) for one in known.values()] == [
        "0.1 to 0.9 (step 0.2)", "1 to 9 (whole, step 4)", "0.1 to 0.4 (step 0.1)",
    ]  # fmt: skip
    drawn = [propose(Search(known, 1), True, [], number) for number in range(1, 30)]
    assert {one["a"] for one in drawn} == {1, 5, 9}
    assert all(round(one["lr"] * 10) in (1, 3, 5, 7, 9) for one in drawn)


def test_settings_become_the_words_of_run():
    training = {"model": "mlp-gan", "set": {"a": 1}, "stabilizer": ["r1:gamma=2,every=4", "dragan"]}
    values = {"lr": 0.5, "model.width": 8, "stabilizer.r1.gamma": 0.1, "stabilizer.drift.weight": 3.0}
    words = with_values(training, values)
    assert words["stabilizer"] == ["r1:gamma=0.1,every=4", "dragan", "drift:weight=3.0"]
    assert (words["lr"], words["set"]) == (0.5, {"a": 1, "model.width": 8})
    assert training["set"] == {"a": 1}
    assert shown(values) == "lr=0.5, model.width=8, r1.gamma=0.1, drift.weight=3"


@pytest.mark.parametrize(
    ("ranges", "more", "says"),
    [
        (LR, "trails = 3\n", "search has no 'trails'; did you mean trials"),
        (LR, "", "search does not say its trials"),
        (LR, "trials = 0\n", "search.trials: expected a whole number from 1 to 10,000, got 0"),
        (LR, "trials = 1.5\n", "search.trials: expected a whole number"),
        (LR, "trials = true\n", "search.trials: expected a whole number"),
        (LR, "trials = 10_001\n", "search.trials: expected a whole number"),
        (LR, 'trials = 3\npruner = "mean"\n', "search.pruner: expected median or none, got 'mean'"),
        (LR, "trials = 3\npruner = []\n", "search.pruner: expected median or none"),
        (LR, "trials = 3\nstartup = -1\n", "search.startup: expected a whole number"),
        (LR, "trials = 3\nseed = -1\n", "search.seed: expected a whole number"),
        ("", "trials = 3\n", "search.ranges: expected a table such as lr = {low"),
        ("lr = 3\n", "trials = 3\n", "lr: expected a list of choices or {low = ..., high = ...}, got 3"),
        ("lr = {}\n", "trials = 3\n", "ranges: lr does not say its low"),
        ("lr = { lo = 1, high = 2 }\n", "trials = 3\n", "ranges: lr has no 'lo'; did you mean low"),
        ("lr = { low = 1 }\n", "trials = 3\n", "ranges: lr does not say its high"),
        ("lr = { low = 2, high = 1 }\n", "trials = 3\n", "lr: expected low below high, got 2 and 1"),
        ("lr = { low = 'a', high = 1 }\n", "trials = 3\n", "of at most 2,147,483,648, got 'a'"),
        ("lr = { low = nan, high = 1 }\n", "trials = 3\n", "lr.low: expected a number of at most"),
        ("lr = { low = 0, high = inf }\n", "trials = 3\n", "got inf"),
        ("n-dis = { low = 1.5, high = 2 }\n", "trials = 3\n", "n-dis.low: expected a whole number of"),
        ("lr = { low = 0, high = 1, log = true }\n", "trials = 3\n", "logarithm needs a low above 0, got 0"),
        ("lr = { low = 1, high = 2, log = 'yes' }\n", "trials = 3\n", "lr.log: expected true or false"),
        ("lr = { low = 1, high = 2, step = 0 }\n", "trials = 3\n", "lr.step: expected 1e-05 to 1"),
        ("lr = { low = 1, high = 2, step = 1, log = true }\n", "trials = 3\n", "expected none with log"),
        ("loss = { low = 1, high = 2 }\n", "trials = 3\n", "loss is no number: expected a list of choices"),
        ("lr = [1e-3]\n", "trials = 3\n", "lr: expected two different choices or more"),
        ("lr = [1e-3, 'x']\n", "trials = 3\n", "lr: expected a number to choose from, got 'x'"),
        ("loss = ['hinge', 'hinje']\n", "trials = 3\n", "no loss 'hinje': did you mean hinge"),
        ("steps = [1, 2]\n", "trials = 3\n", "ranges: steps is the same in all trials"),
        ("samples = [1, 2]\n", "trials = 3\n", "ranges: samples is the same in all trials"),
        ("stabilizer.r1 = [1, 2]\n", "trials = 3\n", "expected stabilizer.NAME.OPTION"),
        ("stabilizer.r1.gama = [1, 2]\n", "trials = 3\n", "gama"),
        ("stabilizer.r7.gamma = [1, 2]\n", "trials = 3\n", "no stabilizer 'r7'"),
        ("model.wdth = [1, 2]\n", "trials = 3\n", "--set model.wdth: no such option; did you mean"),
        ("model.width = [4, -8]\n", "trials = 3\n", "-8"),
        ("batch-size = [8, 16]\n", "trials = 3\n", "batch-size is both set and searched: remove one of them"),
        ("model.d_width = [8, 16]\n", "trials = 3\n", "model.d_width is both set and searched"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_refused_before_anything_runs(ranges, more, says, ganzoo):
    suite(ranges, more)
    result = ganzoo("bench s.toml")
    assert result.code == 2
    assert says in result.sentence
    assert result.sentence.startswith("ganzoo: s.toml")
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("metric = ['js']", ""), "a search needs a metric"),
        (("steps = 20", "eval-metric = ['kl']"), "eval-metric: expected js as the first"),
        (("steps = 20", "seeds = 5000"), "30,000 cells or more"),
    ],
)
def test_a_suite_that_does_not_fit_a_search(change, says, ganzoo):
    suite(top=TOP.replace('"', "'").replace(*change))
    result = ganzoo("bench s.toml")
    assert result.code == 2
    assert says in result.sentence


def test_two_searches_that_are_the_same(ganzoo):
    text = suite().read_text()
    Path("s.toml").write_text(text + '[[cells]]\nn-dis = 2\n[[cells]]\nn-dis = 2\nlabel = "another"\n')
    result = ganzoo("bench s.toml")
    assert result.code == 2
    assert "s.toml, cell 2 (mlp-gan on ring8) searches the same as s.toml, cell 1" in result.sentence


def test_no_table():
    with pytest.raises(UsageError, match="expected a table"):
        read_search([1], "s.toml")


def test_without_optuna_a_sentence_says_what_to_install(ganzoo, monkeypatch):
    suite()
    monkeypatch.setattr(proposals, "find_spec", lambda name: None)
    result = ganzoo("bench s.toml")
    assert result.code == 2
    assert result.sentence.endswith('is not installed: pip install "ganzoo-torch[search]"')


# What is tried


@pytest.mark.parametrize(
    ("one", "drawn", "settled"),
    [
        (RATE, 0.000123456, 0.0001235),
        (Range(low=0.99990, high=0.99999), 0.999912345678, 0.99991235),
        (Range(low=1, high=9, whole=True), 7, 7),
        (Range(low=0.123456, high=2.0), 0.1234561, 0.123456),  # no nearer to the end than the end
        (Range(choices=("a", "b")), "a", "a"),
    ],
)
def test_a_number_that_is_tried_has_no_more_digits_than_make_a_difference(one, drawn, settled):
    assert one.settled(drawn) == settled
    assert one.holds(one.settled(drawn))


def test_what_a_range_holds():
    assert not Range(choices=(1, 2)).holds(True)
    assert not Range(choices=(1, 2)).holds(1.0)
    assert not Range(low=0, high=2, whole=True).holds(1.5)
    assert not RATE.holds(1.0)
    assert not RATE.holds("1e-3")


def searched(search: Search, higher: bool, objective) -> list[Tried]:
    """Trials of a function, one after the other."""
    tried: list[Tried] = []
    for number in range(1, search.trials + 1):
        asked = propose(search, higher, tried, number)
        tried.append(Tried(asked, {}, objective(**asked), ended=True))
    return tried


@pytest.mark.parametrize("higher", [False, True])
def test_it_comes_near_the_best(higher):
    """Rates near 0.001 and the choice b: more of them among the last trials than among those at random."""
    search = Search({"lr": RATE, "how": Range(choices=("a", "b", "c"))}, trials=40)
    sign = -1 if higher else 1

    def objective(lr, how):
        return sign * (abs(math.log10(lr) + 3) + (how != "b"))

    tried = searched(search, higher, objective)
    good = [sign * one.value < 0.7 for one in tried]
    assert sum(good[-20:]) > 2 * max(sum(good[:10]), 1)


def test_what_is_proposed_follows_from_what_is_known():
    search = Search({"lr": RATE}, trials=20)
    tried = searched(search, False, lambda lr: lr)
    assert tried == searched(search, False, lambda lr: lr)
    assert len({one.asked["lr"] for one in tried}) > 15
    other = Search({"lr": RATE}, trials=20, seed=1)
    assert propose(search, False, [], 1) != propose(other, False, [], 1)
    assert propose(search, False, tried, 21) != propose(search, False, tried, 21, again=1)


def test_trials_that_failed_are_bad():
    """Rates above 0.001 fail: fewer and fewer are proposed."""
    search = Search({"lr": RATE}, trials=40)
    tried = searched(search, False, lambda lr: None if lr > 1e-3 else 1.0)
    failed = [one.value is None for one in tried]
    assert sum(failed[-15:]) < sum(failed[:15])


def test_behind_the_median_of_those_done_at_the_same_step():
    search = Search({"lr": RATE}, trials=9, startup=3)
    done = [Tried({"lr": 1e-3}, {10: float(v), 20: 0.0}, 0.0, ended=True) for v in (1, 2, 3)]
    below, above = (Tried({"lr": 1e-2}, {10: v}) for v in (1.5, 2.5))
    assert not falls_behind(search, False, done, below)
    assert falls_behind(search, False, done, above)
    assert falls_behind(search, True, done, below)
    assert not falls_behind(search, False, done[:2], above)  # too few to judge by
    assert not falls_behind(Search(search.ranges, 9, "none", 3), False, done, above)
    good_before = Tried({"lr": 1e-2}, {10: -1.0, 20: 5.0})
    assert not falls_behind(search, False, done, good_before)


# Trials as cells: the process of a cell is a small script that takes no time

WORK = """
import json, math, pathlib, sys, time
folder, task = pathlib.Path(sys.argv[4]), json.loads(sys.argv[5])
config = json.loads((folder / "config.json").read_text())
with open("began", "a") as file:
    file.write(folder.name + "\\n")
rate = config["recipe"]["optimizer_g"]["lr"]
score = abs(math.log10(rate) + 3) + 0.01 * config["seed"]
protocol = {"metrics": {}, "checkpoint": "during training"}
row = {"step": 10, "scores": {"js": score}, "real": {}, "protocol": protocol}
(folder / "metrics.jsonl").write_text(json.dumps(row) + "\\n" + '{"step": 12, "sco')
if pathlib.Path("slow").exists() and score > 1.0:
    time.sleep(60)
protocol = {"metrics": {"js": {}}, "reference": "train", "n_fake": 9, "n_real": 9, "n_held_out": 9}
result = {"hash": task["hash"], "status": "done", "scores": {"js": score}, "real": {}, "protocol": protocol,
          "columns": {"js": {"metric": "js", "higher_is_better": False}}, "steps": 20, "images": 1,
          "train_seconds": 1.0, "images_per_s": 1.0, "alone": True, "peak_mib": 1.0,
          "parameters": {"g": 1, "d": 1}, "threads": 1, "processor": "", "versions": {}, "commit": None}
if pathlib.Path("failing").exists() and rate > 1e-3:
    result = {"hash": task["hash"], "status": "failed", "error": "the numbers are gone"}
(folder / "result.json").write_text(json.dumps(result))
"""


@pytest.fixture
def quick(tmp_path, monkeypatch):
    path = tmp_path / "work"
    path.write_text(f"#!{sys.executable} -S\n{WORK}")
    path.chmod(0o755)
    monkeypatch.setattr(starting.sys, "executable", str(path))
    monkeypatch.setattr(starting, "FORKS", False)
    monkeypatch.setattr(runner, "TICK", 0.01)


def rows(name: str = "results") -> list[dict]:
    return read_lines(Path(name) / "s.jsonl")


def told(row: dict) -> tuple:
    """What two searches must have in common."""
    return (row["hash"], row["status"], row["options"], row["trial"], row.get("scores"), row.get("error"))


@pytest.mark.usefixtures("quick")
def test_each_trial_is_a_row_and_the_best_is_named_with_its_command(ganzoo):
    suite(more="trials = 6\nstartup = 3\n", top=TOP + "seeds = 2\n")
    result = ganzoo("bench s.toml")
    assert result.code == 0, result.err
    found = rows()
    numbers = sorted({row["trial"]["number"] for row in found})
    assert numbers == [1, 2, 3, 4, 5, 6]
    done = [row for row in found if row["status"] == "done"]
    means = {
        row["group"]: sum(one["scores"]["js"] for one in done if one["group"] == row["group"]) / 2
        for row in done
    }
    best = min(done, key=lambda row: (means[row["group"]], row["seed"]))
    assert f"js {means[best['group']]:.4g}, the mean of 2 seeds: {best['options']}" in result.out
    assert best["commands"]["run"] in result.out
    assert shlex.split(best["commands"]["run"])[:2] == ["ganzoo", "run"]
    assert f"--lr {best['trial']['asked']['lr']}" in best["commands"]["run"]
    table = ganzoo("table results --format json")
    shown_rows = json.loads(table.out)
    assert best["options"] in str(shown_rows)
    listed = ganzoo("bench s.toml --dry-run").out
    assert "1e-05 to 0.1 (log)" in listed
    assert "js is improved: lower is better" in listed
    assert "at most 12 cells, 240 steps in total, 0 cells of them left" in listed


@pytest.mark.usefixtures("quick")
def test_what_is_done_is_not_done_again_and_a_larger_budget_adds(ganzoo):
    suite()
    ganzoo("bench s.toml")
    before, began = rows(), Path("began").read_text()
    assert ganzoo("bench s.toml").code == 0
    assert (rows(), Path("began").read_text()) == (before, began)
    suite(more="trials = 8\nstartup = 3\nwarmup = 0\n")
    assert ganzoo("bench s.toml").code == 0
    assert [row["trial"]["number"] for row in rows()] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert rows()[:6] == before


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kept", [0, 2, 5])
def test_killed_after_any_trial_it_goes_on_as_if_it_had_not_been(kept, ganzoo):
    suite()
    ganzoo("bench s.toml")
    whole = rows()
    assert {row["status"] for row in whole} == {"done", "stopped"}  # which is what was to be tried here
    lines = Path("results/s.jsonl").read_bytes().splitlines(keepends=True)
    shutil.rmtree("results")
    Path("results").mkdir()
    Path("results/s.jsonl").write_bytes(b"".join(lines[:kept]) + lines[kept][:50])
    assert ganzoo("bench s.toml").code == 0
    assert list(map(told, rows())) == list(map(told, whole))


@pytest.mark.usefixtures("quick")
def test_a_trial_that_falls_behind_is_stopped_while_it_runs(ganzoo):
    Path("slow").touch()  # who is bad would take a minute
    suite(
        more="trials = 7\nstartup = 1\nwarmup = 0\n",
        ranges="lr = [1e-3, 1.1e-3, 1e-5, 2e-5, 0.5, 0.9e-3, 0.1]\n",
    )
    Path("s.toml").write_text(Path("s.toml").read_text().replace("trials = 7", "trials = 7\nseed = 3"))
    result = ganzoo("bench s.toml")
    assert result.code == 0, result.err
    stopped = [row for row in rows() if row["status"] == "stopped"]
    assert stopped
    for row in stopped:
        assert row["error"].startswith("at step 10 of 20 its best js was ")
        assert row["trial"]["reported"].keys() == {"10"}
    assert "1 stopped" in ganzoo("table results").out


@pytest.mark.usefixtures("quick")
def test_before_the_warmup_and_without_a_pruner_nothing_is_stopped(ganzoo):
    for more in ("warmup = 11\n", 'pruner = "none"\n'):
        suite(more=f"trials = 6\nstartup = 1\n{more}")
        assert ganzoo("bench s.toml --out", more[:5]).code == 0
        assert {row["status"] for row in rows(more[:5])} == {"done"}
    assert "eval-metric" not in rows(more[:5])[0]["commands"]["run"]


@pytest.mark.usefixtures("quick")
def test_a_trial_under_way_goes_on_with_its_settings(ganzoo):
    """Two at a time: another trial that is done by now would change what is drawn."""
    suite(more='trials = 3\nstartup = 1\npruner = "none"\n')
    ganzoo("bench s.toml")
    last = rows()[-1]
    for path in Path("results/s").glob(f"*/{ASKED}"):
        trial = json.loads(path.read_text())
        if trial["number"] == 3:
            trial["asked"]["lr"] = 0.0123
            path.write_text(json.dumps(trial))
    lines = Path("results/s.jsonl").read_bytes().splitlines(keepends=True)
    Path("results/s.jsonl").write_bytes(b"".join(lines[:-1]))
    assert ganzoo("bench s.toml --jobs 2").code == 0
    assert rows()[-1]["trial"]["number"] == 3
    assert rows()[-1]["trial"]["asked"] == {**last["trial"]["asked"], "lr": 0.0123}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"search": 1}'])
def test_a_damaged_record_of_a_trial_is_left_out(content, ganzoo):
    suite(more="trials = 2\n")
    ganzoo("bench s.toml")
    for path in Path("results/s").glob(f"*/{ASKED}"):
        path.write_bytes(content)
    before = rows()
    assert ganzoo("bench s.toml").code == 0
    assert rows() == before


@pytest.mark.usefixtures("quick")
def test_settings_outside_of_their_ranges_are_of_no_trial(ganzoo):
    suite(more="trials = 2\n")
    ganzoo("bench s.toml")
    edited = Path("results/s.jsonl").read_text().replace('"model.width": ', '"model.width": 1')
    Path("results/s.jsonl").write_text(edited)
    for path in Path("results/s").glob(f"*/{ASKED}"):
        path.unlink()
    assert ganzoo("bench s.toml").code == 0
    assert len(rows()) == 4


@pytest.mark.usefixtures("quick")
def test_failed_trials_are_told_and_made_again_when_asked(ganzoo):
    Path("failing").touch()
    suite(more='trials = 5\npruner = "none"\n')
    result = ganzoo("bench s.toml")
    assert result.code == 0
    failed = [row for row in rows() if row["status"] == "failed"]
    assert failed
    assert f"{len(failed)} cells failed, the first of them {failed[0]['options']}: the numbers" in result.err
    Path("failing").unlink()
    assert ganzoo("bench s.toml --retry").code == 0
    latest = read_results(Path("results/s.jsonl"))
    assert [latest[row["hash"]]["status"] for row in failed] == ["done"] * len(failed)
    assert len(latest) == 5


@pytest.mark.usefixtures("quick")
def test_a_search_in_which_everything_fails_has_failed(ganzoo):
    Path("failing").touch()
    suite("lr = { low = 0.1, high = 0.5 }\n", "trials = 2\n")
    result = ganzoo("bench s.toml")
    assert result.code == 1
    assert result.sentence == "ganzoo: no trial of mlp-gan on ring8 was done, of 2"


@pytest.mark.usefixtures("quick")
def test_no_settings_are_tried_twice_and_few_of_them_end_it(ganzoo, monkeypatch):
    monkeypatch.setattr(trials, "ATTEMPTS", 20)
    suite("loss = ['hinge', 'least-squares', 'minimax']\n", 'trials = 9\npruner = "none"\n')
    result = ganzoo("bench s.toml")
    assert result.code == 0
    assert "3 trials, as no other settings were found" in result.err
    assert sorted(row["options"] for row in rows()) == ["loss=hinge", "loss=least-squares", "loss=minimax"]


@pytest.mark.usefixtures("quick")
def test_each_combination_of_a_suite_has_its_own_search(ganzoo):
    more = "trials = 2\n"
    suite(more=more, top=TOP.replace('"ring8"', '["ring8", "grid25"]'))
    result = ganzoo("bench s.toml")
    assert result.code == 0
    assert [(row["dataset"], row["trial"]["number"]) for row in rows()] == [
        ("ring8", 1), ("grid25", 1), ("ring8", 2), ("grid25", 2),
    ]  # fmt: skip
    assert result.out.count("best:") == 2
    assert len({row["trial"]["search"] for row in rows()}) == 2


@pytest.mark.slow
def test_a_search_trains_and_measures(ganzoo):
    """With the real processes: two trials, and the command of the best makes its run."""
    suite(more="trials = 2\nstartup = 1\n")
    result = ganzoo("bench s.toml")
    assert result.code == 0, result.err
    assert len(rows()) == 2
    command = shlex.split(next(line for line in result.out.splitlines() if "ganzoo run" in line))
    assert ganzoo(shlex.join(command[1:])).code == 0
    (run,) = Path("runs").iterdir()
    best = min((row for row in rows() if row["status"] == "done"), key=lambda row: row["scores"]["js"])
    weights = [folder / "generator.safetensors" for folder in (run, Path("results") / best["run"])]
    assert weights[0].read_bytes() == weights[1].read_bytes()
