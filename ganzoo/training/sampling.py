"""Drawing from a trained generator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.registry.options import known_options, options_of
from ganzoo.system.bars import track
from ganzoo.system.memory import room_for
from ganzoo.system.rng import counted

CHUNK = 256


def labels_for(n: int, num_classes: int, label: int | None = None) -> Tensor | None:
    """[n] int64 for n samples: `label` for all, or the classes in turn; None for an unconditional model."""
    if not num_classes:
        return None
    return torch.arange(n) % num_classes if label is None else torch.full((n,), label)


def labels_in_rows(rows: int, columns: int, num_classes: int, label: int | None = None) -> Tensor | None:
    """[rows * columns] int64: as `labels_for`, the same along a row."""
    each = labels_for(rows, num_classes, label)
    return None if each is None else each.repeat_interleave(columns)


@torch.no_grad()
def draw(
    gan: GAN,
    n: int,
    seed: int,
    purpose: str = "sample",
    labels: Tensor | None = None,
    progress: bool = False,
    z: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """n samples [n, ...] as the networks see them, on the CPU; the first k of n are the k of a smaller n.

    Args:
        gan: its generator in eval mode.
        seed: of the latent vectors.
        labels: [n] int64 for a conditional model; in turn 0, 1, 2, ... where it is None.
        progress: show a bar on stderr.
        z: [n, z_dim], to draw from these and not from the seed, which has what G itself draws then.
        options: of the model's `sample`.
    """
    device = next(gan.generator.parameters()).device
    options = sample_options(gan, options)
    if z is not None and (z.shape != (n, gan.z_dim) or not z.is_floating_point()):
        raise UsageError(f"z: expected {n} rows of {gan.z_dim} numbers, got {list(z.shape)} of {z.dtype}")
    if labels is None:
        labels = labels_for(n, gan.num_classes)
    elif not gan.num_classes:
        raise UsageError("this model is not conditional: it takes no labels; train it with --conditional")
    elif len(labels) != n or labels.min() < 0 or labels.max() >= gan.num_classes:
        raise UsageError(f"labels: expected {n} numbers from 0 to {gan.num_classes - 1}")
    made = torch.empty(0)
    starts: Iterable[int] = range(0, n, CHUNK)
    for start in track(starts, "generating", -(-n // CHUNK)) if progress else starts:
        with counted(device, seed, purpose, start):
            some = gan.sample_z(CHUNK)[: n - start]
            if z is not None:
                some = z[start : start + CHUNK].to(some)
            y = None if labels is None else labels[start : start + CHUNK].to(device)
            part = gan.sample(some, y, **options).float().cpu()
        if not start:
            with room_for(f"{n:,} samples"):
                made = torch.empty(n, *part.shape[1:])
        made[start : start + CHUNK] = part
    return made


@torch.no_grad()
def interpolate(
    gan: GAN, rows: int, columns: int, seed: int, label: int | None = None, **options: Any
) -> Tensor:
    """rows x columns samples: each row walks from one z to another, by the model's `between`.

    Returns [rows * columns, ...]; a row has one label (`labels_in_rows`).
    """
    device = next(gan.generator.parameters()).device
    with counted(device, seed, "interpolate"):
        a, b = gan.sample_z(rows), gan.sample_z(rows)
    t = torch.linspace(0.0, 1.0, columns, device=device).repeat(rows)[:, None]
    a, b = (end.repeat_interleave(columns, dim=0) for end in (a, b))
    y = labels_in_rows(rows, columns, gan.num_classes, label)
    made = gan.between(a, b, t, None if y is None else y.to(device), **sample_options(gan, options))
    return made.float().cpu().contiguous()


def sample_options(gan: GAN, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked of a model's `sample`, checked. Raises UsageError for what it does not take."""
    known = options_of(gan.sample, ("z", "y"))
    if given and not known:
        raise UsageError(f"{type(gan).__name__} takes no options when it is sampled, got {', '.join(given)}")
    return known_options("sample", known, given)


def nearest_real(samples: Tensor, real: Tensor) -> Tensor:
    """For each sample its nearest real one by Euclidean distance, both in the data's own units. [n, ...]."""
    flat = real.flatten(1).float()
    index = [torch.cdist(part.flatten(1).float(), flat).argmin(1) for part in torch.split(samples, CHUNK)]
    return real[torch.cat(index)]
