"""`ganzoo sample`"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli.words import GENERATOR, PATH, Whole, device_option
from ganzoo.errors import UsageError, WorkError
from ganzoo.registry.spec import pair

NO_NAME = r"[^\w.-]+"  # what is in no name of a file
WALK = range(4, 17)  # how many samples a walk from one z to another may have

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.running.sampler import Sampler


@click.command("sample")
@click.argument("run", required=False, type=GENERATOR, metavar="[RUN|NAME|FILE]")
@click.option("-n", "n", type=Whole(1), default=64, show_default=True, help="How many samples.")
@click.option("--seed", type=Whole(0), default=0, show_default=True, metavar="N", help="Of what is drawn.")
@click.option(
    "--class", "class_", metavar="K", help="Of one class, by name, or by number where no name is one."
)
@click.option("--condition", type=PATH, metavar="FILE", help="Conditions: rows of FILE.npy, or images.")
@click.option(
    "--out",
    type=PATH,
    metavar="FILE",
    help="FILE.png or FILE.npz; a picture among the run's samples if left out.",
)
@click.option("--nearest", is_flag=True, help="Below each sample its nearest training image.")
@device_option
@click.option("--interpolate", is_flag=True, help="Rows that walk from one z to another.")
@click.option("--reconstruct", is_flag=True, help="Held-out images, and below each its reconstruction.")
@click.option("--z", "z", type=PATH, metavar="FILE.npy", help="Latent vectors of your own, [n, z_dim].")
@click.option("--set", "settings", multiple=True, metavar="K=V", help="Options of the model's samples.")
def command(
    run: str | None,
    n: int,
    seed: int,
    class_: str | None,
    condition: Path | None,
    out: Path | None,
    nearest: bool,
    device: str,
    interpolate: bool,
    reconstruct: bool,
    z: Path | None,
    settings: tuple[str, ...],
) -> None:
    """Draw from RUN: a picture, or arrays for programs.

    RUN is a folder, or a name or a number under runs/; left out, it is the run that was trained last. NAME is
    one of `ganzoo list pretrained`, FILE what `ganzoo export` wrote, or a run's generator.safetensors.

    \b
    ganzoo sample dcgan:mnist
    ganzoo sample --class 7 -n 16
    ganzoo sample --set truncation=0.7     (stylegan2: typical samples alone)
    """
    if out is not None and out.suffix.lower() not in (".png", ".npz"):
        raise UsageError(f"--out {out}: expected a name that ends in .png or .npz")
    from ganzoo.running.located import locate

    found = locate(run)

    from ganzoo.cli.conditions import class_index, read_conditions
    from ganzoo.running.generator import load_generator
    from ganzoo.running.run import load
    from ganzoo.system.console import say

    ways = {"nearest": nearest, "interpolate": interpolate, "reconstruct": reconstruct}
    asked = [way for way, is_asked in ways.items() if is_asked]
    if len(asked) > 1:
        raise UsageError(f"--{' and --'.join(asked)} are different pictures: give one of them")
    if z is not None and (interpolate or reconstruct):
        raise UsageError(f"--z and --{asked[0]} say twice where samples come from: give one of them")
    loaded = load(found.run, device=device) if found.run else load_generator(run or "", device)
    options = dict(pair(setting, "KEY=VALUE, an option of the model's samples") for setting in settings)
    label = None if class_ is None else class_index(loaded, class_)
    asked_for = None if condition is None else read_conditions(condition, loaded)
    if asked_for is not None and label is not None:
        raise UsageError("--class and --condition say twice what to make: give one of them")
    own = [f"{key}{value}" for key, value in options.items()]
    if z is not None:
        own.append(f"z-{z.stem}")
    if condition is not None:
        own.append(f"condition-{condition.stem}")
    words = [
        *(asked or ["sample"]),
        f"s{seed}",
        *([f"class{_called(loaded, label)}"] if label is not None else []),
        *own,
    ]
    named = f"{'-'.join(words)}.png"
    here = Path(f"{re.sub(NO_NAME, '-', Path(found.name).stem)}-{named}")
    out = out or (here if found.run is None else found.run / "samples" / named)
    if reconstruct:
        _reconstruct(loaded, n, seed, label, out, options)
        say(str(out))
        return
    drawn = None if z is None else _latents(z, loaded)
    if interpolate:
        columns: int | None = _columns(n)
        y = _y(loaded, n // _columns(n), label, asked_for)
        samples, y = _interpolated(loaded, n, seed, y, options)
    else:
        given = next((len(rows) for rows in (drawn, asked_for) if rows is not None), n)
        y, columns = _y(loaded, given, label, asked_for, mixed=out.suffix.lower() == ".npz"), None
        samples = _sampled(loaded, given, seed, y, drawn, options)
    arrays: dict[str, Any] = {"samples": samples.numpy()}
    if y is not None:
        arrays["conditions" if loaded.known.condition_shape else "labels"] = y.numpy()
    made_of = y
    if nearest:
        samples, columns = _beside_nearest(loaded, samples, y, arrays)
        made_of = None
    _write(out, samples, arrays, loaded, columns, made_of)
    say(str(out))


def _called(run: Sampler, label: int) -> str:
    """A class in the name of a file: as it is asked for, where that is a number."""
    names = run.card.class_names
    return names[label] if any(name.isdecimal() for name in names) else str(label)


def _latents(path: Path, run: Sampler) -> Tensor:
    """The z in a file."""
    import torch

    from ganzoo.data.arrays import Header, read_npy

    def check(header: Header) -> None:
        rows = header.dtype.kind in "iuf" and len(header.shape) == 2 and header.shape[0] > 0
        if not rows or header.shape[1] != run.model.z_dim:
            raise UsageError(f"--z {path}: expected rows of {run.model.z_dim} numbers, got {header.shape}")

    return torch.as_tensor(read_npy(path, check, lambda header: 4 * header.size)).float()


def _reconstruct(
    run: Sampler, n: int, seed: int, label: int | None, out: Path, options: dict[str, str]
) -> None:
    """Rows of held-out images, each above the row of what encoder and generator make of them."""
    from ganzoo.data.pictures import rows_of_pairs

    x, y = run.dataset.test.all()
    if x.dim() != 4:
        raise UsageError("--reconstruct shows images, and this run makes others")
    if label is not None and y is not None:
        x, y = x[y == label], y[y == label]
    x, y = x[:n], y[:n] if y is not None and run.model.is_conditional else None
    labels, condition = _as_asked(run, y)
    made = run.reconstruct(x, labels, seed, condition, **options)
    samples, columns = rows_of_pairs(x, made)
    _write(out, samples, {"real": x.numpy(), "samples": made.numpy()}, run, columns)


def _y(
    run: Sampler, n: int, label: int | None, asked_for: Tensor | None, mixed: bool = False
) -> Tensor | None:
    """The y of n samples: as asked for, or in turn for a picture, by shares (`mixed`) for arrays."""
    if asked_for is not None:
        return asked_for[:n]
    if not run.known.conditional:
        return None
    own = run.card.conditions
    return own.by_shares(n) if mixed and label is None else own.in_turn(n, label)


def _sampled(
    run: Sampler, n: int, seed: int, y: Tensor | None, z: Tensor | None, options: dict[str, str]
) -> Tensor:
    labels, condition = _as_asked(run, y)
    return run.sample(n, seed, labels, z, condition, **options)


def _as_asked(run: Sampler, y: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """y as labels, or as a condition."""
    return (None, y) if run.known.condition_shape else (y, None)


def _interpolated(
    run: Sampler, n: int, seed: int, y: Tensor | None, options: dict[str, str]
) -> tuple[Tensor, Tensor | None]:
    """Rows that walk from one z to another, each with a y of its own."""
    from ganzoo.training.sampling import interpolate

    if not run.model.z_dim:
        raise UsageError(f"--interpolate walks from one z to another, and {run.known.model} has no z")
    columns = _columns(n)
    rows = n // columns
    if y is not None and len(y) < rows:
        raise UsageError(f"--condition: expected one for each of the {rows} rows, got {len(y)}")
    samples = run.to_units(interpolate(run.model, rows, columns, seed, y, **options))
    return samples, None if y is None else y.repeat_interleave(columns, dim=0)


def _columns(n: int) -> int:
    """How long walks are of which n samples are whole ones: 8 samples, or what is nearest to that.

    Raises UsageError, which names numbers that work, where there is none.
    """
    fitting = [length for length in WALK if n % length == 0]
    if fitting or n < WALK[0]:
        return min(fitting, key=lambda length: abs(length - 8), default=n)
    near = [m for m in range(n - WALK[-1], n + WALK[-1]) if any(m % length == 0 for length in WALK)]
    fewer, more = max(m for m in near if m < n), min(m for m in near if m > n)
    raise UsageError(
        f"--interpolate -n {n}: walks have {WALK[0]} to {WALK[-1]} samples each, all the same, and none of "
        f"these makes {n}: give -n {fewer} or {more}"
    )


def _beside_nearest(
    run: Sampler, samples: Tensor, y: Tensor | None, arrays: dict[str, Any]
) -> tuple[Tensor, int]:
    """Rows of samples, each above the row of their nearest training images.

    The nearest by their pixels; where the model has an encoder, by the z that it finds.
    """
    from ganzoo.data.pictures import rows_of_pairs
    from ganzoo.system.console import notice
    from ganzoo.training.sampling import nearest_rows

    if samples.dim() != 4:
        raise UsageError("--nearest compares images, and this run makes others")
    x, own = run.dataset.train.all()
    compared = samples, x
    if run.model.has_encoder:
        notice("the nearest are those whose z, by the model's encoder, is nearest")
        own = own if run.known.conditional else None
        compared = run.encode(samples, *_as_asked(run, y)), run.encode(x, *_as_asked(run, own))
    real = x[nearest_rows(*compared)]
    arrays["nearest"] = real.numpy()
    return rows_of_pairs(samples, real)


def _real(run: Sampler) -> Tensor | None:
    """What is shown beside samples: real vectors, if they are here."""
    from ganzoo.data.kinds import kind_of
    from ganzoo.data.pictures import AT_ONCE

    if kind_of(run.known) in AT_ONCE:
        return None
    from ganzoo.system.console import notice

    try:
        return run.dataset.test.all()[0]
    except (UsageError, WorkError) as error:
        notice(f"no real data are shown beside the samples: {error}")
        return None


def _write(
    out: Path,
    samples: Tensor,
    arrays: dict[str, Any],
    run: Sampler,
    columns: int | None,
    made_of: Tensor | None = None,
) -> None:
    if out.suffix.lower() == ".png":
        from ganzoo.data.pictures import picture

        picture(out, samples, _real(run), columns, run.name, made_of)
        return
    import numpy as np

    from ganzoo.system.files import write_whole

    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    write_whole(out, file.getvalue())
