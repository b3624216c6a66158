"""Folders of images as people have them: links, captions, what systems leave behind, numbers as names."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo.data.folder import ImageFolder
from ganzoo.data.names import in_order
from ganzoo.data.pairs import Pairs
from ganzoo.data.tree import look
from ganzoo.data.unpaired import Unpaired
from ganzoo.data.walk import MOST_LINKS, Walk
from ganzoo.errors import UsageError


def fill(folder: str, n: int = 4, ending: str = ".png") -> Path:
    """n different images."""
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        pixels = np.random.default_rng([i, *folder.encode()]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{i}{ending}", None if ending != ".JPEG" else "JPEG")
    return root


@pytest.fixture
def opened(capsys):
    """opened("in"): the dataset, and what is said of it."""

    def open_(path: str, **options):
        capsys.readouterr()
        data = ImageFolder(path, size=8, **options)
        return data, capsys.readouterr().err

    return open_


def count(data) -> int:
    return len(data.train) + len(data.test)


# ---- links


def test_links_to_folders_are_followed_wherever_they_are(opened):
    fill("in/cat", 3)
    fill("elsewhere/kittens", 5)
    fill("elsewhere/dogs", 4)
    Path("in/cat/more").symlink_to(Path("elsewhere/kittens").resolve())
    Path("in/dog").symlink_to("../elsewhere/dogs")
    Path("in/cat/again").symlink_to("more")
    data, said = opened("in")
    assert (data.class_names, count(data)) == (("cat", "dog"), 17)
    here = Path.cwd()
    assert f"followed: cat/again -> {here}/elsewhere/kittens, cat/more -> " in said
    Path("in/cat/again").unlink()
    shutil.rmtree("in/cat/more", ignore_errors=True)
    plain, linked = shutil.copytree("in", "plain", symlinks=False), opened("in")[0]
    assert opened(plain)[0].fingerprint == linked.fingerprint


def test_a_link_within_the_folder_is_followed_quietly(opened):
    fill("in/a", 3)
    Path("in/b").symlink_to("a")
    data, said = opened("in")
    assert (data.class_names, count(data)) == (("a", "b"), 6)
    assert "followed" not in said


def test_links_that_lead_round(opened):
    fill("out/in/a", 3)
    for name, target in (("a/up", ".."), ("a/self", "."), ("b", "../../out"), ("c", "../.."), ("d", "/")):
        Path("out/in", name).symlink_to(target)
    data, said = opened("out/in")
    assert (data.class_names, count(data)) == (("a",), 3)
    assert "left out, as links that lead round in a circle: a/self, a/up, b, ..." in said


def test_two_folders_that_lead_to_each_other(opened):
    fill("x", 2)
    fill("y", 3)
    Path("x/to").symlink_to("../y")
    Path("y/to").symlink_to("../x")
    Path("in").mkdir()
    Path("in/a").symlink_to("../x")
    Path("in/b").symlink_to("../y")
    data, said = opened("in")
    assert count(data) == 10  # either is below the other one once
    assert "circle: a/to/to, b/to/to" in said


def test_links_without_end_are_refused(monkeypatch):
    for i in range(4):
        fill(f"in/{i}", 1)
    for i in range(4):
        for j in range(4):
            Path(f"in/{i}/to{j}").symlink_to(f"../{j}")
    monkeypatch.setattr("ganzoo.data.walk.MOST_LINKS", 20)
    with pytest.raises(UsageError, match="more than 20 links to folders lead from one to another"):
        look(Path("in"))
    assert MOST_LINKS >= 1_000


def test_links_to_files(opened):
    fill("store", 4)
    Path("in").mkdir()
    for i in range(4):
        Path(f"in/{i}.png").symlink_to(f"../store/{i}.png")
    assert opened("in")[0].fingerprint == opened("store")[0].fingerprint


@pytest.mark.slow
def test_many_folders_deep(opened):
    """Deeper than Python can call itself."""
    here = fill("in/a", 2).absolute()
    os.chdir(here)
    for _ in range(1_100):
        Path("d").mkdir()
        os.chdir("d")
    Image.new("RGB", (8, 8), "red").save("x.png")
    os.chdir(here)
    assert len(look(here).names) == 3
    os.chdir("/".join(["d"] * 1_100))
    Path("x.png").unlink()
    for _ in range(1_100):  # pytest would call itself as often
        os.chdir("..")
        Path("d").rmdir()


# ---- what is no image


SYSTEM = [
    "@eaDir",
    ".thumbnails",
    "__MACOSX",
    ".ipynb_checkpoints",
    "lost+found",
    "$RECYCLE.BIN",
    "#recycle",
    ".git",
]


@pytest.mark.parametrize("name", SYSTEM)
def test_folders_of_systems_are_no_classes(opened, name):
    plain = opened(fill("in/cat", 4).parent)[0]
    shutil.copytree("in/cat", f"in/{name}")
    shutil.copytree("in/cat", f"in/cat/{name}/deeper")
    data, said = opened("in")
    assert (data.class_names, data.fingerprint) == (("cat",), plain.fingerprint)
    assert f"left out, as hidden or a system's own: 2 folders ({name})\n" in said


def test_empty_folders_of_systems_are_not_spoken_of(opened):
    fill("in")
    Path("in/lost+found").mkdir()
    assert "left out" not in opened("in")[1]


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "._0.txt", "Icon\r"])
def test_files_of_systems_are_not_spoken_of(opened, name):
    fill("in")
    Path("in", name).write_bytes(b"\0\5\x16\7")
    data, said = opened("in")
    assert count(data) == 4
    assert "left out" not in said


def test_shadows_of_images_are_counted(opened):
    fill("in")
    for i in range(4):
        Path(f"in/._{i}.png").write_bytes(b"\0\5\x16\7")
    data, said = opened("in")
    assert count(data) == 4
    assert "left out, as hidden or a system's own: 4 files (._0.png, ._1.png, ._2.png, ...)" in said


def test_captions_and_tables_beside_images(opened):
    for name in ("cat", "dog"):
        fill(f"in/{name}")
        for i in range(4):
            Path(f"in/{name}/{i}.txt").write_text("a photo of a pet")
            Path(f"in/{name}/{i}.json").write_text("{}")
    plain = opened(shutil.copytree("in", "plain", ignore=shutil.ignore_patterns("*.txt", "*.json")))[0]
    for name in ("metadata.jsonl", "captions.csv", "labels.txt", "README", "LICENSE.md", "cat/clip.mp4"):
        Path("in", name).write_text("words")
    data, said = opened("in")
    assert (data.class_names, data.fingerprint) == (("cat", "dog"), plain.fingerprint)
    line = "left out, as they are no images: 9 .txt, 8 .json, 1 "
    assert line in said
    assert "1 without an ending" in said


def test_tables_beside_splits_and_beside_sides(opened):
    fill("in/train", 5)
    fill("in/test", 3)
    Path("in/labels.csv").write_text("a,b")
    data, said = opened("in")
    assert (len(data.train), len(data.test)) == (5, 3)
    assert "1 .csv" in said
    for side in ("A", "B"):
        fill(f"pairs/{side}", 5)
        Path(f"pairs/{side}/captions.txt").write_text("a")
    Path("pairs/README.md").write_text("a")
    assert count(Pairs("pairs", size=8)) == 5
    assert count(Unpaired("pairs/A,pairs/B", size=8)) == 5


@pytest.mark.parametrize("names", [("a.txt", "b.csv"), ("a", "b"), ("x.pt", "y.npz", "z.mp4")])
def test_a_folder_of_another_kind_is_refused(opened, names):
    Path("in").mkdir()
    for name in names:
        Path("in", name).write_bytes(b"words")
    with pytest.raises(
        UsageError, match=r"in has no images \(left out, as they are no images: [12] .*\): at least"
    ):
        opened("in")


def test_images_by_their_content_where_names_do_not_say(opened):
    root = fill("in", 2)
    for i, (kind, name) in enumerate(
        [
            ("PNG", "hash"),
            ("JPEG", "a.jpg_large"),
            ("WEBP", "b.1"),
            ("GIF", "c.orig"),
            ("TIFF", "d.x"),
            ("PPM", "e.y"),
            ("BMP", "f.z"),
            ("JPEG2000", "g.z"),
        ]
    ):
        Image.new("RGB", (8, 8), (40 * i, 0, 0)).save(root / name, kind)
    data, said = opened("in")
    assert count(data) == 10
    assert "left out" not in said
    for words in ("BMW is a car", "P5 is a kind of image", "RIFF", ""):
        (root / "words").write_text(words)
        assert "no images: 1 without an ending" in opened("in")[1]


@pytest.mark.parametrize(
    "ending", [".PNG", ".JPG", ".JPEG", ".Jpeg", ".WebP", ".TIF", ".BMP", ".jfif", ".jp2"]
)
def test_endings_in_any_case(opened, ending):
    assert count(opened(fill("in", 3, ending))[0]) == 3


@pytest.mark.parametrize("name", ["katze-\u00e9\u00fc", "\u732b", "a b", "[bold]", "a\nb", "-x", "100%"])
def test_odd_names(opened, name):
    fill(f"in/{name}", 3)
    fill("in/plain", 3)
    assert set(opened("in")[0].class_names) == {name, "plain"}


def test_folders_with_endings(opened):
    root = fill("my.jpg/v1.txt", 3)
    (root / "notes").write_text("words")
    data, said = opened("my.jpg")
    assert (data.class_names, count(data)) == (("v1.txt",), 3)
    assert "no images: 1 without an ending" in said


def test_names_that_are_no_unicode(opened):
    fill("in/plain", 3)
    os.rename(fill("in/other", 3), b"in/\xff\xfe")  # noqa: PTH104
    assert count(opened("in")[0]) == 6
    Path("in/plain/x.png").write_bytes(b"")
    os.rename("in/plain/x.png", b"in/plain/\xfe.png")  # noqa: PTH104
    for _ in range(2):
        with pytest.raises(UsageError, match="is empty"):
            opened("in")
    assert count(opened("in", broken="skip")[0]) == 6


def test_empty_folders_are_no_classes(opened):
    fill("in/cat")
    Path("in/dog/deeper").mkdir(parents=True)
    Path("in/elk").mkdir()
    Path("in/elk/notes.txt").touch()
    assert opened("in")[0].class_names == ("cat",)


# ---- the order of classes


def test_numbers_are_sorted_as_numbers(opened):
    for i in range(1, 13):
        fill(f"in/{i}", 2)
    data, _ = opened("in")
    assert data.class_names == tuple(map(str, range(1, 13)))
    y = sorted(data.train.all()[1].tolist() + data.test.all()[1].tolist())
    assert y == sorted([*range(12)] * 2)


def test_the_copy_of_before_has_other_labels(opened, monkeypatch):
    """In a cache that an older ganzoo left, classes are in the order of text."""
    for name in ("1", "2", "10"):
        fill(f"in/{name}", 3)
    with monkeypatch.context() as patch:
        patch.setattr("ganzoo.data.finding.in_order", lambda name: name)
        old = opened("in")[0]
    assert old.class_names == ("1", "10", "2")
    new = opened("in")[0]
    assert new.fingerprint != old.fingerprint
    for data in (old, new):
        x, y = data.train.all()
        ten = Image.open("in/10/1.png")
        row = [i for i in range(len(x)) if (x[i].permute(1, 2, 0).numpy() == np.asarray(ten)).all()]
        assert [data.class_names[y[i]] for i in row] in (["10"], [])


def test_the_order_of_names():
    names = ["b2", "b10", "a", "10", "9", "b", "09", "1a", "1", "\u0664", "-3", "b-", "b1"]
    assert sorted(names, key=in_order) == [
        "-3",
        "1",
        "1a",
        "09",
        "9",
        "10",
        "a",
        "b",
        "b-",
        "b1",
        "b2",
        "b10",
        "\u0664",
    ]
    assert sorted(["cat", "Dog", "dog", "Cat"], key=in_order) == sorted(["cat", "Dog", "dog", "Cat"])
    assert in_order("9" * 255)


def test_the_walk_says_what_cannot_be_read(monkeypatch):
    fill("in/a")

    def scandir(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UsageError, match=r"in cannot be read: Permission denied"):
        look(Path("in"))
    with pytest.raises(PermissionError):
        Walk(Path("in")).all()
