"""A run as a film: the same z through training, from the pictures it drew, or a walk from z to z."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from torch import Tensor

from ganzoo.data.captions import Words, by_class
from ganzoo.data.films import check_film, with_strip, write_film
from ganzoo.data.images import flat, refusal
from ganzoo.data.kinds import kind_of
from ganzoo.data.pictures import drawn
from ganzoo.errors import UsageError, WorkError
from ganzoo.system.bars import track
from ganzoo.system.console import notice, typed
from ganzoo.training.sampling import tour

if TYPE_CHECKING:
    from ganzoo.running.record import Shown
    from ganzoo.running.sampler import Sampler

MOST = 120  # frames
WALKERS = {"images": 16, "series": 9, "video": 4}
POINTS = 500
STOPS, BETWEEN = 4, 14  # z on a walk, and frames from one to the next
MILLISECONDS = 60


def timelapse(run: Shown, out: Path) -> Path:
    """The pictures `samples/step-*.png` of a run as a film. Raises UsageError if it has none.

    They show the same z at each of their steps, and there are more of them than checkpoints, which go.
    """
    check_film(out)
    found = sorted(run.path.glob("samples/step-*.png"))
    steps = {path: int(path.stem[5:]) for path in found if path.stem[5:].isdecimal()}
    if not steps:
        raise UsageError(
            f"{run.path} has no pictures of its samples to make a film of: a run draws them as it trains, "
            f"{typed('--callback', 'pictures:every=100')} more often"
        )
    paths = list(steps)
    if len(paths) > MOST:
        paths = [paths[round(i * (len(paths) - 1) / (MOST - 1))] for i in range(MOST)]
    last = max(steps[paths[-1]], run.config.recipe.steps)
    frames = []
    for path in paths:
        try:
            with flat(path, "RGB") as (image, _):
                frame = image.copy()
        except Exception as error:  # Pillow's decoders meet broken bytes with any exception
            notice(f"left out of the film: {refusal(path, error)}")
            continue
        frames.append(with_strip(frame, f"step {steps[path]:,} of {last:,}", steps[path] / last))
    if not frames:
        raise WorkError(f"none of the {len(paths)} pictures in {run.path / 'samples'} can be read")
    write_film(out, frames)
    return out


def walk(
    run: Sampler,
    out: Path,
    n: int | None = None,
    seed: int = 0,
    label: int | None = None,
    y: Tensor | None = None,
    real: Tensor | None = None,
    words: Words | None = None,
    **options: Any,
) -> Path:
    """Samples that walk from z to z and back as a film that has no end.

    Args:
        n: how many walk; some images, or many points, where left out.
        label, y: of one class, or a y for each.
        real: the real data, to be shown beside points.
        words: what is written on it.
        options: of the model's `sample`.

    Raises:
        UsageError: the model has no z, or these are not options of it.
    """
    check_film(out)
    kind = kind_of(run.known)
    n = n or (len(y) if y is not None else WALKERS.get(kind, POINTS))
    if y is None and run.known.conditional:
        y = run.card.conditions.in_turn(n, label)
    columns = None
    if words is not None:
        words = words.saying(f"{n:,} samples on a walk from z to z")
        words, columns = by_class(words, y if run.known.num_classes else None, run.card.class_names)
    modes = run.dataset.modes if real is not None else None
    frames = []
    made = tour(run.model, n, STOPS, BETWEEN, seed, y, **options)
    for x in track(made, "drawing frames", STOPS * BETWEEN):
        samples = run.to_units(x)
        if real is None and kind == "series":
            real = samples  # whose scale is that of all frames
        frames.append(Image.open(io.BytesIO(drawn(samples, real, columns, words, y, modes))).convert("RGB"))
    write_film(out, frames, MILLISECONDS, held=0)
    return out
