"""Datasets by name, as they are typed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo.errors import UsageError
from ganzoo.registry import DATASETS
from ganzoo.registry.options import options_of
from ganzoo.registry.spec import Ref, Spec, pair
from ganzoo.system.files import is_file, is_folder
from ganzoo.system.paths import typed_path, typed_paths

if TYPE_CHECKING:
    from ganzoo.data.base import Dataset

ENDINGS = {
    ".zip": "folder", ".tar": "folder", ".csv": "csv", ".tsv": "csv", ".npy": "npy", ".parquet": "parquet",
    ".wav": "wav",
}  # fmt: skip
"""What opens a file, by how its name ends."""

GIVEN = "given"
"""The name of data from Python in a run's settings, before a colon and their fingerprint."""


def open_dataset(
    name: str | Ref, options: Mapping[str, Any], root: str | None = None, offline: bool = False
) -> Dataset:
    """The dataset called NAME or NAME:PATH. Raises UsageError if its name, options or files are wrong."""
    ref = Ref.parse(name)
    know_dataset(str(ref))
    takes = options_of(DATASETS.get(ref.name))
    filled: dict[str, Any] = {}
    if "path" in takes:
        if not ref.path:
            raise UsageError(f"--dataset {ref.name} needs a path: --dataset {spelled(ref.name)}")
        filled["path"] = ref.path
    elif ref.path is not None:
        raise UsageError(f"--dataset {ref}: {ref.name} takes nothing after a colon")
    if "root" in takes:
        filled["root"] = typed_path(root) if root else None
    if "offline" in takes:
        filled["offline"] = offline
    given = DATASETS.settled(Spec(ref.name, options)).options
    dataset: Dataset = DATASETS.make(ref.name, **filled, **given)
    return dataset


def know_dataset(typed: str) -> None:
    """Raise a UsageError for a name that no dataset has; for a path without its name, which one may be meant.

    Args:
        typed: NAME, NAME:PATH, or whatever somebody took for that.
    """
    name = Ref.parse(typed).name
    if name not in DATASETS.names() and (meant := _named_by_ending(typed)):
        raise UsageError(f"--dataset {typed}: that is a path; did you mean {meant}:{typed}?")
    DATASETS.origin(name)


def _named_by_ending(typed: str) -> str:
    """The dataset that opens such a file or folder; an empty word where there is none."""
    try:
        path = typed_path(typed)
    except UsageError:
        return ""
    if is_folder(path):
        return "folder"
    return ENDINGS.get(path.suffix.lower(), "") if is_file(path) else ""


def lasting_name(name: str | Ref, dataset: Dataset) -> str:
    """What opens the same dataset again from anywhere: its own name, or absolute paths."""
    ref = Ref.parse(name)
    if ref.path is None or dataset.elsewhere:
        return dataset.name
    paths = typed_paths(ref.path, dataset.paths.count(",") + 1)
    return str(Ref(ref.name, ",".join(map(lasting_path, paths))))


def given_name(dataset: Dataset) -> str:
    """How data are recorded that were given in Python: no name opens them, and their content is known."""
    return str(Ref(GIVEN, dataset.fingerprint))


def spelled(name: str) -> str:
    """How a dataset is typed: "mnist", "folder:PATH". Raises UsageError if there is none of that name."""
    said = DATASETS.said(name)
    return f"{name}:{said.attributes.get('paths', 'PATH')}" if "path" in said.options else name


def lasting_path(path: str | Path) -> str:
    return str(typed_path(path).absolute())


def parse_settings(settings: tuple[str, ...]) -> dict[str, str]:
    """ "--set" words for a dataset alone, "size=64" or "data.size=64", to {"size": "64"}."""
    pairs = (pair(setting, "KEY=VALUE, an option of the dataset") for setting in settings)
    return {key.removeprefix("data."): value for key, value in pairs}
