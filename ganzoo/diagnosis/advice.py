"""Switches to try: only such as exist, as the run does not have yet, and as its model, loss and D bear."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import torch

from ganzoo.data.kinds import kind_of
from ganzoo.errors import UsageError, WorkError
from ganzoo.models.recipe import Recipe
from ganzoo.models.sample import pack, scales
from ganzoo.plan.assemble import build_loss, build_trained
from ganzoo.plan.config import Config
from ganzoo.registry import STABILIZERS
from ganzoo.registry.spec import Spec
from ganzoo.stabilizers.base import refuse_nonsense
from ganzoo.stabilizers.open import open_stabilizer

Change = tuple[str, Config]  # as typed, and the settings that it makes
MOST = 3  # suggestions for a finding
SLOWER = 4.0  # a learning rate is suggested to be so many times as small
BOUNDS = ("r1", "gradient-penalty", "spectral-norm", "gradient-normalization", "clip-weights", "dragan")
IMAGES = ("diffaugment",)


def advise(config: Config, *wanted: str) -> tuple[str, ...]:
    """The first few of the `wanted` remedies, by their names below, that go with these settings."""
    made: list[str] = []
    for name in wanted:
        for typed, changed in _changes(config, name):
            if len(made) < MOST and typed not in made and _fits(config, changed):
                made.append(typed)
    return tuple(made)


def _changes(config: Config, name: str) -> Iterator[Change]:
    """The remedy, if it has a meaning for this run: none that it has already."""
    if name in REMEDIES:
        yield from REMEDIES[name](config)
    else:
        yield from _stabilizer(config, Spec.parse(name))


def _stabilizer(config: Config, spec: Spec) -> Iterator[Change]:
    given = [each.name for each in config.recipe.stabilizers]
    images = kind_of(config) == "images"
    if spec.name in given or (spec.name in IMAGES and not images):
        return
    if spec.name in BOUNDS and set(BOUNDS) & set(given):  # D is bounded in some way already
        return
    try:
        options = open_stabilizer(spec).model_options()
    except (UsageError, WorkError):
        return
    if any(key not in config.model_options or config.model_options[key] != 1 for key in options):
        return  # packing is the one such option: of a model that cannot pack, or does so already
    recipe = dataclasses.replace(
        config.recipe, stabilizers=(*map(str, config.recipe.stabilizers), str(STABILIZERS.settled(spec)))
    )
    typed = {"label-smoothing": "--label-smoothing 0.1", "skip-d": "--skip-d-below 0.3"}.get(
        spec.name, f"--stabilizer {spec}"
    )
    changed = dataclasses.replace(config, recipe=recipe, model_options={**config.model_options, **options})
    yield typed, changed


def _recipe(config: Config, typed: str, **given: Any) -> Change:
    recipe = config.recipe.with_settings({key.replace("__", "."): value for key, value in given.items()})
    return typed, dataclasses.replace(config, recipe=recipe)


def _number(value: float) -> str:
    return f"{value:.2g}"


def _slower(net: str, only_if_faster: bool = False) -> Callable[[Config], Iterator[Change]]:
    def change(config: Config) -> Iterator[Change]:
        rates = {"g": config.recipe.optimizer_g.lr, "d": config.recipe.optimizer_d.lr}
        other = rates["d" if net == "g" else "g"]
        if only_if_faster and rates[net] <= other:
            return
        new = _number(rates[net] / SLOWER if not only_if_faster else max(other, rates[net] / 100))
        yield _recipe(config, f"--lr-{net} {new}", **{f"optimizer_{net}__lr": float(new)})

    return change


def _both_slower(config: Config) -> Iterator[Change]:
    rates = config.recipe.optimizer_g.lr, config.recipe.optimizer_d.lr
    new = _number(min(rates) / SLOWER)
    yield _recipe(config, f"--lr {new}", optimizer_g__lr=float(new), optimizer_d__lr=float(new))


def _fewer_of_d(config: Config) -> Iterator[Change]:
    if config.recipe.n_dis > 1:
        yield _recipe(config, "--n-dis 1", n_dis=1)


def _more_of_d(config: Config) -> Iterator[Change]:
    new = config.recipe.n_dis + 1
    if new <= 5:
        yield _recipe(config, f"--n-dis {new}", n_dis=new)


def _loss(name: str, instead_of: tuple[str, ...]) -> Callable[[Config], Iterator[Change]]:
    def change(config: Config) -> Iterator[Change]:
        if config.recipe.loss in instead_of:
            yield _recipe(config, f"--loss {name}", loss=name)

    return change


def _no_momentum(config: Config) -> Iterator[Change]:
    recipe = config.recipe
    for key, kind in (("beta1", "adam"), ("momentum", "sgd"), ("momentum", "rmsprop")):
        nets = [
            net
            for net in ("optimizer_g", "optimizer_d")
            if getattr(recipe, net).kind == kind and getattr(getattr(recipe, net), key) > 0.0
        ]
        if nets:
            typed = " ".join(f"--set {net}.{key}=0" for net in nets)
            yield _recipe(config, typed, **{f"{net}__{key}": 0.0 for net in nets})


def _model(key: str, value: Any, instead_of: tuple[Any, ...]) -> Callable[[Config], Iterator[Change]]:
    def change(config: Config) -> Iterator[Change]:
        if config.model_options.get(key) in instead_of and key in config.model_options:
            shown = str(value).lower() if isinstance(value, bool) else value
            options = {**config.model_options, key: value}
            yield f"--set model.{key}={shown}", dataclasses.replace(config, model_options=options)

    return change


def _shorter_average(config: Config) -> Iterator[Change]:
    recipe = config.recipe
    plan = recipe.steps * recipe.batch_size
    usual = Recipe().ema_ramp
    if recipe.ema_ramp > usual:
        yield _recipe(config, f"--set ema_ramp={usual:g}", ema_ramp=usual)
    new = float(_number(min(recipe.ema_halflife / SLOWER, plan / 40)))
    if 0.0 < new < recipe.ema_halflife:
        yield _recipe(config, f"--set ema_halflife={new:g}", ema_halflife=new)


REMEDIES: dict[str, Callable[[Config], Iterator[Change]]] = {
    "n-dis 1": _fewer_of_d,
    "more of d": _more_of_d,
    "lr-d as lr-g": _slower("d", only_if_faster=True),
    "lr-g as lr-d": _slower("g", only_if_faster=True),
    "lr-d lower": _slower("d"),
    "lr-g lower": _slower("g"),
    "lr lower": _both_slower,
    "loss non-saturating": _loss("non-saturating", ("minimax",)),
    "loss relativistic": _loss("relativistic", ("minimax", "non-saturating", "least-squares", "hinge")),
    "no momentum": _no_momentum,
    "norm in g": _model("g_norm", True, (False,)),
    "layer norm in d": _model("d_norm", "layer", ("none", "batch")),
    "shorter average": _shorter_average,
}


def _fits(config: Config, changed: Config) -> bool:
    """Whether a model can be built and judged by these settings, as `ganzoo run` would see to it."""
    try:
        gan, stabilizers = build_trained(changed, torch.device("cpu"))
        refuse_nonsense(gan, build_loss(changed.recipe.loss), changed.recipe.loss, stabilizers)
    except (UsageError, WorkError):
        return False
    added = {each.name for each in stabilizers} - {each.name for each in config.recipe.stabilizers}
    if "minibatch-std" in added and _knows_the_batch(config):
        return False
    return changed.recipe.batch_size % gan.pack == 0


@torch.no_grad()
def _knows_the_batch(config: Config) -> bool:
    """Whether D's answer to one sample changes with the others beside it, as it is."""
    gan, _ = build_trained(config, torch.device("cpu"))
    gan.eval()
    n = 4 * gan.pack
    x = torch.rand(n, *config.sample_shape) * 2.0 - 1.0
    y = torch.zeros(n, dtype=torch.int64) if gan.num_classes else None
    if gan.condition_shape:
        y = torch.zeros(n, *gan.condition_shape)
    answers = []
    for others in (x, -x):
        others = torch.cat([x[: gan.pack], others[gan.pack :]])
        logits = scales(gan.discriminator(pack(gan.view(others), gan.pack), y))
        answers.append([part[0] for part in logits])
    return not all(torch.equal(a, b) for a, b in zip(*answers, strict=True))
