"""Stabilizers by name, as they are typed."""

from __future__ import annotations

from ganzoo.registry import STABILIZERS
from ganzoo.registry.spec import Spec
from ganzoo.stabilizers.base import Stabilizer


def open_stabilizer(spec: str | Spec) -> Stabilizer:
    """The stabilizer of a specification. Raises UsageError if its name or its options are wrong."""
    whole = STABILIZERS.settled(Spec.parse(spec))
    stabilizer: Stabilizer = STABILIZERS.make(whole.name, **whole.options)
    stabilizer.name = whole.name
    return stabilizer
