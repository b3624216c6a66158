"""The contract of a metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

Need = Literal["features", "logits", "labels", "modes", "discriminator", "training data"]


class Metric:
    """One or more scores of a set of samples. Subclass it and write `__call__`.

    Attributes:
        needs: what must be in the context.
        higher_is_better: for each score.
    """

    contract: ClassVar[int] = 1
    needs: ClassVar[tuple[Need, ...]] = ()
    higher_is_better: ClassVar[Mapping[str, bool]] = {}

    def __call__(self, context: Mapping[str, Any]) -> dict[str, float]:
        """The scores, by name, from what the harness has gathered: samples, features, labels, ..."""
        raise NotImplementedError
