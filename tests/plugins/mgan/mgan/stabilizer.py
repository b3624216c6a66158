"""The third player: a classifier that is told which generator made a sample."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import cross_entropy

from ganzoo import GAN, Sample, Stabilizer, UsageError
from ganzoo.stabilizers.base import Critic


class TellGeneratorsApart(Stabilizer):
    """Rewards generators whose samples a classifier can tell apart (Hoang et al. 2018, MGAN).

    The classifier learns beside D which generator made a fake sample; each generator is rewarded, beside its
    loss, where the classifier knows its samples.

    Args:
        weight: of the reward, the paper's beta.
    """

    refuses: ClassVar = ("unrolled",)  # it looks at D as it is, and not at one of later steps

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def setup(self, gan: GAN) -> None:
        if not hasattr(gan.discriminator, "tell") or gan.pack > 1:
            raise UsageError(
                "tell-generators-apart needs a model of several generators, as mgan, and no packing"
            )
        self.gan = gan

    def d_penalty(self, critic: Critic, real: Sample, fake: Sample, y: Tensor | None) -> Tensor:
        return self._not_told(fake, y)

    def g_penalty(self, critic: Critic, real: Sample, fake: Sample, y: Tensor | None) -> Tensor:
        return self.weight * self._not_told(fake, y)

    def _not_told(self, fake: Sample, y: Tensor | None) -> Tensor:
        d = self.gan.discriminator
        return cross_entropy(d.tell(d.features(fake, y)), self.gan.generator.chosen)
