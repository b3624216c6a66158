"""The networks whose features say what content and style are."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import nn

from ganzoo.data.fetch import Unavailable
from ganzoo.errors import UsageError, nearest
from ganzoo.extractors.classifier import Classifier
from ganzoo.registry.spec import Ref
from ganzoo.style.features import CPU, Features, by_scale
from ganzoo.style.vgg import vgg19
from ganzoo.system.console import notice

NAMES = ("vgg19", "random", "cnn", "mnist-cnn-v1")
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
WIDTHS = ((32, 2), (48, 2), (64, 3), (96, 2), (96, 1))  # channels and convolutions at each scale of `random`
SEED = 1  # of `random`: draws differ; of four, this one painted best, by eye, in one photograph


def open_features(
    name: str | None = None,
    weights: str | Path | None = None,
    offline: bool = False,
    device: torch.device | None = None,
) -> Features:
    """The features called `name`; by default VGG-19's, or with a notice those of `random` without it.

    Args:
        name: vgg19, random, cnn:NAME, cnn (with `weights`) or mnist-cnn-v1.
        weights: a file with the network's weights.
        offline: download nothing.

    Raises:
        UsageError: there are no such features, or their weights can't be had, or are something else.
    """
    kind = "vgg19" if name is None else name
    if kind == "vgg19":
        try:
            made = _vgg19(weights, offline)
        except Unavailable as error:
            if name is not None:
                raise UsageError(
                    f"vgg19 needs its weights, and {error}: give them with --extractor-weights PATH, or a "
                    f"network; --extractor random needs neither"
                ) from error
            notice(
                f"VGG-19 cannot be had ({error}): painting with random filters instead, which know colours "
                f"and textures but no objects; --extractor-weights PATH names a file with its weights"
            )
            made = random_features()
    elif kind == "random":
        if weights is not None:
            raise UsageError("--extractor-weights: the extractor random has none")
        made = random_features()
    elif Ref.parse(kind).name in NAMES:
        made = _classifier(kind, weights)
    else:
        raise UsageError(f"--extractor {kind} cannot be painted with: {nearest(kind, NAMES)}")
    made.to(device or CPU)
    return made


def _vgg19(weights: str | Path | None, offline: bool) -> Features:
    net, digest = vgg19(weights, offline)
    # relu4_2 is the content, relu1_1 to relu5_1 are the style.
    return Features("vgg19", net, 22, (1, 6, 11, 20, 29), *IMAGENET, digest)


def _classifier(name: str, weights: str | Path | None) -> Features:
    from ganzoo.extractors.cnn import Cnn
    from ganzoo.extractors.open import open_extractor

    extractor = open_extractor(name, weights)
    assert isinstance(extractor, Cnn)
    net: Classifier = extractor.net
    half = (0.5,) * net.channels
    layers = [
        layer for block in net.body for layer in (block if isinstance(block, nn.Sequential) else [block])
    ]
    return by_scale(name, layers, half, half, extractor.weights_hash)


def random_features() -> Features:
    """Filters that were never trained, always the same: a narrow VGG-19 up to conv5_1, drawn orthogonal.

    Untrained networks carry textures (Ustyuzhaninov et al. 2016, arXiv 1606.00021), but know no objects. The
    picture is blurred a little first: a checkerboard of single pixels would else serve as texture.
    """
    generator, before = torch.Generator().manual_seed(SEED), 3
    blur = nn.Conv2d(3, 3, 3, padding=1, padding_mode="replicate", groups=3, bias=False)
    line = torch.tensor([0.25, 0.5, 0.25])
    blur.weight.data = (line[:, None] * line).expand(3, 1, 3, 3).clone()
    layers: list[nn.Module] = [blur]
    for width, count in WIDTHS:
        for _ in range(count):
            conv = nn.Conv2d(before, width, 3, padding=1, padding_mode="replicate", bias=False)
            # So that a layer's outputs are about as large as its inputs, also where it has more of them.
            gain = (2 * max(1.0, width / (9 * before))) ** 0.5
            nn.init.orthogonal_(conv.weight, gain, generator)
            layers += [conv, nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2))
    digest = hashlib.sha256(f"random {WIDTHS} {SEED}".encode()).hexdigest()
    return by_scale("random", layers, *IMAGENET, digest)
