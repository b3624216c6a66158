"""One's own image files in a folder: their classes, and their splits where it has any."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ganzoo.errors import UsageError, nearest
from ganzoo.system.console import typed

NOT_SAMPLES = {"thumbs.db", "desktop.ini", "__macosx"}  # what systems leave behind; hidden files too
SPLITS = {
    "train": "train", "training": "train",
    "test": "test", "testing": "test",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
}  # fmt: skip


@dataclass(frozen=True)
class Files:
    """The images of a folder.

    Args:
        root: the folder.
        names: below `root`, with forward slashes; sorted, the test split last where there is one.
        labels: one per image, or empty without classes.
        class_names: the sub-folders, sorted, or empty.
        test: how many of the names, the last ones, are the test split; 0 where the folder has none.
        train_folder, test_folder: names of the folders of the splits, or empty.
        notes: sentences that a person should read.
    """

    root: Path
    names: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    test: int = 0
    train_folder: str = ""
    test_folder: str = ""
    notes: tuple[str, ...] = ()


def find_splits(root: Path) -> Files:
    """As `find_images`, but where all sub-folders have the names of splits, they are the splits.

    Validation images are the test split where there are no others. A training split alone is taken as if it
    were the folder.

    Raises:
        UsageError: as `find_images`; no training split beside others, two of a kind, or classes that differ.
    """
    roles: dict[str, list[str]] = {}
    folders = _sub_folders(root)
    for name in folders:
        roles.setdefault(SPLITS.get(name.lower(), ""), []).append(name)
    if not roles or "" in roles:
        files = find_images(root)
        return replace(files, notes=_splits_below(files))
    held_out = "test" if "test" in roles else "val"
    for role, title in (("train", "training"), (held_out, "test")):
        if len(roles.get(role, ())) > 1:
            raise UsageError(f"{root} has {_listed(roles[role])}: expected one {title} split, not several")
    if "train" not in roles:
        name = roles[held_out][0]
        raise UsageError(
            f"{root} has {_listed(folders)}, but no training split: put one beside, called train, or name "
            f"the folder of images itself, {typed(f'folder:{root / name}')}"
        )
    (train,) = roles["train"]
    if held_out not in roles:
        return replace(find_images(root / train), train_folder=train)
    files = _joined(root, train, roles[held_out][0])
    left_out = roles.get("val", []) if held_out == "test" else []
    notes = (f"left out, as there is a test split: {_listed(left_out)}",) if left_out else ()
    return replace(files, notes=notes)


def _joined(root: Path, train: str, test: str) -> Files:
    first, last = (find_images(root / name, at_least=1) for name in (train, test))
    if bool(first.class_names) != bool(last.class_names):
        ways = ("in one sub-folder per class", "directly in it")
        here, there = ways if first.class_names else ways[::-1]
        raise UsageError(
            f"{first.root} has images {here}, and {last.root} {there}: expected the same in both; without "
            f"{test}/, a tenth of {train}/ is held out"
        )
    for name in last.class_names:
        if name not in first.class_names:
            raise UsageError(
                f"{last.root} has the class {name}, which {first.root} lacks: "
                f"{nearest(name, first.class_names)}"
            )
    index = {name: i for i, name in enumerate(first.class_names)}
    labels = first.labels + tuple(index[last.class_names[label]] for label in last.labels)
    names = tuple(f"{part.root.name}/{name}" for part in (first, last) for name in part.names)
    return Files(root, names, labels, first.class_names, len(last.names), train, test)


def _sub_folders(root: Path) -> list[str]:
    """Names of the sub-folders that hold files; none where files are beside them, or it cannot be read."""
    try:
        entries = [entry for entry in sorted(root.iterdir()) if not _ignored(entry.name)]
        if not all(entry.is_dir() for entry in entries):
            return []
        if not any(entry.name.lower() in SPLITS for entry in entries):
            return [entry.name for entry in entries]
        return [entry.name for entry in entries if _walk(entry)]
    except (OSError, ValueError):  # the latter where no file can have that name
        return []  # find_images says why


def _splits_below(files: Files) -> tuple[str, ...]:
    """A sentence where splits are one folder deeper than they are looked for."""
    parts = [name.split("/") for name in files.names]
    below = sorted({part[1] for part in parts if len(part) > 2})
    roles = {SPLITS.get(name.lower()) for name in below}
    if any(len(part) < 3 for part in parts) or None in roles or len(roles) < 2 or "train" not in roles:
        return ()
    where = parts[0][0]
    cure = (
        f"to have them as splits, name the folder in which they are, {typed(f'folder:{files.root / where}')}"
        if len(files.class_names) == 1
        else f"to have them as splits, put them on top, as {below[-1]}/{where}"
    )
    return (f"{files.root / where} has {_listed(below)}: these are mixed here, as one class; {cure}",)


def _listed(folders: Iterable[str]) -> str:
    *most, last = (f"{name}/" for name in folders)
    return f"{', '.join(most)} and {last}" if most else last


def find_images(root: Path, at_least: int = 2) -> Files:
    """All files below `root` but the hidden ones, sorted by name; sub-folders are classes.

    Raises:
        UsageError: no such folder, too few files, or files both directly in it and in sub-folders.
    """
    try:
        if not root.is_dir():
            raise UsageError(
                f"{root} is {'a file' if root.exists() else 'not there'}: expected a folder of images"
            )
        names = sorted(_walk(root))
    except OSError as error:
        raise UsageError(f"{error.filename or root} cannot be read: {error.strerror or error}") from error
    if len(names) < at_least:
        count = f"{len(names) or 'no'} image{'s' * (not names)}"
        raise UsageError(f"{root} has {count}: at least {at_least} are needed")
    direct = [name for name in names if "/" not in name]
    if direct and len(direct) < len(names):
        raise UsageError(
            f"{root} has images directly in it ({direct[0]}) and in sub-folders: put each one in "
            f"the sub-folder of its class, or have no sub-folders"
        )
    if direct:
        return Files(root, tuple(names), (), ())
    classes = sorted({name.partition("/")[0] for name in names})
    index = {name: i for i, name in enumerate(classes)}
    return Files(root, tuple(names), tuple(index[name.partition("/")[0]] for name in names), tuple(classes))


def _walk(root: Path) -> list[str]:
    def fail(error: OSError) -> None:
        raise error

    tops = [root, *(entry for entry in root.iterdir() if entry.is_symlink() and entry.is_dir())]
    names: list[str] = []
    for top in tops:  # a class may be a link to a folder; deeper links are not followed, as they may go round
        if top is not root and _ignored(top.name):
            continue
        for folder, below, files in os.walk(top, onerror=fail):
            below[:] = [name for name in below if not _ignored(name)]
            names += [Path(folder, f).relative_to(root).as_posix() for f in files if not _ignored(f)]
    return names


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in NOT_SAMPLES
