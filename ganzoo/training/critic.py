"""D as hooks call it: behind transforms, packing and wrappers, and with a memory of this turn."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack

from torch import Tensor, nn
from torch.func import functional_call

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.models.precision import full_range, in_full, in_range
from ganzoo.models.sample import Logits, Sample, map_sample, pack, scales
from ganzoo.models.turn import Side, Turn
from ganzoo.stabilizers.base import Judge, Stabilizer, Weights
from ganzoo.system.convolutions import Twice
from ganzoo.training.compiled import as_they_are
from ganzoo.training.memory import Memory
from ganzoo.training.recomputing import keeping_all


class TurnsCritic:
    """The critic of one turn.

    Args:
        turn: without a critic.
        weights: of D, where others than its own count.
    """

    def __init__(
        self, gan: GAN, stabilizers: list[Stabilizer], turn: Turn, weights: Weights | None = None
    ) -> None:
        self._body = _Body(gan, stabilizers, turn, weights)
        self._judge: Judge = self._body
        for stabilizer in stabilizers:
            self._judge = stabilizer.wrap_critic(_As(self._judge, self._body), turn)
        self._answers = Memory[Logits]()

    def __call__(self, sample: Sample, y: Tensor | None) -> Logits:
        logits = self._answers.get(sample, y)
        if logits is None:
            self._body.asked = sample
            try:
                logits = self._judge(sample, y)
            finally:
                self._body.asked = None
            self._answers.put(sample, y, logits)
        return logits

    def features(self, sample: Sample, y: Tensor | None) -> Tensor:
        if self._body.heard.get(sample, y) is None:
            self(sample, y)
        return self._body.features(sample, y)


class _As:
    """A wrapped critic, which has features too: what wrappers are given."""

    def __init__(self, judge: Judge, body: _Body) -> None:
        self._judge, self.features = judge, body.features

    def __call__(self, sample: Sample, y: Tensor | None) -> Logits:
        return self._judge(sample, y)


class _Body:
    """D itself, behind transforms and packing; it keeps what D's head was given."""

    def __init__(self, gan: GAN, stabilizers: list[Stabilizer], turn: Turn, weights: Weights | None) -> None:
        self._gan, self._stabilizers, self._turn, self._weights = gan, stabilizers, turn, weights
        self.heard = Memory[Tensor]()
        # What a wrapper was given, who may hand on the same, cut from its graph.
        self.asked: Sample | None = None

    def __call__(self, sample: Sample, y: Tensor | None) -> Logits:
        net, side = self._gan.discriminator, self._side(sample)
        turn = dataclasses.replace(self._turn, side=side, y=y)
        seen = sample
        for stabilizer in self._stabilizers:
            seen = stabilizer.transform(seen, turn)
        inputs = pack(map_sample(in_range, seen), self._gan.pack), y
        # In its own turn D is differentiated at samples for the sake of a penalty, and again as it learns.
        twice = turn.phase == "d" and any(x.requires_grad for x in scales(sample))
        device = scales(sample)[0].device
        caught: list[Tensor] = []
        head = getattr(net, "head", None) if hasattr(net, "features") else None
        handle = None
        if isinstance(head, nn.Module):
            handle = head.register_forward_pre_hook(lambda _, given: caught.extend(given[:1]))
        try:
            with ExitStack() as stack:
                stack.enter_context(as_they_are(twice or self._weights is not None))
                stack.enter_context(keeping_all(self._weights is not None))
                if twice:
                    stack.enter_context(full_range(device))
                    stack.enter_context(Twice())
                logits: Logits = (
                    net(*inputs) if self._weights is None else functional_call(net, self._weights, inputs)
                )
        finally:
            if handle:
                handle.remove()
        if caught:
            asked = sample if self.asked is None else self.asked
            theirs = _same(sample, asked) and not _cut(sample, asked)
            self.heard.put(asked if theirs else sample, y, in_full(caught[-1]))
        # Losses and penalties stay in full precision whatever the nets ran in.
        return map_sample(in_full, logits)

    def features(self, sample: Sample, y: Tensor | None) -> Tensor:
        features = self.heard.get(sample, y)
        if features is None:
            self(sample, y)
            features = self.heard.get(sample, y)
        if features is None:
            raise UsageError(
                f"features are what D's head(h, y) is given, and the discriminator of "
                f"{type(self._gan).__name__} is not made of features(x, y) and such a head"
            )
        return features

    def _side(self, sample: Sample) -> Side | None:
        if _same(sample, self._turn.real):
            return "real"
        return "fake" if _same(sample, self._turn.fake) else None


def _same(one: Sample, other: Sample) -> bool:
    """Whether these are the same numbers in the same place, be it under other names, cut from a graph."""
    return one is other or [(x.data_ptr(), x.shape, x.stride()) for x in scales(one)] == [
        (x.data_ptr(), x.shape, x.stride()) for x in scales(other)
    ]


def _cut(sample: Sample, asked: Sample) -> bool:
    """Whether no gradient goes from one to the other where one is wanted."""
    pairs = zip(scales(sample), scales(asked), strict=True)
    return any(b.requires_grad and a is not b for a, b in pairs)
