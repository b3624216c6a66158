"""Against mode collapse: D judges samples together, G matches what D sees in a whole batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.models.turn import Turn
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.stabilizers.norms import head_of
from ganzoo.system import ranks


class Packing(Stabilizer):
    """PacGAN: D judges m samples together, joined along their channels, real or generated all of them.

    Lin et al. 2018, arXiv 1712.04086. It sets model.pack.

    Args:
        m: how many, >= 1; the batch size must be a multiple.
    """

    def __init__(self, m: int = 2) -> None:
        super().__init__()
        if m < 1:
            raise UsageError(f"packing: m must be a whole number of at least 1, got {m}")
        self.m = m

    def model_options(self) -> dict[str, Any]:
        return {"pack": self.m}

    def setup(self, gan: GAN) -> None:
        if gan.pack != self.m:
            raise UsageError(f"packing:m={self.m} contradicts model.pack={gan.pack}: leave one of them out")


class FeatureMatching(Stabilizer):
    """Feature matching: G also makes the mean of D's features the same on generated and on real samples.

    Salimans et al. 2016, arXiv 1606.03498, section 3.1: weight * |mean f(x) - mean f(G(z))|^2, where f is the
    input of D's last layer, for the samples as D sees them. The paper puts it in the place of G's loss; here
    it is added, so a large weight is the paper's.

    Args:
        weight: of the term, > 0; multiplied by the recipe's penalty schedule.
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        if not 0.0 < weight < float("inf"):
            raise UsageError(f"feature-matching: weight must be a positive number, got {weight:g}")
        self.weight = weight

    def setup(self, gan: GAN) -> None:
        head_of(gan, "feature-matching")

    def g_penalty(self, turn: Turn) -> Tensor:
        with torch.no_grad():
            target = turn.critic.features(turn.real, turn.y)
        difference = target.detach().mean(0) - turn.critic.features(turn.fake, turn.y).mean(0)
        return self.weight * turn.scale * ranks.mean(difference).square().sum()
