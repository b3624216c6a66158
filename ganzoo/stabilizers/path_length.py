"""Path length regularisation: a step in w should change an image as much anywhere."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.models.turn import Turn
from ganzoo.registry.kinds import as_int
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.stabilizers.penalties import at_least_zero
from ganzoo.system import ranks
from ganzoo.system.convolutions import Twice


class PathLength(Stabilizer):
    """Path length regularisation: G's Jacobian from w to images should keep lengths, up to one factor.

    Karras et al. 2020, arXiv 1912.04958, section 3.2: weight * mean (|J^T y| - a)^2 for images y of noise,
    where a is a running mean of |J^T y|, at first 0. The square of |J^T y| is the mean over the layers that w
    enters, divided by the number of pixels, so that weight = 2 is the paper's weight at any resolution
    (equation 5). z is drawn anew, half a batch, which the paper leaves open. It is added to G's loss every
    `interval` steps and then `interval` times as strong.

    Args:
        weight: of the penalty; multiplied by the recipe's penalty schedule.
        decay: share of the running mean that is forgotten each time, in (0, 1].
        interval: apply it every so many steps.
    """

    tried_on: ClassVar[str] = "stylegan2 --dataset mnist"

    def __init__(self, weight: float = 2.0, decay: float = 0.01, interval: int = 8) -> None:
        super().__init__()
        if not 0.0 < decay <= 1.0:
            raise UsageError(f"path-length: decay must be in (0, 1], got {decay:g}")
        self.weight, self.decay = at_least_zero("weight", weight), decay
        self.interval = as_int("interval", interval, at_least=1)
        self.state = {"mean": torch.zeros(())}
        self._gan: GAN | None = None

    def setup(self, gan: GAN) -> None:
        if not (hasattr(gan.generator, "styles") and hasattr(gan.generator, "synthesis")):
            raise UsageError("path-length needs a generator with a mapping network, as stylegan2 has")
        self._gan = gan

    def g_penalty(self, turn: Turn) -> Tensor | None:
        if turn.step % self.interval:
            return None
        assert self._gan is not None
        generator: Any = self._gan.generator
        y, n = turn.y, -(-len(turn.z) // 2)
        if y is not None:  # those of the first half of the whole batch
            y = ranks.part(ranks.gathered(y)[: n * ranks.count()])
        z = self._gan.sample_z(n)
        with torch.autocast(z.device.type, enabled=False), Twice():  # in full precision whatever nets run in
            w = generator.styles(z, y)
            images = self._gan.samples(generator.synthesis(w))
            lengths = path_lengths(images, w, torch.randn_like(images))
        mean: Tensor = self.state["mean"]  # on the device: nothing waits for its value
        now = ranks.mean(lengths.detach().mean())
        mean = self.state["mean"] = mean + self.decay * (now - mean)
        return self.interval * turn.scale * self.weight * (lengths - mean).square().mean()


def path_lengths(images: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    """|J^T noise| for each sample, J being the Jacobian of images [N, C, ...] by w [N, layers, w_dim]. [N]"""
    (grad,) = torch.autograd.grad((images * noise).sum(), w, create_graph=True)
    square = grad.square().sum((1, 2)) / (w.shape[1] * images[0, 0].numel())
    return (square + 1e-12).sqrt()  # the root of 0 has no gradient
