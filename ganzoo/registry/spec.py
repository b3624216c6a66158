"""Words with a colon as values: NAME:key=value,... and NAME:PATH. Nothing else takes them apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ganzoo.errors import UsageError
from ganzoo.registry.kinds import plainly


@dataclass(frozen=True)
class Spec:
    """A member and options of it: "skip-d:below=0.3,max_skips=5", which str() gives back.

    Attributes:
        name: of the member.
        options: text, as it was typed, or values, once they were held against what the member takes.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | Spec) -> Spec:
        """The value of a text; a value stays what it is. Raises UsageError if it is not of this form."""
        if isinstance(text, Spec):
            return text
        name, _, rest = text.partition(":")
        options: dict[str, Any] = {}
        for part in filter(None, rest.split(",")):
            key, equals, value = (word.strip() for word in part.partition("="))
            if not equals or not key:
                raise UsageError(f"{text!r}: expected NAME:key=value,key=value, and {part!r} is no key=value")
            if key in options:
                raise UsageError(f"{text!r}: {key} is given twice")
            options[key] = value
        return cls(name.strip(), options)

    def __str__(self) -> str:
        pairs = ",".join(f"{key}={plainly(value)}" for key, value in self.options.items())
        return f"{self.name}:{pairs}" if pairs else self.name

    def __hash__(self) -> int:
        return hash(self.name)  # equal ones have equal names, and options may be anything


class Specs:
    """A field of a dataclass that is given specifications, as text or as values, and holds values.

    What is neither, such as an object, is held as it is, for somebody who knows what it stands for.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object | None, owner: type) -> tuple[Spec, ...]:
        held: tuple[Spec, ...] = () if instance is None else instance.__dict__[self._name]
        return held  # of the class: the default

    def __set__(self, instance: object, specs: Iterable[str | Spec]) -> None:
        alone = isinstance(specs, str | Spec | Mapping) or not isinstance(specs, Iterable)
        several = ([specs] if specs else []) if alone else specs
        instance.__dict__[self._name] = tuple(
            Spec.parse(one) if isinstance(one, str) else one for one in several
        )


@dataclass(frozen=True)
class Ref:
    """A dataset or an extractor as it is named: "mnist", "folder:pictures"; without a colon, path is None."""

    name: str
    path: str | None = None

    @classmethod
    def parse(cls, text: str | Ref) -> Ref:
        """The value of a text; a value stays what it is."""
        if isinstance(text, Ref):
            return text
        name, colon, path = text.partition(":")
        return cls(name, path if colon else None)

    def __str__(self) -> str:
        return self.name if self.path is None else f"{self.name}:{self.path}"


def pair(setting: str, expected: str) -> tuple[str, str]:
    """ "width=64" -> ("width", "64"), of `--set`. Raises UsageError that says what was `expected`."""
    key, equals, value = (word.strip() for word in setting.partition("="))
    if not equals or not key:
        raise UsageError(f"--set {setting}: expected {expected}")
    return key, value
