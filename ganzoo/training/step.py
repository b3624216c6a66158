"""The one training step: n_dis updates of D, then one of G. Every model and every switch goes through here.

    real: batch -> view -> transforms -> pack -> D        fake: G(z) -> transforms -> pack -> D

Losses and stabilizers say what to add or to change; only `_apply` runs backward and steps an optimizer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Optimizer

from ganzoo.losses import Loss
from ganzoo.models.base import GAN, Logits, Sample, leaf, map_sample, pack, scales
from ganzoo.stabilizers.base import Critic, Phase, Side, Stabilizer, Weights
from ganzoo.stabilizers.memory import Memory
from ganzoo.training.late import LateScalar
from ganzoo.training.meter import Meter

Draw = Callable[[int], tuple[Tensor, Tensor | None]]
"""The i-th real batch of this step: x on the device, and y or None."""


class Step:
    """One step, called once per generator update.

    Args:
        gan: in train mode, on its device.
        optimizers: of G and of D.
        autocast: makes the context in which forwards run (reduced precision).
    """

    def __init__(
        self,
        gan: GAN,
        loss: Loss,
        stabilizers: list[Stabilizer],
        optimizers: tuple[Optimizer, Optimizer],
        n_dis: int = 1,
        autocast: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.gan = gan
        self.loss = loss
        self.stabilizers = stabilizers
        self.optimizer_g, self.optimizer_d = optimizers
        self.n_dis = n_dis
        self.autocast = autocast
        self.meter = Meter()
        self.late_d_loss = LateScalar()

    def __call__(self, draw: Draw) -> None:
        for i in range(self.n_dis):
            x, y = draw(i)
            # G's step judges the last of these samples, so they are made once; the others need no graph.
            with torch.set_grad_enabled(i == self.n_dis - 1):
                real = self.gan.view(x)  # which an encoder in G may have a part in
                with self.autocast():
                    fake = self.gan.generator(self.gan.sample_z(len(x)), y)
            self._update_d(map_sample(Tensor.detach, real), map_sample(Tensor.detach, fake), y)
        self._update_g(fake, real, y)

    def _update_d(self, real: Sample, fake: Sample, y: Tensor | None) -> None:
        before = self.late_d_loss.get()
        stats = {} if before is None else {"d_loss": before}
        update = all([s.update_d(stats) for s in self.stabilizers])  # a list: each of them sees the stats
        if update:
            sides = frozenset[Side]().union(*(s.differentiates_at() for s in self.stabilizers))
            real = leaf(real) if "real" in sides else real
            fake = leaf(fake) if "fake" in sides else fake
        with torch.set_grad_enabled(update), self.autocast():
            critic = _once(self._critic("d"))
            real_logits, fake_logits = critic(real, y), critic(fake, y)
            plain = total = self.loss.d(real_logits, fake_logits)
            if update:
                total = self._d_total(critic, real, fake, y, plain, self.meter)
        if update:
            self._apply(total, self.gan.discriminator, self.optimizer_d)
        self.late_d_loss.put(plain)
        self.meter.add("d_loss", plain)
        self.meter.add("d_real", self._reading(real_logits))
        self.meter.add("d_fake", self._reading(fake_logits))

    def _update_g(self, fake: Sample, real: Sample, y: Tensor | None) -> None:
        with self.autocast():
            weights = self._ahead(real, fake, y)
        # Weights from steps ahead depend on G, and so does what they say of real samples.
        depends = weights is not None or any(x.requires_grad for x in scales(real))
        parameters = [p for p in self.gan.discriminator.parameters() if p.requires_grad]
        for parameter in parameters:  # frozen: its gradients would be computed for nothing
            parameter.requires_grad_(False)
        try:
            with self.autocast():
                critic = self._critic("g", weights)
                fake_logits = critic(fake, y)
                real_logits = None
                if self.loss.needs_real_in_g:
                    with torch.set_grad_enabled(depends):
                        real_logits = critic(real, y)
                plain = self.loss.g(fake_logits, real_logits)
                total = plain + self._penalties("g_penalty", critic, real, fake, y, self.meter)
            self._apply(total, self.gan.generator, self.optimizer_g)
        finally:
            for parameter in parameters:
                parameter.requires_grad_(True)
        self.meter.add("g_loss", plain)

    def _d_total(
        self, critic: Critic, real: Sample, fake: Sample, y: Tensor | None, plain: Tensor, meter: Meter
    ) -> Tensor:
        """What D minimises: its plain loss, with smoothed targets if there are any, and the penalties."""
        target = 1.0
        for stabilizer in self.stabilizers:
            target = stabilizer.real_target(target)
        loss = plain if target == 1.0 else self.loss.d(critic(real, y), critic(fake, y), real_target=target)
        return loss + self._penalties("d_penalty", critic, real, fake, y, meter)

    def _ahead(self, real: Sample, fake: Sample, y: Tensor | None) -> Weights | None:
        """D's weights some steps from now, where a stabilizer looks ahead; None for D as it is."""

        def loss(weights: Weights) -> Tensor:
            critic, at, made = _once(self._critic("d", weights)), _renamed(real), _renamed(fake)
            plain = self.loss.d(critic(at, y), critic(made, y))
            return self._d_total(critic, at, made, y, plain, Meter())

        for stabilizer in self.stabilizers:
            weights = stabilizer.look_ahead(loss, self.gan.discriminator, self.optimizer_d)
            if weights is not None:
                return weights
        return None

    def _critic(self, phase: Phase, weights: Weights | None = None) -> Critic:
        """D, its own weights replaced where others are given, behind everything that stabilizers do to it."""
        net = self.gan.discriminator

        def critic(sample: Sample, y: Tensor | None) -> Logits:
            for stabilizer in self.stabilizers:
                sample = stabilizer.transform(sample, y)
            inputs = pack(sample, self.gan.pack), y
            logits: Logits = net(*inputs) if weights is None else functional_call(net, weights, inputs)
            # Losses and penalties stay in full precision whatever the nets ran in.
            return map_sample(lambda f: f.float() if f.dtype == torch.bfloat16 else f, logits)

        wrapped: Critic = critic
        for stabilizer in self.stabilizers:
            wrapped = stabilizer.wrap_critic(wrapped, phase)
        return wrapped

    def _penalties(
        self, hook: str, critic: Critic, real: Sample, fake: Sample, y: Tensor | None, meter: Meter
    ) -> Tensor | float:
        total: Tensor | float = 0.0
        for stabilizer in self.stabilizers:
            penalty: Tensor | None = getattr(stabilizer, hook)(critic, real, fake, y)
            if penalty is not None:
                meter.add(f"{hook}/{stabilizer.name}", penalty)
                total = total + penalty
        return total

    def _apply(self, loss: Tensor, net: nn.Module, optimizer: Optimizer) -> None:
        """Backward and one optimizer step: where gradients of several processes would be reduced."""
        optimizer.zero_grad(set_to_none=True)
        # Of a penalised D the inputs require gradients too, which nobody needs.
        loss.backward(inputs=[p for p in net.parameters() if p.requires_grad])  # type: ignore[no-untyped-call]
        for stabilizer in self.stabilizers:
            stabilizer.gradients(net)
        optimizer.step()
        for stabilizer in self.stabilizers:
            stabilizer.weights(net)

    def _reading(self, logits: Logits) -> Tensor:
        """D(x) as people read it: a probability where the logit is one, else the mean output."""
        if isinstance(logits, tuple):
            return torch.stack([self._reading(f) for f in logits]).mean()
        return (logits.detach().sigmoid() if self.loss.probabilistic else logits.detach()).mean()


def _once(critic: Critic) -> Critic:
    """The critic, which answers for a sample that it has seen what it answered then."""
    memory = Memory[Logits]()

    def remembering(sample: Sample, y: Tensor | None) -> Logits:
        logits = memory.get(sample, y)
        if logits is None:
            logits = critic(sample, y)
            memory.put(sample, y, logits)
        return logits

    return remembering


def _renamed(sample: Sample) -> Sample:
    """The same numbers by another name, at which D can be differentiated.

    Weights from steps ahead depend on what G made too, and a penalty's gradient at D's input must not run
    through them.
    """
    return map_sample(lambda x: x.view_as(x) if x.requires_grad else x.detach().requires_grad_(), sample)
