"""What is done to gradients before the optimizer steps, and to weights after."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.models.turn import Turn
from ganzoo.stabilizers.base import Stabilizer


class _OnGradients(Stabilizer):
    """Shared by the three: which net's gradients are changed.

    Args:
        net: "g", "d" or "both".
    """

    def __init__(self, net: str = "both") -> None:
        super().__init__()
        if net not in ("g", "d", "both"):
            raise UsageError(f"net must be g, d or both, got {net!r}")
        self.net = net

    def gradients(self, turn: Turn) -> None:
        if self.net in (turn.phase, "both"):
            self.change([p for p in turn.net.parameters() if p.grad is not None])

    def change(self, parameters: list[Tensor]) -> None:
        raise NotImplementedError


class ClipGradNorm(_OnGradients):
    """Clip the norm of a net's whole gradient (Pascanu et al. 2013, arXiv 1211.5063).

    Args:
        max: largest norm left, > 0.
        net: "g", "d" or "both".
    """

    def __init__(self, max: float = 1.0, net: str = "both") -> None:
        super().__init__(net)
        self.max = _positive("clip-grad-norm", max)

    def change(self, parameters: list[Tensor]) -> None:
        nn.utils.clip_grad_norm_(parameters, self.max)


class ClipGradValue(_OnGradients):
    """Clip every component of a net's gradient to [-max, max].

    Args:
        max: largest absolute value left, > 0.
        net: "g", "d" or "both".
    """

    def __init__(self, max: float = 0.01, net: str = "both") -> None:
        super().__init__(net)
        self.max = _positive("clip-grad-value", max)

    def change(self, parameters: list[Tensor]) -> None:
        nn.utils.clip_grad_value_(parameters, self.max)


class UnitGradNorm(_OnGradients):
    """Scale a net's whole gradient to norm 1, whatever it was: against vanishing and exploding alike.

    With Adam, which divides by the gradient's own size, it only evens out jumps from step to step.

    Args:
        net: "g", "d" or "both".
    """

    refuses = ("clip-grad-norm",)

    def change(self, parameters: list[Tensor]) -> None:
        grads = [p.grad for p in parameters if p.grad is not None]
        scale = nn.utils.get_total_norm(grads).clamp_min(1e-12).reciprocal()
        for grad in grads:
            grad.mul_(scale)


def _positive(name: str, value: float) -> float:
    if not 0.0 < value < float("inf"):
        raise UsageError(f"{name}: max must be a positive number, got {value:g}")
    return value


class ClipWeights(Stabilizer):
    """Clip every weight of D to [-max, max] after each update (Arjovsky et al. 2017, arXiv 1701.07875).

    Algorithm 1 there: a crude way to a critic with a bounded slope; `gradient-penalty` is the better one.
    Normalisation layers are left alone, as a scale is no slope.

    Args:
        max: bound, above 0.
    """

    def __init__(self, max: float = 0.01) -> None:
        super().__init__()
        self.max = _positive("clip-weights", max)
        self._clipped: list[nn.Parameter] = []

    def setup(self, gan: GAN) -> None:
        if any(hasattr(part, "parametrizations") for part in gan.discriminator.modules()):
            raise UsageError(
                "clip-weights has nothing to clip where something else sets D's weights, as spectral norm "
                "and an equalised learning rate do: leave it out, or take another model"
            )
        norms = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
        parts = [part for part in gan.discriminator.modules() if not isinstance(part, norms)]
        self._clipped = [parameter for part in parts for parameter in part.parameters(recurse=False)]

    @torch.no_grad()
    def weights(self, turn: Turn) -> None:
        if turn.phase == "d":
            for parameter in self._clipped:
                parameter.clamp_(-self.max, self.max)
