"""One's own image files: looking at their headers, decoding one of them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ganzoo.data.deep import Peak, White, eight_bits, find_white, peak, read_deep
from ganzoo.data.opening import decoding, is_deep, opened, raw_mode
from ganzoo.errors import UsageError
from ganzoo.system.bars import track

T = TypeVar("T")
R = TypeVar("R")

BAR_FROM = 2_000
LARGEST = 16_384  # pixels of a side
MOST_WORKERS = 256
GREY = {"1", "L", "LA", "La", "I", "F"}  # and the 16-bit ones, whose names begin with I;16


@dataclass(frozen=True)
class Header:
    """What an image says of itself: width and height, whether it is grey, and of more than 8 bits."""

    size: tuple[int, int]
    grey: bool
    deep: bool


def read_header(path: Path) -> Header:
    """Raises UsageError, which names the file, where it is not an image."""
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


def read_image(
    path: Path, size: int, channels: int, white: White | None = None, half: str = ""
) -> NDArray[np.uint8]:
    """Decode one image: uint8 [channels, size, size], the centre square scaled with Lanczos.

    EXIF orientation is applied, alpha is composited on white; of an animation the first frame is taken.
    Raises UsageError, which names the file, where it cannot be decoded.

    Args:
        white: what is white where there are more than 8 bits; found from this image alone where left out.
        half: "left" or "right", where two squares are side by side; or all of it.
    """
    try:
        with flat(path, "L" if channels == 1 else "RGB", white) as (plain, _):
            part = _half(path, plain, half) if half else plain
            square = ImageOps.fit(part, (size, size), method=Image.Resampling.LANCZOS)
    except Exception as error:  # Pillow's decoders meet broken bytes with any exception
        raise refusal(path, error) from error
    pixels = np.asarray(square, dtype=np.uint8)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _half(path: Path, image: Image.Image, half: str) -> Image.Image:
    width, height = image.size
    if width != 2 * height:
        raise UsageError(
            f"{path} is {width} x {height}: expected two pictures side by side, twice as wide as high; "
            f"or have the pictures and their conditions in two sub-folders"
        )
    start = 0 if half == "left" else height
    return image.crop((start, 0, start + height, height))


@contextmanager
def flat(path: Path, mode: str, white: White | None = None) -> Iterator[tuple[Image.Image, str]]:
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


def white_of(files: Sequence[Path], given: float = 0.0, at_least: float = 0.0) -> White:
    """Of all these images of more than 8 bits; `find_white` says how. Raises UsageError as it does."""

    def measure(path: Path) -> Peak:
        try:
            with decoding(path):
                return peak(path)
        except Exception as error:
            raise refusal(path, error) from error

    return find_white(each(measure, files, "looking for white"), given, at_least) if files else White()


def each(work: Callable[[T], R], items: Sequence[T], description: str) -> list[R]:
    """`work` on all of the items, several at a time, in order; with a bar where there are many."""
    pool = ThreadPool(min(8, os.cpu_count() or 1))
    try:
        done: Iterable[R] = pool.imap(work, items, chunksize=8)
        return list(track(done, description, len(items)) if len(items) > BAR_FROM else done)
    finally:
        pool.terminate()
        pool.join()


def refusal(path: Path, error: Exception) -> UsageError:
    """A sentence that names the file."""
    if isinstance(error, UsageError):
        return error
    if isinstance(error, UnidentifiedImageError):
        return UsageError(f"{path} is not an image that Pillow can open: move it out of the folder")
    reason = str(error) or type(error).__name__
    return UsageError(f"{path} cannot be decoded ({reason}): repair it, or move it out of the folder")


def check_options(size: int, channels: int, memory_gb: float, workers: int, white: float) -> None:
    """Raise UsageError for a value that makes no sense."""
    check_channels("channels", channels)
    rules: Sequence[tuple[str, float, bool, str]] = (
        (
            "size",
            size,
            size == 0 or 4 <= size <= LARGEST,
            f"0 (choose) or at least 4 pixels, at most {LARGEST:,}",
        ),
        ("memory_gb", memory_gb, memory_gb >= 0, "0 (choose) or more"),
        ("workers", workers, 0 <= workers <= MOST_WORKERS, f"0 or more, at most {MOST_WORKERS}"),
        ("white", white, 0 <= white < math.inf, "0 (find) or the value that is white"),
    )
    for name, value, fine, expected in rules:
        if not fine:
            raise UsageError(f"data.{name}: expected {expected}, got {value}")


def check_channels(name: str, channels: int) -> None:
    """Raise UsageError for an option that is no number of channels."""
    if channels not in (0, 1, 3):
        raise UsageError(f"data.{name}: expected 0 (choose), 1 or 3, got {channels}")
