"""CycleGAN (Zhu, Park, Isola & Efros 2017, arXiv 1703.10593)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Unpack, cast

import torch
from torch import Tensor, nn

from ganzoo.data.kinds import kind_of_shape
from ganzoo.errors import UsageError
from ganzoo.models.base import GAN, Common
from ganzoo.models.layers import at_least_one, init_normal
from ganzoo.models.pix2pix import refuse_other_sizes
from ganzoo.models.precision import in_full
from ganzoo.models.recipe import Optimizer, Recipe, Schedule
from ganzoo.models.translation import PatchCritic, ResNetTranslator, given
from ganzoo.models.turn import Turn


class Translator(ResNetTranslator):
    """G as the step calls it: the picture that it is given is the condition, and there is no z."""

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return super().forward(given(y))


class CycleGAN(GAN):
    """CycleGAN: pictures of one kind into another, learnt without pairs, there and back (Zhu et al. 2017).

    arXiv 1703.10593, eq. 3: two nets that turn A into B and B into A, two critics, and what goes there and
    back comes home. Data are `unpaired:PATH_A,PATH_B`: A is the condition, B is what is made. G has no z.
    Differences from the paper: D judges the samples of this step, not a history of fifty; rectangles are
    taken as they are, where their sides are multiples of 4.

    Args:
        width: channels of G's first layer; four times as many in the middle.
        d_width: of both critics' first layers; 0 is `width`.
        blocks: residual blocks of either G (the paper: 6 for 128 pixels, 9 for 256).
        cycle: weight of what does not come home, the paper's lambda.
        identity: weight, as a share of `cycle`, of changing what is of the right kind already.
    """

    with_g: ClassVar = ("back",)
    with_d: ClassVar = ("critic_a",)
    tried_on: ClassVar[tuple[str, ...]] = ("unpaired:PATH_A,PATH_B",)
    conditions: ClassVar[tuple[str, ...]] = ("images",)
    recipes: ClassVar = {
        "default": Recipe(
            "least-squares",
            optimizer_g=Optimizer(lr=2e-4),
            optimizer_d=Optimizer(lr=2e-4),
            batch_size=4,
            steps=4000,
            lr_schedule=Schedule("linear", 1.0, 0.1),
            ema_halflife=1_000,
            model={"width": 16, "blocks": 3},
            conditional=True,
        ),
        "paper": Recipe(
            "least-squares",
            optimizer_g=Optimizer(lr=2e-4),
            optimizer_d=Optimizer(lr=2e-4),
            batch_size=1,
            steps=200_000,
            ema_halflife=0.0,
            # The paper's squares are not halved, as those of the loss are: all weights are 10 : 1 there.
            model={"width": 64, "blocks": 9, "cycle": 5.0},
            conditional=True,
        ),
    }

    def __init__(
        self,
        sample_shape: tuple[int, ...],
        width: int = 16,
        d_width: int = 0,
        blocks: int = 3,
        cycle: float = 10.0,
        identity: float = 0.5,
        **common: Unpack[Common],
    ) -> None:
        shown = common.get("condition_shape", ())
        if kind_of_shape(shown) == "images" or not shown:  # others are told what is no image
            refuse_other_sizes("cyclegan", sample_shape, shown, "unpaired:PATH_A,PATH_B")
        super().__init__(sample_shape, 0, **common)
        at_least_one(width=width, d_width=d_width or width, blocks=blocks)
        sides = self.sample_shape[1:]
        if any(side % 4 or side < 8 for side in sides):
            near = [str(max(8, 4 * round(side / 4))) for side in sides]
            raise UsageError(
                f"cyclegan makes images whose sides are multiples of 4, from 8 on, and not of "
                f"{' x '.join(map(str, sides))} px (--set data.size={'x'.join(dict.fromkeys(near))})"
            )
        if self.pack > 1:
            raise UsageError(f"cyclegan judges each picture by itself: model.pack must be 1, got {self.pack}")
        if not (0.0 <= cycle < float("inf") and 0.0 <= identity < float("inf")):
            raise UsageError(
                f"cyclegan: expected model.cycle and model.identity of at least 0, got {cycle:g} and "
                f"{identity:g}"
            )
        self.cycle, self.identity = cycle, identity
        (a, *side), b = self.condition_shape, self.sample_shape[0]
        self.generator, self.back = Translator(a, b, width, blocks), ResNetTranslator(b, a, width, blocks)
        self.discriminator, self.critic_a = (
            PatchCritic(min(side), channels, d_width or width, nn.InstanceNorm2d) for channels in (b, a)
        )
        init_normal(self)

    def d_terms(self, turn: Turn) -> Mapping[str, Tensor]:
        with torch.no_grad():  # it is not `back` that learns here
            fake = self.back(turn.real)
        return {"a": turn.loss.d(self._judged(turn.y), self._judged(fake))}

    def g_terms(self, turn: Turn) -> Mapping[str, Tensor]:
        a, b = cast(Tensor, turn.y), cast(Tensor, turn.real)
        fake_a, fake_b = self.back(b), turn.fake
        real = self._judged(a) if turn.loss.needs_real_in_g else None
        home = _off(self.back(fake_b), a) + _off(self.generator(turn.z, fake_a), b)
        terms = {"a": turn.loss.g(self._judged(fake_a), real), "cycle": self.cycle * home}
        if a.shape == b.shape:
            own = _off(self.back(a), a) + _off(self.generator(turn.z, b), b)
            terms["identity"] = self.cycle * self.identity * own
        return terms

    def _judged(self, a: Tensor | None) -> Tensor:
        """What the critic of A says, in single precision, as the loss is given D's logits."""
        return in_full(self.critic_a(a))


def _off(x: Tensor, wanted: Tensor) -> Tensor:
    """The mean absolute difference."""
    return (x - wanted).abs().mean()
