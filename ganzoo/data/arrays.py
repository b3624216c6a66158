"""Arrays in files that anyone made: what a header says is checked before any memory is given."""

from __future__ import annotations

import io
import math
import os
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from ganzoo.data.archives import A_SIP, INFLATED, PLAUSIBLE, Sips
from ganzoo.data.tensors import Array
from ganzoo.errors import UsageError
from ganzoo.system.console import in_bytes
from ganzoo.system.files import open_regular
from ganzoo.system.memory import machine_memory

MAGIC = b"\x93NUMPY"
LENGTHS = {1: "<H", 2: "<I"}  # how versions of the format count their header
LONGEST_HEADER = 10_000  # as numpy has it
LONGEST_READ = 4 * A_SIP  # of zipfile, which reads its table of contents at once
METHODS = {zipfile.ZIP_STORED: "none", zipfile.ZIP_DEFLATED: "deflate"}  # as numpy writes them
SAMPLES = "an .npz file, as numpy.savez(FILE, samples=...) writes it, images (a folder or a .zip), or a run"
WORK = 4  # times the memory of samples, to measure them


@dataclass(frozen=True)
class Header:
    """What an array in a file says of itself."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    length: int  # of the header itself, in bytes

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy(path: Path, check: Callable[[Header], None], need: Callable[[Header], int]) -> Array:
    """The array in a .npy file.

    Args:
        check: raises UsageError for a header that is not wanted, before anything else is read.
        need: bytes of memory for what will be made of the array.

    Raises:
        UsageError: it cannot be read, is not wanted, or does not go into memory.
    """
    with open_regular(path, "a .npy file") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise UsageError(f"{path} is not a .npy file: write it with numpy.save")
        file.seek(0)
        with _told(path, "an array of numbers"):
            header = _header(file)
            check(header)
            there = os.fstat(file.fileno()).st_size - header.length
            if header.size > there:
                raise ValueError(f"its header promises {_promised(header)}, and {in_bytes(there)} follow")
            _fit(path, need(header), header)
            return _values(file, header)


def read_npz(
    path: Path, choose: Callable[[list[str]], Sequence[str]], check: Callable[[dict[str, Header]], None]
) -> dict[str, Array]:
    """Arrays in an .npz file.

    Args:
        choose: the names that are there -> those that are wanted; or it raises UsageError.
        check: raises UsageError for headers that are not wanted, before any values are read.

    Raises:
        UsageError: the file or a wanted array cannot be read, is not wanted, or does not go into memory.
    """
    with open_regular(path, SAMPLES) as file:
        beginning = file.read(len(MAGIC))
        if beginning == MAGIC:
            raise UsageError(f"{path} is one bare array: write it with numpy.savez(FILE, samples=...)")
        if not beginning.startswith(b"PK"):
            raise UsageError(f"{path} is no .npz file: expected {SAMPLES}")
        with _told(path, "arrays"), zipfile.ZipFile(Sips(file, LONGEST_READ)) as packed:
            inside = packed.namelist()
            if inside and not any(name.endswith(".npy") for name in inside):
                raise UsageError(f"{path} is a .zip of other files ({inside[0]}): expected {SAMPLES}")
            members: dict[str, zipfile.ZipInfo] = {}
            for info in packed.infolist():
                name = info.filename.removesuffix(".npy")
                if name in members:
                    raise ValueError(f"it has two arrays called {name}")
                members[name] = info
            wanted = choose(sorted(members))
            headers = {name: _member_header(packed, members[name]) for name in wanted}
            check(headers)
            for name, header in headers.items():
                _believe(members[name], header)
            _fit(path, WORK * sum(header.size for header in headers.values()), *headers.values())
            return {name: _member_values(packed, members[name], headers[name]) for name in wanted}


def _member_header(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Header:
    if info.flag_bits & 0x41:
        raise ValueError(f"{info.filename} in it is encrypted")
    if info.compress_type not in METHODS:
        raise ValueError(f"{info.filename} in it is packed in another way than numpy.savez packs")
    with packed.open(info) as file:
        return _header(file)


def _believe(info: zipfile.ZipInfo, header: Header) -> None:
    """Raises ValueError unless the table of contents and an array's own header say the same."""
    there = info.file_size - header.length
    if header.size != there:
        raise ValueError(
            f"the header of {info.filename} promises {_promised(header)}, and "
            f"{in_bytes(max(there, 0))} follow"
        )
    if info.file_size > max(INFLATED, PLAUSIBLE * info.compress_size):
        raise ValueError(
            f"{in_bytes(info.compress_size)} in it unpack to {in_bytes(info.file_size)}, which is beyond "
            f"belief; numpy.savez writes it unpacked"
        )


def _member_values(packed: zipfile.ZipFile, info: zipfile.ZipInfo, header: Header) -> Array:
    with packed.open(info) as file:
        file.read(header.length)
        return _values(file, header)


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """Any exception as a sentence: numpy's and zipfile's readers meet broken bytes with all kinds."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        reason = (
            " ".join(str(getattr(error, "strerror", None) or error).split())[:200] or type(error).__name__
        )
        raise UsageError(f"{path} cannot be read as {what}: {reason}") from error


def _header(file: IO[bytes]) -> Header:
    """Of what `file` begins with, which is read up to the values. Raises ValueError for one of no numbers."""
    start = file.read(len(MAGIC) + 2)
    if not start.startswith(MAGIC) or len(start) < len(MAGIC) + 2:
        raise ValueError("it does not begin as numpy begins an array")
    if start[-2] not in LENGTHS:
        raise ValueError(
            f"it is of version {start[-2]}.{start[-1]} of the format, and 1.0 and 2.0 hold numbers"
        )
    counted = file.read(struct.calcsize(LENGTHS[start[-2]]))
    (length,) = struct.unpack(LENGTHS[start[-2]], counted)
    if length > LONGEST_HEADER:
        raise ValueError(f"its header has {in_bytes(length)}")
    # A copy: numpy would read as much as the header says it has.
    content = io.BytesIO(start + counted + file.read(length))
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(content)]
    try:
        shape, fortran, dtype = read(content)
    except Exception as error:
        raise ValueError(f"its header is broken ({type(error).__name__})") from error
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if dtype.fields or dtype.subdtype or not dtype.itemsize:
        raise ValueError(f"its values are no plain numbers, but {dtype}"[:150])
    if any(side < 0 or side >= 2**48 for side in shape):
        raise ValueError(f"its header says the shape {shape}")
    return Header(tuple(map(int, shape)), dtype, fortran, len(start + counted) + length)


def _promised(header: Header) -> str:
    return f"{header.shape} of {header.dtype.name}, {in_bytes(header.size)}"


def _fit(path: Path, need: int, *headers: Header) -> None:
    memory = machine_memory()
    if need > memory:
        promised = " and ".join(map(_promised, headers))
        raise UsageError(
            f"{path} has {promised}, and to work with that takes about {in_bytes(need)} of memory, where "
            f"this machine has {in_bytes(memory)}: take fewer samples"
        )


def _values(file: IO[bytes], header: Header) -> Array:
    """The values that follow a header; no byte more is read than they have."""
    array = np.empty(math.prod(header.shape), header.dtype)
    content, at = array.view(np.uint8).data, 0
    while at < len(content):
        part = file.read(min(A_SIP, len(content) - at))
        if not part:
            raise EOFError(f"it ends after {in_bytes(at)} of {_promised(header)}")
        content[at : at + len(part)] = part
        at += len(part)
    if not header.fortran:
        return array.reshape(header.shape)
    return array.reshape(header.shape[::-1]).transpose()
