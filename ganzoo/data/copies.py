"""Decoded images in ganzoo's cache: a copy is written whole or not at all, and checked when it is opened."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ganzoo.data.tensors import Array, fingerprint, put_test_last
from ganzoo.errors import WorkError
from ganzoo.system.cache import MARK, discard, keep_to_limit, limit, part_of, place, sweep, touch
from ganzoo.system.console import in_bytes, notice
from ganzoo.system.locks import Lock, in_turn, in_use
from ganzoo.system.memory import machine_memory

HEAD = 128  # bytes: what numpy writes before the pixels
NOTHING: Array = np.empty(0, np.int64)  # where there are no images, or no labels

Pixels = Callable[[tuple[int, ...]], Array]
"""A shape -> room for uint8 pixels. Raises MemoryError or OSError where there is none."""

Parts = Callable[[Array, Array, int], Sequence[Array]]
"""Pixels, labels, how many are to train on -> what the fingerprint is made from."""


@dataclass(frozen=True)
class Copy:
    """Decoded images.

    Attributes:
        x: uint8 [N, C, H, W], train rows first, then test; in memory, or mapped where that is too small. The
            channels of a pair are those of its image, then those of its partner.
        y: classes int64 [N], values float32 [N, ...], or [0] where there are none.
        meta: what is known of them: `of`, `train`, `fingerprint`, and whatever their source adds. Where it
            has `faults`, they have kept the images from being decoded, and there are none.
        path: x.npy, where it is mapped.
        mark: keeps the copy in the cache, as long as it is used; None where all is in memory.
    """

    x: Array
    y: Array
    meta: dict[str, Any]
    path: Path | None = None
    mark: Lock | None = None


@dataclass(frozen=True)
class Source:
    """Images that are decoded once.

    Args:
        of: what they are, in words.
        key: the name of their copy, which changes when any of their pixels or labels does.
        decode: how, given what makes room for pixels; called where there is no copy.
        memory_gb: what the pixels may take in memory, in GiB; 0 is a quarter of what the machine has.
        parts: what the fingerprint is made from.
    """

    of: str
    key: str
    decode: Callable[[Pixels], Copy]
    memory_gb: float
    parts: Parts

    @property
    def target(self) -> Path:
        """The folder of the copy."""
        return place("folders") / self.key

    @property
    def memory(self) -> float:
        """Bytes that the pixels may take."""
        return self.memory_gb * 2**30 or machine_memory() / 4

    def in_turn(self) -> Lock:
        return in_turn(self.target, f"decodes {self.of}")


def open_or_make(source: Source) -> Copy:
    """The copy of a source, in memory where that is large enough; decoded if no copy is there.

    A copy appears whole or not at all: it is made beside and renamed, by one process, for which others wait.

    Raises:
        WorkError: the cache cannot be written, and the memory is too small.
    """
    limit()  # where it is wrong, nothing begins
    target = source.target
    sweep(target.parent)
    copy = _open(source)
    if copy is not None:
        touch(target)
        return copy
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.in_turn() as lock:
            copy = _open(source)  # made by the one before
            if copy is None:
                _make(source, lock, _on_disk)
                copy = _open(source)
        if copy is None:
            raise OSError("what was written is not what is read")
    except OSError as error:
        why = f"the cache of decoded images in {target.parent} cannot be written ({error.strerror or error})"
        try:
            copy = source.decode(partial(in_memory, source.memory))
        except MemoryError:
            cure = "make room (ganzoo cache clear), or set XDG_CACHE_HOME to another folder"
            raise WorkError(f"{why}: {cure}") from error
        notice(f"{why}: decoded in memory, and again the next time")
        return copy
    keep_to_limit(but=target)
    return copy


def give(x: Array, rows: Sequence[int], source: Source) -> None:
    """Make rows of a mapped array the copy of a source, if it has none; the file of the array is moved.

    Args:
        rows: in ascending order.
    """
    with source.in_turn() as lock:
        if not source.target.exists():
            _make(source, lock, partial(_taken, x, rows))


def finished(x: Array, y: Array, test: int, parts: Parts, meta: dict[str, Any]) -> Copy:
    """The copy of decoded images: the last `test` are the test split; 0 is a tenth, by hash, put there."""
    train = len(x) - test if test else put_test_last(x, y)
    return Copy(x, y, {**meta, "train": train, "fingerprint": fingerprint(*parts(x, y, train))})


def by_split(x: Array, y: Array, train: int) -> Sequence[Array]:
    """The fingerprint is also one of where the test split begins."""
    return x[:train], y[:train], x[train:], y[train:]


def in_memory(most: float, shape: tuple[int, ...]) -> Array:
    """Raises MemoryError for more than `most` bytes."""
    if math.prod(shape) > most:
        raise MemoryError  # as numpy would
    return np.empty(shape, np.uint8)


def _make(source: Source, lock: Lock, pixels: Callable[[Path, tuple[int, ...]], Array]) -> None:
    """Write the copy of a source, whose lock is held; `pixels` makes room for them in a folder."""
    with part_of(source.target, lock) as part:
        _write(part, source.decode(partial(pixels, part)))
        discard(source.target)
        part.replace(source.target)


def _on_disk(folder: Path, shape: tuple[int, ...]) -> Array:
    room, path = math.prod(shape), folder / "x.npy"
    # A mapped file that meets a full disk ends the process: ask before.
    if shutil.disk_usage(folder).free < room * 1.01:
        raise OSError(f"no room for {in_bytes(room)}")
    x: Array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, HEAD + room)  # others write too, and there are quotas
    return x


def _taken(x: Array, rows: Sequence[int], folder: Path, shape: tuple[int, ...]) -> Array:
    """Rows of a mapped array, whose file is moved into a folder and cut."""
    assert isinstance(x, np.memmap)
    assert x.filename is not None
    for i, row in enumerate(rows):
        if i != row:
            x[i] = x[row]
    path = Path(x.filename).replace(folder / "x.npy")
    with path.open("r+b") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        if file.tell() != HEAD:
            raise OSError("the rows of an array are not where they were")
        file.truncate(HEAD + math.prod(shape))
    cut: Array = np.lib.format.open_memmap(path, mode="r+")
    return cut


def _write(folder: Path, copy: Copy) -> None:
    """What is known of them, and their labels, to the pixels in a folder; of faults only what is known."""
    if "faults" in copy.meta:
        (folder / "x.npy").unlink(missing_ok=True)
    else:
        assert isinstance(copy.x, np.memmap)
        copy.x.flush()
        np.save(folder / "y.npy", copy.y, allow_pickle=False)
    meta = copy.meta | {"sum": _sum(copy.meta, folder)}
    (folder / MARK).write_text(json.dumps(meta, indent=2), encoding="utf-8")


def _open(source: Source) -> Copy | None:
    """The copy; None where it is not there or not what was written.

    Sizes, the header of x.npy and all of the other two files are compared with what was written; the pixels
    too, where they are read into memory.
    """
    cache = source.target
    mark, path = in_use(cache / MARK), cache / "x.npy"
    if mark is None:
        return None
    try:
        meta: dict[str, Any] = json.loads((cache / MARK).read_text(encoding="utf-8"))
        if meta.pop("sum") != _sum(meta, cache):
            return None
        if "faults" in meta:
            return Copy(NOTHING, NOTHING, meta)
        x: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        y: Array = np.load(cache / "y.npy", allow_pickle=False)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if x.nbytes > source.memory:
        return Copy(x, y, meta, path, mark)
    x = np.array(x)
    mark.release()
    same = fingerprint(*source.parts(x, y, meta["train"])) == meta["fingerprint"]
    return Copy(x, y, meta) if same else None


def _sum(meta: dict[str, Any], folder: Path) -> str:
    """Of all that costs little: what is known, the labels, and of the pixels how many there are."""
    whole = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    if "faults" in meta:
        return whole.hexdigest()
    path = folder / "x.npy"
    with path.open("rb") as file:
        head = file.read(HEAD)
    for part in (str(path.stat().st_size).encode(), head, (folder / "y.npy").read_bytes()):
        whole.update(part)
    return whole.hexdigest()
