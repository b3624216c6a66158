"""Options as a person types them, held against what a member takes."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Unpack, get_args, get_origin

from ganzoo.errors import UsageError, nearest
from ganzoo.registry.kinds import Options, annotations_of, cast, kind_in, kind_of, required

UNPACK = re.compile(r"(?:\w+\.)*Unpack\[([\w.]+)\]")


def options_of(member: Callable[..., Any], leave_out: Iterable[str] = ()) -> Options:
    """The options that a class or function takes, with their defaults: its own, then what it hands on.

    A class says what it hands on to the class that it extends by a typed dict, `**common: Unpack[Common]`
    (PEP 692); the defaults are those of that class.
    """
    known: dict[str, Any] = {}
    # Of a class; mypy fears for an instance, whose class may have another `__init__`.
    kinds = annotations_of(member.__init__ if isinstance(member, type) else member)  # type: ignore[misc]
    for parameter in inspect.signature(member).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            known[parameter.name] = parameter.default
        elif parameter.kind is parameter.VAR_KEYWORD and isinstance(member, type):
            for name in _handed_on(member, parameter.annotation):
                known[name], kinds[name] = _default(member, name)
    left = {name: default for name, default in known.items() if name not in {"self", *leave_out}}
    return Options(left, {name: kinds.get(name, kind_of(left[name])) for name in left})


def _handed_on(member: type, annotation: Any) -> Iterable[str]:
    """The names in Unpack[...], which is text where annotations are not evaluated."""
    if get_origin(annotation) is Unpack:
        return list(get_args(annotation)[0].__annotations__)
    text = UNPACK.fullmatch(str(annotation))
    if text is None:
        return ()
    for base in member.__mro__:
        try:
            return list(attrgetter(text[1])(sys.modules[base.__module__]).__annotations__)
        except (AttributeError, KeyError):
            continue  # the name is one of the module in which the argument is written
    return ()


def _default(member: type, name: str) -> tuple[Any, Any]:
    """Default and kind in the nearest `__init__` that has such an argument."""
    for base in member.__mro__:
        # Of a class; mypy fears for an instance, whose class may have another one.
        parameters = inspect.signature(base.__init__).parameters  # type: ignore[misc]
        if name in parameters:
            default = parameters[name].default
            kinds = annotations_of(base.__init__)  # type: ignore[misc]  # as above
            return default, kinds.get(name, kind_of(default))
    return inspect.Parameter.empty, Any


def sort_settings(
    pairs: Iterable[tuple[str, Any]], known: Mapping[str, Mapping[str, Any]], owners: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """`--set` by what it reaches: model.width=64, data.size=64, recipe.steps=9, or a key that one alone has.

    Args:
        pairs: keys and values, as typed; of the same option the last one counts.
        known: by scope ("model", ...) its options with their defaults.
        owners: by scope, whose options these are.

    Raises:
        UsageError: nothing has such an option, or several have it, or a value is of another type.
    """
    found: dict[str, dict[str, Any]] = {scope: {} for scope in known}
    for key, value in pairs:
        scope, option = _owner(key, known, owners)
        found[scope][option] = cast(f"--set {key}", value, kind_in(known[scope], option))
    return found


def _owner(key: str, known: Mapping[str, Mapping[str, Any]], owners: Mapping[str, str]) -> tuple[str, str]:
    """Whose option a key is, and its name there."""
    scope, _, rest = key.partition(".")
    if scope in known and rest:
        if rest not in known[scope]:
            raise UsageError(f"--set {key}: no such option; {nearest(rest, known[scope])}")
        return scope, rest
    having = [name for name, options in known.items() if key in options]
    if len(having) > 1:
        raise UsageError(f"--set {key}: say which: {' or '.join(f'{name}.{key}' for name in having)}")
    if having:
        return having[0], key
    every = [f"{name}.{option}" for name, options in known.items() for option in options]
    parts = [option for option in every if option.endswith(f".{key}")]  # lr: optimizer_g.lr, ...
    near = (
        f"did you mean {' or '.join(parts)}?"
        if parts
        else nearest(key, [*every, *(option for options in known.values() for option in options)])
    )
    *first, last = owners.values()
    raise UsageError(f"--set {key}: no such option of {', of '.join(first)} or of {last}; {near}")


def known_options(what: str, known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given`, each value of the option's kind. Raises UsageError for an option that there is not."""
    for key in given:
        if key not in known:
            raise UsageError(f"{what} has no option {key!r}: {nearest(key, known)}")
    return {key: cast(f"{what}: {key}", value, kind_in(known, key)) for key, value in given.items()}


def resolve(what: str, known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """All of `known`, with what was `given` in its place, as `known_options` has it; none may be missing."""
    resolved = {**known, **known_options(what, known, given)}
    for key, value in resolved.items():
        if required(value):
            raise UsageError(f"{what} needs {key}: give {key}=VALUE")
    return resolved
