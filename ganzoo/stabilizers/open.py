"""Stabilizers by name, as they are typed."""

from __future__ import annotations

from ganzoo.registry import STABILIZERS
from ganzoo.registry.options import options_of, resolve
from ganzoo.registry.spec import Spec
from ganzoo.stabilizers.base import Stabilizer


def settled(spec: Spec) -> Spec:
    """The same with all options that the stabilizer has. Raises UsageError for one that it lacks."""
    known = options_of(STABILIZERS.get(spec.name))
    return Spec(spec.name, resolve(f"stabilizer {spec.name}", known, spec.options))


def open_stabilizer(spec: str | Spec) -> Stabilizer:
    """The stabilizer of a specification. Raises UsageError if its name or its options are wrong."""
    whole = settled(Spec.parse(spec))
    stabilizer: Stabilizer = STABILIZERS.make(whole.name, **whole.options)
    stabilizer.name = whole.name
    return stabilizer
