"""One's own image files in a folder, and their classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ganzoo.data.broken import Faults
from ganzoo.data.names import in_order
from ganzoo.data.tree import Source, Tree
from ganzoo.errors import UsageError


@dataclass(frozen=True)
class Files:
    """The images of a folder.

    Args:
        tree: what they are of.
        names: in it; sorted, the test split last where there is one.
        labels: one per image, or empty without classes.
        class_names: the sub-folders, 2 before 10, or empty.
        test: how many of the names, the last ones, are the test split; 0 where the folder has none.
        train_folder, test_folder: names of the folders of the splits, or empty.
        notes: sentences that a person should read.
        partners: what the images are made for, where these are pairs.
    """

    tree: Tree
    names: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    test: int = 0
    train_folder: str = ""
    test_folder: str = ""
    notes: tuple[str, ...] = ()
    partners: Partners | None = None

    @property
    def root(self) -> Path:
        """The folder, or the archive."""
        return self.tree.root

    @property
    def paths(self) -> tuple[tuple[Source, ...], ...]:
        """The files of each of the `parts`."""
        return tuple(tuple(map(self.tree.file, names)) for names, _ in self.parts)

    def named(self, faults: Faults) -> dict[str, str]:
        """What is wrong with files by their names, where it is known by their paths."""
        names = {name for part, _ in self.parts for name in part}
        return {name: faults[path] for name in names if (path := str(self.tree.file(name))) in faults}

    @property
    def parts(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        """The pictures of which samples consist, with the half that is meant of each, or an empty word."""
        if self.partners is None:
            return ((self.names, ""),)
        halves = self.partners.sides if self.partners.halved else ("", "")
        return tuple(zip((self.names, self.partners.names), halves, strict=True))


@dataclass(frozen=True)
class Partners:
    """The other pictures of pairs.

    Args:
        names: in the tree, one for each of the images.
        sides: what the images and their partners are called: two folders, or left and right.
        halved: the two are halves of one file.
    """

    names: tuple[str, ...]
    sides: tuple[str, str]
    halved: bool


def find_images(tree: Tree, at_least: int = 2, cure: str = "") -> Files:
    """All images of a tree, sorted by name; sub-folders are classes, in the order of people: 2 before 10.

    Args:
        cure: what to do where files are both directly in it and in sub-folders.

    Raises:
        UsageError: too few images, or images both directly in it and in sub-folders.
    """
    names, direct = tree.names, tree.direct
    if len(names) < at_least:
        count = f"{len(names) or 'no'} image{'s' * (not names)}"
        told = f" ({'; '.join(tree.notes)})" if tree.notes else ""
        raise UsageError(f"{tree.root} has {count}{told}: at least {at_least} are needed")
    if direct and len(direct) < len(names):
        raise UsageError(
            f"{tree.root} has images directly in it ({direct[0]}) and in sub-folders: "
            f"{cure or 'put each one in the sub-folder of its class, or have no sub-folders'}"
        )
    if direct:
        return Files(tree, names, (), (), notes=tree.notes)
    classes = tuple(sorted(tree.folders, key=in_order))
    index = {name: i for i, name in enumerate(classes)}
    labels = tuple(index[name.partition("/")[0]] for name in names)
    return Files(tree, names, labels, classes, notes=tree.notes)


def listed(folders: Iterable[str]) -> str:
    *most, last = (f"{name}/" for name in folders)
    return f"{', '.join(most)} and {last}" if most else last
