"""D should answer the same to a sample and to a changed one that means the same."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.models.sample import Sample, finest, map_images, scales
from ganzoo.models.turn import Turn
from ganzoo.stabilizers.augment import refuse_vectors, translate
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.stabilizers.penalties import at_least_zero


class Consistency(Stabilizer):
    """Balanced consistency regularisation: D's logits should not change when images are mirrored and shifted.

    Zhao et al. 2021, arXiv 2002.04724, algorithm 1 (bCR), after Zhang et al. 2020, arXiv 1910.12027: weight *
    (mean (D(x) - D(T(x)))^2 + mean (D(G(z)) - D(T(G(z))))^2). T mirrors every second image, by chance, and
    moves each by up to `shift` of its side in whole pixels; zeros come in. On a pyramid an image is changed
    alike on every scale.

    Args:
        real, fake: weights of the two terms, >= 0; multiplied by the recipe's penalty schedule.
        shift: at most so far, as a share of the side, in [0, 0.5].
        mirror: leave it out where left and right mean something, as in digits: mirror=false.
    """

    tried_on: ClassVar[str] = "dcgan --dataset mnist"

    def __init__(
        self, real: float = 10.0, fake: float = 10.0, shift: float = 0.125, mirror: bool = True
    ) -> None:
        super().__init__()
        if not 0.0 <= shift <= 0.5:
            raise UsageError(f"consistency: shift must be in [0, 0.5], got {shift:g}")
        self.strengths = at_least_zero("real", real), at_least_zero("fake", fake)
        self.shift, self.mirror = shift, mirror

    def setup(self, gan: GAN) -> None:
        refuse_vectors(gan, "consistency", "r1 or lecam")

    def d_penalty(self, turn: Turn) -> Tensor:
        total = torch.zeros((), device=turn.z.device)
        for weight, sample in zip(self.strengths, (turn.real, turn.fake), strict=True):
            before = scales(turn.critic(sample, turn.y))
            after = scales(turn.critic(self.changed(sample), turn.y))
            apart = [(a - b).square().mean() for a, b in zip(before, after, strict=True)]
            total = total + weight * torch.stack(apart).mean()
        return turn.scale * total

    def changed(self, sample: Sample) -> Sample:
        """T: each image mirrored or not, and moved."""
        first = finest(sample)
        n, (height, width), device = len(first), first.shape[2:], first.device
        mirrored = (torch.rand(n, 1, 1, 1, device=device) < 0.5) & self.mirror
        down, right = (
            ((2.0 * torch.rand(n, device=device) - 1.0) * self.shift * side).round()
            for side in (height, width)
        )

        def change(x: Tensor) -> Tensor:
            turned = torch.where(mirrored, x.flip(3), x)
            return translate(turned, down * (x.shape[2] / height), right * (x.shape[3] / width))

        return map_images(change, sample)
