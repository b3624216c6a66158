"""The pictures of a run as WebP, so small that all of them fit in one page."""

from __future__ import annotations

import base64
import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo.errors import UsageError
from ganzoo.system.files import read_regular
from ganzoo.training.stored import SAMPLES, step_of

MOST = 48  # frames of a run
LARGEST_FILE = 2**26  # bytes
LARGEST = 2**26  # pixels
LADDER = ((None, 0), (None, 85), (1400, 80), (1000, 75), (720, 70), (480, 60), (320, 50), (160, 45), (64, 40))
"""Longest side and quality, from what nobody tells from the original; 0 is lossless."""

LIKE_PIXELS = 4  # times that a picture may be enlarged, so that small ones are taken for what they are


@dataclass(frozen=True)
class Frame:
    """A picture at a step: a data URI, and the size at which it was."""

    step: int
    uri: str
    width: int
    height: int
    is_pixels: bool


def chosen(paths: Sequence[Path], most: int = MOST) -> list[Path]:
    """So many of the files, evenly, the first and the last among them."""
    if len(paths) <= most:
        return list(paths)
    if most == 1:
        return list(paths[-1:])
    return [paths[round(i * (len(paths) - 1) / (most - 1))] for i in range(most)]


def frames(folder: Path, budget: int, most: int = MOST) -> tuple[list[Frame], list[str]]:
    """The pictures of a run, by step, in about `budget` bytes at most; and why some are missing."""
    paths = [path for path in (folder / SAMPLES).glob("step-*.png") if step_of(path) >= 0]
    opened: list[tuple[int, Image.Image]] = []
    faults: list[str] = []
    for path in chosen(sorted(paths, key=step_of), most):
        try:
            opened.append((step_of(path), read_picture(path)))
        except UsageError as error:
            faults.append(str(error))
    shrunk = [smallest(image) for _, image in opened]
    encoded = webps([image for image, _ in shrunk], budget)
    made = [
        Frame(step, data_uri(content), image.width, image.height, times > 1)
        for (step, image), (_, times), content in zip(opened, shrunk, encoded, strict=True)
    ]
    return made, faults


def read_picture(path: Path) -> Image.Image:
    """A PNG as it is on disk. Raises UsageError where it is none, or damaged."""
    content = read_regular(path, "a picture of ganzoo's", LARGEST_FILE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=["PNG"])
            if image.width * image.height > LARGEST:
                raise UsageError(f"{path} is larger than a picture of ganzoo's")
            return image.convert("L" if image.mode in ("1", "L") else "RGB")
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} is a damaged picture, and left out") from error


def smallest(image: Image.Image) -> tuple[Image.Image, int]:
    """The picture that was enlarged to this one, pixel by pixel, and how many times."""
    array = np.asarray(image)
    for times in range(LIKE_PIXELS, 1, -1):
        if image.width % times or image.height % times:
            continue
        small = array[::times, ::times]
        if (small.repeat(times, 0).repeat(times, 1) == array).all():
            return Image.fromarray(np.ascontiguousarray(small)), times
    return image, 1


def webps(images: Sequence[Image.Image], budget: int) -> list[bytes]:
    """Each as WebP, as good as goes into `budget` bytes for all of them."""
    if not images:
        return []
    each = budget / len(images)
    for side, quality in LADDER:
        tried = _webp(images[len(images) // 2], side, quality)  # which saves to encode all in vain
        if len(tried) > 1.2 * each and (side, quality) != LADDER[-1]:
            continue
        made = [_webp(image, side, quality) for image in images]
        if sum(map(len, made)) <= budget:
            return made
    return made


def _webp(image: Image.Image, side: int | None, quality: int) -> bytes:
    if side is not None and max(image.size) > side:
        scale = side / max(image.size)
        size = (max(1, math.floor(image.width * scale)), max(1, math.floor(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=not quality, quality=quality or 40, method=2)
    return file.getvalue()


def data_uri(content: bytes, kind: str = "image/webp") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
