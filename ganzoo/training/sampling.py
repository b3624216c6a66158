"""Drawing from a trained generator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.conditions import as_seen_by_nets
from ganzoo.data.kinds import PIXELS, kind_of_shape
from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.registry.options import known_options, options_of
from ganzoo.system.bars import track
from ganzoo.system.memory import room_for
from ganzoo.system.rng import counted

CHUNK = 256
BLOCK = 64  # rows of a pass through G, always: the last bits of matrix products depend on how many there are


@torch.no_grad()
def draw(
    gan: GAN,
    n: int,
    seed: int,
    purpose: str = "sample",
    y: Tensor | None = None,
    progress: bool = False,
    z: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """n samples [n, ...] as the networks see them, on the CPU; the first k of n are the k of a smaller n.

    Args:
        gan: its generator in eval mode.
        seed: of the latent vectors.
        y: for a conditional model classes [n] int64, in turn 0, 1, 2, ... where it is None; or values
            [n, *condition_shape] in their own units.
        progress: show a bar on stderr.
        z: [n, z_dim], to draw from these and not from the seed, which has what G itself draws then.
        options: of the model's `sample`.
    """
    device = next(gan.generator.parameters()).device
    options = sample_options(gan, options)
    if z is not None and not z.is_floating_point():
        z = z.float()
    if z is not None and (z.shape != (n, gan.z_dim) or not bool(z.isfinite().all())):
        raise UsageError(f"z: expected {n} rows of {gan.z_dim} finite numbers, got {list(z.shape)}")
    y = _checked(y, n, gan)
    made = torch.empty(0)
    starts: Iterable[int] = range(0, n, CHUNK)
    for start in track(starts, "generating", -(-n // CHUNK)) if progress else starts:
        with counted(device, seed, purpose, start):
            some = gan.sample_z(CHUNK)[: n - start]
            if z is not None:
                some = z[start : start + CHUNK].to(some)
            seen = None if y is None else as_seen_by_nets(y[start : start + CHUNK].to(device))
            part = torch.cat(list(_blocks(gan, some, seen, options)))
        if not start:
            with room_for(f"{n:,} samples"):
                made = torch.empty(n, *part.shape[1:])
        made[start : start + CHUNK] = part
    return made


def _checked(y: Tensor | None, n: int, gan: GAN) -> Tensor | None:
    """y of n samples; classes in turn where there is none. Raises UsageError for what the model takes not."""
    classes, shape = gan.num_classes, gan.condition_shape
    if y is None:
        if shape:
            raise UsageError(f"this model makes samples for conditions of shape {shape}: say which")
        return torch.arange(n) % classes if classes else None
    if not gan.is_conditional:
        raise UsageError("this model is not conditional: it takes no labels; train it with --conditional")
    if shape:
        if tuple(y.shape) != (n, *shape) or not bool(y.isfinite().all()):
            raise UsageError(
                f"conditions: expected {n} of shape {shape}, of finite numbers, got {list(y.shape)}"
            )
        if kind_of_shape(shape) in PIXELS and y.dtype != torch.uint8:
            raise UsageError(f"conditions: expected images as uint8 from 0 to 255, got {y.dtype}")
        return y if y.dtype == torch.uint8 else y.float()
    if y.shape != (n,) or y.dtype != torch.int64 or y.min() < 0 or y.max() >= classes:
        raise UsageError(f"labels: expected {n} numbers from 0 to {classes - 1}")
    return y


def _blocks(gan: GAN, z: Tensor, y: Tensor | None, options: Mapping[str, Any]) -> Iterator[Tensor]:
    """What G makes of z and y, on the CPU; the last block is filled up, and what fills it is dropped."""
    for start in range(0, len(z), BLOCK):
        rows = torch.arange(start, start + BLOCK, device=z.device).clamp(max=len(z) - 1)
        made = gan.sample(z[rows], None if y is None else y[rows], **options)
        yield made[: len(z) - start].float().cpu()


@torch.no_grad()
def interpolate(
    gan: GAN, rows: int, columns: int, seed: int, y: Tensor | None = None, **options: Any
) -> Tensor:
    """rows x columns samples: each row walks from one z to another, by the model's `between`.

    Args:
        y: of each row, as for `draw`.

    Returns [rows * columns, ...], row after row.
    """
    device = next(gan.generator.parameters()).device
    with counted(device, seed, "interpolate"):
        a, b = gan.sample_z(rows), gan.sample_z(rows)
    t = torch.linspace(0.0, 1.0, columns, device=device).repeat(rows)[:, None]
    a, b = (end.repeat_interleave(columns, dim=0) for end in (a, b))
    y = _checked(y, rows, gan)
    y = None if y is None else as_seen_by_nets(y.to(device)).repeat_interleave(columns, dim=0)
    made = gan.between(a, b, t, y, **sample_options(gan, options))
    return made.float().cpu().contiguous()


@torch.no_grad()
def tour(
    gan: GAN, n: int, stops: int, between: int, seed: int, y: Tensor | None = None, **options: Any
) -> Iterator[Tensor]:
    """n samples that walk from z to z, `stops` of them, and back to the first: frame after frame [n, ...].

    Args:
        between: frames from one stop to the next.
        y: of each walk, as for `draw`.
    """
    device = next(gan.generator.parameters()).device
    options = sample_options(gan, options)
    with counted(device, seed, "tour"):
        ways = [gan.sample_z(n) for _ in range(stops)]
    y = _checked(y, n, gan)
    seen = None if y is None else as_seen_by_nets(y.to(device))
    for frame in range(stops * between):
        stop, part = divmod(frame, between)
        t = torch.full((n, 1), part / between, device=device)
        a, b = ways[stop], ways[(stop + 1) % stops]
        rows = [torch.arange(n, device=device)[i : i + CHUNK] for i in range(0, n, CHUNK)]
        parts = [gan.between(a[i], b[i], t[i], None if seen is None else seen[i], **options) for i in rows]
        yield torch.cat(parts).float().cpu().contiguous()


def sample_options(gan: GAN, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked of a model's `sample`, checked. Raises UsageError for what it does not take."""
    known = options_of(gan.sample, ("z", "y"))
    if given and not known:
        raise UsageError(f"{type(gan).__name__} takes no options when it is sampled, got {', '.join(given)}")
    return known_options("sample", known, given)


def nearest_rows(x: Tensor, among: Tensor) -> Tensor:
    """For each of x [n, ...] the row of `among` [m, ...] that is nearest by Euclidean distance, [n]."""
    flat = among.flatten(1).float()
    rows = [torch.cdist(part.flatten(1).float(), flat).argmin(1) for part in torch.split(x, CHUNK)]
    return torch.cat(rows)
