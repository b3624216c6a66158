"""Against mode collapse: D judges samples together, G matches what D sees in a whole batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN, Logits, Sample
from ganzoo.stabilizers.base import Critic, Phase, Stabilizer
from ganzoo.stabilizers.memory import Memory
from ganzoo.stabilizers.norms import head_of


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
        self._seen = Memory[Tensor]()

    def setup(self, gan: GAN) -> None:
        head_of(gan, "feature-matching")
        self._discriminator: nn.Module = gan.discriminator

    def wrap_critic(self, critic: Critic, phase: Phase) -> Critic:
        """Listens to what D's last layer is given, so that the features of the loss's forward are at hand."""
        if phase == "d":
            return critic
        self._seen.clear()

        def heard(sample: Sample, y: Tensor | None) -> Logits:
            logits, features = self._listen(critic, sample, y)
            self._seen.put(sample, y, features)
            return logits

        return heard

    def g_penalty(self, critic: Critic, real: Sample, fake: Sample, y: Tensor | None) -> Tensor:
        with torch.no_grad():
            target = self._features(critic, real, y)
        difference = target.detach().mean(0) - self._features(critic, fake, y).mean(0)
        self._seen.clear()
        return self.weight * self.scale * difference.square().sum()

    def _features(self, critic: Critic, sample: Sample, y: Tensor | None) -> Tensor:
        """What D's last layer was given for this sample, or is given now. [N / pack, ...], full precision."""
        seen = self._seen.get(sample, y)
        features = self._listen(critic, sample, y)[1] if seen is None else seen
        return features.float() if features.dtype == torch.bfloat16 else features

    def _listen(self, critic: Critic, sample: Sample, y: Tensor | None) -> tuple[Logits, Tensor]:
        caught: list[Tensor] = []
        head = self._discriminator.get_submodule("head")
        handle = head.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
        try:
            logits = critic(sample, y)
        finally:
            handle.remove()
        return logits, caught[-1]
