"""The value of an expression in a source text, where all that it names and calls is known and harmless."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

RUN = ("ganzoo.errors", "ganzoo.models.recipe", "ganzoo.registry")  # modules without torch: imported for real
PURE: tuple[Any, ...] = (
    dataclasses.replace, Path, abs, bool, dict, enumerate, float, frozenset, int, len, list, max, min, range,
    round, set, sorted, str, sum, tuple, zip,
)  # fmt: skip
METHODS = {"items", "keys", "values", "get", "union", "join", "format", "lower", "upper"}
BEYOND = ast.Lambda | ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom


class Unreadable(Exception):
    """The text does not say it, or not for certain."""


class StandIn:
    """What stands for something that is not there to be had: no value."""


@dataclass(frozen=True)
class Foreign(StandIn):
    """Something of a module that is not read: torch.Tensor, say."""

    name: str

    def __getattr__(self, name: str) -> Foreign:
        if name.startswith("__"):
            raise AttributeError(name)
        return Foreign(f"{self.name}.{name}")


def evaluate(node: Any, named: Callable[[str], Any]) -> Any:
    """The value of an expression, whose names `named` makes out. Raises Unreadable."""
    if not isinstance(node, ast.expr):
        raise Unreadable(ast.dump(node)[:40])
    parts = list(ast.walk(node))
    names = [part for part in parts if isinstance(part, ast.Name)]
    own = {part.id for part in names if isinstance(part.ctx, ast.Store)}  # of a comprehension
    known = {name: named(name) for name in dict.fromkeys(part.id for part in names) if name not in own}
    for part in parts:
        if isinstance(part, BEYOND) or (isinstance(part, ast.Call) and not _is_pure(part.func, known)):
            raise Unreadable(ast.unparse(node))
    try:
        return eval(compile(ast.Expression(node), "<a member>", "eval"), {"__builtins__": {}, **known})
    except Exception as error:  # `Tensor | None`, with a Tensor that is not there
        raise Unreadable(ast.unparse(node)) from error


def _is_pure(function: ast.expr, known: Mapping[str, Any]) -> bool:
    """Whether calling it does nothing but make a value."""
    called: Any = None
    if isinstance(function, ast.Name):
        called = known[function.id]
    elif isinstance(function, ast.Attribute):
        whole = known.get(function.value.id) if isinstance(function.value, ast.Name) else None
        if not isinstance(whole, ModuleType):
            return function.attr in METHODS
        called = getattr(whole, function.attr, None)
    own = isinstance(called, type) and called.__module__.startswith(RUN)
    return own or getattr(called, "__module__", "") == "math" or any(called is each for each in PURE)


def plain(value: Any) -> Any:
    """The value, if nothing in it is a stand-in. Raises Unreadable."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    if isinstance(value, StandIn | ast.AST):
        raise Unreadable(str(value))
    for part in parts:
        plain(part)
    return value
