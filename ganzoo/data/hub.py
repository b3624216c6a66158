"""Datasets of the Hugging Face hub, or of a local folder in its formats, by name."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ganzoo.data.base import Dataset
from ganzoo.data.fetch import PROBE_SECONDS
from ganzoo.data.hugging import columns_of_images, pictures_of, splits_of, table_of
from ganzoo.data.images import check_options
from ganzoo.data.kept import KeptImages, Pictures, decode, open_kept
from ganzoo.data.marks import marks_of
from ganzoo.data.network import first_to_answer
from ganzoo.data.own import OwnArrays
from ganzoo.errors import UsageError, first_line
from ganzoo.system.console import notice
from ganzoo.system.extras import extra
from ganzoo.system.paths import typed_path

SITE = "https://huggingface.co"
OFFLINE = {"datasets.config": "HF_HUB_OFFLINE", "huggingface_hub.constants": "HF_HUB_OFFLINE"}


class Hub(Dataset):
    """A set of the Hugging Face hub: hf:NAME, or hf:FOLDER of one that is on disk; it needs [hf].

    A column of images is decoded once, scaled to squares (Lanczos, centre crop) and kept in ganzoo's cache.
    Where there is none, the columns of numbers are vectors, of which networks see each with mean 0 and
    standard deviation 1. A folder is one of `save_to_disk`, or of parquet, arrow or other files that
    `datasets.load_dataset` takes. Without a test split, or one to validate, it is a tenth, by hash.

    Args:
        path: the name on the hub, such as user/pictures, or the folder.
        config: which of several sets of that name.
        train: the split to train on; where it is left out, the one called train.
        test: the test split, or none; where it is left out, the one called test, or else validation.
        image: the column of images; found by its type where it is left out.
        label: the column of classes, or none; found by its type, or its name, where it is left out.
        columns: those of numbers that are samples, a,b,c; all of them where they are left out.
        size: of the squares in pixels; 0 is 64 if all images are that large, else 32.
        channels: 1 or 3; 0 is 1 if all images are grey, else 3.
        memory_gb: up to which size of the pixels, in GiB, they are held in memory; 0 is a quarter of what the
            machine has.
        workers: processes that read ahead, where the set is not in memory.

    Raises:
        UsageError: a name, split, column or option that there is not, no network, a sample that cannot be
            used, or the library `datasets` is missing.
        WorkError: the images are too many for the memory, and the cache cannot be written.
    """

    paths: ClassVar[str] = "NAME"

    def __init__(
        self,
        path: str,
        offline: bool = False,
        config: str = "",
        train: str = "",
        test: str = "",
        image: str = "",
        label: str = "",
        columns: tuple[str, ...] = (),
        size: int = 0,
        channels: int = 0,
        memory_gb: float = 0.0,
        workers: int = 0,
    ) -> None:
        check_options(size, channels, memory_gb, workers, 0.0)
        name = f"hf:{path}"
        folder = _folder(str(path))
        parts = _load(name, str(path), folder, config, offline)
        own, held_out = splits_of(parts, train, test)
        files = [Path(file["filename"]) for part in (own, held_out) if part for file in part.cache_files]
        made: Dataset
        if columns_of_images(own) or image:

            def make() -> Pictures:
                pictures = pictures_of(name, own, held_out, image, label, size, channels)
                assert pictures is not None
                return pictures

            key = f"{marks_of(files)} {train} {test} {image} {label} {size} {channels}"
            copy = open_kept(name, key, make, memory_gb) if files else decode(make(), name)
            made = KeptImages(name, copy, workers)
        else:
            samples = table_of(name, own, held_out, label, columns)
            made = OwnArrays(name, samples)
            notice(f"{name}: {made.found(samples)}")
        vars(self).update(vars(made))
        self.elsewhere = folder is None


def _folder(path: str) -> Path | None:
    """The folder that is meant, or None where it is a name on the hub."""
    where = typed_path(path)
    if where.is_dir():
        return where
    if path.startswith((".", "/", "~")) or where.exists():
        raise UsageError(
            f"{where} is {'a file' if where.exists() else 'not there'}: expected a folder of a dataset"
        )
    return None


def _load(name: str, path: str, folder: Path | None, config: str, offline: bool) -> Mapping[str, Any]:
    datasets = extra("datasets", name, "hf")
    known = [config] if config else []
    try:
        if folder is not None:
            with _without_network():
                if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
                    found = datasets.load_from_disk(str(folder))
                else:
                    found = datasets.load_dataset(str(folder), *known)
        elif offline or not _answers():
            with _without_network():
                found = datasets.load_dataset(path, *known)
        else:
            found = datasets.load_dataset(path, *known)
    except Exception as error:  # of many kinds, of several libraries
        raise UsageError(_refusal(name, folder, offline, error)) from error
    return found if isinstance(found, Mapping) else {"train": found}


def _refusal(name: str, folder: Path | None, offline: bool, error: Exception) -> str:
    if folder is not None:
        return (
            f"{folder} cannot be read as a dataset ({first_line(error)}): expected one of save_to_disk, or "
            "parquet files"
        )
    if isinstance(error, ConnectionError) or "offline" in str(error).lower():
        why = "--offline allows no download" if offline else f"{_site()} does not answer"
        return (
            f"{name} can't be had (not in the cache of Hugging Face, and {why}): it needs a network, or "
            "hf:FOLDER with a copy, as save_to_disk writes it"
        )
    return f"{name} cannot be opened: {first_line(error)}"


def _site() -> str:
    return os.environ.get("HF_ENDPOINT") or SITE


def _answers() -> bool:
    return first_to_answer([_site()], PROBE_SECONDS) is not None


@contextlib.contextmanager
def _without_network() -> Iterator[None]:
    """Have the libraries ask nobody: they would try for half a minute."""
    before = []
    for module, name in OFFLINE.items():
        place = importlib.import_module(module)
        before.append((place, name, getattr(place, name, None)))
        setattr(place, name, True)
    try:
        yield
    finally:
        for place, name, value in before:
            setattr(place, name, value)
