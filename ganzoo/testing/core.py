"""What a check is, and how the checks of a member are found and run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache, wraps
from importlib import import_module
from typing import Any, ClassVar

from ganzoo.errors import UsageError, nearest
from ganzoo.registry import OF_KIND
from ganzoo.registry.kinds import unusable
from ganzoo.registry.registry import Registry
from ganzoo.registry.spec import Ref

ALMOST = 0.8  # how like two names are that one is meant for the other


class Broken(AssertionError):
    """The contract is not kept: the sentence says what it wants, and what it got."""


class NotRun(str):
    """The remark of a check that has nothing to check in this member: why."""


def want(kept: Any, what: str, got: Any) -> None:
    """Raise Broken unless `kept`."""
    __tracebackhide__ = True  # pytest shows the check that wants it
    if not kept:
        raise Broken(f"the contract wants {what}, got {got}")


def first(sentences: Iterable[str], before: str = "") -> str:
    """The first sentence after `before`, or "" where there is none."""
    return next((before + sentence for sentence in sentences), "")


def a(kind: str) -> str:
    """A kind of member with its article."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


class Subject:
    """A member that is checked; for each kind there is one that knows how to make it.

    Attributes:
        base: what members of this kind extend.
    """

    base: ClassVar[type]

    def __init__(self, registry: Registry, name: str) -> None:
        self.registry = registry
        self.name = name
        self.ref = Ref.parse(name)
        self.member = registry.get(self.ref.name)


Function = Callable[[Any], str | None]


def where(attribute: str, why: str, *functions: Function) -> tuple[Function, ...]:
    """Checks that are not run, and say why, where a subject has nothing in an attribute: none is vacuous."""

    def guarded(function: Function) -> Function:
        @wraps(function)
        def check(subject: Any) -> str | None:
            __tracebackhide__ = True
            return function(subject) if getattr(subject, attribute) else NotRun(why)

        return check

    return tuple(map(guarded, functions))


def described(subject: Subject) -> None:
    """Its docstring begins with a line that `ganzoo list` can show without importing it."""
    line = (subject.member.__doc__ or "").strip().partition("\n")[0]
    want(line, "a docstring", "none")
    for entry in subject.registry.entries():
        if entry.name == subject.ref.name:
            found = entry.summary() == line
            want(found, "an entry point that names the module in which the class is written", entry.target)


def hooks(subject: Subject) -> None:
    """No method has almost the name of a hook: nobody would call it."""
    base = subject.base
    own = [name for name, value in vars(base).items() if name[0] != "_" and _is_function(value)]
    for part in subject.member.__mro__:
        for name, value in () if part in base.__mro__ else vars(part).items():
            if name[0] != "_" and _is_function(value) and not hasattr(base, name):
                near = get_close_matches(name, own, 1, ALMOST)
                if near:
                    raise Broken(f"{name} is no hook: did you mean {near[0]}? Begin its name with _ if not")


def _is_function(value: Any) -> bool:
    return inspect.isroutine(value) or isinstance(value, property | staticmethod | classmethod)


def no_options(subject: Subject) -> None:
    """It has no options, as there is nowhere to type them."""
    known = subject.registry.options(subject.ref.name)
    kind = subject.registry.kind
    want(not known, f"{a(kind)} without options: nobody can type them", f"the option {', '.join(known)}")


def typed(subject: Subject) -> str:
    """Every option is a number, text, true or false, a path, a Literal, an Enum, a list of such, or None."""
    known = subject.registry.options(subject.ref.name)
    for name, kind in known.kinds.items():
        want(not unusable(kind), f"an option {name} of a kind that can be typed", kind)
    return "" if known else NotRun("it has none")


@dataclass(frozen=True)
class Check:
    """One thing that the contract wants of one member.

    Attributes:
        name: short, for programs and for the ids of tests.
        title: what is checked, for people.
    """

    name: str
    title: str
    function: Function
    subject: Callable[[], Any]

    def __call__(self) -> str:
        """Check it, and return a remark, or "". Raises Broken, or whatever the member itself raises."""
        __tracebackhide__ = True
        return self.function(self.subject()) or ""


def checks(
    name: str, kind: str | None = None, shape: tuple[int, ...] | None = None, **options: Any
) -> list[Check]:
    """The checks of a registered member; nothing of it is imported before the first of them is called.

    Args:
        name: as on the command line; a dataset or an extractor may be NAME:PATH.
        kind: "model", "loss", "stabilizer", "metric", "dataset", "extractor" or "callback", where the name
            does not say.
        shape: of samples, where a model, a stabilizer or an extractor should be checked with one shape alone.
        options: of the member, where the defaults are not what should be checked.

    Raises:
        UsageError: there is no such member.
    """
    registry = find(name, kind)
    module = import_module(f"ganzoo.testing.{registry.plural}")

    @lru_cache
    def subject() -> Any:
        if shape is None:
            return module.SUBJECT(name, options)
        if registry.kind not in ("model", "stabilizer", "extractor"):
            raise UsageError(
                f"--shape is for models, stabilizers and extractors, and {name} is {a(registry.kind)}"
            )
        return module.SUBJECT(name, options, shape)

    return [
        Check(function.__name__, (inspect.getdoc(function) or "").rstrip("."), function, subject)
        for function in module.CHECKS
    ]


def contract(name: str, kind: str | None = None, **options: Any) -> Any:
    """A pytest test of all that the contract wants of a registered member; arguments as for `checks`.

    test_contract = contract("my-gan", width=8)
    """
    import pytest

    @pytest.mark.parametrize("check", checks(name, kind, **options), ids=lambda check: check.name)
    def test(check: Check) -> None:
        check()

    return test


def find(name: str, kind: str | None = None) -> Registry:
    """The registry that holds a name."""
    if kind is not None and kind not in OF_KIND:
        raise UsageError(f"no kind {kind!r}: {nearest(kind, OF_KIND)}")
    plain = Ref.parse(name).name
    among = [OF_KIND[kind]] if kind else list(OF_KIND.values())
    found = [registry for registry in among if plain in registry.names()]
    if len(found) > 1:
        kinds = " and ".join(a(registry.kind) for registry in found)
        raise UsageError(f"{plain!r} is {kinds}: say which with --kind")
    if not found:
        known = {name for registry in among for name in registry.names()}
        raise UsageError(
            f"no {kind or 'member'} {plain!r} is installed: {nearest(plain, known)} One's own package is "
            f"installed with pip install -e FOLDER"
        )
    return found[0]
