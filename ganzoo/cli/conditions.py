"""What somebody asks samples for: a class, or conditions from a file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo.data.kinds import kind_of_shape
from ganzoo.errors import UsageError, nearest
from ganzoo.system.files import is_folder

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.running.run import Run


def class_index(run: Run, word: str) -> int:
    """The class that somebody asks for: by its name, or, where no names are numbers, by its number from 0.

    Where names are numbers, 1 is also the name 001, if there is no other 1.

    Raises:
        UsageError: the run has no classes, or none that is called so.
    """
    if not run.config.conditional:
        raise UsageError(f"--class {word}: {run.path} is not conditional; train with --conditional")
    if run.config.condition_shape:
        raise UsageError(f"--class {word}: {run.path} is conditional on values: give --condition FILE")
    names, count = run.card.class_names, run.config.num_classes
    if word in names:
        return names.index(word)
    is_number = word.isdecimal() and word.isascii() and len(word) < 20
    if any(name.isdecimal() for name in names):
        same = [
            i for i, name in enumerate(names) if is_number and name.isdecimal() and int(name) == int(word)
        ]
        if len(same) == 1:
            return same[0]
        by_numbers = (
            ", and some are called by numbers, so that a number is a name here" if word.isdecimal() else ""
        )
        raise UsageError(
            f"--class {word}: {run.path} has no class of that name{by_numbers}: {nearest(word, names)}"
        )
    if not is_number or int(word) >= count:
        known = f", or one of {', '.join(names)}" if names else ""
        raise UsageError(f"--class {word}: expected a number from 0 to {count - 1}{known}")
    return int(word)


def read_conditions(path: Path, run: Run) -> Tensor:
    """What a run is asked for: rows of a .npy file, an image, or a folder of images.

    Raises:
        UsageError: the run is not conditional on values, or these are not of their shape.
    """
    config = run.config
    if not config.conditional or not config.condition_shape:
        instead = "name a class, --class K" if config.conditional else "train with --conditional"
        raise UsageError(f"--condition {path}: {run.path} is not conditional on values; {instead}")
    shape = config.condition_shape
    if kind_of_shape(shape) == "images" and (is_folder(path) or path.suffix.lower() != ".npy"):
        return _images(path, shape)
    return _rows(path, shape)


def _images(path: Path, shape: tuple[int, ...]) -> Tensor:
    """uint8 [N, C, H, W], scaled as the images of a folder are."""
    import numpy as np
    import torch

    from ganzoo.data.broken import refused
    from ganzoo.data.finding import find_images
    from ganzoo.data.images import read_headers, read_image, white_of
    from ganzoo.data.tree import Source, look
    from ganzoo.system.console import notice

    channels, *size = shape
    files: tuple[Source, ...] = (path,)
    faults: dict[str, str] = {}
    if is_folder(path) or path.suffix.lower() in (".zip", ".tar"):
        tree = look(path)
        (files,) = find_images(tree, at_least=1).paths
        faults |= tree.faults
        for note in tree.notes:
            notice(f"{path}: {note}")
    headers, more = read_headers(files)
    faults |= more
    if faults:
        raise refused(path, faults, len(files))
    white = white_of([file for file, header in headers.items() if header.deep])
    return torch.from_numpy(
        np.stack([read_image(file, (size[0], size[1]), channels, white) for file in files])
    )


def _rows(path: Path, shape: tuple[int, ...]) -> Tensor:
    """[N, *shape] of numbers; images as uint8, all others as float32."""
    import torch

    from ganzoo.data.arrays import Header, read_npy

    pixels = kind_of_shape(shape) == "images"

    def check(header: Header) -> None:
        fits = tuple(header.shape[1:]) == shape and header.shape[0] > 0
        if not fits or header.dtype.kind not in "iuf" or (pixels and header.dtype.name != "uint8"):
            kind = "uint8" if pixels else "numbers"
            expected = f"[N, {', '.join(map(str, shape))}] of {kind}"
            raise UsageError(
                f"--condition {path}: expected {expected}, got {list(header.shape)} of {header.dtype.name}"
            )

    y = torch.as_tensor(read_npy(path, check, lambda header: 4 * math.prod(header.shape)))
    return y if pixels else y.float()
