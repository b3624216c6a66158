"""A picture of any kind as RGB, and back into a file."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganzoo.data.images import flat
from ganzoo.errors import UsageError
from ganzoo.system.console import notice
from ganzoo.system.files import write_whole

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


def read_picture(path: Path, size: int) -> Tensor:
    """uint8 [3, H, W] with a long side of at most `size`; it is made smaller with Lanczos, never larger.

    EXIF orientation is applied, alpha is composited on white, more than 8 bits are scaled to 8; of an
    animation the first frame is taken. Raises UsageError, which names the file, where it cannot be read.
    """
    try:
        with flat(path, "RGB") as (plain, sentence):
            scale = min(1.0, size / max(plain.size))
            shape = tuple(max(1, round(side * scale)) for side in plain.size)
            if shape != plain.size:
                plain = plain.resize((shape[0], shape[1]), Image.Resampling.LANCZOS)
            pixels = np.array(plain, dtype=np.uint8)
    except UsageError:
        raise
    except Exception as error:  # Pillow's decoders meet broken bytes with any exception
        reason = str(error) or type(error).__name__
        raise UsageError(f"{path} is not a picture that Pillow can read ({reason})") from error
    if sentence:
        notice(f"{path}: {sentence}")
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def check_out(out: Path, inputs: tuple[Path, ...]) -> None:
    """Raise UsageError if no picture can be written there, before the work begins."""
    if out.suffix.lower() not in FORMATS or out.is_dir():
        raise UsageError(f"-o {out}: expected the name of a file that ends in .png or .jpg")
    if not out.parent.is_dir():
        raise UsageError(f"-o {out}: there is no folder {out.parent}; make it first")
    if any(out.exists() and file.exists() and out.samefile(file) for file in inputs):
        raise UsageError(f"-o {out} is one of the two pictures: name another file")


def write_picture(out: Path, x: Tensor) -> None:
    """uint8 [3, H, W] into a file, whole or not at all."""
    stream = io.BytesIO()
    image = Image.fromarray(x.permute(1, 2, 0).contiguous().numpy())
    image.save(stream, FORMATS[out.suffix.lower()], quality=95)
    write_whole(out, stream.getvalue())
