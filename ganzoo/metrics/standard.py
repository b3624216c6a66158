"""Features at one scale, whatever their units."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo.metrics.context import Context

SCALE = "mean and standard deviation of the reference"  # as protocols say it


def standardized(context: Context, n: int | None = None) -> tuple[Tensor, Tensor]:
    """Features of `n` generated and `n` real samples, or of all, float64; a constant one is only centred.

    By the mean and the standard deviation of each feature over all real samples.
    """
    real = context.real.features.double()
    constant = real.amax(0) == real.amin(0)
    mean, std = real.mean(0), torch.where(constant, 1.0, real.std(0, correction=0))
    some = [part if n is None else part.some(n) for part in (context.fake, context.real)]
    fake, real = ((part.features.double() - mean) / std for part in some)
    return fake, real
