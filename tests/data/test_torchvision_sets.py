"""Torchvision's sets of images: on disk, with another size, and where they can't be had."""

from __future__ import annotations

import inspect
import socket
import time
from pathlib import Path

import files
import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from ganzoo.data import vision, vision_files
from ganzoo.data.base import from_uint8
from ganzoo.data.catalogue import ATTRIBUTES, KNOWN, known
from ganzoo.data.open import open_dataset
from ganzoo.data.streams import StreamSplit
from ganzoo.data.vision import Vision
from ganzoo.errors import UsageError

ROOT = Path("sets")


def kmnist() -> None:
    files.digits(ROOT / "KMNIST" / "raw", {"train": 40, "t10k": 20})


def eurosat(side: int = 64) -> None:
    for i, image in enumerate(files.pixels(30, side)):
        path = ROOT / "eurosat" / "2750" / ["Forest", "River", "Sea"][i % 3] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def celeba(monkeypatch) -> np.ndarray:
    """28 to train, 4 to validate, 8 to test; gives their attributes, 0 or 1."""
    home = ROOT / "celeba"
    (home / "img_align_celeba").mkdir(parents=True)
    values = np.random.default_rng(0).integers(0, 2, (40, 40))
    names = [f"{i:06d}.jpg" for i in range(40)]
    for name, image in zip(names, files.pixels(40), strict=True):
        Image.fromarray(image).save(home / "img_align_celeba" / name)
    lines = {
        "list_attr_celeba": [
            "40",
            " ".join(ATTRIBUTES),
            *(" ".join(map(str, 2 * row - 1)) for row in values),
        ],
        "list_eval_partition": [str((i >= 28) + (i >= 32)) for i in range(40)],
        "identity_CelebA": ["1"] * 40,
        "list_bbox_celeba": ["40", "x y w h", *["1 2 3 4"] * 40],
        "list_landmarks_align_celeba": ["40", " ".join("abcdefghij"), *["1 2 3 4 5 6 7 8 9 10"] * 40],
    }
    for name, own in lines.items():
        head, rows = own[:-40], own[-40:]
        text = [*head, *(f"{image} {row}" for image, row in zip(names, rows, strict=True))]
        (home / f"{name}.txt").write_text("\n".join(text) + "\n")
    monkeypatch.setattr(torchvision.datasets.CelebA, "_check_integrity", lambda self: True)
    return values


def test_splits_sizes_and_classes(capsys):
    kmnist()
    data = Vision("kmnist", ROOT)
    assert (data.name, data.sample_shape, data.num_classes) == ("torchvision:KMNIST", (1, 28, 28), 10)
    assert (len(data.train), len(data.test), data.class_names[:3]) == (40, 20, ("o", "ki", "su"))
    line = "torchvision:KMNIST: 40 images of 10 classes (o, ki, su, ...), 28 x 28, grey; 20 to test, in a "
    assert line in capsys.readouterr().err
    own = torchvision.datasets.KMNIST(ROOT, train=True)
    assert torch.equal(data.train.all()[0][:, 0], own.data)
    assert torch.equal(data.train.all()[1], own.targets)
    large = Vision("KMNIST", ROOT, size=64, channels=3)
    assert large.sample_shape == (3, 64, 64)
    assert large.fingerprint != data.fingerprint


def test_letters_are_upright_and_begin_at_0():
    parts = {"emnist-letters-train": 52, "emnist-letters-test": 26}
    files.digits(ROOT / "EMNIST" / "raw", parts, classes=26, first=1)
    data = Vision("emnist", ROOT, offline=True, split="letters")
    assert (data.class_names[0], data.class_names[-1], data.num_classes) == ("a", "z", 26)
    own = torchvision.datasets.EMNIST(ROOT, split="letters", train=True)
    assert torch.equal(data.train.all()[0][:, 0], own.data.transpose(1, 2))
    assert torch.equal(data.train.all()[1], own.targets - 1)
    with pytest.raises(UsageError, match="emnist-balanced-train-images"):
        Vision("emnist", ROOT, offline=True)


def test_without_a_test_split_a_tenth_is_held_out_and_it_is_decoded_once(monkeypatch):
    eurosat()
    data = Vision("EuroSAT", ROOT)
    assert (len(data.train), len(data.test), data.class_names) == (27, 3, ("Forest", "River", "Sea"))

    def refuse(*words):
        raise AssertionError("opened again")

    with monkeypatch.context() as patch:
        patch.setattr(vision, "open_parts", refuse)
        streamed = Vision("eurosat", ROOT, memory_gb=1e-6)
    assert isinstance(streamed.train, StreamSplit)
    assert torch.equal(data.train.batch(8, 5, 1)[0], streamed.train.batch(8, 5, 1)[0])
    eurosat(60)
    assert Vision("EuroSAT", ROOT).fingerprint != data.fingerprint


def test_attributes_as_values_or_as_two_classes(monkeypatch):
    values = celeba(monkeypatch)
    data = Vision("CelebA", ROOT, size=16)
    assert (data.condition_shape, data.num_classes, len(data.train), len(data.test)) == ((40,), 0, 28, 8)
    assert np.array_equal(data.train.all()[1].numpy(), values[:28])
    smiles = Vision("CelebA", ROOT, size=16, target="smiling")
    assert smiles.class_names == ("not Smiling", "Smiling")
    assert smiles.test.all()[1].tolist() == values[32:, ATTRIBUTES.index("Smiling")].tolist()


def test_fake_data_need_nothing_and_draw_nothing():
    before = torch.get_rng_state()
    data = Vision("fakedata", size=8)
    assert torch.equal(before, torch.get_rng_state())
    assert (data.name, len(data.train), len(data.test)) == ("torchvision:FakeData", 1000, 200)


def test_a_broken_image_is_named():
    eurosat()
    path = ROOT / "eurosat" / "2750" / "Sea" / "2.png"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UsageError, match=r"image \d+ of torchvision:EuroSAT cannot be read"):
        Vision("EuroSAT", ROOT)


def test_broken_files_are_named():
    kmnist()
    (ROOT / "KMNIST" / "raw" / "train-labels-idx1-ubyte").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"files of torchvision:KMNIST cannot be read .*repair or delete"):
        Vision("KMNIST", ROOT)


@pytest.mark.parametrize(
    ("name", "options", "pieces"),
    [
        ("SVNH", {}, ["torchvision:SVNH", "did you mean SVHN"]),
        ("xyz", {}, ["valid names", "SVHN"]),
        ("SVHN", {"split": "extra"}, ["data.split", "SVHN has no such option"]),
        ("EMNIST", {"split": "leters"}, ["data.split", "did you mean letters"]),
        ("CelebA", {"target": "smilling"}, ["data.target", "did you mean Smiling"]),
        ("SVHN", {"size": 2}, ["data.size"]),
        ("SVHN", {"channels": 2}, ["data.channels"]),
        ("SVHN", {}, ["SVHN can't be had (not in sets, and --offline", "--data-root DIR", "train_32x32.mat"]),
        ("LSUN", {"split": "tower"}, ["torchvision downloads none", "tower_train_lmdb"]),
    ],
)
def test_what_can_t_be_had(name, options, pieces):
    with pytest.raises(UsageError) as refused:
        Vision(name, ROOT, offline=True, **options)
    assert all(piece in str(refused.value) for piece in pieces), refused.value


def test_without_a_network_it_is_said_at_once(monkeypatch):
    monkeypatch.setattr(vision_files, "first_to_answer", lambda urls, seconds: None)
    with pytest.raises(
        UsageError, match=r"can't be had \(not in sets, and its download site does not answer\)"
    ):
        Vision("SVHN", ROOT)


def test_a_name_that_never_resolves_is_given_up(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *words, **more: time.sleep(30))
    monkeypatch.setattr(vision_files, "PROBE_SECONDS", 0.3)
    start = time.monotonic()
    with pytest.raises(UsageError, match="does not answer"):
        Vision("SVHN", ROOT)
    assert time.monotonic() - start < 3


class Fetched(torchvision.datasets.KMNIST):
    """Whose download writes its files."""

    def download(self):
        assert socket.getdefaulttimeout() == vision_files.STALL_SECONDS
        files.digits(Path(self.raw_folder), {"train": 40, "t10k": 20})


class Fails(torchvision.datasets.KMNIST):
    def download(self):
        files.digits(Path(self.raw_folder), {"train": 40})
        raise RuntimeError("File not found or corrupted.\nmore")


def test_a_download_appears_whole_or_not_at_all(monkeypatch):
    monkeypatch.setattr(vision_files, "first_to_answer", lambda urls, seconds: urls[0])
    monkeypatch.setattr(torchvision.datasets, "KMNIST", type("KMNIST", (Fails,), {}))
    with pytest.raises(UsageError, match=r"the download failed: File not found or corrupted\.\)"):
        Vision("KMNIST", ROOT)
    assert [path.name for path in ROOT.iterdir() if not path.name.startswith(".")] == []
    monkeypatch.setattr(torchvision.datasets, "KMNIST", type("KMNIST", (Fetched,), {}))
    assert len(Vision("KMNIST", ROOT).train) == 40
    assert (ROOT / "KMNIST" / "raw" / "t10k-labels-idx1-ubyte").exists()
    assert socket.getdefaulttimeout() is None


def test_a_run_finds_them_again_from_anywhere(ganzoo, monkeypatch):
    kmnist()
    words = "run mlp-gan --dataset torchvision:kmnist --data-root sets --offline --steps 2 --batch-size 8"
    assert ganzoo(words).code == 0
    run = next(Path("runs").iterdir()).absolute()
    Path("KMNIST").mkdir()  # which is not what was meant
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert ganzoo("resume --steps 3", str(run)).code == 0
    assert open_dataset("torchvision:KMNIST", {}, str(run.parent.parent / "sets")).elsewhere


def test_all_that_is_known_is_in_torchvision():
    for name, of in KNOWN.items():
        assert hasattr(torchvision.datasets, name)
        assert known(name.lower()) == name
        split, target = of.splits[:1] or ("",), of.targets[:1] or ("",)
        parts, takes = of.parts(split[0], target[0]), inspect.signature(getattr(torchvision.datasets, name))
        assert len(parts) in (1, 2)
        own = {*takes.parameters}
        if "kwargs" in own:  # of EMNIST and QMNIST, which hand on
            own |= {*inspect.signature(torchvision.datasets.MNIST).parameters}
        assert {key for part in parts for key in part} <= own
        assert not of.probe or "download" in own
        assert of.channels in (1, 3)


def test_batches_are_the_pixels():
    kmnist()
    data = Vision("KMNIST", ROOT)
    x, _ = data.train.batch(8, 0, 0)
    pool = {row.numpy().tobytes() for row in from_uint8(data.train.all()[0])}
    assert all(row.numpy().tobytes() in pool for row in x)
