"""What samples are drawn from, in Python: a run, or a generator that came without one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.data.card import DataCard
from ganzoo.data.conditions import as_seen_by_nets
from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.registry.blame import blaming
from ganzoo.registry.kinds import as_int
from ganzoo.running.asked import classes_of, rows_of
from ganzoo.system.memory import room_for
from ganzoo.training.sampling import draw

Rows = Tensor | np.ndarray[Any, Any] | Sequence[Any]
Labels = Tensor | np.ndarray[Any, Any] | Sequence[int | str] | int | str | None


class Known(Protocol):
    """What samples may be asked for: a run's settings, or what a generator's file says of itself."""

    @property
    def model(self) -> str: ...
    @property
    def dataset(self) -> str: ...
    @property
    def sample_shape(self) -> tuple[int, ...]: ...
    @property
    def kind(self) -> str: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def condition_shape(self) -> tuple[int, ...]: ...
    @property
    def conditional(self) -> bool: ...


class Sampler:
    """Draws samples, in the data's own units, and finds the z of some.

    A subclass gives what the methods need: the model in eval mode, what it may be asked for, and the units.

    Attributes:
        path: what a sentence names, a folder or a file.
        device: where samples are drawn.
    """

    path: Path
    device: torch.device

    @property
    def name(self) -> str:
        """What it is called."""
        return self.path.name

    @property
    def known(self) -> Known:
        raise NotImplementedError

    @property
    def step(self) -> int:
        """Of training, after which the weights were kept."""
        raise NotImplementedError

    @property
    def model(self) -> GAN:
        """The model with the averaged generator, in eval mode, on `device`."""
        raise NotImplementedError

    @property
    def card(self) -> DataCard:
        raise NotImplementedError

    @property
    def dataset(self) -> Dataset:
        """The data that it learnt from. Raises UsageError if they are not there, or not the same."""
        raise NotImplementedError

    def to_units(self, x: Tensor) -> Tensor:
        """From what the generator makes to the data's own units."""
        return (self.card if self.card.knows_units else self.dataset).to_units(x)

    @blaming()
    def sample(
        self,
        n: int | None = None,
        seed: int = 0,
        labels: Labels = None,
        z: Rows | None = None,
        condition: Rows | None = None,
        **options: Any,
    ) -> Tensor:
        """n samples [n, ...] in the data's own units: pixels uint8, all others float32.

        Args:
            n: 64 where left out, or as many as there are z, labels or conditions.
            labels: n classes for a conditional one, by index or by name, or one for all of them; 0, 1, 2, ...
                in turn where left out.
            condition: [n, ...] where it is conditional on values, in their own units (images uint8);
                some that were held out where left out.
            z: [n, z_dim], latent vectors of your own; drawn from the seed where left out.
            options: of the model's `sample`, such as truncation=0.7 of stylegan2.

        Raises:
            UsageError: there are no weights yet, or one of these does not fit the model.
        """
        n = None if n is None else as_int("n", n, at_least=1)
        seed = as_int("seed", seed, at_least=0)
        own = None if z is None else rows_of("z", z)
        y = self._asked(labels, condition, n or (64 if own is None else len(own)))
        count = n or next((len(given) for given in (own, y) if given is not None), 64)
        if y is None and self.known.conditional:
            with room_for(f"{count:,} samples"):
                y = self.card.conditions.in_turn(count)
        return self.to_units(draw(self.model, count, seed, "sample", y, z=own, **options))

    def _asked(self, labels: Labels, condition: Rows | None, count: int) -> Tensor | None:
        """The y that somebody asks for, of `count` samples: classes, or values."""
        if labels is not None and condition is not None:
            raise UsageError("labels and condition say twice what to make: give one of them")
        if (labels is not None and self.known.condition_shape) or (
            condition is not None and self.known.num_classes
        ):
            right, wrong = ("condition", "labels") if labels is not None else ("labels", "condition")
            raise UsageError(f"{self.path} has no {wrong}: give {right}")
        if labels is None:
            return None if condition is None else rows_of("condition", condition)
        if not self.known.conditional:
            raise UsageError(
                f"{self.path} is not conditional, and takes no labels: train with conditional=True"
            )
        return classes_of(labels, count, self.card.class_names, self.known.num_classes, self.path)

    def reconstruct(
        self,
        x: Rows,
        labels: Labels = None,
        seed: int = 0,
        condition: Rows | None = None,
        **options: Any,
    ) -> Tensor:
        """Samples x in the data's own units, through the model's encoder and back, in the same units.

        Args:
            labels, condition: of x, where it is conditional.
            options: as for `sample`.

        Raises:
            UsageError: the model has no encoder.
        """
        z = self.encode(x, labels, condition)
        return self.sample(len(x), seed, labels, z, condition, **options)

    @blaming()
    @torch.no_grad()
    def encode(self, x: Rows, labels: Labels = None, condition: Rows | None = None) -> Tensor:
        """The z [n, z_dim] of samples in the data's own units. Raises UsageError without an encoder."""
        data = self.card if self.card.knows_units else self.dataset
        x = rows_of("x", x)
        asked = self._asked(labels, condition, len(x))
        if asked is not None and len(asked) != len(x):
            raise UsageError(f"labels, or condition: expected {len(x)}, one for each of x, got {len(asked)}")
        y = None if asked is None else torch.split(as_seen_by_nets(asked), 256)
        parts = []
        for i, part in enumerate(torch.split(x, 256)):
            seen = data.from_units(part).to(self.device)
            parts.append(self.model.encode(seen, None if y is None else y[i].to(self.device)).cpu())
        return torch.cat(parts)
