"""JSON that a stranger, an editor or a crash may have made: typed as it is read, or refused in a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from ganzoo.errors import UsageError

T = TypeVar("T")

LONGEST = 2**26  # bytes; what ganzoo writes is a thousand times shorter
SHOWN = 60  # characters of each end of a long value
DEEPEST = 64  # brackets open at once
BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)
WORDS = {
    "`int`": "a whole number",
    "`float`": "a number",
    "`str`": "text",
    "`bool`": "true or false",
    "`array`": "a list",
    "`object`": "an object",
    "`null`": "null",
}

Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""A whole number of at least 0 that other programs can hold as well."""


class Damaged(ValueError):
    """Content that is not what it should be; says what is wrong, and not where the content lies."""


def parsed(content: bytes | str) -> Any:
    """What a JSON text says. All numbers are finite. Raises Damaged."""
    raw = content.encode(errors="replace") if isinstance(content, str) else content
    if len(raw) > LONGEST:
        raise Damaged(f"it is longer than {LONGEST // 2**20} MiB")
    if raw.count(b"[") + raw.count(b"{") > DEEPEST and _depth(raw) > DEEPEST:
        raise Damaged(f"it is nested deeper than {DEEPEST} levels")
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError as error:  # numbers out of range
        raise Damaged(_plain(error)) from error
    except msgspec.DecodeError as error:
        raise Damaged(f"it is not JSON ({_plain(error).removeprefix('JSON is malformed: ')})") from error
    except UnicodeDecodeError as error:
        raise Damaged("it is not UTF-8") from error


def checked(value: Any, kind: type[T]) -> T:
    """`value`, as `parsed` gives it, as a `kind`: a TypedDict, say, whose other keys it may have as well.

    Raises:
        Damaged: it is anything else; names the place in it.
    """
    try:
        made = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Damaged(_plain(error)) from error
    return value if isinstance(made, Mapping) else made  # with its other keys


def decoded(content: bytes | str, kind: type[T]) -> T:
    """A JSON text as a `kind`. Raises Damaged."""
    return checked(parsed(content), kind)


def read_json(path: Path, kind: type[T], remedy: str) -> T:
    """A JSON file as a `kind`.

    Raises:
        UsageError: it cannot be read, or is damaged; ends with the `remedy`.
    """
    try:
        with path.open("rb") as file:
            return decoded(file.read(LONGEST + 1), kind)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error}): {remedy}") from error
    except Damaged as error:
        raise UsageError(f"{path} is damaged ({error}): {remedy}") from error


def _depth(raw: bytes) -> int:
    """How many brackets are open at once, at most; those in texts are none."""
    depth = deepest = 0
    for match in BRACKETS.finditer(raw):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(match[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _plain(error: Exception) -> str:
    """msgspec's "Expected `int`, got `str` - at `$.seed`" in the words of ganzoo."""
    what, _, place = str(error).partition(" - at `$")
    if len(what) > 2 * SHOWN:  # it quotes a value
        what = f"{what[:SHOWN]}...{what[-SHOWN:]}"
    for word, plain in WORDS.items():
        what = what.replace(word, plain)
    where = place.rstrip("`").removeprefix(".")
    what = what[:1].lower() + what[1:] if not what.startswith("JSON") else what
    return (f"{where}: " if where else "") + what.replace("`", "").replace(" | ", " or ")
