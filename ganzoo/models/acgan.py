"""AC-GAN (Odena et al. 2017, arXiv 1610.09585)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganzoo.errors import UsageError
from ganzoo.models.base import Common
from ganzoo.models.dcgan import DCGAN, discriminator
from ganzoo.models.layers import init_normal
from ganzoo.models.turn import Turn


class ACGAN(DCGAN):
    """AC-GAN: the nets of DCGAN, and a classifier on D's features that both players help (Odena et al. 2017).

    arXiv 1610.09585, eqs. 2 and 3: D maximises L_S + L_C and G L_C - L_S, where L_C is the log-likelihood of
    the right class, of real and of generated samples alike. D itself is not told the class. Differences from
    the paper: dcgan's sizes, whose options these are, and its default recipe.

    Args:
        weight: of the classifier's loss, > 0; the paper's is 1.

    Raises:
        UsageError: the data have no labels, or D is to judge several samples together.
    """

    with_d = ("classifier",)
    conditions: ClassVar[tuple[str, ...]] = ("classes",)
    recipes: ClassVar = {
        name: dataclasses.replace(recipe, conditional=True) for name, recipe in DCGAN.recipes.items()
    }

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 64,
        *common: Any,
        width: int = 32,
        d_norm: str = "batch",
        weight: float = 1.0,
        **more: Unpack[Common],
    ) -> None:
        super().__init__(sample_shape, z_dim, *common, width=width, d_norm=d_norm, **more)
        if not self.num_classes or self.pack > 1:
            raise UsageError("acgan classifies each sample: it needs data with labels, and model.pack=1")
        if not 0.0 < weight < float("inf"):
            raise UsageError(f"acgan: weight must be a positive number, got {weight:g}")
        self.weight = weight
        self.discriminator = discriminator(self.sizes, self.channels, 0, width, d_norm)
        self.classifier = nn.Linear(self.discriminator.head.width, self.num_classes)
        for net in (self.discriminator, self.classifier):
            init_normal(net)

    def d_terms(self, turn: Turn) -> Mapping[str, Tensor]:
        return {"class": self._wrong(turn, turn.real) + self._wrong(turn, turn.fake)}

    def g_terms(self, turn: Turn) -> Mapping[str, Tensor]:
        return {"class": self._wrong(turn, turn.fake)}

    def _wrong(self, turn: Turn, sample: Any) -> Tensor:
        assert turn.y is not None
        return self.weight * cross_entropy(self.classifier(turn.critic.features(sample, turn.y)), turn.y)
