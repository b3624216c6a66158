"""A turn for somebody's own loop: what losses and stabilizers are told, in one line."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from ganzoo.errors import UsageError
from ganzoo.losses import Loss
from ganzoo.models.base import GAN
from ganzoo.models.sample import Sample, leaf, map_sample
from ganzoo.models.turn import Phase, Side, Turn
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.training.critic import TurnsCritic


def turn(
    phase: Phase,
    gan: GAN,
    loss: Loss,
    real: Tensor,
    y: Tensor | None = None,
    *,
    stabilizers: Stabilizer | Sequence[Stabilizer] = (),
    z: Tensor | None = None,
    fake: Sample | None = None,
    step: int = 0,
    t: float = 0.0,
    scale: float = 1.0,
    d_loss: float | None = None,
) -> Turn:
    """A turn of D ("d") or of G ("g") in a loop of one's own; the zoo's own step makes the same ones.

    `turn.critic(turn.real, turn.y)` and `turn.critic(turn.fake, turn.y)` are D's logits, behind all that the
    stabilizers do to what it sees. In D's turn the samples are cut from G, and are leaves of the graph where
    a penalty differentiates at them.

    Args:
        real: a batch [N, ...] as networks see it, pixels in [-1, 1], on the model's device.
        y: its labels, for a conditional model.
        stabilizers: all of the loop, after `setup(gan)` of each.
        z, fake: what G makes its samples from, and these; drawn, and made, where left out.
        step, t, scale, d_loss: as `ganzoo.Turn` has them; a penalty with an `interval` goes by the step.

    Raises:
        UsageError: there is no such phase, or the loss or a stabilizer is no object.
    """
    if phase not in ("d", "g"):
        raise UsageError(f'phase={phase!r}: expected "d", as D learns, or "g", as G learns')
    if not isinstance(loss, Loss):
        raise UsageError(f'loss: expected an object, ganzoo.LOSSES.make("hinge"), got {loss!r}')
    stabilizers = [stabilizers] if isinstance(stabilizers, Stabilizer) else stabilizers
    for one in [stabilizers] if isinstance(stabilizers, str | type) else stabilizers:
        if not isinstance(one, Stabilizer):
            raise UsageError(
                f'stabilizers: expected objects that outlast a turn, ganzoo.STABILIZERS.make("r1"), '
                f"got {one!r}"
            )
    with torch.set_grad_enabled(phase == "g"):
        seen = gan.view(real)
        z = gan.sample_z(len(real)) if z is None else z
        fake = gan.generator(z, y) if fake is None else fake
    made = Turn(
        phase=phase, loss=loss, z=z, y=y, real=seen, fake=fake, net=gan.net(phase), step=step, t=t,
        scale=scale, d_loss=d_loss if phase == "d" else None,
    )  # fmt: skip
    if phase == "d":
        made = _cut(made, frozenset[Side]().union(*(one.differentiates_at(made) for one in stabilizers)))
    return dataclasses.replace(made, critic=TurnsCritic(gan, list(stabilizers), made))


def _cut(made: Turn, sides: frozenset[Side]) -> Turn:
    """Samples without what made them; those of these sides as leaves, at which D can be differentiated."""
    real, fake = (map_sample(Tensor.detach, sample) for sample in (made.real, made.fake))
    return dataclasses.replace(
        made, real=leaf(real) if "real" in sides else real, fake=leaf(fake) if "fake" in sides else fake
    )
