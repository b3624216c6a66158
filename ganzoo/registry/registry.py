"""Names to objects, over entry points: one class for models, losses, stabilizers, metrics, datasets,
extractors, callbacks.

The zoo's own members are entry points too, in pyproject.toml: there is no second door but `Registry.add`,
for notebooks and tests. Listing reads installed metadata and source text; only `get` imports anything.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from inspect import getdoc
from typing import Any

from ganzoo.errors import UsageError, WorkError, nearest
from ganzoo.registry import installed, reading
from ganzoo.registry.blame import know
from ganzoo.registry.expressions import Unreadable
from ganzoo.registry.hooks import misfit
from ganzoo.registry.installed import points
from ganzoo.registry.kinds import Options
from ganzoo.registry.options import options_of, resolve
from ganzoo.registry.reading import Said
from ganzoo.registry.spec import Spec
from ganzoo.system.memory import is_too_large, too_large

DISTRIBUTION = "ganzoo-torch"
CONTRACT = 2
"""Number of the contract between ganzoo and its members; a change of it is an entry in the changelog."""

CHANGES = 'what changed is on the page "From contract 1 to 2" of the documentation (docs/contract-2.md)'

NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
LARGE = 100  # an option from which on it may be why memory does not suffice
BY_HAND = "(added by hand)"


@dataclass(frozen=True)
class Entry:
    """Where a name comes from; `target` is "module:object" as the distribution declares it."""

    name: str
    kind: str
    distribution: str
    version: str
    target: str

    def summary(self) -> str:
        """First line of the object's docstring, read from its source: nothing is imported."""
        return installed.first_line(self.target)

    def as_json(self) -> dict[str, str]:
        row = {key: value for key, value in asdict(self).items() if key != "target"}
        return {**row, "summary": self.summary()}


class Registry:
    """The members of one kind: `for name in ganzoo.MODELS`, `len(...)`, `"dcgan" in ganzoo.MODELS`.

    Args:
        base: the "module:Class" that a member must extend.
        filled_in: arguments of a member that are no options: they follow from the data, or have words of
            their own.
    """

    def __init__(self, plural: str, kind: str, base: str, filled_in: tuple[str, ...] = ()) -> None:
        self.plural = plural
        self.kind = kind
        self.group = f"ganzoo.{plural}"
        self._base = base
        self._filled_in = filled_in
        self._added: dict[str, Any] = {}

    def add(self, name: str, member: Any) -> None:
        """Register an object by hand, for notebooks and tests; a name that is taken is refused."""
        if name in self.names():
            raise UsageError(f"there is a {self.kind} named {name!r} already: choose another name")
        _check_name(name, f"{self.kind} {name!r}")
        self._added[name] = member

    def by_hand(self, name: str) -> Any:
        """What was added by hand under a name, or None."""
        return self._added.get(name)

    def drop(self, name: str) -> None:
        """Take back what was added by hand."""
        del self._added[name]

    @contextmanager
    def lent(self, name: str, member: Any) -> Iterator[None]:
        """`add`, for the time of a `with` block."""
        self.add(name, member)
        try:
            yield
        finally:
            self.drop(name)

    def entries(self) -> list[Entry]:
        """What the installed distributions declare, sorted; the same name from two of them appears twice."""
        found = [
            Entry(point.name, self.kind, point.distribution, point.version, point.target)
            for point in points(self.group)
        ]
        return sorted(found, key=lambda entry: (entry.name, entry.distribution))

    def names(self) -> list[str]:
        return sorted({entry.name for entry in self.entries()} | set(self._added))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __bool__(self) -> bool:
        return True  # it is there, whatever is in it

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __repr__(self) -> str:
        names = self.names()
        text = f"{len(names)} {self.plural if len(names) != 1 else self.kind}: {', '.join(names) or '(none)'}"
        return "\n".join(textwrap.wrap(text, 100, break_on_hyphens=False, subsequent_indent="  "))

    def search(self, pattern: str) -> list[str]:
        """The names that fit a pattern with `*`, `?` or `[...]`, "*gan"; without these, that contain it."""
        wanted = pattern.strip().lower()
        wild = wanted if re.search(r"[*?\[]", wanted) else f"*{wanted}*"
        return [name for name in self.names() if fnmatchcase(name, wild)]

    def origin(self, name: str) -> dict[str, str]:
        """Distribution and version behind a name, for a run's record."""
        if name in self._added:
            return {"distribution": BY_HAND, "version": ""}
        entry = self._entry(name)
        return {"distribution": entry.distribution, "version": entry.version}

    def get(self, name: str) -> Any:
        """The member called `name`, imported now.

        Raises:
            UsageError: nothing or more than one thing has that name, or it cannot be imported, or it is not
                what this registry holds; the sentence names the distribution.
        """
        if name in self._added:
            member = self._checked(self._added[name], self._where(name))
            know(member, self._where(name))
            return member
        entry, where = self._entry(name), self._where(name)
        _check_name(name, where)
        module, _, attribute = entry.target.partition(":")
        try:
            with redirect_stdout(sys.stderr):  # what a plugin prints is no part of anybody's JSON
                member = import_module(module.strip())
                for part in attribute.strip().split("."):
                    member = getattr(member, part)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever a plugin raises breaks that plugin alone
            raise UsageError(
                f"{where} cannot be loaded: {type(error).__name__}: {error}; install what it needs or "
                f"another version of it, or uninstall {entry.distribution}"
            ) from error
        checked = self._checked(member, where)
        if entry.distribution != DISTRIBUTION:
            know(checked, f"{self.kind} {name!r} of {entry.distribution} {entry.version}")
        return checked

    def make(self, name: str, /, *arguments: Any, **options: Any) -> Any:
        """An object of the member called `name`.

        Raises:
            UsageError: as `get`, or because the member refuses the arguments.
            WorkError: the member itself fails; the sentence names the distribution.
        """
        from ganzoo.system.size import of_a_size_to_train  # torch, which listing needs not

        member = self.get(name)
        try:
            with of_a_size_to_train():
                return member(*arguments, **options)
        except (UsageError, WorkError):
            raise
        except (Exception, SystemExit) as error:  # whatever a plugin raises breaks that plugin alone
            if is_too_large(error):
                large = {k: v for k, v in options.items() if type(v) in (int, float) and v >= LARGE}
                raise too_large(f"the parts of {self.kind} {Spec(name, large)}", error) from error
            raise WorkError(f"{self._where(name)} cannot be made: {type(error).__name__}: {error}") from error

    def options(self, name: str) -> Options:
        """The options of a member, with their defaults."""
        known = self.said(name).options
        left = {key: default for key, default in known.items() if key not in self._filled_in}
        return Options(left, {key: known.kinds[key] for key in left})

    def said(self, name: str) -> Said:
        """What a member says of itself: read from its source where that suffices, or else it is imported.

        Raises:
            UsageError: as `get`; of a member that is only read some faults are not found yet.
        """
        if name not in self._added:
            target = self._entry(name).target
            _check_name(name, self._where(name))
            if target.partition(":")[0].strip() not in sys.modules:
                with suppress(Unreadable):
                    said = reading.read(target, self._base, self._filled_in)
                    if said.attributes.get("contract", CONTRACT) == CONTRACT:
                        return said
        member = self.get(name)
        known = {key: getattr(member, key) for key in reading.ATTRIBUTES if hasattr(member, key)}
        return Said(getdoc(member) or "", options_of(member), known)

    def settled(self, spec: Spec) -> Spec:
        """With all options of the member. Raises UsageError for one that it lacks, or of another type."""
        known = self.options(spec.name)
        return Spec(spec.name, resolve(f"{self.kind} {spec.name}", known, spec.options))

    def _where(self, name: str) -> str:
        if name in self._added:
            return f"{self.kind} {name!r}"
        entry = self._entry(name)
        return f"{self.kind} {name!r} of {entry.distribution} {entry.version} ({entry.target})"

    def _entry(self, name: str) -> Entry:
        entries = self.entries()
        found = [entry for entry in entries if entry.name == name]
        if not found:
            if not any(point.distribution == DISTRIBUTION for point in points("ganzoo.models")):
                raise UsageError(
                    f"no {self.kind} {name!r}: ganzoo is imported but not installed, so its members are not "
                    f"registered; in the source folder type: pip install -e ."
                )
            raise UsageError(f"no {self.kind} {name!r}: {nearest(name, self.names())}")
        if len(found) > 1:
            owners = " and ".join(f"{entry.distribution} {entry.version}" for entry in found)
            raise UsageError(f"the {self.kind} {name!r} is claimed by {owners}: uninstall one of them")
        return found[0]

    def _checked(self, member: Any, where: str) -> Any:
        module, _, attribute = self._base.partition(":")
        base = getattr(import_module(module), attribute)
        if not (isinstance(member, type) and issubclass(member, base)):
            raise UsageError(f"{where} is {member!r}, not a subclass of {module}.{attribute}")
        contract = getattr(member, "contract", CONTRACT)
        if contract != CONTRACT:
            raise UsageError(
                f"{where} is written for contract {contract}, and this ganzoo has contract {CONTRACT}: "
                f"install a matching version; {CHANGES}"
            )
        unfit = misfit(member, base)
        if unfit:
            raise UsageError(f"{where} is not written for contract {CONTRACT}: it has {unfit}; {CHANGES}")
        return member


def _check_name(name: str, where: str) -> None:
    # Names become parts of paths, of options and of `NAME:key=value`.
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{where} has no name that can be used: expected lower-case letters and digits, joined by single "
            f"hyphens, dots or underscores"
        )
