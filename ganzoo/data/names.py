"""Names of files: which are of images, which are hidden or of a system, and a note about what is left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from ganzoo.data.broken import NAMED

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
BEGINNING = re.compile(
    rb"\x89PNG|\xff\xd8\xff|GIF8|II\*\0|MM\0\*|\0\0\0\x0cjP  |\xff\x4f\xff\x51|P[1-6]\s[\s\d#]|\x01\xda|"
    rb"BM.{4}\0{4}|RIFF.{4}WEBP|.{4}ftyp(?:avi[fs]|hei[cx]|mif1)",
    re.DOTALL,
)
DIGITS = "0123456789"
ENDINGS = 6  # of files that are no images, in the note about them


def ignored(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a system's own."""
    return name.startswith(".") or name.lower() in NOT_SAMPLES


def ending_of(name: str) -> str:
    """Of a file, in small letters, with its dot; an empty word where there is none."""
    before, _, after = name.rpartition(".")  # quicker than Path, where there are a million
    return f".{after}".lower() if before else ""


@dataclass(frozen=True)
class Wanted:
    """Which files are samples.

    Attributes:
        plural: what they are called.
        endings: of those that are read.
        foreign: of those that are of the kind, and are not read, with the names of their formats.
        beginning: of a file whose ending says nothing.
    """

    plural: str
    endings: Set[str]
    foreign: Mapping[str, str] = field(default_factory=dict)
    beginning: re.Pattern[bytes] | None = None

    def fits(self, name: str, beginning: Callable[[int], bytes]) -> bool:
        """By its ending, or, where that says nothing, by its first bytes."""
        if self.told(name):
            return True
        if ending_of(name) in OTHERS or self.beginning is None:
            return False
        return self.beginning.match(beginning(16)) is not None

    def told(self, name: str) -> bool:
        """Whether its ending says that it is one."""
        ending = ending_of(name)
        return ending in self.endings or ending in self.foreign

    def fault(self, name: str) -> str:
        """What is wrong with one of a format that is not read; an empty word for any other."""
        kind = self.foreign.get(ending_of(name))
        return f"is {kind}, which is not read here (save it as JPEG or PNG)" if kind else ""


PICTURES = Wanted("images", IMAGES, FOREIGN, BEGINNING)


def in_order(name: str) -> tuple[list[tuple[str, int, str]], str]:
    """A key for sorting names as people do: as text, but numbers in them by what they are, 1, 2, ..., 10."""
    parts = re.findall("[0-9]+|[^0-9]", name, re.DOTALL)
    return [_number(part) if part[0] in DIGITS else (part, 0, "") for part in parts], name


def _number(digits: str) -> tuple[str, int, str]:
    """Among text where its first digit would be; by its value, however long it is."""
    counted = digits.lstrip("0")
    return "0", len(counted), counted


def few(words: Sequence[str], most: int = NAMED) -> str:
    """The first of them, with commas between."""
    return ", ".join([*words[:most], *["..."] * (len(words) > most)])


class LeftOut:
    """What is not wanted, counted as it is met."""

    def __init__(self, wanted: Wanted = PICTURES) -> None:
        self._wanted = wanted
        self._others: Counter[str] = Counter()
        self._hidden: Counter[str] = Counter()
        self._folders: Counter[str] = Counter()

    def other(self, name: str) -> None:
        self._others[ending_of(name)] += 1

    def hidden_folder(self, name: str) -> None:
        """Counted where there are files in it."""
        self._folders[name] += 1

    def hidden_file(self, name: str) -> None:
        """Counted where it would be wanted otherwise: nobody misses a .DS_Store."""
        if ending_of(name) in self._wanted.endings:
            self._hidden[name] += 1

    def notes(self) -> Iterator[str]:
        if self._others:
            by_count = sorted(self._others.items(), key=lambda item: (-item[1], item[0]))
            kinds = [f"{n:,} {ending or 'without an ending'}" for ending, n in by_count]
            yield f"left out, as they are no {self._wanted.plural}: {few(kinds, ENDINGS)}"
        for what, found in (("folder", self._folders), ("file", self._hidden)):
            if found:
                count = found.total()
                names = few(sorted(found))
                yield f"left out, as hidden or a system's own: {count:,} {what}{'s' * (count != 1)} ({names})"
