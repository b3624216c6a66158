"""Options as a person types them: `NAME:key=value,...` and `--set key=value`, checked against a signature."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ganzoo.errors import UsageError, nearest


def parse_spec(spec: str) -> tuple[str, dict[str, str]]:
    """ "skip-d:below=0.3,max_skips=5" -> ("skip-d", {"below": "0.3", "max_skips": "5"})."""
    name, _, rest = spec.partition(":")
    options: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{spec!r}: expected NAME:key=value,key=value, and {part!r} is no key=value")
        if key.strip() in options:
            raise UsageError(f"{spec!r}: {key.strip()} is given twice")
        options[key.strip()] = value.strip()
    return name.strip(), options


def parse_settings(settings: Iterable[str]) -> dict[str, str]:
    """ "--set" words for a dataset alone, "size=64" or "data.size=64", to {"size": "64"}."""
    options: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {setting}: expected KEY=VALUE, an option of the dataset")
        options[key.strip().removeprefix("data.")] = value.strip()
    return options


def format_spec(name: str, options: Mapping[str, Any]) -> str:
    return name + (":" + ",".join(f"{key}={value}" for key, value in options.items()) if options else "")


def options_of(function: Callable[..., Any], leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """The options that a class or function takes, with their defaults, in order."""
    skip = {"self", *leave_out}
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in skip and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


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
