"""Images of a folder, decoded once: the copy in ganzoo's cache, checked when it is opened."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ganzoo.data.broken import Faults
from ganzoo.data.finding import Files
from ganzoo.data.images import Size, each
from ganzoo.data.marks import let_pass, look_at
from ganzoo.data.rows import Rows
from ganzoo.data.tensors import Array, content_hash, fingerprint, split_by_hash
from ganzoo.errors import WorkError
from ganzoo.system.cache import MARK, discard, keep_to_limit, part_of, place, sweep, touch
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


@dataclass(frozen=True)
class Options:
    """How images are decoded, and where they are kept.

    Args:
        size: height and width; (0, 0) is chosen from them all.
        channels: a number for each of `Files.parts`, 0 where it is chosen.
        white: the value that is white in images of more than 8 bits; 0 is found.
        memory_gb: in GiB; 0 is a quarter of what the machine has.
        broken: "stop" where a file is broken, or "skip" it.
    """

    size: Size
    channels: tuple[int, ...]
    white: float
    memory_gb: float
    broken: str = "stop"

    @property
    def wanted(self) -> str:
        """What copies of the same files differ by."""
        height, width = self.size
        size = str(height) if height == width else f"{height}x{width}"
        return f"{FORMAT} {size} {' '.join(map(str, self.channels))} {self.white!r}"

    @property
    def memory(self) -> float:
        """Bytes that the pixels may take."""
        return self.memory_gb * 2**30 or machine_memory() / 4


def copy_of(
    files: Files, options: Options, without: Callable[[Faults], Files]
) -> tuple[Copy | None, dict[str, str]]:
    """A copy of all these files, or what is wrong with some of them.

    A copy appears whole or not at all: it is made beside and renamed, by one process, for which others wait.

    Args:
        without: faults -> the files that are left without those.
    """
    key, newest = look_at(files, options.wanted)
    target = place("folders") / key
    sweep(target.parent)
    copy, faults = _open(target, files, options.memory)
    if copy is not None or faults:
        touch(target)
        return copy, faults
    let_pass(newest)

    def make(folder: Path | None) -> tuple[Array, Rows]:
        made = _decode(files, options, folder)
        if look_at(files, options.wanted)[0] != key:
            raise WorkError(f"{files.root} changed while it was read: start again when it is complete")
        return made

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with in_turn(target, f"decodes {files.root}") as lock:
            copy, faults = _open(target, files, options.memory)  # made by the one before
            if copy is None and not faults:
                with part_of(target, lock) as part:
                    x, rows = make(part)
                    if rows.faults:
                        _give(part, x, rows, files, without(rows.faults), options)
                    else:
                        _finish(files, x, rows, options.white, part)
                        _put(part, target)
                if rows.faults:
                    with part_of(target, lock) as part:
                        _write(part, {**_head(files), "faults": files.named(rows.faults)})
                        _put(part, target)
                copy, faults = _open(target, files, options.memory)
        if copy is None and not faults:
            raise OSError("what was written is not what is read")
    except OSError as error:
        why = f"the cache of decoded images in {target.parent} cannot be written ({error.strerror or error})"
        try:
            x, rows = make(None)
        except MemoryError:
            cure = "make room (ganzoo cache clear), or set XDG_CACHE_HOME to another folder"
            raise WorkError(f"{why}: {cure}") from error
        notice(f"{why}: decoded in memory, and again the next time")
        return (None, rows.faults) if rows.faults else (_finish(files, x, rows, options.white, None), {})
    keep_to_limit(but=target)
    return copy, faults


def _give(part: Path, x: Array, rows: Rows, files: Files, left: Files, options: Options) -> None:
    """Make what was decoded in `part` the copy of those that are left, where it is what theirs would be."""
    index = {path: i for i, path in enumerate(files.paths[0])}
    order = [index[path] for path in left.paths[0]]
    if order != sorted(order) or not rows.fit(left, options.size, options.channels):
        return
    target = place("folders") / look_at(left, options.wanted)[0]
    with in_turn(target, f"decodes {files.root}"):
        if not target.exists():
            for i, row in enumerate(order):
                if i != row:
                    x[i] = x[row]
            _finish(left, _shortened(part / "x.npy", (len(order), *x.shape[1:])), rows, options.white, part)
            _put(part, target)


def _shortened(path: Path, shape: tuple[int, ...]) -> Array:
    """The first rows of a .npy file of pixels, as if there were no others."""
    with path.open("r+b") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        if file.tell() != HEAD:
            raise OSError("the rows of an array are not where they were")
        file.truncate(HEAD + math.prod(shape))
    x: Array = np.lib.format.open_memmap(path, mode="r+")
    return x


def _put(part: Path, target: Path) -> None:
    discard(target)
    part.replace(target)


def _open(cache: Path, files: Files, memory: float) -> tuple[Copy | None, dict[str, str]]:
    """The copy, or what is wrong with some files; neither where it is not there or not what was written.

    Sizes, the header of x.npy and all of the other two files are compared with what was written; the pixels
    too, where they are read into memory.
    """
    mark, path = in_use(cache / MARK), cache / "x.npy"
    if mark is None:
        return None, {}
    try:
        meta = json.loads((cache / MARK).read_text(encoding="utf-8"))
        if meta.pop("sum") != _sum(meta, cache) or meta["count"] != len(files.names):
            return None, {}
        if "faults" in meta:
            return None, {str(files.tree.file(name)): reason for name, reason in meta["faults"].items()}
        x: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        y: Array = np.load(cache / "y.npy", allow_pickle=False)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None, {}
    if x.nbytes > memory:
        return Copy(x, y, meta, path, mark), {}
    x = np.array(x)
    mark.release()
    same = _content(x, y, meta["train"], files) == meta["fingerprint"]
    return (Copy(x, y, meta) if same else None), {}


def _write(folder: Path, meta: dict[str, Any]) -> None:
    text = json.dumps(meta | {"sum": _sum(meta, folder)}, indent=2)
    (folder / MARK).write_text(text, encoding="utf-8")


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


def _content(x: Array, y: Array, train: int, files: Files) -> str:
    """The fingerprint of the data."""
    return fingerprint(x[:train], y[:train], x[train:], y[train:]) if files.test else fingerprint(x, y)


def _decode(files: Files, options: Options, folder: Path | None) -> tuple[Array, Rows]:
    """Decode all of `files`: into x.npy in `folder`, or, where None, into memory.

    The rows of broken ones are not filled.
    """
    rows = Rows.of(files, options.size, options.channels, options.white)
    room = math.prod(rows.shape)
    x: Array
    if folder is None:
        if room > options.memory:
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
        row = rows.read(i)
        if row is not None:
            x[i] = row

    each(into, range(len(files.names)), "decoding images")
    return x, rows


def _finish(files: Files, x: Array, rows: Rows, given: float, folder: Path | None) -> Copy:
    """The copy of decoded images: their test split to the end, and in `folder` what is known of them."""
    count, white = len(files.names), rows.white
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
        **_head(files),
        "train": train,
        "channels": rows.channels,
        "fingerprint": _content(x, y, train, files),
        "notes": notes,
        "white": given or (white.value if white.sentence else 0.0),
    }
    if isinstance(x, np.memmap) and folder is not None:
        x.flush()
        np.save(folder / "y.npy", y, allow_pickle=False)
        _write(folder, meta)
    return Copy(x, y, meta)


def _head(files: Files) -> dict[str, Any]:
    """What copies, and the faults of files, have both in their meta.json."""
    of = os.fsencode(files.root.resolve()).decode(errors="replace")
    return {"format": FORMAT, "of": of, "count": len(files.names)}


def _test_to_end(x: Array, y: Array, test: Tensor) -> None:
    """Swap rows in place until the test split is at the end: then each split is one piece of the file."""
    first = len(x) - len(test)
    chosen = set(test.tolist())
    stay = (i for i in range(first, len(x)) if i not in chosen)
    for i, j in zip((i for i in sorted(chosen) if i < first), stay, strict=True):
        x[[i, j]] = x[[j, i]]
        if len(y):
            y[[i, j]] = y[[j, i]]
