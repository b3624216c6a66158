"""The contract of a dataset, and of a split of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from ganzoo.data.kinds import PIXELS, kind_of
from ganzoo.errors import UsageError

RADIUS = 3.0  # standard deviations from the centre of a mode, within which a sample is one of it


@dataclass(frozen=True)
class Modes:
    """What is known of a dataset's modes: `count` of them, and for mixtures where and how wide they are.

    Args:
        count: number of modes.
        centers: [count, D] in the data's own units, or None where a classifier tells the modes apart.
        std: standard deviation of each mode along every axis, or None.
        shares: [count] float64, the share of each mode in the data; equal ones where None.
        balanced: by its published protocol a generator is compared with equal shares, whatever the data's.
    """

    count: int
    centers: Tensor | None = None
    std: float | None = None
    shares: Tensor | None = None
    balanced: bool = False

    @property
    def radius(self) -> float:
        """How far from its centre a sample is of a mode; 0 where it is not known how wide they are."""
        return RADIUS * (self.std or 0.0)

    def nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of samples [N, D] the nearest centre each, [N], and whether it is within the radius, bool [N]."""
        assert self.centers is not None
        distance, nearest = torch.cdist(x.double(), self.centers.double()).min(1)
        return nearest, distance < self.radius


@dataclass(frozen=True, eq=False)
class Standardization:
    """How networks see samples without pixels: (x - mean) / std, column by column, or channel by channel.

    Args:
        mean, std: [D] for vectors, [C, 1, ...] for samples of more dimensions, in the data's own units; they
            are kept as float64.

    Raises:
        UsageError: they are not finite numbers in the same shape, or a std is not above 0.
    """

    mean: Tensor
    std: Tensor

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            object.__setattr__(self, name, torch.as_tensor(getattr(self, name)).detach().cpu().double())
        finite = bool(self.mean.isfinite().all() and self.std.isfinite().all())
        if not self.mean.dim() or self.mean.shape != self.std.shape or not finite:
            raise UsageError("a standardization has a finite mean and std for each column, [D]")
        if not bool((self.std > 0).all()):
            raise UsageError("the std of a standardization is above 0: a constant column has 1")

    def fits(self, sample_shape: tuple[int, ...]) -> bool:
        """Whether it has one mean for each column, or channel, of samples of this shape."""
        return tuple(self.mean.shape) == (sample_shape[0], *(1 for _ in sample_shape[1:]))

    @classmethod
    def of(cls, x: Tensor) -> Standardization:
        """What gives each column of x [N, D], or channel of x [N, C, ...], mean 0 and standard deviation 1.

        One that is constant stays so.
        """
        wide, over = x.double(), (0, *range(2, x.dim()))
        constant = wide.amax(over, keepdim=True) == wide.amin(over, keepdim=True)
        std = torch.where(constant, 1.0, wide.std(over, correction=0, keepdim=True))
        return cls(wide.mean(over, keepdim=True)[0], std[0])

    def to_units(self, x: Tensor) -> Tensor:
        """Samples as networks see them, to float32 in the data's own units."""
        # On the CPU: some devices have no float64, and a large mean needs it.
        return (x.detach().cpu().double() * self.std + self.mean).float().to(x.device)

    def from_units(self, x: Tensor) -> Tensor:
        """Samples in the data's own units, to float32 as networks see them."""
        return ((x.detach().cpu().double() - self.mean) / self.std).float().to(x.device)


class Split(Protocol):
    """A part of a dataset. Randomness is counted: the same (n, step, seed) gives the same batch, always."""

    def __len__(self) -> int:
        """Number of samples; for an endless one, how many `all` gives."""

    def batch(self, n: int, step: int, seed: int) -> tuple[Tensor, Tensor | None]:
        """The step-th training batch, as the networks see it.

        Returns:
            x [n, *sample_shape] float32, pixels in [-1, 1]; and y: classes [n] int64, or values
            [n, *condition_shape] float32, those of images in [-1, 1]; None where there is neither.
        """

    def all(self) -> tuple[Tensor, Tensor | None]:
        """Everything in the data's own units, x and y: pixels uint8, classes int64, all others float32."""

    def to(self, device: torch.device) -> Split:
        """The same split, giving its batches on `device`."""


@runtime_checkable
class HasSome(Protocol):
    """A split that may have a cheaper way to a few of its samples than a batch, which begins an epoch."""

    def some(self, n: int, seed: int) -> tuple[Tensor, Tensor | None]:
        """n samples as networks see them, on the CPU, always the same for a seed."""


class Dataset:
    """Samples to learn from, in two splits. Subclass it to add a dataset.

    Its options are the keyword arguments of its `__init__` (`--set data.NAME=VALUE`). Three names are filled
    in by ganzoo where a dataset declares them: `path` (what follows the colon in `folder:PATH`), `root`
    (`--data-root`) and `offline` (`--offline`).

    Attributes:
        name: as runs record it; may be more exact than what was asked for (mnist -> mnist-5k).
        sample_shape: of one sample: (D,), (C, L), (C, H, W), (C, T, H, W), or any other.
        kind: vectors, series, images, video or tensors, where that is not what the shape says (`kind_of`):
            numbers on a grid are tensors, not images. Pixels of images and video are uint8.
        num_classes: number of labels, 0 where there are none.
        condition_shape: of y, where samples come with values (several labels, an embedding, an image) and not
            with a class.
        class_names: names of the classes, where they have any.
        modes: what is known of the modes, or None.
        fingerprint: a hash of the content, or of the parameters of an exact distribution.
        standardization: how networks see vectors, where that is not as they are; nothing for images.
        stratified: each class has exactly its share in both splits, as no random draw would have.
        endless: batches are drawn from a distribution; there are no epochs.
        extractor: name of the feature extractor for its scores; where it is empty, a classifier that was
            trained for this data, or else `inception` for images and `identity` for vectors.
        eval_samples: how many generated samples its scores are computed on, unless told otherwise.
        paths: what follows the colon of its name, where it has a `path`: one, or several with commas between.
        elsewhere: that is no path of this machine, but a name, which `name` has too.
    """

    contract: ClassVar[int] = 2
    paths: ClassVar[str] = "PATH"
    elsewhere: bool = False
    name: str
    sample_shape: tuple[int, ...]
    kind: str = ""
    num_classes: int = 0
    condition_shape: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()
    modes: Modes | None = None
    fingerprint: str
    standardization: Standardization | None = None
    stratified: bool = False
    endless: bool = False
    extractor: str = ""
    eval_samples: int = 10_000
    train: Split
    test: Split

    def to_units(self, x: Tensor) -> Tensor:
        """From what a network makes to the data's own units: pixels become uint8, others are rescaled."""
        return in_units(x, kind_of(self), self.standardization)

    def from_units(self, x: Tensor) -> Tensor:
        """The inverse of `to_units`, but for rounding: what a network is shown of samples."""
        return as_seen(x, kind_of(self), self.standardization)


def some(split: Split, n: int, seed: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """n samples and their y as networks see them, always the same for a seed; at most len(split)."""
    n = min(n, len(split))
    if isinstance(split, HasSome):
        x, y = split.some(n, seed)
    else:  # on a copy: a split may start processes that read ahead for as long as it lives
        x, y = split.to(torch.device("cpu")).batch(n, 0, seed)
    return x.to(device), None if y is None else y.to(device)


def in_units(x: Tensor, kind: str, standardization: Standardization | None) -> Tensor:
    """What `Dataset.to_units` gives of data that have no `to_units` of their own."""
    if kind in PIXELS:
        return to_uint8(x)
    return x.float() if standardization is None else standardization.to_units(x)


def as_seen(x: Tensor, kind: str, standardization: Standardization | None) -> Tensor:
    """What `Dataset.from_units` gives of data that have no `from_units` of their own."""
    if kind in PIXELS:
        return from_uint8(x)
    return x.float() if standardization is None else standardization.from_units(x)


def shares(y: Tensor | None, num_classes: int) -> Tensor:
    """Labels [N] to the share of each class, float64 [num_classes]."""
    assert y is not None
    return torch.bincount(y, minlength=num_classes).double() / len(y)


def to_uint8(x: Tensor) -> Tensor:
    """[-1, 1] to uint8, the one rule: round(127.5 x + 127.5) clamped, wherever images leave a network."""
    return (x.float() * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)


def from_uint8(x: Tensor) -> Tensor:
    """uint8 to float32 in [-1, 1]; `to_uint8` takes it back exactly."""
    return x.float().div_(127.5).sub_(1.0)
