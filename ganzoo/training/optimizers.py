"""Optimizers from a recipe, and the one trap of the fused ones."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.errors import UsageError, first_line, nearest
from ganzoo.models.recipe import Optimizer, check_optimizer, optimizers
from ganzoo.registry.options import known_options
from ganzoo.training.restoring import Moments, check_moments

# Their arguments, and what a recipe calls them.
OURS = {"lr": "lr", "momentum": "momentum", "alpha": "beta2", "eps": "eps", "betas": "beta1"}


def make_optimizer(
    settings: Optimizer, net: nn.Module, device: torch.device, name: str = "optimizer", scaling: bool = False
) -> torch.optim.Optimizer:
    """The optimizer of one net, fused where torch has a fused kernel for it.

    Args:
        scaling: its gradients are of a scaled loss, and may overflow.

    Raises:
        UsageError: there is no such optimizer, it has no such option, or takes no such value; or the net has
            no such part. The sentence calls the optimizer by its `name`.
    """
    kind = check_optimizer(name, settings.kind)
    takes = inspect.signature(optimizers()[kind]).parameters
    known = {
        key: _as_annotated(parameter)
        for key, parameter in takes.items()
        if key not in ("params", "foreach", "fused", "capturable", "differentiable", "maximize")
    }
    arguments = {key: getattr(settings, ours) for key, ours in OURS.items() if _is_number(known.get(key))}
    if kind == "asgd":
        del arguments["alpha"]  # which is another thing there
    if "betas" in known:
        arguments["betas"] = settings.beta1, settings.beta2
    own = known_options(name, known, settings.given("options"))
    for key in own.keys() & arguments.keys():
        raise UsageError(f"{name}: {key} is not one of its options: use {name}.{OURS[key]}")
    if "fused" in takes:
        arguments["fused"] = device.type == "cpu" or (device.type == "cuda" and kind != "adagrad")
        if (
            scaling and kind == "sgd"
        ):  # where its first step overflows, fused momentum starts as what lay in memory
            arguments["fused"] = False
    groups = _groups(settings, net, name)
    try:
        return optimizers()[kind](groups, **arguments, **own)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{name}.kind={settings.kind}: {first_line(error)}") from error


def _as_annotated(parameter: inspect.Parameter) -> Any:
    """Its default, as a float where torch writes `weight_decay: float = 0`."""
    value = parameter.default
    return float(value) if type(value) is int and "float" in str(parameter.annotation) else value


def _is_number(default: Any) -> bool:
    """Whether an argument is one number: some have a pair of the same name."""
    return isinstance(default, int | float | Tensor) and not isinstance(default, bool)


def _groups(settings: Optimizer, net: nn.Module, name: str) -> list[dict[str, Any]]:
    """The parameters, in groups of one factor each on the learning rate."""
    factors = {part: float(factor) for part, factor in settings.given("parts").items()}
    groups: dict[float, list[nn.Parameter]] = {1.0: []}
    unknown = dict(factors)
    for path, parameter in net.named_parameters():
        fitting = [part for part in factors if path == part or path.startswith(f"{part}.")]
        for part in fitting:
            unknown.pop(part, None)
        factor = factors[max(fitting, key=len)] if fitting else 1.0
        groups.setdefault(factor, []).append(parameter)
    for part in unknown:
        names = {path for path, _ in net.named_modules() if path}
        raise UsageError(f"{name}.parts: no part of the net is called {part!r}: {nearest(part, names)}")
    return [{"params": some, "factor": factor} for factor, some in groups.items() if some]


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate, times the factor of each group."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


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
                # Not the count of steps, which lies where the optimizer wants it.
                if isinstance(value, Tensor) and value.dim() and value.shape == parameter.shape:
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
