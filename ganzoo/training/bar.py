"""How far a training is: on a terminal a calm panel that stays where it is, elsewhere a line or two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.text import Text

from ganzoo.data.captions import titled
from ganzoo.system.bars import Words
from ganzoo.system.console import plain, stderr
from ganzoo.system.thumbnails import Thumbnail, way_of
from ganzoo.training.trainer import Callback, Trainer

PER_SECOND = 4  # looks
NARROW = 44  # columns, below which there is no frame
WIDEST = 88
EVEN = 0.55  # of the two sorts that D tells right: it does not tell them apart


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


def in_words(values: Mapping[str, float], probabilistic: bool) -> str:
    """What D can do, and with that G: of probabilities how sure D is of the right answer, on average."""
    real, fake = values["d_real"], values["d_fake"]
    if not probabilistic:
        if real <= fake:
            return "D rates generated samples as high as real ones"
        return f"D rates real samples {_short(real - fake)} above generated ones"
    right = (real + 1.0 - fake) / 2
    if right < 1 - EVEN:
        return f"D takes generated samples for real ({right:.0%} right)"
    if right <= EVEN:
        return "D does not tell them apart: G is as good as D can see"
    return f"D tells {right:.0%} apart, G passes for real {fake:.0%}"


def _short(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if abs(value) < 1000 else f"{value:.1e}"


class Watching(Callback):
    """Has what a person wants to see while a run trains: D's judgement, the losses, the last scores."""

    def __init__(self) -> None:
        self._judged = self._words = self._scores = ""

    def after_log(self, trainer: Trainer, row: Mapping[str, float]) -> None:
        self._judged = judgement(row, trainer.loss.probabilistic)
        self._words = in_words(row, trainer.loss.probabilistic)

    def after_scores(self, trainer: Trainer, scores: Mapping[str, float]) -> None:
        self._scores = "  ".join(f"{plain(key)} {value:.4g}" for key, value in scores.items())

    def lines(self, trainer: Trainer) -> list[str]:
        """These, and what other callbacks have to say."""
        others = (plain(callback.line) for callback in trainer.callbacks)
        return list(filter(None, [self._judged, self._scores, *others]))


class Bar(Watching):
    """A panel on a terminal's stderr: what trains, how far, speed, time left, D and G in words, scores.

    Where stderr is no terminal, the bar and D's judgement come once, at the end.

    Args:
        thumbnail: new pictures above the panel, small: kitty, sixel or off; auto: what the terminal can.
    """

    def __init__(self, thumbnail: str = "auto") -> None:
        super().__init__()
        self._way = way_of(thumbnail)
        self._live: Live | None = None
        self._progress: TwoLines | None = None
        self._task: TaskID | None = None

    def begin(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._title = titled(trainer.config.model, trainer.config.dataset)

    def after_step(self, trainer: Trainer) -> None:
        if not stderr.is_terminal or stderr.is_dumb_terminal:
            self._tell(trainer)
            return
        if self._live is None:  # which looks by itself now and then: a step costs nothing
            self._live = Live(get_renderable=self.panel, console=stderr, refresh_per_second=PER_SECOND)
            self._live.start()
        if self._way != "off":
            self._show(trainer.folder / "samples" / f"step-{trainer.step:08d}.png")

    def _tell(self, trainer: Trainer) -> None:
        if self._progress is None:
            self._progress = TwoLines(
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                Words("{task.fields[speed]}"),
                TimeRemainingColumn(elapsed_when_finished=True),
                console=stderr,
                refresh_per_second=PER_SECOND,
                expand=True,
            )
            self._task = self._progress.add_task("", total=trainer.recipe.steps, speed="")
            self._progress.start()
        assert self._task is not None
        self._progress.text = "\n".join(self.lines(trainer))
        self._progress.update(self._task, completed=trainer.step, speed=", ".join(_speed(trainer)))

    def panel(self) -> RenderableType:
        """All of it now, as wide as the terminal is."""
        trainer, total = self._trainer, self._trainer.recipe.steps
        wide = stderr.width >= NARROW
        width = min(stderr.width, WIDEST) - 4 * wide
        rate = (trainer.step - trainer.started_at) / max(trainer.seconds, 1e-9)
        left = (total - trainer.step) / rate if rate else 0.0
        done = Text(f"step {trainer.step:,} of {total:,} ({trainer.step / total:.0%})", "bold")
        time = _duration(trainer.seconds) if trainer.step >= total else f"{_duration(left)} left"
        lines = [done, Text("  ".join([time, *_speed(trainer)]))]
        lines += [Text(self._words, "cyan")] if self._words else []
        lines += [Text(self._judged, "dim")] if self._judged else []
        lines += [Text(self._scores, "green")] if self._scores else []
        lines += [Text(plain(one.line), "yellow") for one in trainer.callbacks if one.line]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        bar = Padding(ProgressBar(total, trainer.step, width=width), 0)  # on a line of its own
        content = Group(bar, *lines)
        if not wide:
            return Group(Text(self._title, "bold", no_wrap=True, overflow="ellipsis"), content)
        title = Text(self._title, "bold", overflow="ellipsis", no_wrap=True)
        return Panel(content, ROUNDED, title=title, title_align="left", border_style="dim", width=width + 4)

    def _show(self, picture: Path) -> None:
        if picture.exists() and self._live is not None:
            try:
                self._live.console.print(Thumbnail(picture.read_bytes(), self._way))
            except (OSError, ValueError):  # a picture is worth less than a run
                self._way = "off"

    def close(self) -> None:
        for shown in (self._live, self._progress):
            if shown is not None:
                shown.stop()


def _speed(trainer: Trainer) -> tuple[str, str]:
    rate = (trainer.step - trainer.started_at) / max(trainer.seconds, 1e-9)
    images = rate * trainer.recipe.n_dis * trainer.recipe.batch_size
    return f"{rate:.1f} steps/s", f"{images:.0f} images/s"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
