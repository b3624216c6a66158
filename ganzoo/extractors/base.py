"""The contract of a feature extractor."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor


class Extractor:
    """From samples in the data's own units to features. Subclass it and write `__call__`.

    Three arguments of `__init__` are filled in by ganzoo where an extractor declares them: `path` (what
    follows the colon in `cnn:NAME`), `weights` (`--extractor-weights`) and `offline`.

    Attributes:
        name: as scores carry it (`fid@mnist-cnn-v1`); set by ganzoo to what was asked for.
        weights_hash: sha256 of the weights, or of what else defines the features: part of every protocol, so
            that no table mixes two of them.
        classifies: it gives logits.
        kinds: of data that it takes (`ganzoo.data.kinds`); all of them where it is empty.
        remembered: features of real data are worth keeping on disk.
        device: where the network is; samples and features are on the CPU.
    """

    contract: ClassVar[int] = 2
    classifies: ClassVar[bool] = True
    remembered: ClassVar[bool] = True
    kinds: ClassVar[tuple[str, ...]] = ()
    name: str = ""
    weights_hash: str = ""
    device: torch.device = torch.device("cpu")

    def check(self, sample_shape: tuple[int, ...]) -> None:
        """Raise a UsageError if samples of this shape are not what it takes."""

    def to(self, device: torch.device) -> None:
        """Compute on `device` from now on."""
        self.device = device

    def __call__(self, samples: Tensor) -> dict[str, Tensor | None]:
        """Samples [N, ...] in the data's own units -> {"features": [N, d], "logits": [N, k] | None}."""
        raise NotImplementedError
