"""The nets: several generators in one, and a D that can also tell which of them made a sample."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from ganzoo import GAN, Optimizer, Recipe, UsageError
from ganzoo.models.layers import HeadedDiscriminator, LatentInput, ProjectionHead


class Generators(nn.Module):
    """z [N, z_dim], y [N] | None -> samples [N, *shape], each by one of `count` generators, equally often.

    They share all layers but the first. Which one it is follows from the first number of z.
    """

    def __init__(self, shape: tuple[int, ...], z_dim: int, num_classes: int, width: int, count: int) -> None:
        super().__init__()
        self.shape, self.count = shape, count
        self.latent = LatentInput(z_dim, num_classes)
        self.own = nn.Linear(self.latent.width, count * width)
        self.shared = nn.Sequential(
            nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, math.prod(shape))
        )

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        own = self.own(self.latent(z, y)).unflatten(1, (self.count, -1))
        samples: Tensor = self.shared(own[torch.arange(len(z), device=z.device), self.choice(z)])
        samples = samples.unflatten(1, self.shape)
        return samples.tanh() if len(self.shape) == 3 else samples

    def choice(self, z: Tensor) -> Tensor:
        """Which of the generators each z is for. [N]"""
        return (torch.special.ndtr(z[:, 0]) * self.count).long().clamp(max=self.count - 1)


class Discriminator(HeadedDiscriminator):
    """Samples [N, *shape], y -> logits [N]; `tell`: features [N, width] -> logits of the generators."""

    def __init__(self, inputs: int, num_classes: int, width: int, count: int) -> None:
        body = nn.Sequential(
            nn.Flatten(),
            nn.Linear(inputs, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
        )
        super().__init__(body, ProjectionHead(width, num_classes))
        self.tell = nn.Linear(width, count)


class MGAN(GAN):
    """A mixture of generators that a classifier keeps apart, after MGAN (Hoang et al. 2018).

    Training Generative Adversarial Nets with Multiple Generators: the generators share all layers but the
    first, D and the classifier all but the last. The classifier's part of the game is the stabilizer
    tell-generators-apart.

    Args:
        generators: how many; the choice among them is uniform.
        width: of all hidden layers.
    """

    recipes: ClassVar = {
        "default": Recipe(
            stabilizers=("r1:gamma=0.3", "tell-generators-apart:weight=0.1"),
            optimizer_g=Optimizer(lr=5e-4),
            optimizer_d=Optimizer(lr=5e-4),
            steps=3000,
        )
    }

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 16,
        num_classes: int = 0,
        pack: int = 1,
        generators: int = 8,
        width: int = 128,
    ) -> None:
        super().__init__(sample_shape, z_dim, num_classes, pack)
        if generators < 1:
            raise UsageError(f"model.generators: expected at least 1, got {generators}")
        self.generator = Generators(sample_shape, z_dim, num_classes, width, generators)
        self.discriminator = Discriminator(pack * math.prod(sample_shape), num_classes, width, generators)
