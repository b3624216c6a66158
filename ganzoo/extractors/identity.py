"""Vectors are their own features."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor


class Identity(Extractor):
    """The samples themselves, for vectors: features [N, D] are what was put in, and there are no logits."""

    classifies: ClassVar[bool] = False
    remembered: ClassVar[bool] = False
    weights_hash = "identity"

    def check(self, sample_shape: tuple[int, ...]) -> None:
        if len(sample_shape) != 1:
            raise UsageError(
                f"identity takes vectors, and these samples are images of shape {tuple(sample_shape)}: "
                f"choose another --extractor, such as inception"
            )

    def __call__(self, samples: Tensor) -> dict[str, Tensor | None]:
        self.check(tuple(samples.shape[1:]))
        return {"features": samples.float(), "logits": None}
