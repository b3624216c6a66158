"""What a conditional model is asked for where nobody says what: classes, or values that were held out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganzoo.data.base import Dataset, from_uint8
from ganzoo.data.classes import class_shares, labels_by_shares
from ganzoo.data.counted import Order

MOST_BYTES = 2**22  # of held-out values that a run keeps
MOST = 1_000


@dataclass(frozen=True, eq=False)
class Conditions:
    """Of a dataset, or of none for a model that is not conditional.

    Attributes:
        shares: of each class, float64 [num_classes]; [0] where y is no class.
        values: [M, ...] in their own units, images uint8; [0] where y is a class.
    """

    shares: Tensor = field(default_factory=lambda: torch.empty(0))
    values: Tensor = field(default_factory=lambda: torch.empty(0))

    @classmethod
    def of(cls, dataset: Dataset, conditional: bool, whole: bool = False) -> Conditions:
        """Those of a dataset; of held-out values so many as a run keeps, or the `whole` of them."""
        if not conditional:
            return cls()
        if not dataset.condition_shape:
            return cls(shares=class_shares(dataset))
        values = dataset.test.all()[1]
        assert values is not None
        most = len(values)
        if not whole:
            bytes_of_one = values.element_size() * math.prod(dataset.condition_shape)
            most = min(most, MOST, max(1, MOST_BYTES // bytes_of_one))
        # At random, but always the same: rows may be sorted.
        return cls(values=values[Order(len(values)).indices(most, 0, 0)])

    def in_turn(self, n: int, label: int | None = None) -> Tensor | None:
        """y of n samples for a person to look at: the classes, or the values, in turn; or one class.

        None for a model that is not conditional.
        """
        if len(self.values):
            return self.values[torch.arange(n) % len(self.values)]
        if not len(self.shares):
            return None
        return torch.arange(n) % len(self.shares) if label is None else torch.full((n,), label)

    def by_shares(self, n: int) -> Tensor | None:
        """y of n samples for scores: in turn, classes would favour the rare ones."""
        return labels_by_shares(n, self.shares) if len(self.shares) else self.in_turn(n)

    def at_random(self, n: int) -> Tensor | None:
        """y of n samples, by torch's default generator."""
        if len(self.values):
            return self.values[torch.randint(len(self.values), (n,))]
        return torch.multinomial(self.shares, n, replacement=True) if len(self.shares) else None


def as_seen_by_nets(y: Tensor) -> Tensor:
    """Conditions in their own units to what networks see: images in [-1, 1], all others as they are."""
    return from_uint8(y) if y.dtype == torch.uint8 else y
