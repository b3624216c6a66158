"""What models of images on a ladder of resolutions have in common."""

from __future__ import annotations

from typing import ClassVar, Unpack

from ganzoo.models.base import GAN, Common
from ganzoo.models.layers import ladder


class LadderGAN(GAN):
    """A GAN of square images whose nets double, or halve, the side from one resolution to the next.

    Attributes:
        name: as messages have it; that of the class where it is empty.
        sizes: the resolutions, lowest first (`ganzoo.models.layers.ladder`).
        channels: of the images.

    Raises:
        UsageError: there is no ladder for samples of this shape.
    """

    name: ClassVar[str] = ""

    def __init__(self, sample_shape: tuple[int, ...], z_dim: int = 100, **common: Unpack[Common]) -> None:
        super().__init__(sample_shape, z_dim, **common)
        self.sizes = ladder(sample_shape, self.name or type(self).__name__.lower())
        self.channels = sample_shape[0]
