"""Tar files of images."""

from __future__ import annotations

import json
from pathlib import Path

import files
import numpy as np
import pytest
import torch

from ganzoo.data import copies, packed
from ganzoo.data.shards import Shards, find_shards
from ganzoo.data.streams import StreamSplit
from ganzoo.data.tensors import TensorSplit
from ganzoo.errors import UsageError

PATTERN = "shard-{000..001}.tar"


def counting(monkeypatch) -> list[str]:
    """The names of the images that are decoded from now on."""
    seen: list[str] = []

    def read(content, name, *words):
        seen.append(name)
        return packed.read_packed(content, name, *words)

    monkeypatch.setattr("ganzoo.data.shards.read_packed", read)
    return seen


def test_images_and_their_classes(capsys):
    files.shards()
    data = Shards(PATTERN, size=16)
    assert (data.sample_shape, data.class_names) == ((3, 16, 16), ("0", "1", "2"))
    assert "60 images of 3 classes (0, 1, 2), 16 x 16, RGB; 6 to test, a tenth" in capsys.readouterr().err
    written = {image.transpose(2, 0, 1).tobytes(): i // 2 % 3 for i, image in enumerate(files.pixels())}
    for split in (data.train, data.test):
        x, y = split.all()
        assert [written[row.numpy().tobytes()] for row in x] == y.tolist()


@pytest.mark.parametrize("pattern", ["shard-*.tar", ".", "shard-00{0..1}.tar", "{}/shard-*.tar"])
def test_ways_to_name_them(pattern):
    files.shards()
    pattern = pattern.replace("{}", str(Path.cwd()))
    assert Shards(pattern, size=8).fingerprint == Shards(PATTERN, size=8).fingerprint


def test_they_are_decoded_once(monkeypatch):
    files.shards()
    seen = counting(monkeypatch)
    first = Shards(PATTERN, size=8)
    assert len(seen) == 60
    assert Shards("shard-*.tar", size=8).fingerprint == first.fingerprint
    assert len(seen) == 60
    for _ in range(3):
        first.train.batch(8, 0, 0)
    assert len(seen) == 60
    files.shards(side=17)
    assert Shards(PATTERN, size=8).fingerprint != first.fingerprint
    assert len(seen) == 120


def test_larger_than_memory_they_are_streamed_with_the_same_batches():
    files.shards()
    held, streamed = Shards(PATTERN, size=8), Shards(PATTERN, size=8, memory_gb=1e-6)
    assert isinstance(held.train, TensorSplit)
    assert isinstance(streamed.train, StreamSplit)
    assert held.fingerprint == streamed.fingerprint
    for step in (0, 1, 9, 3):
        for one, other in zip(held.train.batch(7, step, 2), streamed.train.batch(7, step, 2), strict=True):
            assert torch.equal(one, other)


def test_a_run_that_streams_is_resumed_exactly(ganzoo):
    files.shards()
    words = f"run mlp-gan --dataset webdataset:{PATTERN} --set data.size=8 --set data.memory_gb=1e-6"
    small = "--batch-size 8 --checkpoint-every 2 --set model.width=8 --steps"
    assert ganzoo(f"{words} {small} 4 --out whole").code == 0
    assert ganzoo(f"{words} {small} 2 --out parts").code == 0
    assert ganzoo("resume parts --steps 4").code == 0
    generators = [Path(run, "generator.safetensors").read_bytes() for run in ("whole", "parts")]
    assert generators[0] == generators[1]


@pytest.mark.parametrize(
    ("label", "names"), [("", ("0", "1", "2")), ("cls", ("0", "1", "2")), ("kind", ("cat", "dog", "owl"))]
)
def test_labels(label, names):
    files.shards()
    assert Shards(PATTERN, size=8, label=label).class_names == names


def test_fields_of_json_and_nothing_at_all():
    images = {f"{i}.png": files.png(image) for i, image in enumerate(files.pixels())}
    files.tar("none.tar", images)
    assert Shards("none.tar", size=8).num_classes == 0
    beside = {f"{i}.json": json.dumps({"label": i % 2}).encode() for i in range(60)}
    files.tar("json.tar", images | beside)
    assert Shards("json.tar", size=8).class_names == ("0", "1")
    with pytest.raises(UsageError, match=r"no 'labl' .*did you mean label"):
        Shards("json.tar", size=8, label="labl")


def test_a_test_split_of_its_own():
    files.shards()
    data = Shards("shard-000.tar", test="shard-001.tar", size=8)
    assert (len(data.train), len(data.test)) == (30, 30)


def test_all_broken_images_in_one_sentence():
    images = {f"{i}.png": files.png(image) for i, image in enumerate(files.pixels())}
    images |= {f"{i}.png": images[f"{i}.png"][:200] for i in range(5)}
    files.tar("bad.tar", images)
    for size in (0, 8):
        with pytest.raises(UsageError) as refused:
            Shards("bad.tar", size=size, channels=3)
        assert str(refused.value).startswith("5 of 60 images cannot be read (bad.tar/0.png cannot be decoded")
        assert str(refused.value).endswith("; and 2 more): repair or drop them")


def test_what_cannot_be_used(tmp_path):
    (whole,) = files.shards(count=1)
    content = whole.read_bytes()
    Path("cut.tar").write_bytes(content[: len(content) // 2])
    Path("noise.tar").write_bytes(np.random.default_rng(0).bytes(5000))
    Path("x.tar.gz").write_bytes(b"\x1f\x8b" + bytes(2000))
    files.tar("text.tar", {"a.txt": b"hello"})
    files.tar("half.tar", {"a.png": files.png(files.pixels()[0]), "b.png": b"", "a.cls": b"1"})
    Path("empty").mkdir()
    for name, piece in {
        "cut.tar": "cut.tar cannot be read as a tar file",
        "noise.tar": "noise.tar cannot be read as a tar file",
        "x.tar.gz": "unpack it to a .tar",
        "text.tar": "has no images",
        "half.tar": "half.tar/b.png has no .cls beside it",
        "empty": "has no .tar files",
        "shard-{000..002}.tar": r"shard-001.tar is not there",
        "shard-{3..1}.tar": "count up",
        "nowhere-*.tar": "is not there",
    }.items():
        with pytest.raises(UsageError, match=piece):
            Shards(name, size=8, channels=3)


def test_counting_keeps_zeros():
    files.tar("a-08.tar", {}), files.tar("a-09.tar", {}), files.tar("a-10.tar", {})
    assert [path.name for path in find_shards("a-{08..10}.tar")] == ["a-08.tar", "a-09.tar", "a-10.tar"]


def test_a_damaged_copy_is_made_again(monkeypatch, tmp_path):
    files.shards()
    seen = counting(monkeypatch)
    first = Shards(PATTERN, size=8).fingerprint
    (x,) = tmp_path.rglob("x.npy")
    content = bytearray(x.read_bytes())
    content[-1] ^= 1
    x.write_bytes(content)
    assert Shards(PATTERN, size=8).fingerprint == first
    assert len(seen) == 120


def test_without_a_cache_they_are_decoded_in_memory(monkeypatch, capsys):
    files.shards()
    whole = Shards(PATTERN, size=8).fingerprint

    def full(*words):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copies, "_write", full)
    assert Shards(PATTERN, size=8, label="kind").fingerprint == whole
    assert "decoded in memory, and again the next time" in capsys.readouterr().err
