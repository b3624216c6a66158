"""G looks some of D's updates ahead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer, RMSprop

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.models.turn import Turn
from ganzoo.stabilizers.base import Stabilizer, Weights
from ganzoo.system import ranks

TINY = 1e-30  # under Adam's root, whose slope at 0 is infinite


class Unrolled(Stabilizer):
    """Unrolled GAN: G is judged by the D of k updates from now, and learns through these updates.

    Metz et al. 2017, arXiv 1611.02163, eqs. 7 to 11. The updates are those that D's optimizer would make from
    its present state, on this step's samples; D itself stays where it is. What clips or normalises gradients
    or weights does not act on them. A step costs about k more forwards of D, differentiated twice.

    Args:
        k: updates ahead, >= 1.
    """

    refuses = ("clip-weights", "gradient-normalization")

    def __init__(self, k: int = 5) -> None:
        super().__init__()
        if k < 1:
            raise UsageError(f"unrolled: k must be a whole number of at least 1, got {k}")
        self.k = k

    def setup(self, gan: GAN) -> None:
        self._gan = gan  # whose D another stabilizer may replace after this one is set up

    def look_ahead(self, turn: Turn, loss: Callable[[Weights], Tensor], optimizer: Optimizer) -> Weights:
        parameters = dict(self._gan.discriminator.named_parameters())
        weights = {name: p.detach().requires_grad_() for name, p in parameters.items() if p.requires_grad}
        update = _updates(optimizer, parameters)
        for _ in range(self.k):
            # Of layers that are not in use yet a weight has no gradient: it stays, as with the optimizer.
            gradients = torch.autograd.grad(
                loss(weights), list(weights.values()), create_graph=True, allow_unused=True
            )
            weights = {
                name: weight if gradient is None else update(name, weight, ranks.mean(gradient))
                for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
            }
        return weights


def _updates(
    optimizer: Optimizer, parameters: dict[str, nn.Parameter]
) -> Callable[[str, Tensor, Tensor], Tensor]:
    """What one step of the optimizer makes of a weight, given its gradient, as a differentiable function.

    Each call goes one step further in that weight's state, of which the optimizer's own is the beginning.
    """
    updates = {Adam: _adam, RMSprop: _rmsprop, SGD: _sgd}
    fancy = ("weight_decay", "amsgrad", "nesterov", "dampening", "centered", "maximize")
    if type(optimizer) not in updates or any(optimizer.defaults.get(name) for name in fancy):
        raise UsageError(
            f"unrolled knows the plain adam, rmsprop and sgd as D's optimizer, and here it is "
            f"{type(optimizer).__name__} with other options: use --set optimizer_d.kind=adam, or leave it out"
        )
    settings = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    state = {name: dict(optimizer.state.get(parameter, {})) for name, parameter in parameters.items()}

    update = updates[type(optimizer)]

    def updated(name: str, weight: Tensor, gradient: Tensor) -> Tensor:
        return update(state[name], settings[id(parameters[name])], weight, gradient)

    return updated


def _adam(own: dict[str, Any], settings: dict[str, Any], weight: Tensor, gradient: Tensor) -> Tensor:
    beta1, beta2 = settings["betas"]
    zeros = torch.zeros_like(weight)
    step = own["step"] = own.get("step", 0) + 1
    first = own["exp_avg"] = torch.lerp(own.get("exp_avg", zeros), gradient, 1 - beta1)
    second = own["exp_avg_sq"] = beta2 * own.get("exp_avg_sq", zeros) + (1 - beta2) * gradient.square()
    root = (second / (1 - beta2**step) + TINY).sqrt()
    ahead: Tensor = weight - settings["lr"] * first / (1 - beta1**step) / (root + settings["eps"])
    return ahead


def _sgd(own: dict[str, Any], settings: dict[str, Any], weight: Tensor, gradient: Tensor) -> Tensor:
    momentum = settings["momentum"]
    before = own.get("momentum_buffer") if momentum else None
    buffer = own["momentum_buffer"] = gradient if before is None else momentum * before + gradient
    ahead: Tensor = weight - settings["lr"] * buffer
    return ahead


def _rmsprop(own: dict[str, Any], settings: dict[str, Any], weight: Tensor, gradient: Tensor) -> Tensor:
    alpha, zeros = settings["alpha"], torch.zeros_like(weight)
    square = own["square_avg"] = alpha * own.get("square_avg", zeros) + (1 - alpha) * gradient.square()
    return _sgd(own, settings, weight, gradient / ((square + TINY).sqrt() + settings["eps"]))
