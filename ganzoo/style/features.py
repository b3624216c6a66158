"""Which layers of a network are looked at for style, and which one for content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CPU = torch.device("cpu")


@dataclass
class Features:
    """A chain of layers, some of which are looked at.

    Args:
        name: as --extractor has it.
        net: the layers; pictures of any size pass through.
        content: the index of the layer whose output is the content.
        styles: the indices of those whose Gram matrices are the style.
        mean, std: per channel, what a pixel in [0, 1] is normalised with.
        weights_hash: sha256 of the weights, or of what they are drawn by.
    """

    name: str
    net: nn.Sequential
    content: int
    styles: Sequence[int]
    mean: Sequence[float]
    std: Sequence[float]
    weights_hash: str
    device: torch.device = CPU

    def __post_init__(self) -> None:
        # Average pooling gives better pictures (Gatys et al., section 2); rounding up, small ones survive it.
        for i, layer in enumerate(self.net):
            if isinstance(layer, nn.MaxPool2d):
                self.net[i] = nn.AvgPool2d(2, ceil_mode=True)
            elif isinstance(layer, nn.ReLU):
                self.net[i] = nn.ReLU()  # torchvision's are in place, which would change a layer looked at
        self.net.eval().requires_grad_(False)

    @property
    def channels(self) -> int:
        return len(self.mean)

    def to(self, device: torch.device) -> None:
        self.device = device
        self.net.to(device)

    def __call__(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """float32 [1, channels, H, W] in [0, 1] -> the content's features, and those of each style layer."""
        x = (x - x.new_tensor(self.mean).view(1, -1, 1, 1)) / x.new_tensor(self.std).view(1, -1, 1, 1)
        seen: dict[int, Tensor] = {}
        for i, layer in enumerate(self.net[: max(self.content, *self.styles) + 1]):
            x = layer(x)
            if i == self.content or i in self.styles:
                seen[i] = x
        return seen[self.content], [seen[i] for i in self.styles]


def by_scale(
    name: str, layers: list[nn.Module], mean: Sequence[float], std: Sequence[float], digest: str
) -> Features:
    """Style: the first layer at each scale; content: the second layer at the second scale."""
    scales: list[list[int]] = [[]]
    for i, layer in enumerate(layers):
        if isinstance(layer, nn.MaxPool2d):
            scales.append([])
        elif isinstance(layer, nn.ReLU):
            scales[-1].append(i)
    scales = [scale for scale in scales if scale]
    styles = [scale[0] for scale in scales]
    content = scales[min(1, len(scales) - 1)][1]
    return Features(name, nn.Sequential(*layers), content, styles, mean, std, digest)
