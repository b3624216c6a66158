"""Samples from any program: an .npz file, or images in a folder or an archive, in the dataset's own units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.arrays import SAMPLES, Header, read_npz
from ganzoo.data.base import Dataset
from ganzoo.data.broken import Broken, refused
from ganzoo.data.finding import find_images
from ganzoo.data.folder import ImageFolder
from ganzoo.data.images import each, read_headers, read_image, white_of
from ganzoo.data.kinds import has_pixels, kind_of
from ganzoo.data.numbers import finite_rows
from ganzoo.data.tensors import Array
from ganzoo.data.tree import Source, Tree, look
from ganzoo.errors import UsageError
from ganzoo.system.console import notice
from ganzoo.system.files import is_folder

NAMED = 10  # arrays, where none is called samples


def read_samples(path: Path, dataset: Dataset) -> tuple[Tensor, Tensor | None]:
    """Samples uint8 [N, C, H, W] or float32 [N, D] as those of the dataset, and their labels [N] or None.

    Raises:
        UsageError: they cannot be read, or are not of the dataset's kind, shape and range.
    """
    tree = images_at(path)
    if tree is not None:
        return _read_images(tree, dataset), None

    def choose(names: list[str]) -> list[str]:
        if "samples" not in names and len(names) != 1:
            listed = ", ".join(names[:NAMED]) + ", ..." * (len(names) > NAMED)
            raise UsageError(f"{path} has the arrays {listed or '(none)'}: expected one called samples")
        return [name for name in ("samples", "labels") if name in names] or names

    def check(headers: dict[str, Header]) -> None:
        samples, *labels = headers.values()
        _check_samples(path, samples, dataset)
        for y in labels:
            if y.shape != samples.shape[:1] or y.dtype.kind not in "iu":
                expected = f"expected whole numbers {samples.shape[:1]}"
                raise UsageError(f"{path} has labels {y.dtype.name} {y.shape}: {expected}")

    x, *labels = read_npz(path, choose, check).values()
    made = _pixels(path, x, dataset) if has_pixels(dataset) else finite_rows(path, x)
    return torch.from_numpy(made), torch.from_numpy(labels[0].astype(np.int64)) if labels else None


def images_at(path: Path) -> Tree | None:
    """The images in a folder or an archive; None for what only an .npz file can be.

    Raises:
        UsageError: there are none in it, or it is a broken archive.
    """
    if is_folder(path):
        tree = look(path)
        if not tree.names:
            beside = f" ({'; '.join(tree.notes)})" if tree.notes else ""
            raise UsageError(f"{path} is no run, and has no images{beside}: expected {SAMPLES}")
        return tree
    try:
        tree = look(path)
    except UsageError:
        if path.suffix.lower() in (".zip", ".tar"):
            raise
        return None  # read_npz says why
    return tree if tree.names else None


def check_kind(path: Path) -> None:
    """Raise UsageError for what is neither an .npz file nor images, before any data are opened."""
    if images_at(path) is None:
        read_npz(path, lambda _: [], lambda _: None)


def _check_samples(path: Path, x: Header, dataset: Dataset) -> None:
    """Raise UsageError for an array of another kind or shape than the dataset's samples have."""
    shape, own = x.shape, dataset.sample_shape
    if has_pixels(dataset) and x.dtype != np.uint8:
        raise UsageError(
            f"{path} has images of type {x.dtype.name}: expected uint8 from 0 to 255, which is "
            "round(127.5 x + 127.5) of values in [-1, 1] and round(255 x) of values in [0, 1]"
        )
    if x.dtype.kind not in "iuf":
        raise UsageError(f"{path} holds {x.dtype.name}: expected numbers, float32 [N, D]")
    if not x.size:
        raise UsageError(f"{path} has no samples: its array has the shape {shape}")
    if shape[1:] != own and not (has_pixels(dataset) and shape[1:] == (*own[1:], own[0])):
        raise UsageError(
            f"{path} has samples of shape {shape[1:]}, and those of {dataset.name} are {own}: measure at the "
            f"dataset's own shape, nothing is resized here"
        )


def _pixels(path: Path, x: Array, dataset: Dataset) -> Array:
    if x.max() == 1:
        raise UsageError(
            f"{path} has only the values 0 and 1: expected uint8 from 0 to 255; were these images in [0, 1] "
            "before they became whole numbers?"
        )
    return np.ascontiguousarray(x if x.shape[1:] == dataset.sample_shape else np.moveaxis(x, -1, 1))


def _read_images(tree: Tree, dataset: Dataset) -> Tensor:
    """The images of a folder, in the order of their names; each must have the dataset's size."""
    path = tree.root
    if kind_of(dataset) != "images":
        raise UsageError(
            f"{path} is a folder of images, and {dataset.name} has {kind_of(dataset)}: give an .npz file"
        )
    channels, height, width = dataset.sample_shape
    (paths,) = find_images(tree).paths
    headers, faults = read_headers(paths)
    faults |= tree.faults
    if faults:
        raise refused(tree.root, faults, len(paths))
    for file, header in headers.items():
        if header.size != (width, height):
            raise UsageError(
                f"{file} has {' x '.join(map(str, header.size))} pixels, and the images of {dataset.name} "
                f"have {width} x {height}: measure at the dataset's own size, nothing is resized here"
            )
    deep = [file for file, header in headers.items() if header.deep]
    white = white_of(deep, at_least=dataset.white if isinstance(dataset, ImageFolder) else 0.0)
    for sentence in (*tree.notes, *([white.sentence] if white.sentence else [])):
        notice(f"{path}: {sentence}")

    def read(file: Source) -> Array | None:
        try:
            return read_image(file, (height, width), channels, white)
        except Broken as error:
            faults[error.path] = error.reason
            return None

    made = each(read, paths, "decoding images")
    if faults:
        raise refused(tree.root, faults, len(paths))
    return torch.from_numpy(np.stack([pixels for pixels in made if pixels is not None]))
