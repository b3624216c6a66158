"""Broken files among images: told all at once, decoded work kept, left out where somebody says so."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from files import counting
from PIL import Image

from ganzoo.data import images, opening
from ganzoo.data.folder import ImageFolder
from ganzoo.data.pairs import Pairs
from ganzoo.data.streams import StreamSplit
from ganzoo.data.unpaired import Unpaired
from ganzoo.errors import UsageError, WorkError
from ganzoo.system.cache import place


def fill(folder: str, n: int = 10, side: int = 8) -> Path:
    """n different images."""
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        pixels = np.random.default_rng([i, *folder.encode()]).integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"{i}.png")
    return root


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def vanish(path: Path) -> None:
    path.unlink()
    path.symlink_to("gone")


WAYS = {
    "truncated": (cut, r"cannot be decoded \(.*truncated.*\)"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "no image": (lambda path: path.write_text("<html>"), "is not an image that Pillow can open"),
    "zeros": (lambda path: path.write_bytes(bytes(999)), "is not an image that Pillow can open"),
    "a link to nothing": (vanish, "is a link to nothing"),
    "a link to itself": (
        lambda path: (path.unlink(), path.symlink_to(path.name)),
        "is a link that leads nowhere",
    ),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "is a pipe"),
    "heic": (lambda path: path.rename(path.with_suffix(".HEIC")), "is HEIC, which is not read here"),
}
if os.name == "posix" and os.geteuid():
    WAYS["unreadable"] = (lambda path: path.chmod(0), r"cannot be read \(Permission denied\)")


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """The names of the files that are decoded from now on."""
    return counting(monkeypatch)


def left_of(folder: str, *broken: str) -> str:
    """A copy without some files."""
    target = f"left-of-{Path(folder).name}"
    shutil.copytree(folder, target, symlinks=True, ignore=lambda _, names: {*names} & {*broken})
    return target


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", [{}, {"memory_gb": 1e-9}], ids=["memory", "stream"])
def test_every_way_of_being_broken(way, how, decoded, capsys):
    breaks, sentence = WAYS[way]
    name = "3.HEIC" if way == "heic" else "3.png"
    breaks(fill("in") / "3.png")
    for _ in range(2):
        with pytest.raises(
            UsageError, match=rf"^in/{name} {sentence}.*: repair it, or move it .*broken=skip$"
        ):
            ImageFolder("in", **how)
    assert len(decoded) <= 10
    decoded.clear()
    skipped = ImageFolder("in", broken="skip", **how)
    said = capsys.readouterr().err
    assert f"left out (data.broken=skip): in/{name} " in said
    Path("in", name).unlink()
    removed = ImageFolder("in", **how)
    assert decoded == []  # neither time
    whole = ImageFolder(left_of("in"), **how)
    assert skipped.fingerprint == removed.fingerprint == whole.fingerprint
    assert isinstance(skipped.train, StreamSplit) == bool(how)
    for split in ("train", "test"):
        one, other = getattr(skipped, split), getattr(whole, split)
        assert torch.equal(one.all()[0], other.all()[0])
        assert torch.equal(one.batch(1, 3, 0)[0], other.batch(1, 3, 0)[0])


def test_all_broken_files_are_told_at_once(decoded):
    for name in ("cat", "dog"):
        fill(f"in/{name}", 20)
    cut(Path("in/cat/3.png"))
    cut(Path("in/dog/5.png"))
    Path("in/cat/7.png").write_bytes(b"")
    Path("in/dog/11.png").write_text("no")
    vanish(Path("in/dog/12.png"))
    sentence = (
        r"^in has 5 broken files among 40 \(in/cat/3\.png cannot be decoded \(.*\); in/cat/7\.png is empty; "
        r"in/dog/11\.png is not an image that Pillow can open; and 2 more\): repair them, or move them out "
        r"of the folder, or leave out what is broken with --set data\.broken=skip$"
    )
    with pytest.raises(UsageError, match=sentence):
        ImageFolder("in")
    assert len(decoded) == 37  # all whose headers are whole, once
    with pytest.raises(UsageError, match=sentence):
        ImageFolder("in")
    for name in ("cat/3", "cat/7", "dog/5", "dog/11", "dog/12"):
        Path(f"in/{name}.png").unlink()
    data = ImageFolder("in")
    assert len(decoded) == 37
    assert (len(data.train) + len(data.test), data.class_names) == (35, ("cat", "dog"))


def test_what_is_repaired_is_seen(decoded):
    root = fill("in")
    whole = (root / "4.png").read_bytes()
    cut(root / "4.png")
    with pytest.raises(UsageError, match="truncated"):
        ImageFolder("in")
    (root / "4.png").write_bytes(whole)
    assert ImageFolder("in").fingerprint == ImageFolder(left_of("in")).fingerprint


def test_one_more_that_breaks_later():
    root = fill("in")
    cut(root / "4.png")
    first = ImageFolder("in", broken="skip")
    cut(root / "6.png")
    second = ImageFolder("in", broken="skip")
    assert len(second.train) + len(second.test) == 8
    assert first.fingerprint != second.fingerprint
    assert second.fingerprint == ImageFolder(left_of("in", "4.png", "6.png")).fingerprint


def test_a_class_of_which_nothing_is_left(capsys):
    for name in ("cat", "dog", "elk"):
        fill(f"in/{name}", 5)
    for i in range(5):
        cut(Path(f"in/dog/{i}.png"))
    data = ImageFolder("in", broken="skip")
    assert data.class_names == ("cat", "elk")
    assert "; nothing is left of dog/" in capsys.readouterr().err
    shutil.rmtree("in/dog")
    assert ImageFolder("in").fingerprint == data.fingerprint


def test_a_broken_image_does_not_choose_the_size(decoded):
    root = fill("in", 5, side=64)
    Image.new("L", (20, 20), 9).save(root / "9.png")
    (root / "9.png").write_bytes((root / "9.png").read_bytes()[:50])
    data = ImageFolder("in", broken="skip")
    assert data.sample_shape == (3, 64, 64)
    assert data.fingerprint == ImageFolder(left_of("in", "9.png")).fingerprint


def test_deep_images(capsys):
    root = fill("in", 0)
    for i in range(6):
        Image.fromarray(np.full((8, 8), 900 + i, np.uint16)).save(root / f"{i}.png")
    Image.fromarray(np.full((8, 8), 60_000, np.uint16)).save(root / "6.png")
    cut(root / "6.png")
    with pytest.raises(UsageError, match=r"6\.png cannot be decoded"):
        ImageFolder("in")
    assert ImageFolder("in", broken="skip").white == 1023


def test_a_broken_file_in_the_wrong_place():
    fill("in/cat", 5)
    Path("in/dogs").symlink_to("gone")
    Path("in/x.jpg").touch()
    sentence = r"in has 2 broken files among 6 \(in/dogs is a link to nothing; in/x\.jpg is empty\): repair"
    with pytest.raises(UsageError, match=r"in has images directly in it \(x\.jpg\)"):
        ImageFolder("in")
    Path("in/x.jpg").unlink()
    Path("in/x.jpg").symlink_to("gone")
    with pytest.raises(UsageError, match=sentence.replace("empty", "a link to nothing")):
        ImageFolder("in")
    assert ImageFolder("in", broken="skip").class_names == ("cat",)


def test_too_few_are_left():
    for path in fill("in", 3).iterdir():
        cut(path)
    for broken in ("stop", "skip"):
        with pytest.raises(
            UsageError, match=r"in has 3 broken files .*; and without what is broken, in has no im"
        ):
            ImageFolder("in", broken=broken)
    fill("in", 1)
    with pytest.raises(UsageError, match=r"in has 2 broken files .* is broken, in has 1 image: at least 2"):
        ImageFolder("in", broken="skip")
    assert not [path for path in place("folders").iterdir() if "part" in path.name]


def test_splits(capsys):
    fill("in/train", 6)
    fill("in/test", 3)
    cut(Path("in/train/0.png"))
    cut(Path("in/test/1.png"))
    data = ImageFolder("in", broken="skip")
    assert (len(data.train), len(data.test)) == (5, 2)
    assert "2 broken files among 9" in capsys.readouterr().err
    fill("alone/train", 6)
    cut(Path("alone/train/0.png"))
    assert len(ImageFolder("alone", broken="skip").train) == 4


def test_a_split_that_is_left_out_may_be_broken(capsys):
    for split in ("train", "test", "val"):
        fill(f"in/{split}", 5)
    cut(Path("in/val/1.png"))
    vanish(Path("in/val/2.png"))
    assert len(ImageFolder("in").train) == 5
    assert "broken" not in capsys.readouterr().err


def test_pairs(decoded):
    fill("in/A", 6)
    fill("in/B", 6)
    cut(Path("in/A/1.png"))
    cut(Path("in/B/2.png"))
    vanish(Path("in/A/3.png"))
    with pytest.raises(UsageError, match=r"^in has 3 broken files among 12 \(in/A/1\.png .*in/B/2\.png "):
        Pairs("in")
    decoded.clear()
    data = Pairs("in", broken="skip")
    assert decoded == []
    assert len(data.train) + len(data.test) == 3
    assert data.fingerprint == Pairs(left_of("in", "1.png", "2.png", "3.png")).fingerprint


def test_pictures_side_by_side():
    root = fill("in", 0)
    for i in range(5):
        Image.new("RGB", (16, 8), (i, 0, 0)).save(root / f"{i}.png")
    cut(root / "2.png")
    with pytest.raises(UsageError, match=r"^in/2\.png cannot be decoded"):
        Pairs("in")
    data = Pairs("in", broken="skip")
    assert len(data.train) + len(data.test) == 4


def test_unpaired(capsys):
    fill("A", 6)
    fill("B", 5)
    cut(Path("B/1.png"))
    with pytest.raises(UsageError, match=r"^B/1\.png cannot be decoded"):
        Unpaired("A,B")
    Unpaired("A,B", broken="skip")
    assert "images to make: left out (data.broken=skip): B/1.png cannot" in capsys.readouterr().err


def test_without_a_cache(monkeypatch, capsys):
    cut(fill("in") / "3.png")
    place("folders").parent.mkdir(parents=True)
    place("folders").write_text("a file in its place")
    with pytest.raises(UsageError, match=r"^in/3\.png cannot be decoded"):
        ImageFolder("in")
    data = ImageFolder("in", broken="skip")
    assert data.fingerprint == ImageFolder(left_of("in", "3.png")).fingerprint


def test_a_damaged_record_is_made_anew(decoded):
    cut(fill("in") / "3.png")
    with pytest.raises(UsageError):
        ImageFolder("in")
    (record,) = [path for path in place("folders").iterdir() if not (path / "x.npy").exists()]
    meta = json.loads((record / "meta.json").read_text())
    assert meta["faults"].keys() == {"3.png"}
    for damage in (b"{", json.dumps(meta | {"faults": {"4.png": "is empty"}}).encode()):
        (record / "meta.json").write_bytes(damage)
        decoded.clear()
        with pytest.raises(UsageError, match=r"^in/3\.png"):
            ImageFolder("in")
        assert len(decoded) == 10


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.EIO])
def test_what_is_the_machines_fault_breaks_no_file(monkeypatch, number):
    """An image that a full disk or a bad cable kept from being read is not left out for good."""
    fill("in")
    plain = opening.open_regular

    def open_regular(path, expected):
        if path.name == "3.png":
            raise UsageError("no") from OSError(number, os.strerror(number))
        return plain(path, expected)

    with monkeypatch.context() as patch:
        patch.setattr(opening, "open_regular", open_regular)
        with pytest.raises(WorkError, match=r"^in/3\.png cannot be read \(.*\): try again"):
            ImageFolder("in", broken="skip")
    assert len(ImageFolder("in").train) == 9


def test_no_memory_breaks_no_file(monkeypatch):
    def fit(*_, **__):
        raise MemoryError

    fill("in")
    with monkeypatch.context() as patch:
        patch.setattr(images.ImageOps, "fit", fit)
        with pytest.raises(WorkError, match="cannot be decoded: there is not enough memory"):
            ImageFolder("in", broken="skip")
    assert len(ImageFolder("in").train) == 9


def test_it_is_recorded_and_resumes(ganzoo):
    cut(fill("in", 12) / "3.png")
    words = "--steps 2 --batch-size 4 --set data.size=8 --set width=8 --set d_width=8 --out made"
    assert "broken=skip" in ganzoo(f"run mlp-gan --dataset folder:in {words}").sentence
    result = ganzoo(f"run mlp-gan --dataset folder:in {words} --set data.broken=skip")
    assert result.code == 0, result.err
    assert json.loads(Path("made/config.json").read_text())["data_options"]["broken"] == "skip"
    assert ganzoo("resume made --steps 4").code == 0
    cut(Path("in/4.png"))
    assert ganzoo("resume made --steps 6").code == 2
