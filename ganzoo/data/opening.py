"""Image files before they are decoded: what a header asks for is bounded before any memory is given."""

from __future__ import annotations

import re
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from PIL import Image

from ganzoo.data.archives import Member
from ganzoo.data.broken import Broken, refuse_machine
from ganzoo.data.tree import Source
from ganzoo.errors import UsageError
from ganzoo.system.console import in_bytes
from ganzoo.system.files import open_regular

# Of Pillow's formats those of pictures. It has others that start programs (EPS), unpack without a bound
# (FITS), or have pictures in them of which their headers know nothing (ICO, ICNS).
FORMATS = (
    "PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM", "DIB", "PCX", "SGI", "TGA"
)  # fmt: skip
MEMORY = 2**30  # bytes that decoding may take, in all threads together
PIXELS = 178_956_970  # more are refused by Pillow itself
LARGEST_FILE = 3 * MEMORY // 8  # three bytes for each pixel of the largest image that fits into MEMORY
HALVED = re.compile(r"(L|LA|RGB|RGBA|RGBX|RGBa|CMYK);16[BLN]?")  # of these Pillow gives the high bytes alone
BITS, TILE_WIDTH, TILE_HEIGHT = 258, 322, 323  # tags
FULL = 65535
SIZ = b"\xff\x4f\xff\x51"  # how a codestream of JPEG 2000 begins
TILES = 4096  # of JPEG 2000; each is given memory before the first is decoded


@contextmanager
def opened(path: Source) -> Iterator[Image.Image]:
    """An image whose header was read, and no more.

    Raises:
        Broken: it is no regular file, or decoding it would take more memory than there is for that.
        UnidentifiedImageError: it is no image of these formats.
        Exception: any other, where the header is broken.
    """
    size = size_in_bytes(path)
    if size > LARGEST_FILE:
        raise Broken(
            path,
            f"has {in_bytes(size)}, and image files may have {in_bytes(LARGEST_FILE)} at most",
            "scale it down first, or move it away",
        )
    with _file(path) as file, _identified(path, file) as image:
        if image.format == "JPEG2000":
            _check_jpeg2000(image)
        need = cost(image, size)
        if need > MEMORY:
            raise Broken(
                path,
                f"has {image.width:,} x {image.height:,} pixels, and to decode them takes about "
                f"{in_bytes(need)}, where {in_bytes(MEMORY)} is the most",
                "scale it down first",
            )
        yield image


@contextmanager
def decoding(path: Source) -> Iterator[Image.Image]:
    """As `opened`, once there is memory to decode it: threads that would take too much together wait."""
    with opened(path) as image, _room.taken(cost(image, size_in_bytes(path))):
        yield image


def size_in_bytes(path: Source) -> int:
    """Of an image file; 0 where it is not there."""
    if isinstance(path, Member):
        return path.size
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return 0


@contextmanager
def _file(path: Source) -> Iterator[BinaryIO]:
    if isinstance(path, Member):
        with path.open() as file:
            yield file
        return
    try:
        file = open_regular(path, "an image")
    except UsageError as error:
        refuse_machine(path, error.__cause__)
        reason = str(error).removeprefix(f"{path} ").removesuffix(": expected an image")
        raise Broken(path, reason, "expected an image") from error
    with file:
        yield file


_opening = threading.Lock()  # which warnings are shown is a matter of the whole process


def _identified(path: Source, file: BinaryIO) -> Image.Image:
    Image.init()
    try:
        with _opening, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images, and of oddities that do no harm
            return Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])
    except Image.DecompressionBombError as error:
        count = re.search(r"\d+", str(error))
        many = f"{int(count[0]):,}" if count else "too many"
        raise Broken(
            path, f"has {many} pixels, and {PIXELS:,} are decoded at most", "scale it down first"
        ) from error


def cost(image: Any, size: int) -> int:
    """Bytes that it takes to decode an image of a file of `size` bytes, with the copies on the way to 8 bits.

    As measured, rounded up. `image` was opened, and not loaded yet.
    """
    bands, kind = len(image.getbands()), image.format
    pixels: int = max(image.width * image.height, tag(image, TILE_WIDTH, 0) * tag(image, TILE_HEIGHT, 0))
    size += 24 * max(image.size)  # weights of Lanczos
    clear = "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa")
    held = 1 if image.mode in ("1", "L", "P") else 4
    each = 17 if clear else held + 5
    if is_deep(image):
        each = 13 if bands == 1 and not clear else 15 + 3 * bands
    if kind == "PPM" and image.tile[0][0] == "ppm_plain":
        return pixels * (60 * bands if is_deep(image) else each + 4) + 3 * size
    if kind in ("WEBP", "AVIF"):
        return pixels * (each + (16 if getattr(image, "is_animated", False) else 8)) + 2 * size
    if kind == "JPEG2000":
        return pixels * (each + 4 * bands) + 2 * size
    if image.info.get("progressive"):
        each = max(each, held + 2 * bands + 1)  # all coefficients are held
    return pixels * each + 2 * size


class _Room:
    """Memory that threads share: who would take more than is left waits until others are done."""

    def __init__(self, total: int) -> None:
        self._total = self._left = total
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        amount = min(amount, self._total)  # else it would wait for ever
        with self._changed:
            self._changed.wait_for(lambda: self._left >= amount)
            self._left -= amount
        try:
            yield
        finally:
            with self._changed:
                self._left += amount
                self._changed.notify_all()


_room = _Room(MEMORY)


def is_deep(image: Any) -> bool:
    """Whether an image that was opened, and not loaded yet, has more than 8 bits of which all can be had."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16") or HALVED.fullmatch(raw_mode(image)):
        return True
    return maxval(image) > 255 if image.format == "PPM" else max(tag(image, BITS, (8,))) > 8


def raw_mode(image: Any) -> str:
    """How the pixels lie in the file, in Pillow's words; empty where it does not say."""
    args = image.tile[0][3] if image.tile else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def maxval(image: Any) -> int:
    """Of PGM and PPM."""
    args = image.tile[0][3]
    if isinstance(args, tuple) and len(args) == 2:
        return int(args[1])
    return FULL if args == "I;16B" else 255


def tag(image: Any, number: int, default: Any) -> Any:
    """Of a TIFF file; `default` for any other."""
    return image.tag_v2.get(number, default) if image.format == "TIFF" else default


def siz(image: Any) -> bytes:
    """The marker SIZ of JPEG 2000, from its size on: the only one that counts for the decoder."""
    image.fp.seek(0)
    content: bytes = image.fp.read()
    if content.count(SIZ) != 1:
        raise ValueError("it has no beginning of a codestream, or several")
    start = content.index(SIZ) + len(SIZ)
    return content[start : start + 64]


def _check_jpeg2000(image: Any) -> None:
    """Pillow goes by the wrapping, and the decoder by the codestream in it: they must say the same."""
    at = image.fp.tell()
    right, bottom, left, top, width, height, x, y, bands = struct.unpack_from(">8IH", siz(image), 4)
    image.fp.seek(at)
    if (right - left, bottom - top) != image.size or not width or not height:
        raise ValueError("its headers contradict each other")
    tiles = -((x - right) // width) * -((y - bottom) // height)
    if bands > 4 or tiles > TILES:
        raise ValueError(
            f"it has {bands} channels in {tiles:,} tiles, and 4 in {TILES:,} are decoded at most"
        )
