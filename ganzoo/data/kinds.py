"""What samples are: it decides how they are shown, in which units, and what can measure and train them."""

from __future__ import annotations

from typing import Protocol

BY_DIMENSIONS = {1: "vectors", 2: "series", 3: "images", 4: "video"}
KINDS = (*BY_DIMENSIONS.values(), "tensors")
DIMENSIONS = range(1, 7)  # that a sample may have
PIXELS = ("images", "video")
LIKE = {"series": "vectors", "tensors": "vectors", "video": "images"}
"""Whose recipe a kind takes where a model has none for it."""


class _Known(Protocol):
    """A dataset, settings, a model, or what a run knows of its data."""

    @property
    def kind(self) -> str: ...

    @property
    def sample_shape(self) -> tuple[int, ...]: ...


def kind_of(data: _Known) -> str:
    """One of KINDS: what the data say, or what their shape does."""
    return data.kind or kind_of_shape(data.sample_shape)


def kind_of_shape(shape: tuple[int, ...]) -> str:
    """(D,) is vectors, (C, L) series, (C, H, W) images, (C, T, H, W) video, anything else tensors."""
    return BY_DIMENSIONS.get(len(shape), "tensors")


def has_pixels(data: _Known) -> bool:
    """Whether samples are uint8 in their own units, and in [-1, 1] as networks see them."""
    return kind_of(data) in PIXELS
