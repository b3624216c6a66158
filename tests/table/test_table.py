"""`ganzoo table`: means and spreads, the best and whether it is, and what may not stand in one column."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind

from ganzoo.cli.main import main
from ganzoo.system.console import Terminal
from ganzoo.table.layout import blocks_of, quantity, readable, spread
from ganzoo.table.read import columns_of, group_rows, read_rows
from ganzoo.table.render import print_rich
from ganzoo.table.statistics import Score, summarise, welch

COLUMNS = {
    "fid@cnn": {"metric": "fid", "higher_is_better": False},
    "is@cnn": {"metric": "is", "higher_is_better": True},
    "hq": {"metric": "modes", "higher_is_better": None},
}
REAL = {"fid@cnn": 0.1, "is@cnn": 9.0, "hq": 0.99}


def row(model="dcgan", seed=0, scores=None, **more) -> dict:
    options, dataset = more.get("options", "default"), more.get("dataset", "mnist-5k")
    group = f"{model}/{options}/{dataset}/{more.get('steps', 100)}"
    protocol = {
        "dataset": dataset,
        "reference": "train",
        "n_fake": 500,
        "n_real": 4000,
        "n_held_out": 500,
        "extractor": {"name": "cnn", "weights": "abc"},
        "metrics": {"fid": {"dimensions": 64}, "is": {"splits": 10}, "modes": {"radius": 3.0}},
        "checkpoint": "last",
    }
    scores = scores or {"fid@cnn": 5.0 + seed}
    return {
        "hash": f"{group}/{seed}",
        "group": group,
        "suite": "mine",
        "model": model,
        "dataset": dataset,
        "options": options,
        "seed": seed,
        "status": "done",
        "scores": {**scores, "is_std@cnn": 0.5},
        "real": {key: REAL[key] for key in scores},
        "columns": {key: COLUMNS[key] for key in scores},
        "protocol": {**protocol, **more.pop("protocol", {})},
        "steps": 100,
        "images": 6400,
        "train_seconds": 10.0 + seed,
        "images_per_s": 640.0,
        "peak_mib": 700.0,
        "parameters": {"g": 1_234_567, "d": 36_577},
        "alone": True,
        "threads": 1,
        "versions": {"ganzoo": "0.1.0", "torch": "2.9"},
        "commit": "abc",
        "processor": "some CPU",
        "commands": {"run": f"ganzoo run {model} --seed {seed}", "eval": "ganzoo eval --metric fid"},
        **more,
    }


def failed(model="dcgan", seed=0, **more) -> dict:
    kept = ("hash", "group", "suite", "model", "dataset", "options", "seed", "steps", "commands")
    whole = row(model, seed, **more)
    return {**{key: whole[key] for key in kept}, "status": "failed", "error": "it | broke"}


def write(*rows: dict, path: str = "results/mine.jsonl") -> Path:
    file = Path(path)
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return file


def table(capsys, *words: str, status: int = 0) -> str:
    with pytest.raises(SystemExit) as done:
        main(["table", *words])
    output = capsys.readouterr()
    assert (done.value.code or 0) == status, output.err
    return output.err if status else output.out


def rows_of(capsys, *words: str) -> dict[str, dict]:
    """The rows of the JSON table by model and options."""
    made = json.loads(table(capsys, "results", "--format", "json", *words))
    return {f"{one['model']} {one['options']}": one for one in made}


def seeds(model: str, values, score: str = "fid@cnn", **more) -> list[dict]:
    return [row(model, seed, {score: float(value)}, **more) for seed, value in enumerate(values)]


# Statistics


def test_mean_and_standard_deviation_are_numpys():
    values = np.random.default_rng(0).normal(size=7)
    score = summarise(list(values))
    assert score.mean == pytest.approx(values.mean(), rel=1e-12)
    assert score.std == pytest.approx(values.std(ddof=1), rel=1e-12)
    assert summarise([3.0]) == Score(3.0, None, 1)


def test_welch_is_scipys():
    rng = np.random.default_rng(1)
    for n, m, shift, scale in ((2, 3, 0.0, 1.0), (10, 10, 0.5, 3.0), (5, 9, 4.0, 0.1)):
        a, b = rng.normal(size=n), rng.normal(shift, scale, size=m)
        expected = ttest_ind(a, b, equal_var=False).pvalue
        assert welch(list(a), list(b)) == pytest.approx(expected, rel=1e-9)
    with pytest.warns(RuntimeWarning):  # scipy's, of one side without a spread
        one_constant = ttest_ind([1.0, 1.0, 1.0], [2.0, 3.0, 5.0], equal_var=False).pvalue
    assert welch([1.0, 1.0, 1.0], [2.0, 3.0, 5.0]) == pytest.approx(one_constant)
    assert welch([1.0], [2.0, 3.0]) is None
    assert welch([8.0, 8.0], [7.0, 7.0]) is None  # no spread: the test does not exist


@pytest.mark.parametrize(
    ("score", "better", "worse"),
    [
        ("fid@cnn", [1.0, 1.1, 0.9], [5.0, 5.2, 5.1]),
        ("is@cnn", [8.0, 8.1, 8.3], [2.0, 2.1, 2.2]),
        ("hq", [0.98, 0.985, 0.984], [0.5, 0.52, 0.51]),
        ("hq", [0.95, 0.951, 0.953], [1.04, 1.041, 1.043]),  # too many is too narrow
        ("hq", [0.90, 0.91, 0.92], [0.49, 1.49, 0.98]),  # right on average, and nowhere near it
    ],
)
def test_the_best_follows_the_direction_of_the_metric(score, better, worse, capsys):
    write(*seeds("worse", worse, score), *seeds("better", better, score))
    made = {name: one["scores"][score] for name, one in rows_of(capsys).items()}
    assert (made["better default"]["best"], made["worse default"]["best"]) == (True, False)
    assert made["better default"]["real"] == REAL[score]
    if score != "hq":
        assert made["better default"]["note"] == ""


def test_the_best_says_when_it_is_none(capsys):
    a, b, c = [1.0, 2.0, 3.0], [1.5, 2.5, 3.5], [2.0, 2.9, 3.6]
    far = [50.0, 51.0, 52.0]
    write(*seeds("a", a), *seeds("b", b), *seeds("c", c), *seeds("far", far))
    p = ttest_ind(a, b, equal_var=False).pvalue
    note = f"not significantly better than b (p = {p:.2f}) and 1 more"
    assert rows_of(capsys)["a default"]["scores"]["fid@cnn"]["note"] == note
    shown = table(capsys, "results")
    assert "2.0 ± 1.0 [1]" in shown
    assert f"[1] fid@cnn: {note}" in " ".join(shown.split())
    page = table(capsys, "results", "--format", "md")
    assert "**2.0 ± 1.0** (1)" in page
    assert f"(1) fid@cnn: {note}" in page


def test_one_seed_and_no_spread_claim_nothing(capsys):
    write(row("a", 0, {"fid@cnn": 1.0}), row("b", 0, {"fid@cnn": 2.0}))
    made = rows_of(capsys)["a default"]["scores"]["fid@cnn"]
    assert (made["std"], made["n"], made["best"], made["note"]) == (None, 1, True, "")
    assert "a row of one seed says nothing of other seeds" in table(capsys, "results")


def test_equal_means_are_best_together(capsys):
    write(
        *seeds("a", [8, 8, 8], "is@cnn"), *seeds("b", [8, 8, 8], "is@cnn"), *seeds("c", [7, 8, 8], "is@cnn")
    )
    made = {name: one["scores"]["is@cnn"] for name, one in rows_of(capsys).items()}
    assert [made[f"{name} default"]["best"] for name in "abc"] == [True, True, False]
    assert made["a default"]["note"] == made["b default"]["note"]
    assert "not significantly better than c (p = 0.42)" in made["a default"]["note"]
    assert not any(
        one["scores"]["is@cnn"]["best"] for one in rows_of(capsys, "--where", "seed=1").values()
    )  # there all three are 8


def test_the_best_of_one_dataset_is_not_that_of_another(capsys):
    write(*seeds("a", [1, 2]), *seeds("b", [3, 4]), *seeds("b", [30, 40], dataset="mnist"))
    made = json.loads(table(capsys, "results", "--format", "json"))
    assert [one["dataset"] for one in made] == ["mnist-5k", "mnist-5k", "mnist"]
    assert [one["scores"]["fid@cnn"]["best"] for one in made] == [True, False, False]
    assert [
        one["dataset"]
        for one in json.loads(table(capsys, "results", "--format", "json", "--dataset", "mnist"))
    ] == ["mnist"]


# Protocols


def test_two_protocols_do_not_share_a_column(capsys):
    more = {"protocol": {"n_fake": 2000}}
    write(*seeds("a", [1, 2]), *seeds("b", [3, 4], **more), *seeds("a", [1, 2], "hq", dataset="ring8"))
    said = table(capsys, "results", status=2)
    assert "fid@cnn on mnist-5k was measured by two protocols (n_fake: 500 vs 2000; a vs b)" in said
    assert "--metric" in said
    assert "--where n_fake=2000" in said
    assert set(rows_of(capsys, "--where", "n_fake=2000")) == {"b default"}
    assert rows_of(capsys, "--metric", "modes").keys() == {"a default"}


@pytest.mark.parametrize(
    ("score", "protocol", "mixes"),
    [
        ("fid@cnn", {"metrics": {"fid": {"dimensions": 32}}}, "metrics.fid.dimensions: 64 vs 32"),
        ("fid@cnn", {"extractor": {"name": "cnn", "weights": "xyz"}}, "extractor.weights: abc vs xyz"),
        ("fid@cnn", {"checkpoint": "best"}, "checkpoint: last vs best"),
        ("fid@cnn", {"metrics": {"fid": {"dimensions": 64}, "is": {"splits": 1}}}, None),
        ("fid@cnn", {"n_held_out": 8}, None),  # of the real data's own score alone
        ("hq", {"extractor": None}, None),  # hq looks through no extractor
    ],
)
def test_a_protocol_is_what_the_score_depends_on(score, protocol, mixes, capsys):
    write(*seeds("a", [1, 2], score), *seeds("b", [3, 4], score, protocol=protocol))
    if mixes is None:
        assert len(rows_of(capsys)) == 2
    else:
        assert mixes in table(capsys, "results", status=2)


# What is shown


def test_failed_cells_are_counted_and_said(capsys):
    write(*seeds("a", [1, 2]), failed("a", 2), failed("b", 0))
    shown = table(capsys, "results")
    assert "2/3, 1 failed" in shown
    assert "0/1, 1 failed" in shown
    assert "failed: a on mnist-5k, seed 2: it | broke" in shown
    assert "it \\| broke" in table(capsys, "results", "--format", "md")
    made = rows_of(capsys)
    assert (made["a default"]["seeds"], made["a default"]["failed"]) == (2, 1)
    assert (made["b default"]["scores"], made["b default"]["train_seconds"]) == ({}, None)


def test_what_went_wrong_stands_beside_the_scores(capsys):
    collapsed = {"seen": [{"name": "collapse", "since": 300, "short": "collapsed"}]}
    write(*seeds("a", [1, 2]), row("a", 2, **collapsed), row("b", 0, **collapsed), row("c", 0, seen=[]))
    made = rows_of(capsys)
    assert [one["seen"] for one in made.values()] == [{"collapsed": 1}, {"collapsed": 1}, {}]
    page = table(capsys, "results", "--format", "md")
    cells = [[cell.strip() for cell in line.split("|")] for line in page.splitlines() if line.startswith("|")]
    assert [line[4] for line in cells] == ["seen", "---:", "collapsed (1 of 3)", "collapsed", "", ""]
    assert len({len(line) for line in cells}) == 1
    lines = list(csv.DictReader(io.StringIO(table(capsys, "results", "--format", "csv"))))
    assert [line["seen"] for line in lines] == ["collapsed 1", "collapsed 1", ""]
    assert "collapsed (1 of 3)" in table(capsys, "results")


def test_no_column_where_nothing_went_wrong(capsys):
    write(*seeds("a", [1, 2]), row("b", 0, seen=[]))
    assert "seen" not in table(capsys, "results", "--format", "md")


def test_a_cell_that_was_tried_again_counts_once(capsys):
    write(failed("a", 0), *seeds("a", [1, 2]))
    write(row("a", 1, {"fid@cnn": 9.0}), path="results/other.jsonl")
    one = rows_of(capsys)["a default"]
    assert (one["seeds"], one["failed"], one["scores"]["fid@cnn"]["mean"]) == (2, 0, 5.0)


def test_costs_are_of_cells_that_ran_alone(capsys):
    write(row("a", 0), row("a", 1, alone=False), row("b", 0, alone=False))
    made = rows_of(capsys)
    assert (made["a default"]["train_seconds"], made["a default"]["steps"]) == (10.0, 100)
    assert [made["b default"][key] for key in ("train_seconds", "images_per_s", "peak_mib")] == [None] * 3
    assert made["b default"]["parameters_g"] == 1_234_567
    assert "--shared-cost shows them" in " ".join(table(capsys, "results").split())
    assert rows_of(capsys, "--shared-cost")["a default"]["train_seconds"] == 10.5
    shown = table(capsys, "results", "--shared-cost")
    assert "10.5*" in shown
    assert "*: measured while other cells ran beside" in shown


def test_rows_of_the_same_name_are_told_apart(capsys):
    first, second = row("a", 0), row("a", 0, options="default")
    second["group"], second["hash"] = "0123456789", "other"
    write(first, second, row("a", 0, steps=200))
    names = [one["options"] for one in json.loads(table(capsys, "results", "--format", "json"))]
    assert names == ["default #a/defa", "default #012345", "default"]


def test_rows_of_other_budgets_keep_their_own_scores(capsys):
    """Model and options alike: steps tell them apart, in scores, costs and notes."""
    short = seeds("dcgan", [3.0, 5.0])
    long = seeds("dcgan", [3.5, 4.0], steps=900, train_seconds=70.0)
    write(*short, *long)
    made = json.loads(table(capsys, "results", "--format", "json"))
    found = [(one["steps"], one["scores"]["fid@cnn"]["mean"], one["train_seconds"]) for one in made]
    assert found == [(100, 4.0, 10.5), (900, 3.75, 70.0)]
    assert [one["options"] for one in made] == ["default", "default"]
    out = table(capsys, "results", "--format", "md")
    assert "not significantly better than dcgan, 100 steps (p = " in out
    assert "# dcgan, 900 steps on mnist-5k" in out


def test_all_formats_say_the_same(capsys):
    write(*seeds("a", [1.25, 2.5, 4.0]), *seeds("b", [3, 4, 6.5], options="loss=hinge"))
    made = rows_of(capsys)
    lines = list(csv.DictReader(io.StringIO(table(capsys, "results", "--format", "csv"))))
    for line in lines:
        one = made[f"{line['model']} {line['options']}"]
        assert float(line["fid@cnn mean"]) == one["scores"]["fid@cnn"]["mean"]
        assert float(line["fid@cnn std"]) == one["scores"]["fid@cnn"]["std"]
        assert (line["fid@cnn real"], line["seeds"], line["steps"]) == ("0.1", "3", "100")
        assert line["run"] == one["commands"]["run"]
    page = table(capsys, "results", "--format", "md")
    cells = [line.split("|") for line in page.splitlines() if line.startswith("|")]
    assert len({len(line) for line in cells}) == 1
    assert [cell.strip() for cell in cells[3]][1:5] == ["b", "loss=hinge", "4.5 ± 1.8", "3"]
    assert [cell.strip() for cell in cells[4]][1:4] == ["(real data)", "", "0.1"]
    assert "# b loss=hinge on mnist-5k; and with --seed 1, 2\nganzoo run b --seed 0\nganzoo eval" in page
    assert "is_std" not in page
    assert "2.6 ± 1.4" in table(capsys, "results")


@pytest.mark.parametrize("width", [60, 80, 130])
def test_a_narrow_screen_gets_the_columns_in_parts_and_loses_none(width):
    scores = {"fid@cnn": 1.0, "is@cnn": 2.0, "hq": 0.5}
    write(*(row(m, s, scores, options="stabilizer=a,b,c,d,e,f,g,h,i,j") for m in ("a", "b") for s in (0, 1)))
    groups = group_rows(read_rows([Path("results")]))
    text = io.StringIO()
    print_rich(blocks_of(groups, columns_of(groups, []), False), Terminal(file=text, width=width))
    shown = text.getvalue()
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= width
    for word in (
        "fid",
        "is",
        "hq",
        "as real",
        "seeds",
        "steps",
        "seconds",
        "images/s",
        "MiB",
        "1.23M",
        "36.6k",
    ):
        assert len(re.findall(rf"(?<!\S){re.escape(word)}(?!\S)", shown.partition("± is")[0])) >= 1
    assert "…" not in shown


def test_numbers():
    assert spread(Score(24.81, 0.4217, 10)) == "24.81 ± 0.42"
    assert spread(Score(1234.5, 56.7, 3)) == "1234 ± 57"
    assert spread(Score(8.0, 0.0, 10)) == "8 ± 0"
    assert spread(Score(0.5, 1e-9, 3)) == "0.5 ± 1.0e-09"
    assert [quantity(x) for x in (1.454, 57.21, 640.4, 6400, 25_600, 2_048_000)] == [
        "1.45", "57.2", "640", "6400", "25.6k", "2.05M",
    ]  # fmt: skip
    assert [quantity(x) for x in (33_697, 999_999, 2.6e9, 4e13, 1e16)] == [
        "33.7k",
        "1M",
        "2.6G",
        "40T",
        "1.0e+16",
    ]
    assert [readable(x) for x in (2.6e8, -2.6e8, 1_234_567, 999_999, 12.3456, float("inf"))] == [
        "260M", "-260M", "1.235M", "999999", "12.35", "inf",
    ]  # fmt: skip
    assert spread(Score(2.6e8, 1.2e6, 3)) == "260.0 ± 1.2M"
    assert spread(Score(3.0, 2.6e9, 3)) == "0.0 ± 2.6G"
    assert spread(Score(2.6e8, None, 1)) == "260M"
    assert spread(Score(2.6e8, 0.0, 2)) == "260 ± 0M"


# Refusals


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["result"], "there are no results at result: did you mean results?"),
        (["empty.jsonl"], "empty.jsonl holds no results of ganzoo bench"),
        (["results", "--metric", "fod"], "--metric fod: not in these results; did you mean fid"),
        (
            ["results", "--dataset", "mnist5k"],
            "--dataset mnist5k: not in these results; did you mean mnist-5k?",
        ),
        (["results", "--where", "modle=a"], "--where modle=a: did you mean model"),
        (["results", "--where", "model"], "expected KEY=VALUE"),
        (["results", "--where", "model=dcgna"], "no result has it; did you mean dcgan?"),
    ],
)
def test_wrong_words(words, says, capsys):
    write(row())
    Path("empty.jsonl").write_text('{"step": 1}\n')
    assert says in table(capsys, *words, status=2)


def test_other_files_in_the_folder_are_left_alone(capsys):
    write(row())
    Path("results/speed.jsonl").write_text('{"name": "test_speed", "ratio": 1.3}\n')
    assert list(rows_of(capsys)) == ["dcgan default"]
