"""What lies in a folder of one's own, or in an archive: which files are images, and what is left out."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field, replace
from pathlib import Path

from ganzoo.data.archives import EXPECTED, Member, members
from ganzoo.data.broken import Faults
from ganzoo.data.names import PICTURES, LeftOut, ignored
from ganzoo.data.walk import walked
from ganzoo.errors import UsageError
from ganzoo.system.files import is_file

SPLITS = {
    "train": "train", "training": "train",
    "test": "test", "testing": "test",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
}  # fmt: skip
Source = Path | Member


@dataclass(frozen=True)
class Tree:
    """The images of a folder or an archive, whatever they are of.

    Args:
        root: the folder, or the archive; or, of a part of it, their path and its name.
        names: below `root`, with forward slashes; sorted.
        faults: what is known of broken files before a look into them.
        notes: sentences that a person should read.
        members: of an archive, by the names.
        archive: the file that the members are in.
    """

    root: Path
    names: tuple[str, ...]
    faults: Faults = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    members: dict[str, Member] | None = None
    archive: Path | None = None

    def file(self, name: str) -> Source:
        """The image called `name`."""
        return self.root / name if self.members is None else self.members[name]

    @property
    def folders(self) -> tuple[str, ...]:
        """The names of its sub-folders that have images, sorted."""
        return tuple(sorted({name.partition("/")[0] for name in self.names if "/" in name}))

    @property
    def direct(self) -> tuple[str, ...]:
        """The names of images that are in no sub-folder."""
        return tuple(name for name in self.names if "/" not in name)

    def below(self, folder: str) -> Tree:
        """One of its sub-folders, or of theirs; "." is all of it. Its notes are told already."""
        if folder == ".":
            return replace(self, notes=())
        start = f"{folder}/"
        names = tuple(name.removeprefix(start) for name in self.names if name.startswith(start))
        own = None if self.members is None else {name: self.members[start + name] for name in names}
        return Tree(self.root / folder, names, members=own, archive=self.archive)

    def without(self, paths: Container[str]) -> Tree:
        """What is left when the files at these paths are taken out."""
        names = tuple(name for name in self.names if str(self.file(name)) not in paths)
        return replace(self, names=names, faults={})


def look(root: Path) -> Tree:
    """The tree at `root`.

    Links to folders are followed, but those that lead back. A file is an image where its ending, or else its
    first bytes, say so; what is hidden or a system's own is left out, and so is all else.

    Raises:
        UsageError: there is no such folder, or one in it cannot be read; or no such archive.
    """
    if is_file(root):
        return _archive(root)
    try:
        if not root.is_dir():
            raise UsageError(
                f"{root} is {'no folder' if root.exists() else 'not there'}: expected {EXPECTED}"
            )
    except OSError as error:
        raise UsageError(f"{root} cannot be read: {error.strerror or error}") from error
    walk = walked(root)
    return Tree(root, tuple(sorted(walk.names)), walk.faults, tuple(walk.notes()))


def _archive(path: Path) -> Tree:
    """The tree in an archive; a single folder that all is in is seen through, unless it is a split."""
    found: dict[str, Member] = {}
    left_out, faults = LeftOut(), dict[str, str]()
    for member in members(path):
        *folders, last = member.name.split("/")
        system = next(filter(ignored, folders), None)
        if system is not None:
            left_out.hidden_folder(system)
        elif ignored(last):
            left_out.hidden_file(last)
        elif not PICTURES.fits(last, member.beginning):
            left_out.other(last)
        else:
            found[member.name] = member
            reason = member.fault or PICTURES.fault(last)
            if reason:
                faults[str(member)] = reason
    tree = Tree(path, tuple(sorted(found)), faults, tuple(left_out.notes()), found, path)
    if len(tree.folders) != 1 or tree.direct or tree.folders[0].lower() in SPLITS:
        return tree
    return replace(tree.below(tree.folders[0]), root=path, faults=faults, notes=tree.notes)
