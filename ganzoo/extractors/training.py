"""Training a classifier to extract features with, and installing it."""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from ganzoo.data.base import Dataset, from_uint8
from ganzoo.data.counted import Order, draws
from ganzoo.errors import UsageError, WorkError
from ganzoo.extractors.classifier import Classifier, classify, exact, pack
from ganzoo.extractors.cnn import HASH_DIGITS, folder
from ganzoo.system.bars import track
from ganzoo.system.files import write_whole
from ganzoo.system.rng import counted

BATCH = 100
UPDATES = 2_400  # that small datasets get
EPOCHS = (8, 200)  # but never fewer or more epochs than these
PEAK_LR = 0.1
WEIGHT_DECAY = 1e-3

# How far an image is moved at random, at most.
ROTATION = math.radians(15.0)
SCALE = 0.15
SHEAR = 0.15
SHIFT = 2.0 / 28.0  # of its side


def default_epochs(samples: int) -> int:
    """As many as give 2,400 updates on batches of 100; at least 8 and at most 200."""
    least, most = EPOCHS
    return min(max(math.ceil(UPDATES / _batches(samples)), least), most)


def train_classifier(
    dataset: Dataset,
    *,
    epochs: int,
    seed: int,
    device: torch.device,
    augment: bool = True,
    progress: bool = True,
) -> tuple[Classifier, dict[str, Any]]:
    """A classifier of a dataset's training split, in eval mode, and what its file should say of it.

    SGD with Nesterov momentum under a one-cycle schedule (Smith and Topin 2018, arXiv 1708.07120); cross
    entropy. The test split serves for the accuracy alone. The same arguments give the same bits, on the same
    number of threads.

    Args:
        dataset: square images with at least two classes.
        epochs: passes over the training split.
        seed: of the first weights, the order and the distortions.
        device: where to train.
        augment: rotate, scale, shear and shift each image a little, anew each time.
        progress: show a bar on stderr.

    Raises:
        UsageError: vectors, no labels, or images that are not square.
        WorkError: the training diverged.
    """
    refuse(dataset)
    channels, size, _ = dataset.sample_shape
    with counted(torch.device("cpu"), seed, "classifier/init"):
        net = Classifier(channels, size, dataset.num_classes)
    net.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    with exact():
        _fit(net, *dataset.train.all(), epochs, seed, device, augment, progress)
    if not all(bool(torch.isfinite(value).all()) for value in net.state_dict().values()):
        raise WorkError(f"the training of a classifier of {dataset.name} diverged: try another --seed")
    net.eval().requires_grad_(False)
    x, y = dataset.test.all()
    assert y is not None
    right = classify(net, x, device)[1].argmax(dim=1).eq(y)
    return net, {
        "data": dataset.name,
        "data_fingerprint": dataset.fingerprint,
        "class_names": list(dataset.class_names),
        "train_samples": len(dataset.train),
        "test_samples": len(dataset.test),
        "test_accuracy": round(right.float().mean().item(), 6),
        "epochs": epochs,
        "seed": seed,
        "augment": augment,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def refuse(dataset: Dataset) -> None:
    """Raise a UsageError if no classifier can be trained on it."""
    shape = dataset.sample_shape
    if len(shape) != 3:
        raise UsageError(
            f"a classifier is trained on images, and {dataset.name} has vectors: their extractor is identity"
        )
    if dataset.num_classes < 2:
        raise UsageError(
            f"a classifier needs at least two classes, and {dataset.name} has "
            f"{'one' if dataset.num_classes else 'no labels'}: put the images of each class into a sub-folder"
        )
    if shape[1] != shape[2]:
        raise UsageError(f"a classifier takes square images, and those of {dataset.name} are {shape[1:]}")


def install(net: Classifier, meta: dict[str, Any]) -> str:
    """Put it where cnn:NAME finds it; NAME is the data's, with the beginning of the file's sha256."""
    content = pack(net, meta)
    slug = re.sub(r"\W+", "-", re.split(r"[:/\\]", meta["data"].rstrip("/\\"))[-1].lower())[:40].strip("-")
    name = f"{slug or 'data'}-{hashlib.sha256(content).hexdigest()[:HASH_DIGITS]}"
    write_whole(folder() / f"{name}.safetensors", content)
    return name


def distort(x: Tensor, generator: torch.Generator) -> Tensor:
    """Images [N, C, H, W], each rotated, scaled, sheared and shifted a little, at random."""

    def uniform(extent: float) -> Tensor:
        return (torch.rand(len(x), generator=generator) * 2 - 1) * extent

    angle, scale, shear = uniform(ROTATION), 1 + uniform(SCALE), uniform(SHEAR)
    cos, sin = angle.cos() / scale, angle.sin() / scale
    # Twice the shift: coordinates run from -1 to 1.
    rows = [cos, sin + shear * cos, 2 * uniform(SHIFT), -sin, cos - shear * sin, 2 * uniform(SHIFT)]
    grid = F.affine_grid(torch.stack(rows, dim=1).view(-1, 2, 3), list(x.shape), align_corners=False)
    # Outside is what is at the border: in [-1, 1], zeros would be a grey frame.
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _batches(samples: int) -> int:
    """Per epoch."""
    return samples // min(BATCH, samples)


def _fit(
    net: Classifier,
    x: Tensor,
    y: Tensor | None,
    epochs: int,
    seed: int,
    device: torch.device,
    augment: bool,
    progress: bool,
) -> None:
    assert y is not None  # there are classes
    steps = epochs * _batches(len(x))
    optimizer = torch.optim.SGD(
        net.parameters(), lr=PEAK_LR, momentum=0.9, nesterov=True, weight_decay=WEIGHT_DECAY
    )
    schedule = OneCycleLR(optimizer, PEAK_LR, total_steps=steps, cycle_momentum=False)
    order = Order(len(x))
    for step in track(range(steps), "training a classifier", steps) if progress else range(steps):
        chosen = order.indices(min(BATCH, len(x)), step, seed)
        seen = from_uint8(x[chosen])
        if augment:
            seen = distort(seen, draws("classifier/distort", step, seed))
        seen = seen.to(device=device, memory_format=torch.channels_last)
        loss = F.cross_entropy(net(seen)[1], y[chosen].to(device))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
