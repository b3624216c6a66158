"""Names to members: the seven registries, and what a run records of its members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ganzoo.errors import UsageError, nearest
from ganzoo.registry.registry import BY_HAND, Registry

MODELS = Registry(
    "models", "model", "ganzoo.models.base:GAN", ("sample_shape", "num_classes", "condition_shape", "kind")
)
LOSSES = Registry("losses", "loss", "ganzoo.losses:Loss")
STABILIZERS = Registry("stabilizers", "stabilizer", "ganzoo.stabilizers.base:Stabilizer")
METRICS = Registry("metrics", "metric", "ganzoo.metrics.base:Metric")
DATASETS = Registry("datasets", "dataset", "ganzoo.data.base:Dataset", ("path", "root", "offline"))
EXTRACTORS = Registry("extractors", "extractor", "ganzoo.extractors.base:Extractor", ("path", "offline"))
CALLBACKS = Registry("callbacks", "callback", "ganzoo.training.trainer:Callback")

REGISTRIES = {r.plural: r for r in (MODELS, LOSSES, STABILIZERS, METRICS, DATASETS, EXTRACTORS, CALLBACKS)}
OF_KIND = {r.kind: r for r in REGISTRIES.values()}


def origins(named: Iterable[tuple[str, str]]) -> dict[str, dict[str, str]]:
    """The distribution and the version behind each (kind, name), for a run's record; `changes` reads it."""
    return {f"{kind} {name}": OF_KIND[kind].origin(name) for kind, name in named}


def changes(origins: Mapping[str, Mapping[str, str]], run: str) -> list[str]:
    """From what a run recorded of its members to what is installed: a sentence for each other version.

    Raises:
        UsageError: a member that the run was made with is gone.
    """
    sentences: dict[str, None] = {}
    for what, origin in origins.items():
        kind, _, name = what.partition(" ")
        then, version = origin["distribution"], origin["version"]
        if kind not in OF_KIND:
            raise UsageError(
                f"{run} was made with {what!r}, and there is no such kind: {nearest(kind, OF_KIND)}"
            )
        registry = OF_KIND[kind]
        now = {entry.distribution: entry.version for entry in registry.entries() if entry.name == name}
        if then == BY_HAND and name not in registry.names():
            raise UsageError(
                f"{run} was made with the {kind} {name!r}, which was added by hand: add it again with "
                f"ganzoo.{registry.plural.upper()}.add({name!r}, ...)"
            )
        if then != BY_HAND and then not in now:
            other = f" (the {kind} {name!r} of {' and '.join(map(repr, now))} is another one)" if now else ""
            raise UsageError(
                f"{run} was made with the {kind} {name!r} of the package {then!r}, version {version!r}, "
                f"which is not installed{other}: install that version of it, if you trust its author"
            )
        if then != BY_HAND and now[then] != version:
            sentences[f"{run} was made with {then} {version}; with {now[then]} its numbers may differ"] = None
    return list(sentences)
