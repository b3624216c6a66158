"""ganzoo's extractors inside torch-fidelity: its own commands and functions, with our features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor
from ganzoo.extractors.open import open_extractor

_registered: set[str] = set()


def register(name: str, weights: str | Path | None = None, offline: bool = False) -> str:
    """Make an extractor known to torch-fidelity, and return the name that it has there.

        register("mnist-cnn-v1")
        torch_fidelity.calculate_metrics(
            feature_extractor="mnist-cnn-v1", input1=generated, input2=real, isc=True, fid=True, kid=True,
            prc=True, cuda=False, save_cpu_ram=True)

    `input1` and `input2` are torch Datasets whose items are uint8 images [C, H, W]. Its layers are
    "features", the default of fid, kid and prc, and "logits", that of isc. The name there determines the
    weights, as torch-fidelity's cache goes by it: where ours does not, the beginning of their sha256 is
    appended.

    Args:
        name: of the extractor, as `ganzoo list extractors` shows it, or cnn:NAME.
        weights, offline: as for `ganzoo eval`.

    Raises:
        UsageError: there is no such extractor, or it is torch-fidelity's own.
    """
    from torch_fidelity import register_feature_extractor

    if name == "inception":
        raise UsageError("inception is torch-fidelity's own: its name there is inception-v3-compat")
    extractor = open_extractor(name, weights=weights, offline=offline)
    end = extractor.weights_hash[:8]
    there = name if name == "mnist-cnn-v1" or name.endswith(end) else f"{name}-{end}"
    if there not in _registered:
        register_feature_extractor(there, _adapter(extractor))
        _registered.add(there)
    return there


def _adapter(extractor: Extractor) -> type:
    from torch_fidelity import FeatureExtractorBase

    class Adapter(FeatureExtractorBase):  # type: ignore[misc]
        def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
            super().__init__(name, features_list)  # `_`: all that calculate_metrics was given

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return ("features", "logits")

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "logits" if metric == "isc" else "features"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            if x.device != extractor.device:
                extractor.to(x.device)
            made = extractor(x.cpu())
            # In the order that was asked for: torch-fidelity makes it from a set, anew in each process.
            return tuple(_present(extractor, made, layer) for layer in self.features_list)

    return Adapter


def _present(extractor: Extractor, made: dict[str, Tensor | None], layer: str) -> Tensor:
    value = made[layer]
    if value is None:
        raise UsageError(f"{extractor.name} has no {layer}: leave out the metrics that need them")
    return value
