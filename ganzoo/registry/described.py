"""Objects that know what they were made with."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any


class Described:
    """Remembers what it was made with: a run makes another one of it, and writes down how."""

    # Not by `__new__`: Python up to 3.11.2 takes its arguments for those of a class that inherits `__init__`.
    _made_with: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = _remembering(cls.__dict__["__init__"])  # type: ignore[method-assign]


def _remembering(init: Callable[..., None]) -> Callable[..., None]:
    @wraps(init)
    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        self.__dict__.setdefault("_made_with", (args, kwargs))  # of the first that is called, the class's own
        init(self, *args, **kwargs)

    return made
