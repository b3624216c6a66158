"""What members of the zoo learn from, where that is not images with or without classes."""

from __future__ import annotations

from ganzoo.registry import MODELS

OF_SERIES = ("wavegan",)
OF_PAIRS = ("cyclegan", "pix2pix")  # images made of images
OF_IMAGES = [name for name in MODELS.names() if name not in (*OF_SERIES, *OF_PAIRS)]


def shapes_of(name: str, shape: tuple[int, ...] = (1, 28, 28)) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """sample_shape and condition_shape of a member: of images, or what it takes in their place."""
    if name in OF_SERIES:
        return (2, 32), ()
    return shape, shape if name in OF_PAIRS else ()
