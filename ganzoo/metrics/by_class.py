"""Scores of each class against real samples of that class: what one number for all of them hides."""

from __future__ import annotations

from typing import Any

from ganzoo.errors import UsageError
from ganzoo.metrics.context import Context
from ganzoo.metrics.measure import Measure


def by_class(
    measure: Measure, context: Context, least: int, with_real: bool, lacking: str = ""
) -> list[dict[str, Any]]:
    """[{"class", "n", "n_real", "scores", "real"}], a row per class.

    Of so many generated samples that there are as many held-out ones of that class, where these are at least
    `least`; else of all, and without a value of real data.

    Args:
        lacking: which metrics were left out beforehand, and why.

    Raises:
        UsageError: no metric means anything of one class, or the samples have no labels.
    """
    names = [name for name, metric in measure.metrics.items() if metric.per_class]
    if not names:
        many = "s" * (len(measure.metrics) == 1)
        raise UsageError(
            f"--per-class: {', '.join(measure.metrics)} say{many} nothing of one class; "
            f"{lacking or 'use --metric fid, precision-recall or conditional-accuracy'}"
        )
    if context.fake.y is None or context.train.y is None:
        raise UsageError(
            "--per-class needs labels of the data and of the samples: evaluate a conditional run, or an .npz "
            "file with labels"
        )
    rows = []
    for label in range(context.dataset.num_classes):
        part = context.of_class(label, least)
        measured = measure(part, names, with_real, lenient=True)
        rows.append(
            {
                "class": (context.dataset.class_names or range(context.dataset.num_classes))[label],
                "n": len(part.fake),
                "n_real": len(part.real),
                "scores": measured.scores,
                "real": measured.real,
            }
        )
        for note in part.notes:
            context.note(f"per class: {note}")
        if measured.unequal:
            context.note("per class: no values of real data, as there are fewer held-out samples")
    return rows
