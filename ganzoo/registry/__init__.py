"""Names to members: what is registered, from where, and how its options are typed."""

from ganzoo.registry.registry import (
    CONTRACT,
    DATASETS,
    DISTRIBUTION,
    EXTRACTORS,
    LOSSES,
    METRICS,
    MODELS,
    OF_KIND,
    REGISTRIES,
    STABILIZERS,
    Entry,
    Registry,
    changes,
    origins,
)

__all__ = [
    "CONTRACT", "DATASETS", "DISTRIBUTION", "EXTRACTORS", "LOSSES", "METRICS", "MODELS", "OF_KIND",
    "REGISTRIES", "STABILIZERS", "Entry", "Registry", "changes", "origins",
]  # fmt: skip
