"""The splits of a folder of images, where it has any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ganzoo.data.finding import Files, find_images, listed
from ganzoo.data.tree import SPLITS, Tree
from ganzoo.errors import UsageError, nearest
from ganzoo.system.console import typed


def find_splits(tree: Tree) -> Files:
    """As `find_images`, but where all sub-folders have the names of splits, they are the splits.

    Validation images are the test split where there are no others. A training split alone is taken as if it
    were the folder.

    Raises:
        UsageError: as `find_images`; no training split beside others, two of a kind, or classes that differ.
    """
    folders = tree.folders
    if not folders or tree.direct or any(name.lower() not in SPLITS for name in folders):
        files = find_images(tree)
        return replace(files, notes=(*files.notes, *_splits_below(files)))
    roles = {name: SPLITS[name.lower()] for name in folders}
    train, test, notes = choose_splits(tree.root, roles, "folder")
    if not test:
        return replace(find_images(tree.below(train)), train_folder=train, notes=tree.notes)
    return replace(_joined(tree, train, test), notes=(*tree.notes, *notes))


def choose_splits(root: Path, role_of: Mapping[str, str], scheme: str) -> tuple[str, str, tuple[str, ...]]:
    """Of splits and their roles: which is to train on, which to test, or an empty word; and notes.

    Raises UsageError if there is none to train on, or two of a kind; it says `scheme`:PATH.
    """
    roles: dict[str, list[str]] = {}
    for name, role in role_of.items():
        roles.setdefault(role, []).append(name)
    held_out = "test" if "test" in roles else "val"
    for role, title in (("train", "training"), (held_out, "test")):
        if len(roles.get(role, ())) > 1:
            raise UsageError(f"{root} has {listed(roles[role])}: expected one {title} split, not several")
    if "train" not in roles:
        name = roles[held_out][0]
        itself = f", or name the folder of images itself, {typed(f'{scheme}:{root / name}')}"
        raise UsageError(
            f"{root} has {listed(role_of)}, but no training split: put one beside, called train"
            f"{itself if (root / name).is_dir() else ''}"
        )
    left_out = roles.get("val", []) if held_out == "test" else []
    notes = (f"left out, as there is a test split: {listed(left_out)}",) if left_out else ()
    return roles["train"][0], roles.get(held_out, [""])[0], notes


def _joined(tree: Tree, train: str, test: str) -> Files:
    first, last = (find_images(tree.below(name), at_least=1) for name in (train, test))
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
    parts = ((train, first), (test, last))
    names = tuple(f"{folder}/{name}" for folder, part in parts for name in part.names)
    return Files(tree, names, labels, first.class_names, len(last.names), train, test)


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
        if len(files.class_names) == 1 and files.tree.archive is None
        else f"to have them as splits, put them on top, as {below[-1]}/{where}"
    )
    return (f"{files.root / where} has {listed(below)}: these are mixed here, as one class; {cure}",)
