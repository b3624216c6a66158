"""Files of weights that strangers made: read rightly, or refused in one sentence before memory is taken."""

from __future__ import annotations

import io
import json
import random
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import torch

from ganzoo.errors import UsageError
from ganzoo.extractors.classifier import Classifier, pack, read_meta, unpack
from ganzoo.extractors.cnn import SHIPPED, Cnn
from ganzoo.extractors.inception import Inception
from ganzoo.extractors.weights import load_state
from ganzoo.style.vgg import vgg19

META = {"data": "toy", "test_accuracy": 0.5}


@pytest.fixture(scope="module")
def small() -> bytes:
    torch.manual_seed(0)
    return pack(Classifier(1, 8, 2, width=2).eval(), META)


def parts(content: bytes) -> tuple[dict, bytes]:
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: object, values: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + values


def with_meta(content: bytes, **changes: object) -> bytes:
    header, values = parts(content)
    meta = {**json.loads(header["__metadata__"]["ganzoo"]), **changes}
    return joined({**header, "__metadata__": {"ganzoo": json.dumps(meta)}}, values)


def with_tensor(content: bytes, **changes: object) -> bytes:
    header, values = parts(content)
    return joined({**header, "head.weight": {**header["head.weight"], **changes}}, values)


WRONG = {
    "a giant width": (lambda x: with_meta(x, width=10**9), "width: expected a whole number <= 4096"),
    "a giant size": (lambda x: with_meta(x, size=10**4000), "size: expected a whole number"),
    "many classes": (lambda x: with_meta(x, num_classes=2**40), "num_classes: expected a whole number"),
    "no classes": (lambda x: with_meta(x, num_classes=0), "num_classes: expected a whole number >= 1"),
    "negative": (lambda x: with_meta(x, channels=-1), "channels: expected a whole number >= 1"),
    "a truth": (lambda x: with_meta(x, width=True), "width: expected a whole number, got true or false"),
    "a fraction": (lambda x: with_meta(x, width=2.0), "width: expected a whole number, got a number"),
    "another width": (lambda x: with_meta(x, width=64), "size mismatch"),
    "large within bounds": (lambda x: with_meta(x, width=4096, num_classes=2**20), "size mismatch"),
    "a long header": (lambda x: struct.pack("<Q", 2**40) + x[8:], "no header of safetensors"),
    "a longer one": (lambda x: struct.pack("<Q", 2**64 - 1) + x[8:], "no header of safetensors"),
    "a deep header": (lambda x: joined(b"[" * 2**19, b""), "nested deeper"),
    "a list": (lambda x: joined([], b""), "expected an object, got a list"),
    "no metadata": (
        lambda x: joined({k: v for k, v in parts(x)[0].items() if k[0] != "_"}, b""), "__metadata__",
    ),
    "a larger shape": (lambda x: with_tensor(x, shape=[2**40, 128]), "SafetensorError"),
    "beyond the end": (lambda x: with_tensor(x, data_offsets=[0, 2**50]), "SafetensorError"),
    "backwards": (lambda x: with_tensor(x, data_offsets=[1024, 0]), "SafetensorError"),
    "another type": (lambda x: with_tensor(x, dtype="I32"), "RuntimeError"),
    "not finite": (lambda x: x[:-4] + struct.pack("<f", float("nan")), "not finite|size mismatch"),
    "cut": (lambda x: x[:-1], "SafetensorError"),
    "empty": (lambda x: b"", "is not a whole classifier"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_classifiers_that_are_not_true(tmp_path, small, name):
    change, sentence = WRONG[name]
    path = tmp_path / "a.safetensors"
    path.write_bytes(change(small))
    tracemalloc.start()
    with pytest.raises(UsageError, match=sentence) as refusal:
        Cnn(weights=path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(refusal.value)
    assert most < 30_000_000
    read_meta(path)  # None, or what the header says


def test_the_same_weights_in_half_precision_are_read(small):
    net = unpack(Path("a"), small)[0].half()
    halves = unpack(Path("a"), pack(net, META))[0]
    assert halves.head.weight.dtype == torch.float32
    assert torch.equal(halves.head.weight, net.head.weight.float())


def saved(state: object) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def deflated(content: bytes, zeros: int) -> bytes:
    """What torch.save wrote, packed, with the values of a tensor as zeros that unpack to more."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for info in old.infolist():
            is_data = "/data/" in info.filename
            new.writestr(info.filename, bytes(zeros) if is_data else old.read(info))
    return stream.getvalue()


def test_state_that_unpacks_to_more_than_it_may():
    whole = {"a": torch.arange(4.0), "n": 3, "words": "no number"}
    state = load_state(saved(whole), 1000)
    assert list(state) == ["a", "n"]
    assert state["a"].tolist() == [0, 1, 2, 3]
    bomb = deflated(saved(whole), 2**26)
    assert len(bomb) < 100_000
    spread = saved({"a": torch.zeros(1).expand(2**20, 2**20)})
    for content in (bomb, spread):
        with pytest.raises(ValueError, match=r"its tensors have \d"):
            load_state(content, 2**20)


@pytest.mark.parametrize("make", [lambda path: Inception(weights=path), vgg19])
def test_networks_of_others(tmp_path, make):
    path = tmp_path / "a.pth"
    for content in (
        saved({"features.0.weight": torch.zeros(1).half().expand(2**20, 2**20)}),
        saved({"features.0.weight": "text"}),
        saved([1, 2]),
        saved(7),
        deflated(saved({"a": torch.zeros(2**10)}), 2**12),
        b"PK\3\4",
        b"\x80\x02}q\x00.",
        b"",
    ):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"a\.pth .*does not hold the whole weights"):
            make(path)


def damaged(content: bytes, draw: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4))):
        limit = len(made) if draw.random() < 0.3 else min(len(made), 1500)  # the header above all
        at, length = draw.randrange(limit or 1), draw.choice((1, 4, 50))
        way = draw.randrange(4)
        if way == 0:
            made[at : at + 1] = draw.randbytes(1)
        elif way == 1:
            made[at : at + 1] = draw.choice((b"9", b"-", b"}", b'"', b"\xff", b"\0"))
        elif way == 2:
            del made[at : at + length]
        else:
            start = draw.randrange(limit or 1)
            made[at : at + length] = made[start : start + length]
    return bytes(made)


def assert_all_end_well(content: bytes, folder: Path, count: int, seed: int) -> None:
    draw, path, refused = random.Random(seed), folder / "a.safetensors", 0
    for _ in range(count):
        made = damaged(content, draw)
        path.write_bytes(made)
        read_meta(path)
        try:
            Cnn(weights=path)
        except UsageError as error:
            refused += 1
            if "\n" in str(error) or str(path) not in str(error):
                pytest.fail(f"not a sentence: {error}")
        except BaseException:
            (folder / "failed").write_bytes(made)
            raise
    assert refused > count / 2


def test_damaged_classifiers(tmp_path, small):
    assert_all_end_well(small, tmp_path, 400, 0)


@pytest.mark.slow
def test_many_damaged_classifiers(tmp_path, small):
    assert_all_end_well(small, tmp_path, 10_000, 1)
    assert_all_end_well(SHIPPED.read_bytes(), tmp_path, 1_000, 2)
