"""Objects that know what they were made with."""

from __future__ import annotations

from typing import Any, Self


class Described:
    """Remembers what it was made with: a run makes another one of it, and writes down how."""

    _made_with: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        made._made_with = args, kwargs
        return made
