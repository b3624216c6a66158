"""What an option may be, by its annotation: read from text, checked, and put back into text.

Numbers, text, true and false, paths, Literal, Enum, lists and tuples of these, and each of them or None.
"""

from __future__ import annotations

import enum
import inspect
import math
import reprlib
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from ganzoo.errors import UsageError, nearest

LARGEST = 2**63 - 1  # that torch and files can hold
NONE = ("none", "null", "")
BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
SEPARATOR = "+"  # between the items of a list: commas are between options
LISTS = (list, tuple, Sequence)


class Options(dict[str, Any]):
    """Options of a member: their defaults by name.

    Attributes:
        kinds: their annotations; of those that have none, the type of the default, or Any.
    """

    def __init__(self, defaults: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
        super().__init__(defaults)
        self.kinds = dict(kinds)


def kind_in(known: Mapping[str, Any], key: str) -> Any:
    """The kind of an option among known ones: its annotation, or else the type of its default."""
    kinds = known.kinds if isinstance(known, Options) else {}
    return kinds[key] if key in kinds else kind_of(known[key])


def kind_of(default: Any) -> Any:
    plain = isinstance(default, bool | int | float | str)
    return type(default) if plain else Any


def annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Evaluated annotations; of a function whose annotations cannot be, none."""
    try:
        return get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return {}


def unusable(kind: Any) -> bool:
    """Whether nobody could type a value of this kind."""
    kind = _bare(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return any(unusable(part) for part in get_args(kind) if part is not types.NoneType)
    if get_origin(kind) in LISTS or kind in LISTS:
        return any(unusable(part) for part in get_args(kind) if part is not Ellipsis)
    if get_origin(kind) is Literal or kind is Any:
        return False
    return not (isinstance(kind, type) and issubclass(kind, bool | int | float | str | Path | enum.Enum))


def told(kind: Any) -> str:
    """A kind in words: what may be typed."""
    kind = _bare(kind)
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(["none" if part is types.NoneType else told(part) for part in parts])
    if origin is Literal:
        return " or ".join(map(str, parts))
    if origin in LISTS or kind in LISTS:
        items = [part for part in parts if part is not Ellipsis]
        return f"{told(items[0]) if items else 'text'}, several with {SEPARATOR} between them"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return " or ".join(_names(kind))
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
    return words.get(kind, "text")


def choices(kind: Any) -> list[str]:
    """What may be typed, where that is a few words; else nothing."""
    kind = _bare(kind)
    if get_origin(kind) in (Union, types.UnionType):
        parts = get_args(kind)
        return [word for part in parts for word in (["none"] if part is types.NoneType else choices(part))]
    if get_origin(kind) is Literal:
        return list(map(str, get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return list(_names(kind))
    return ["true", "false"] if kind is bool else []


def cast(label: str, value: Any, kind: Any) -> Any:
    """`value`, typed or already an object, as one of a kind. Raises UsageError: what was expected."""
    kind = _bare(kind)
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _one_of(label, value, kind, parts)
    if origin is Literal:
        return _among(label, value, {str(part): part for part in parts})
    if origin in LISTS or kind in LISTS:
        return _several(label, value, origin or kind, parts)
    if not isinstance(kind, type):
        return value
    if issubclass(kind, enum.Enum):
        return value if isinstance(value, kind) else _among(label, value, _names(kind))
    if kind is bool:
        return _as_bool(label, value)
    if issubclass(kind, int):
        return as_int(label, value)
    if issubclass(kind, float):
        return as_float(label, value)
    if issubclass(kind, str | Path) and not isinstance(value, str | Path):
        raise UsageError(f"{label}: expected text, got {value!r}")
    return kind(value) if issubclass(kind, Path) else value


def plainly(value: Any) -> Any:
    """A value as JSON and a command line know it; `cast` takes it back."""
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, list | tuple):
        return SEPARATOR.join(str(plainly(part)) for part in value)
    return str(value) if isinstance(value, Path) else value


def _bare(kind: Any) -> Any:
    return _bare(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def _names(kind: type[enum.Enum]) -> dict[str, Any]:
    return {one.name.lower(): one for one in kind}


def _one_of(label: str, value: Any, kind: Any, parts: tuple[Any, ...]) -> Any:
    nothing = value is None or (isinstance(value, str) and value.lower() in NONE)
    if nothing and types.NoneType in parts:
        return None
    for part in parts:
        if part is not types.NoneType:
            try:
                return cast(label, value, part)
            except UsageError:
                continue
    raise UsageError(f"{label}: expected {told(kind)}, got {value!r}")


def _among(label: str, value: Any, known: Mapping[str, Any]) -> Any:
    if value in known.values() and not isinstance(value, str):
        return value
    word = str(value)
    word = word if word in known else word.lower()
    if word not in known:
        raise UsageError(f"{label}: {word!r} is not known: {nearest(word, known)}")
    return known[word]


def _several(label: str, value: Any, kind: Any, parts: tuple[Any, ...]) -> Any:
    items = (
        [item.strip() for item in value.replace(",", SEPARATOR).split(SEPARATOR)]
        if isinstance(value, str)
        else value
    )
    if isinstance(items, bool | int | float):
        items = [items]
    if not isinstance(items, list | tuple):
        raise UsageError(f"{label}: expected several values with {SEPARATOR} between them, got {value!r}")
    if items == [""]:
        items = []
    fixed = kind is tuple and parts and Ellipsis not in parts
    if fixed and len(items) != len(parts):
        raise UsageError(
            f"{label}: expected {len(parts)} values with {SEPARATOR} between them, got {value!r}"
        )
    kinds = parts if fixed else [parts[0] if parts else str] * len(items)
    made = [cast(label, item, one) for item, one in zip(items, kinds, strict=True)]
    return made if kind is list else tuple(made)


def _as_bool(label: str, value: Any) -> bool:
    if str(value).lower() not in BOOLS:
        raise UsageError(f"{label}: expected true or false, got {value!r}")
    return BOOLS[str(value).lower()]


def as_int(label: str, value: Any, at_least: int | None = None, at_most: int | None = None) -> int:
    try:
        number = int(str(value))
    except ValueError:
        raise UsageError(f"{label}: expected a whole number, got {value!r}") from None
    if at_least is not None and number < at_least:
        raise UsageError(f"{label}: expected a whole number of at least {at_least}, got {number}")
    most = LARGEST if at_most is None else at_most
    if number > most or number < -LARGEST:
        raise UsageError(f"{label}: expected a whole number of at most {most:,}, got {reprlib.repr(number)}")
    return number


def as_float(label: str, value: Any, above: float | None = None) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{label}: expected a number, got {value!r}") from None
    if not math.isfinite(number):
        raise UsageError(f"{label}: expected a finite number, got {value!r}")
    if above is not None and not number > above:
        raise UsageError(f"{label}: expected a number above {above:g}, got {number:g}")
    return number


def required(default: Any) -> bool:
    return default is inspect.Parameter.empty
