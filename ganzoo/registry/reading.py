"""What a class says of itself, read from its source: docstring, arguments, attributes. Nothing of it is run.

Members need torch, which takes seconds to import: too long for `ganzoo info`, a typo or a completion. What
the text does not tell for certain is Unreadable, and whoever asks imports the member instead.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ganzoo.registry.classes import OWN, Class, target_of
from ganzoo.registry.expressions import RUN, Foreign, StandIn, Unreadable, evaluate, plain
from ganzoo.registry.installed import changed, find
from ganzoo.registry.kinds import Options

ATTRIBUTES = ("contract", "conditions", "tried_on", "recipes", "paths", "uses", "higher_is_better", "says")


@dataclass(frozen=True)
class Said:
    """What a class says of itself.

    Attributes:
        doc: its docstring, or that of a class that it extends, without indentation.
        options: all arguments of its `__init__`, with their defaults.
        attributes: those of ATTRIBUTES that it has.
    """

    doc: str
    options: Options
    attributes: Mapping[str, Any]


def read(target: str, base: str, filled_in: Sequence[str] = ()) -> Said:
    """What the class "module:Class" says, which must extend the class `base`. Raises Unreadable.

    Args:
        filled_in: arguments that are no options, whose kinds do not matter.
    """
    spec = find(target.partition(":")[0].strip())
    if spec is None or not spec.origin:
        raise Unreadable(target)
    return _read(target, base, tuple(filled_in), spec.origin, changed(spec.origin))


@lru_cache(maxsize=256)
def _read(target: str, base: str, filled_in: tuple[str, ...], file: str, at: int) -> Said:
    """The same, once as long as the file is as it was `at` that time."""
    name, _, attribute = target.partition(":")
    reader = Reader(name.partition(".")[0].strip())
    try:
        found = reader.module(name.strip()).get(attribute.strip())
        if not isinstance(found, Class) or base not in [str(each) for each in found.line()]:
            raise Unreadable(target)
        said = {key: found.attribute(key) for key in ATTRIBUTES if found.has(key)}
        options = found.options()
        for key in options.keys() - set(filled_in):
            plain(options.kinds[key])
        return Said(found.doc(), options, {key: plain(value) for key, value in said.items()})
    except (Unreadable, RecursionError):
        raise Unreadable(target) from None
    except Exception as error:  # an expression that fails here may do well where all of the module is there
        raise Unreadable(f"{target}: {error}") from error


class Reader:
    """Reads the modules of ganzoo and of one other package."""

    def __init__(self, package: str) -> None:
        self._packages = {OWN, package}
        self._modules: dict[str, Module] = {}

    def module(self, name: str) -> Module:
        if name not in self._modules:
            spec = find(name)
            if spec is None or not spec.origin or not spec.origin.endswith(".py"):
                raise Unreadable(name)
            self._modules[name] = Module(self, name, _tree(spec.origin, changed(spec.origin)))
        return self._modules[name]

    def imported(self, module: str, attribute: str | None) -> Any:
        """What `import module` or `from module import attribute` gives."""
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or module.startswith(RUN):
            whole = import_module(module)
            return whole if attribute is None else getattr(whole, attribute)
        if top not in self._packages:
            return Foreign(module if attribute is None else f"{module}.{attribute}")
        if attribute is None:
            return self.module(module)
        try:
            return self.module(module).get(attribute)
        except KeyError:
            return self.imported(f"{module}.{attribute}", None)  # a module of a package


class Module(StandIn):
    """The names that a module defines, each made out when it is asked for."""

    def __init__(self, reader: Reader, name: str, tree: ast.Module) -> None:
        self.name = name
        self.reader = reader
        self._nodes: dict[str, Any] = {}
        self._made: dict[str, Any] = {}
        self._for_types: dict[str, Any] = {}
        for node in tree.body:
            self._take(node)
        if "__getattr__" in self._nodes:  # names that are imported when they are used
            self._nodes = {**self._for_types, **self._nodes}

    def __contains__(self, name: str) -> bool:
        return name in self._nodes

    def __getattr__(self, name: str) -> Any:  # in an expression that is evaluated
        if name.startswith("_"):
            raise AttributeError(name)
        return self.get(name)

    def named(self, name: str) -> Any:
        """What a name means in this module. Raises Unreadable."""
        if name in self:
            return self.get(name)
        if not hasattr(builtins, name):
            raise Unreadable(name)
        return getattr(builtins, name)

    def get(self, name: str) -> Any:
        """Raises KeyError where there is none, Unreadable where it is not clear what it is."""
        if name not in self._made:
            node = self._nodes[name]
            if node is None:
                raise Unreadable(f"{self.name}.{name}")
            self._made[name] = self._make(node)
        return self._made[name]

    def _make(self, node: Any) -> Any:
        if isinstance(node, tuple):
            return self.reader.imported(*node)
        if isinstance(node, ast.ClassDef):
            made = Class(self, node)
            return made.as_enum() if made.is_enum() else made
        return node if isinstance(node, ast.FunctionDef) else evaluate(node, self.named)

    def _take(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node, self._nodes)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            self._define(node.name, node)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and (name := target_of(node)):
            if node.value is not None:
                self._define(name, node.value)
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for each in node.body:
                if isinstance(each, ast.Import | ast.ImportFrom):
                    self._import(each, self._for_types)
        elif isinstance(node, ast.Raise):
            raise Unreadable(self.name)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            for part in ast.walk(node):  # it may do anything to what it names
                if isinstance(part, ast.Name):
                    self._nodes[part.id] = None
                elif isinstance(part, ast.alias):
                    self._nodes[(part.asname or part.name).partition(".")[0]] = None

    def _define(self, name: str, node: Any) -> None:
        self._nodes[name] = None if name in self._nodes else node

    def _import(self, node: ast.Import | ast.ImportFrom, names: dict[str, Any]) -> None:
        relative = isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names:
            if relative or alias.name == "*":
                raise Unreadable(self.name)
            module = node.module if isinstance(node, ast.ImportFrom) else alias.name
            assert module is not None
            if (
                not self.name.startswith(OWN)
                and names is self._nodes
                and (top := module.partition(".")[0]) not in sys.builtin_module_names  # math may be one
                and find(top) is None
            ):
                raise Unreadable(self.name)  # the import says why
            if isinstance(node, ast.ImportFrom):
                names[alias.asname or alias.name] = module, alias.name
            elif alias.asname:
                names[alias.asname] = module, None
            else:
                names[module.partition(".")[0]] = module.partition(".")[0], None


@lru_cache(maxsize=64)
def _tree(file: str, at: int) -> ast.Module:
    try:
        return ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise Unreadable(file) from error
