"""What the registry knows of a member beside its options: what it goes with, and what it is refused with."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from member_fits import told_of_models

from ganzoo.registry import LOSSES, METRICS, MODELS, STABILIZERS
from ganzoo.registry.registry import DISTRIBUTION, Registry
from ganzoo.registry.spec import Spec
from ganzoo.table.layout import BETTER

LACKS: dict[str, Callable[[type], bool]] = {  # by a stabilizer's need, whether a loss has it not
    "targets": lambda loss: not loss.has_targets,
    "bounded-loss": lambda loss: not loss.bounded_below,
    "unpaired-loss": lambda loss: loss.needs_real_in_g,
}


def own(registry: Registry) -> list[str]:
    """The zoo's own members: other packages that happen to be installed are no part of the pages."""
    return [entry.name for entry in registry.entries() if entry.distribution == DISTRIBUTION]


def of_loss(name: str) -> list[str]:
    refused = [stabilizer for stabilizer in own(STABILIZERS) if _unfit(stabilizer, name)]
    return [
        *_recipes(lambda recipe: recipe.loss == name),
        f"- Refused with it: {links(refused, '../stabilizers/') if refused else 'no stabilizer'}.",
    ]


def of_stabilizer(name: str) -> list[str]:
    member = STABILIZERS.get(name)
    losses = [loss for loss in own(LOSSES) if _unfit(name, loss)]
    others = [
        other
        for other in own(STABILIZERS)
        if other in member.refuses or name in STABILIZERS.get(other).refuses
    ]
    lines = _recipes(lambda recipe: name in [Spec.parse(spec).name for spec in recipe.stabilizers])
    if losses:
        lines.append(f"- Refused with the losses {links(losses, '../losses/')}.")
    if others:
        lines.append(f"- Refused together with {links(others, '')}.")
    lines += told_of_models(name, own(MODELS))
    if "per-sample-gradients" in member.needs:
        lines.append("- Refused where BatchNorm in D mixes the samples of a batch.")
    if member.alone:
        lines.append("- Refused where several processes share a batch: it has to see the whole of it.")
    return lines


def of_metric(name: str) -> list[str]:
    """Its scores, in the order in which it declares them."""
    member = METRICS.get(name)
    lines = ["| score | what it is | better |", "|---|---|---|"]
    lines += [
        f"| `{key}` | {member.says.get(key, '-').replace('|', chr(92) + '|')} | {BETTER[higher]} |"
        for key, higher in member.higher_is_better.items()
    ]
    needs = ", ".join(member.needs)
    return [*lines, *(["", f"It needs: {needs}."] if needs else [])]


FACTS: dict[str, Callable[[str], list[str]]] = {
    "loss": of_loss,
    "stabilizer": of_stabilizer,
    "metric": of_metric,
}


def links(names: Iterable[str], folder: str) -> str:
    return ", ".join(f"[{name}]({folder}{name}.md)" for name in names)


def _unfit(stabilizer: str, loss: str) -> bool:
    member = LOSSES.get(loss)
    return any(LACKS[need](member) for need in STABILIZERS.get(stabilizer).needs if need in LACKS)


def _recipes(having: Callable[[object], bool]) -> list[str]:
    """Which recipes have it, model by model."""
    found = []
    for model in own(MODELS):
        names = [name for name, recipe in MODELS.get(model).recipes.items() if having(recipe)]
        if names:
            found.append(f"[{model}](../models/{model}.md) ({', '.join(f'`{name}`' for name in names)})")
    return [f"- In the recipes of {', '.join(found)}."] if found else ["- In no recipe."]
