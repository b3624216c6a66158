"""One turn of one of the two players: what every hook of a step is given, in one object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from torch import Tensor, nn

from ganzoo.errors import UsageError
from ganzoo.models.sample import Logits, Sample

Phase = Literal["d", "g"]
Side = Literal["real", "fake"]


class Critic(Protocol):
    """D as the step calls it: transforms, packing and wrappers included.

    For a sample object and labels object that it has judged in this turn, neither altered since, it answers
    what it answered then.
    """

    def __call__(self, sample: Sample, y: Tensor | None) -> Logits:
        """D's logits, [N / pack] or [N / pack, ...]; a tuple where D has several outputs."""

    def features(self, sample: Sample, y: Tensor | None) -> Tensor:
        """What D's last layer is given, [N / pack, ...]: of the forward that the logits are of.

        Raises:
            UsageError: D is not made of `features(x, y)` and a `head(h, y)`.
        """


class Pair(Protocol):
    """What D and G minimise, as `ganzoo.Loss` has it."""

    needs_real_in_g: ClassVar[bool]
    level: ClassVar[float | None]

    def d(self, real: Any, fake: Any, *, real_target: float = 1.0) -> Tensor: ...

    def g(self, fake: Any, real: Any = None) -> Tensor: ...


class _Nobody:
    def features(self, sample: Sample, y: Tensor | None) -> Tensor:
        raise UsageError("what D sees is being made: transform and wrap_critic are told of no critic")

    __call__ = features  # a Tensor is one of the Logits


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What there is while D, or G, learns. Later contracts may add to it: take what you need by name.

    Attributes:
        phase: whose turn it is: "d" or "g".
        step: the step about to be made, from 0.
        t: the plan's time in [0, 1]; it stays at 1 where the budget has grown since.
        scale: the recipe's penalty schedule at t; penalties multiply their weight with it.
        loss: of D and G, called as the step calls it.
        z: [N, z_dim], what `fake` was made from.
        y: of real and fake alike: classes int64 [N], or values float32 [N, ...]; None for an unconditional
            model.
        real: what `view` made of a real batch, not transformed.
        fake: what G made of z and y, not transformed; it has a graph in G's turn alone.
        critic: judges samples; not while they are being made for it (`transform`, `wrap_critic`).
        side: which of the two is being transformed; None for others, such as points between them.
        d_loss: in D's turn, D's plain loss one update ago; None before the first.
        net: what this turn's optimizer trains: G or D, with what the model trains beside it. In G's turn all
            that D's optimizer trains is frozen.
    """

    phase: Phase
    loss: Pair
    z: Tensor
    y: Tensor | None
    real: Sample
    fake: Sample
    net: nn.Module
    step: int = 0
    t: float = 0.0
    scale: float = 1.0
    critic: Critic = field(default_factory=_Nobody)
    side: Side | None = None
    d_loss: float | None = None
