"""One's own arrays, from .npy files: vectors, series, images, videos, or numbers on any other grid."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from ganzoo.data.arrays import Header, read_npy
from ganzoo.data.beside import read_beside
from ganzoo.data.numbers import as_samples, channel_axis, check_numbers
from ganzoo.data.own import PER_PIXEL, PER_ROW, PER_VALUE, OwnArrays, Samples
from ganzoo.errors import UsageError
from ganzoo.system.console import notice
from ganzoo.system.paths import typed_path


class Npy(OwnArrays):
    """Your own arrays: npy:PATH, a .npy file with an array [N, ...], one row per sample.

    Its shape says what samples are: [N, D] vectors, [N, C, L] series; uint8 [N, C, H, W] images and uint8
    [N, C, T, H, W] videos where C is 1 or 3 (it may also be last); anything else is tensors. A tenth of the
    rows, chosen by hash, is the test split. Pixels are seen by networks in [-1, 1]; of all else every column,
    or channel, has mean 0 and standard deviation 1 for them, as measured on the train split, which `to_units`
    takes back.

    Args:
        path: the file.
        y: another .npy file, of which row i belongs to sample i: whole numbers [N] from 0, or text [N], are
            classes, other numbers [N], [N, K] or [N, C, L] values, uint8 [N, C, H, W] of 1 or 3 channels
            images. A relative name is in the folder of PATH. Nothing where it is left out.

    Raises:
        UsageError: no such file, not a .npy file, not a finite array of two rows or more, or not as many
            rows of y.
    """

    def __init__(self, path: str | Path, y: str = "") -> None:
        file, axis = typed_path(path), 0

        def check(header: Header) -> None:
            nonlocal axis
            check_numbers(file, header, 2)
            if len(header.shape) == 1:
                raise UsageError(
                    f"{file} has the shape {header.shape}: expected [N, D], x[:, None] where D is 1"
                )
            axis = channel_axis(header)

        def need(header: Header) -> int:
            each = PER_PIXEL if channel_axis(header) else PER_VALUE
            return header.shape[0] * (each * math.prod(header.shape[1:]) + PER_ROW)

        x = torch.from_numpy(as_samples(file, read_npy(file, check, need), axis))
        beside, names = read_beside(_in_its_folder(file, y), file, len(x)) if y else (None, ())
        samples = Samples(x, beside, names, kind="tensors" if x.dim() > 3 and not axis else "")
        super().__init__(f"npy:{path}", samples)
        notice(f"{self.name}: {self.found(samples)}")


def _in_its_folder(file: Path, y: str) -> Path:
    """Where y is, by a name that stays right when both files are moved."""
    named = typed_path(y)
    path = file.parent / named
    if named.exists() and not path.exists():
        raise UsageError(
            f"data.y={y}: a name is one in the folder of {file}, and {path} is not there: expected its name "
            f"there, or {named.absolute()}"
        )
    return path
