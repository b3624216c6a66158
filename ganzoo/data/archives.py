"""Archives of images, read as they are: nothing in them is ever unpacked to where its name says."""

from __future__ import annotations

import io
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from ganzoo.errors import UsageError
from ganzoo.system.console import in_bytes
from ganzoo.system.files import open_regular
from ganzoo.system.memory import machine_memory

LOCAL, LOCAL_SIZE = b"PK\3\4", 30  # how the header before a file in a .zip begins, and its bytes before names
A_SIP = 2**20  # bytes that are read at a time
HELD = 4 * A_SIP  # larger files go through the disk: several threads read, and none knows of the others
INFLATED, PLAUSIBLE = 2**28, 100  # what is packed may unpack to so many bytes, or to so many times as many
LONGEST_NAME = 4095  # letters
MANY = 64  # a table of contents may take this part of the memory: its entries take many times as much
WHOLE = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR"}
LINK = "is a link, and links in archives are not followed"
UNPACK = "unpack it, and give the folder"
EXPECTED = "a folder of images, or a .zip or .tar of them"


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Args:
        archive: the file that it is in.
        name: in it, with forward slashes.
        size: bytes, unpacked.
        start: where it begins: in a .zip the header before it, in a .tar its content.
        packed: bytes that it takes there.
        deflated: as zip packs it; else it is there as it is.
        crc: of its content in a .zip, else None.
        fault: why it is no file that can be read, or an empty word.
    """

    archive: Path
    name: str
    size: int
    start: int
    packed: int
    deflated: bool = False
    crc: int | None = None
    fault: str = ""

    def __str__(self) -> str:
        return f"{self.archive}/{self.name}"

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Its content. Raises ValueError, EOFError or zlib.error where it is damaged."""
        held: Any = io.BytesIO() if self.size <= HELD else tempfile.TemporaryFile()  # noqa: SIM115  # it is
        with held as file:
            crc, count = 0, 0
            for part in self._parts():
                file.write(part)
                crc, count = zlib.crc32(part, crc), count + len(part)
            if count != self.size:
                raise EOFError(f"it ends after {in_bytes(count)} of {in_bytes(self.size)}")
            if self.crc not in (None, crc):
                raise ValueError("its checksum is not that of its content")
            file.seek(0)
            yield file

    def beginning(self, count: int) -> bytes:
        """Its first bytes, or nothing where it is damaged."""
        try:
            return next(self._parts(), b"")[:count]
        except (OSError, ValueError, EOFError, zlib.error):
            return b""

    def _parts(self) -> Iterator[bytes]:
        """Its content, no more of it at a time than a sip, nor more in all than it says to have."""
        if self.fault:
            raise ValueError(self.fault)
        if self.size > max(INFLATED, PLAUSIBLE * self.packed):
            raise ValueError(
                f"its {in_bytes(self.packed)} unpack to {in_bytes(self.size)}, which is beyond belief"
            )
        if self.start < 0:
            raise ValueError("it is not where the table of contents of the archive says")
        with open_regular(self.archive, EXPECTED) as file:
            file.seek(self.start)
            if self.crc is not None:
                head = file.read(LOCAL_SIZE)
                if len(head) < LOCAL_SIZE or not head.startswith(LOCAL):
                    raise ValueError("it is not where the table of contents of the archive says")
                names = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
                file.seek(names, io.SEEK_CUR)
            yield from _inflated(file, self.packed, self.size) if self.deflated else _read(file, self.size)


def _read(file: BinaryIO, left: int) -> Iterator[bytes]:
    while left > 0 and (part := file.read(min(A_SIP, left))):
        left -= len(part)
        yield part


def _inflated(file: BinaryIO, packed: int, left: int) -> Iterator[bytes]:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    for part in _read(file, packed):
        while part and left > 0:
            made = inflate.decompress(part, min(A_SIP, left))
            left -= len(made)
            yield made
            part = inflate.unconsumed_tail


class Sips:
    """A file that is never read in one large piece, however large its table of contents says to be.

    Args:
        longest: bytes that may be read at once.
    """

    def __init__(self, file: BinaryIO, longest: int) -> None:
        self._file, self._longest = file, longest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        if size > self._longest:
            raise ValueError(f"its table of contents has {in_bytes(size)}")
        return self._file.read(size if size >= 0 else self._longest)


def members(path: Path) -> list[Member]:
    """The files in an archive, .zip or .tar, that is at `path`.

    Raises:
        UsageError: it is no such archive, or a damaged one; it is encrypted, or packed in an unusual way; or
            a name in it leads out of it, or is there twice.
    """
    with open_regular(path, EXPECTED) as file:
        kind = _kind(path, file)
        if kind not in READERS:
            raise UsageError(
                f"{path} is packed as a whole ({kind}), and images are read one by one: {UNPACK}, or pack "
                f"them as .zip"
                if kind
                else f"{path} is a file: expected {EXPECTED}"
            )
        file.seek(0)
        try:
            found = list(READERS[kind](path, Sips(file, max(HELD, machine_memory() // MANY))))
        except UsageError:
            raise
        except Exception as error:  # both modules meet broken bytes with all kinds
            reason = _reason(file, error)
            raise UsageError(f"{path} cannot be read as a .{kind} archive: {reason}") from error
    seen: set[str] = set()
    for member in found:
        parts = PurePosixPath(member.name).parts
        if ".." in parts or "/" in parts or len(member.name) > LONGEST_NAME:
            raise UsageError(
                f"{path} has a file called {member.name[:80]}, which leads out of it: expected names below "
                f"the archive; look at what it is before you unpack it"
            )
        if member.name in seen:
            raise UsageError(f"{path} has two files called {member.name}: expected one; {UNPACK}")
        seen.add(member.name)
    return found


def _reason(file: BinaryIO, error: Exception) -> str:
    """Why an archive cannot be read: an end that comes too early is what both modules know nothing of."""
    file.seek(0)
    head = file.read(len(LOCAL))
    if not head:
        return "it is empty"
    if head == LOCAL and isinstance(error, zipfile.BadZipFile) and not _has_end(file):
        return "it ends too early, before its table of contents"
    return " ".join(str(error).split())[:200] or type(error).__name__


def _has_end(file: BinaryIO) -> bool:
    """Whether the record is there that a .zip ends with; a comment of 64 KiB may come after it."""
    file.seek(0, io.SEEK_END)
    file.seek(max(0, file.tell() - 2**16 - 22))
    return b"PK\5\6" in file.read()


def _kind(path: Path, file: BinaryIO) -> str:
    """What it begins as, or else what its name says; an empty word where it is no archive."""
    head, ending = file.read(512), path.suffix.lower()
    if head.startswith((LOCAL, b"PK\5\6")) or ending == ".zip":
        return "zip"
    if head[257:262] == b"ustar" or ending == ".tar":
        return "tar"
    return next((kind for magic, kind in WHOLE.items() if head.startswith(magic)), "")


def _name(name: str) -> str:
    """Without what changes nothing: "./a//b" is "a/b"."""
    return str(PurePosixPath(name))


def _zipped(path: Path, file: Any) -> Iterator[Member]:
    with zipfile.ZipFile(file) as packed:
        for info in packed.infolist():
            if info.is_dir():
                continue
            name = _name(info.filename.replace("\\", "/"))  # of Windows, where some do not know better
            if info.flag_bits & 0x41:
                raise UsageError(f"{path} is encrypted ({name} in it): {UNPACK}")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise UsageError(f"{path} is packed in an unusual way ({name} in it): {UNPACK}")
            yield Member(
                path,
                name,
                info.file_size,
                info.header_offset,
                info.compress_size,
                info.compress_type == zipfile.ZIP_DEFLATED,
                info.CRC,
                LINK if stat.S_ISLNK(info.external_attr >> 16) else "",
            )


def _tarred(path: Path, file: Any) -> Iterator[Member]:
    plain: dict[str, Member] = {}
    with tarfile.open(fileobj=file, mode="r:") as packed:
        while (info := packed.next()) is not None:
            packed.members = []  # type: ignore[attr-defined]  # it would keep all that it knows of each
            name = _name(info.name)
            if info.isdir():
                continue
            fault = "" if info.isreg() and not info.issparse() else "is no regular file"
            if info.issym() or info.islnk():
                fault = LINK
            target = plain.get(_name(info.linkname)) if info.islnk() else None
            if target is not None:  # another name of a file before it
                made = Member(path, name, target.size, target.start, target.packed)
            else:
                made = Member(path, name, info.size, info.offset_data, info.size, fault=fault)
            plain[name] = made
            yield made


READERS = {"zip": _zipped, "tar": _tarred}
