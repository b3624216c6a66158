"""Pairs of image files in a folder: which is made from which, and their splits where it has any."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ganzoo.data.finding import Files, Partners, find_images, listed
from ganzoo.data.names import few
from ganzoo.data.splits import choose_splits
from ganzoo.data.tree import SPLITS, Tree
from ganzoo.errors import UsageError, nearest

LAYOUTS = (
    "pairs are two sub-folders with the same names in them, such as A and B, or pictures side by side in one "
    "file; either of them may be below splits such as train and test"
)
Sides = Mapping[str, str]
"""The folders of a split, by what they are called; those of pictures side by side are called nothing."""


def find_pairs(tree: Tree, condition: str = "") -> Files:
    """The images of a tree, with the partner from which each is made.

    Args:
        condition: the side that partners are on, "left" or "right" or the name of a folder; the first one
            where it is empty.

    Raises:
        UsageError: no such side, none of the LAYOUTS, or an image without a partner.
    """
    root, splits = tree.root, _splits(tree)
    roles = {name: SPLITS[name.lower()] for name in splits if name}
    train, test, notes = choose_splits(root, roles, "pairs") if roles else ("", "", ())
    if test and splits[train].keys() != splits[test].keys():
        raise UsageError(
            f"{root} has {_told(splits[train])} in {train}, and {_told(splits[test])} in {test}: expected "
            "the same in both"
        )
    sides = ("left", "right") if "" in splits[train] else tuple(sorted(splits[train]))
    chosen = condition or sides[0]
    if chosen not in sides:
        raise UsageError(f"data.condition: {chosen!r} is no side of {root}: {nearest(chosen, sides)}")
    (made,) = {*sides} - {chosen}
    found = [
        _pairs(tree, splits[name], made, chosen, 1 if test else 2) for name in filter(None, (train, test))
    ]
    found = found or [_pairs(tree, splits[""], made, chosen, 2)]
    names, partners = (tuple(name for pairs in found for name in pairs[i]) for i in range(2))
    return Files(
        tree,
        names,
        (),
        (),
        test=len(found[1][0]) if test else 0,
        train_folder=train,
        test_folder=test,
        notes=(*tree.notes, *notes),
        partners=Partners(partners, (made, chosen), halved="" in splits[train]),
    )


def _splits(tree: Tree) -> dict[str, Sides]:
    """The sides of each split, by its name; of the one without a name where there are no splits."""
    root, tops = tree.root, sub_folders(tree)
    if not tops:
        return {"": {"": "."}}
    if all(name.lower() in SPLITS for name in tops):
        return {name: _sides(tree, name) for name in tops}
    splits: dict[str, dict[str, str]] = {}
    for name in tops:
        split, side = _joint(name)
        splits.setdefault(split, {})[side] = name
    if "" not in splits and all(len(sides) == 2 for sides in splits.values()):
        return dict(splits)
    sides = _two(root, {name: name for name in tops})
    one, other = (sub_folders(tree.below(name)) for name in tops)
    if not one or any(name.lower() not in SPLITS for name in (*one, *other)):
        return {"": sides}
    if one != other:
        raise UsageError(
            f"{root / tops[0]} has {listed(one)}, and {root / tops[1]} {listed(other) or 'no such folders'}: "
            "expected the same splits in both"
        )
    return {split: {side: f"{side}/{split}" for side in tops} for split in one}


def _sides(tree: Tree, split: str) -> Sides:
    below = sub_folders(tree.below(split))
    return _two(tree.root, {name: f"{split}/{name}" for name in below}) if below else {"": split}


def sub_folders(tree: Tree) -> tuple[str, ...]:
    """Those that have images; none where images are beside them."""
    return () if tree.direct else tree.folders


def _joint(name: str) -> tuple[str, str]:
    """A split and a side in one word: "trainA" is ("train", "A")."""
    for split in sorted(SPLITS, key=len, reverse=True):
        side = name[len(split) :].lstrip("_- ")
        if name.lower().startswith(split) and side:
            return name[: len(split)], side
    return "", name


def _two(root: Path, sides: Sides) -> Sides:
    if len(sides) != 2:
        raise UsageError(f"{root} has {listed(sides.values())}: {LAYOUTS}")
    return sides


def _told(sides: Sides) -> str:
    return " and ".join(sorted(sides)) if "" not in sides else "pictures side by side"


def _pairs(
    tree: Tree, sides: Sides, made: str, condition: str, at_least: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names in the tree of the images of a split, and of their partners, which may be the same files."""
    if "" in sides:
        names = _files(tree, sides[""], at_least)
        return tuple(names.values()), tuple(names.values())
    images, partners = (_files(tree, sides[side], at_least) for side in (made, condition))
    alone = sorted((images | partners)[stem] for stem in images.keys() ^ partners.keys())
    if alone:
        raise UsageError(
            f"{tree.root} has {len(alone):,} image{'s' * (len(alone) != 1)} without a partner "
            f"({few(alone)}): expected the same names in {sides[made]} and {sides[condition]}, but for their "
            "endings; add what is missing, or move away what is alone"
        )
    return tuple(images.values()), tuple(partners[stem] for stem in images)


def _files(tree: Tree, folder: str, at_least: int) -> dict[str, str]:
    """Names in the tree, by what they have in common with those of the other side; sorted."""
    found: dict[str, str] = {}
    for name in find_images(tree.below(folder), at_least, LAYOUTS).names:
        path = PurePosixPath(folder, name)
        stem = PurePosixPath(name).with_suffix("").as_posix()
        if stem in found:
            raise UsageError(
                f"{tree.root} has {found[stem]} and {path}: expected one image of a name, whatever its ending"
            )
        found[stem] = path.as_posix()
    return found
