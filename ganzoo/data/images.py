"""One's own image files: looking at their headers, decoding one of them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ganzoo.data.broken import Broken, check_broken, refuse_machine
from ganzoo.data.deep import Peak, White, eight_bits, find_white, peak, read_deep
from ganzoo.data.opening import decoding, is_deep, opened, raw_mode, size_in_bytes
from ganzoo.data.tree import Source
from ganzoo.errors import UsageError
from ganzoo.system.bars import track

Size = tuple[int, int]
"""Height and width in pixels."""

T = TypeVar("T")
R = TypeVar("R")

BAR_FROM = 2_000
SMALLEST, LARGEST = 4, 16_384  # pixels of a side
MOST_WORKERS = 256
GREY = {"1", "L", "LA", "La", "I", "F"}  # and the 16-bit ones, whose names begin with I;16


@dataclass(frozen=True)
class Header:
    """What an image says of itself: width and height, whether it is grey, and of more than 8 bits."""

    size: tuple[int, int]
    grey: bool
    deep: bool


def read_header(path: Source) -> Header:
    """Raises Broken, which names the file, where it is not an image."""
    try:
        with opened(path) as image:
            grey = image.mode in GREY or image.mode.startswith("I;16") or raw_mode(image).startswith("LA;")
            return Header(image.size, grey, is_deep(image))
    except Exception as error:
        raise refusal(path, error) from error


def choose(headers: Sequence[Header], size: int, channels: int) -> tuple[int, int]:
    """Size and channels, where they are 0.

    Size is 64 if all images have a short side of 64 or more, else 32; channels are 1 if all images are grey,
    else 3.
    """
    size = size or (64 if all(min(header.size) >= 64 for header in headers) else 32)
    return size, channels or (1 if all(header.grey for header in headers) else 3)


def size_of(size: int | str) -> Size:
    """What data.size says: 64 is a square, "48x64" is 48 high and 64 wide; (0, 0) is to be chosen.

    Raises UsageError for anything else.
    """
    sides = re.fullmatch(r"([0-9]{1,9})(?:\s*[xX\u00d7*]\s*([0-9]{1,9}))?", str(size).strip())
    height = int(sides[1]) if sides else -1
    width = int(sides[2]) if sides and sides[2] else height
    if (height, width) != (0, 0) and not all(SMALLEST <= side <= LARGEST for side in (height, width)):
        raise UsageError(
            f"data.size: expected 0 (choose), a square's side of at least {SMALLEST} pixels, at most "
            f"{LARGEST:,}, or HEIGHTxWIDTH such as 48x64, got {size}"
        )
    return height, width


def read_image(
    path: Source, size: int | Size, channels: int, white: White | None = None, half: str = ""
) -> NDArray[np.uint8]:
    """Decode one image: uint8 [channels, *size], what is in its centre of these proportions, by Lanczos.

    EXIF orientation is applied, alpha is composited on white; of an animation the first frame is taken.
    Raises UsageError, which names the file, where it cannot be decoded.

    Args:
        size: height and width, or the side of a square.
        white: what is white where there are more than 8 bits; found from this image alone where left out.
        half: "left" or "right", where two pictures of these proportions are side by side; or all of it.
    """
    height, width = (size, size) if isinstance(size, int) else size
    try:
        with flat(path, "L" if channels == 1 else "RGB", white) as (plain, _):
            part = _half(path, plain, half, width / height) if half else plain
            fitted = ImageOps.fit(part, (width, height), method=Image.Resampling.LANCZOS)
    except Exception as error:  # Pillow's decoders meet broken bytes with any exception
        raise refusal(path, error) from error
    return channels_first(fitted)


def channels_first(image: Image.Image) -> NDArray[np.uint8]:
    """uint8 [1, H, W] of an image in mode "L", [3, H, W] of one in mode "RGB"."""
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _half(path: Source, image: Image.Image, half: str, ratio: float) -> Image.Image:
    width, height = image.size
    own = width // 2
    # Squares exactly, as ever; of rectangles the sides are rounded.
    if width % 2 or abs(own - ratio * height) > (0 if ratio == 1 else 1):
        each = (
            "twice as wide as high" if ratio == 1 else f"each {ratio:.3g} times as wide as high (data.size)"
        )
        raise UsageError(
            f"{path} is {width} x {height}: expected two pictures side by side, {each}; "
            f"or have the pictures and their conditions in two sub-folders"
        )
    start = 0 if half == "left" else own
    return image.crop((start, 0, start + own, height))


@contextmanager
def flat(path: Source, mode: str, white: White | None = None) -> Iterator[tuple[Image.Image, str]]:
    """An image upright, in mode "L" or "RGB", without alpha; and a sentence if it was found what is white.

    It is there while the block is worked on, so that several are not held in memory where one fills it.
    Raises any exception where it cannot be decoded.
    """
    with decoding(path) as image:
        if is_deep(image):
            found = white or find_white([peak(path)])
            yield _in_mode(_opaque(eight_bits(read_deep(path), found)), mode), found.sentence
        else:
            ImageOps.exif_transpose(image, in_place=True)
            yield _in_mode(_opaque(image), mode), ""


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        above = image.convert("RGBA") if image.mode != "La" else image.convert("LA").convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
    return image


def white_of(
    files: Sequence[Source], given: float = 0.0, at_least: float = 0.0, faults: dict[str, str] | None = None
) -> White:
    """Of all these images of more than 8 bits; `find_white` says how. Raises UsageError as it does.

    Args:
        faults: gets what is wrong with broken ones, which do not count; where left out, they are refused.
    """

    def measure(path: Source) -> Peak | None:
        try:
            with decoding(path):
                return peak(path)
        except Exception as error:
            refused = refusal(path, error)
            if faults is None or not isinstance(refused, Broken):
                raise refused from error
            faults[refused.path] = refused.reason
            return None

    peaks = list(filter(None, each(measure, files, "looking for white")))
    return find_white(peaks, given, at_least) if peaks else White()


def read_headers(files: Sequence[Source]) -> tuple[dict[Source, Header], dict[str, str]]:
    """The headers of those that are not broken; and what is wrong with the others, by their paths."""
    headers: dict[Source, Header] = {}
    faults: dict[str, str] = {}
    for path in files:
        try:
            headers[path] = read_header(path)
        except Broken as error:
            faults[error.path] = error.reason
    return headers, faults


def each(work: Callable[[T], R], items: Sequence[T], description: str) -> list[R]:
    """`work` on all of the items, several at a time, in order; with a bar where there are many."""
    pool = ThreadPool(min(8, os.cpu_count() or 1))
    try:
        done: Iterable[R] = pool.imap(work, items, chunksize=8)
        return list(track(done, description, len(items)) if len(items) > BAR_FROM else done)
    finally:
        pool.terminate()
        pool.join()


def refusal(path: Source, error: Exception) -> UsageError:
    """A sentence that names the file. Raises WorkError where it is the machine's fault."""
    if isinstance(error, UsageError):
        return error
    refuse_machine(path, error)
    if isinstance(error, UnidentifiedImageError):
        reason = "is not an image that Pillow can open" if size_in_bytes(path) else "is empty"
        return Broken(path, reason, "move it out of the folder")
    reason = " ".join(str(error).split()) or type(error).__name__
    return Broken(path, f"cannot be decoded ({reason})", "repair it, or move it out of the folder")


def check_options(
    size: int | str, channels: int, memory_gb: float, workers: int, white: float, broken: str = "stop"
) -> Size:
    """The size that is meant. Raises UsageError for a value that makes no sense."""
    check_channels("channels", channels)
    check_broken(broken)
    rules: Sequence[tuple[str, float, bool, str]] = (
        ("memory_gb", memory_gb, memory_gb >= 0, "0 (choose) or more"),
        ("workers", workers, 0 <= workers <= MOST_WORKERS, f"0 or more, at most {MOST_WORKERS}"),
        ("white", white, 0 <= white < math.inf, "0 (find) or the value that is white"),
    )
    for name, value, fine, expected in rules:
        if not fine:
            raise UsageError(f"data.{name}: expected {expected}, got {value}")
    return size_of(size)


def check_channels(name: str, channels: int) -> None:
    """Raise UsageError for an option that is no number of channels."""
    if channels not in (0, 1, 3):
        raise UsageError(f"data.{name}: expected 0 (choose), 1 or 3, got {channels}")
