"""A batch from each source of data beside a step of dcgan at 64 px: the reader is never what is waited for.

Batch 64, images of 64 px in three channels; what is not made of images has as many numbers in a sample as is
usual for it. Sources that are streamed are read from the cache, as where they do not fit in memory.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from ganzoo.data.open import open_dataset
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.training.trainer import Trainer

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
import files

BATCH, BATCHES, ROUNDS, COUNT = 64, 2, 9, 1024
STREAMED = {"memory_gb": 1e-6}


def shards() -> None:
    pixels = files.pixels(COUNT, 64)
    for i in range(4):
        members = {f"{j:05d}.png": files.png(image) for j, image in enumerate(pixels[i::4])}
        files.tar(f"{i}.tar", {**members, **{f"{j:05d}.cls": b"1" for j in range(len(members))}})


def folder() -> None:
    Path("images").mkdir()
    for i, image in enumerate(files.pixels(COUNT, 64)):
        Path("images", f"{i}.png").write_bytes(files.png(image))


def hugging_face() -> None:
    import datasets

    cells = [{"bytes": files.png(image), "path": None} for image in files.pixels(COUNT, 64)]
    made = datasets.Dataset.from_dict({"image": cells}).cast_column("image", datasets.Image())
    made.save_to_disk("set")


def table() -> None:
    np.savetxt("x.csv", files.numbers(COUNT, 64), delimiter=",")


def sounds() -> None:
    Path("sounds").mkdir()
    for i in range(256):
        files.wavfile.write(f"sounds/{i}.wav", 16_000, files.sound(i, 16_384).astype(np.float32))


SOURCES = {
    "folder": (folder, "folder:images", {}),
    "folder-streamed": (folder, "folder:images", STREAMED),
    "webdataset-streamed": (shards, "webdataset:{0..3}.tar", STREAMED),
    "torchvision": (lambda: None, "torchvision:FakeData", {}),
    "torchvision-streamed": (lambda: None, "torchvision:FakeData", STREAMED),
    "hf-streamed": (hugging_face, "hf:set", STREAMED),
    "mnist-5k": (lambda: None, "mnist-5k", {"size": 64}),
    "csv": (table, "csv:x.csv", {}),
    "wav": (sounds, "wav:sounds", {}),
}


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize("source", SOURCES)
def test_batch_over_step(source, side_by_side):
    """Target >= 1, whatever the source."""
    write, name, options = SOURCES[source]
    write()
    split = open_dataset(name, options).train
    count = iter(range(10**9))

    def batches():
        for _ in range(BATCHES):
            split.batch(BATCH, next(count), 0)

    settings = {"data.size": 64}
    trainer = Trainer(*plan(Words("dcgan", "mnist-5k", batch_size=BATCH, set=settings, device="cpu")))
    trainer.gan.train()

    def steps():
        for _ in range(BATCHES):
            trainer.one_step()

    side_by_side(batches, steps, ROUNDS, "as many steps of dcgan at 64 px")
