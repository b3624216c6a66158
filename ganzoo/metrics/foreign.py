"""Samples from any program: an .npz file or a folder of images, in the dataset's own units."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.data.finding import find_images
from ganzoo.data.folder import ImageFolder
from ganzoo.data.images import each, read_header, read_image, white_of
from ganzoo.data.tensors import Array
from ganzoo.data.vectors import finite_rows
from ganzoo.errors import UsageError
from ganzoo.system.console import notice


def read_samples(path: Path, dataset: Dataset) -> tuple[Tensor, Tensor | None]:
    """Samples uint8 [N, C, H, W] or float32 [N, D] as those of the dataset, and their labels [N] or None.

    Raises:
        UsageError: they cannot be read, or are not of the dataset's kind, shape and range.
    """
    if path.is_dir():
        return _read_folder(path, dataset), None
    arrays = _load(path)
    names = sorted(arrays)
    if "samples" not in arrays and len(names) != 1:
        raise UsageError(f"{path} has the arrays {', '.join(names) or '(none)'}: expected one called samples")
    samples = arrays["samples" if "samples" in arrays else names[0]]
    images = len(dataset.sample_shape) == 3
    x = _images(path, samples, dataset) if images else _vectors(path, samples, dataset)
    return x, _labels(path, arrays.get("labels"), len(x))


def _load(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise UsageError(f"{path} is not there: expected an .npz file, a folder of images, or a run")
    try:
        with path.open("rb") as raw:  # closed also where it is no whole archive
            opened = np.load(raw, allow_pickle=False)
            if isinstance(opened, np.lib.npyio.NpzFile):
                with opened as file:
                    return {name: file[name] for name in file.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        why = "it holds Python objects" if "allow_pickle" in str(error) else str(error)
        raise UsageError(f"{path} cannot be read as arrays: {why}") from error
    raise UsageError(f"{path} is one bare array: write it with numpy.savez(FILE, samples=...)")


def _images(path: Path, x: Array, dataset: Dataset) -> Tensor:
    c, h, w = dataset.sample_shape
    if x.dtype != np.uint8:
        raise UsageError(
            f"{path} has images of type {x.dtype.name}: expected uint8 from 0 to 255, which is "
            "round(127.5 x + 127.5) of values in [-1, 1] and round(255 x) of values in [0, 1]"
        )
    if x.shape[1:] == (h, w, c) and (h, w, c) != (c, h, w):
        x = np.moveaxis(x, 3, 1)
    _check_shape(path, x, dataset)
    if x.max() == 1:
        raise UsageError(
            f"{path} has only the values 0 and 1: expected uint8 from 0 to 255; were these images in [0, 1] "
            "before they became whole numbers?"
        )
    return torch.from_numpy(np.ascontiguousarray(x))


def _vectors(path: Path, x: Array, dataset: Dataset) -> Tensor:
    if x.dtype.kind not in "iuf":
        raise UsageError(f"{path} holds {x.dtype.name}: expected numbers, float32 [N, D]")
    _check_shape(path, x, dataset)
    return torch.from_numpy(finite_rows(path, x))


def _check_shape(path: Path, x: Array, dataset: Dataset) -> None:
    if not x.size:
        raise UsageError(f"{path} has no samples: its array has the shape {x.shape}")
    if x.shape[1:] != dataset.sample_shape:
        raise UsageError(
            f"{path} has samples of shape {x.shape[1:]}, and those of {dataset.name} are "
            f"{dataset.sample_shape}: measure at the dataset's own shape, nothing is resized here"
        )


def _labels(path: Path, y: Array | None, count: int) -> Tensor | None:
    if y is None:
        return None
    if y.shape != (count,) or y.dtype.kind not in "iu":
        raise UsageError(f"{path} has labels {y.dtype.name} {y.shape}: expected whole numbers ({count},)")
    return torch.from_numpy(y.astype(np.int64))


def _read_folder(path: Path, dataset: Dataset) -> Tensor:
    """The images of a folder, in the order of their names; each must have the dataset's size."""
    if len(dataset.sample_shape) != 3:
        raise UsageError(f"{path} is a folder of images, and {dataset.name} has vectors: give an .npz file")
    channels, height, width = dataset.sample_shape
    paths = [path / name for name in find_images(path).names]
    headers = [read_header(file) for file in paths]
    for file, header in zip(paths, headers, strict=True):
        if header.size != (width, height):
            raise UsageError(
                f"{file} has {' x '.join(map(str, header.size))} pixels, and the images of {dataset.name} "
                f"have {width} x {height}: measure at the dataset's own size, nothing is resized here"
            )
    deep = [file for file, header in zip(paths, headers, strict=True) if header.deep]
    white = white_of(deep, at_least=dataset.white if isinstance(dataset, ImageFolder) else 0.0)
    if white.sentence:
        notice(f"{path}: {white.sentence}")
    made = each(lambda file: read_image(file, height, channels, white), paths, "decoding images")
    return torch.from_numpy(np.stack(made))
