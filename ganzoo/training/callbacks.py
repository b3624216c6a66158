"""What happens between steps: the log, the pictures, the bar, and a clean end on Ctrl-C."""

from __future__ import annotations

import io
import math
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn
from rich.text import Text
from torch import Tensor

from ganzoo.data.kinds import kind_of
from ganzoo.errors import WorkError
from ganzoo.models.recipe import MOST_STEPS
from ganzoo.registry.blame import known_as
from ganzoo.registry.kinds import as_int
from ganzoo.system.bars import Words
from ganzoo.system.console import plain, stderr
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

    Of vectors in the plane the points are kept beside it, as step-N.npy.

    Args:
        n: samples in it; none: 64 images, 2500 vectors.
        every: steps between two pictures; none: a tenth of the plan.
    """

    def __init__(self, n: int | None = None, every: int | None = None) -> None:
        self._n, self._every = (
            _asked("pictures: n", n, MOST_SHOWN),
            _asked("pictures: every", every, MOST_STEPS),
        )

    def begin(self, trainer: Trainer) -> None:
        self.every = self._every or trainer.config.sample_every

    def act(self, trainer: Trainer) -> None:
        from ganzoo.data.pictures import AT_ONCE, SHOWN, picture

        dataset = trainer.dataset
        n = self._n or AT_ONCE.get(kind_of(dataset), SHOWN)
        samples = dataset.to_units(trainer.generate(n, "fixed", trainer.config.seed))
        folder = trainer.folder / SAMPLES
        if tuple(dataset.sample_shape) == IN_THE_PLANE:
            keep_points(folder / POINTS.format(trainer.step), samples)
        picture(
            folder / PICTURE.format(trainer.step),
            samples,
            None if kind_of(dataset) in AT_ONCE else dataset.test.all()[0],
            title=f"step {trainer.step}",
            made_of=trainer.conditions.in_turn(n),
        )


def keep_points(path: Path, points: Tensor) -> None:
    """Keep points [N, 2] in the data's own units: a report shows more of them than a picture does."""
    file = io.BytesIO()
    np.save(file, points.float().numpy())
    write_whole(path, file.getvalue())


def _asked(label: str, value: int | None, most: int) -> int | None:
    return None if value is None else as_int(label, value, at_least=1, at_most=most)


class TwoLines(Progress):
    """A progress bar with a line of text below it, so that 80 columns are enough."""

    text = ""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield Text(self.text)


def judgement(values: Mapping[str, float], probabilistic: bool) -> str:
    """D's answers, with what they are, and the losses; fits in 80 columns whatever the numbers are."""
    unit = "probabilities" if probabilistic else "logits"
    return (
        f"D(real) {_short(values['d_real'])}  D(fake) {_short(values['d_fake'])} ({unit})  "
        f"loss of D {_short(values['d_loss'], 3)}, of G {_short(values['g_loss'], 3)}"
    )


def _short(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:.1e}"


class Watching(Callback):
    """Has what a person wants to see while a run trains: D's judgement, the losses, the last scores."""

    def __init__(self) -> None:
        self._judged = self._scores = ""

    def after_log(self, trainer: Trainer, row: Mapping[str, float]) -> None:
        self._judged = judgement(row, trainer.loss.probabilistic)

    def after_scores(self, trainer: Trainer, scores: Mapping[str, float]) -> None:
        self._scores = "  ".join(f"{plain(key)} {value:.4g}" for key, value in scores.items())

    def lines(self, trainer: Trainer) -> list[str]:
        """These, and what other callbacks have to say."""
        others = (plain(callback.line) for callback in trainer.callbacks)
        return list(filter(None, [self._judged, self._scores, *others]))


class Bar(Watching):
    """A progress bar on stderr: speed and time left; below it D's judgement, the losses, the last scores."""

    def __init__(self) -> None:
        super().__init__()
        self._progress = TwoLines(
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            Words("{task.fields[speed]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=stderr,
            refresh_per_second=4,
            expand=True,
        )
        self._task: TaskID | None = None

    def after_step(self, trainer: Trainer) -> None:
        if self._task is None:
            self._task = self._progress.add_task("", total=trainer.recipe.steps, speed="")
            self._progress.start()
        rate = (trainer.step - trainer.started_at) / max(trainer.seconds, 1e-9)
        images = rate * trainer.recipe.n_dis * trainer.recipe.batch_size
        self._progress.text = "\n".join(self.lines(trainer))
        speed = f"{rate:.1f} steps/s, {images:.0f} images/s"
        self._progress.update(self._task, completed=trainer.step, speed=speed)

    def close(self) -> None:
        if self._task is not None:
            self._progress.stop()


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
