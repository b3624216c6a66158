"""What models of images on a ladder of resolutions have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from ganzoo.models.base import GAN
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

    def __init__(self, *common: Any, **more: Any) -> None:
        super().__init__(*common, **more)
        self.sizes = ladder(self.sample_shape, self.name or type(self).__name__.lower())
        self.channels = self.sample_shape[0]
