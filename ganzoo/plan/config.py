"""A run's settings, all of them, resolved: nothing in a run depends on a default that may change."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import msgspec

from ganzoo.data.kinds import DIMENSIONS, KINDS
from ganzoo.errors import UsageError, nearest
from ganzoo.models.recipe import MOST_STEPS, Recipe
from ganzoo.plan.stopping import ON_NAN, StopWhen
from ganzoo.registry import OF_KIND
from ganzoo.registry.kinds import as_int
from ganzoo.registry.spec import Spec, Specs
from ganzoo.system.records import Damaged, checked, read_json

if TYPE_CHECKING:
    from ganzoo.data.base import Dataset

PRECISIONS = ("fp32", "bf16", "fp16")
DEVICE = re.compile(r"(cpu|cuda|mps)(:\d{1,3})?")
RANGES = {
    "seed": (0, 2**63 - 1),
    "num_classes": (0, 2**20),
    "threads": (1, 2**31),
    "checkpoint_every": (1, MOST_STEPS),
    "sample_every": (1, MOST_STEPS),
    "log_every": (1, MOST_STEPS),
    "eval_every": (0, MOST_STEPS),
    "patience": (0, MOST_STEPS),
    "first_steps": (0, MOST_STEPS),
    "schedule_steps": (0, MOST_STEPS),
}
LARGEST_SAMPLE = 2**26  # numbers in it
LARGEST_BATCH = 2**31  # numbers in all of its samples

Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
IN_JSON: dict[Any, Any] = {int: Whole, tuple[int, ...]: tuple[Whole, ...], Specs: tuple[str, ...]}

# Of `Config.identity`: where the data lie, and by which name they are opened there.
PLACES = ("dataset", "origins.dataset ", "data_options.root", "data_options.offline")


@dataclass(frozen=True)
class Config:
    """What config.json holds. `recipe.steps` is the budget.

    Where the budget has grown, growth keeps to the plan that the run was begun with, `first_steps`: with a
    larger one a net would shrink and fade its layers in again. Schedules keep to the plan that they are made
    for, `schedule_steps`, and then stay as they are at its end, unless they were stretched.
    `provenance` (versions, command, device names) is recorded but does not define the run.
    """

    model: str
    dataset: str  # as reopened on resume: "mnist-5k" where mnist fell back to it, "folder:/absolute/path"
    seed: int
    recipe: Recipe
    recipe_name: str
    model_options: Mapping[str, Any]
    data_options: Mapping[str, Any]
    data_fingerprint: str
    sample_shape: tuple[int, ...]
    num_classes: int
    conditional: bool
    device: str
    precision: str
    threads: int
    checkpoint_every: int
    sample_every: int
    log_every: int
    origins: Mapping[str, Mapping[str, str]]  # member -> distribution and version
    provenance: Mapping[str, Any] = field(default_factory=dict)
    eval_every: int = 0  # 0: no evaluations during training
    eval_metrics: tuple[str, ...] = ()
    on_nan: str = "stop"  # or "rollback"
    stop_when: str = ""  # "": at no score
    patience: int = 0  # evaluations without a better one; 0: as many as there are
    first_steps: int = 0  # 0: recipe.steps
    schedule_steps: int = 0  # 0: recipe.steps
    condition_shape: tuple[int, ...] = ()  # of y, where it is no class
    kind: str = ""  # of data; "": what the shape says
    callbacks: Specs = Specs()  # that were asked for
    compile: bool = False

    def check(self) -> None:
        """Raise a UsageError for the first value that makes no sense, whether it was typed or read."""
        self.recipe.check()
        for name, (least, most) in RANGES.items():
            as_int(name, getattr(self, name), at_least=least, at_most=most)
        self._check_sizes()
        if self.precision not in PRECISIONS:
            raise UsageError(f"precision {self.precision!r}: {nearest(self.precision, PRECISIONS)}")
        if not DEVICE.fullmatch(self.device):
            raise UsageError(f"device {self.device!r}: expected a name like cpu or cuda:0")
        if self.eval_every and not self.eval_metrics:
            raise UsageError("eval_every needs eval_metrics, which say what to measure")
        if self.stop_when:
            StopWhen.parse(self.stop_when)
        if self.on_nan not in ON_NAN:
            raise UsageError(f"on_nan {self.on_nan!r}: {nearest(self.on_nan, ON_NAN)}")
        if self.conditional and not (self.num_classes or self.condition_shape):
            raise UsageError("conditional needs labels, and num_classes is 0")
        if self.kind and self.kind not in KINDS:
            raise UsageError(f"kind {self.kind!r}: {nearest(self.kind, KINDS)}")
        check_origins(self.origins)
        root, offline = self.data_options.get("root"), self.data_options.get("offline", False)
        if not isinstance(root, str | None) or not isinstance(offline, bool):
            raise UsageError("data_options: expected a path or null as root, and true or false as offline")
        if "\0" in f"{self.dataset}{root}":
            raise UsageError("dataset, data_options.root: no path has a character 0")

    @property
    def stabilizers(self) -> tuple[Spec, ...]:
        return self.recipe.stabilizers

    def _check_sizes(self) -> None:
        check_shapes(self.sample_shape, self.condition_shape)
        numbers = math.prod(self.sample_shape)
        if self.recipe.batch_size * numbers > LARGEST_BATCH:
            raise UsageError(
                f"batch_size: expected at most {LARGEST_BATCH // numbers:,} for samples of {numbers:,} "
                f"numbers, got {self.recipe.batch_size:,}"
            )

    def check_data(self, dataset: Dataset) -> None:
        """Raise a UsageError if the data have another shape or other classes than is written here."""
        for name in ("sample_shape", "num_classes", "condition_shape", "kind"):
            here, there = getattr(self, name), getattr(dataset, name)
            if here != there:
                raise UsageError(
                    f"{self.dataset} has {name} {there!r}, and the run's config.json says {here!r}: bring "
                    "back a whole copy of it"
                )

    def as_json(self) -> dict[str, Any]:
        return {"format": 1, **plain(self)}

    def identity(self) -> dict[str, str]:
        """What may not change between a checkpoint and its resumption, by dotted name, as text.

        The budget may grow, how often to log, save and measure is free, and who looks on; device, threads and
        what is compiled are the machine's; provenance is only a record.
        """
        free = (
            "recipe.steps",
            "recipe.conditional",  # which `conditional` says
            "first_steps",
            "schedule_steps",
            "checkpoint_every",
            "sample_every",
            "log_every",
            "provenance.",
            "eval_",
            "on_nan",
            "stop_when",
            "patience",
            "callbacks",
            "origins.callback ",
            "threads",
            "device",
            "compile",
        )
        return {key: value for key, value in flatten(plain(self)).items() if not key.startswith(free)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Config:
        """The inverse of `as_json`. Raises Damaged or UsageError on anything else."""
        said = {key: value for key, value in data.items() if key != "format"}
        checked(said, _shape(cls))  # type: ignore[arg-type]  # a known flaw of mypy about classes
        config: Config = _built(cls, said)
        config.check()
        return config

    @classmethod
    def read(cls, path: Path) -> Config:
        """The settings in a file. Raises UsageError if it cannot be read, or is damaged."""
        remedy = "bring back a whole copy of it, or start a new run"
        said = read_json(path, dict[str, Any], remedy)
        try:
            return cls.from_json(said)
        except (Damaged, UsageError) as error:
            raise UsageError(f"{path} is damaged ({error}): {remedy}") from error


def check_origins(origins: Mapping[str, Mapping[str, str]]) -> None:
    """Raise a UsageError unless it says of members which distribution they are of."""
    for what, origin in origins.items():
        if what.partition(" ")[0] not in OF_KIND or not {"distribution", "version"} <= origin.keys():
            raise UsageError(f"origins: expected a member's kind, distribution and version at {what!r}")


def check_shapes(sample_shape: tuple[int, ...], condition_shape: tuple[int, ...]) -> None:
    """Raise a UsageError for what no sample or condition can have as its shape."""
    for name, sizes in (("sample_shape", sample_shape), ("condition_shape", condition_shape or (1,))):
        if len(sizes) not in DIMENSIONS or min(sizes) < 1 or math.prod(sizes) > LARGEST_SAMPLE:
            raise UsageError(
                f"{name}: expected [D] of vectors, [C, L] of series, [C, H, W] of images, ..., of up to "
                f"{LARGEST_SAMPLE:,} numbers, got {list(sizes)}"
            )


def usual_checkpoint_every(steps: int) -> int:
    return min(1000, max(50, steps // 10))


def usual_eval_every(steps: int) -> int:
    return max(1, steps // 10)


@lru_cache
def _shape(kind: Any) -> type[msgspec.Struct]:
    """What a dataclass is in JSON; what has a default may be missing, and nothing else may be there."""
    hints, parts = get_type_hints(kind), []
    for each in fields(kind):
        hint = hints[each.name]
        part = _part(hint)
        shape: Any = _shape(part) if part else IN_JSON.get(hint, hint)
        wanted = shape | None if part and part is not hint else shape
        needed = each.default is MISSING and each.default_factory is MISSING
        parts.append((each.name, wanted) if needed else (each.name, wanted, None))
    return msgspec.defstruct(kind.__name__, parts, forbid_unknown_fields=True, kw_only=True)


def _part(hint: Any) -> Any:
    """The dataclass that a field is of, or may be of (`Schedule | None`); None where there is none."""
    return next((kind for kind in (hint, *get_args(hint)) if is_dataclass(kind)), None)


def plain(value: Any) -> Any:
    """Settings as what JSON knows: dataclasses as dicts, specifications as they are typed."""
    if isinstance(value, Spec):
        return str(value)
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


def _built(kind: Any, value: Any) -> Any:
    """The inverse of `plain`, for a field of this type."""
    part = _part(kind)
    if part and value is not None:
        kinds = get_type_hints(part)
        return part(**{key: _built(kinds[key], own) for key, own in value.items()})
    return tuple(value) if isinstance(value, list) else value


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested mappings to one level with dotted names, the values as text."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = str(value)
    return flat
