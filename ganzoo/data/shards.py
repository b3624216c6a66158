"""One's own images in tar files, as the library webdataset writes them: for sets larger than memory."""

from __future__ import annotations

import glob
import json
import os
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ganzoo.data.images import check_options
from ganzoo.data.kept import KeptImages, Pictures, open_kept
from ganzoo.data.marks import marks_of
from ganzoo.data.opening import LARGEST_FILE
from ganzoo.data.own import classes_of
from ganzoo.data.packed import choose_form, read_packed
from ganzoo.data.tensors import Array
from ganzoo.errors import UsageError, WorkError, nearest
from ganzoo.system.console import in_bytes
from ganzoo.system.files import open_regular
from ganzoo.system.paths import typed_path

IMAGES = {"jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "img", "image"}
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
MOST_SHARDS = 100_000
LONGEST_LABEL = 2**16  # bytes of a .cls or .json file
USUAL = ("cls", "label")  # what a class is called in a .json file


class Shards(KeptImages):
    """Your own images in tar files: webdataset:PATTERN, such as webdataset:train-{000..009}.tar.

    Files of one name in a tar are a sample: an image, and a class beside it, as `.cls` or in a `.json`. All
    are decoded once, scaled to a square (Lanczos, centre crop) and kept in ganzoo's cache until a tar
    changes; where they do not fit in memory, they are read from there, so that a run that is resumed goes on
    exactly. A tenth, chosen by hash, is the test split, unless there are tars of it.

    Args:
        path: a tar, or several: {000..009} counts, and * is anything; or a folder of them.
        test: the tars of the test split, in the same way; a relative name is in the folder of PATTERN.
        label: cls, or the name of a field of the .json files; where it is left out, .cls files, or else the
            field cls or label, if there are any.
        size: of the square in pixels; 0 is 64 if all images are that large, else 32.
        channels: 1 or 3; 0 is 1 if all images are grey, else 3.
        memory_gb: up to which size of the pixels, in GiB, they are held in memory; 0 is a quarter of what the
            machine has.
        workers: processes that read ahead, where the set is not in memory.

    Raises:
        UsageError: a wrong option, no such tar, one that cannot be read, or an image without its class.
        WorkError: the images are too many for the memory, and the cache cannot be written.
    """

    paths: ClassVar[str] = "PATTERN"

    def __init__(
        self,
        path: str | Path,
        test: str = "",
        label: str = "",
        size: int = 0,
        channels: int = 0,
        memory_gb: float = 0.0,
        workers: int = 0,
    ) -> None:
        check_options(size, channels, memory_gb, workers, 0.0)
        shards = find_shards(path)
        held_out = find_shards(typed_path(path).parent / typed_path(test)) if test else []
        key = f"{marks_of(shards)} {marks_of(held_out)} {label} {size} {channels}"

        def make() -> Pictures:
            train, test = (_index_all(files) for files in (shards, held_out))
            made = _pictures([*train, *test], len(test), label, size, channels)
            if marks_of(shards) + marks_of(held_out) != "".join(key.split(" ")[:2]):
                raise WorkError(
                    f"{shards[0].parent} changed while it was read: start again when it is complete"
                )
            return made

        super().__init__(f"webdataset:{path}", open_kept(f"webdataset:{path}", key, make, memory_gb), workers)


@dataclass(frozen=True)
class Member:
    """A file in a tar: where its bytes are."""

    shard: Path
    name: str
    start: int
    size: int

    def read(self) -> bytes:
        if self.size > LARGEST_FILE:
            raise UsageError(f"{self} has {in_bytes(self.size)}, and {in_bytes(LARGEST_FILE)} is the most")
        with open_regular(self.shard, "a tar file") as file:
            file.seek(self.start)
            return file.read(self.size)

    def __str__(self) -> str:
        return f"{self.shard}/{self.name}"


@dataclass(frozen=True)
class Sample:
    """An image in a tar, and what is beside it, by its ending."""

    image: Member
    beside: dict[str, Member]


def find_shards(pattern: str | Path) -> list[Path]:
    """The tars that are meant, sorted. Raises UsageError if there are none."""
    where = typed_path(pattern)
    if where.is_dir():
        found = sorted(where.glob("*.tar"))
        if not found:
            raise UsageError(f"{where} has no .tar files: expected a folder of them, or a name such as 0.tar")
        return found
    found = []
    for name in _counted(str(where)):
        # Not Path.glob, which takes no absolute pattern.
        found_here = [name] if Path(name).exists() else sorted(glob.glob(name))  # noqa: PTH207  # as above
        there = [Path(each) for each in found_here]
        if not there:
            raise UsageError(
                f"{name} is not there: expected a .tar file, several as {{000..009}} or *, or a folder"
            )
        found += there
    return found


def index_shard(path: Path) -> list[Sample]:
    """The images of a tar, and what is beside them. Raises UsageError where it cannot be read."""
    groups: dict[str, dict[str, Member]] = {}
    try:
        with open_regular(path, "a tar file") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            size = os.fstat(file.fileno()).st_size
            while (info := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # it would remember all of them
                if info.offset_data + info.size > size:
                    raise EOFError(f"{info.name} in it is cut off")
                if info.isreg() and not info.issparse():
                    folder, _, last = info.name.rpartition("/")
                    stem, _, ending = last.partition(".")
                    if stem and not info.name.startswith("__"):  # what webdataset calls its own
                        member = Member(path, info.name, info.offset_data, info.size)
                        groups.setdefault(f"{folder}/{stem}", {})[ending.lower()] = member
            # A tar ends with zeros; tarfile takes all that it cannot read for the end.
            file.seek(tar.offset)
            if file.read(512) != bytes(512):
                raise EOFError(f"it is cut off or damaged after {tar.offset:,} of {size:,} bytes")
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        if isinstance(error, UsageError):
            raise
        packed = path.suffix.lower() in (".gz", ".tgz", ".bz2", ".xz", ".zst")
        cure = "unpack it to a .tar, whose parts can be read by themselves" if packed else "repair it"
        raise UsageError(f"{path} cannot be read as a tar file ({error}): {cure}") from error
    samples = []
    for beside in groups.values():
        images = [ending for ending in beside if ending.rpartition(".")[2] in IMAGES]
        if images:
            samples.append(Sample(beside[min(images, key=lambda ending: ending.count("."))], beside))
    if not samples:
        raise UsageError(
            f"{path} has no images: expected files such as 000.jpg in it, and 000.cls beside them"
        )
    return samples


def _counted(pattern: str) -> list[str]:
    """{000..009} as the ten names that it stands for."""
    found = RANGE.search(pattern)
    if found is None:
        return [pattern]
    first, last = int(found[1]), int(found[2])
    if not first <= last < first + MOST_SHARDS:
        raise UsageError(f"{pattern}: expected {{FIRST..LAST}}, two numbers that count up, got {found[0]}")
    names = (
        pattern[: found.start()] + str(i).zfill(len(found[1])) + pattern[found.end() :]
        for i in range(first, last + 1)
    )
    return [name for one in names for name in _counted(one)]


def _index_all(shards: Sequence[Path]) -> list[Sample]:
    return [sample for shard in shards for sample in index_shard(shard)]


def _pictures(samples: Sequence[Sample], test: int, label: str, size: int, channels: int) -> Pictures:
    def content(i: int) -> bytes:
        return samples[i].image.read()

    def name(i: int) -> str:
        return str(samples[i].image)

    size, channels = choose_form(content, name, len(samples), size, channels)
    values = _labels(samples, label)
    y: Array = np.empty(0, np.int64)
    names: tuple[str, ...] = ()
    if values:
        classes, names = classes_of(values)
        y = classes.numpy()

    def read(i: int) -> Array:
        return read_packed(content(i), name(i), size, channels)

    return Pictures((len(samples), channels, size, size), read, y, names, test)


def _labels(samples: Sequence[Sample], label: str) -> list[str]:
    """What the class of each is called; none where there are no classes."""
    if label == "cls" or (not label and any("cls" in sample.beside for sample in samples)):
        return [_text(sample, "cls").decode(errors="replace").strip() for sample in samples]
    if not label and not any("json" in sample.beside for sample in samples):
        return []
    fields = [_fields(sample) for sample in samples]
    key = label or next((name for name in USUAL if all(name in own for own in fields)), "")
    if not key:
        return []
    for sample, own in zip(samples, fields, strict=True):
        if not isinstance(own.get(key), str | int):
            raise UsageError(
                f"data.label: the .json of {sample.image} has no {key!r} that is text or a whole number: "
                f"{nearest(key, own)}"
            )
    return [str(own[key]) for own in fields]


def _fields(sample: Sample) -> dict[str, Any]:
    try:
        fields = json.loads(_text(sample, "json"))
        if not isinstance(fields, dict):
            raise ValueError("it is no object")
    except (ValueError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"the .json of {sample.image} cannot be read: {error}") from error
    return fields


def _text(sample: Sample, ending: str) -> bytes:
    member = sample.beside.get(ending)
    if member is None or member.size > LONGEST_LABEL:
        raise UsageError(
            f"{sample.image} has no .{ending} beside it, of {LONGEST_LABEL:,} bytes at most: expected one "
            "there"
        )
    return member.read()
