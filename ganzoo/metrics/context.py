"""What a metric is given: generated and real samples, each with features that are computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.data.classes import class_shares, labels_by_shares, most_by_shares, rows_with
from ganzoo.data.tensors import fingerprint
from ganzoo.errors import UsageError, WorkError
from ganzoo.extractors.base import Extractor
from ganzoo.metrics.kept import kept
from ganzoo.models.base import GAN
from ganzoo.system.bars import track
from ganzoo.system.rng import counted_seed

T = TypeVar("T")

BATCH = 256
BAR_FROM = 1000  # samples


class Samples:
    """A set of samples, and what has been computed of it.

    Args:
        made: features and logits, where they are there already; then nothing of it is kept on disk.

    Attributes:
        name: "generated", or the split that real ones are of.
        x: [N, ...] in the data's own units, pixels uint8 and all others float32, on the CPU.
        y: classes int64 [N], or values [N, ...] in their own units; None without either.
    """

    def __init__(
        self,
        name: str,
        x: Tensor,
        y: Tensor | None,
        extractor: Extractor | None,
        made: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.name, self.x, self.y = name, x, y
        self._extractor, self._given = extractor, made is not None
        self._made: dict[str, Mapping[str, Tensor]] = {} if made is None else {"features": made}

    def __len__(self) -> int:
        return len(self.x)

    @property
    def features(self) -> Tensor:
        """float32 [N, d], of the extractor."""
        return self.extract()["features"]

    @property
    def logits(self) -> Tensor:
        """float32 [N, k], of the extractor; there is no softmax in them."""
        return self.extract()["logits"]

    def extract(self, progress: bool = False) -> Mapping[str, Tensor]:
        """Features and logits, where they have not been computed yet."""
        return self.once("features", lambda: self._extract(progress))

    def once(self, what: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """`make()`, computed once; what is made of real images is kept on disk, by its content."""
        if what not in self._made:
            self._made[what] = kept(self._key(what), make) if self._is_kept() else make()
        return self._made[what]

    def some(self, n: int) -> Samples:
        """n of them at random, always the same ones, with their features; all of them where n is too many."""
        return self if n >= len(self) else self.part(order(len(self))[:n])

    def of_class(self, label: int) -> Samples:
        """Those with this label, with their features."""
        assert self.y is not None
        return self.part((self.y == label).nonzero().flatten())

    def part(self, index: Tensor) -> Samples:
        """Those at `index` [n], with their features."""
        few = _Part(self.name, self.x[index], None if self.y is None else self.y[index], self._extractor)
        few.whole, few.index, few._given = self, index, self._given
        return few

    def _is_kept(self) -> bool:
        if self._given:
            return False
        return self.name != "generated" and self._extractor is not None and self._extractor.remembered

    def _key(self, what: str) -> str:
        assert self._extractor is not None
        words = (what, self.content, self._extractor.name, self._extractor.weights_hash, torch.__version__)
        return hashlib.sha256("/".join(words).encode()).hexdigest()

    @cached_property
    def content(self) -> str:
        """A hash of `x`."""
        return fingerprint(self.x)

    def _extract(self, progress: bool) -> dict[str, Tensor]:
        assert self._extractor is not None, "the metric does not declare that it needs features"
        parts: list[dict[str, Tensor]] = []
        starts: Any = range(0, len(self), BATCH)
        if progress and len(self) > BAR_FROM and self._extractor.remembered:
            starts = track(starts, f"{self._extractor.name}: features of {self.name} samples", len(starts))
        for start in starts:
            parts.append(extracted(self._extractor, self.x[start : start + BATCH]))
        return joined(parts)


class _Part(Samples):
    whole: Samples
    index: Tensor

    def _extract(self, progress: bool) -> dict[str, Tensor]:
        made = self.whole.extract(progress)
        return {key: value[self.index] for key, value in made.items()}


def extracted(extractor: Extractor, block: Tensor) -> dict[str, Tensor]:
    """Features, and logits where there are such, of a block of at most BATCH samples.

    Sets of samples are always cut into the same blocks: the last bits of features may depend on what is
    computed together.
    """
    made = {key: value for key, value in extractor(block).items() if value is not None}
    for key, value in made.items():
        if not bool(torch.isfinite(value).all()):
            raise WorkError(f"the extractor {extractor.name} gives {key} that are not finite")
    return made


def joined(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """What `extracted` made of several blocks, as of one set."""
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


def order(n: int) -> Tensor:
    """The permutation of n real samples by which some of them are chosen; always the same."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(counted_seed(0, "metrics/order")))


class TooFewHeldOut(UsageError):
    """There is no value of real data at as many samples as the score is of."""


class Context:
    """One evaluation.

    Attributes:
        dataset: the data that is measured against.
        fake: the generated samples.
        real: the real samples of the reference split, which they are compared with.
        held_out: real samples of the other split, as many as `fake` or all there are.
        gan: the model with its trained discriminator, or None for foreign samples.
        extractor: what features come from, or None where no metric needs any.
        apportioned: the labels of the generated samples have exactly the data's shares.
        notes: sentences that belong beside the scores.
    """

    def __init__(
        self,
        dataset: Dataset,
        fake: Samples,
        train: Samples,
        test: Samples,
        reference: str = "train",
        gan: GAN | None = None,
        extractor: Extractor | None = None,
        apportioned: bool = False,
    ) -> None:
        self.dataset, self.fake, self.train, self.test = dataset, fake, train, test
        self.reference, self.gan, self.extractor = reference, gan, extractor
        self.apportioned, self._one_class = apportioned, False
        self.notes: list[str] = []
        self._shared: dict[str, Any] = {}

    @property
    def real(self) -> Samples:
        return self.train if self.reference == "train" else self.test

    @cached_property
    def held_out(self) -> Samples:
        others, n = self.test if self.reference == "train" else self.train, len(self.fake)
        if self._one_class or others.y is None or not self.dataset.num_classes or not n:
            return others.some(n)
        shares, stratified = class_shares(self.dataset, self.reference), self.dataset.stratified
        most = most_by_shares(others.y, shares) if self.apportioned else 0
        if not stratified and n > most:
            return others.some(n)
        # Classes of real data are apportioned, or drawn, as those beside them: one would flatter the other.
        if self.apportioned:
            labels = labels_by_shares(min(n, most), shares)
        else:
            draw = torch.Generator().manual_seed(counted_seed(0, "metrics/labels"))
            labels = torch.multinomial(shares, n, replacement=True, generator=draw)
        return others.part(rows_with(labels, others.y))

    def fewer(self) -> Context:
        """The same evaluation of as many generated samples as are held out."""
        n = len(self.held_out)
        if not self.apportioned or self.fake.y is None:
            return self.of(self.fake.some(n))
        labels = labels_by_shares(n, torch.bincount(self.fake.y, minlength=self.dataset.num_classes))
        return self.of(self.fake.part(rows_with(labels, self.fake.y)))

    def of_held_out(self) -> Context:
        """The same evaluation with as many held-out real samples in the place of the generated ones.

        Raises:
            TooFewHeldOut: there are fewer, and a score of fewer samples is another score.
        """
        self.refuse_fewer(len(self.fake), len(self.held_out))
        return self.shared("of held-out", lambda: self.of(self.held_out))

    def refuse_fewer(self, wanted: int, there: int) -> None:
        """Raise TooFewHeldOut where a value of real data would be of fewer samples than the score."""
        if there < wanted:
            raise TooFewHeldOut(
                f"there are {there} held-out samples, fewer than the {wanted} that the score is of"
            )

    def of(self, fake: Samples) -> Context:
        """The same evaluation of other samples."""
        return self._like(fake, self.train, self.test)

    def of_class(self, label: int, least: int = 0) -> Context:
        """The same evaluation of the samples of one class, against real ones of that class.

        Of so many that there are as many held-out ones, where these are at least `least`.
        """
        train, test = self.train.of_class(label), self.test.of_class(label)
        fake = self.fake.of_class(label)
        held_out = len(test if self.reference == "train" else train)
        if held_out >= max(least, 1):
            fake = fake.some(held_out)
        part = self._like(fake, train, test)
        part._one_class = True
        return part

    def _like(self, fake: Samples, train: Samples, test: Samples) -> Context:
        ways = (self.reference, self.gan, self.extractor, self.apportioned)
        return Context(self.dataset, fake, train, test, *ways)

    def shared(self, what: str, make: Callable[[], T]) -> T:
        """`make()`, computed once for all metrics of this evaluation."""
        if what not in self._shared:
            self._shared[what] = make()
        made: T = self._shared[what]
        return made

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def pairs(self, at_most: int) -> int:
        """How many there are of generated and of real samples alike, `at_most` at most."""
        return min(len(self.fake), len(self.real), at_most)

    def at_least(self, n: int, why: str) -> None:
        """Raise a UsageError if there are fewer generated or real samples than `n`."""
        for samples in (self.fake, self.real):
            if len(samples) < n:
                kind = "generated" if samples.name == "generated" else "real"
                more = " (--samples N)" if kind == "generated" and self.gan else ""  # else these are all
                raise UsageError(
                    f"{why} needs at least {n} samples, and there are {len(samples)} {kind} ones{more}"
                )
