"""The Inception network of the field's papers, as torch-fidelity computes it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.fetch import Unavailable
from ganzoo.data.weights import cached_weights
from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor
from ganzoo.extractors.classifier import exact, require_uint8
from ganzoo.extractors.weights import load_state, read
from ganzoo.system.console import notice
from ganzoo.system.paths import typed_path

NETWORK = "inception-v3-compat"  # torch-fidelity's name for it
LAYERS = {"features": "2048", "logits": "logits_unbiased"}
PUBLISHED = "6726825d"  # how the sha256 of the published weights begins
BATCH = 32


class Inception(Extractor):
    """Inception v3 with the weights of the FID and IS papers, by torch-fidelity; grey images become RGB.

    Features [N, 2048] and logits [N, 1008] (without their bias, as in all published scores) of images of any
    size. It knows photographs: on digits and drawings its scores mean little. Szegedy et al. 2016, arXiv
    1512.00567; Heusel et al. 2017, arXiv 1706.08500.

    Args:
        weights: file of its weights; where left out, they are looked for in ganzoo's cache, then downloaded.
        offline: download nothing.

    Raises:
        UsageError: the weights can't be had, or the file is damaged or something else.
    """

    def __init__(self, weights: str | Path | None = None, offline: bool = False) -> None:
        file = find(offline) if weights is None else typed_path(weights)
        content, self.weights_hash = read(file)
        try:
            self._net = _build(content)
        except (
            Exception
        ) as error:  # truncated, foreign, or holding code: torch raises a different type for each
            cure = (
                "delete it to have it downloaded again"
                if weights is None
                else "give the path of another file"
            )
            raise UsageError(
                f"{file} (sha256 {self.weights_hash[:16]}) does not hold the whole weights of {NETWORK} "
                f"({type(error).__name__}): {cure}"
            ) from error
        if not self.weights_hash.startswith(PUBLISHED):
            notice(
                f"the weights {file} (sha256 {self.weights_hash[:16]}) are not the published ones: scores "
                f"with them can't be compared to published scores"
            )

    def to(self, device: torch.device) -> None:
        super().to(device)
        self._net.to(device)

    def check(self, sample_shape: tuple[int, ...]) -> None:
        if len(sample_shape) != 3 or sample_shape[0] not in (1, 3):
            raise UsageError(
                f"inception takes images of 1 or 3 channels, and these samples have shape "
                f"{tuple(sample_shape)}: choose another --extractor, such as identity for vectors"
            )

    def __call__(self, samples: Tensor) -> dict[str, Tensor | None]:
        require_uint8(samples)
        self.check(tuple(samples.shape[1:]))
        parts: dict[str, list[Tensor]] = {layer: [] for layer in self._net.features_list}
        with torch.no_grad(), exact():
            for part in torch.split(samples, BATCH):
                made = self._net(part.expand(-1, 3, -1, -1).to(self.device))
                for layer, value in zip(self._net.features_list, made, strict=True):
                    parts[layer].append(value.cpu())
        return {key: torch.cat(parts[layer]) for key, layer in LAYERS.items()}


def find(offline: bool) -> Path:
    """The published weights, from ganzoo's cache or the network; or a UsageError."""
    from torch_fidelity import feature_extractor_inceptionv3

    try:
        return cached_weights(feature_extractor_inceptionv3.URL_INCEPTION_V3, PUBLISHED, offline)
    except Unavailable as reason:
        raise UsageError(
            f"inception needs its weights, and {reason}: give them with --extractor-weights PATH, or a "
            f"network"
        ) from reason


def _build(content: bytes) -> Any:
    """torch-fidelity's network, in eval mode, from the content of a file of weights."""
    from torch_fidelity.utils import create_feature_extractor

    # torch-fidelity unpickles whatever it is given: it is given a copy of what was loaded safely.
    plain = io.BytesIO()
    torch.save(load_state(content), plain)
    plain.seek(0)
    # A list: it keeps this order, and fails on a tuple.
    return create_feature_extractor(
        NETWORK, list(LAYERS.values()), cuda=False, verbose=False, feature_extractor_weights_path=plain
    )
