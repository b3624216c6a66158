"""The tour and the first page: what they show was made by the commands that they show."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from ganzoo.registry import MODELS
from ganzoo.registry.registry import DISTRIBUTION
from ganzoo.table.read import group_rows, read_rows

ROOT = Path(__file__).parent.parent
DOCS, IMAGES = ROOT / "docs", ROOT / "docs" / "images"
FIRST, TOUR = (DOCS / name for name in ("index.md", "tour.md"))


def module(name):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks" / "pages")
        return importlib.import_module(name)


blocks, zoo = module("tour_blocks"), module("zoo")


def test_the_tours_numbers_are_those_of_its_commands():
    rows = [json.loads(line) for line in blocks.FILE.read_text().splitlines()]
    typed = [*blocks.commands(TOUR), *blocks.REFUSED]
    assert [row["command"] for row in rows] == typed, "run python benchmarks/pages/tour.py FOLDER"


def test_the_film_is_made_by_the_commands_beside_it():
    shown = [command for command in blocks.commands(FIRST) if "growing" in command]
    assert shown
    assert set(shown) <= set(blocks.commands(TOUR))


def test_pictures_and_the_film_are_light():
    for page in (FIRST, TOUR):
        for name in set(re.findall(r"images/((?:tour-|growing)[\w.-]+)", page.read_text())):
            size = (IMAGES / name).stat().st_size
            assert size <= (400_000 if name.endswith(".webp") else 60_000), name


def test_the_film_ends_with_the_picture_for_those_who_want_none():
    with Image.open(IMAGES / "growing.webp") as film, Image.open(IMAGES / "growing.png") as still:
        assert film.n_frames > 10
        assert film.size == still.size
        (width, height) = film.size
    assert f'width="{width}" height="{height}"' in FIRST.read_text()
    assert 'srcset="images/growing.png" media="(prefers-reduced-motion: reduce)"' in FIRST.read_text()


def test_every_member_has_one_card():
    groups = group_rows(read_rows([ROOT / "benchmarks" / "results" / "members.jsonl"]))
    cards = re.findall(
        r"^- \[.*\*\*([\w-]+)\*\*\]\(models/\1\.md\)<br>\S.*$", zoo.zoo(DOCS, groups), flags=re.M
    )
    own = [entry.name for entry in MODELS.entries() if entry.distribution == DISTRIBUTION]
    assert sorted(cards) == own


def test_a_card_has_its_costs_from_the_rows():
    def row(seed, seconds, fid):
        return {
            "group": "g", "model": "dcgan", "dataset": "mnist-5k", "options": "default", "seed": seed,
            "steps": 10, "status": "done", "scores": {"fid@mnist-cnn-v1": fid},
            "parameters": {"g": 900, "d": 100}, "train_seconds": seconds,
            "commands": {"run": "ganzoo run", "eval": ""},
        }  # fmt: skip

    (group,) = group_rows([row(0, 60.0, 1.0), row(1, 180.0, 2.0)])
    card = zoo.card("dcgan", "a line", "images", drawn=False, group=group)
    assert card == "- [**dcgan**](models/dcgan.md)<br>a line<br>1000 weights, 2.0&nbsp;min<br>FID 1.5"
    assert zoo.card("dcgan", "a line", "images", drawn=False, group=None).endswith(
        "<br>a line<br>For images."
    )


def test_a_table_says_what_was_found_and_seen():
    run = {"last": {"d_loss": 1.386, "g_loss": 0.0002}, "scores": {}, "seen": ["collapsed"]}
    made = blocks.table({"a": "`x`"}, {"a": run}, {"last/d_loss": "D", "last/g_loss": "G"}, "changed")
    assert made.splitlines()[-1] == "| `x` | 1.39 | 0.0002 | collapsed |"
