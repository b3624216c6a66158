"""What lies in a folder of one's own, or in an archive: which files are images, and what is left out."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ganzoo.data.archives import EXPECTED, Member, members
from ganzoo.data.broken import NAMED, Faults
from ganzoo.errors import UsageError
from ganzoo.system.files import NOT_FILES, is_file, open_regular

# What systems and programs leave behind; hidden files and folders too.
NOT_SAMPLES = {
    "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "@tmp", "@recycle",
    "#recycle", "@recently-snapshot", "#snapshot", "$recycle.bin", "system volume information",
    "lost+found", "__pycache__"
}  # fmt: skip
IMAGES = {
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".tif", ".tiff", ".bmp",
    ".dib", ".avif", ".avifs", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".ppm", ".pgm",
    ".pbm", ".pnm", ".pfm", ".pcx", ".sgi", ".tga"
}  # fmt: skip
FOREIGN = {".heic": "HEIC", ".heif": "HEIF", ".jxl": "JPEG XL"}  # images all the same, of which none is read
OTHERS = {
    ".txt", ".json", ".jsonl", ".csv", ".tsv", ".md", ".xml", ".html", ".yaml", ".yml", ".toml",
    ".py", ".log", ".npy", ".npz", ".pt", ".pth", ".zip", ".tar", ".gz", ".parquet", ".mp4", ".mov",
    ".avi", ".mkv", ".wav", ".mp3", ".pdf", ".svg", ".psd", ".xcf", ".eps", ".ai", ".ico", ".db",
    ".caption", ".tags"
}  # fmt: skip
BEGINNINGS = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51",
    b"P5\n", b"P6\n",
)  # fmt: skip
SPLITS = {
    "train": "train", "training": "train",
    "test": "test", "testing": "test",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
}  # fmt: skip
MOST_LINKS = 10_000  # folders that are reached by links: more of them lead round and round
ENDINGS = 6  # of files that are no images, in the note about them
Source = Path | Member
Place = tuple[int, int]
"""What a folder is, by whatever name: the numbers of its device and of itself."""


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
        walk = Walk(root)
        walk.all()
    except OSError as error:
        raise UsageError(
            f"{Path(error.filename or root)} cannot be read: {error.strerror or error}"
        ) from error
    return Tree(root, tuple(sorted(walk.names)), walk.faults, tuple(walk.notes()))


def ignored(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a system's own."""
    return name.startswith(".") or name.lower() in NOT_SAMPLES


def ending_of(name: str) -> str:
    """Of a file, in small letters, with its dot; an empty word where there is none."""
    before, _, after = name.rpartition(".")  # quicker than Path, where there are a million
    return f".{after}".lower() if before else ""


def is_image(name: str, beginning: Callable[[int], bytes]) -> bool:
    """By its ending, or, where that says nothing, by its first bytes."""
    ending = ending_of(name)
    if ending in IMAGES or ending in FOREIGN:
        return True
    if ending in OTHERS:
        return False
    start = beginning(16)
    return start.startswith(BEGINNINGS) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


def few(words: Sequence[str], most: int = NAMED) -> str:
    """The first of them, with commas between."""
    return ", ".join([*words[:most], *["..."] * (len(words) > most)])


class LeftOut:
    """What is no image, counted as it is met."""

    def __init__(self) -> None:
        self._others: Counter[str] = Counter()
        self._hidden: Counter[str] = Counter()
        self._folders: Counter[str] = Counter()

    def other(self, name: str) -> None:
        self._others[ending_of(name)] += 1

    def hidden_folder(self, name: str) -> None:
        """Counted where there are files in it."""
        self._folders[name] += 1

    def hidden_file(self, name: str) -> None:
        """Counted where it would be an image otherwise: nobody misses a .DS_Store."""
        if ending_of(name) in IMAGES:
            self._hidden[name] += 1

    def notes(self) -> Iterator[str]:
        if self._others:
            by_count = sorted(self._others.items(), key=lambda item: (-item[1], item[0]))
            kinds = [f"{n:,} {ending or 'without an ending'}" for ending, n in by_count]
            yield f"left out, as they are no images: {few(kinds, ENDINGS)}"
        for what, found in (("folder", self._folders), ("file", self._hidden)):
            if found:
                count = found.total()
                names = few(sorted(found))
                yield f"left out, as hidden or a system's own: {count:,} {what}{'s' * (count != 1)} ({names})"


class Walk:
    """All files below a folder, found as they are: what `look` makes a tree of."""

    def __init__(self, root: Path) -> None:
        self.names: list[str] = []
        self.faults: dict[str, str] = {}
        self._root = root
        self._real = root.resolve()
        self._left_out = LeftOut()
        self._outside: list[str] = []
        self._round: list[str] = []
        self._links = 0

    def all(self) -> None:
        """Raises OSError for a folder that cannot be read, and UsageError for endless links."""
        above = frozenset(filter(None, map(_place, (self._real, *self._real.parents))))
        to_do = [("", above)]
        while to_do:
            below, above = to_do.pop()
            with os.scandir(os.path.join(self._root, below)) as entries:  # noqa: PTH118
                for entry in entries:
                    self._entry(entry, f"{below}{entry.name}", above, to_do)

    def notes(self) -> Iterator[str]:
        if self._outside:
            yield f"links to folders that lie elsewhere were followed: {few(sorted(self._outside))}"
        if self._round:
            yield f"left out, as links that lead round in a circle: {few(sorted(self._round))}"
        yield from self._left_out.notes()

    def _entry(
        self,
        entry: os.DirEntry[str],
        name: str,
        above: frozenset[Place],
        to_do: list[tuple[str, frozenset[Place]]],
    ) -> None:
        kind = _kind(entry)
        if ignored(entry.name):
            if kind != "a folder":
                self._left_out.hidden_file(entry.name)
            elif _holds_files(Path(entry.path)):
                self._left_out.hidden_folder(entry.name)
        elif kind != "a folder":
            self._file(entry.path, name, kind)
        else:
            place = _place(Path(entry.path))
            if not entry.is_symlink() or self._follow(name, Path(entry.path), place, above):
                to_do.append((f"{name}/", above if place is None else above | {place}))

    def _follow(self, name: str, path: Path, place: Place | None, above: frozenset[Place]) -> bool:
        if place in above:
            self._round.append(name)
            return False
        self._links += 1
        if self._links > MOST_LINKS:
            raise UsageError(f"{path}: more than {MOST_LINKS:,} links to folders lead from one to another")
        target = path.resolve()
        if not target.is_relative_to(self._real):
            self._outside.append(f"{name} -> {target}")
        return True

    def _file(self, path: str, name: str, kind: str) -> None:
        last = name.rpartition("/")[2]
        ending = ending_of(last)
        fault = f"is {kind}" if kind else ""
        if ending in OTHERS or not (kind or is_image(last, lambda count: _beginning(Path(path), count))):
            self._left_out.other(last)
            return
        if not kind or ending in IMAGES or ending in FOREIGN:
            self.names.append(name)
            if ending in FOREIGN:
                fault = fault or _foreign(last)
            elif not os.access(path, os.R_OK):
                fault = fault or "cannot be read (Permission denied)"
        if fault:
            self.faults[str(Path(path))] = fault


def _kind(entry: os.DirEntry[str]) -> str:
    """What it is, links followed; an empty word for a file."""
    try:
        if entry.is_file():
            return ""
        return NOT_FILES.get(stat.S_IFMT(entry.stat().st_mode), "no file")
    except FileNotFoundError:
        return "a link to nothing"
    except OSError as error:
        return f"a link that leads nowhere ({error.strerror})"


def _place(path: Path) -> Place | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _holds_files(folder: Path) -> bool:
    """Whether there is a file in it, at any depth; links are not followed, and nothing is an error."""
    return any(files for _, _, files in os.walk(folder))


def _beginning(path: Path, count: int) -> bytes:
    try:
        with open_regular(path, "an image") as file:
            return file.read(count)
    except (OSError, UsageError):
        return b""


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
        elif not is_image(last, member.beginning):
            left_out.other(last)
        else:
            found[member.name] = member
            reason = member.fault or _foreign(last)
            if reason:
                faults[str(member)] = reason
    tree = Tree(path, tuple(sorted(found)), faults, tuple(left_out.notes()), found, path)
    if len(tree.folders) != 1 or tree.direct or tree.folders[0].lower() in SPLITS:
        return tree
    return replace(tree.below(tree.folders[0]), root=path, faults=faults, notes=tree.notes)


def _foreign(name: str) -> str:
    """What is wrong with an image of a format that is not read; an empty word for any other."""
    kind = FOREIGN.get(ending_of(name))
    return f"is {kind}, which is not read here (save it as JPEG or PNG)" if kind else ""
