"""One's own images, decoded once into a cache, then in memory or streamed from it."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Modes, Split, shares
from ganzoo.data.finding import Files, find_splits
from ganzoo.data.images import check_options, choose, each, read_header, read_image, white_of
from ganzoo.data.streams import StreamSplit
from ganzoo.data.tensors import (
    Array,
    TensorSplit,
    content_hash,
    fingerprint,
    samples_to_make,
    split_by_hash,
)
from ganzoo.errors import UsageError, WorkError
from ganzoo.system.console import notice
from ganzoo.system.files import cache_folder, write_json
from ganzoo.system.memory import machine_memory
from ganzoo.system.paths import typed_path

FORMAT = 2  # of the cache; a change of what is decoded or stored needs another number
DARK = 64  # where no pixel of 0 to 255 is as bright, something is wrong
NAMED = 3  # classes, in the line that says what was found


class ImageFolder(Dataset):
    """Your own images: folder:PATH; sub-folders are classes, if there are any.

    Every image is decoded once, scaled to a square (Lanczos, centre crop) and kept in ganzoo's cache until
    the folder changes. Sub-folders train and test are the splits, if there are no others; else a tenth of the
    images, chosen by hash, is the test split.

    Args:
        path: the folder.
        size: of the square in pixels; 0 is 64 if all images are that large, else 32.
        channels: 1 or 3; 0 is 1 if all images are grey, else 3.
        memory_gb: up to which size of the pixels, in GiB, they are held in memory; 0 is a quarter of what the
            machine has. Larger sets are read from the cache as they are needed.
        workers: processes that read ahead, where the set is not in memory.
        white: the value that is white in images of more than 8 bits; 0 finds one for all: the smallest of
            255, 1023, 4095, 16383, 65535 that holds their largest value, 1 for fractions.

    Raises:
        UsageError: a wrong option, no such folder, fewer than two images, or a file that is not an image.
        WorkError: the cache cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        size: int = 0,
        channels: int = 0,
        memory_gb: float = 0.0,
        workers: int = 0,
        white: float = 0.0,
    ) -> None:
        check_options(size, channels, memory_gb, workers, white)
        files = find_splits(typed_path(path))
        cache = open_cache(files, size, channels, white)
        meta = json.loads((cache / "meta.json").read_text(encoding="utf-8"))
        x: Array = np.load(cache / "x.npy", mmap_mode="r", allow_pickle=False)
        y = torch.from_numpy(np.load(cache / "y.npy", allow_pickle=False)) if files.class_names else None
        train = meta["train"]
        self.name = f"folder:{path}"
        self.white: float = meta["white"]  # given or found; 0 where no image has more than 8 bits
        self.sample_shape = tuple(x.shape[1:])
        self.class_names = files.class_names
        self.num_classes = len(files.class_names)
        if y is not None:
            self.modes = Modes(self.num_classes, shares=shares(y[:train], self.num_classes))
        self.fingerprint = meta["fingerprint"]
        self.eval_samples = samples_to_make(len(x) - train, self.eval_samples)
        in_memory = x.nbytes <= (memory_gb * 2**30 or machine_memory() / 4)

        def split(start: int, stop: int) -> Split:
            labels = None if y is None else y[start:stop]
            if in_memory:
                return TensorSplit(torch.from_numpy(np.array(x[start:stop])), labels)
            return StreamSplit(cache / "x.npy", start, stop, labels, workers)

        self.train = split(0, train)
        self.test = split(train, len(x))
        for sentence in (_found(files, x.shape, train), *files.notes, *meta["notes"]):
            notice(f"{self.name}: {sentence}")


def _found(files: Files, shape: tuple[int, ...], train: int) -> str:
    count, channels, height, width = shape
    classes = len(files.class_names)
    few = ", ".join([*files.class_names[:NAMED], *["..."] * (classes > NAMED)])
    what = f"of {classes:,} class{'es' * (classes != 1)} ({few})" if classes else "without classes"
    here = f", in {files.train_folder}/" if files.train_folder else ""
    there = f"in {files.test_folder}/" if files.test else "a tenth of them, by hash"
    return (
        f"{train if files.test else count:,} images {what}, {width} x {height}, "
        f"{'grey' if channels == 1 else 'RGB'}{here}; {count - train:,} to test, {there}"
    )


def open_cache(files: Files, size: int, channels: int, white: float = 0.0) -> Path:
    """The folder with x.npy (train rows first, then test), y.npy and meta.json; decodes if it is not there.

    It appears whole or not at all: it is made beside and renamed.
    """
    wanted = f"{FORMAT} {size} {channels} {white!r}"
    key, newest = _look(files, wanted)
    target = cache_folder() / "folders" / key
    if _whole(target, len(files.names)):
        return target
    _let_pass(newest)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f"{target.name}.part-"))
        try:
            _decode(files, size, channels, white, beside)
            if _look(files, wanted)[0] != key:
                raise WorkError(f"{files.root} changed while it was read: start again when it is complete")
            shutil.rmtree(target, ignore_errors=True)
            beside.replace(target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        if _whole(target, len(files.names)):  # another run was quicker
            return target
        raise WorkError(
            f"the cache of decoded images in {target.parent} cannot be written ({error.strerror or error}): "
            f"make room, or set XDG_CACHE_HOME to another folder"
        ) from error
    return target


def _look(files: Files, wanted: str) -> tuple[str, int]:
    """A hash that changes when a file does, and the newest of their times in nanoseconds.

    As git does, it goes by more than the size and the time of the content, which programs set back: the time
    of the last change of any kind, which only the system sets, and the number of the file. Where they mean
    something else (on Windows the former is when it was made), they change for no reason at worst.
    """
    lines, newest, now = [f"{wanted} {files.root.resolve()} {files.test}"], 0, time.time_ns()
    for name in files.names:
        try:
            status = (files.root / name).stat()
        except OSError as error:
            raise UsageError(f"{files.root / name} cannot be read: {error.strerror or error}") from error
        marks = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        lines.append(f"{name}\0{' '.join(map(str, marks))}")
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


def _whole(cache: Path, count: int) -> bool:
    try:
        x = np.load(cache / "x.npy", mmap_mode="r", allow_pickle=False)
        meta = json.loads((cache / "meta.json").read_text(encoding="utf-8"))
        y = np.load(cache / "y.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return len(x) == count and 0 < meta["train"] < count and len(y) in (0, count)


def _decode(files: Files, size: int, channels: int, given: float, folder: Path) -> None:
    """Decode all of `files` into x.npy, y.npy and meta.json in `folder`."""
    paths = [files.root / name for name in files.names]
    headers = [read_header(path) for path in paths]
    size, channels = choose(headers, size, channels)
    count = len(paths)
    shape = (count, channels, size, size)
    # A mapped file that meets a full disk ends the process: ask before.
    if shutil.disk_usage(folder).free < np.prod(shape, dtype=np.int64) * 1.01:
        raise OSError(f"no room for {np.prod(shape, dtype=np.int64) / 2**30:.1f} GiB")
    x = np.lib.format.open_memmap(folder / "x.npy", mode="w+", dtype=np.uint8, shape=shape)
    white = white_of([path for path, header in zip(paths, headers, strict=True) if header.deep], given)

    def into(i: int) -> None:
        x[i] = read_image(paths[i], size, channels, white)

    each(into, range(count), "decoding images")
    y = np.array(files.labels, dtype=np.int64)
    notes = [white.sentence] if white.sentence else []
    if given and not white.given:
        notes.append(f"data.white={given:.15g} changes nothing: no image has more than 8 bits")
    if x.max() < DARK:
        notes.append(f"their brightest pixel is {x.max()}, where 255 is white")
    if files.test:
        train = count - files.test
        content = fingerprint(x[:train], y[:train], x[train:], y[train:])
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
        content = fingerprint(x, y)
    x.flush()
    np.save(folder / "y.npy", y, allow_pickle=False)
    meta = {"format": FORMAT, "train": train, "fingerprint": content, "notes": notes}
    meta["white"] = given or (white.value if white.sentence else 0.0)
    write_json(folder / "meta.json", meta)


def _test_to_end(x: Array, y: Array, test: Tensor) -> None:
    """Swap rows in place until the test split is at the end: then each split is one piece of the file."""
    first = len(x) - len(test)
    chosen = set(test.tolist())
    stay = (i for i in range(first, len(x)) if i not in chosen)
    for i, j in zip((i for i in sorted(chosen) if i < first), stay, strict=True):
        x[[i, j]] = x[[j, i]]
        if len(y):
            y[[i, j]] = y[[j, i]]
