"""What a report asks of a run's data and generator: real points, modes, the nearest training images."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from torch import Tensor

from ganzoo.data.base import Modes
from ganzoo.data.kinds import kind_of
from ganzoo.errors import UsageError, WorkError
from ganzoo.registry.blame import blaming
from ganzoo.reports.clouds import Points
from ganzoo.reports.pictures import data_uri, webps
from ganzoo.reports.subject import Subject
from ganzoo.running.nearest import as_asked, nearest_training
from ganzoo.running.run import Run, load

PAIRS = 12
LARGEST = 2**28  # numbers of training data that are compared


@dataclass(frozen=True)
class Pair:
    """A generated image and its nearest training image, as data URIs, and how far apart they are.

    Attributes:
        apart: the root of their mean squared difference, in levels of 255.
    """

    generated: str
    nearest: str
    apart: float


@dataclass(frozen=True)
class Nearest:
    """`by` says what was compared: pixels, or what the model's encoder finds."""

    pairs: list[Pair]
    by: str
    among: int
    width: int
    height: int


@dataclass
class Opened:
    """What was to be had; `notes` say why not the rest."""

    real: Points | None = None
    modes: Modes | None = None
    nearest: Nearest | None = None
    notes: list[str] = field(default_factory=list)


def points_of(subject: Subject) -> Opened:
    """The real points [M, 2] and the modes of the data in the plane that a run learnt from."""
    found = Opened()
    try:
        with blaming():
            dataset = _run(subject).dataset
            found.real, found.modes = dataset.test.all()[0].float().numpy(), dataset.modes
    except (UsageError, WorkError, OSError) as error:
        found.notes.append(f"No real data are shown beside the samples: {error}.")
    return found


def nearest_of(subject: Subject, budget: int) -> Opened:
    """Some samples and their nearest training images, in about so many bytes."""
    found = Opened()
    if kind_of(subject.config) != "images":
        return found
    try:
        with blaming():
            found.nearest = _nearest(_run(subject), budget)
    except (UsageError, WorkError, OSError) as error:
        found.notes.append(f"Not looked for: {error}.")
    return found


def _run(subject: Subject) -> Run:
    """The run on the CPU, with data that are not downloaded for it."""
    run = load(subject.path, device="cpu")
    given = None if subject.held is None else vars(subject.held).get("dataset")
    if given is not None:  # in Python, or open already
        run.dataset = given
    run.config = dataclasses.replace(run.config, data_options={**run.config.data_options, "offline": True})
    return run


def _nearest(run: Run, budget: int) -> Nearest:
    train = run.dataset.train
    count = len(train) * math.prod(run.config.sample_shape)
    if count > LARGEST:
        raise UsageError(
            f"the training data have {count:,} numbers, which is much for a report; ganzoo sample --nearest "
            f"compares with them all"
        )
    y = run.card.conditions.in_turn(PAIRS) if run.config.conditional else None
    labels, condition = as_asked(run, y)
    samples = run.sample(PAIRS, labels=labels, condition=condition)
    real, by = nearest_training(run, samples, y)
    levels = (samples.float() - real.float()).flatten(1).square().mean(1).sqrt()
    pictures = [_image(one) for one in [*samples, *real]]
    encoded = [data_uri(content) for content in webps(pictures, budget)]
    pairs = [Pair(*parts) for parts in zip(encoded, encoded[len(samples) :], levels.tolist(), strict=False)]
    return Nearest(pairs, by, len(train), pictures[0].width, pictures[0].height)


def _image(x: Tensor) -> Image.Image:
    """uint8 [C, H, W], of 1 or 3 channels; of more the first is shown."""
    array = x.permute(1, 2, 0).numpy()
    return Image.fromarray(np.ascontiguousarray(array if array.shape[2] == 3 else array[:, :, 0]))
