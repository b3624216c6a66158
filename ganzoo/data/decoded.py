"""Images of a folder, decoded once: the copy in ganzoo's cache, checked when it is opened."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ganzoo.data.finding import Files
from ganzoo.data.images import each
from ganzoo.data.rows import Rows
from ganzoo.data.tensors import Array, content_hash, fingerprint, split_by_hash
from ganzoo.errors import UsageError, WorkError
from ganzoo.system.cache import MARK, discard, keep_to_limit, limit, part_of, place, sweep, touch
from ganzoo.system.console import notice
from ganzoo.system.locks import Lock, in_turn, in_use
from ganzoo.system.memory import machine_memory

FORMAT = 3  # of the copy; a change of what is decoded or stored needs another number
HEAD = 128  # bytes: what numpy writes before the pixels
DARK = 64  # where no pixel of 0 to 255 is as bright, something is wrong


@dataclass(frozen=True)
class Copy:
    """Decoded images.

    Attributes:
        x: uint8 [N, C, H, W], train rows first, then test; in memory, or mapped where that is too small. The
            channels of a pair are those of its image, then those of its partner.
        y: int64 [N], or [0] where there are no classes.
        meta: what is known of them.
        path: x.npy, where it is mapped.
        mark: keeps the copy in the cache, as long as it is used; None where all is in memory.
    """

    x: Array
    y: Array
    meta: dict[str, Any]
    path: Path | None = None
    mark: Lock | None = None


def open_copy(files: Files, size: int, channels: tuple[int, ...], white: float, memory_gb: float) -> Copy:
    """The decoded images, in memory where they take `memory_gb` at most; decoded if no copy is there.

    A copy appears whole or not at all: it is made beside and renamed, by one process, for which others wait.

    Args:
        channels: a number for each of `files.parts`.
        memory_gb: in GiB; 0 is a quarter of what the machine has.
    """
    limit()  # where it is wrong, nothing begins
    memory = memory_gb * 2**30 or machine_memory() / 4
    wanted = f"{FORMAT} {size} {' '.join(map(str, channels))} {white!r}"
    key, newest = _look(files, wanted)
    target = place("folders") / key
    sweep(target.parent)
    copy = _open(target, files, memory)
    if copy is not None:
        touch(target)
        return copy
    _let_pass(newest)

    def make(folder: Path | None) -> Copy:
        made = _decode(files, size, channels, white, memory, folder)
        if _look(files, wanted)[0] != key:
            raise WorkError(f"{files.root} changed while it was read: start again when it is complete")
        return made

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with in_turn(target, f"decodes {files.root}") as lock:
            copy = _open(target, files, memory)  # made by the one before
            if copy is None:
                with part_of(target, lock) as part:
                    make(part)
                    discard(target)
                    part.replace(target)
                copy = _open(target, files, memory)
        if copy is None:
            raise OSError("what was written is not what is read")
    except OSError as error:
        why = f"the cache of decoded images in {target.parent} cannot be written ({error.strerror or error})"
        try:
            copy = make(None)
        except MemoryError:
            cure = "make room (ganzoo cache clear), or set XDG_CACHE_HOME to another folder"
            raise WorkError(f"{why}: {cure}") from error
        notice(f"{why}: decoded in memory, and again the next time")
        return copy
    keep_to_limit(but=target)
    return copy


def _look(files: Files, wanted: str) -> tuple[str, int]:
    """A hash that changes when a file does, and the newest of their times in nanoseconds.

    As git does, it goes by more than the size and the time of the content, which programs set back: the time
    of the last change of any kind, which only the system sets, and the number of the file. Where they mean
    something else (on Windows the former is when it was made), they change for no reason at worst.
    """
    lines, newest, now = [f"{wanted} {files.root.resolve()} {files.test}"], 0, time.time_ns()
    for name, half in ((name, half) for names, half in files.parts for name in names):
        try:
            status = (files.root / name).stat()
        except OSError as error:
            raise UsageError(f"{files.root / name} cannot be read: {error.strerror or error}") from error
        marks = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        lines.append(f"{name}\0{' '.join(map(str, marks))}{half}")
        # Programs may set times that are yet to come.
        newest = max(newest, *(t for t in marks[1:3] if t <= now), 0)
    # Names are whatever bytes a file system allows.
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:32], newest


def _let_pass(newest: int) -> None:
    """Wait until the clock of the files has ticked since `newest`: a later change has another time then."""
    tick = 20_000_000 if newest % 1_000_000_000 else 2_000_000_000  # some file systems count in seconds
    wait = newest + tick - time.time_ns()
    if 0 < wait <= tick:
        time.sleep(wait / 1e9)


def _open(cache: Path, files: Files, memory: float) -> Copy | None:
    """The copy, or None where it is not there or not what was written.

    Sizes, the header of x.npy and all of the other two files are compared with what was written; the pixels
    too, where they are read into memory.
    """
    mark, path = in_use(cache / MARK), cache / "x.npy"
    if mark is None:
        return None
    try:
        meta = json.loads((cache / MARK).read_text(encoding="utf-8"))
        if meta.pop("sum") != _sum(meta, cache) or meta["count"] != len(files.names):
            return None
        x: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        y: Array = np.load(cache / "y.npy", allow_pickle=False)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if x.nbytes > memory:
        return Copy(x, y, meta, path, mark)
    x = np.array(x)
    mark.release()
    return Copy(x, y, meta) if _content(x, y, meta["train"], files) == meta["fingerprint"] else None


def _sum(meta: dict[str, Any], folder: Path) -> str:
    """Of all that costs little: what is known, the labels, and of the pixels how many there are."""
    path = folder / "x.npy"
    with path.open("rb") as file:
        head = file.read(HEAD)
    whole = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for part in (str(path.stat().st_size).encode(), head, (folder / "y.npy").read_bytes()):
        whole.update(part)
    return whole.hexdigest()


def _content(x: Array, y: Array, train: int, files: Files) -> str:
    """The fingerprint of the data."""
    return fingerprint(x[:train], y[:train], x[train:], y[train:]) if files.test else fingerprint(x, y)


def _decode(
    files: Files, size: int, channels: tuple[int, ...], given: float, memory: float, folder: Path | None
) -> Copy:
    """Decode all of `files`: into x.npy, y.npy and meta.json in `folder`, or, where None, into memory."""
    rows = Rows.of(files, size, channels, given)
    count, white = len(files.names), rows.white
    room = math.prod(rows.shape)
    x: Array
    if folder is None:
        if room > memory:
            raise MemoryError  # as numpy would
        x = np.empty(rows.shape, np.uint8)
    else:
        # A mapped file that meets a full disk ends the process: ask before.
        if shutil.disk_usage(folder).free < room * 1.01:
            raise OSError(f"no room for {room / 2**30:.1f} GiB")
        x = np.lib.format.open_memmap(folder / "x.npy", mode="w+", dtype=np.uint8, shape=rows.shape)
        if hasattr(os, "posix_fallocate"):
            with (folder / "x.npy").open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, HEAD + room)  # others write too, and there are quotas

    def into(i: int) -> None:
        x[i] = rows.read(i)

    each(into, range(count), "decoding images")
    y = np.array(files.labels, dtype=np.int64)
    notes = [white.sentence] if white.sentence else []
    if given and not white.given:
        notes.append(f"data.white={given:.15g} changes nothing: no image has more than 8 bits")
    if x.max() < DARK:
        notes.append(f"their brightest pixel is {x.max()}, where 255 is white")
    if files.test:
        train = count - files.test
        seen = {content_hash(row) for row in x[:train]}
        twins = sum(content_hash(row) in seen for row in x[train:])
        if twins:
            notes.append(
                f"{twins:,} of the {files.test:,} images to test are among those to train on as well"
            )
    else:
        test = split_by_hash(x)[1]
        train = count - len(test)
        _test_to_end(x, y, test)
    meta = {
        "format": FORMAT,
        "of": os.fsencode(files.root.resolve()).decode(errors="replace"),
        "count": count,
        "train": train,
        "channels": rows.channels,
        "fingerprint": _content(x, y, train, files),
        "notes": notes,
        "white": given or (white.value if white.sentence else 0.0),
    }
    if isinstance(x, np.memmap) and folder is not None:
        x.flush()
        np.save(folder / "y.npy", y, allow_pickle=False)
        (folder / MARK).write_text(json.dumps(meta | {"sum": _sum(meta, folder)}, indent=2), encoding="utf-8")
    return Copy(x, y, meta)


def _test_to_end(x: Array, y: Array, test: Tensor) -> None:
    """Swap rows in place until the test split is at the end: then each split is one piece of the file."""
    first = len(x) - len(test)
    chosen = set(test.tolist())
    stay = (i for i in range(first, len(x)) if i not in chosen)
    for i, j in zip((i for i in sorted(chosen) if i < first), stay, strict=True):
        x[[i, j]] = x[[j, i]]
        if len(y):
            y[[i, j]] = y[[j, i]]
