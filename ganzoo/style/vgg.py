"""VGG-19 as far as conv5_1, with the weights that torchvision publishes."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from torch import nn

from ganzoo.data.weights import cached_weights
from ganzoo.errors import UsageError
from ganzoo.extractors.classifier import read
from ganzoo.system.console import notice
from ganzoo.system.paths import typed_path

URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"  # 548 MB
PUBLISHED = "dcbb9e9d"  # how its sha256 begins
LAYERS = 30  # up to relu5_1; the rest, most of the file, is not needed


def vgg19(weights: str | Path | None = None, offline: bool = False) -> tuple[nn.Sequential, str]:
    """The first 30 layers of Simonyan & Zisserman's network (arXiv 1409.1556), and the sha256 of the weights.

    Args:
        weights: file with torchvision's state dict, or that part of it; where left out, it is looked for in
            the caches of ganzoo and of torch.hub, then downloaded.
        offline: download nothing.

    Raises:
        Unavailable: no file was named, and none is there or can be downloaded.
        UsageError: the file is damaged or something else.
    """
    from torchvision.models import vgg19 as build

    file = find(offline) if weights is None else typed_path(weights)
    content, digest = read(file)
    with torch.device("meta"):  # no memory yet, and no random numbers
        net: nn.Sequential = build(weights=None, init_weights=False).features[:LAYERS]
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        known = {key: state[f"features.{key}"].float() for key in net.state_dict()}
        net.load_state_dict(known, assign=True)
    except Exception as error:  # truncated, foreign, or holding code: torch raises a different type for each
        cure = "name another file" if weights is not None else "delete it to have it downloaded again"
        raise UsageError(
            f"{file} (sha256 {digest[:16]}) does not hold the whole weights of torchvision's vgg19 "
            f"({type(error).__name__}): {cure}"
        ) from error
    if not digest.startswith(PUBLISHED):
        notice(f"the weights {file} (sha256 {digest[:16]}) are not the file that torchvision publishes")
    return net, digest


def find(offline: bool) -> Path:
    """The published file, from a cache or the network; or Unavailable."""
    return cached_weights(URL, PUBLISHED, offline)
