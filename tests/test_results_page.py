"""Cards of docs/results.md, from results written here."""

from __future__ import annotations

import importlib
import json
import types
from pathlib import Path

import msgspec
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ganzoo.data.base import Modes

PAGES = Path(__file__).parent.parent / "benchmarks" / "pages"


def module(name):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PAGES)
        return importlib.import_module(name)


cards, page, targets = module("cards"), module("results_page"), module("targets")

CARD = """
[[card]]
name = "n"
results = "few"
title = "How many?"
protocol = "Some words."

[[card.targets]]
score = "modes"
at-least = 25

[[card.targets]]
score = "kl"
at-most-real = 2.0

[[card.targets]]
score = "kl"
published = "OldGAN"
on = "the mean"

[[card.published]]
paper = "Old et al."
arxiv = "1234.56789"
where = "table 1"
same = "the data."
differs = "the nets."
rows = [{ name = "OldGAN", scores = { modes = [24.5, 0.1], kl = 0.5 }, steps = 400_000 }]
"""
SUITE = 'model = "mlp-gan"\ndataset = "grid25"\nsteps = 100\nseeds = 3\n'


def row(seed, modes=25.0, kl=0.1, model="mlp-gan", options="default", status="done", **more):
    return {
        "hash": f"{model}{options}{seed}", "group": model + options, "model": model, "dataset": "grid25",
        "options": options, "seed": seed, "steps": 100, "status": status, "error": "the loss is nan",
        "scores": {"modes": modes, "kl": kl}, "real": {"modes": 25.0, "kl": 0.06},
        "protocol": {
            "metrics": {"modes": {}}, "reference": "train", "n_fake": 10, "n_real": 20, "n_held_out": 10,
        },
        "columns": {
            "modes": {"metric": "modes", "higher_is_better": True},
            "kl": {"metric": "modes", "higher_is_better": False},
        },
        "images": 1000, "train_seconds": 100.0, "eval_seconds": 20.0, "images_per_s": 10.0, "alone": True,
        "peak_mib": 1.0, "parameters": {"g": 1, "d": 1}, "threads": 1, "device": "cpu",
        "processor": "a processor", "versions": {"torch": "9.9"}, "commit": "abc", "jobs": 2,
        "commands": {"run": "ganzoo run mlp-gan", "eval": "ganzoo eval"}, **more,
    }  # fmt: skip


@pytest.fixture
def made(tmp_path):
    """made(rows, card): the page of these rows."""
    (tmp_path / "few.toml").write_text(SUITE)

    def make(rows, text=CARD, name="few"):
        (tmp_path / "cards.toml").write_text(text)
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
        return page.results_page(tmp_path, cards.read_cards(tmp_path / "cards.toml"), tmp_path, tmp_path)

    return make


def test_a_card_without_results_is_left_out(made):
    assert "How many?" not in made([row(0)], name="other")
    assert "How many?" in made([row(0)])


def test_targets_are_computed(made):
    text = made([row(0), row(1), row(2, kl=0.14)])
    assert "**met**: `modes` at least 25 on every seed. mlp-gan (the best row): 3 of 3 seeds" in text
    assert "**missed**: `kl` at most 0.12 (2 times that of real data) on every seed" in text
    assert "2 of 3 seeds, the worst 0.14." in text
    assert "**met**: `kl` at most 0.5 (that of OldGAN) on the mean" in text
    assert "Unfinished" not in text


def test_seeds_that_failed_miss_a_target(made):
    assert "**missed**: `modes` at least 25 on every seed" in made([row(0), row(1), row(2, status="failed")])


def test_seeds_to_come_are_named(made):
    text = made([row(0)])
    assert (
        "**Unfinished.** 2 runs that the suite asks for are missing: mlp-gan on grid25 (seed 1, 2)." in text
    )
    assert "**met so far, 2 seeds to come**: `modes`" in text


def test_all_seeds_may_have_failed(made):
    assert "**open**: `modes`: nothing is measured yet" in made([row(0, status="failed")])


def test_how_it_was_made(made):
    text = made([row(0), row(1), row(2)])
    assert (
        "    ganzoo bench benchmarks/suites/few.toml --jobs 2\n    ganzoo table results/few.jsonl\n" in text
    )
    assert "- seeds 0, 1, 2; 3 runs\n" in text
    assert "- CPU minutes of training and measuring: 6 in all; all rows of one seed 2 to 2\n" in text
    assert "torch 9.9" in text
    assert "commit abc" in text
    assert "pictures.py" not in text


def test_published_figures_say_what_is_the_same_and_what_not(made):
    text = made([row(0), row(1), row(2)])
    assert "| **mlp-gan, here** | 25 ± 0 | 0.1 ± 0 | 100 | 1000 |\n" in text
    assert "| OldGAN | 24.5 ± 0.1 | 0.5 | 400k | - |\n" in text
    assert "table 1. **The same here:** the data. **Not the same:** the nets." in text
    with pytest.raises(msgspec.ValidationError, match="differs"):
        made([row(0)], CARD.replace('differs = "the nets."\n', ""))
    for card in cards.read_cards():
        assert all(paper.same.strip() and paper.differs.strip() for paper in card.published), card.name


def test_words_of_the_file_are_checked(made):
    with pytest.raises(msgspec.ValidationError, match="at-lest"):
        made([row(0)], CARD.replace("at-least", "at-lest"))


def test_significantly_better_than_a_baseline(made):
    head = CARD.partition("[[card.targets]]")[0]
    text = made(
        [
            *(row(seed, kl=1.0 + 0.01 * seed) for seed in range(3)),
            *(row(seed, kl=0.5 + 0.01 * seed, options="ada") for seed in range(3)),
            *(row(seed, kl=0.9 + 0.2 * seed, options="lecam") for seed in range(3)),
        ],
        head + '[[card.targets]]\nscore = "kl"\njudged = "each"\nbeats = "default"\n',
    )
    assert (
        "**met**: `kl` significantly better than that of mlp-gan. mlp-gan ada: 0.51 instead of 1.01" in text
    )
    assert "**missed**: `kl` significantly better than that of mlp-gan. mlp-gan lecam: 1.1 instead" in text
    assert targets.holm([0.04, 0.01, 0.9]) == pytest.approx([0.08, 0.03, 0.9])


def test_a_body_of_its_own(made, tmp_path, monkeypatch):
    (tmp_path / "own_body.py").write_text('def body(rows):\n    return f"{len(rows)} rows, drawn"\n')
    monkeypatch.syspath_prepend(tmp_path)
    text = made([row(0), row(1)], CARD.replace('title = "', 'body = "own_body"\ntitle = "'))
    assert "2 rows, drawn" in text
    assert "| model | options |" not in text


def test_pictures_that_exist_are_shown(made, tmp_path):
    (tmp_path / "results").mkdir()
    says = PngInfo()
    says.add_text("ganzoo", json.dumps({"hash": "mlp-gandefault1", "samples": 80, "columns": ""}))
    Image.new("L", (2, 2)).save(tmp_path / "results" / "few-mlp-gan.png", pnginfo=says)
    text = made([row(0), row(1)])
    assert "![80 samples of mlp-gan, trained on grid25](images/results/few-mlp-gan.png)<br>" in text
    assert "`mlp-gan`, seed 1, 100 steps, `modes` 25: 80 samples, none of them chosen" in text
    assert "    python benchmarks/pages/pictures.py results/few.jsonl" in text
    assert "few-mlp-gan.png" not in made([row(0)])  # of a run that is not in the results


def test_a_stale_page_is_noticed(tmp_path, monkeypatch):
    report = module("report")
    stale, missing = tmp_path / "stale.md", tmp_path / "missing.md"
    stale.write_text("before")
    monkeypatch.setattr(report, "pages", lambda: {stale: "now", missing: "now"})
    assert [*report.stale()] == [stale, missing]
    stale.write_text("now")
    assert [*report.stale()] == [missing]


class Noise:
    """A run whose samples are noise: no picture of them is small."""

    def __init__(self, channels, num_classes):
        self.channels = channels
        self.config = types.SimpleNamespace(num_classes=num_classes, conditional=num_classes > 0)
        self.asked = []

    def sample(self, n, labels=None):
        self.asked.append(labels)
        generator = torch.Generator().manual_seed(0)
        return torch.randint(256, (n, self.channels, 64, 64), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_stay_small_and_say_what_they_are_of(tmp_path, channels):
    run, path = Noise(channels, 5), tmp_path / "results" / "a.png"
    module("pictures").save(path, run, row(0))
    assert path.stat().st_size <= 100_000
    with Image.open(path) as image:
        says = json.loads(image.info["ganzoo"])
    assert says == {"hash": "mlp-gandefault0", "samples": says["samples"], "columns": ", a class per column"}
    assert 5 <= says["samples"] < 40
    assert run.asked[-1].tolist() == [*range(5)] * (says["samples"] // 5)


def test_pictures_are_of_the_seed_in_the_middle():
    names, read = module("sample_pictures"), module("report")
    groups = read.group_rows(
        [row(0, modes=20.0), row(1, modes=25.0), row(2, modes=3.0), row(0, options="x=1")]
    )
    assert [names.middle(group)["seed"] for group in groups] == [0, 0]
    assert [names.picture_of("s", group, groups).name for group in groups] == [
        "s-mlp-gan.png",
        "s-mlp-gan-x-1.png",
    ]


def test_modes_that_were_missed_are_marked():
    axes = Figure().subplots()
    modes = Modes(2, torch.tensor([[0.0, 0.0], [1.0, 0.0]]), std=0.1)
    module("pictures").over_modes(axes, torch.tensor([[0.29, 0.0], [0.65, 0.0]]), modes)
    found, missed, samples = (points.get_offsets().tolist() for points in axes.collections)
    assert (found, missed, len(samples)) == ([[0.0, 0.0]], [[1.0, 0.0]], 2)
