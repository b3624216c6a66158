"""Files as people have them, small: what `name` opens, written into the folder of a test."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import threading
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import wavfile

from ganzoo.data import rows
from ganzoo.data.images import read_image

COUNT = 60


def counting(monkeypatch) -> list[str]:
    """The names of the image files that are decoded from now on."""
    decoded: list[str] = []
    lock = threading.Lock()

    def read(path, *words):
        with lock:
            decoded.append(path.name)
        return read_image(path, *words)

    monkeypatch.setattr(rows, "read_image", read)
    return decoded


def write(name: str) -> None:
    """What dataset `name` is of; nothing for one that needs no file."""
    scheme = name.partition(":")[0]
    writers = {"csv": table, "parquet": parquet, "wav": sounds, "webdataset": shards, "hf": hugging_face}
    if scheme in writers:
        writers[scheme]()


def of_other_programs() -> None:
    """Those of the page docs/data.md."""
    table("my-table.csv", names=("height", "weight", "age"))
    parquet("my-table.parquet", names=("height", "weight", "age"))
    sounds("my-sounds", length=600)
    Path("my-shards").mkdir()
    shards("my-shards/train-{:03d}.tar", side=32)
    digits(Path("my-sets", "KMNIST", "raw"), {"train": 40, "t10k": 20})
    hugging_face("my-set", "my-numbers")


def numbers(count: int = COUNT, columns: int = 3) -> np.ndarray:
    return np.random.default_rng(count).normal(3.0, 2.0, (count, columns))


def pixels(count: int = COUNT, side: int = 16) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def kinds(count: int = COUNT) -> list[str]:
    return ["cat", "dog", "owl"] * (count // 3)


def table(
    path: str = "table.csv",
    separator: str = ",",
    header: bool = True,
    names: tuple[str, ...] = ("a", "b", "c"),
) -> Path:
    rows = [[*map(repr, row.tolist()), kind] for row, kind in zip(numbers(), kinds(), strict=True)]
    lines = [separator.join(row) for row in [*([[*names, "kind"]] if header else []), *rows]]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Path(path)


def parquet(path: str = "table.parquet", names: tuple[str, ...] = ("a", "b", "c")) -> Path:
    import pyarrow
    import pyarrow.parquet

    columns = dict(zip(names, numbers().T, strict=True))
    pyarrow.parquet.write_table(pyarrow.table({**columns, "kind": kinds()}), path)
    return Path(path)


def sound(i: int, length: int) -> np.ndarray:
    """float64 in [-0.5, 0.5]."""
    return 0.5 * np.sin(np.arange(length) * (0.1 + 0.01 * i) + i)


def sounds(root: str = "sounds", length: int = 50, rate: int = 8000) -> Path:
    """Of two classes, in every way to write them."""
    for i in range(COUNT):
        path = Path(root, "ab"[i % 2], f"{i}.wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        x = sound(i, length + i % 3)
        wavfile.write(path, rate, [(x * 2**15).astype(np.int16), x.astype(np.float32)][i // 2 % 2])
    return Path(root)


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


def tar(path: str, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return Path(path)


def shards(pattern: str = "shard-{:03d}.tar", count: int = 2, side: int = 16) -> list[Path]:
    made = []
    for shard in range(count):
        members: dict[str, bytes] = {}
        for i, image in enumerate(pixels(side=side)[shard::count]):
            members[f"{i:04d}.png"] = png(image)
            members[f"{i:04d}.cls"] = str(i % 3).encode()
            members[f"{i:04d}.json"] = json.dumps({"kind": kinds()[i % 3]}).encode()
        made.append(tar(pattern.format(shard), members))
    return made


def hugging_face(pictures: str = "pictures", table: str = "numbers") -> None:
    """ "The pictures, of two splits, and the numbers, as `save_to_disk` writes them."""
    import datasets

    classes = sorted({*kinds()})
    features = datasets.Features(
        {
            "picture": datasets.Image(),
            "kind": datasets.ClassLabel(names=classes),
            "note": datasets.Value("string"),
        }
    )

    def part(count: int, side: int) -> datasets.Dataset:
        shown = [{"bytes": png(image), "path": None} for image in pixels(count, side)]
        labels = [classes.index(kind) for kind in kinds(count)]
        return datasets.Dataset.from_dict({"picture": shown, "kind": labels, "note": kinds(count)}, features)

    datasets.DatasetDict({"train": part(60, 16), "test": part(21, 15)}).save_to_disk(pictures)
    columns = {"a": numbers()[:, 0], "pair": numbers()[:, 1:], "kind": kinds()}
    datasets.Dataset.from_dict(columns).save_to_disk(table)


def idx(array: np.ndarray) -> bytes:
    """As MNIST's files are."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def digits(folder: Path, parts: dict[str, int], classes: int = 10, first: int = 0) -> None:
    """Files as of MNIST: by the beginning of their names, how many are in each."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in parts.items():
        x = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        y = (np.arange(count) % classes + first).astype(np.uint8)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(x))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(y))
