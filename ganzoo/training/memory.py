"""What D said of samples, for as long as it would say it again."""

from __future__ import annotations

from typing import Generic, TypeVar

import torch
from torch import Tensor

from ganzoo.models.sample import Sample, scales

Answer = TypeVar("Answer")


class Memory(Generic[Answer]):
    """Answers for samples with their labels, forgotten for those that are altered in place.

    One that was made without a graph is none where a graph is wanted; the other way round it will do.
    """

    def __init__(self) -> None:
        # With the sample and the labels, so that their ids stay theirs.
        self._kept: dict[tuple[object, ...], tuple[Sample, Tensor | None, Answer]] = {}

    def put(self, sample: Sample, y: Tensor | None, answer: Answer) -> None:
        """Remember what was just answered. Called after the answer: D may alter what it is given."""
        self._kept[_key(sample, y, torch.is_grad_enabled())] = (sample, y, answer)

    def get(self, sample: Sample, y: Tensor | None) -> Answer | None:
        for graph in (True,) if torch.is_grad_enabled() else (True, False):
            found = self._kept.get(_key(sample, y, graph))
            if found is not None:
                return found[2]
        return None

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        self._kept.clear()


def _key(sample: Sample, y: Tensor | None, graph: bool) -> tuple[object, ...]:
    parts = [*scales(sample), *(() if y is None else (y,))]
    return graph, id(sample), id(y), *((part._version, part.requires_grad) for part in parts)
