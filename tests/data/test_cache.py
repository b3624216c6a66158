"""The cache: many processes at it, killed ones, damage, what goes first when it is too large."""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from ganzoo.data import decoded
from ganzoo.data.folder import ImageFolder
from ganzoo.errors import UsageError
from ganzoo.metrics.kept import kept
from ganzoo.system import cache
from ganzoo.system.cache import entries, keep_to_limit, limit, place
from ganzoo.system.locks import in_turn
from ganzoo.system.tensors import DamagedFile, read_tensors

STREAMED = {"memory_gb": 1e-9}


def fill(name: str = "images", n: int = 10) -> Path:
    root = Path(name)
    root.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        pixels = np.random.default_rng([i, *name.encode()]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{i}.png")
    return root


def left() -> list[str]:
    return sorted(path.name for path in place("folders").iterdir())


@pytest.fixture
def counted(monkeypatch) -> list[int]:
    """How often images were decoded since."""
    times: list[int] = []
    whole = decoded._decode
    monkeypatch.setattr(decoded, "_decode", lambda *words: times.append(1) or whole(*words))
    return times


# ---- many processes

OPEN = """
import sys
from ganzoo.data.folder import ImageFolder
for line in sys.stdin:
    try:
        print(ImageFolder("images", memory_gb=float(line)).fingerprint, flush=True)
    except BaseException as error:
        print(repr(error), flush=True)
"""


@pytest.fixture
def openers():
    """openers(4): processes that open the folder for each line they are sent."""
    running = []

    def start(n: int) -> list[subprocess.Popen]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        for _ in range(n):
            running.append(subprocess.Popen([sys.executable, "-c", OPEN], text=True, **pipes))
        return running

    yield start
    for process in running:
        process.kill()
        process.communicate()


def ask(process: subprocess.Popen, memory: float = 0) -> None:
    process.stdin.write(f"{memory}\n")
    process.stdin.flush()


@pytest.mark.parametrize("rounds", [4, pytest.param(60, marks=pytest.mark.long)])
def test_four_processes_open_a_folder_at_once(openers, rounds):
    fingerprint = ImageFolder(fill()).fingerprint
    four = openers(4)
    for i in range(rounds):
        shutil.rmtree(place("folders"))
        for process in four:
            ask(process, 1e-9 * (i % 2))
        assert [process.stdout.readline().strip() for process in four] == [fingerprint] * 4
        assert len(left()) == 1
    said = "".join(process.communicate()[1] for process in four)
    assert "cannot be written" not in said


def test_the_second_waits_and_says_for_what(capsys, counted):
    root = fill()
    whole = ImageFolder(root)
    counted.clear()
    (copy,) = place("folders").iterdir()
    lock = in_turn(copy, "decodes")
    shutil.move(copy, "aside")
    capsys.readouterr()
    second = threading.Thread(target=ImageFolder, args=(root,))
    second.start()
    said = ""
    while "waiting" not in said:
        time.sleep(0.05)  # what is written while capsys empties its buffer is lost
        said += capsys.readouterr().err
    assert said.startswith(f"note: waiting for another process (process {os.getpid()} on ")
    assert said.endswith(f") that decodes {root}\n")
    shutil.move("aside", copy)
    lock.release()
    second.join()
    assert ImageFolder(root).fingerprint == whole.fingerprint
    assert (counted, left()) == ([], [copy.name])


HANG = """
import time
import ganzoo.data.rows as rows
from ganzoo.data.folder import ImageFolder
def read(*_):
    print("now", flush=True)
    time.sleep(60)
rows.read_image = read
ImageFolder("images")
"""


def test_a_killed_process_leaves_no_lock_and_no_part_for_good(counted):
    fill()
    fill("others")
    with subprocess.Popen([sys.executable, "-c", HANG], stdout=subprocess.PIPE, text=True) as process:
        assert "now" in process.stdout.readline()  # of two threads, one in the other's line
        ImageFolder("others")
        assert len(left()) == 3  # what a living process makes stays
        process.kill()
    (place("folders") / "0123.part-abcdefgh").mkdir()  # of ganzoo before it had locks
    ImageFolder("others")
    assert counted == [1]
    assert len(left()) == 1
    assert len(ImageFolder("images").train) == 9
    assert len(left()) == 2


def test_a_writer_that_was_killed_leaves_nothing_for_good():
    write = (
        "from pathlib import Path; from ganzoo.system.locks import temporary; import time\n"
        "with temporary(Path('{}')) as (file, _): print('now', flush=True); time.sleep(60)"
    )
    folder = place("statistics")
    folder.mkdir(parents=True)
    (folder / ".old.safetensors.a1b2c3d4").touch()
    words = [sys.executable, "-c", write.format(folder / "a.safetensors")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert "now" in process.stdout.readline()  # of two threads, one in the other's line
        kept("b", lambda: {"x": torch.ones(1)})
        assert len(list(folder.iterdir())) == 2
        process.kill()
    kept("b", lambda: {})
    assert [path.name for path in folder.iterdir()] == ["b.safetensors"]


# ---- damage


def flip(path: Path, byte: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)


DAMAGES = {
    "a pixel": lambda copy: flip(copy / "x.npy", 200),
    "the last pixel": lambda copy: flip(copy / "x.npy", -1, 7),
    "the header": lambda copy: flip(copy / "x.npy", (copy / "x.npy").read_bytes().index(b"(10") + 2),
    "a shorter file": lambda copy: os.truncate(copy / "x.npy", (copy / "x.npy").stat().st_size - 1),
    "a longer file": lambda copy: os.truncate(copy / "x.npy", (copy / "x.npy").stat().st_size + 1),
    "an empty file": lambda copy: os.truncate(copy / "x.npy", 0),
    "no pixels": lambda copy: (copy / "x.npy").unlink(),
    "a label": lambda copy: flip(copy / "y.npy", -8),
    "no labels": lambda copy: (copy / "y.npy").unlink(),
    "where train ends": lambda copy: (copy / "meta.json").write_text(
        (copy / "meta.json").read_text().replace('"train": 9', '"train": 8')
    ),
    "a list": lambda copy: (copy / "meta.json").write_text("[]"),
    "a number": lambda copy: (copy / "meta.json").write_text("3"),
    "deep": lambda copy: (copy / "meta.json").write_text("[" * 100_000),
    "bytes": lambda copy: (copy / "meta.json").write_bytes(b"\xff\xfe"),
    "no meta": lambda copy: (copy / "meta.json").unlink(),
    "a file": lambda copy: (shutil.rmtree(copy), copy.write_text("")),
}


@pytest.mark.parametrize("how", [{}, STREAMED], ids=["in memory", "streamed"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_copy_is_made_anew(counted, damage, how):
    if how and "pixel" in damage and damage != "no pixels":
        pytest.skip("pixels that are streamed are not read when they are opened")
    fill("images/a", 5)
    fill("images/b", 5)
    whole = ImageFolder("images", **how)
    (copy,) = place("folders").iterdir()
    DAMAGES[damage](copy)
    counted.clear()
    again = ImageFolder("images", **how)
    assert counted == [1]
    assert again.fingerprint == whole.fingerprint
    for ours, theirs in zip(again.train.all(), whole.train.all(), strict=True):
        assert torch.equal(ours, theirs)
    ImageFolder("images", **how)
    assert (counted, left()) == ([1], [copy.name])


def test_every_flipped_bit_of_statistics_is_seen():
    made = {"mean": torch.arange(3.0), "count": torch.tensor([7])}
    kept("key", lambda: made)
    (file,) = place("statistics").iterdir()
    content = file.read_bytes()
    found, _ = read_tensors(file)
    assert torch.equal(found["mean"], made["mean"])
    for i in range(0, 8 * len(content), 7):
        flip(file, i // 8, i % 8)
        with pytest.raises(DamagedFile):
            read_tensors(file)
        file.write_bytes(content)
    flip(file, -1)
    assert torch.equal(kept("key", lambda: made)["mean"], made["mean"])
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 8, b"\xff" * 100, safetensors.torch.save({"x": torch.ones(1)})]
)
def test_foreign_statistics_are_made_anew(content):
    place("statistics").mkdir(parents=True)
    file = place("statistics") / "key.safetensors"
    file.write_bytes(content)
    assert kept("key", lambda: {"x": torch.zeros(2)})["x"].tolist() == [0, 0]
    assert kept("key", dict)["x"].tolist() == [0, 0]


def test_statistics_that_cannot_be_kept_are_made_all_the_same(capsys):
    place("statistics").parent.mkdir(parents=True)
    place("statistics").write_text("a file in the way")
    for _ in range(2):
        assert kept("key", lambda: {"x": torch.zeros(1)})["x"].tolist() == [0]
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(
            "note: statistics of the real data will be computed again next time: cannot write"
        )


# ---- the limit


def age(path: Path, days: float) -> None:
    os.utime(path, (time.time() - days * 86400,) * 2)


def test_what_was_not_used_for_longest_goes_first(monkeypatch, capsys):
    copies = {}
    for i, name in enumerate(("a", "bb", "ccc")):
        ImageFolder(fill(name), size=64)
        copies[name] = next(entry.path for entry in entries() if entry.path not in copies.values())
        age(copies[name], 30 - i)
    kept("key", lambda: {"x": torch.zeros(1000)})
    age(place("statistics") / "key.safetensors", 40)
    ImageFolder("a", size=64)  # used again
    age(copies["ccc"], 1)
    one = next(entry.bytes for entry in entries("folders"))
    monkeypatch.setenv("GANZOO_CACHE_GB", str(3.5 * one / 2**30))
    capsys.readouterr()
    ImageFolder(fill("dddd"), size=64)
    assert [entry.path for entry in entries()][:2] == [copies["ccc"], copies["a"]]
    assert [len(entries(kind)) for kind in ("folders", "statistics")] == [3, 0]
    note = capsys.readouterr().err.splitlines()[0]
    assert "GANZOO_CACHE_GB" in note
    assert "2 entries of" in note


def test_weights_and_downloads_stay(monkeypatch):
    monkeypatch.setenv("GANZOO_CACHE_GB", "0")
    for kind in ("weights", "downloads"):
        (place(kind) / "big").mkdir(parents=True)
        (place(kind) / "big" / "file").write_bytes(b"0" * 10_000)
    ImageFolder(fill("a"))
    kept("key", lambda: {"x": torch.zeros(1)})
    assert sorted(entry.kind for entry in entries()) == ["downloads", "statistics", "weights"]


def test_a_copy_in_use_is_not_dropped(monkeypatch):
    monkeypatch.setenv("GANZOO_CACHE_GB", "0")
    data = ImageFolder(fill("a"), **STREAMED)
    (copy,) = entries()
    ImageFolder(fill("b"))
    assert copy.path.exists()
    assert not copy.drop(certain=False)
    moved = data.train.to(torch.device("cpu"))
    del data
    assert not copy.drop()
    assert len(moved.batch(4, 0, 0)[0]) == 4
    del moved
    ImageFolder(fill("c"))
    assert not copy.path.exists()
    assert len(left()) == 1


def test_where_there_are_no_locks_only_a_person_drops_copies(monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    ImageFolder(fill())
    ImageFolder("images")
    (copy,) = entries()
    keep_to_limit(but=Path("none"))
    assert not copy.drop()
    assert copy.drop(certain=False)


@pytest.mark.parametrize("words", ["much", "-1", "nan", "20GB"])
def test_a_limit_that_is_no_number_is_named_before_anything_is_done(monkeypatch, words, counted):
    monkeypatch.setenv("GANZOO_CACHE_GB", words)
    with pytest.raises(UsageError, match=f"GANZOO_CACHE_GB={words}: expected a number of GiB"):
        ImageFolder(fill())
    with pytest.raises(UsageError, match="GANZOO_CACHE_GB"):
        kept("key", lambda: pytest.fail("it was made"))
    assert counted == []


def test_the_usual_limit(monkeypatch):
    monkeypatch.delenv("GANZOO_CACHE_GB", raising=False)
    assert limit() == 20 * 2**30
    monkeypatch.setenv("GANZOO_CACHE_GB", "")
    assert limit() == 20 * 2**30
    monkeypatch.setenv("GANZOO_CACHE_GB", "inf")
    assert limit() > 2**60


def test_what_the_meta_of_a_copy_says():
    ImageFolder(fill())
    (entry,) = entries()
    assert entry.of() == str(Path("images").resolve())
    assert json.loads((entry.path / "meta.json").read_text())["count"] == 10
    assert cache.KINDS.keys() == {"folders", "statistics", "weights", "downloads"}
