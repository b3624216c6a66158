"""`ganzoo cache`: what is there, and that it goes when it is told to, and nothing else does."""

import json
import os
import time

import pytest
import torch

from ganzoo.metrics.kept import kept
from ganzoo.system import files
from ganzoo.system.cache import KINDS, entries, place
from ganzoo.system.locks import in_use


@pytest.fixture
def things():
    """One of each kind, of 1,000 bytes and more, the first used 40 days ago, the next 30 ..."""
    made = {
        "folders": place("folders") / "0123",
        "statistics": place("statistics") / "key.safetensors",
        "weights": place("weights") / "vgg.pth",
        "downloads": place("downloads") / "MNIST",
    }
    for kind in ("folders", "downloads"):
        (made[kind] / "raw").mkdir(parents=True)
        (made[kind] / "raw" / "x").write_bytes(b"0" * 1000)
    (made["folders"] / "meta.json").write_text('{"of": "/my/pictures [1]"}')
    place("weights").mkdir()
    made["weights"].write_bytes(b"0" * 1000)
    kept("key", lambda: {"x": torch.zeros(250)})
    for i, path in enumerate(made.values()):
        os.utime(path, (time.time() - 86400 * (40 - 10 * i),) * 2)
    return made


def test_an_empty_cache(ganzoo):
    shown = ganzoo("cache")
    assert shown.code == 0
    assert "0 entries, 0 bytes in " in shown.out
    assert "with a limit of 20.0 GiB (GANZOO_CACHE_GB)" in shown.out
    assert ganzoo("cache clear").out == "removed: 0 entries, 0 bytes\n"
    assert not files.cache_folder().exists()


def test_what_is_there(ganzoo, things, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = ganzoo("cache")
    lines = shown.out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["kind", *KINDS]
    assert lines[1].endswith("folders/0123  (of /my/pictures [1])")
    assert "downloads/" not in shown.out
    assert "4 entries" in lines[5]
    monkeypatch.setenv("GANZOO_CACHE_GB", "0.5")
    said = json.loads(ganzoo("cache --json").out)
    assert (said["limit_bytes"], said["folder"]) == (2**29, str(files.cache_folder()))
    assert [row["kind"] for row in said["entries"]] == ["downloads", "weights", "statistics", "folders"]
    assert said["entries"][1]["bytes"] == 1000
    assert said["bytes"] == sum(row["bytes"] for row in said["entries"])
    assert said["entries"][3]["of"] == "/my/pictures [1]"
    monkeypatch.setenv("GANZOO_CACHE_GB", "inf")
    assert json.loads(ganzoo("cache --json").out)["limit_bytes"] is None
    assert "with no limit" in ganzoo("cache").out


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("", []),
        ("--kind weights", ["folders", "statistics", "downloads"]),
        ("--kind folders --kind downloads", ["statistics", "weights"]),
        ("--older-than 25", ["weights", "downloads"]),
        ("--older-than 25 --kind statistics", ["folders", "weights", "downloads"]),
        ("--older-than 99", list(KINDS)),
    ],
)
def test_what_is_cleared(ganzoo, things, words, left):
    done = ganzoo(f"cache clear --yes {words}")
    assert done.code == 0
    assert done.out.startswith(f"removed: {4 - len(left)} entr")
    assert [kind for kind in KINDS if things[kind].exists()] == left


def test_what_is_to_come_is_cleared_too(ganzoo, things):
    os.utime(things["weights"], (time.time() + 86400,) * 2)  # of another machine's clock
    ganzoo("cache clear --yes")
    assert entries() == []


def test_nothing_goes_unasked(ganzoo, things, monkeypatch):
    refused = ganzoo("cache clear")
    assert refused.code == 2
    assert refused.sentence.endswith("--yes says so")
    assert "weights     1 entry, 1000 bytes, to be downloaded again" in refused.err.replace(
        "0.977 KiB", "1000 bytes"
    )
    for answer, code in (("n", 130), ("y", 0)):
        assert all(path.exists() for path in things.values())
        monkeypatch.setattr("ganzoo.cli.cache.sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _, answer=answer: answer)
        assert ganzoo("cache clear").code == code
    assert entries() == []


def test_what_is_used_stays(ganzoo, things):
    with in_use(things["folders"] / "meta.json"):
        done = ganzoo("cache clear --yes")
    assert done.code == 1
    assert f"left:    {things['folders']}: a process uses it" in done.out
    assert [entry.kind for entry in entries()] == ["folders"]


def test_orphans_go_with_it(ganzoo, things):
    for path in (place("weights") / ".x.lock", place("statistics") / ".x.part"):
        path.touch()
    (place("downloads") / ".part-abcd").mkdir()
    ganzoo("cache clear --yes")
    assert [list(place(kind).iterdir()) for kind in KINDS] == [[]] * 4


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("cache clear --kind folder", "folders"),
        ("cache clear --older-than -1", "--older-than"),
        ("cache clear --older-than nan", "a number of days"),
        ("cache clear weights", "weights"),
        ("cache claer", "claer"),
        ("cache --json clear", "without clear"),
    ],
)
def test_wrong_words_remove_nothing(ganzoo, things, words, says):
    refused = ganzoo(words)
    assert refused.code == 2
    assert says in refused.sentence
    assert all(path.exists() for path in things.values())


def test_a_wrong_limit_is_named(ganzoo, monkeypatch):
    monkeypatch.setenv("GANZOO_CACHE_GB", "lots")
    refused = ganzoo("cache")
    assert refused.code == 2
    assert "GANZOO_CACHE_GB=lots: expected a number of GiB, such as 20" in refused.sentence
