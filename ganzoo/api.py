"""ganzoo from Python: the same words as on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo.errors import UsageError, nearest
from ganzoo.extractors.base import Extractor
from ganzoo.extractors.open import open_extractor
from ganzoo.plan.words import Words
from ganzoo.registry.options import options_of
from ganzoo.running.run import Run, create, load
from ganzoo.running.training import extend, plan_run

if TYPE_CHECKING:
    import torch


def train(
    model: str, dataset: str, *, out: str | Path | None = None, progress: bool = True, **words: Any
) -> Run:
    """Train a model and return its run.

    Args:
        model, dataset: by name, as `ganzoo list` shows them.
        out: run folder; the next number under runs/ where left out.
        progress: show a progress bar on stderr.
        words: the options of `ganzoo run`, with underscores: steps, seed, loss, lr_g, label_smoothing, ...;
            `stabilizer` and `callback` are lists of "NAME:key=value", `set` a dict of settings.

    Raises:
        UsageError: a word is wrong; nothing was written.
        WorkError: training failed; the run folder keeps the last good checkpoint.
    """
    known = options_of(Words, ("model", "dataset"))
    for word in words:
        if word not in known:
            raise UsageError(f"train() has no argument {word!r}: {nearest(word, known)}")
    config, data = plan_run(Words(model, dataset, **words))
    run = create(config, None if out is None else str(out))
    run.train(data, progress=progress)
    return run


def extractor(name: str, weights: str | Path | None = None, offline: bool = False) -> Extractor:
    """A feature extractor by name: uint8 [N, C, H, W] -> {"features": [N, d], "logits": [N, k] | None}.

    Raises:
        UsageError: there is no such extractor, or its weights can't be had.
    """
    return open_extractor(name, weights, offline)


def resume(
    path: str | Path | None = None,
    *,
    steps: int | None = None,
    reschedule: bool = False,
    dataset: str | None = None,
    data_root: str | Path | None = None,
    device: str | torch.device | None = None,
    callback: str | Iterable[str] = (),
    progress: bool = True,
) -> Run:
    """Go on with a run as if it had never stopped.

    Args:
        path: the run folder, its name under runs/, or the newest where left out.
        steps: a larger budget. Schedules stay at their last value once their plan is done.
        reschedule: stretch the schedules over the larger budget instead.
        dataset: the name that opens the same data, where they lie elsewhere now: "folder:NEW".
        data_root: where datasets are, or are downloaded to, if that is another folder now.
        device: where it goes on, if that is another one; the last bits of its numbers differ then.
        callback: who looks on from now on too, as "NAME:key=value"; "none" drops those before.
        progress: show a progress bar on stderr.

    Raises:
        UsageError: a word is wrong, or the run cannot go on; nothing was written.
        WorkError: training failed; the run folder keeps the last good checkpoint.
    """
    run = load(path, device="auto" if device is None else device)
    run.move(dataset, data_root, device)
    run.watch(callback)
    if extend(run, steps, reschedule):
        run.train(progress=progress)
    return run
