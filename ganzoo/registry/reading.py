"""What a class says of itself, read from its source: docstring, arguments, attributes. Nothing of it is run.

Members need torch, which takes seconds to import: too long for `ganzoo info`, a typo or a completion. What
the text does not tell for certain is Unreadable, and whoever asks imports the member instead.
"""

from __future__ import annotations

import ast
import builtins
import enum
import inspect
import sys
from abc import ABC
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Unpack, get_args, get_origin

from ganzoo.registry.expressions import RUN, Foreign, Unreadable, evaluate
from ganzoo.registry.installed import changed, find
from ganzoo.registry.kinds import Options, kind_of

OWN = "ganzoo"
ATTRIBUTES = ("contract", "conditions", "tried_on", "recipes", "paths", "uses", "higher_is_better")
MAGIC = {"__new__", "__init_subclass__", "__class_getitem__", "__signature__", "__set_name__"}


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
    name, _, attribute = target.partition(":")
    reader = Reader(name.partition(".")[0].strip())
    try:
        found = reader.module(name.strip()).get(attribute.strip())
        if not isinstance(found, Class) or base not in [str(each) for each in found.line()]:
            raise Unreadable(target)
        said = {key: found.attribute(key) for key in ATTRIBUTES if found.has(key)}
        options = found.options()
        for key in options.keys() - set(filled_in):
            _plain(options.kinds[key])
        return Said(found.doc(), options, {key: _plain(value) for key, value in said.items()})
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


class Module:
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
        elif isinstance(node, ast.Assign | ast.AnnAssign) and (name := _target(node)):
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
                and find(module.partition(".")[0]) is None
            ):
                raise Unreadable(self.name)  # the import says why
            if isinstance(node, ast.ImportFrom):
                names[alias.asname or alias.name] = module, alias.name
            elif alias.asname:
                names[alias.asname] = module, None
            else:
                names[module.partition(".")[0]] = module.partition(".")[0], None


class Class:
    """A class of a module that is read."""

    def __init__(self, module: Module, node: ast.ClassDef) -> None:
        self.module = module
        self.node = node
        self._body: dict[str, Any] = {}
        for each in node.body:
            if isinstance(each, ast.FunctionDef | ast.ClassDef):
                self._body[each.name] = each
            elif isinstance(each, ast.Assign | ast.AnnAssign) and (name := _target(each)):
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
            elif base in (Foreign("torch.nn.Module"), object, ABC):
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
                made = dict(each._arguments(init))
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
        own = [_target(each) for each in self.node.body if isinstance(each, ast.AnnAssign)]
        return [*above, *filter(None, own)]

    def _init(self) -> ast.FunctionDef | None:
        init = self._body.get("__init__")
        if init is not None and (not isinstance(init, ast.FunctionDef) or init.decorator_list):
            raise Unreadable(f"{self}.__init__")
        return init

    def _arguments(self, init: ast.FunctionDef) -> Iterator[tuple[str, tuple[Any, Any]]]:
        """Name -> default and kind, without self and what has no name of its own."""
        given = init.args
        if given.posonlyargs or not given.args:
            raise Unreadable(f"{self}.__init__")
        usual: list[ast.expr | None] = [*[None] * (len(given.args) - len(given.defaults)), *given.defaults]
        pairs = list(zip(given.args, usual, strict=True))[1:]
        typed = _can_be_typed(init, self.module)
        for argument, node in [*pairs, *zip(given.kwonlyargs, given.kw_defaults, strict=True)]:
            default = inspect.Parameter.empty if node is None else _plain(evaluate(node, self.module.named))
            kind = kind_of(default)
            if typed and argument.annotation is not None:
                try:
                    kind = _kind(argument.annotation, self.module)
                except Unreadable:
                    kind = Foreign(argument.arg)  # which does not matter where it is no option
            yield argument.arg, (default, kind)

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
            found = dict(each._arguments(init)).get(name) if init is not None else None
            if found is not None:
                return found
        return inspect.Parameter.empty, Any


def _plain(value: Any) -> Any:
    """The value, if nothing in it is a stand-in. Raises Unreadable."""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    if isinstance(value, Foreign | Class | Module | ast.AST):
        raise Unreadable(str(value))
    for part in parts:
        _plain(part)
    return value


def _kind(annotation: ast.expr, module: Module) -> Any:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    kind = evaluate(annotation, module.named)
    if isinstance(kind, Foreign | Class):
        raise Unreadable(str(kind))
    return get_args(kind)[0] if get_origin(kind) is Annotated else type(None) if kind is None else kind


def _can_be_typed(function: ast.FunctionDef, module: Module) -> bool:
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
    return all(name in module or hasattr(builtins, name) for name in names)


def _target(node: ast.Assign | ast.AnnAssign) -> str:
    """The name that is given a value, if it is one."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    first = targets[0]
    return first.id if len(targets) == 1 and isinstance(first, ast.Name) else ""


@lru_cache(maxsize=64)
def _tree(file: str, at: int) -> ast.Module:
    try:
        return ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise Unreadable(file) from error
