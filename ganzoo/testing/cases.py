"""What a model is checked on: shapes, plain and conditional, and what its nets make of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.data.base import Dataset, to_uint8
from ganzoo.data.kinds import PIXELS, kind_of_shape
from ganzoo.errors import UsageError
from ganzoo.models.base import GAN, Condition
from ganzoo.models.sample import Logits, Sample, scales
from ganzoo.plan.config import Config
from ganzoo.registry import MODELS
from ganzoo.registry.options import known_options, options_of
from ganzoo.system.memory import room_for
from ganzoo.system.size import of_a_size_to_train
from ganzoo.testing.core import Subject, want
from ganzoo.testing.training import BATCH, CLASSES, same, tiny

SQUARES = [(c, s, s) for s, c in itertools.product((28, 32, 64), (1, 3))]
OTHERS = [(2, 16, 24), (1,), (2,), (7,), (2, 64), (1, 3, 16, 16)]  # a rectangle, vectors, a series, a video
SHAPES = [*SQUARES, *OTHERS]
VALUES = (3,)  # shape of a condition that is no class
N = 4


@dataclass(frozen=True)
class Case:
    """What a model is built for: samples of a shape, with classes, with values, or with neither."""

    shape: tuple[int, ...]
    classes: int = 0
    values: tuple[int, ...] = ()

    def __str__(self) -> str:
        of = f" of {self.classes} classes" * bool(self.classes)
        return f"for samples of shape {self.shape}{of}" + f" of values {self.values}" * bool(self.values)

    @property
    def kind(self) -> str:
        return kind_of_shape(self.shape)

    @property
    def has_pixels(self) -> bool:
        return self.kind in PIXELS

    @property
    def condition(self) -> Condition:
        return self.values or self.classes

    def real(self, n: int = N) -> Tensor:
        return torch.rand(n, *self.shape) * 2 - 1

    def y_in_units(self, n: int) -> Tensor | None:
        y = self.y(n)
        return to_uint8(y) if y is not None and kind_of_shape(self.values) in PIXELS else y

    def y(self, n: int = N) -> Tensor | None:
        if self.values:
            return torch.rand(n, *self.values, generator=torch.Generator().manual_seed(3)) * 2 - 1
        return torch.arange(n) % self.classes if self.classes else None


class Model(Subject):
    """A model, and all that it can be built for.

    Attributes:
        cases: shapes, plain and conditional, that it builds.
        refused: what it refuses, with the sentence.
        failed: what it does not build for another reason.
    """

    base = GAN

    def __init__(self, name: str, options: Mapping[str, Any], shape: tuple[int, ...] | None = None) -> None:
        super().__init__(MODELS, name)
        self.options = known_options(f"model {name}", MODELS.options(name), options)
        self.cases: list[Case] = []
        self.refused: dict[Case, str] = {}
        self.failed: dict[Case, Exception] = {}
        shapes = SHAPES if shape is None else [shape]
        plain = [Case(*pair) for pair in itertools.product(shapes, (0, CLASSES))]
        for case in [*plain, *self._with_values(shapes)]:
            try:
                _want_nets(self.build(case))
            except UsageError as error:
                self.refused[case] = str(error)
            except Exception as error:
                self.failed[case] = error
            else:
                self.cases.append(case)

    def _with_values(self, shapes: list[tuple[int, ...]]) -> Iterator[Case]:
        """A case with values for each kind of data, and for images as condition one more."""
        kinds: set[str] = set()
        says = self.member.conditions
        takes = says if isinstance(says, tuple) and "condition_shape" in options_of(self.member) else ()
        for shape in shapes:
            images = kind_of_shape(shape) == "images"
            if "vectors" in takes and kind_of_shape(shape) not in kinds:
                yield Case(shape, values=VALUES)
            if "images" in takes and images:
                yield Case(shape, values=shape)
            kinds.add(kind_of_shape(shape))

    def build(self, case: Case, **more: Any) -> GAN:
        torch.manual_seed(0)
        told: dict[str, Any] = {"condition_shape": case.values} if case.values else {}
        with of_a_size_to_train(), room_for("models with these options"):
            gan: GAN = self.member(case.shape, num_classes=case.classes, **told, **{**self.options, **more})
        return gan

    def moved(self, case: Case) -> GAN:
        """The model with its weights moved: what starts at zero would hide what goes through it."""
        gan = self.build(case)
        with torch.no_grad():
            for parameter in gan.parameters():
                parameter.add_(0.01 * torch.randn_like(parameter))
        return gan

    @cached_property
    def few(self) -> list[Case]:
        """The first shape of each kind of data, with classes if it can be; and the first one with values."""
        found: dict[str, Case] = {}
        for case in self.cases:
            kind = "values" if case.values else case.kind
            if kind not in found or (found[kind].shape == case.shape and case.classes):
                found[kind] = case
        return list(found.values())

    def plan(self, case: Case) -> tuple[Config, Dataset]:
        """A tiny run with the default recipe."""
        return self._plan(case, BATCH * self.build(case).pack, {})

    def packed(self, case: Case) -> tuple[Config, Dataset]:
        """One whose D judges two samples together."""
        return self._plan(case, 2 * BATCH, {"stabilizer": ["packing:m=2"]}, without="pack")

    def _plan(
        self, case: Case, batch: int, more: Mapping[str, Any], without: str = ""
    ) -> tuple[Config, Dataset]:
        settings = {f"model.{key}": value for key, value in self.options.items() if key != without}
        words = {"conditional": bool(case.condition), "batch_size": batch, "set": settings, **more}
        return tiny(self.name, case.shape, case.values, **words)


def _want_nets(gan: GAN) -> None:
    """Raise Broken unless G, D and what goes with them are nets, each of them once."""
    missing = [name for name in ("generator", "discriminator") if not hasattr(gan, name)]
    want(
        not missing,
        "`generator` and `discriminator` to be set in __init__",
        f"no {' and no '.join(missing)}",
    )
    names = ["generator", "discriminator"]
    for attribute in ("with_g", "with_d"):
        given = getattr(gan, attribute)
        such_as = f"{attribute} to be a tuple of names of nets, such as ('encoder',)"
        want(isinstance(given, tuple) and all(isinstance(name, str) for name in given), such_as, repr(given))
        for name in given:
            want(hasattr(gan, name), f"{attribute} to name nets of the model", f"{name!r}, which it lacks")
        names += given
    seen: dict[int, str] = {}
    for name in names:
        net = getattr(gan, name)
        want(isinstance(net, nn.Module), f"an nn.Module as {name}", type(net).__name__)
        twice = f"{seen.get(id(net))!r} and {name!r}, which are the same net"
        want(id(net) not in seen, "with_g and with_d to name each net once, and not G or D again", twice)
        seen[id(net)] = name


def everywhere(subject: Model) -> Iterator[tuple[Case, GAN, Sample]]:
    """Every case, at several times for a model that grows, with what G makes."""
    for case in subject.cases:
        gan = subject.build(case)
        for t in times(gan, 5):
            gan.progress(t)
            yield case, gan, gan.generator(gan.sample_z(N), case.y())


def times(gan: GAN, count: int) -> list[float]:
    return [i / (count - 1) for i in range(count)] if type(gan).progress is not GAN.progress else [1.0]


def output_of(gan: GAN, case: Case, t: float = 1.0) -> Any:
    gan.progress(t)
    return seeded(gan.generator, z_of(gan), case.y())


def z_of(gan: GAN) -> Tensor:
    torch.manual_seed(1)
    return gan.sample_z(N)


def seeded(net: nn.Module, *inputs: Any) -> Any:
    torch.manual_seed(2)
    with torch.no_grad():
        return net(*inputs)


def alike(one: Sample, other: Sample) -> bool:
    return all(same(a, b) for a, b in itertools.zip_longest(scales(one), scales(other)))


def total_of(logits: Logits) -> Tensor:
    return torch.stack([output.square().mean() for output in scales(logits)]).sum()


def without_gradient(gan: nn.Module) -> set[str]:
    """Parameters that have no gradient. BatchNorm takes away what a bias before it adds: zeros do there."""
    return {
        key
        for key, p in gan.named_parameters()
        if p.grad is None or (not key.endswith("bias") and not p.grad.abs().sum() > 0)
    }
