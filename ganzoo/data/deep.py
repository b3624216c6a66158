"""Images of more than 8 bits: all of their bits, and which value of them is white."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ganzoo.data.opening import BITS, FULL, maxval, opened, raw_mode, siz, tag
from ganzoo.data.tree import Source
from ganzoo.errors import UsageError

WHOLE = ("LA;16", "RGB;16", "RGBA;16", "RGBX;16")  # of these the low bytes can be had too
ORIENTATION, PHOTOMETRIC, PLANAR = 0x0112, 262, 284  # tags
AT_A_TIME = 2**20  # values that are scaled together: in float64 they take eight times what they took
Values = NDArray[Any]


@dataclass(frozen=True)
class Deep:
    """An image with the values of its file, not yet turned by its orientation.

    Args:
        colours: [H, W] or [H, W, 3].
        alpha: [H, W], or None where all of it is opaque.
        white: the value that the file itself says is white; 0 where it does not say.
        orientation: as EXIF counts it.
    """

    colours: Values
    alpha: Values | None = None
    white: int = 0
    orientation: int = 1


@dataclass(frozen=True)
class Peak:
    """The largest values of an image, and whether they are whole numbers."""

    path: Source
    value: float
    alpha: float
    whole: bool
    says: bool  # what is white


@dataclass(frozen=True)
class White:
    """What is white in images that do not say it, what is opaque, and a sentence about it, or none."""

    value: float = FULL
    opaque: float = FULL
    given: bool = False
    sentence: str = ""


def read_deep(path: Source) -> Deep:
    """Raises UsageError for negative or infinite values, and any exception where it cannot be decoded."""
    with opened(path) as image:
        deep = _netpbm(image) if image.format == "PPM" and image.mode != "F" else _read(path, image)
    low, high = deep.colours.min(), deep.colours.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UsageError(f"{path} has pixels that are not finite: give them a value, or move it away")
    if low < 0:
        raise UsageError(
            f"{path} has negative pixels, down to {low:.7g}, and black is 0: shift the values of all images"
        )
    return deep


def peak(path: Source) -> Peak:
    """Raises as `read_deep` does."""
    deep = read_deep(path)
    alpha = 0.0 if deep.alpha is None else float(deep.alpha.max())
    return Peak(path, float(deep.colours.max()), alpha, deep.colours.dtype.kind in "iu", bool(deep.white))


def find_white(peaks: Sequence[Peak], given: float = 0.0, at_least: float = 0.0) -> White:
    """One white level for all images that do not say it: `given`, or the smallest that holds every value.

    It is 255, 1023, 4095, 16383, 65535 or so on, and `at_least` what similar images have; 1 where all are
    fractions.

    Raises:
        UsageError: fractions beside whole numbers.
    """
    opaque = _level(max(p.alpha for p in peaks)) if any(p.alpha for p in peaks) else FULL
    asked = [p for p in peaks if given or not p.says]
    if not asked:
        return White(opaque=opaque)
    high = max(asked, key=lambda p: p.value)
    fractions = [p for p in asked if not p.whole]
    value = given or _level(high.value, fractions=not high.whole)
    if not given and value > 1:
        value = max(value, at_least)
    whole = [p for p in asked if p.whole]
    if whole and fractions and not given and max(p.value for p in fractions) <= 1:
        raise UsageError(
            f"{fractions[0].path} has values from 0 to 1, and {whole[0].path} whole numbers: expected images "
            f"of one kind; or say which value is white, --set data.white=N"
        )
    kind = "floating-point" if not high.whole else "16-bit" if high.value <= FULL else "32-bit"
    most = f"{high.value:,.0f}" if high.whole else f"{high.value:.7g}"
    sentence = f"{kind} images with values up to {most}: {value:.15g} is taken as white (data.white)"
    return White(value, opaque, bool(given), sentence)


def _level(most: float, fractions: bool = False) -> float:
    if fractions and most <= 1:
        return 1.0
    bits = 8
    while most > 2**bits - 1:
        bits += 2
    return 2.0**bits - 1


def eight_bits(deep: Deep, white: White) -> Image.Image:
    """Mode "L", "RGB" or "RGBA", turned by its orientation."""
    level = white.value if white.given or not deep.white else deep.white
    image = Image.fromarray(_scaled(deep.colours, level))
    if deep.alpha is not None:
        image = image.convert("RGBA")
        image.putalpha(Image.fromarray(_scaled(deep.alpha, white.opaque)))
    image.getexif()[ORIENTATION] = deep.orientation
    turned: Image.Image = ImageOps.exif_transpose(image)
    return turned


def _scaled(values: Values, white: float) -> NDArray[np.uint8]:
    made = np.empty(values.shape, np.uint8)
    rows = max(1, AT_A_TIME // max(1, values[:1].size))
    for start in range(0, len(values), rows):
        part = slice(start, start + rows)
        made[part] = np.rint(values[part].astype(np.float64) * (255 / white)).clip(0, 255)
    return made


def _read(path: Source, image: Any) -> Deep:
    layout, bits = raw_mode(image), max(tag(image, BITS, (16,)))
    if tag(image, PHOTOMETRIC, 1) == 0:
        raise ValueError("0 is white in it: save it with 0 as black")
    if image.format == "JPEG2000":
        bits = (siz(image)[38] & 0x7F) + 1  # of the first channel
    image.load()
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        if image.format == "JPEG2000":
            values = values >> (16 - bits)  # Pillow shifts them up
    elif image.format in ("PNG", "TIFF") and layout[:-1] in WHOLE and tag(image, PLANAR, 1) == 1:
        values = _all_bytes(path, layout)
    else:
        raise ValueError(f"its 16-bit colours, {layout}, cannot be had in full: save it as PNG")
    if values.ndim == 2:
        values = values[..., None]
    alpha = values[..., -1] if values.shape[2] in (2, 4) else None
    colours = values if alpha is None else values[..., :-1]
    if "transparency" in image.info:
        alpha = np.where((colours == image.info["transparency"]).all(axis=2), np.uint16(0), np.uint16(FULL))
    if colours.shape[2] == 1:
        colours = colours[..., 0]
    return Deep(colours, alpha, 2**bits - 1 if bits < 16 else 0, image.getexif().get(ORIENTATION, 1))


def _all_bytes(path: Source, layout: str) -> Values:
    """16-bit colours: the high bytes, and the low ones by unpacking them in the wrong byte order."""
    if layout == "LA;16B":  # as four bytes of 8-bit colour
        return _unpacked(path, "RGBA").view(">u2")
    little = layout[-1] == "L" or (layout[-1] == "N" and sys.byteorder == "little")
    values = _unpacked(path, layout).astype(np.uint16)
    values *= 256
    values += _unpacked(path, layout[:-1] + "LB"[little])
    return values


def _unpacked(path: Source, layout: str) -> Values:
    """The image as if its pixels lay in the file in another way of the same size."""
    with opened(path) as found:
        image: Any = found
        image.tile = [_told(tile, layout) for tile in image.tile]
        image.load()
        return np.array(image)


def _told(tile: Any, layout: str) -> Any:
    args = layout if isinstance(tile[3], str) else (layout, *tile[3][1:])
    # Pillow 10 has plain tuples.
    return tile._replace(args=args) if hasattr(tile, "_replace") else (*tile[:3], args)


def _netpbm(image: Any) -> Deep:
    """PGM and PPM: Pillow would scale their values."""
    codec, _, start, _ = image.tile[0]
    white, shape = maxval(image), (image.height, image.width, 3)[: len(image.getbands()) + 1]
    count = int(np.prod(shape))
    image.fp.seek(start)
    if codec == "ppm_plain":
        words = re.sub(rb"#[^\r\n]*", b"", image.fp.read()).split(maxsplit=count)
        values: Values = np.array(words[:count]).astype(np.int64)
    else:
        values = np.frombuffer(image.fp.read(2 * count), ">u2", count)
    return Deep(values.reshape(shape), white=white if white < FULL else 0)
