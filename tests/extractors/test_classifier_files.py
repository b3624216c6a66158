"""What a classifier's file says of itself is checked before a net is built of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganzoo.errors import UsageError
from ganzoo.extractors.classifier import Classifier, pack, read_meta, unpack

META = {"data": "mine", "test_accuracy": 0.5, "data_fingerprint": "abc"}


def file_that_says(**more) -> bytes:
    """A classifier's file of which the header says something else."""
    content = pack(Classifier(1, 8, 3, 4), META)
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    said = {**json.loads(header["__metadata__"]["ganzoo"]), **more}
    header["__metadata__"]["ganzoo"] = json.dumps({k: v for k, v in said.items() if v is not ...})
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def test_as_it_was_made():
    net, meta = unpack(Path("x"), file_that_says())
    assert (net.channels, net.size, net.num_classes, net.width) == (1, 8, 3, 4)
    assert meta.items() >= META.items()  # with what newer versions may add


@pytest.mark.parametrize(
    "wrong",
    [{"width": 10**9}, {"width": 0}, {"size": "8"}, {"channels": True}, {"num_classes": 10**400},
     {"size": ...}, {"data": None}, {"test_accuracy": float("nan")}, {"test_accuracy": "good"}],
    ids=str,
)  # fmt: skip
def test_sizes_that_are_none(wrong, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(file_that_says(**wrong))
    assert read_meta(path) is None
    with pytest.raises(UsageError, match="is not a whole classifier of ganzoo extractor train"):
        unpack(path, path.read_bytes())
