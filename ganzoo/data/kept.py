"""Images of any source, decoded once: the copy in ganzoo's cache, and the dataset that reads it."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganzoo.data.base import Dataset, Modes, shares
from ganzoo.data.decoded import HEAD, Copy
from ganzoo.data.own import few
from ganzoo.data.packed import each_told
from ganzoo.data.streams import open_splits
from ganzoo.data.tensors import Array, fingerprint, samples_to_make, split_by_hash
from ganzoo.errors import UsageError, WorkError
from ganzoo.system.cache import MARK, discard, keep_to_limit, limit, part_of, place, sweep, touch
from ganzoo.system.console import in_bytes, notice
from ganzoo.system.locks import in_turn, in_use
from ganzoo.system.memory import machine_memory

FORMAT = 1  # of the copy; a change of what is decoded or stored needs another number


@dataclass(frozen=True)
class Pictures:
    """What is to be decoded.

    Attributes:
        shape: (N, C, H, W) of all of it.
        read: i -> the i-th image, uint8 [C, H, W]; several threads call it.
        y: classes int64 [N], or values float32 [N, ...]; [0] where there is neither.
        class_names: of the classes, or empty.
        test: how many, the last ones, are the test split; 0 is a tenth, by hash.
        notes: sentences that a person should read.
    """

    shape: tuple[int, int, int, int]
    read: Callable[[int], Array]
    y: Array
    class_names: tuple[str, ...] = ()
    test: int = 0
    notes: tuple[str, ...] = ()


class KeptImages(Dataset):
    """A dataset of decoded images, in memory where they fit, else read from the cache as they are needed."""

    def __init__(self, name: str, copy: Copy, workers: int = 0) -> None:
        train, count, values = copy.meta["train"], len(copy.x), copy.y
        self.name = name
        self.sample_shape = tuple(copy.x.shape[1:])
        self.fingerprint = copy.meta["fingerprint"]
        self.class_names = tuple(copy.meta["class_names"])
        y = torch.from_numpy(values) if len(values) else None
        if y is not None and y.dim() == 1:
            self.num_classes = len(self.class_names) or int(y.max()) + 1
            self.modes = Modes(self.num_classes, shares=shares(y[:train], self.num_classes))
        elif y is not None:
            self.condition_shape = tuple(y.shape[1:])
        self.eval_samples = samples_to_make(count - train, self.eval_samples)
        self.train, self.test = open_splits(copy, y, workers)
        for sentence in (self._found(train, bool(copy.meta["test"])), *copy.meta["notes"]):
            notice(f"{self.name}: {sentence}")

    def _found(self, train: int, has_test: bool) -> str:
        channels, height, width = self.sample_shape
        count, classes = len(self.test), self.num_classes
        what = f"of {classes:,} class{'es' * (classes != 1)}" if classes else "without classes"
        what += f" ({few(self.class_names)})" * bool(self.class_names)
        if self.condition_shape:
            what = f"with conditions of shape {self.condition_shape}"
        there = "in a split of their own" if has_test else "a tenth of them, by hash"
        return (
            f"{train if has_test else train + count:,} images {what}, {width} x {height}, "
            f"{'grey' if channels == 1 else 'RGB'}; {count:,} to test, {there}"
        )


def open_kept(of: str, key: str, make: Callable[[], Pictures], memory_gb: float = 0.0) -> Copy:
    """The decoded images, in memory where they take `memory_gb` at most; decoded if no copy is there.

    A copy appears whole or not at all: it is made beside and renamed, by one process, for which others wait.

    Args:
        of: what they are, in words.
        key: it changes when any of their pixels or labels does.
        make: says what to decode; not called where there is a copy.
        memory_gb: in GiB; 0 is a quarter of what the machine has.
    """
    limit()  # where it is wrong, nothing begins
    memory = memory_gb * 2**30 or machine_memory() / 4
    target = place("folders") / hashlib.sha256(f"kept {FORMAT} {key}".encode()).hexdigest()[:32]
    sweep(target.parent)
    copy = _open(target, memory)
    if copy is not None:
        touch(target)
        return copy
    pictures = make()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with in_turn(target, f"decodes {of}") as lock:
            copy = _open(target, memory)  # made by the one before
            if copy is None:
                with part_of(target, lock) as part:
                    _write(pictures, of, part)
                    discard(target)
                    part.replace(target)
                copy = _open(target, memory)
        if copy is None:
            raise OSError("what was written is not what is read")
    except OSError as error:
        why = f"the cache of decoded images in {target.parent} cannot be written ({error.strerror or error})"
        if math.prod(pictures.shape) > memory:
            cure = "make room (ganzoo cache clear), or set XDG_CACHE_HOME to another folder"
            raise WorkError(f"{why}: {cure}") from error
        copy = decode(pictures, of)
        notice(f"{why}: decoded in memory, and again the next time")
        return copy
    keep_to_limit(but=target)
    return copy


def decode(pictures: Pictures, of: str) -> Copy:
    """All of them in memory. Raises UsageError if they do not fit."""
    room = math.prod(pictures.shape)
    if room > machine_memory() / 2:
        raise UsageError(
            f"{of} takes {in_bytes(room)}, {pictures.shape[0]:,} images, which is more than half of this "
            f"machine's memory, {in_bytes(machine_memory())}: expected fewer, or a smaller size"
        )
    return _fill(pictures, np.empty(pictures.shape, np.uint8), of)


def marks_of(paths: Iterable[Path]) -> str:
    """A hash that changes when a file does, by what the system says of it: size, times, number.

    Raises UsageError for one that is not there.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
        marks = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        digest.update(f"{path.absolute()}\0{marks}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _write(pictures: Pictures, of: str, folder: Path) -> None:
    """Decode into x.npy, y.npy and meta.json in a folder."""
    room, path = math.prod(pictures.shape), folder / "x.npy"
    # A mapped file that meets a full disk ends the process: ask before.
    if shutil.disk_usage(folder).free < room * 1.01:
        raise OSError(f"no room for {in_bytes(room)}")
    x = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=pictures.shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, HEAD + room)  # others write too, and there are quotas
    copy = _fill(pictures, x, of)
    x.flush()
    np.save(folder / "y.npy", copy.y, allow_pickle=False)
    meta = copy.meta | {"sum": _sum(copy.meta, folder)}
    (folder / MARK).write_text(json.dumps(meta, indent=2), encoding="utf-8")


def _fill(pictures: Pictures, x: Array, of: str) -> Copy:
    """Decode into x, train rows first."""
    count = len(x)
    if count < 2:
        raise UsageError(f"{of}: {count or 'no'} image{'s' * (not count)}, and at least 2 are needed")

    def into(i: int) -> None:
        x[i] = pictures.read(i)

    each_told(into, count, "decoding images")
    y, train = np.array(pictures.y), count - pictures.test
    if not pictures.test:
        test = split_by_hash(x)[1].tolist()
        train = count - len(test)
        _to_end(x, y, test)
    parts = (x[:train], y[:train], x[train:], y[train:]) if len(y) else (x[:train], x[train:])
    meta = {
        "format": FORMAT,
        "of": of,
        "train": train,
        "test": pictures.test,
        "fingerprint": fingerprint(*parts),
        "class_names": list(pictures.class_names),
        "notes": list(pictures.notes),
    }
    return Copy(x, y, meta)


def _to_end(x: Array, y: Array, test: Sequence[int]) -> None:
    """Swap rows in place until the test split is at the end: then each split is one piece of the file."""
    first, chosen = len(x) - len(test), set(test)
    stay = (i for i in range(first, len(x)) if i not in chosen)
    for i, j in zip((i for i in sorted(chosen) if i < first), stay, strict=True):
        x[[i, j]] = x[[j, i]]
        if len(y):
            y[[i, j]] = y[[j, i]]


def _open(cache: Path, memory: float) -> Copy | None:
    """The copy, or None where it is not there or not what was written; pixels are compared if in memory."""
    mark, path = in_use(cache / MARK), cache / "x.npy"
    if mark is None:
        return None
    try:
        meta: dict[str, Any] = json.loads((cache / MARK).read_text(encoding="utf-8"))
        if meta.pop("sum") != _sum(meta, cache):
            return None
        x: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        y: Array = np.load(cache / "y.npy", allow_pickle=False)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if x.nbytes > memory:
        return Copy(x, y, meta, path, mark)
    x, train = np.array(x), meta["train"]
    mark.release()
    parts = (x[:train], y[:train], x[train:], y[train:]) if len(y) else (x[:train], x[train:])
    return Copy(x, y, meta) if fingerprint(*parts) == meta["fingerprint"] else None


def _sum(meta: dict[str, Any], folder: Path) -> str:
    """Of all that costs little: what is known, the labels, and of the pixels how many there are."""
    path = folder / "x.npy"
    with path.open("rb") as file:
        head = file.read(HEAD)
    whole = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for part in (str(path.stat().st_size).encode(), head, (folder / "y.npy").read_bytes()):
        whole.update(part)
    return whole.hexdigest()
