"""What samples need to know of the data that a run learnt from, kept beside it: the data may be elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Standardization, as_seen, in_units
from ganzoo.data.conditions import Conditions
from ganzoo.data.kinds import kind_of
from ganzoo.errors import UsageError
from ganzoo.system.tensors import DamagedFile, read_tensors, write_tensors

FORMAT = 1


@dataclass(frozen=True, eq=False)
class DataCard:
    """Of a dataset, all that its generated samples need.

    Attributes:
        fingerprint, sample_shape, standardization: as of the dataset.
        kind: as `kind_of` has it.
        class_names: where the samples have labels, and these have names.
        conditions: what is drawn where nobody says what; none for a model that is not conditional.
        knows_units: False where the dataset has a `to_units` of its own, which a file cannot hold.
    """

    fingerprint: str
    sample_shape: tuple[int, ...]
    kind: str
    class_names: tuple[str, ...]
    conditions: Conditions
    standardization: Standardization | None
    knows_units: bool

    @classmethod
    def of(cls, dataset: Dataset, conditional: bool) -> DataCard:
        return cls(
            dataset.fingerprint,
            tuple(map(int, dataset.sample_shape)),
            kind_of(dataset),
            tuple(map(str, dataset.class_names)) if conditional else (),
            Conditions.of(dataset, conditional),
            dataset.standardization,
            getattr(dataset.to_units, "__func__", None) is Dataset.to_units,
        )

    def to_units(self, x: Tensor) -> Tensor:
        """As `Dataset.to_units`, where `knows_units`."""
        return in_units(x, self.kind, self.standardization)

    def from_units(self, x: Tensor) -> Tensor:
        """As `Dataset.from_units`, where `knows_units`."""
        return as_seen(x, self.kind, self.standardization)

    def write(self, path: Path) -> None:
        """The same bytes for the same data, wherever they lie. Raises WorkError if it cannot be written."""
        tensors = {"shares": self.conditions.shares}
        if len(self.conditions.values):
            tensors["conditions"] = self.conditions.values
        if self.standardization is not None:
            tensors |= {"mean": self.standardization.mean, "std": self.standardization.std}
        meta = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "sample_shape": self.sample_shape,
            "class_names": self.class_names,
            "knows_units": self.knows_units,
        }
        write_tensors(path, tensors, meta)

    @classmethod
    def read(cls, path: Path, data: DataKnown) -> DataCard:
        """The card in a file. Raises DamagedFile if it is not whole, or not one of these data."""
        tensors, meta = read_tensors(path)
        try:
            scale = Standardization(tensors["mean"], tensors["std"]) if "mean" in tensors else None
            names, shares, known = tuple(meta["class_names"]), tensors["shares"], meta["knows_units"]
            values = tensors.get("conditions", torch.empty(0))
            same = (meta["format"], meta["fingerprint"]) == (FORMAT, data.fingerprint)
            same &= tuple(meta["sample_shape"]) == data.sample_shape
            same &= shares.shape == (data.num_classes,)
            same &= tuple(values.shape[1:]) == data.condition_shape
            same &= bool(len(values)) == bool(data.condition_shape)
            fits = scale is None or scale.fits(data.sample_shape)
            named = len(names) in (0, data.num_classes) and all(isinstance(name, str) for name in names)
        except (KeyError, TypeError, UsageError) as error:
            raise DamagedFile(f"{path} is not what ganzoo writes of a run's data") from error
        if not (same and fits and named and isinstance(known, bool)):
            raise DamagedFile(f"{path} is not of this run's data")
        own = Conditions(shares, values)
        return cls(data.fingerprint, data.sample_shape, data.kind, names, own, scale, known)


@dataclass(frozen=True)
class DataKnown:
    """What a run's settings say of its data: what a card must agree with.

    Attributes:
        num_classes, condition_shape: 0 and () where the model is not conditional.
    """

    fingerprint: str
    sample_shape: tuple[int, ...]
    kind: str
    num_classes: int
    condition_shape: tuple[int, ...]
