"""Whether what a member overrides can be called as its contract calls it."""

from __future__ import annotations

import inspect
from types import FunctionType


def misfit(member: type, base: type) -> str:
    """The first method of a member that takes other arguments than the one it overrides, with both; or ""."""
    for name, wanted in vars(base).items():
        own = inspect.getattr_static(member, name, wanted)
        plain = isinstance(wanted, FunctionType) and isinstance(own, FunctionType)
        if own is wanted or not plain or name.startswith("_"):
            continue
        parameters = inspect.signature(wanted).parameters.values()
        given = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        signature = inspect.signature(own)
        try:
            bound = signature.bind(*given, **dict.fromkeys(named)).arguments
        except TypeError:
            bound = None
        if bound is None or any(_old(parameter, of) for parameter, of in bound.items()):
            return f"{name}{signature}, which is called as {name}{inspect.signature(wanted)}"
    return ""


def _old(parameter: str, of: object) -> bool:
    """Whether a turn is given to what goes by another name: it was something else in contract 1."""
    return of == "turn" and parameter != "turn" and not parameter.startswith("_")
