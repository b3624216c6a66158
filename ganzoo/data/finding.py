"""One's own image files in a folder, and their classes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ganzoo.errors import UsageError

NOT_SAMPLES = {"thumbs.db", "desktop.ini", "__macosx"}  # what systems leave behind; hidden files too


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
        partners: what the images are made for, where these are pairs.
    """

    root: Path
    names: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    test: int = 0
    train_folder: str = ""
    test_folder: str = ""
    notes: tuple[str, ...] = ()
    partners: Partners | None = None

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
        names: below `root`, one for each of the images.
        sides: what the images and their partners are called: two folders, or left and right.
        halved: the two are halves of one file.
    """

    names: tuple[str, ...]
    sides: tuple[str, str]
    halved: bool


def find_images(root: Path, at_least: int = 2, cure: str = "") -> Files:
    """All files below `root` but the hidden ones, sorted by name; sub-folders are classes.

    Args:
        cure: what to do where files are both directly in it and in sub-folders.

    Raises:
        UsageError: no such folder, too few files, or files both directly in it and in sub-folders.
    """
    try:
        if not root.is_dir():
            raise UsageError(
                f"{root} is {'a file' if root.exists() else 'not there'}: expected a folder of images"
            )
        names = sorted(walk(root))
    except OSError as error:
        raise UsageError(f"{error.filename or root} cannot be read: {error.strerror or error}") from error
    if len(names) < at_least:
        count = f"{len(names) or 'no'} image{'s' * (not names)}"
        raise UsageError(f"{root} has {count}: at least {at_least} are needed")
    direct = [name for name in names if "/" not in name]
    if direct and len(direct) < len(names):
        raise UsageError(
            f"{root} has images directly in it ({direct[0]}) and in sub-folders: "
            f"{cure or 'put each one in the sub-folder of its class, or have no sub-folders'}"
        )
    if direct:
        return Files(root, tuple(names), (), ())
    classes = sorted({name.partition("/")[0] for name in names})
    index = {name: i for i, name in enumerate(classes)}
    return Files(root, tuple(names), tuple(index[name.partition("/")[0]] for name in names), tuple(classes))


def walk(root: Path) -> list[str]:
    def fail(error: OSError) -> None:
        raise error

    tops = [root, *(entry for entry in root.iterdir() if entry.is_symlink() and entry.is_dir())]
    names: list[str] = []
    for top in tops:  # a class may be a link to a folder; deeper links are not followed, as they may go round
        if top is not root and ignored(top.name):
            continue
        for folder, below, files in os.walk(top, onerror=fail):
            below[:] = [name for name in below if not ignored(name)]
            names += [Path(folder, f).relative_to(root).as_posix() for f in files if not ignored(f)]
    return names


def ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in NOT_SAMPLES


def listed(folders: Iterable[str]) -> str:
    *most, last = (f"{name}/" for name in folders)
    return f"{', '.join(most)} and {last}" if most else last
