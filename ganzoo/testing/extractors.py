"""What the contract wants of a feature extractor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.kinds import PIXELS, kind_of_shape
from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor
from ganzoo.extractors.open import open_extractor
from ganzoo.registry import EXTRACTORS
from ganzoo.registry.options import known_options, options_of
from ganzoo.registry.spec import Spec
from ganzoo.testing.core import Subject, described, first, hooks, typed, want, where

SHAPES = [(c, s, s) for s in (28, 32, 64) for c in (1, 3)] + [(1,), (2,), (7,), (2, 64)]
N = 10
WORDS = ("weights", "offline")  # which have words of their own: others are typed behind the name


class Features(Subject):
    """An extractor, opened with the options that were given.

    Attributes:
        takes: shapes of samples that it does not refuse.
        refused: what it says of the others.
    """

    base = Extractor

    def __init__(self, name: str, options: Mapping[str, Any], shape: tuple[int, ...] | None = None) -> None:
        super().__init__(EXTRACTORS, name)
        takes = options_of(self.member)
        known = options_of(self.member, ("path",))
        given = known_options(f"extractor {name}", known, options)
        self.words = {key: given.pop(key) for key in WORDS if key in given}
        if given and "path" in takes:
            raise UsageError(
                f"extractor {name}: what follows its colon is a path, so that nobody can type {min(given)}"
            )
        typed = Spec.parse(name).options if "path" not in takes else {}
        self.typed = str(Spec(self.ref.name, {**typed, **given})) if given else name
        self.extractor = self.open()
        self.takes: list[tuple[int, ...]] = []
        self.refused: list[str] = []
        kinds = self.extractor.kinds
        for of in SHAPES if shape is None else [shape]:
            if kinds and kind_of_shape(of) not in kinds:
                self.refused.append(f"takes {' and '.join(kinds)} alone")
                continue
            try:
                self.extractor.check(of)
            except UsageError as error:
                self.refused.append(str(error))
            else:
                self.takes.append(of)

    def open(self) -> Extractor:
        return open_extractor(self.typed, **self.words)


def takes(subject: Features) -> str:
    """It takes samples of some shape, and `check` refuses others with a UsageError."""
    want(subject.takes, "samples of a shape that it takes", first(subject.refused))
    return first(subject.refused, "refuses: ")


def identifies(subject: Features) -> None:
    """weights_hash names what defines the features, and is the same whenever it is opened."""
    one, other = subject.extractor, subject.open()
    want(isinstance(one.weights_hash, str) and one.weights_hash, "a weights_hash", repr(one.weights_hash))
    same = one.weights_hash == other.weights_hash
    want(same, f"the weights_hash {one.weights_hash} again", other.weights_hash)


def extracts(subject: Features) -> None:
    """Features are float32 [N, d], finite, on the CPU; logits [N, k] where it `classifies`, else None."""
    for shape in subject.takes:
        samples = _samples(shape)
        made = subject.extractor(samples.clone())
        want({"features", "logits"} <= set(made), "a dict of features and logits", sorted(made))
        classifies = subject.extractor.classifies
        has = made["logits"] is not None
        want(has == classifies, f"classifies = {has}, as for what comes as logits", classifies)
        for key, value in made.items():
            if value is not None:
                two = value.dim() == 2 and len(value) == N
                want(two, f"{key} [{N}, d] for samples of shape {shape}", tuple(value.shape))
                plain = value.dtype == torch.float32 and value.device.type == "cpu"
                want(plain, f"float32 {key} on the CPU", (value.dtype, value.device))
                want(value.isfinite().all(), f"finite {key} for samples of shape {shape}", "infinity or nan")


def repeats(subject: Features) -> None:
    """The same samples have the same features, whatever was drawn before, and stay as they are."""
    for shape in subject.takes:
        samples = _samples(shape)
        kept = samples.clone()
        first = subject.extractor(samples)
        want(torch.equal(samples, kept), "samples left as they are", "other ones")
        torch.rand(3)
        for extractor in (subject.extractor, subject.open()):
            again = extractor(samples)
            for key in first:
                same = _close(first[key], again[key], 0.0)
                want(same, f"the same {key} again for samples of shape {shape}", "others")


def independent(subject: Features) -> None:
    """What a sample's features are does not depend on the others in the batch."""
    for shape in subject.takes:
        samples = _samples(shape)
        whole, parts = (
            subject.extractor(samples),
            [subject.extractor(part) for part in torch.split(samples, 3)],
        )
        for key, value in whole.items():
            if value is not None:
                joined = torch.cat([part[key] for part in parts])  # type: ignore[misc]
                want(_close(value, joined, 1e-4), f"the same {key} in batches of 3 and {N}", "others")


def _samples(shape: tuple[int, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if kind_of_shape(shape) in PIXELS:
        return torch.randint(0, 256, (N, *shape), dtype=torch.uint8, generator=generator)
    return torch.randn(N, *shape, generator=generator)


def _close(one: Tensor | None, other: Tensor | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is other
    scale = float(one.abs().max())
    return one.shape == other.shape and torch.allclose(one, other, rtol=tolerance, atol=tolerance * scale)


SUBJECT = Features
CHECKS = (
    described, hooks, typed, takes, identifies,
    *where("takes", "it takes nothing", extracts, repeats, independent),
)  # fmt: skip
