"""The averaged generator: the one that is sampled and measured."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import get_ema_multi_avg_fn, update_bn

from ganzoo.data.conditions import Conditions, as_seen_by_nets
from ganzoo.models.base import GAN
from ganzoo.models.sample import Sample
from ganzoo.system.rng import counted

SEEN = 500  # real samples, of which nets beside the generator have their statistics


class EMA:
    """Exponential moving average of G's parameters, by a half-life in images with a ramp at the start.

    Karras et al. 2018, arXiv 1710.10196 (averaged generator); the ramp as in Karras et al. 2020, arXiv
    1912.04958.

    Args:
        gan: the model in training; `self.gan` is a copy of it with an averaged generator and the same D.
        halflife: in images; 0 keeps no average, and the copy follows the training weights.
        ramp: the half-life is at most this share of the images so far.
        conditions: of the data: BatchNorm's statistics are of some of them; equal shares where it is None.
        real: gives up to so many real samples; BatchNorm's statistics beside the generator are of these.
    """

    def __init__(
        self,
        gan: GAN,
        halflife: float,
        ramp: float,
        conditions: Conditions | None = None,
        real: Callable[[int], Tensor] | None = None,
    ) -> None:
        self.halflife, self.ramp, self._real = halflife, ramp, real
        self._conditions = conditions or Conditions(torch.ones(gan.num_classes))
        self.gan = twin(gan)
        self._copy, self._source = self.gan.net("g"), gan.net("g")
        self._copy.requires_grad_(False)
        self._averaged = cast(list[Tensor], list(self._copy.parameters()))
        self._current = cast(list[Tensor], list(self._source.parameters()))

    def update(self, images: int, batch: int, factor: float = 1.0) -> None:
        """After G's step number images / batch; `factor` schedules the half-life."""
        if self.halflife <= 0:
            return
        halflife = min(self.halflife * factor, self.ramp * images)
        average = get_ema_multi_avg_fn(0.5 ** (batch / halflife))  # type: ignore[no-untyped-call]
        average(self._averaged, self._current, 0)

    def snapshot(self, seed: int, step: int, t: float, batch: int = 100, batches: int = 20) -> GAN:
        """A copy to sample from at time t, in eval mode, with BatchNorm statistics of its own weights.

        Those of a net that goes with G are of real samples, where `view` runs it, as an encoder is. One that
        terms alone run keeps those of training: what it is given there, nobody here knows.
        """
        with torch.no_grad():
            if self.halflife <= 0:
                for averaged, current in zip(self._averaged, self._current, strict=True):
                    averaged.copy_(current)
            for buffer, current in zip(self._copy.buffers(), self._source.buffers(), strict=True):
                buffer.copy_(current)
            still = twin(self.gan)
            still.progress(t)
            device = next(still.generator.parameters()).device
            with counted(device, seed, "batchnorm", step):
                update_bn([batch] * batches, _Drawn(still, self._conditions))
                viewed = _Viewed(still)
                if self._real is not None and viewed.norms:
                    viewed.update(self._real(min(SEEN, batch * batches)), batch)
        still.net("g").eval()
        return still


def twin(gan: GAN) -> GAN:
    """A copy with the same discriminator: that is shared, as only what goes with G is averaged."""
    shared = [getattr(gan, name) for name in ("discriminator", *gan.with_d)]
    return copy.deepcopy(gan, {id(net): net for net in shared})


class _Drawn(nn.Module):
    """n -> n generated samples: what update_bn feeds."""

    def __init__(self, gan: GAN, conditions: Conditions) -> None:
        super().__init__()
        self.generator = gan.generator
        self._gan = [gan]  # in a list: a module would register it, and D with it
        self._conditions = conditions

    def forward(self, n: int) -> Tensor:
        gan = self._gan[0]
        z = gan.sample_z(n)
        y = self._conditions.at_random(n) if gan.is_conditional else None
        return gan.samples(self.generator(z, None if y is None else as_seen_by_nets(y.to(z.device))))


class _Viewed(nn.Module):
    """x -> what D is shown of it, in which nets that go with G may have a part."""

    def __init__(self, gan: GAN) -> None:
        super().__init__()
        self.nets = nn.ModuleList(getattr(gan, name) for name in gan.with_g)
        self.norms = [part for part in self.nets.modules() if isinstance(part, _BatchNorm)]
        self._gan = [gan]

    def forward(self, x: Tensor) -> Sample:
        return self._gan[0].view(x)

    def update(self, x: Tensor, batch: int) -> None:
        """Statistics of x [N, ...] for those nets that see it."""
        before = copy.deepcopy([norm.state_dict() for norm in self.norms])
        whole = len(x) // batch * batch or len(x)  # a single sample has no variance
        update_bn(torch.split(x[:whole], batch), self)
        for norm, state in zip(self.norms, before, strict=True):
            if not norm.num_batches_tracked:
                norm.load_state_dict(state)
