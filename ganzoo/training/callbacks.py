"""What happens between steps: the log, the pictures, the bar, and a clean end on Ctrl-C."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn
from rich.text import Text

from ganzoo.data.kinds import kind_of
from ganzoo.system.bars import Words
from ganzoo.system.console import plain, stderr
from ganzoo.system.lines import append_line
from ganzoo.training.checkpoint import diverged
from ganzoo.training.signals import Signals
from ganzoo.training.trainer import Callback, Every, Trainer


class Log(Callback):
    """A line of log.jsonl every `every` steps; stops the run when a loss is no number any more."""

    def __init__(self, folder: Path, every: int, signals: Signals | None = None) -> None:
        self.folder, self.every, self.signals = folder, every, signals
        self.last: dict[str, float] = {}
        self._seconds = 0.0
        self._step: int | None = None

    def after_step(self, trainer: Trainer) -> None:
        if self._step is None:
            self._step = trainer.started_at
        if trainer.step % self.every == 0 or trainer.is_last:
            self.write(trainer)

    def write(self, trainer: Trainer) -> None:
        values = trainer.meter.read()
        for stabilizer in trainer.stabilizers:
            values.update(stabilizer.log())
        values.update(self.signals.take() if self.signals else {})
        values.update(trainer.scales.log())
        steps = trainer.step - (self._step or 0)
        rate = steps / max(trainer.seconds - self._seconds, 1e-9)
        self._seconds, self._step = trainer.seconds, trainer.step
        self.last = values
        images_per_s = rate * trainer.recipe.n_dis * trainer.recipe.batch_size
        for name, value in values.items():
            if not math.isfinite(value):
                raise diverged(self.folder, name, trainer.step)
        if lost := trainer.scales.lost():
            raise diverged(self.folder, f"gradients of the {lost}", trainer.step)
        row = {
            "step": trainer.step,
            "images": trainer.images,
            **({"rollbacks": trainer.rollbacks} if trainer.rollbacks else {}),
            **values,
            "images_per_s": round(images_per_s, 1),
        }
        append_line(self.folder / "log.jsonl", row)


class Pictures(Every):
    """A picture of the same z every `every` steps and at the end, so that one sees the same samples age."""

    def __init__(self, folder: Path, every: int) -> None:
        super().__init__(every)
        self.folder = folder

    def act(self, trainer: Trainer) -> None:
        from ganzoo.data.pictures import AT_ONCE, SHOWN, picture

        dataset = trainer.dataset
        n = AT_ONCE.get(kind_of(dataset), SHOWN)
        samples = dataset.to_units(trainer.generate(n, "fixed", trainer.config.seed))
        picture(
            self.folder / "samples" / f"step-{trainer.step:08d}.png",
            samples,
            None if kind_of(dataset) in AT_ONCE else dataset.test.all()[0],
            title=f"step {trainer.step}",
            made_of=trainer.conditions.in_turn(n),
        )


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


class Bar(Callback):
    """A progress bar on stderr: speed and time left; below it D's judgement, the losses, the last scores."""

    def __init__(self, log: Log, scores: Mapping[str, float]) -> None:
        self.log, self.scores = log, scores
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
        if self.log.last:
            self._progress.text = judgement(self.log.last, trainer.loss.probabilistic)
        if self.scores:
            self._progress.text += "\n" + "  ".join(
                f"{plain(key)} {value:.4g}" for key, value in self.scores.items()
            )
        if self.log.signals and self.log.signals.line:
            self._progress.text += "\n" + self.log.signals.line
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

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
