"""ganzoo from Python: the same words as on the command line, and objects where there are some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

from ganzoo.data.given import as_dataset
from ganzoo.data.open import GIVEN
from ganzoo.data.ranges import Range
from ganzoo.errors import UsageError, nearest
from ganzoo.extractors.base import Extractor
from ganzoo.extractors.open import open_extractor
from ganzoo.plan.by_object import loss_word, model_name, settings, stabilizer_specs
from ganzoo.plan.words import Words
from ganzoo.registry.spec import Spec
from ganzoo.running.callbacks import sorted_out
from ganzoo.running.folder import RUNS
from ganzoo.running.listing import list_runs
from ganzoo.running.run import Run, create, load
from ganzoo.running.sent import sent
from ganzoo.running.training import extend, plan_run
from ganzoo.system.console import notice
from ganzoo.system.stores import is_address

if TYPE_CHECKING:
    import torch

    from ganzoo.losses import Loss
    from ganzoo.models.base import GAN
    from ganzoo.models.recipe import Optimizer, Recipe
    from ganzoo.stabilizers.base import Stabilizer
    from ganzoo.training.trainer import Callback


def train(
    model: str | type[GAN],
    data: Any = None,
    y: Any = None,
    *,
    test: Any = None,
    pixels: Range | None = None,
    dataset: str | None = None,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    device: str = "auto",
    recipe: str | Recipe = "default",
    loss: str | Loss | type[Loss] | None = None,
    optimizer: str | type[torch.optim.Optimizer] | Optimizer | Any = None,
    optimizer_g: str | type[torch.optim.Optimizer] | Optimizer | Any = None,
    optimizer_d: str | type[torch.optim.Optimizer] | Optimizer | Any = None,
    lr: float | None = None,
    lr_g: float | None = None,
    lr_d: float | None = None,
    n_dis: int | None = None,
    label_smoothing: float | None = None,
    skip_d_below: float | None = None,
    stabilizer: str | Stabilizer | Iterable[str | Spec | Stabilizer | type[Stabilizer]] = (),
    stabilizers: Iterable[str | Spec | Stabilizer | type[Stabilizer]] = (),
    set: str | Iterable[str] | Mapping[str, Any] = (),
    conditional: bool | None = None,
    precision: str = "fp32",
    compile: bool = False,
    checkpoint_every: int | None = None,
    eval_every: int | None = None,
    eval_metric: str | Iterable[str] = (),
    on_nan: str = "stop",
    stop_when: str | None = None,
    patience: int | None = None,
    callback: str | Callback | Iterable[str | Spec | Callback] = (),
    callbacks: Iterable[str | Spec | Callback] = (),
    data_root: str | Path | None = None,
    offline: bool = False,
    out: str | Path | None = None,
    progress: bool = True,
    **unknown: Never,
) -> Run:
    """Train a model and return its run.

    Args:
        model: a name of `ganzoo list models`, or a subclass of `ganzoo.GAN`.
        data: a name of `ganzoo list datasets` ("mnist", "folder:PATH"); an array or tensor [N, ...]; a torch
            Dataset or DataLoader; a Hugging Face dataset; a pandas frame of numbers; a `ganzoo.Dataset`.
        y: of each row of `data` its class, as a whole number or text, or values; of a table a column's name.
        test: what is held out, of the same kind as `data`; a tenth of it where left out.
        pixels: the range of images that are floats, (0, 1) or (-1, 1); uint8 needs none.
        dataset: `data` by name, as on the command line.
        steps: updates of G; each after n_dis updates of D. The recipe says how many where left out.
        epochs: passes over the training data, instead of steps.
        batch_size: samples of a step; that of the recipe where left out, or that of a DataLoader.
        seed: of all that is drawn.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        recipe: the model's settings, "default" or "paper", or a `ganzoo.Recipe`.
        loss: a name of `ganzoo list losses`, a `ganzoo.Loss`, or its class.
        optimizer: of both nets: a name, a class of torch.optim, `functools.partial` of one, or a
            `ganzoo.Optimizer`; `optimizer_g` and `optimizer_d` of one of them.
        lr: learning rate of both nets; `lr_g` and `lr_d` of one of them.
        n_dis: updates of D in a step.
        label_smoothing: one-sided, in [0, 0.5): real targets become 1 - F.
        skip_d_below: skip D's update while its running plain loss is below this.
        stabilizers: names, "NAME:key=value", classes or objects; "none" drops the recipe's. `stabilizer`
            is the same, as on the command line.
        set: options of the model, of the data and of the recipe, {"model.width": 32}.
        conditional: learn the labels too, or not; the recipe says where left out.
        precision: "fp32", "bf16", "fp16".
        compile: have torch.compile make G and D faster, as far as it can.
        checkpoint_every, eval_every: in steps.
        eval_metric: names, measured as training goes on; the best by the first is kept.
        on_nan: "stop", or "rollback" to the last checkpoint at half the rates.
        stop_when: end early, at "fid < 0.05", say.
        patience: end early after so many evaluations without a better one.
        callbacks: names, or objects of `ganzoo.Callback`, which look on themselves. `callback` is the same.
        data_root: where datasets are, or are downloaded to.
        offline: touch no network.
        out: run folder, or an address to copy it to as well (s3://...); the next number under runs/ where
            left out.
        progress: show how far it is: on stderr, or in the cell of a notebook.

    Raises:
        UsageError: a word is wrong; nothing was written.
        WorkError: training failed; the run folder keeps the last good checkpoint.
    """
    for word in unknown:
        raise UsageError(f"train() has no argument {word!r}: {nearest(word, signature(train).parameters)}")
    if (data is None) == (dataset is None):
        raise UsageError("say what to train on, once: as data, or by name as dataset")
    name, given = data if isinstance(data, str) else dataset, None
    if name is None:
        given = as_dataset(data, y, test, pixels)
        if batch_size is None:
            batch_size = getattr(given, "batch_size", None)
    elif y is not None or test is not None or pixels is not None:
        raise UsageError(f"{name} has its labels, its test split and its pixels: give its name alone")
    both = optimizer is not None and (optimizer_g is not None or optimizer_d is not None)
    if both:
        raise UsageError("optimizer is of both nets: give it, or optimizer_g and optimizer_d")
    named, lookers = sorted_out([*_several(callback), *_several(callbacks)])
    words = Words(
        model_name(model),
        name or GIVEN,
        given=given,
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        device=device,
        recipe=recipe if isinstance(recipe, str) else "default",
        own_recipe=None if isinstance(recipe, str) else recipe,
        loss=loss_word(loss),
        lr=lr,
        lr_g=lr_g,
        lr_d=lr_d,
        n_dis=n_dis,
        label_smoothing=label_smoothing,
        skip_d_below=skip_d_below,
        stabilizer=[*stabilizer_specs(stabilizer or ()), *stabilizer_specs(stabilizers or ())],
        set=settings(
            () if set is None else set, {"g": optimizer_g or optimizer, "d": optimizer_d or optimizer}
        ),
        conditional=conditional,
        precision=precision,
        compile=compile,
        checkpoint_every=checkpoint_every,
        eval_every=eval_every,
        eval_metric=eval_metric,
        on_nan=on_nan,
        stop_when=stop_when,
        patience=patience,
        callback=named,
        data_root=None if data_root is None else str(data_root),
        offline=offline,
    )
    config, found = plan_run(words)
    place = None if out is None else str(out)
    if is_address(place):
        config, place = sent(config, place)
    run = create(config, place)
    run.train(found, progress=progress, callbacks=lookers)
    return run


def _several(given: Any) -> Sequence[Any]:
    """One, or several."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        raise UsageError(f"callbacks: expected a list of names and objects, got {given!r}")
    return list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]


def extractor(name: str, weights: str | Path | None = None, offline: bool = False) -> Extractor:
    """A feature extractor by name: uint8 [N, C, H, W] -> {"features": [N, d], "logits": [N, k] | None}.

    Raises:
        UsageError: there is no such extractor, or its weights can't be had.
    """
    return open_extractor(name, weights, offline)


def runs(folder: str | Path = RUNS) -> list[Run]:
    """The runs in a folder, the one that was trained last at the end; damaged ones are told of and left out.

    Raises:
        UsageError: there is no such folder.
    """
    found = []
    for row in list_runs(folder):
        if row.damage:
            notice(f"{row.path} is left out: {row.damage}")
        else:
            found.append(load(row.path))
    return found


def resume(
    path: str | Path | Run | None = None,
    data: Any = None,
    y: Any = None,
    *,
    test: Any = None,
    pixels: Range | None = None,
    steps: int | None = None,
    reschedule: bool = False,
    dataset: str | None = None,
    data_root: str | Path | None = None,
    device: str | torch.device | None = None,
    compile: bool | None = None,
    callback: str | Callback | Iterable[str | Spec | Callback] = (),
    callbacks: Iterable[str | Spec | Callback] = (),
    progress: bool = True,
) -> Run:
    """Go on with a run as if it had never stopped.

    Args:
        path: the run folder, its name under runs/, or the newest where left out.
        data, y, test, pixels: as for `train`, where the run was trained on data that were given so: the same.
        steps: a larger budget. Schedules stay at their last value once their plan is done.
        reschedule: stretch the schedules over the larger budget instead.
        dataset: the name that opens the same data, where they lie elsewhere now: "folder:NEW".
        data_root: where datasets are, or are downloaded to, if that is another folder now.
        device: where it goes on, if that is another one; the last bits of its numbers differ then.
        compile: whether nets are compiled from now on; as it was where left out.
        callbacks: who looks on from now on too, by name ("none" drops those before), or objects. `callback`
            is the same.
        progress: show how far it is.

    Raises:
        UsageError: a word is wrong, or the run cannot go on; nothing was written.
        WorkError: training failed; the run folder keeps the last good checkpoint.
    """
    if isinstance(data, str):
        if dataset is not None:
            raise UsageError("say where the data are once: as data, or by name as dataset")
        data, dataset = None, data
    run = load(path, data, y, test=test, pixels=pixels, device="auto" if device is None else device)
    run.move(dataset, data_root, device, compile)
    named, lookers = sorted_out([*_several(callback), *_several(callbacks)])
    run.watch(named)
    if extend(run, steps, reschedule):
        run.train(progress=progress, callbacks=lookers)
    return run
