"""Distances between samples: how varied they are, what they reach, how near they come to others."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SIDE = 16  # pixels: distances between images are taken at about this size, where noise counts little


def flat(x: Tensor) -> Tensor:
    """Samples [N, ...] as rows [N, d] to take distances of: images at about SIDE pixels."""
    if x.dim() == 4:
        size = -(-min(x.shape[-2:]) // SIDE)
        x = nn.functional.avg_pool2d(x.float(), size) if size > 1 else x
    return x.float().flatten(1)


def mean_distance(x: Tensor, y: Tensor | None = None) -> float:
    """Between two rows of x [N, d], on average; of the same label y [N] where there are labels."""
    pairs = ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    if y is not None:
        pairs &= y[:, None] == y[None]
    return float(torch.cdist(x, x)[pairs].mean())


def reached(x: Tensor, among: Tensor) -> int:
    """How many rows of `among` are the nearest to some row of x."""
    return len(set(torch.cdist(x, among).argmin(1).tolist()))


def nearest(x: Tensor, among: Tensor) -> float:
    """The median distance from a row of x to its nearest of `among`."""
    return float(torch.cdist(x, among).amin(1).median())


def share(part: float, whole: float) -> float:
    """Not a number where the whole is nothing: data that are all alike have no distances."""
    return part / whole if whole else math.nan


def chance_of_more(a: Tensor, b: Tensor) -> float:
    """P(a > b) + P(a = b) / 2 for one element of each."""
    return float(((a[:, None] > b).float() + 0.5 * (a[:, None] == b).float()).mean())


def axes(x: Tensor, count: int = 2) -> Tensor:
    """The directions [d, count] in which centred x [N, d] varies most, in units of one standard deviation."""
    _, sizes, directions = torch.linalg.svd(x, full_matrices=False)
    chosen = directions[: min(count, x.shape[1])]
    largest = chosen.gather(1, chosen.abs().argmax(1, keepdim=True))
    scaled: Tensor = (chosen * largest.sign()).T * (math.sqrt(len(x)) / sizes[: len(chosen)])
    return scaled
