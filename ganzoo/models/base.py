"""The contract of a model: its nets, what D is shown, its own terms, and the recipes it is trained with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict

import torch
from torch import Tensor, nn

from ganzoo.data.kinds import kind_of_shape
from ganzoo.errors import UsageError
from ganzoo.models.latent import slerp
from ganzoo.models.recipe import Recipe
from ganzoo.models.sample import Sample
from ganzoo.models.turn import Phase, Turn

Condition = int | tuple[int, ...]
"""The number of classes, 0 for no condition; or the shape of values."""


class Common(TypedDict, total=False):
    """Options of every model: a subclass takes them as `**common: Unpack[Common]`, and hands them on."""

    num_classes: int
    pack: int
    z: str
    condition_shape: tuple[int, ...]
    kind: str


class GAN(nn.Module):
    """A generator, a discriminator and how they are fed. Subclass it to add a model.

    A subclass sets `generator` (z [N, z_dim], y [N] | None) -> Sample and `discriminator` (Sample, y | None)
    -> Logits in its `__init__`, whose keyword arguments are the model's options (`--set model.NAME=VALUE`).
    Those that every model has need not be written out:

        def __init__(
            self, sample_shape: tuple[int, ...], z_dim: int = 100, width: int = 64, **common: Unpack[Common]
        ) -> None:
            super().__init__(sample_shape, z_dim, **common)

    It gives `recipes`: "default" for a laptop's first run, "paper" for the paper's settings. Where the
    settings differ by kind of data, the keys are "default/images" and "default/vectors".

    A model may have more nets, in attributes of its own, and says by name whose optimizer trains them:
    `with_g` (an encoder, a second generator) and `with_d` (a second critic). Those with G are averaged, saved
    and loaded with it. What they learn, and whatever else a paper adds to the two losses, are `d_terms` and
    `g_terms`.

    Every draw comes from torch's default generator, which the trainer seeds anew from (seed, purpose, step):
    a model that draws noise of its own needs to do nothing for an exact resume.

    Args:
        sample_shape: (D,) of vectors, (C, L) of series, (C, H, W) of images, or any other; a shape that a
            model cannot build it refuses with a UsageError.
        z_dim: dimension of the latent space; 0 for a model that makes one sample of each value.
        num_classes: number of labels for a conditional model, 0 for none.
        pack: how many samples D judges together (PacGAN, Lin et al. 2018, arXiv 1712.04086), joined along
            dimension 1; the trainer packs, the model only builds a D with that many times the inputs.
        z: distribution of z, "normal" or "uniform" (on [-1, 1]).
        condition_shape: of y, for a model that is conditional on values and not on a class.
        kind: of data, where it is not what the shape says.

    Attributes:
        conditions: what models of this class may be conditional on: "classes", and by the kind of their
            shape "vectors", "images", ...
        tried_on: datasets that it can be tried on, as they are typed, for `ganzoo info`.
        condition: the number of classes, or the shape of the values; 0 for a model that is not conditional.

    Raises:
        UsageError: one of these makes no sense, or the model takes no conditions of this kind.
    """

    contract: ClassVar[int] = 2
    with_g: ClassVar[tuple[str, ...]] = ()
    with_d: ClassVar[tuple[str, ...]] = ()
    conditions: ClassVar[tuple[str, ...]] = ("classes",)
    tried_on: ClassVar[tuple[str, ...]] = ("ring8", "mnist")
    recipes: ClassVar[Mapping[str, Recipe]] = {"default": Recipe()}
    generator: nn.Module
    discriminator: nn.Module

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        z_dim: int = 100,
        num_classes: int = 0,
        pack: int = 1,
        z: str = "normal",
        condition_shape: tuple[int, ...] = (),
        kind: str = "",
    ) -> None:
        super().__init__()
        if z not in ("normal", "uniform"):
            raise UsageError(f"model.z must be normal or uniform, got {z!r}")
        if z_dim == 0 and not condition_shape:
            raise UsageError(
                "model.z_dim: expected at least 1, got 0; a model without z makes samples of values, such as "
                "those of pairs:PATH and unpaired:PATH_A,PATH_B, and these data have none"
            )
        if z_dim < 0 or pack < 1:
            raise UsageError(f"model.z_dim and model.pack must be at least 1, got {z_dim} and {pack}")
        self._refuse_condition(condition_shape, num_classes)
        self.sample_shape = tuple(sample_shape)
        self.kind = kind or kind_of_shape(sample_shape)
        self.z_dim = z_dim
        self.num_classes = num_classes
        self.condition_shape = tuple(condition_shape)
        self.condition: Condition = self.condition_shape or num_classes
        self.pack = pack
        self.z = z

    def _refuse_condition(self, shape: tuple[int, ...], classes: int) -> None:
        """Raise a UsageError for a condition of a kind that models of this class do not take."""
        given = kind_of_shape(shape) if shape else "classes"
        if (shape or classes) and given not in self.conditions:
            takes = f"{' or '.join(self.conditions)} as conditions" if self.conditions else "no conditions"
            which = f"{given} of shape {tuple(shape)}" if shape else f"{classes} classes"
            raise UsageError(f"{type(self).__name__} takes {takes}, and those of these data are {which}")

    @property
    def is_conditional(self) -> bool:
        """Whether G and D are given y."""
        return bool(self.condition)

    def sample_z(self, n: int) -> Tensor:
        """n latent vectors, [n, z_dim], on the model's device."""
        device = next(self.parameters()).device
        if self.z == "uniform":
            return torch.rand(n, self.z_dim, device=device) * 2.0 - 1.0
        return torch.randn(n, self.z_dim, device=device)

    def view(self, x: Tensor) -> Sample:
        """What D is shown of a real batch: itself; a pyramid for multi-scale models."""
        return x

    def sample(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Samples [N, ...] of z [N, z_dim] and y, as they are drawn once G is trained: in eval mode.

        A model that can be asked for more (truncation, say) takes it by name, `*, truncation: float = 1.0`:
        these are the options of `ganzoo sample --set` and of `Run.sample`.
        """
        return self.samples(self.generator(z, y))

    def between(self, a: Tensor, b: Tensor, t: Tensor, y: Tensor | None = None, **options: Any) -> Tensor:
        """Samples on the way from z = a to z = b, [N, z_dim] each, at t [N, 1]: on the great circle.

        Args:
            options: those of `sample`.
        """
        return self.sample(slerp(a, b, t), y, **options)

    def graph(self) -> nn.Module:
        """A net (z, y) -> samples for `ganzoo export`: it draws nothing, and no value decides what it does.

        Options of `sample` that it can take follow z and y under their names, as tensors of no dimension. It
        is asked of a model in eval mode, and shares its weights.
        """
        return Sampled(self)

    @property
    def has_encoder(self) -> bool:
        return type(self).encode is not GAN.encode

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The z [N, z_dim] of samples x [N, ...], as the networks see them, where the model has an encoder.

        Raises:
            UsageError: it has none.
        """
        raise UsageError(f"{type(self).__name__} has no encoder, which finds the z of samples: use bigan")

    def d_terms(self, turn: Turn) -> Mapping[str, Tensor]:
        """Scalars by name, added to D's loss in D's turn and logged: those of an auxiliary classifier, say.

        `turn.critic(sample, y)` and `turn.critic.features(sample, y)` judge through everything that
        stabilizers do, and cost nothing for `turn.real` and `turn.fake`.
        """
        return {}

    def g_terms(self, turn: Turn) -> Mapping[str, Tensor]:
        """Scalars by name, added to G's loss in G's turn and logged. What D's optimizer trains is frozen."""
        return {}

    def net(self, phase: Phase) -> nn.Module:
        """What the optimizer of G, or of D, trains: that net alone, or by name with those that go with it."""
        first, more = ("generator", self.with_g) if phase == "g" else ("discriminator", self.with_d)
        if not more:
            net: nn.Module = getattr(self, first)
            return net
        return nn.ModuleDict({name: getattr(self, name) for name in (first, *more)})

    def progress(self, t: float) -> None:
        """Called before every step with t in [0, 1] of the plan; a growing model sets its stage here.

        The plan is the one that the run was begun with: t stays at 1 where the budget grows later.

        It must be a pure function of t: the trainer calls it on this model and on the averaged copy, and
        again after a resume.
        """

    def samples(self, sample: Sample) -> Tensor:
        """The full-resolution samples in what the generator made."""
        return sample[-1] if isinstance(sample, tuple) else sample


class Sampled(nn.Module):
    """(z [N, z_dim], y) -> what a model samples of them."""

    def __init__(self, gan: GAN) -> None:
        super().__init__()
        self.gan = gan

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.gan.sample(z, y)
