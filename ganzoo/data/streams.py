"""A split that does not fit in memory: read by a DataLoader whose position follows from the step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from ganzoo.data.base import Split, from_uint8
from ganzoo.data.copies import Copy
from ganzoo.data.counted import Order
from ganzoo.data.mirror import MirroredSplit
from ganzoo.data.tensors import Array, TensorSplit
from ganzoo.system.locks import Lock

Batch = tuple[Tensor, Tensor | None]


class StreamSplit:
    """Rows `start` to `stop` of a .npy file of images. Gives the batches that a TensorSplit of them would.

    Args:
        path: uint8 [N, C, H, W], as numpy.save writes it.
        start, stop: the rows that are this split.
        y: labels of these rows, int64 [stop - start], or None.
        made: how many of the channels are x; the others are y, where these are pairs. 0 is all.
        workers: processes that read ahead; 0 reads in this one.
        device: where batches are normalised and given.
        mark: kept as long as this is; it keeps the file where it is.
    """

    def __init__(
        self,
        path: Path,
        start: int,
        stop: int,
        y: Tensor | None,
        workers: int = 0,
        device: torch.device | None = None,
        mark: Lock | None = None,
        made: int = 0,
    ) -> None:
        self._rows = _Rows(path, start, stop, y, made)
        self._mark = mark
        self._workers = workers
        self._device = torch.device("cpu") if device is None else device
        self._reader: Iterator[Batch] | None = None
        self._next: tuple[int, int, int] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, n: int, step: int, seed: int) -> Batch:
        """Batch number `step`; quick where it follows on the last one, else the reader starts anew there."""
        if self._reader is None or self._next != (n, step, seed):
            self._reader = self._read_from(n, step, seed)
        x, y = next(self._reader)
        self._next = (n, step + 1, seed)
        x = from_uint8(x.to(self._device, non_blocking=True))
        y = None if y is None else y.to(self._device, non_blocking=True)
        return x, from_uint8(y) if y is not None and y.dtype == torch.uint8 else y

    def all(self) -> Batch:
        """Everything, uint8, on the CPU: backed by the file, read as it is used."""
        return self._rows.taken_apart(torch.from_numpy(self._rows.images()), self._rows.y)

    def to(self, device: torch.device) -> StreamSplit:
        rows = self._rows
        return StreamSplit(
            rows.path, rows.start, rows.stop, rows.y, self._workers, device, self._mark, rows.made
        )

    def _read_from(self, n: int, step: int, seed: int) -> Iterator[Batch]:
        loader = DataLoader(
            self._rows,
            batch_sampler=_Batches(len(self), n, step, seed),
            num_workers=self._workers,
            collate_fn=_as_it_is,
            pin_memory=self._device.type == "cuda",
            generator=torch.Generator(),  # else starting it would draw from torch's own
        )
        return iter(loader)


def open_splits(
    copy: Copy, y: Tensor | None = None, workers: int = 0, made: int = 0, mirror: bool = False
) -> tuple[Split, Split]:
    """The rows of decoded images to train on, and those to test; in memory if they are there.

    Args:
        y: labels of all rows, int64 [N], or None.
        workers, made: as of a StreamSplit.
        mirror: batches to train on are mirrored at random.
    """
    end, count = copy.meta["train"], len(copy.x)
    train, test = (
        open_split(copy, start, stop, None if y is None else y[start:stop], workers, made)
        for start, stop in ((0, end), (end, count))
    )
    return MirroredSplit(train) if mirror else train, test


def open_split(
    copy: Copy, start: int, stop: int, y: Tensor | None = None, workers: int = 0, made: int = 0
) -> Split:
    """Rows of decoded images, in memory if they are there. Arguments are as of a StreamSplit."""
    if copy.path is not None:
        return StreamSplit(copy.path, start, stop, y, workers, mark=copy.mark, made=made)
    x = torch.from_numpy(copy.x[start:stop])
    return TensorSplit(x[:, :made], x[:, made:]) if made else TensorSplit(x, y)


class _Rows(TorchDataset[Any]):
    """The rows, fetched a batch at a time; each process opens the file for itself."""

    def __init__(self, path: Path, start: int, stop: int, y: Tensor | None, made: int) -> None:
        self.path, self.start, self.stop, self.y, self.made = path, start, stop, y, made
        self._images: Array | None = None

    def __len__(self) -> int:
        return self.stop - self.start

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_images": None}

    def images(self) -> Array:
        if self._images is None:
            # Copy on write: never written to, but torch warns about memory that is read-only.
            whole: Array = np.load(self.path, mmap_mode="c", allow_pickle=False)
            self._images = whole[self.start : self.stop]
        return self._images

    def __getitems__(self, indices: list[int]) -> Batch:
        y = None if self.y is None else self.y[indices]
        return self.taken_apart(torch.from_numpy(np.asarray(self.images()[indices])), y)

    def taken_apart(self, x: Tensor, y: Tensor | None) -> Batch:
        return (x[:, : self.made], x[:, self.made :]) if self.made else (x, y)


class _Batches(Sampler[list[int]]):
    """The batches of `Order` from one step on, without end."""

    def __init__(self, n_total: int, n: int, step: int, seed: int) -> None:
        self._n_total, self._n, self._step, self._seed = n_total, n, step, seed

    def __iter__(self) -> Iterator[list[int]]:
        order, step = Order(self._n_total), self._step
        while True:
            yield order.indices(self._n, step, self._seed).tolist()
            step += 1


def _as_it_is(batch: Any) -> Any:
    return batch
