"""Paths as they are typed: the home folder for ~, and one sentence for what no file can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganzoo.errors import UsageError
from ganzoo.system.paths import typed_path, typed_paths


def test_what_a_file_can_have(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert typed_path("~/x") == Path("/home/me/x")
    for text in ("a/b.png", "../x", "x/", "-x", "a" * 255, "\udcff", "猫", " "):
        assert typed_path(text) == Path(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("a\0b", "NUL"),
        ("~nosuchuser/x", "~nosuchuser/x: there is no such user"),
        ("x/" + "a" * 256, "longest name in it has 256"),
        ("ä" * 128, "longest name in it has 256"),
        ("a/" * 2500, "a path 4095"),
        ("\ud800", "half a character"),
    ],
)
def test_what_no_file_can_have(text, said):
    with pytest.raises(UsageError, match=said):
        typed_path(text)


def test_several_in_one_word(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert typed_paths("a,b", 1) == [Path("a,b")]
    assert typed_paths("~/a,b", 2) == [Path("/home/me/a"), Path("b")]
    for name in ("a,b", "c", "d"):
        Path(name).mkdir()
    assert typed_paths("a,b,c,d", 3) == [Path("a,b"), Path("c"), Path("d")]
    for text in ("a", "", "a,,b", "a,", "a,b\0,c", "," * 5000, "a,b,~nosuchuser"):
        with pytest.raises(UsageError, match="expected"):
            typed_paths(text, 2)
