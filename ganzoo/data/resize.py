"""Images in memory at another size."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganzoo.data.images import LARGEST, each
from ganzoo.data.tensors import Pair
from ganzoo.errors import UsageError
from ganzoo.system.console import in_bytes
from ganzoo.system.memory import machine_memory


def check_size(size: int) -> None:
    """Raise UsageError for an option `size` that makes no sense."""
    if size and not 4 <= size <= LARGEST:
        raise UsageError(
            f"data.size: expected 0 (as they are) or at least 4 pixels, at most {LARGEST:,}, got {size}"
        )


def scaled(parts: tuple[Pair, Pair], size: int) -> tuple[Pair, Pair]:
    """Two splits of images and labels with the images `resized`."""
    (train, train_y), (test, test_y) = parts
    return (resized(train, size), train_y), (resized(test, size), test_y)


def resized(x: Tensor, size: int) -> Tensor:
    """Images uint8 [N, C, H, W] as squares of `size` pixels (Lanczos); themselves where they are that.

    In whole numbers, so that every machine has the same pixels.

    Raises:
        UsageError: so many images of that size go into no memory of this machine.
    """
    if not size or x.shape[2:] == (size, size):
        return x
    need = x.shape[0] * x.shape[1] * size * size
    if need > machine_memory() / 2:
        raise UsageError(
            f"{len(x):,} images of {size} x {size} take {in_bytes(need)}, which is more than half of this "
            f"machine's memory, {in_bytes(machine_memory())}: expected a smaller size"
        )
    made = np.empty((*x.shape[:2], size, size), np.uint8)
    rows = x.numpy()

    def one(i: int) -> None:
        for plane, out in zip(rows[i], made[i], strict=True):
            image = Image.fromarray(plane)
            out[:] = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))

    each(one, range(len(x)), f"scaling images to {size} x {size}")
    return torch.from_numpy(made)
