"""What somebody asks samples for: a class, or conditions from a file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo.data.kinds import kind_of_shape
from ganzoo.errors import UsageError
from ganzoo.system.files import is_folder

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.running.sampler import Sampler


def class_index(run: Sampler, word: str) -> int:
    """The class that somebody asks for. Raises UsageError if the run has none, or none that is called so."""
    from ganzoo.running.asked import class_called

    if not run.known.conditional:
        raise UsageError(f"--class {word}: {run.path} is not conditional; train with --conditional")
    if run.known.condition_shape:
        raise UsageError(f"--class {word}: {run.path} is conditional on values: give --condition FILE")
    return class_called(word, run.card.class_names, run.known.num_classes, run.path, f"--class {word}")


def read_conditions(path: Path, run: Sampler) -> Tensor:
    """What a run is asked for: rows of a .npy file, an image, or a folder of images.

    Raises:
        UsageError: the run is not conditional on values, or these are not of their shape.
    """
    config = run.known
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
