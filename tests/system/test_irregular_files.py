"""Pipes, sockets, devices, folders and links to nothing where a file is expected: a sentence, at once."""

from __future__ import annotations

import os
import signal
import socket
import stat
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ganzoo.bench.suite import read_suite
from ganzoo.data.folder import ImageFolder
from ganzoo.data.vectors import Npy
from ganzoo.errors import UsageError
from ganzoo.extractors.classifier import read_meta
from ganzoo.extractors.cnn import Cnn, MnistCnnV1, installed
from ganzoo.extractors.cnn import folder as classifiers
from ganzoo.extractors.inception import Inception
from ganzoo.metrics.foreign import read_samples
from ganzoo.style.pictures import read_picture
from ganzoo.style.vgg import vgg19
from ganzoo.system import files
from ganzoo.system.files import open_regular, read_regular


@pytest.fixture(autouse=True)
def soon():
    """Who waits for a pipe is woken, and has failed."""

    def woken(*_):
        raise TimeoutError("it waits for a pipe")

    before = signal.signal(signal.SIGALRM, woken)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bound(path: Path) -> None:
    one = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    one.bind(path.name)
    os.chdir(here)
    one.close()


KINDS = {
    "a pipe": pipe,
    "a socket": bound,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to nothing": lambda path: path.symlink_to(path.parent / "gone"),
    "a folder": Path.mkdir,
}
TOY = SimpleNamespace(name="toy", sample_shape=(1, 8, 8), kind="")
WAYS = {
    "npy": Npy,
    "samples": lambda path: read_samples(path, TOY),
    "cnn": lambda path: Cnn(weights=path),
    "mnist-cnn-v1": lambda path: MnistCnnV1(weights=path),
    "inception": lambda path: Inception(weights=path),
    "vgg19": vgg19,
    "picture": lambda path: read_picture(path, 64),
    "suite": read_suite,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_naming_a_file(tmp_path, way, kind):
    path = tmp_path / "cat.png"
    KINDS[kind](path)
    expected = rf"cat\.png is {kind}: expected"
    if (way, kind) == ("samples", "a folder"):
        expected = "has no images"
    if (way, kind) == ("suite", "a folder"):
        expected = r"there is no suite .*cat\.png"
    with pytest.raises(UsageError, match=expected):
        WAYS[way](path)


@pytest.mark.parametrize("kind", KINDS)
def test_among_the_images_of_a_folder(tmp_path, kind):
    root = tmp_path / "images"
    root.mkdir()
    for i in range(3):
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(root / f"{i}.png")
    KINDS[kind](root / "cat.png")
    if kind == "a folder":  # an empty one is none of the samples
        assert len(ImageFolder(root, size=8).train) == 2
        (root / "cat.png" / "1.png").write_bytes((root / "1.png").read_bytes())
    sentence = {"a link to nothing": "cannot be read", "a folder": "and in sub-folders"}.get(
        kind, f"is {kind}"
    )
    for read in (lambda: ImageFolder(root, size=8), lambda: read_samples(root, TOY)):
        if kind == "a link to nothing":
            sentence = "cat.png (cannot be read|is a link to nothing)"
        with pytest.raises(UsageError, match=sentence):
            read()


@pytest.mark.parametrize("kind", KINDS)
def test_among_installed_classifiers(kind):
    classifiers().mkdir(parents=True)
    KINDS[kind](classifiers() / "cat.safetensors")
    assert installed() == {}
    assert read_meta(classifiers() / "cat.safetensors") is None


def test_names_that_no_file_can_have(tmp_path):
    (tmp_path / "a.png").touch()
    for name in ("a\0b.png", "x" * 5000, "a.png/b.png"):
        with pytest.raises(UsageError, match=r"a.?\S*b\.png|is no path|xxxxx"):
            ImageFolder(tmp_path / name)
        for way in ("npy", "samples", "cnn", "picture", "suite"):
            with pytest.raises(UsageError, match=r"a.?\S*b\.png|is no path|xxxxx"):
                WAYS[way](tmp_path / name)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "cat.png"
    path.write_bytes(b"x")
    path.chmod(0)
    for read in WAYS.values():
        with pytest.raises(UsageError, match=r"cat\.png cannot be read \(Permission denied\)"):
            read(path)


def test_what_takes_its_place_while_it_is_opened(tmp_path, monkeypatch):
    """Between the look and the opening a pipe takes the place of the file: it is not waited for."""
    path = tmp_path / "cat.png"
    path.write_bytes(b"x")
    plain = os.open

    def late(name, ways, *more):
        path.unlink()
        os.mkfifo(path)
        return plain(name, ways, *more)

    monkeypatch.setattr(files.os, "open", late)
    with pytest.raises(UsageError, match=r"cat\.png is a pipe: expected an image"):
        open_regular(path, "an image")


def test_the_file_that_is_wanted(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"content")
    (tmp_path / "link").symlink_to(path)
    assert read_regular(tmp_path / "link", "words", 7) == b"content"
    with open_regular(path, "words") as file:
        assert (file.read(), stat.S_ISREG(os.fstat(file.fileno()).st_mode)) == (b"content", True)
    with pytest.raises(UsageError, match="has 7 bytes: expected words, of 6 bytes at most"):
        read_regular(path, "words", 6)


def test_a_large_file_is_not_read(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(40 * 2**30)
    for way in ("cnn", "mnist-cnn-v1", "inception", "vgg19", "picture", "suite"):
        with pytest.raises(UsageError, match=r"large has 40\.0 GiB"):
            WAYS[way](path)
