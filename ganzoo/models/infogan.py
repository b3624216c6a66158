"""InfoGAN (Chen et al. 2016, arXiv 1606.03657)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganzoo.errors import UsageError
from ganzoo.models.base import Common
from ganzoo.models.dcgan import DCGAN
from ganzoo.models.layers import at_least_one, init_normal, one_hot
from ganzoo.models.recipe import Optimizer, Recipe, Schedule
from ganzoo.models.turn import Turn


class InfoGAN(DCGAN):
    """InfoGAN: parts of z are codes that can be read from the samples, and so come to mean something.

    Chen et al. 2016, arXiv 1606.03657. z is noise, then one of `categories` as a one-hot vector, then `codes`
    numbers, uniform on [-1, 1]. A net on D's features (`reader`) says what the codes were; G, the reader and
    D's features minimise the negative of the bound on their mutual information (eq. 5): cross-entropy, and
    half the squared distance of the numbers (a normal distribution of variance 1, where the paper learns the
    variance). Differences from the paper: dcgan's nets, whose options these are.

    Args:
        z_dim: of everything together.
        categories: of the one-hot code, >= 2.
        codes: numbers beside it.
        weight, code_weight: of the two terms (the paper's lambda is 1, and less for the numbers).

    Raises:
        UsageError: no noise is left in z, or D is to judge several samples together.
    """

    with_g = ("reader",)
    recipes: ClassVar = {
        "default": Recipe(
            stabilizers=("r1:gamma=0.02,interval=8",),
            optimizer_g=Optimizer(lr=1e-3, beta1=0.0),
            optimizer_d=Optimizer(lr=1e-3, beta1=0.0),
            steps=6000,
            lr_schedule=Schedule("linear", 1.0, 0.3),
            model={"width": 32, "z_dim": 32, "d_norm": "none"},
        ),
        "paper": Recipe(
            batch_size=128,
            optimizer_g=Optimizer(lr=1e-3),
            optimizer_d=Optimizer(lr=2e-4),
            steps=50_000,
            ema_halflife=0.0,
            model={"width": 64, "z_dim": 74, "z": "uniform"},
        ),
    }

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 74,
        *common: Any,
        categories: int = 10,
        codes: int = 2,
        weight: float = 1.0,
        code_weight: float = 0.1,
        width: int = 32,
        d_norm: str = "batch",
        **more: Unpack[Common],
    ) -> None:
        super().__init__(sample_shape, z_dim, *common, width=width, d_norm=d_norm, **more)
        at_least_one(codes=codes)
        if categories < 2:
            raise UsageError(f"model.categories: expected a whole number of at least 2, got {categories}")
        for name, value in (("weight", weight), ("code_weight", code_weight)):
            if not 0.0 <= value < float("inf"):
                raise UsageError(f"model.{name}: expected a number of at least 0, got {value:g}")
        self.parts = [z_dim - categories - codes, categories, codes]  # of z
        if self.parts[0] < 1 or self.pack > 1:
            raise UsageError(
                f"infogan reads the codes of each sample: it needs model.pack=1 and model.z_dim of more than "
                f"the {categories} + {codes} of the codes, got {self.pack} and {z_dim}"
            )
        self.weights = weight, code_weight
        head: Any = self.discriminator.head
        self.reader = nn.Sequential(
            nn.Linear(head.width, 128), nn.LeakyReLU(0.2, inplace=True), nn.Linear(128, categories + codes)
        )
        init_normal(self.reader)

    def sample_z(self, n: int) -> Tensor:
        noise, kind, codes = torch.split(super().sample_z(n), self.parts, dim=1)
        kind = one_hot(torch.randint(self.parts[1], (n,), device=kind.device), self.parts[1], kind)
        return torch.cat([noise, kind, torch.rand_like(codes) * 2.0 - 1.0], dim=1)

    def g_terms(self, turn: Turn) -> Mapping[str, Tensor]:
        _, kind, codes = torch.split(turn.z, self.parts, dim=1)
        read = self.reader(turn.critic.features(turn.fake, turn.y))
        said_kind, said_codes = torch.split(read, self.parts[1:], dim=1)
        category = self.weights[0] * cross_entropy(said_kind, kind)
        return {
            "category": category,
            "codes": self.weights[1] * 0.5 * (said_codes - codes).square().sum(1).mean(),
        }

    d_terms = g_terms  # of which D's features learn their part, and the reader none
