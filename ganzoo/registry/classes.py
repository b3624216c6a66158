"""A class in a source text: its docstring, the arguments of its `__init__`, its attributes."""

from __future__ import annotations

import ast
import enum
import inspect
from abc import ABC
from collections.abc import Iterator
from typing import Any, Unpack

from ganzoo.registry.described import Described
from ganzoo.registry.expressions import Foreign, StandIn, Unreadable, evaluate
from ganzoo.registry.kinds import Options
from ganzoo.registry.signatures import Scope, arguments

OWN = "ganzoo"
MAGIC = {"__new__", "__init_subclass__", "__class_getitem__", "__signature__", "__set_name__"}


class Class(StandIn):
    """A class of a module that is read."""

    def __init__(self, module: Scope, node: ast.ClassDef) -> None:
        self.module = module
        self.node = node
        self._body: dict[str, Any] = {}
        for each in node.body:
            if isinstance(each, ast.FunctionDef | ast.ClassDef):
                self._body[each.name] = each
            elif isinstance(each, ast.Assign | ast.AnnAssign) and (name := target_of(each)):
                if each.value is not None:
                    self._body[name] = each.value
            elif not isinstance(each, ast.Pass) and not (
                isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
            ):
                raise Unreadable(f"{self}")

    def __str__(self) -> str:
        return f"{self.module.name}:{self.node.name}"

    def __getattr__(self, name: str) -> Any:  # in an expression that is evaluated
        if name.startswith("_"):
            raise AttributeError(name)
        return self.attribute(name)

    def line(self) -> Iterator[Class | Foreign]:
        """The class, and those that it extends, the nearest first."""
        own = self.module.name.partition(".")[0] == OWN
        if self.node.decorator_list or self.node.keywords or len(self.node.bases) > 1:
            raise Unreadable(f"{self}")
        if not own and MAGIC & self._body.keys():
            raise Unreadable(f"{self}")
        yield self
        for base in (evaluate(each, self.module.named) for each in self.node.bases):
            if isinstance(base, Class):
                yield from base.line()
            elif base in (Foreign("torch.nn.Module"), object, ABC, Described):
                if isinstance(base, Foreign):
                    yield base
            else:
                raise Unreadable(f"{self} extends {base}")

    def known(self) -> Iterator[Class]:
        return (each for each in self.line() if isinstance(each, Class))

    def has(self, name: str) -> bool:
        return any(name in each._body for each in self.known())

    def attribute(self, name: str) -> Any:
        for each in self.known():
            if name in each._body:
                return evaluate(each._body[name], each.named)
        raise Unreadable(f"{self}.{name}")

    def named(self, name: str) -> Any:
        """What a name means in the body of the class."""
        own = self._body.get(name)
        return self.module.named(name) if own is None else evaluate(own, self.named)

    def doc(self) -> str:
        for each in self.line():
            if isinstance(each, Foreign):
                raise Unreadable(f"{self} has torch's docstring")
            said = ast.get_docstring(each.node)
            if said is not None:
                return said
        return ""

    def options(self) -> Options:
        """As `options_of` finds them."""
        made: dict[str, tuple[Any, Any]] = {}
        for each in self.known():
            init = each._init()
            if init is not None:
                made = dict(arguments(init, each.module))
                for name in each._handed_on(init):
                    made[name] = self._default(name)
                break
        return Options({key: of[0] for key, of in made.items()}, {key: of[1] for key, of in made.items()})

    def is_enum(self) -> bool:
        bases = [evaluate(each, self.module.named) for each in self.node.bases]
        return any(isinstance(base, type) and issubclass(base, enum.Enum) for base in bases)

    def as_enum(self) -> Any:
        bases = tuple(evaluate(each, self.module.named) for each in self.node.bases)
        members = {name: evaluate(each, self.module.named) for name, each in self._body.items()}
        if len(bases) != 1 or self.node.decorator_list:
            raise Unreadable(f"{self}")
        return bases[0](self.node.name, members, module=self.module.name)

    def fields(self) -> list[str]:
        """Of a typed dict, with those of one that it extends."""
        inherited = [evaluate(each, self.module.named) for each in self.node.bases]
        above = [name for base in inherited if isinstance(base, Class) for name in base.fields()]
        own = [target_of(each) for each in self.node.body if isinstance(each, ast.AnnAssign)]
        return [*above, *filter(None, own)]

    def _init(self) -> ast.FunctionDef | None:
        init = self._body.get("__init__")
        if init is not None and (not isinstance(init, ast.FunctionDef) or init.decorator_list):
            raise Unreadable(f"{self}.__init__")
        return init

    def _handed_on(self, init: ast.FunctionDef) -> list[str]:
        rest = init.args.kwarg
        if rest is None or not isinstance(rest.annotation, ast.Subscript):
            return []
        if evaluate(rest.annotation.value, self.module.named) is not Unpack:
            return []
        common = evaluate(rest.annotation.slice, self.module.named)
        if not isinstance(common, Class):
            raise Unreadable(f"{self}: {ast.unparse(rest.annotation)}")
        return common.fields()

    def _default(self, name: str) -> tuple[Any, Any]:
        for each in self.known():
            init = each._init()
            found = dict(arguments(init, each.module)).get(name) if init is not None else None
            if found is not None:
                return found
        return inspect.Parameter.empty, Any


def target_of(node: ast.Assign | ast.AnnAssign) -> str:
    """The name that is given a value, if it is one."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    first = targets[0]
    return first.id if len(targets) == 1 and isinstance(first, ast.Name) else ""
