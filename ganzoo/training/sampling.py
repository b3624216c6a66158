"""Drawing from a trained generator."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
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
    gan: GAN, n: int, seed: int, purpose: str = "sample", labels: Tensor | None = None, progress: bool = False
) -> Tensor:
    """n samples [n, ...] as the networks see them, on the CPU; the first k of n are the k of a smaller n.

    Args:
        gan: its generator in eval mode.
        seed: of the latent vectors.
        labels: [n] int64 for a conditional model; in turn 0, 1, 2, ... where it is None.
        progress: show a bar on stderr.
    """
    device = next(gan.generator.parameters()).device
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
            z = gan.sample_z(CHUNK)[: n - start]
            y = None if labels is None else labels[start : start + CHUNK].to(device)
            part = gan.samples(gan.generator(z, y)).float().cpu()
        if not start:
            with room_for(f"{n:,} samples"):
                made = torch.empty(n, *part.shape[1:])
        made[start : start + CHUNK] = part
    return made


@torch.no_grad()
def interpolate(gan: GAN, rows: int, columns: int, seed: int, label: int | None = None) -> Tensor:
    """rows x columns samples: each row walks from one z to another on the great circle between them.

    Slerp (Shoemake 1985; White 2016, arXiv 1609.04468): a straight line would leave the shell where normal z
    live. Returns [rows * columns, ...]; a row has one label (`labels_in_rows`).
    """
    device = next(gan.generator.parameters()).device
    with counted(device, seed, "interpolate"):
        a, b = gan.sample_z(rows), gan.sample_z(rows)
    t = torch.linspace(0.0, 1.0, columns, device=device).reshape(1, columns, 1)
    z = slerp(a[:, None, :], b[:, None, :], t).reshape(rows * columns, -1)
    y = labels_in_rows(rows, columns, gan.num_classes, label)
    made = gan.generator(z, None if y is None else y.to(device))
    return gan.samples(made).float().cpu().contiguous()


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """From a (t = 0) to b (t = 1) along the arc between them, lengths going over too. [..., D]."""
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1).clamp(-1.0, 1.0)[..., None]
    angle = cosine.acos()
    straight = angle.sin().abs() < 1e-3  # same or opposite directions: there is no one arc
    sine = torch.where(straight, torch.ones_like(angle), angle.sin())
    first = torch.where(straight, 1.0 - t, ((1.0 - t) * angle).sin() / sine)
    second = torch.where(straight, t, (t * angle).sin() / sine)
    return first * a + second * b


def nearest_real(samples: Tensor, real: Tensor) -> Tensor:
    """For each sample its nearest real one by Euclidean distance, both in the data's own units. [n, ...]."""
    flat = real.flatten(1).float()
    index = [torch.cdist(part.flatten(1).float(), flat).argmin(1) for part in torch.split(samples, CHUNK)]
    return real[torch.cat(index)]
