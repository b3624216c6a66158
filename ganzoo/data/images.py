"""One's own image files: finding them, looking at their headers, decoding one of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ganzoo.errors import UsageError

NOT_SAMPLES = {"thumbs.db", "desktop.ini", "__macosx"}  # what systems leave behind; hidden files too
GREY = {"1", "L", "LA", "La", "I", "F"}  # and the 16-bit ones, whose names begin with I;16
LOOK_AT = 100  # the images that decide on the size


@dataclass(frozen=True)
class Files:
    """The images of a folder, sorted by name.

    Args:
        root: the folder.
        names: below `root`, with forward slashes.
        labels: one per image, or empty without classes.
        class_names: the sub-folders, sorted, or empty.
    """

    root: Path
    names: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]


def find_images(root: Path) -> Files:
    """All files below `root` but the hidden ones; sub-folders are classes.

    Raises:
        UsageError: no such folder, fewer than two files, or files both directly in it and in sub-folders.
    """
    if not root.is_dir():
        raise UsageError(
            f"{root} is {'a file' if root.exists() else 'not there'}: expected a folder of images"
        )
    try:
        names = sorted(_walk(root))
    except OSError as error:
        raise UsageError(f"{error.filename or root} cannot be read: {error.strerror or error}") from error
    if len(names) < 2:
        raise UsageError(f"{root} has {len(names) or 'no'} image{'s' * (not names)}: at least 2 are needed")
    direct = [name for name in names if "/" not in name]
    if direct and len(direct) < len(names):
        raise UsageError(
            f"{root} has images directly in it ({direct[0]}) and in sub-folders: put each one in "
            f"the sub-folder of its class, or have no sub-folders"
        )
    if direct:
        return Files(root, tuple(names), (), ())
    classes = sorted({name.partition("/")[0] for name in names})
    index = {name: i for i, name in enumerate(classes)}
    return Files(root, tuple(names), tuple(index[name.partition("/")[0]] for name in names), tuple(classes))


def _walk(root: Path) -> list[str]:
    def fail(error: OSError) -> None:
        raise error

    tops = [root, *(entry for entry in root.iterdir() if entry.is_symlink() and entry.is_dir())]
    names: list[str] = []
    for top in tops:  # a class may be a link to a folder; deeper links are not followed, as they may go round
        if top is not root and _ignored(top.name):
            continue
        for folder, below, files in os.walk(top, onerror=fail):
            below[:] = [name for name in below if not _ignored(name)]
            names += [Path(folder, f).relative_to(root).as_posix() for f in files if not _ignored(f)]
    return names


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in NOT_SAMPLES


def choose(files: Files, size: int, channels: int) -> tuple[int, int]:
    """Size and channels, where they are 0: from the headers alone.

    Size is 64 if the first 100 images all have a short side of 64 or more, else 32; channels are 1 if all
    images are grey, else 3. Raises UsageError, which names the file, where one is not an image.
    """
    headers = [] if size and channels else [_header(files.root / name) for name in files.names]
    if not size:
        size = 64 if all(short >= 64 for short, _ in headers[:LOOK_AT]) else 32
    if not channels:
        channels = 1 if all(grey for _, grey in headers) else 3
    return size, channels


def _header(path: Path) -> tuple[int, bool]:
    try:
        with Image.open(path) as image:
            return min(image.size), image.mode in GREY or image.mode.startswith("I;16")
    except Exception as error:
        raise _refusal(path, error) from error


def read_image(path: Path, size: int, channels: int) -> NDArray[np.uint8]:
    """Decode one image: uint8 [channels, size, size], the centre square scaled with Lanczos.

    EXIF orientation is applied, alpha is composited on white, 16-bit grey is scaled to 8 bits; of an
    animation the first frame is taken. Raises UsageError, which names the file, where it cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            image.load()
            plain = flat_image(ImageOps.exif_transpose(image)).convert("L" if channels == 1 else "RGB")
            square = ImageOps.fit(plain, (size, size), method=Image.Resampling.LANCZOS)
    except Exception as error:  # Pillow's decoders meet broken bytes with any exception
        raise _refusal(path, error) from error
    pixels = np.asarray(square, dtype=np.uint8)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def flat_image(image: Any) -> Image.Image:
    """Without palette, alpha, and more than 8 bits."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        white = 65535  # 16 bits, in whatever mode they come
        if image.mode == "F":
            white = 1 if values.max() <= 1 else 255
        return Image.fromarray(np.rint(values * (255 / white)).clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        above = image.convert("RGBA") if image.mode != "La" else image.convert("LA").convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
    flat: Image.Image = image
    return flat


def _refusal(path: Path, error: Exception) -> UsageError:
    if isinstance(error, UnidentifiedImageError):
        return UsageError(f"{path} is not an image that Pillow can open: move it out of the folder")
    reason = str(error) or type(error).__name__
    return UsageError(f"{path} cannot be decoded ({reason}): repair it, or move it out of the folder")


def check_options(size: int, channels: int, memory_gb: float, workers: int) -> None:
    """Raise UsageError for a value that makes no sense."""
    rules: Sequence[tuple[str, float, bool, str]] = (
        ("size", size, size == 0 or size >= 4, "0 (choose) or at least 4 pixels"),
        ("channels", channels, channels in (0, 1, 3), "0 (choose), 1 or 3"),
        ("memory_gb", memory_gb, memory_gb >= 0, "0 (choose) or more"),
        ("workers", workers, workers >= 0, "0 or more"),
    )
    for name, value, fine, expected in rules:
        if not fine:
            raise UsageError(f"data.{name}: expected {expected}, got {value}")
