"""Optimizers from a recipe, and the one trap of the fused ones."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, RMSprop

from ganzoo.models.recipe import Optimizer
from ganzoo.training.restoring import Moments, check_moments


def make_optimizer(settings: Optimizer, net: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    """The optimizer of one net, fused where torch has a fused kernel for it."""
    fused = device.type in ("cpu", "cuda")
    parameters = list(net.parameters())
    if settings.kind == "adam":
        betas = (settings.beta1, settings.beta2)
        return Adam(parameters, lr=settings.lr, betas=betas, eps=settings.eps, fused=fused)
    if settings.kind == "sgd":
        return SGD(parameters, lr=settings.lr, momentum=settings.momentum, fused=fused)
    return RMSprop(
        parameters, lr=settings.lr, alpha=settings.beta2, eps=settings.eps, momentum=settings.momentum
    )


def load_moments(optimizer: torch.optim.Optimizer, moments: Moments) -> None:
    """Restore an optimizer's moments, in the memory format of their parameters.

    Fused Adam walks parameter, gradient and moments side by side in memory: with other strides it pairs the
    wrong numbers, without an error, and with other shapes it reads what is not its own.

    Raises:
        TypeError, ValueError: they are not of this optimizer and these parameters.
    """
    checked = copy.deepcopy(check_moments(optimizer, moments))  # it would share tensors with the caller
    optimizer.load_state_dict({"state": checked, "param_groups": optimizer.state_dict()["param_groups"]})
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            restored = optimizer.state[parameter]
            for key, value in restored.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    restored[key] = torch.empty_like(parameter).copy_(value)


def check_layout(optimizer: torch.optim.Optimizer) -> None:
    """Raise if a moment or a gradient lies in memory in another order than its parameter."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            tensors = {"gradient": parameter.grad, **optimizer.state.get(parameter, {})}
            for name, value in tensors.items():
                if (
                    isinstance(value, Tensor)
                    and value.shape == parameter.shape
                    and not _alike(value, parameter)
                ):
                    raise RuntimeError(
                        f"{name} of a parameter of shape {tuple(parameter.shape)} has strides "
                        f"{value.stride()}, the parameter {parameter.stride()}: the optimizer would update "
                        "it wrongly"
                    )


def _alike(a: Tensor, b: Tensor) -> bool:
    # The stride of a dimension of size 1 says nothing about memory.
    return all(i == j for i, j, size in zip(a.stride(), b.stride(), a.shape, strict=True) if size > 1)
