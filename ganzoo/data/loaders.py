"""Somebody's own DataLoader as a dataset: read as training goes on, in an order that follows from the seed.

Its batches are cut anew to the size of the run's, and pass through as they are where that is the same. At
the beginning of each epoch everything that draws is seeded by (seed, epoch): torch's default generator,
python's and numpy's, the loader's own and its sampler's. So a run that is resumed meets the batches that it
would have met.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, Subset

from ganzoo.data.base import Standardization, from_uint8
from ganzoo.data.tensors import TensorSplit
from ganzoo.errors import UsageError, WorkError, first_line
from ganzoo.system.memory import machine_memory
from ganzoo.system.rng import counted, counted_seed

Batch = tuple[Tensor, Tensor | None]
Understood = Callable[[Any], Batch]
"""From what a loader gives to x and y: pixels uint8 or floats in [-1, 1], all else in its own units."""

MOST = 50_000  # rows that are held in memory, to compare with


class LoadedSplit:
    """The rows that a loader gives, epoch after epoch.

    Args:
        loader: gives batches of any size.
        understood: makes x, as networks see it but for `standardization`, and y of what it gives.
        kept: some of the rows, in the data's own units: all of them, where they are no more than MOST.
        standardization: of data without pixels.
        per_epoch: rows that it gives before it ends; 0 where that is not known.
        device: where batches are given.
    """

    def __init__(
        self,
        loader: DataLoader[Any],
        understood: Understood,
        kept: TensorSplit,
        standardization: Standardization | None,
        per_epoch: int,
        device: torch.device | None = None,
    ) -> None:
        self._per_epoch = per_epoch
        self._loader, self._understood, self._kept = loader, understood, kept
        self._standardization = standardization
        self._device = torch.device("cpu") if device is None else device
        self._reader: Iterator[Batch] | None = None
        self._next: tuple[int, int, int] | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def batch(self, n: int, step: int, seed: int) -> Batch:
        """Rows n * step to n * (step + 1) of all epochs; quick where they follow on the last ones."""
        if self._reader is None or self._next != (n, step, seed):
            self._reader = rows_of(self._loader, self._understood, n, n * step, seed, self._per_epoch)
        x, y = next(self._reader)
        self._next = (n, step + 1, seed)
        x = x.to(self._device, non_blocking=True)
        y = None if y is None else y.to(self._device, non_blocking=True)
        if self._standardization is not None:
            x = self._standardization.from_units(x)
        y = from_uint8(y) if y is not None and y.dtype == torch.uint8 else y
        return (from_uint8(x) if x.dtype == torch.uint8 else x), y

    def some(self, n: int, seed: int) -> Batch:
        """n of the rows that are in memory: the loader, which may start processes, goes on undisturbed."""
        return self._kept.batch(n, 0, seed)

    def all(self) -> Batch:
        return self._kept.all()

    def to(self, device: torch.device) -> LoadedSplit:
        known = self._kept, self._standardization, self._per_epoch
        return LoadedSplit(self._loader, self._understood, *known, device)


def rows_of(
    loader: DataLoader[Any], understood: Understood, n: int, start: int, seed: int, per_epoch: int
) -> Iterator[Batch]:
    """Batches of n rows without end, from row `start` of all epochs on."""
    epoch, skip = divmod(start, per_epoch) if per_epoch else (0, start)
    xs: list[Tensor] = []
    ys: list[Tensor] = []
    there = 0
    while True:
        found = 0
        for i, given in enumerate(_epoch(loader, epoch, seed)):
            try:
                x, y = understood(given)
            except UsageError as error:  # in the middle of a run
                raise WorkError(f"batch {i} of epoch {epoch} of the DataLoader: {error}") from error
            found += len(x)
            if skip >= len(x):
                skip -= len(x)
                continue
            if skip:
                x, y, skip = x[skip:], None if y is None else y[skip:], 0
            xs.append(x)
            if y is not None:
                ys.append(y)
            there += len(x)
            while there >= n:
                if len(xs) > 1:
                    xs, ys = [torch.cat(xs)], [torch.cat(ys)] if ys else []
                yield xs[0][:n], ys[0][:n] if ys else None
                there -= n
                xs, ys = ([xs[0][n:]], [ys[0][n:]] if ys else []) if there else ([], [])
        if not found:
            raise WorkError("the DataLoader gives no batch any more: one that can be read again is needed")
        epoch += 1


def rows_per_epoch(loader: DataLoader[Any]) -> int | None:
    """How many rows it gives before it ends; None where that is not known without reading."""
    batches = getattr(loader, "batch_sampler", None)
    if type(batches) is not BatchSampler or not hasattr(batches.sampler, "__len__"):
        return None
    rows, size = len(batches.sampler), batches.batch_size  # type: ignore[arg-type]  # it was asked
    return rows // size * size if batches.drop_last else rows


def _epoch(loader: DataLoader[Any], epoch: int, seed: int) -> Iterator[Any]:
    """What the loader gives in an epoch, the same for the same seed."""
    own = counted_seed(seed, "data/loader", epoch)
    for part in (loader, getattr(loader, "sampler", None)):
        generator = getattr(part, "generator", None)
        if isinstance(generator, torch.Generator):
            generator.manual_seed(own)
    if loader.num_workers and loader.persistent_workers:
        loader._iterator = None  # those of before draw on where they were, and new ones from the seed
    batches: Iterator[Any] = iter(())
    for i in itertools.count():
        # Its order is drawn with the first batch, from which what workers draw follows too; without workers,
        # each item is made here.
        seeded = (
            _seeded(counted_seed(own, "data/item", i)) if i == 0 or not loader.num_workers else nullcontext()
        )
        try:
            with seeded:
                batches = batches if i else iter(loader)
                given = next(batches)
        except StopIteration:
            return
        except (UsageError, WorkError):
            raise
        except Exception as error:  # whatever somebody's own data raise
            raise WorkError(
                f"the DataLoader failed at batch {i} of epoch {epoch}: {type(error).__name__}: "
                f"{first_line(error)}"
            ) from error
        yield given


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed all that a transform may draw from, and give it back as it was."""
    pythons, numpys = random.getstate(), np.random.get_state()
    try:
        random.seed(seed)
        np.random.seed(seed % 2**32)
        with counted(torch.device("cpu"), seed, "data/loader"):
            yield
    finally:
        random.setstate(pythons)
        np.random.set_state(numpys)


def read_some(loader: DataLoader[Any], understood: Understood, most: int = MOST) -> tuple[Batch, bool]:
    """Rows of one epoch, and whether these are all."""
    xs: list[Tensor] = []
    ys: list[Tensor] = []
    count, room, whole = 0, machine_memory() / 8, True
    for given in _epoch(loader, 0, 0):
        x, y = understood(given)
        xs.append(x)
        if y is not None:
            ys.append(y)
        count += len(x)
        if count >= most or count * x[0].nbytes > room:
            whole = count == rows_per_epoch(loader)
            break
    if not count:
        raise UsageError("the DataLoader gives no batch: expected samples, or pairs (x, y)")
    return (torch.cat(xs)[:most], torch.cat(ys)[:most] if ys else None), whole


def held_out(loader: DataLoader[Any]) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """A loader as the given one, of nine tenths of its items, and one of the rest.

    Raises:
        UsageError: nobody can take items out of it.
    """
    sampler = getattr(loader, "sampler", None)
    plain = type(sampler) is SequentialSampler or (type(sampler) is RandomSampler and not sampler.replacement)
    if loader.batch_size is None or not plain:
        raise UsageError(
            "this DataLoader chooses its samples in a way of its own, so that none can be held out of it: "
            "say with test=... what its samples are compared with"
        )
    count = len(loader.dataset)  # type: ignore[arg-type]  # as its own sampler needs
    if count < 2:
        raise UsageError(f"the DataLoader has {count} samples: at least 2 are needed")
    order = torch.randperm(
        count, generator=torch.Generator().manual_seed(counted_seed(0, "data/held out"))
    ).tolist()
    test = max(1, round(0.1 * count))

    def of(items: list[int], shuffle: bool, **how: Any) -> DataLoader[Any]:
        return DataLoader(
            Subset(loader.dataset, sorted(items)),
            batch_size=loader.batch_size,
            shuffle=shuffle,
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            worker_init_fn=loader.worker_init_fn,
            multiprocessing_context=loader.multiprocessing_context,
            timeout=loader.timeout,
            **how,
        )

    train = of(
        order[test:],
        isinstance(sampler, RandomSampler),
        drop_last=loader.drop_last,
        pin_memory=loader.pin_memory,
        prefetch_factor=loader.prefetch_factor,
        persistent_workers=loader.persistent_workers,
        generator=loader.generator,
    )
    return train, of(order[:test], False)
