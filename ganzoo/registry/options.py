"""Options as a person types them, held against what a member takes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ganzoo.errors import UsageError, nearest


def options_of(member: Callable[..., Any], leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """The options that a class or function takes, with their defaults: its own, then what it hands on.

    A class hands on by `**`, as in `def __init__(self, width=64, **common)`: then those of the `__init__`
    that it extends belong to it too.
    """
    known: dict[str, Any] = {}
    for function in _signatures(member):
        parameters = inspect.signature(function).parameters.values()
        for parameter in parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                known.setdefault(parameter.name, parameter.default)
        if all(parameter.kind != parameter.VAR_KEYWORD for parameter in parameters):
            break
    return {name: default for name, default in known.items() if name not in {"self", *leave_out}}


def _signatures(member: Callable[..., Any]) -> list[Callable[..., Any]]:
    """What is called where a member is: itself, or every `__init__` of a class, its own first."""
    if not isinstance(member, type):
        return [member]
    return [vars(base)["__init__"] for base in member.__mro__[:-1] if "__init__" in vars(base)] or [member]


def resolve(what: str, known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """All of `known`, with what was `given` in its place, each value of the type of the default.

    Raises:
        UsageError: a key that is not known, or a value of another type.
    """
    for key in given:
        if key not in known:
            raise UsageError(f"{what} has no option {key!r}: {nearest(key, known)}")
    resolved: dict[str, Any] = {}
    for key, default in known.items():
        if key in given:
            resolved[key] = cast(f"{what}: {key}", given[key], default)
        elif default is inspect.Parameter.empty:
            raise UsageError(f"{what} needs {key}: give {key}=VALUE")
        else:
            resolved[key] = default
    return resolved


def cast(label: str, value: Any, default: Any) -> Any:
    """`value`, typed or already an object, as the type of `default`."""
    if isinstance(default, bool):
        return _as_bool(label, value)
    if isinstance(default, int):
        return as_int(label, value)
    if isinstance(default, float):
        return as_float(label, value)
    if isinstance(default, str) and not isinstance(value, str):
        raise UsageError(f"{label}: expected text, got {value!r}")
    return value


def _as_bool(label: str, value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).lower() not in words:
        raise UsageError(f"{label}: expected true or false, got {value!r}")
    return words[str(value).lower()]


def as_int(label: str, value: Any, at_least: int | None = None) -> int:
    try:
        number = int(str(value))
    except ValueError:
        raise UsageError(f"{label}: expected a whole number, got {value!r}") from None
    if at_least is not None and number < at_least:
        raise UsageError(f"{label}: expected a whole number of at least {at_least}, got {number}")
    return number


def as_float(label: str, value: Any, above: float | None = None) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{label}: expected a number, got {value!r}") from None
    if not math.isfinite(number):
        raise UsageError(f"{label}: expected a finite number, got {value!r}")
    if above is not None and not number > above:
        raise UsageError(f"{label}: expected a number above {above:g}, got {number:g}")
    return number
