"""What happens between steps: the log, the pictures, and a clean end on Ctrl-C."""

from __future__ import annotations

import io
import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np
from torch import Tensor

from ganzoo.data.kinds import has_pixels, kind_of
from ganzoo.errors import WorkError
from ganzoo.models.recipe import MOST_STEPS
from ganzoo.registry.blame import known_as
from ganzoo.registry.kinds import as_int
from ganzoo.system.files import write_whole
from ganzoo.system.lines import append_line
from ganzoo.system.processes import ENDING
from ganzoo.training.checkpoint import diverged
from ganzoo.training.stored import IN_THE_PLANE, PICTURE, POINTS, SAMPLES
from ganzoo.training.trainer import Callback, Every, Trainer

MOST_SHOWN = 10_000  # samples in a picture


class Log(Callback):
    """A line of log.jsonl every so many steps; it ends a run whose loss is no number any more.

    Args:
        every: steps between two rows; none: a fiftieth of the plan, and 50 at most.
    """

    def __init__(self, every: int | None = None) -> None:
        self._every = _asked("log: every", every, MOST_STEPS)
        self._seconds = 0.0

    def begin(self, trainer: Trainer) -> None:
        self.every, self._step = self._every or trainer.config.log_every, trainer.step

    def after_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every == 0 or trainer.is_last:
            self.write(trainer)

    def write(self, trainer: Trainer) -> None:
        values = trainer.meter.read()
        for stabilizer in trainer.stabilizers:
            values.update(stabilizer.log())
        values.update(trainer.scales.log())
        steps = trainer.step - self._step
        rate = steps / max(trainer.seconds - self._seconds, 1e-9)
        self._seconds, self._step = trainer.seconds, trainer.step
        images_per_s = rate * trainer.recipe.n_dis * trainer.recipe.batch_size
        for name, value in values.items():
            if not math.isfinite(value):
                raise diverged(trainer.folder, name, trainer.step)
        if lost := trainer.scales.lost():
            raise diverged(trainer.folder, f"gradients of the {lost}", trainer.step)
        row = {
            "step": trainer.step,
            "images": trainer.images,
            **({"rollbacks": trainer.rollbacks} if trainer.rollbacks else {}),
            **values,
        }
        # Beside the training's own columns, never in their place.
        row = {**row, **self._columns(trainer), **row, "images_per_s": round(images_per_s, 1)}
        append_line(trainer.folder / "log.jsonl", row)
        for callback in trainer.callbacks:
            callback.after_log(trainer, row)

    def _columns(self, trainer: Trainer) -> dict[str, float]:
        columns = {}
        for callback in trainer.callbacks:
            for key, value in callback.columns(trainer).items():
                try:
                    columns[str(key)] = float(value)
                except (TypeError, ValueError) as error:
                    who = known_as(type(callback))
                    raise WorkError(f"{who} gives {value!r} as column {key!r}: expected a number") from error
        return {key: value for key, value in columns.items() if math.isfinite(value)}


class Pictures(Every):
    """A picture of samples of the same z every so many steps and at the end, which shows them age.

    Where there are several, the first is of step 0, before training. Of vectors in the plane the points are
    kept beside it, as step-N.npy.

    Args:
        n: samples in it; none: 64 images, or as many in whole rows of classes, 2500 vectors.
        every: steps between two pictures; none: a tenth of the plan.
        captions: whether it says what is shown; else it has no margins.
    """

    def __init__(self, n: int | None = None, every: int | None = None, captions: bool = True) -> None:
        self._n, self._every = (
            _asked("pictures: n", n, MOST_SHOWN),
            _asked("pictures: every", every, MOST_STEPS),
        )
        self._captions = captions
        self._untrained: Tensor | None = None

    def begin(self, trainer: Trainer) -> None:
        self.every = self._every or trainer.config.sample_every
        if trainer.step == 0 and self.every < trainer.recipe.steps:
            self._untrained = self._samples(trainer)  # drawn after the first step: none can be refused then

    def after_step(self, trainer: Trainer) -> None:
        if self._untrained is not None:
            self._draw(trainer, self._untrained, 0)
            self._untrained = None
        super().after_step(trainer)

    def act(self, trainer: Trainer) -> None:
        self._draw(trainer, self._samples(trainer), trainer.step)

    def _samples(self, trainer: Trainer) -> Tensor:
        from ganzoo.data.pictures import at_once

        dataset, config = trainer.dataset, trainer.config
        n = self._n or at_once(kind_of(dataset), config.num_classes * config.conditional)
        return dataset.to_units(trainer.generate(n, "fixed", config.seed))

    def _draw(self, trainer: Trainer, samples: Tensor, step: int) -> None:
        from ganzoo.data.captions import Words, by_class, titled
        from ganzoo.data.pictures import picture

        dataset, config, n = trainer.dataset, trainer.config, len(samples)
        y = trainer.conditions.in_turn(n)
        folder = trainer.folder / SAMPLES
        if tuple(dataset.sample_shape) == IN_THE_PLANE:
            keep_points(folder / POINTS.format(step), samples)
        title = titled(config.model, config.dataset, step)
        words, columns = by_class(
            Words(title, f"{n:,} samples, the same z at every step"), y, dataset.class_names
        )
        picture(
            folder / PICTURE.format(step),
            samples,
            None if has_pixels(dataset) else dataset.test.all()[0],
            columns,
            words if self._captions else None,
            made_of=y,
            modes=dataset.modes,
        )


def keep_points(path: Path, points: Tensor) -> None:
    """Keep points [N, 2] in the data's own units: a report shows more of them than a picture does."""
    file = io.BytesIO()
    np.save(file, points.float().numpy())
    write_whole(path, file.getvalue())


def _asked(label: str, value: int | None, most: int) -> int | None:
    return None if value is None else as_int(label, value, at_least=1, at_most=most)


@contextmanager
def stops_cleanly() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, to end a loop after the step under way; twice ends it at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals belong to the main thread
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in ENDING}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
