"""Datasets that torchvision can download: found on disk, or fetched, and never waited for in vain."""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import zlib
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch

from ganzoo.data.network import download, first_to_answer
from ganzoo.data.tensors import Pair
from ganzoo.errors import UsageError
from ganzoo.system.cache import part_of, place, touch
from ganzoo.system.locks import Lock, in_turn
from ganzoo.system.paths import typed_path

PROBE_SECONDS = 3.0  # to find out whether any mirror answers
STALL_SECONDS = 10.0  # without a byte, within a download that has begun
PROBE_BYTES = 16 * 1024
GZIP = b"\x1f\x8b"


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
    return [typed_path(folder) for folder in named if folder] + [place("downloads")]


def fetch(source: Source, root: str | Path | None, offline: bool) -> tuple[Pair, Pair]:
    """(images uint8 [N, C, H, W], labels int64 [N]) of the train and of the test split.

    Raises:
        Unavailable: it is not on disk, and there is no network, or none is allowed, or the download failed.
        UsageError: it is on disk but cannot be read; in ganzoo's cache, nor downloaded again.
    """
    folders = data_folders(root)
    damaged: UsageError | None = None
    for folder in folders:
        if _is_in(folder, source):
            try:
                if folder == place("downloads"):
                    touch(folder / Path(source.files[0]).parts[0])
                return _read(source, folder)
            except UsageError as error:
                if offline or folder != place("downloads"):
                    raise
                damaged = error
    if offline:
        raise Unavailable(f"not in {folders[0]}, and --offline allows no download")
    mirror = first_alive(source)
    if mirror is None:
        if damaged is not None:
            raise damaged
        raise Unavailable(f"not in {folders[0]}, and no download site answers")
    try:
        folders[0].mkdir(parents=True, exist_ok=True)
        with in_turn(folders[0] / source.kind, f"downloads {source.kind}") as lock:
            # Another may have done it meanwhile.
            if damaged is not None or not _is_in(folders[0], source):
                _download(source, mirror, folders[0], lock)
    except (RuntimeError, OSError, HTTPException) as error:
        raise Unavailable(f"the download from {mirror} failed: {str(error).partition(chr(10))[0]}") from error
    return _read(source, folders[0])


def _is_in(folder: Path, source: Source) -> bool:
    return all((folder / file).is_file() for file in source.files)


def first_alive(source: Source) -> str | None:
    """The first mirror that hands out the beginning of a gzip file, or None after PROBE_SECONDS."""
    # Not just an answer: a hotel's log-in page answers too, and a stalled server sends little.
    probes = [mirror + source.probe for mirror in source.mirrors]
    url = first_to_answer(probes, PROBE_SECONDS, PROBE_BYTES, GZIP)
    return None if url is None else url.removesuffix(source.probe)


def _download(source: Source, mirror: str, folder: Path, lock: Lock) -> None:
    """Fetch into a folder beside and move the files in place, so that none is ever there in part.

    torchvision, which has no timeout, finds the archives where it would put them: it compares their checksums
    and unpacks them, and has nothing to ask the network for.
    """
    kind = _torchvision(source, mirror)
    with part_of(folder / source.kind, lock) as beside:
        for name, md5, archive in _archives(source, kind):
            (beside / archive).parent.mkdir(parents=True, exist_ok=True)
            download(mirror + name, beside / archive, md5, "md5", STALL_SECONDS)
        with contextlib.redirect_stdout(sys.stderr):
            kind(beside, download=True)
        for file in (*source.files, *_packed(source)):
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            (beside / file).replace(target)


def _archives(source: Source, kind: Any) -> list[tuple[str, str, str]]:
    """The name, the md5 and the place below the data folder of what torchvision downloads."""
    if hasattr(kind, "resources"):
        return [(name, md5, f"{source.kind}/raw/{name}") for name, md5 in kind.resources]
    return [(kind.filename, kind.tgz_md5, kind.filename)]


def _packed(source: Source) -> list[str]:
    """The archives of single files, which stay beside them, as torchvision leaves them."""
    return [f"{file}.gz" for file in source.files if file.endswith("-ubyte")]


def _torchvision(source: Source, mirror: str = "") -> Any:
    """The dataset class, told to download from one mirror."""
    from torchvision import datasets

    # Under the same name: torchvision makes the folder's name of it.
    addresses = {"mirrors": [mirror], "url": mirror + source.probe}
    return type(source.kind, (getattr(datasets, source.kind),), addresses)


def _read(source: Source, folder: Path) -> tuple[Pair, Pair]:
    try:
        for packed in _packed(source):
            _compare(folder / packed)
        kind = _torchvision(source)
        return _tensors(kind(folder, train=True)), _tensors(kind(folder, train=False))
    except Exception as error:  # torchvision's readers meet broken bytes with any exception
        where = folder / Path(source.files[0]).parent
        raise UsageError(
            f"the {source.kind} files in {where} cannot be read "
            f"({type(error).__name__}: {error}): delete them"
        ) from error


def _compare(packed: Path) -> None:
    """Raise where the file beside its archive, if that is there, is not what was packed into it."""
    if packed.is_file():
        with packed.open("rb") as archive:
            archive.seek(-8, os.SEEK_END)
            expected = struct.unpack("<II", archive.read())  # how gzip ends
        content = packed.with_suffix("").read_bytes()
        if expected != (zlib.crc32(content), len(content) % 2**32):
            raise ValueError(f"{packed.stem} is not what is packed in {packed.name}")


def _tensors(dataset: Any) -> Pair:
    x = torch.as_tensor(dataset.data)
    x = x.unsqueeze(1) if x.dim() == 3 else x.permute(0, 3, 1, 2).contiguous()
    y = torch.as_tensor(dataset.targets, dtype=torch.int64)
    if x.dtype != torch.uint8 or len(x) != len(y) or not len(x):
        raise ValueError(f"{len(x)} images and {len(y)} labels")
    return x, y
