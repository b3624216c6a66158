"""The contract of a feature extractor."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor


class Extractor:
    """From samples in the data's own units to features. Subclass it and write `__call__`.

    Attributes:
        weights_hash: a hash of the weights: part of every protocol, so that no table mixes two of them.
    """

    contract: ClassVar[int] = 1
    weights_hash: str = ""

    def __call__(self, samples: Tensor) -> dict[str, Tensor | None]:
        """uint8 [N, C, H, W] or float32 [N, D] -> {"features": [N, d], "logits": [N, k] | None}, float32."""
        raise NotImplementedError
