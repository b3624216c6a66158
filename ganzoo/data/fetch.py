"""Datasets that torchvision can download: found on disk, or fetched, and never waited for in vain."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganzoo.data.tensors import Pair
from ganzoo.errors import UsageError
from ganzoo.system.console import in_bytes
from ganzoo.system.files import cache_folder

PROBE_SECONDS = 3.0  # to find out whether any mirror answers
STALL_SECONDS = 10.0  # without a byte, within a download that has begun
PROBE_BYTES = 16 * 1024
GZIP = b"\x1f\x8b"
LARGEST_FILE = 2**26  # bytes; none of these datasets has a larger one


class Unavailable(Exception):
    """A dataset can't be had here and now; the text is the reason."""


@dataclass(frozen=True)
class Source:
    """Where torchvision has a dataset from.

    Args:
        kind: name of the class in torchvision.datasets.
        files: what must be there below the data folder.
        mirrors: addresses of folders, any of which will do.
        probe: name of a gzip file below a mirror.
    """

    kind: str
    files: tuple[str, ...]
    mirrors: tuple[str, ...]
    probe: str


def idx_files(kind: str) -> tuple[str, ...]:
    """The files of MNIST and of what was made like it."""
    parts = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return tuple(f"{kind}/raw/{part}-ubyte" for part in parts)


def data_folders(root: str | Path | None) -> list[Path]:
    """Where to look for datasets, best first: `root`, $GANZOO_DATA, the cache. Downloads go to the first."""
    named = [root, os.environ.get("GANZOO_DATA")]
    return [Path(folder).expanduser() for folder in named if folder] + [cache_folder() / "data"]


def fetch(source: Source, root: str | Path | None, offline: bool) -> tuple[Pair, Pair]:
    """(images uint8 [N, C, H, W], labels int64 [N]) of the train and of the test split.

    Raises:
        Unavailable: it is not on disk, and there is no network, or none is allowed, or the download failed.
        UsageError: it is on disk but cannot be read.
    """
    folders = data_folders(root)
    for folder in folders:
        if all((folder / file).is_file() for file in source.files):
            return _read(source, folder)
    if offline:
        raise Unavailable(f"not in {folders[0]}, and --offline allows no download")
    mirror = first_alive(source)
    if mirror is None:
        raise Unavailable(f"not in {folders[0]}, and no download site answers")
    try:
        _download(source, mirror, folders[0])
    except (RuntimeError, OSError) as error:
        raise Unavailable(f"the download from {mirror} failed: {str(error).partition(chr(10))[0]}") from error
    return _read(source, folders[0])


def first_alive(source: Source) -> str | None:
    """The first mirror that hands out the beginning of a gzip file, or None after PROBE_SECONDS."""
    # Not just an answer: a hotel's log-in page answers too, and a stalled server sends little.
    probes = [mirror + source.probe for mirror in source.mirrors]
    url = first_to_answer(probes, PROBE_SECONDS, PROBE_BYTES, GZIP)
    return None if url is None else url.removesuffix(source.probe)


def first_to_answer(urls: Sequence[str], seconds: float, size: int = 1, begins: bytes = b"") -> str | None:
    """The first of `urls` whose first `size` bytes come within `seconds`, and begin so; None if none does."""
    answers: queue.Queue[tuple[str, bool]] = queue.Queue()

    def ask(url: str) -> None:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "ganzoo"})
            with urllib.request.urlopen(request, timeout=seconds) as response:
                content = response.read(size)
            answers.put((url, bool(content) and content.startswith(begins)))
        except Exception as error:
            if hasattr(error, "close"):
                error.close()  # an HTTPError holds its connection
            answers.put((url, False))

    for url in urls:
        # A daemon thread each: looking up a name can hang where no timeout reaches.
        threading.Thread(target=ask, args=(url,), daemon=True).start()
    deadline = time.monotonic() + seconds
    for _ in urls:
        try:
            url, alive = answers.get(timeout=max(deadline - time.monotonic(), 0.001))
        except queue.Empty:
            return None
        if alive:
            return url
    return None


@contextlib.contextmanager
def giving_up_after(seconds: float) -> Iterator[None]:
    """A download in this block that is sent nothing for so long fails."""
    before = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(seconds)
        yield
    finally:
        socket.setdefaulttimeout(before)


def _download(source: Source, mirror: str, folder: Path) -> None:
    """Fetch into a folder beside and move the files in place, so that none is ever there in part."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as beside:
        with giving_up_after(STALL_SECONDS), contextlib.redirect_stdout(sys.stderr):
            _torchvision(source, mirror)(beside, download=True)
        for file in source.files:
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            (Path(beside) / file).replace(target)


def _torchvision(source: Source, mirror: str = "") -> Any:
    """The dataset class, told to download from one mirror."""
    from torchvision import datasets

    # Under the same name: torchvision makes the folder's name of it.
    addresses = {"mirrors": [mirror], "url": mirror + source.probe}
    # What older versions of torchvision made of MNIST's files is not looked at.
    own = {**addresses, "_check_legacy_exist": lambda self: False}
    return type(source.kind, (getattr(datasets, source.kind),), own)


def _read(source: Source, folder: Path) -> tuple[Pair, Pair]:
    try:
        for file in source.files:
            size = (folder / file).stat().st_size
            if size > LARGEST_FILE:  # torchvision reads it whole before it looks at it
                raise ValueError(f"{Path(file).name} has {in_bytes(size)}")
        # CIFAR-10's files are pickled: torchvision opens none of them unless it has the published checksum.
        kind = _torchvision(source)
        train, test = (_tensors(kind(folder, train=part)) for part in (True, False))
        if train[0].shape[1:] != test[0].shape[1:]:
            raise ValueError(f"images of {tuple(train[0].shape[1:])} and of {tuple(test[0].shape[1:])}")
        return train, test
    except Exception as error:  # torchvision's readers meet broken bytes with any exception
        where = folder / Path(source.files[0]).parent
        raise UsageError(
            f"the {source.kind} files in {where} cannot be read "
            f"({type(error).__name__}: {error}): delete them"
        ) from error


def _tensors(dataset: Any) -> Pair:
    x = torch.as_tensor(dataset.data)
    x = x.unsqueeze(1) if x.dim() == 3 else x.permute(0, 3, 1, 2).contiguous()
    y = torch.as_tensor(dataset.targets, dtype=torch.int64)
    if x.dtype != torch.uint8 or x.dim() != 4 or y.dim() != 1 or len(x) != len(y) or not x.numel():
        raise ValueError(f"{x.dtype} images {tuple(x.shape)} and labels {tuple(y.shape)}")
    if y.min() < 0 or y.max() > 9:
        raise ValueError(f"labels from {y.min()} to {y.max()}")
    return x, y
