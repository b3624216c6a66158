"""The one training step: n_dis updates of D, then one of G. Every model and every switch goes through here.

    real: batch -> view -> transforms -> pack -> D        fake: G(z, y) -> transforms -> pack -> D

Models, losses and stabilizers say what to add or change; only this file runs backward or steps an optimizer.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganzoo.losses import Loss
from ganzoo.models.base import GAN
from ganzoo.models.precision import full_range, in_range
from ganzoo.models.sample import Logits, Sample, leaf, map_sample, scales
from ganzoo.models.turn import Critic, Phase, Side, Turn
from ganzoo.stabilizers.base import Stabilizer, Weights
from ganzoo.system import ranks
from ganzoo.training.critic import TurnsCritic
from ganzoo.training.late import LateScalar
from ganzoo.training.meter import Meter
from ganzoo.training.scaling import LossScales

Draw = Callable[[int], tuple[Tensor, Tensor | None]]
"""The i-th real batch of this step: x on the device, and y or None."""


Draws = TypeVar("Draws", Tensor, Tensor | None)


@dataclass(frozen=True)
class _Made:
    """A part of a real batch, x as it was drawn, with what was made for it."""

    x: Tensor
    z: Tensor
    y: Tensor | None
    real: Sample
    fake: Sample

    def detached(self) -> _Made:
        real, fake = (map_sample(Tensor.detach, sample) for sample in (self.real, self.fake))
        return dataclasses.replace(self, real=real, fake=fake)


class Step:
    """One step, called once per generator update.

    Args:
        gan: in train mode, on its device.
        optimizers: of what G's and what D's optimizer trains (`GAN.net`).
        autocast: makes the context in which forwards run (reduced precision).
        accumulate: parts that a batch is cut into; one optimizer step for all of them.
        scales: of the losses, where forwards run in float16.

    Attributes:
        now: number of the step to be made, the plan's time, and the scale of penalties.
    """

    def __init__(
        self,
        gan: GAN,
        loss: Loss,
        stabilizers: list[Stabilizer],
        optimizers: tuple[Optimizer, Optimizer],
        n_dis: int = 1,
        autocast: Callable[[], AbstractContextManager[None]] = nullcontext,
        accumulate: int = 1,
        scales: LossScales | None = None,
    ) -> None:
        self.gan = gan
        self.loss = loss
        self.stabilizers = stabilizers
        self.optimizers: dict[Phase, Optimizer] = {"g": optimizers[0], "d": optimizers[1]}
        self.nets: dict[Phase, nn.Module] = {"g": gan.net("g"), "d": gan.net("d")}
        self.n_dis = n_dis
        self.autocast = autocast
        self.accumulate = accumulate
        self.scales = scales or LossScales()
        self.meter = Meter()
        self.late_d_loss = LateScalar()
        self.now: tuple[int, float, float] = (0, 0.0, 1.0)

    def __call__(self, draw: Draw) -> None:
        for i in range(self.n_dis):
            x, y = draw(i)
            parts = zip(_chunks(x, self.accumulate), _chunks(y, self.accumulate), strict=True)
            # G's turn judges the last of these samples, so they are made once; the others need no graph, and
            # where memory is short those of the last batch are made again, part by part.
            graph = i == self.n_dis - 1 and self.accumulate == 1
            # A part of a batch is shared out among the processes, of which there is one, mostly.
            made = [self._made(ranks.part(part), None, ranks.part(label), graph) for part, label in parts]
            self._update_d(made)
        self._update_g(made)

    def _made(self, x: Tensor, z: Tensor | None, y: Tensor | None, graph: bool) -> _Made:
        with torch.set_grad_enabled(graph), self.autocast():
            real = self.gan.view(x)  # which an encoder may have a part in
            z = self.gan.sample_z(len(x)) if z is None else z
            fake = self.gan.generator(z, y)
            # What D is differentiated at is not in float16, and so the gradient is not.
            return _Made(x, z, y, *(map_sample(in_range, sample) for sample in (real, fake)))

    def _turn(self, phase: Phase, made: _Made) -> Turn:
        step, t, scale = self.now
        return Turn(
            phase=phase, loss=self.loss, z=made.z, y=made.y, real=made.real, fake=made.fake,
            net=self.nets[phase], step=step, t=t, scale=scale,
            # Not in G's turn: D's loss of just now would have to be waited for.
            d_loss=self.late_d_loss.get() if phase == "d" else None,
        )  # fmt: skip

    def _update_d(self, parts: list[_Made]) -> None:
        turns = [self._turn("d", made.detached()) for made in parts]
        update = all([s.update_d(turns[0]) for s in self.stabilizers])  # a list: each of them sees the turn
        losses = []
        if update:
            self.optimizers["d"].zero_grad(set_to_none=True)
        for turn in turns:
            plain, total = self._judge_d(turn, update)
            if update:
                self._backward(total / len(turns) if len(turns) > 1 else total, turn)
            losses.append(plain)
        if update:
            self._apply(turns[0])
        self.late_d_loss.put(losses[0] if len(losses) == 1 else torch.stack(losses).mean())

    def _judge_d(self, turn: Turn, update: bool) -> tuple[Tensor, Tensor]:
        """D's plain loss of one part, and what it minimises."""
        if update:
            sides = frozenset[Side]().union(*(s.differentiates_at(turn) for s in self.stabilizers))
            turn = dataclasses.replace(
                turn,
                real=leaf(turn.real) if "real" in sides else turn.real,
                fake=leaf(turn.fake) if "fake" in sides else turn.fake,
            )
        with torch.set_grad_enabled(update), self.autocast():
            turn = self._judged(turn)
            real, fake = (self._logits(turn.critic, sample, turn.y) for sample in (turn.real, turn.fake))
            plain = total = self.loss.d(real, fake)
            if update:
                total = self._d_total(turn, plain, self.meter)
        self.meter.add("d_loss", plain)
        self.meter.add("d_real", self._reading(real))
        self.meter.add("d_fake", self._reading(fake))
        return plain.detach(), total

    def _update_g(self, parts: list[_Made]) -> None:
        self.optimizers["g"].zero_grad(set_to_none=True)
        for made in parts:
            if len(parts) > 1:
                made = self._made(made.x, made.z, made.y, graph=True)
            turn = self._turn("g", made)
            with self.autocast():
                weights = self._ahead(turn)
            with frozen(self.nets["d"]):  # its gradients would be computed for nothing
                total = self._judge_g(turn, weights)
                self._backward(total / len(parts) if len(parts) > 1 else total, turn)
        self._apply(turn)

    def _judge_g(self, turn: Turn, weights: Weights | None) -> Tensor:
        """What G minimises in one part, judged by D or by other weights of it."""
        # Weights from steps ahead depend on G, and so does what they say of real samples.
        depends = weights is not None or any(x.requires_grad for x in scales(turn.real))
        with self.autocast():
            turn = self._judged(turn, weights)
            fake = self._logits(turn.critic, turn.fake, turn.y)
            real = None
            if self.loss.needs_real_in_g:
                with torch.set_grad_enabled(depends):
                    real = self._logits(turn.critic, turn.real, turn.y)
            plain = self.loss.g(fake, real)
            self.meter.add("g_loss", plain)
            return plain + self._added(turn, self.meter)

    def _logits(self, critic: Critic, sample: Sample, y: Tensor | None) -> Logits:
        """What losses compare: D's answers to the samples of all processes."""
        return map_sample(ranks.gathered, critic(sample, y))

    def _judged(self, turn: Turn, weights: Weights | None = None) -> Turn:
        """The turn with its critic, which knows what is said in it."""
        return dataclasses.replace(turn, critic=TurnsCritic(self.gan, self.stabilizers, turn, weights))

    def _d_total(self, turn: Turn, plain: Tensor, meter: Meter) -> Tensor:
        """What D minimises: its plain loss, with smoothed targets if there are any, terms and penalties."""
        target = 1.0
        for stabilizer in self.stabilizers:
            target = stabilizer.real_target(target, turn)
        loss = plain
        if target != 1.0:
            real, fake = (self._logits(turn.critic, sample, turn.y) for sample in (turn.real, turn.fake))
            loss = self.loss.d(real, fake, real_target=target)
        return loss + self._added(turn, meter)

    def _ahead(self, turn: Turn) -> Weights | None:
        """D's weights some steps from now, where a stabilizer looks ahead; None for D as it is."""

        def loss(weights: Weights) -> Tensor:
            ahead = dataclasses.replace(
                turn, phase="d", net=self.nets["d"], real=_renamed(turn.real), fake=_renamed(turn.fake)
            )
            ahead = self._judged(ahead, weights)
            real, fake = (self._logits(ahead.critic, sample, ahead.y) for sample in (ahead.real, ahead.fake))
            plain = self.loss.d(real, fake)
            kept = [copy.deepcopy(stabilizer.state) for stabilizer in self.stabilizers]
            total = self._d_total(ahead, plain, Meter())
            for stabilizer, state in zip(self.stabilizers, kept, strict=True):
                stabilizer.state = state  # it is no update of D
            return total

        for stabilizer in self.stabilizers:
            with full_range(turn.z.device):
                weights = stabilizer.look_ahead(turn, loss, self.optimizers["d"])
            if weights is not None:
                return weights
        return None

    def _added(self, turn: Turn, meter: Meter) -> Tensor | float:
        """The model's own terms of a turn, and the penalties of stabilizers."""
        total: Tensor | float = 0.0
        for name, term in (self.gan.d_terms if turn.phase == "d" else self.gan.g_terms)(turn).items():
            meter.add(f"{turn.phase}_term/{name}", ranks.mean(term.detach()))
            total = total + term
        for stabilizer in self.stabilizers:
            with full_range(turn.z.device):
                penalty = (stabilizer.d_penalty if turn.phase == "d" else stabilizer.g_penalty)(turn)
            if penalty is not None:
                meter.add(f"{turn.phase}_penalty/{stabilizer.name}", ranks.mean(penalty.detach()))
                total = total + penalty
        return total

    def _backward(self, loss: Tensor, turn: Turn) -> None:
        # Of a penalised D the inputs require gradients too, which nobody needs.
        inputs = [p for p in turn.net.parameters() if p.requires_grad]
        self.scales[turn.phase].scale(loss).backward(inputs=inputs)  # type: ignore[no-untyped-call]

    def _apply(self, turn: Turn) -> None:
        """One optimizer step, with the mean of the gradients of all processes.

        Stabilizers see the true gradients. Where these have overflowed, the scaler leaves the step out.
        """
        optimizer, scaler = self.optimizers[turn.phase], self.scales[turn.phase]
        if ranks.count() > 1:
            ranks.average(p.grad for p in turn.net.parameters() if p.grad is not None)
        scaler.unscale_(optimizer)
        for stabilizer in self.stabilizers:
            stabilizer.gradients(turn)
        scaler.step(optimizer)
        scaler.update()
        for stabilizer in self.stabilizers:
            stabilizer.weights(turn)

    def _reading(self, logits: Logits) -> Tensor:
        """D(x) as people read it: a probability where the logit is one, else the mean output."""
        if isinstance(logits, tuple):
            return torch.stack([self._reading(f) for f in logits]).mean()
        return (logits.detach().sigmoid() if self.loss.probabilistic else logits.detach()).mean()


def _chunks(x: Draws, parts: int) -> list[Draws]:
    return [x] * parts if x is None or parts == 1 else [*x.chunk(parts)]


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """No parameter of a net requires gradients inside the block."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def _renamed(sample: Sample) -> Sample:
    """The same numbers by another name, at which D can be differentiated.

    Weights from steps ahead depend on what G made too, and a penalty's gradient at D's input must not run
    through them.
    """
    return map_sample(lambda x: x.view_as(x) if x.requires_grad else x.detach().requires_grad_(), sample)
