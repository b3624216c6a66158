"""What the log of a run shows."""

from __future__ import annotations

from ganzoo.diagnosis.finding import Finding
from ganzoo.diagnosis.judge import diagnose
from ganzoo.running.folder import Recorded
from ganzoo.system.lines import read_lines
from ganzoo.training.rows import observed


def diagnosis(run: Recorded) -> list[Finding]:
    """What is wrong with the training of a run, the worst first; at any time, and of any run's log."""
    return diagnose(read_lines(run.path / "log.jsonl", observed), run.config)
