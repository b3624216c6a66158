"""Objects in the place of names: a class, or an object of one, to the NAME:key=value that it stands for."""

from __future__ import annotations

import inspect
import re
from typing import Any

from ganzoo.errors import UsageError
from ganzoo.registry.registry import Registry
from ganzoo.registry.spec import Spec

WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_+")


def name_of(registry: Registry, member: type) -> str:
    """The name of a class in a registry; a class that has none is added by hand, by its own.

    A class that was defined anew, as a cell of a notebook does, takes the place of the one before.

    Raises:
        UsageError: something else has that name.
    """
    target = f"{member.__module__}:{member.__qualname__}"
    for entry in registry.entries():
        if entry.target.replace(" ", "") == target:
            return entry.name
    name = WORDS.sub("-", member.__name__).strip("-").lower()
    before = registry.by_hand(name)
    if before is not member:
        if isinstance(before, type) and f"{before.__module__}:{before.__qualname__}" == target:
            registry.drop(name)
        registry.add(name, member)
    return name


def spec_of(registry: Registry, given: Any, base: type) -> Spec:
    """What stands for a member: text as it is typed, a class, or an object made of one.

    Raises:
        UsageError: it is nothing of this kind.
    """
    if isinstance(given, str | Spec):
        return Spec.parse(given)
    kind = given if isinstance(given, type) else type(given)
    if not issubclass(kind, base):
        raise UsageError(
            f"{registry.kind}: expected a name, a subclass of ganzoo.{base.__name__} or an object of one, "
            f"got {given!r}"
        )
    if kind is given:
        return Spec(name_of(registry, kind))
    args, kwargs = given._made_with
    bound = inspect.signature(kind).bind(*args, **kwargs).arguments
    return Spec(name_of(registry, kind), bound)
