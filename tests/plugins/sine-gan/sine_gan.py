"""sine-gan: a model for ganzoo."""

import math
from typing import Unpack

from torch import Tensor, nn

from ganzoo import GAN, Common, Optimizer, Recipe
from ganzoo.models.layers import HeadedDiscriminator, LatentInput, ProjectionHead


class Generator(nn.Module):
    """z [N, z_dim], y [N] | None -> samples [N, *shape]; images end in tanh, vectors are free."""

    def __init__(self, shape: tuple[int, ...], z_dim: int, num_classes: int, width: int) -> None:
        super().__init__()
        self.shape, self.latent = shape, LatentInput(z_dim, num_classes)
        self.enter, self.middle = nn.Linear(self.latent.width, width), nn.Linear(width, width)
        self.leave = nn.Linear(width, math.prod(shape))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        h = self.enter(self.latent(z, y)).sin()
        samples: Tensor = self.leave(self.middle(h).sin()).unflatten(1, self.shape)
        return samples.tanh() if len(self.shape) == 3 else samples


class SineGAN(GAN):
    """A generator of sines (Sitzmann et al. 2020) and a small perceptron as D, for images and vectors.

    Periodic activations are those of arXiv 2006.09661, without its first weights; R1 and R2 with a
    relativistic loss are those of Huang et al. 2024, arXiv 2501.05441.

    Args:
        width: of all hidden layers.
    """

    recipes = {"default": Recipe("relativistic", ("r1", "r2"), Optimizer(lr=5e-4), Optimizer(lr=5e-4))}

    def __init__(
        self, sample_shape: tuple[int, ...], z_dim: int = 32, width: int = 256, **common: Unpack[Common]
    ) -> None:
        super().__init__(sample_shape, z_dim, **common)
        self.generator = Generator(sample_shape, z_dim, self.num_classes, width)
        first, second = nn.Linear(self.pack * math.prod(sample_shape), width), nn.Linear(width, width)
        body = nn.Sequential(nn.Flatten(), first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2))
        self.discriminator = HeadedDiscriminator(body, ProjectionHead(width, self.num_classes))
