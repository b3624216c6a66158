"""Names to objects, over entry points: one class for models, losses, stabilizers, metrics, datasets,
extractors.

The zoo's own members are entry points too, in pyproject.toml: there is no second door but `Registry.add`,
for notebooks and tests. Listing reads installed metadata and source text; only `get` imports anything.
"""

from __future__ import annotations

import ast
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from ganzoo.errors import UsageError, nearest

DISTRIBUTION = "ganzoo-torch"
CONTRACT = 1


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
        module, _, attribute = self.target.partition(":")
        return _first_line(module, attribute)

    def as_json(self) -> dict[str, str]:
        row = {key: value for key, value in asdict(self).items() if key != "target"}
        return {**row, "summary": self.summary()}


class Registry:
    """The members of one kind. `base` is the "module:Class" that a member must extend."""

    def __init__(self, plural: str, kind: str, base: str) -> None:
        self.plural = plural
        self.kind = kind
        self.group = f"ganzoo.{plural}"
        self._base = base
        self._added: dict[str, Any] = {}

    def add(self, name: str, member: Any) -> None:
        """Register an object by hand, for notebooks and tests; a name that is taken is refused."""
        if name in self._added or name in self.names():
            raise UsageError(f"there is a {self.kind} named {name!r} already: choose another name")
        self._added[name] = member

    def entries(self) -> list[Entry]:
        """What the installed distributions declare, sorted; the same name from two of them appears twice."""
        found = [
            Entry(point.name, self.kind, *_origin(point), target=point.value)
            for point in metadata.entry_points(group=self.group)
        ]
        return sorted(found, key=lambda entry: (entry.name, entry.distribution))

    def names(self) -> list[str]:
        return sorted({entry.name for entry in self.entries()} | set(self._added))

    def origin(self, name: str) -> dict[str, str]:
        """Distribution and version behind a name, for a run's record."""
        if name in self._added:
            return {"distribution": "(added by hand)", "version": ""}
        entry = self._entry(name)
        return {"distribution": entry.distribution, "version": entry.version}

    def get(self, name: str) -> Any:
        """The member called `name`, imported now.

        Raises:
            UsageError: nothing or more than one thing has that name, or it cannot be imported, or it is not
                what this registry holds; the sentence names the distribution.
        """
        if name in self._added:
            return self._checked(self._added[name], f"{self.kind} {name!r}")
        entry = self._entry(name)
        where = f"{self.kind} {name!r} of {entry.distribution} {entry.version} ({entry.target})"
        module, _, attribute = entry.target.partition(":")
        try:
            member = import_module(module.strip())
            for part in attribute.strip().split("."):
                member = getattr(member, part)
        except (Exception, SystemExit) as error:  # whatever a plugin raises breaks that plugin alone
            raise UsageError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
        return self._checked(member, where)

    def _entry(self, name: str) -> Entry:
        entries = self.entries()
        found = [entry for entry in entries if entry.name == name]
        if not found:
            if not any(entry.distribution == DISTRIBUTION for entry in MODELS.entries()):
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
                f"install a matching version"
            )
        return member


def _origin(point: metadata.EntryPoint) -> tuple[str, str]:
    # A dist-info folder without METADATA is still listed; its name is then None.
    if point.dist is None or not point.dist.metadata["Name"]:
        return "(unknown)", ""
    return point.dist.metadata["Name"], point.dist.version


def _find(module: str) -> ModuleSpec | None:
    """The spec of a dotted module, without importing its parents as importlib.util.find_spec does."""
    path: list[str] | None = None
    spec: ModuleSpec | None = None
    for part in module.split("."):
        # Each part by itself: a dotted name would be looked up below parents that are not imported.
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return spec


def _first_line(module: str, attribute: str) -> str:
    spec = _find(module.strip())
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return ""
    try:
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):  # ValueError: not UTF-8
        return ""  # `ganzoo list --check` is where a broken plugin is reported
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == attribute.strip():
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


MODELS = Registry("models", "model", "ganzoo.gan:GAN")
LOSSES = Registry("losses", "loss", "ganzoo.losses:Loss")
STABILIZERS = Registry("stabilizers", "stabilizer", "ganzoo.stabilizers.base:Stabilizer")
METRICS = Registry("metrics", "metric", "ganzoo.metrics.base:Metric")
DATASETS = Registry("datasets", "dataset", "ganzoo.data.base:Dataset")
EXTRACTORS = Registry("extractors", "extractor", "ganzoo.extractors.base:Extractor")

REGISTRIES = {r.plural: r for r in (MODELS, LOSSES, STABILIZERS, METRICS, DATASETS, EXTRACTORS)}
