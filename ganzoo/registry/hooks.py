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
            signature.bind(*given, **dict.fromkeys(named))
        except TypeError:
            return f"{name}{signature}, which is called as {name}{inspect.signature(wanted)}"
    return ""
