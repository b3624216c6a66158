"""What is done to gradients between backward and the optimizer."""

from __future__ import annotations

from torch import Tensor, nn

from ganzoo.errors import UsageError
from ganzoo.gan import GAN
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
        self._chosen: list[nn.Module] = []

    def setup(self, gan: GAN) -> None:
        nets = {"g": [gan.generator], "d": [gan.discriminator], "both": [gan.generator, gan.discriminator]}
        self._chosen = nets[self.net]

    def gradients(self, module: nn.Module) -> None:
        if any(module is chosen for chosen in self._chosen):
            self.change([p for p in module.parameters() if p.grad is not None])

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
