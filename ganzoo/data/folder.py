"""One's own images, decoded once into a cache, then in memory or streamed from it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Modes, Split, shares
from ganzoo.data.images import Files, check_options, choose, find_images, read_image
from ganzoo.data.streams import StreamSplit
from ganzoo.data.tensors import Array, TensorSplit, fingerprint, split_by_hash
from ganzoo.errors import UsageError, WorkError
from ganzoo.system.console import track
from ganzoo.system.files import cache_folder, write_json

FORMAT = 1  # of the cache; a change of what is decoded or stored needs another number
BAR_FROM = 2_000


class ImageFolder(Dataset):
    """Your own images: folder:PATH; sub-folders are classes, if there are any.

    Every image is decoded once, scaled to a square (Lanczos, centre crop) and kept in ganzoo's cache until
    the folder changes. A tenth of the images, chosen by hash, is the test split.

    Args:
        path: the folder.
        size: of the square in pixels; 0 is 64 if the images are that large, else 32.
        channels: 1 or 3; 0 is 1 if all images are grey, else 3.
        memory_gb: up to which size of the pixels, in GiB, they are held in memory; 0 is a quarter of what the
            machine has. Larger sets are read from the cache as they are needed.
        workers: processes that read ahead, where the set is not in memory.

    Raises:
        UsageError: a wrong option, no such folder, fewer than two images, or a file that is not an image.
        WorkError: the cache cannot be written.
    """

    def __init__(
        self, path: str | Path, size: int = 0, channels: int = 0, memory_gb: float = 0.0, workers: int = 0
    ) -> None:
        check_options(size, channels, memory_gb, workers)
        files = find_images(Path(path).expanduser())
        cache = open_cache(files, size, channels)
        meta = json.loads((cache / "meta.json").read_text(encoding="utf-8"))
        x: Array = np.load(cache / "x.npy", mmap_mode="r", allow_pickle=False)
        y = torch.from_numpy(np.load(cache / "y.npy", allow_pickle=False)) if files.class_names else None
        self.name = f"folder:{path}"
        self.sample_shape = tuple(x.shape[1:])
        self.class_names = files.class_names
        self.num_classes = len(files.class_names)
        if y is not None:
            self.modes = Modes(self.num_classes, shares=shares(y, self.num_classes))
        self.fingerprint = meta["fingerprint"]
        in_memory = x.nbytes <= (memory_gb * 2**30 or machine_memory() / 4)

        def split(start: int, stop: int) -> Split:
            labels = None if y is None else y[start:stop]
            if in_memory:
                return TensorSplit(torch.from_numpy(np.array(x[start:stop])), labels)
            return StreamSplit(cache / "x.npy", start, stop, labels, workers)

        self.train = split(0, meta["train"])
        self.test = split(meta["train"], len(x))


def machine_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or a container's limit; 8 GiB if unknown."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 8 * 2**30
    try:
        return min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no such file, or "max"
        return memory


def open_cache(files: Files, size: int, channels: int) -> Path:
    """The folder with x.npy (train rows first, then test), y.npy and meta.json; decodes if it is not there.

    It appears whole or not at all: it is made beside and renamed.
    """
    target = cache_folder() / "folders" / _key(files, size, channels)
    if _whole(target, len(files.names)):
        return target
    chosen = choose(files, size, channels)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f"{target.name}.part-"))
        try:
            _decode(files, *chosen, beside)
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


def _key(files: Files, size: int, channels: int) -> str:
    """A hash that changes when a file does."""
    lines = [f"{FORMAT} {size} {channels} {files.root.resolve()}"]
    for name in files.names:
        try:
            status = (files.root / name).stat()
        except OSError as error:
            raise UsageError(f"{files.root / name} cannot be read: {error.strerror or error}") from error
        lines.append(f"{name}\0{status.st_size} {status.st_mtime_ns}")
    # Names are whatever bytes a file system allows.
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:32]


def _whole(cache: Path, count: int) -> bool:
    try:
        x = np.load(cache / "x.npy", mmap_mode="r", allow_pickle=False)
        meta = json.loads((cache / "meta.json").read_text(encoding="utf-8"))
        y = np.load(cache / "y.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return len(x) == count and 0 < meta["train"] < count and len(y) in (0, count)


def _decode(files: Files, size: int, channels: int, folder: Path) -> None:
    """Decode all of `files` into x.npy, y.npy and meta.json in `folder`."""
    count = len(files.names)
    shape = (count, channels, size, size)
    # A mapped file that meets a full disk ends the process: ask before.
    if shutil.disk_usage(folder).free < np.prod(shape, dtype=np.int64) * 1.01:
        raise OSError(f"no room for {np.prod(shape, dtype=np.int64) / 2**30:.1f} GiB")
    x = np.lib.format.open_memmap(folder / "x.npy", mode="w+", dtype=np.uint8, shape=shape)

    def into(i: int) -> None:
        x[i] = read_image(files.root / files.names[i], size, channels)

    pool = ThreadPool(min(8, os.cpu_count() or 1))
    try:
        done: Iterable[Any] = pool.imap(into, range(count), chunksize=8)
        for _ in track(done, "decoding images", count) if count > BAR_FROM else done:
            pass
    finally:
        pool.terminate()
        pool.join()
    y = np.array(files.labels, dtype=np.int64)
    train, test = split_by_hash(x)
    _test_to_end(x, y, test)
    x.flush()
    np.save(folder / "y.npy", y, allow_pickle=False)
    meta = {"format": FORMAT, "train": len(train), "fingerprint": fingerprint(x, y)}
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
