"""Metrics as an object that is fed batch by batch, as torchmetrics has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.base import Modes
from ganzoo.data.ranges import Range
from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor
from ganzoo.extractors.open import Source, default_extractor, open_extractor
from ganzoo.metrics.context import BATCH, Samples, extracted, joined
from ganzoo.metrics.extracting import lack_of_logits, refuse_kind
from ganzoo.metrics.harness import Evaluation, compared
from ganzoo.metrics.open import Given, check_names, lack, open_metrics
from ganzoo.metrics.score import FAKE, REAL, Scored, as_names, where
from ganzoo.metrics.sets import RealSet, as_labels, as_samples, content, refuse_unlike
from ganzoo.registry.blame import blaming
from ganzoo.system.devices import choose_device

Like = tuple[torch.dtype, tuple[int, ...]]


@dataclass
class Side:
    """What came in of one side, generated or real, in blocks that are those of the harness.

    Attributes:
        blocks: features of whole blocks.
        samples: of whole blocks, where metrics look at samples themselves.
        waiting: samples that fill no block yet.
        labels: of all batches that had some.
        count: of samples in whole blocks.
        content: a hash of these.
        sure: kinds of numbers whose range is plain.
    """

    blocks: list[Mapping[str, Tensor]] = field(default_factory=list)
    samples: list[Tensor] = field(default_factory=list)
    waiting: list[Tensor] = field(default_factory=list)
    labels: list[Tensor] = field(default_factory=list)
    count: int = 0
    content: str = ""
    sure: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return self.count + sum(map(len, self.waiting))


class Score:
    """Scores of samples that come batch by batch: `update`, `compute`, `reset`, as torchmetrics has them.

        fid = ganzoo.Score("fid", extractor="inception")
        fid.update(images, real=True)        # in a loop, any number at a time, on any device
        fid.update(generator(z), real=False)
        fid.compute()                        # {"fid@inception": 12.3}, as ganzoo.score gives it
        fid.reset()

    Only features are kept, on the CPU, and the samples of a block of 256 that is not full yet; samples
    themselves where they have no pixels, or a metric needs them. Scores are those of `ganzoo.score` of all
    samples at once, bit by bit. It is no `torch.nn.Module`, as nothing in it is trained, saved or averaged
    with a model. Each process has its own: nothing is gathered from others.

    Args:
        metrics, extractor, weights, pixels, modes, device, offline: as of `ganzoo.score`.
        reset_real_features: `reset` forgets real samples too.

    Raises:
        UsageError: a word is wrong.
    """

    def __init__(
        self,
        metrics: str | Iterable[str] = (),
        *,
        extractor: Source | None = None,
        weights: str | Path | None = None,
        pixels: Range | None = None,
        modes: Modes | None = None,
        reset_real_features: bool = True,
        device: str | torch.device | None = None,
        offline: bool = False,
    ) -> None:
        self.metrics = as_names(metrics)
        check_names(self.metrics, extractor)
        self.reset_real_features = reset_real_features
        self._pixels, self._modes = pixels, modes
        self._weights, self._offline = weights, offline
        self._device = where(extractor, device)
        self._extractor: Extractor | None = None
        if extractor is not None:
            self._extractor = open_extractor(extractor, weights, offline, self._device)
        self._fake, self._real = Side(), Side()
        self._like: Like = torch.float32, ()
        self._extracts, self._keeps = False, False
        self._reference: tuple[RealSet, Samples] | None = None

    def __repr__(self) -> str:
        names, extractor = ", ".join(self.metrics) or "all that fit", self._extractor
        by = f" by {extractor.name}" if extractor else ""
        return f"Score({names}{by}; {len(self._fake)} generated and {len(self._real)} real samples)"

    def to(self, device: str | torch.device) -> Score:
        """Compute features on `device` from now on; what is kept stays on the CPU."""
        self._device = choose_device(device)
        if self._extractor is not None:
            self._extractor.to(self._device)
        return self

    @blaming()
    def update(self, samples: Any, real: bool, labels: Any = None) -> None:
        """Take in a batch of real samples, or of generated ones, and with metrics that need them its labels.

        Raises:
            UsageError: these are no such samples as came before, or metrics need what is not there; then
                nothing of them is taken in.
        """
        what, side = (REAL, self._real) if real else (FAKE, self._fake)
        x = as_samples(what, samples, self._pixels, side.sure)
        y = as_labels(what, labels, len(x))
        if len(side) and (y is None) == bool(side.labels):
            raise UsageError(f"some batches of {what} came with labels and some without: give all or none")
        if len(self._fake) + len(self._real):
            refuse_unlike(what, x, "those before", self._like)
        if not len(side):
            self._refuse(x, y, real)
        if not len(self._fake) + len(self._real):
            self._begin(x)
        self._take(side, x, y)
        if real:
            self._reference = None

    @blaming()
    def compute(self) -> Scored:
        """The scores of all samples that came in; more may follow.

        Raises:
            UsageError: there are too few of them, or a metric needs what is not there.
        """
        for what, side, word in ((REAL, self._real, "True"), (FAKE, self._fake, "False")):
            if not len(side):
                raise UsageError(f"there are no {what} yet: give them with update(samples, real={word})")
        x, y, made = self._whole(self._fake)
        if self._reference is None:  # else what was made of it, such as a covariance, is there
            self._reference = self._compared()
        data, train = self._reference
        given = Given(labels=y is not None)
        evaluation = Evaluation(self.metrics, data, extractor=self._extractor, given=given, train=train)
        return Scored(evaluation(x, y, with_real=False, progress=False, made=made))

    def reset(self) -> None:
        """Forget the samples; the real ones too, unless `reset_real_features` is False."""
        self._fake = Side(sure=self._fake.sure)
        if self.reset_real_features:
            self._real = Side(sure=self._real.sure)
            self._reference = None

    def _compared(self) -> tuple[RealSet, Samples]:
        x, y, made = self._whole(self._real)
        whole, index = Samples("train", x, y, self._extractor, made), compared(len(x))
        rest = self._real.waiting
        known = content(torch.cat(rest), self._real.content) if rest else self._real.content
        data = RealSet(x, y, modes=self._modes, known=known)
        return data, whole if index is None else whole.part(index)

    def _begin(self, x: Tensor) -> None:
        """With the first samples it is plain which metrics fit, and what has to be kept for them."""
        data = RealSet(x, modes=self._modes)
        opened = open_metrics(self.metrics, data)
        given = Given(labels=True)
        uses = {
            name: bool({"features", "logits"} & set(needs))
            for name, needs in opened.needs.items()
            if self.metrics or not lack(needs, data, given)
        }
        if any(uses.values()):
            if self._extractor is None:
                chosen = default_extractor(data)
                self._extractor = open_extractor(chosen, self._weights, self._offline, self._device)
            refuse_kind(self._extractor, data)
        for name in self.metrics:
            if why := lack_of_logits(opened.needs[name], self._extractor):
                raise UsageError(f"{name} needs {why}")
        self._extracts = any(uses.values())
        looked_at = any("images" in opened.needs[name] or not used for name, used in uses.items())
        self._keeps = looked_at or x.dtype != torch.uint8
        self._like = x.dtype, tuple(x.shape[1:])

    def _refuse(self, x: Tensor, y: Tensor | None, real: bool) -> None:
        """Raise a UsageError where a metric that was asked for needs what this batch does not have."""
        if not self.metrics:
            return
        data = RealSet(x, y, modes=self._modes)
        known = {"generated labels"} if real else {"labels", "modes", "generated labels"}
        for name, needs in open_metrics(self.metrics, data).needs.items():
            why = lack([need for need in needs if need not in known], data, Given())
            if not real and "generated labels" in needs and y is None:
                why = "labels of the generated samples: update(samples, real=False, labels=...)"
            if why:
                raise UsageError(f"{name} needs {why}")

    def _take(self, side: Side, x: Tensor, y: Tensor | None) -> None:
        waiting = [*side.waiting, x.clone()]  # the caller may use the same memory again
        count = sum(map(len, waiting))
        if count >= BATCH:
            every, full = torch.cat(waiting), count - count % BATCH
            # Of a batch that fails on the way nothing is there.
            side.blocks += [self._made(block) for block in torch.split(every[:full], BATCH)]
            side.content = content(every[:full], side.content)
            if self._keeps:
                side.samples.append(every[:full])
            side.count += full
            waiting = [every[full:].clone()] if full < count else []
        side.waiting = waiting
        side.labels += [] if y is None else [y]

    def _made(self, block: Tensor) -> Mapping[str, Tensor]:
        if not self._extracts:
            return {}
        assert self._extractor is not None
        return extracted(self._extractor, block)

    def _whole(self, side: Side) -> tuple[Tensor, Tensor | None, Mapping[str, Tensor] | None]:
        """All samples of a side, as far as they are kept, their labels, and what was made of them."""
        y = torch.cat(side.labels) if side.labels else None
        blocks = [*side.blocks, *([self._made(torch.cat(side.waiting))] if side.waiting else [])]
        made = joined(blocks) if self._extracts else None
        if self._keeps:
            return torch.cat([*side.samples, *side.waiting]), y, made
        dtype, shape = self._like
        # A metric that looks at them without saying so fails: they are no longer there.
        return torch.empty(len(side), *shape, dtype=dtype, device="meta"), y, made
