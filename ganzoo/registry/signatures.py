"""The arguments of an `__init__` in a source text, as `options_of` finds them in one that is imported."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Iterator
from typing import Annotated, Any, Protocol, get_args, get_origin

from ganzoo.registry.expressions import Foreign, StandIn, Unreadable, evaluate, plain
from ganzoo.registry.kinds import kind_of


class Scope(Protocol):
    """The module where something is written."""

    @property
    def name(self) -> str: ...

    def named(self, name: str) -> Any: ...

    def __contains__(self, name: str) -> bool: ...


def arguments(init: ast.FunctionDef, scope: Scope) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Name -> default and kind, without self and what has no name of its own. Raises Unreadable."""
    given = init.args
    if given.posonlyargs or not given.args:
        raise Unreadable("__init__")
    usual: list[ast.expr | None] = [*[None] * (len(given.args) - len(given.defaults)), *given.defaults]
    pairs = list(zip(given.args, usual, strict=True))[1:]
    typed = _can_be_typed(init, scope)
    for argument, node in [*pairs, *zip(given.kwonlyargs, given.kw_defaults, strict=True)]:
        default = inspect.Parameter.empty if node is None else plain(evaluate(node, scope.named))
        kind = kind_of(default)
        if typed and argument.annotation is not None:
            try:
                kind = _kind(argument.annotation, scope)
            except Unreadable:
                kind = Foreign(argument.arg)  # which does not matter where it is no option
        yield argument.arg, (default, kind)


def _kind(annotation: ast.expr, scope: Scope) -> Any:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    kind = evaluate(annotation, scope.named)
    if isinstance(kind, StandIn):
        raise Unreadable(str(kind))
    return get_args(kind)[0] if get_origin(kind) is Annotated else type(None) if kind is None else kind


def _can_be_typed(function: ast.FunctionDef, scope: Scope) -> bool:
    """Whether all of its annotations can be evaluated: if not, `annotations_of` finds none."""
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    every += [each for each in (function.args.vararg, function.args.kwarg) if each is not None]
    written = [each.annotation for each in every] + [function.returns]
    names = {
        part.id
        for each in written
        if each is not None
        for part in ast.walk(each)
        if isinstance(part, ast.Name)
    }
    return all(name in scope or hasattr(builtins, name) for name in names)
