"""Ways through the latent space."""

from __future__ import annotations

import torch
from torch import Tensor


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """From a (t = 0) to b (t = 1) along the arc between them, lengths going over too. [..., D].

    Shoemake 1985; White 2016, arXiv 1609.04468: a straight line would leave the shell where normal z live.
    """
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1).clamp(-1.0, 1.0)[..., None]
    angle = cosine.acos()
    straight = angle.sin().abs() < 1e-3  # same or opposite directions: there is no one arc
    sine = torch.where(straight, torch.ones_like(angle), angle.sin())
    first = torch.where(straight, 1.0 - t, ((1.0 - t) * angle).sin() / sine)
    second = torch.where(straight, t, (t * angle).sin() / sine)
    return first * a + second * b
