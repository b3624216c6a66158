"""What a run has written down, for a person: its history, scores, diagnosis, and all of it at a glance."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo.data.open import GIVEN
from ganzoo.diagnosis.finding import Finding
from ganzoo.plan.config import Config
from ganzoo.registry.spec import Ref
from ganzoo.running.diagnosis import diagnosis
from ganzoo.running.history import History
from ganzoo.system.console import number
from ganzoo.system.lines import read_lines
from ganzoo.system.notebook import as_html
from ganzoo.training.rows import metrics_row
from ganzoo.training.stored import steps_done

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Shown:
    """A run folder, as a person looks at it.

    Attributes:
        path: the folder.
        config: its settings.
    """

    path: Path
    config: Config

    @property
    def history(self) -> Any:
        """What was logged: a row for every so many steps, a column for each number, nan where there is none.

        A pandas frame where pandas is installed, else a `History`, which has the same columns as arrays.
        Scores that were measured during training are columns too.
        """
        return History.of(self.path).as_frame()

    @property
    def scores(self) -> dict[str, float]:
        """Each score as it was measured last, by its name: {"fid@mnist-cnn-v1": 12.3}."""
        found: dict[str, float] = {}
        for row in read_lines(self.path / "metrics.jsonl", metrics_row):
            found |= row["scores"]
        return found

    def diagnose(self) -> list[Finding]:
        """What is wrong with the training, the worst first; at any time."""
        return diagnosis(self)

    def plot(self) -> Figure:
        """Curves of the losses, of what D says, and of the scores, over steps: a figure of matplotlib's."""
        from ganzoo.running.curves import curves

        return curves(History.of(self.path), str(self))

    @property
    def picture(self) -> Path | None:
        """The newest picture of samples, where there is one."""
        return max(self.path.glob("samples/step-*.png"), default=None)

    def __str__(self) -> str:
        ref = Ref.parse(self.config.dataset)
        data = f"data from Python ({ref.path})" if ref.name == GIVEN else self.config.dataset
        done, steps = steps_done(self.path), self.config.recipe.steps
        return f"{self.config.model} on {data}: step {done:,} of {steps:,}"

    def __repr__(self) -> str:
        return f"<Run {str(self.path)!r}: {self}>"

    def _repr_html_(self) -> str:
        """The same with its picture, scores and diagnosis, as a notebook shows it."""
        parts = [f"<b>{html.escape(str(self))}</b><br><code>{html.escape(str(self.path))}</code>"]
        if self.picture is not None:
            parts.append(f"<br>{as_html(self.picture.read_bytes())}")
        scores = "".join(
            f"<tr><td style='text-align:left'>{html.escape(name)}</td><td>{number(value)}</td></tr>"
            for name, value in self.scores.items()
        )
        if scores:
            parts.append(f"<table><tr><th style='text-align:left'>score</th><th></th></tr>{scores}</table>")
        found = "".join(f"<li>{html.escape(str(finding))}</li>" for finding in self.diagnose())
        parts.append(f"<ul>{found}</ul>" if found else "")
        return "<div>" + "".join(filter(None, parts)) + "</div>"
