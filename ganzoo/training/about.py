"""What a file of a generator says of itself, so that nothing else is needed to draw from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import torch
from torch import Tensor

from ganzoo.data.base import Standardization
from ganzoo.data.card import DataCard
from ganzoo.data.conditions import Conditions
from ganzoo.data.kinds import KINDS, kind_of
from ganzoo.errors import UsageError, nearest
from ganzoo.plan.config import RANGES, Config, check_origins, check_shapes, plain
from ganzoo.registry import STABILIZERS
from ganzoo.registry.kinds import as_int
from ganzoo.registry.registry import CONTRACT
from ganzoo.registry.spec import Ref
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.system.console import number
from ganzoo.system.lines import read_lines
from ganzoo.system.records import Damaged, checked
from ganzoo.training.rows import MetricsRow, is_of_training, metrics_row

FORMAT = 1
KEY = "generator"  # in the metadata, beside step and time
UNITS = "ganzoo/"  # before the names of tensors that are no weights: no module's name has a slash
Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


@dataclass(frozen=True)
class Measured:
    """Scores, those of as many real samples, and how they were made."""

    scores: dict[str, float]
    real: dict[str, float] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, row: MetricsRow) -> Measured:
        return cls(dict(row["scores"]), dict(row["real"]), dict(row["protocol"]))


@dataclass(frozen=True)
class About:
    """Architecture, data and scores of a generator: all that `load_generator` needs beside the weights.

    Attributes:
        contract: of the model's class.
        model, model_options, seed: what builds it, with the `stabilizers` that change modules.
        dataset: a name for a person; where it named files, their own names alone.
        num_classes, condition_shape: 0 and () where the model is not conditional.
        knows_units: as of a `DataCard`.
        origins: as in a run's settings, of the members that are needed.
        measured: what is known of its quality, the newest last.
        made: how, for a person: recipe, steps, loss, all stabilizers.
    """

    format: Whole
    contract: Whole
    model: str
    model_options: dict[str, Any]
    stabilizers: tuple[str, ...]
    seed: Whole
    dataset: str
    fingerprint: str
    sample_shape: tuple[Whole, ...]
    kind: str
    num_classes: Whole
    condition_shape: tuple[Whole, ...]
    class_names: tuple[str, ...]
    knows_units: bool
    origins: dict[str, dict[str, str]]
    measured: tuple[Measured, ...] = ()
    made: dict[str, Any] = field(default_factory=dict)

    @property
    def conditional(self) -> bool:
        return bool(self.num_classes or self.condition_shape)

    @classmethod
    def of(cls, config: Config, card: DataCard, measured: Iterable[Measured] = ()) -> About:
        needed = [spec for spec in config.stabilizers if _changes_modules(spec.name)]
        members = {f"model {config.model}", *(f"stabilizer {spec.name}" for spec in needed)}
        recipe = config.recipe
        return cls(
            format=FORMAT,
            contract=CONTRACT,
            model=config.model,
            model_options=plain(config.model_options),
            stabilizers=tuple(map(str, needed)),
            seed=config.seed,
            dataset=away_from_home(config.dataset),
            fingerprint=config.data_fingerprint,
            sample_shape=tuple(map(int, config.sample_shape)),
            kind=config.kind,
            num_classes=config.num_classes if config.conditional else 0,
            condition_shape=tuple(config.condition_shape) if config.conditional else (),
            class_names=card.class_names,
            knows_units=card.knows_units,
            origins={what: dict(origin) for what, origin in config.origins.items() if what in members},
            measured=tuple(measured),
            made={
                "recipe": config.recipe_name,
                "steps": recipe.steps,
                "batch_size": recipe.batch_size,
                "loss": recipe.loss,
                "stabilizers": [str(spec) for spec in config.stabilizers],
            },
        )

    @classmethod
    def read(cls, meta: Mapping[str, Any], where: Path | str) -> About:
        """What the metadata of a file say. Raises UsageError with one sentence where that makes no sense."""
        said = meta.get(KEY)
        if not isinstance(said, Mapping):
            raise UsageError(
                f"{where} does not say what it is of, as a file of an older ganzoo: "
                f"leave it in its run folder"
            )
        if said.get("format") != FORMAT:
            raise UsageError(
                f"{where} is in format {said.get('format')!r}, and this ganzoo reads format "
                f"{FORMAT}: install a newer ganzoo"
            )
        if said.get("contract") != CONTRACT:
            raise UsageError(
                f"{where} holds a model of contract {said.get('contract')!r}, and this ganzoo has contract "
                f"{CONTRACT}: install a matching version"
            )
        try:
            about = checked(dict(said), cls)
            about._check()
        except (Damaged, UsageError) as error:
            raise UsageError(f"{where} does not say what a generator needs ({error})") from error
        return about

    def _check(self) -> None:
        check_origins(self.origins)
        check_shapes(self.sample_shape, self.condition_shape)
        for name in ("seed", "num_classes"):
            least, most = RANGES[name]
            as_int(name, getattr(self, name), at_least=least, at_most=most)
        if self.kind and self.kind not in KINDS:
            raise UsageError(f"kind {self.kind!r}: {nearest(self.kind, KINDS)}")
        if len(self.class_names) not in (0, self.num_classes):
            raise UsageError(f"{len(self.class_names)} names of {self.num_classes} classes")

    def with_measured(self, measured: Iterable[Measured]) -> About:
        return replace(self, measured=tuple(measured))

    def as_json(self) -> dict[str, Any]:
        said: dict[str, Any] = asdict(self)
        return said

    def card(self, scale: Standardization | None) -> DataCard:
        """What samples need to know of the data. Raises UsageError if the scale is of other samples."""
        if scale is not None and not scale.fits(self.sample_shape):
            raise UsageError("its units are those of other samples")
        conditions = Conditions(_shares(self.num_classes))
        kind = kind_of(self)
        names, knows = self.class_names, self.knows_units
        return DataCard(self.fingerprint, self.sample_shape, kind, names, conditions, scale, knows)

    @property
    def scores(self) -> dict[str, float]:
        """Each score as it was measured last, by its name."""
        return {name: value for one in self.measured for name, value in one.scores.items()}

    def facts(self) -> list[tuple[str, str]]:
        """What a person wants to know of it, as pairs of a word and what there is to say."""
        made = self.made
        kind, shape = kind_of(self), " x ".join(map(str, self.sample_shape))
        told = [
            ("model", f"{self.model} ({', '.join(f'{k}={v}' for k, v in self.model_options.items())})"),
            ("data", f"{self.dataset}: {kind} of {shape}"),
        ]
        if self.conditional:
            names = ", ".join(self.class_names[:MOST_NAMES]) + ", ..." * (len(self.class_names) > MOST_NAMES)
            of_classes = f"{self.num_classes} classes" + (f": {names}" if names else "")
            told.append(
                ("conditional", of_classes if self.num_classes else f"on values of {self.condition_shape}")
            )
        if made:
            recipe, steps = (made.get(key, "?") for key in ("recipe", "steps"))
            told.append(("made", f"by recipe {recipe} for {steps} steps, seed {self.seed}"))
            told.append(("loss", " with ".join(filter(None, [str(made.get("loss", "?")), _several(made)]))))
        return told

    def told_scores(self) -> list[tuple[str, str]]:
        """Scores as a person reads them, each beside that of real data."""
        return [
            (name, _beside(value, one.real.get(name)))
            for one in self.measured
            for name, value in one.scores.items()
        ]


MOST_NAMES = 12


def _several(made: Mapping[str, Any]) -> str:
    names = made.get("stabilizers")
    return ", ".join(map(str, names)) if isinstance(names, list | tuple) else ""


def _beside(value: float, real: float | None) -> str:
    return number(value) + ("" if real is None else f" ({number(real)} of as many real samples)")


def _shares(classes: int) -> Tensor:
    """Of each class an equal share: what they were in the data is nothing that samples need."""

    return torch.full((classes,), 1.0 / max(1, classes), dtype=torch.float64)


def _changes_modules(name: str) -> bool:
    return STABILIZERS.get(name).setup is not Stabilizer.setup


def away_from_home(dataset: str) -> str:
    """A dataset's name without the folders of this machine: folder:/home/me/cats -> folder:cats."""
    ref = Ref.parse(dataset)
    if ref.path is None:
        return dataset
    parts = [Path(part).name if Path(part).is_absolute() else part for part in ref.path.split(",")]
    return f"{ref.name}:{','.join(parts)}"


def units(card: DataCard) -> dict[str, Tensor]:
    """The tensors that lie beside the weights."""
    scale = card.standardization
    return {} if scale is None else {f"{UNITS}mean": scale.mean, f"{UNITS}std": scale.std}


def split_units(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights, and what lies beside them."""
    beside = {name.removeprefix(UNITS): t for name, t in tensors.items() if name.startswith(UNITS)}
    return {name: t for name, t in tensors.items() if not name.startswith(UNITS)}, beside


def measured_at(folder: Path, step: int, in_training: bool = False) -> list[Measured]:
    """What metrics.jsonl of a run says of a step: by each protocol what was measured last.

    Args:
        in_training: of what was measured while it trained alone, which the run itself decides.
    """
    last: dict[str, Measured] = {}
    for row in read_lines(folder / "metrics.jsonl", metrics_row):
        if row["step"] == step and row["scores"] and (is_of_training(row) or not in_training):
            one = Measured.of(row)
            key = repr(one.protocol)
            last.pop(key, None)
            last[key] = one
    return list(last.values())
