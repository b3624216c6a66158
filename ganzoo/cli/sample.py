"""`ganzoo sample`"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo.cli.words import GENERATOR, PATH, Whole, device_option
from ganzoo.errors import UsageError, WorkError
from ganzoo.registry.spec import pair

NO_NAME = r"[^\w.-]+"  # what is in no name of a file
WALK = range(4, 17)  # how many samples a walk from one z to another may have
FINER = 16  # times as many points has the line of a walk
USUAL = 64  # samples of a kind that is no points
FILMS = (".webp", ".gif", ".mp4")
ENDINGS = (".png", ".npz", ".csv", ".wav")

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.data.captions import Words
    from ganzoo.running.located import Found
    from ganzoo.running.sampler import Sampler


@dataclass
class Made:
    """What is to be drawn or written: samples, and what is known of them.

    Attributes:
        arrays: by their names in a file.
        y: what each was made for.
        columns: of a picture.
        rows: of images, which are shown in the place of the samples.
        names: of rows.
        walks: lines that samples are stops on, [rows, T, ...].
        says: what they are.
    """

    samples: Tensor
    arrays: dict[str, Any]
    y: Tensor | None = None
    columns: int | None = None
    rows: list[Tensor] = field(default_factory=list)
    names: tuple[str, ...] = ()
    walks: Tensor | None = None
    says: str = ""


@click.command("sample")
@click.argument("run", required=False, type=GENERATOR, metavar="[RUN|NAME|FILE]")
@click.option(
    "-n", "n", type=Whole(1), metavar="N", help="How many samples; left out, 64, or 2,500 points of vectors."
)
@click.option("--seed", type=Whole(0), default=0, show_default=True, metavar="N", help="Of what is drawn.")
@click.option(
    "--class", "class_", metavar="K", help="Of one class, by name, or by number where no name is one."
)
@click.option("--condition", type=PATH, metavar="FILE", help="Conditions: rows of FILE.npy, or images.")
@click.option(
    "--out",
    type=PATH,
    metavar="FILE",
    help="FILE.png, .npz, .csv (vectors), .wav (sounds), or a film; a picture among the run's samples if "
    "left out.",
)
@click.option("--nearest", is_flag=True, help="Below each sample its nearest training image.")
@device_option
@click.option("--interpolate", is_flag=True, help="Walks from one z to another: rows, lines, or a film.")
@click.option("--reconstruct", is_flag=True, help="Held-out images, and below each its reconstruction.")
@click.option(
    "--timelapse", is_flag=True, help="The same z through training, as a film: FILE.webp, .gif or .mp4."
)
@click.option("--z", "z", type=PATH, metavar="FILE.npy", help="Latent vectors of your own, [n, z_dim].")
@click.option("--set", "settings", multiple=True, metavar="K=V", help="Options of the model's samples.")
@click.option(
    "--captions/--no-captions", default=True, show_default=True, help="Whether a picture says what it shows."
)
def command(
    run: str | None,
    n: int | None,
    seed: int,
    class_: str | None,
    condition: Path | None,
    out: Path | None,
    nearest: bool,
    device: str,
    interpolate: bool,
    reconstruct: bool,
    timelapse: bool,
    z: Path | None,
    settings: tuple[str, ...],
    captions: bool,
) -> None:
    """Draw from RUN: a picture, a film, or files for programs.

    RUN is a folder, or a name or a number under runs/; left out, it is the run that was trained last. NAME is
    one of `ganzoo list pretrained`, FILE what `ganzoo export` wrote, or a run's generator.safetensors.

    \b
    ganzoo sample dcgan:mnist
    ganzoo sample --class 7 -n 16
    ganzoo sample --timelapse
    ganzoo sample --interpolate --out walk.webp
    ganzoo sample --set truncation=0.7     (stylegan2: typical samples alone)
    """
    ending = ".png" if out is None else out.suffix.lower()
    is_film = ending in FILMS
    if is_film and not (timelapse or interpolate):
        raise UsageError(
            f"--out {out}: a film is of --timelapse, the same z through training, or of --interpolate"
        )
    if not is_film and ending not in ENDINGS:
        expected = ".png, .npz, .csv or .wav; with --timelapse or --interpolate, .webp, .gif or .mp4"
        raise UsageError(f"--out {out}: expected a name that ends in {expected}")
    ways = {
        "timelapse": timelapse,
        "nearest": nearest,
        "interpolate": interpolate,
        "reconstruct": reconstruct,
    }
    asked = [way for way, is_asked in ways.items() if is_asked]
    if len(asked) > 1:
        raise UsageError(f"--{' and --'.join(asked)} are different pictures: give one of them")
    if z is not None and (interpolate or reconstruct):
        raise UsageError(f"--z and --{asked[0]} say twice where samples come from: give one of them")
    from ganzoo.running.located import locate

    found = locate(run)

    from ganzoo.running.generator import load_generator
    from ganzoo.running.run import load
    from ganzoo.system.console import say

    if timelapse:
        if n or seed or class_ or condition or z or settings or not captions:
            raise UsageError(
                "--timelapse is of the pictures that the run drew of itself: it takes --out alone"
            )
        say(str(_timelapse(found, out)))
        return
    from ganzoo.cli.conditions import class_index, read_conditions

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
    says = [f"seed {seed}" if z is None else f"z of {z.name}", *own]
    if is_film:
        if not loaded.model.z_dim:
            raise _no_z(loaded)
        from ganzoo.running.film import walk

        about = _titled(loaded).saying(*says) if captions else None
        say(str(walk(loaded, out, n, seed, label, asked_for, _real(loaded), about, **options)))
        return
    if reconstruct:
        made = _reconstructed(loaded, n or USUAL, seed, label, options)
    elif interpolate:
        made = _interpolated(loaded, n or USUAL, seed, label, asked_for, options, finer=ending == ".png")
    else:
        drawn = None if z is None else _latents(z, loaded)
        given = next((len(rows) for rows in (drawn, asked_for) if rows is not None), n)
        given = given or _usual(loaded, label, ending)
        y = _y(loaded, given, label, asked_for, mixed=ending in (".npz", ".csv"))
        made = _made(loaded, _sampled(loaded, given, seed, y, drawn, options), y)
    if nearest:
        _put_beside_nearest(loaded, made)
    for one in _write(
        out, ending, made, loaded, _titled(loaded).saying(made.says, *says) if captions else None
    ):
        say(str(one))


def _timelapse(found: Found, out: Path | None) -> Path:
    if found.run is None:
        raise UsageError(
            f"--timelapse is of a run, which drew pictures as it trained, and {found.name} is none"
        )
    from ganzoo.plan.config import Config
    from ganzoo.running.film import timelapse
    from ganzoo.running.record import Shown

    shown = Shown()  # without its weights, which may not be there
    shown.path, shown.config = found.run, Config.read(found.run / "config.json")
    return timelapse(shown, out or found.run / "samples" / "timelapse.webp")


def _usual(run: Sampler, label: int | None, ending: str) -> int:
    """How many samples, where nobody says."""
    from ganzoo.data.kinds import kind_of
    from ganzoo.data.pictures import AT_ONCE, at_once
    from ganzoo.data.plots import SHOWN

    kind = kind_of(run.known)
    if ending == ".wav":
        return 1
    if kind not in AT_ONCE:
        return SHOWN
    of_classes = run.known.conditional and label is None and kind == "images" and ending == ".png"
    return at_once(kind, run.known.num_classes) if of_classes else USUAL


def _titled(run: Sampler) -> Words:
    from ganzoo.data.captions import Words, titled

    return Words(titled(run.known.model, run.known.dataset, run.step))


def _made(run: Sampler, samples: Tensor, y: Tensor | None) -> Made:
    arrays: dict[str, Any] = {"samples": samples.numpy()}
    if y is not None:
        arrays["conditions" if run.known.condition_shape else "labels"] = y.numpy()
    return Made(samples, arrays, y, says=f"{len(samples):,} sample{'s' * (len(samples) > 1)}")


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


def _reconstructed(run: Sampler, n: int, seed: int, label: int | None, options: dict[str, str]) -> Made:
    """Rows of held-out images, each above the row of what encoder and generator make of them."""
    from ganzoo.data.pictures import rows_of_pairs
    from ganzoo.running.nearest import as_asked

    x, y = run.dataset.test.all()
    if x.dim() != 4:
        raise UsageError("--reconstruct shows images, and this run makes others")
    if label is not None and y is not None:
        x, y = x[y == label], y[y == label]
    x, y = x[:n], y[:n] if y is not None and run.model.is_conditional else None
    labels, condition = as_asked(run, y)
    samples = run.reconstruct(x, labels, seed, condition, **options)
    return Made(
        samples,
        {"real": x.numpy(), "samples": samples.numpy()},
        rows=rows_of_pairs(x, samples),
        names=("held out", "rebuilt"),
        says=f"{len(x):,} held-out images, through encoder and generator",
    )


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
    from ganzoo.running.nearest import as_asked

    labels, condition = as_asked(run, y)
    return run.sample(n, seed, labels, z, condition, **options)


def _no_z(run: Sampler) -> UsageError:
    return UsageError(f"--interpolate walks from one z to another, and {run.known.model} has no z")


def _interpolated(
    run: Sampler,
    n: int,
    seed: int,
    label: int | None,
    asked_for: Tensor | None,
    options: dict[str, str],
    finer: bool,
) -> Made:
    """Rows that walk from one z to another, each with a y of its own; of points the lines, if `finer`."""
    from ganzoo.data.captions import class_name
    from ganzoo.data.kinds import kind_of
    from ganzoo.data.pictures import AT_ONCE
    from ganzoo.training.sampling import interpolate

    if not run.model.z_dim:
        raise _no_z(run)
    columns = _columns(n)
    rows = n // columns
    y = _y(run, rows, label, asked_for)
    if y is not None and len(y) < rows:
        raise UsageError(f"--condition: expected one for each of the {rows} rows, got {len(y)}")
    samples = run.to_units(interpolate(run.model, rows, columns, seed, y, **options))
    made = _made(run, samples, None if y is None else y.repeat_interleave(columns, dim=0))
    made.columns = columns
    made.says = f"{rows:,} walk{'s' * (rows > 1)} of {columns} samples from one z to another"
    if y is not None and y.dim() == 1 and run.known.num_classes:
        made.names = tuple(class_name(run.card.class_names, row) for row in y.tolist())
    if finer and kind_of(run.known) not in AT_ONCE:
        fine = interpolate(run.model, rows, (columns - 1) * FINER + 1, seed, y, **options)
        made.walks = run.to_units(fine).flatten(1).reshape(rows, -1, samples[0].numel())
    return made


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


def _put_beside_nearest(run: Sampler, made: Made) -> None:
    """Have rows of samples, each above the row of their nearest training images.

    The nearest by their pixels; where the model has an encoder, by the z that it finds.
    """
    from ganzoo.data.captions import Words, by_class
    from ganzoo.data.pictures import rows_of_pairs
    from ganzoo.running.nearest import nearest_training
    from ganzoo.system.console import notice

    samples = made.samples
    real, by = nearest_training(run, samples, made.y)
    if by != "pixels":
        notice(f"the nearest are those whose z, by {by}, is nearest")
    made.arrays["nearest"] = real.numpy()
    made.columns = by_class(Words(), made.y, run.card.class_names)[1]
    made.rows, made.names = rows_of_pairs(samples, real, made.columns), ("generated", "training")
    made.says += ", each above the training image that is nearest"


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


def _write(out: Path, ending: str, made: Made, run: Sampler, words: Words | None) -> list[Path]:
    """The files that were written."""
    from ganzoo.running.written import write_arrays, write_sounds, write_table

    if ending == ".npz":
        return write_arrays(out, made.arrays)
    if ending == ".csv":
        return write_table(out, run, made.samples, made.y)
    if ending == ".wav":
        return write_sounds(out, run, made.samples)
    from dataclasses import replace

    from ganzoo.data.captions import by_class
    from ganzoo.data.pictures import picture

    columns, made_of, real = made.columns, None if made.rows else made.y, _real(run)
    if words is not None:
        words = replace(words, rows=made.names)
        if not made.columns or made.rows:
            labels = made.y if run.known.num_classes else None
            words, of_classes = by_class(words, labels, run.card.class_names)
            columns = columns or of_classes
            if made.rows and words.each:
                words = replace(words, each=())
    modes = run.dataset.modes if real is not None else None
    picture(out, made.samples, real, columns, words, made_of, modes, made.walks, made.rows)
    return [out]
