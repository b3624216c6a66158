"""Texts fit a terminal of 80 columns, but for what must not be broken; in a pipe no line is broken."""

from __future__ import annotations

import io

import pytest

from ganzoo.registry import REGISTRIES
from ganzoo.system.console import Grid, Terminal, tell, terminal

NAMES = sorted({name for registry in REGISTRIES.values() for name in registry.names()})
RING = "run mlp-gan --dataset ring8 --batch-size 16 --set width=8 --steps 3 --eval-metric modes -q"


def lines(width: int, *how: str, **more: int) -> list[str]:
    file = io.StringIO()
    Terminal(file=file, width=width, force_terminal=True, color_system=None).say(*how, **more)
    return file.getvalue().splitlines()


def test_a_sentence_is_cut_between_words_alone():
    path = "runs/0001-a-very-long-name-of-a-folder-that-nobody-may-cut"
    assert lines(20, f"see {path} for more of it") == ["see", path, "for more of it"]
    assert lines(20, "one two three four five six") == ["one two three four", "five six"]
    assert lines(20, "one two three four five six", indent=2, hang=4) == [
        "  one two three four", "      five six",
    ]  # fmt: skip
    assert lines(20, "猫猫猫猫 猫猫猫猫 猫猫猫猫") == ["猫猫猫猫 猫猫猫猫", "猫猫猫猫"]
    assert lines(20, "") == [""]
    assert lines(20, "a  b" + " " * 30) == ["a  b"]


def test_styles_stay_where_they_are():
    file = io.StringIO()
    Terminal(file=file, width=6, force_terminal=True, color_system="standard").say(
        ("aaa bbb", "bold"), " ccc"
    )
    assert file.getvalue() == "\x1b[1maaa\x1b[0m\n\x1b[1mbbb\x1b[0m\nccc\n"


def test_a_table_in_a_pipe_has_no_spaces_at_its_ends(capsys):
    table = Grid()
    for title in "ab":
        table.column(title)
    table.row("x" * 60, "y" * 60)
    table.row("x", "y")
    terminal().table(table)
    first, second, third = capsys.readouterr().out.splitlines()
    assert (first.split(), first[-1]) == (["a", "b"], "b")
    assert second.split() == ["x" * 60, "y" * 60]
    assert (third.split(), third[-1]) == (["x", "y"], "y")
    tell("word " * 100 + "end")
    assert capsys.readouterr().out == "word " * 100 + "end\n"


@pytest.mark.parametrize("name", NAMES)
def test_info_fits_a_narrow_terminal(ganzoo, monkeypatch, name):
    in_a_pipe = ganzoo(f"info {name}").out
    monkeypatch.setenv("COLUMNS", "80")
    narrow = ganzoo(f"info {name}").out
    assert [line for line in narrow.splitlines() if len(line) > 80 and not line.startswith("  ganzoo ")] == []
    assert narrow.split() == in_a_pipe.split()


def test_other_texts_fit_a_narrow_terminal(ganzoo, monkeypatch):
    for seed in (0, 1):
        assert ganzoo(f"{RING} --seed {seed}").code == 0
    monkeypatch.setenv("COLUMNS", "80")
    for words in ("list", "list --check", "runs", "compare 1 2", "diagnose", "cache", "info mlp-gan"):
        result = ganzoo(words)
        assert [line for line in result.out.splitlines() if len(line) > 80 and "/" not in line] == [], words


@pytest.mark.parametrize("command", ["run", "eval", "sample", "resume", "bench", "runs", "rm", "info"])
def test_help_fits_a_narrow_terminal(ganzoo, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    help_ = ganzoo(f"{command} --help").out
    assert [line for line in help_.splitlines() if len(line) > 80 and not line.startswith("  ganzoo ")] == []
    monkeypatch.setenv("COLUMNS", "120")
    if command in ("run", "eval"):
        assert max(map(len, ganzoo(f"{command} --help").out.splitlines())) > 90
