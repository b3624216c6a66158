"""The third player: a classifier that is told which generator made a sample."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import cross_entropy

from ganzoo import GAN, Stabilizer, Turn, UsageError


class TellGeneratorsApart(Stabilizer):
    """Rewards generators whose samples a classifier can tell apart (Hoang et al. 2018, MGAN).

    The classifier learns beside D which generator made a fake sample; each generator is rewarded, beside its
    loss, where the classifier knows its samples.

    Args:
        weight: of the reward, the paper's beta.
    """

    refuses: ClassVar = ("unrolled",)  # its classifier is what it is, and not one of later steps

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def setup(self, gan: GAN) -> None:
        if not hasattr(gan.discriminator, "tell") or gan.pack > 1:
            raise UsageError(
                "tell-generators-apart needs a model of several generators, as mgan, and no packing"
            )
        self.gan = gan

    def d_penalty(self, turn: Turn) -> Tensor:
        told = self.gan.discriminator.tell(turn.critic.features(turn.fake, turn.y))
        return cross_entropy(told, self.gan.generator.choice(turn.z))

    def g_penalty(self, turn: Turn) -> Tensor:
        return self.weight * self.d_penalty(turn)
