"""What samples need to know of the data that a run learnt from, kept beside it: the data may be elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganzoo.data.base import Dataset, Standardization, as_seen, in_units
from ganzoo.data.classes import class_shares
from ganzoo.errors import UsageError
from ganzoo.system.tensors import DamagedFile, read_tensors, write_tensors

FORMAT = 1


@dataclass(frozen=True, eq=False)
class DataCard:
    """Of a dataset, all that its generated samples need.

    Attributes:
        fingerprint, sample_shape, standardization: as of the dataset.
        class_names: where the samples have labels, and these have names.
        shares: of each class in the train split, [num_classes]; [0] where the samples have no labels.
        knows_units: False where the dataset has a `to_units` of its own, which a file cannot hold.
    """

    fingerprint: str
    sample_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    shares: Tensor
    standardization: Standardization | None
    knows_units: bool

    @classmethod
    def of(cls, dataset: Dataset, conditional: bool) -> DataCard:
        return cls(
            dataset.fingerprint,
            tuple(map(int, dataset.sample_shape)),
            tuple(map(str, dataset.class_names)) if conditional else (),
            class_shares(dataset) if conditional else torch.empty(0),
            dataset.standardization,
            getattr(dataset.to_units, "__func__", None) is Dataset.to_units,
        )

    def to_units(self, x: Tensor) -> Tensor:
        """As `Dataset.to_units`, where `knows_units`."""
        return in_units(x, self.sample_shape, self.standardization)

    def from_units(self, x: Tensor) -> Tensor:
        """As `Dataset.from_units`, where `knows_units`."""
        return as_seen(x, self.sample_shape, self.standardization)

    def write(self, path: Path) -> None:
        """The same bytes for the same data, wherever they lie. Raises WorkError if it cannot be written."""
        tensors = {"shares": self.shares}
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
    def read(cls, path: Path, fingerprint: str, sample_shape: tuple[int, ...], num_classes: int) -> DataCard:
        """The card in a file. Raises DamagedFile if it is not whole, or not one of these data and classes."""
        tensors, meta = read_tensors(path)
        try:
            scale = Standardization(tensors["mean"], tensors["std"]) if "mean" in tensors else None
            names, shares, known = tuple(meta["class_names"]), tensors["shares"], meta["knows_units"]
            same = (meta["format"], meta["fingerprint"]) == (FORMAT, fingerprint)
            same &= tuple(meta["sample_shape"]) == sample_shape and shares.shape == (num_classes,)
            fits = scale is None or scale.mean.shape == sample_shape
            named = len(names) in (0, num_classes) and all(isinstance(name, str) for name in names)
        except (KeyError, TypeError, UsageError) as error:
            raise DamagedFile(f"{path} is not what ganzoo writes of a run's data") from error
        if not (same and fits and named and isinstance(known, bool)):
            raise DamagedFile(f"{path} is not of this run's data")
        return cls(fingerprint, sample_shape, names, shares, scale, known)
