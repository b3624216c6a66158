"""Samples without pixels are their own features."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor


class Identity(Extractor):
    """The samples themselves, in one row each: features [N, D] of what was put in, and no logits.

    Of vectors, series and tensors. Distances between the pixels of images say little: they have extractors.
    """

    classifies: ClassVar[bool] = False
    remembered: ClassVar[bool] = False
    kinds: ClassVar[tuple[str, ...]] = ("vectors", "series", "tensors")
    weights_hash = "identity"
    uses: ClassVar = ("ganzoo run mlp-gan --dataset ring8", "ganzoo eval --metric fid --extractor NAME")

    def __call__(self, samples: Tensor) -> dict[str, Tensor | None]:
        if not samples.is_floating_point():
            raise UsageError(f"identity takes vectors, series and tensors of float32, got {samples.dtype}")
        return {"features": samples.float().flatten(1), "logits": None}
