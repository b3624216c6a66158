"""What is restored is held against what it is restored into: wrong shapes reach kernels that check none."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

Moments = dict[int, dict[str, Any]]


def fill(net: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load weights of the very names, shapes and types of a net.

    Raises:
        ValueError: one differs; torch would convert types without a word.
    """
    own = net.state_dict()
    for name in sorted({*own, *weights}):
        if name not in weights or name not in own:
            raise ValueError(f"{name} is {'missing' if name in own else 'not in the model'}")
        mine, new = own[name], weights[name]
        if not isinstance(mine, Tensor):
            continue  # a module's extra state
        if not isinstance(new, Tensor) or (mine.shape, mine.dtype) != (new.shape, new.dtype):
            shown = f"{new.dtype} {list(new.shape)}" if isinstance(new, Tensor) else type(new).__name__
            raise ValueError(f"{name} is {shown}, and the model has {mine.dtype} {list(mine.shape)}")
    net.load_state_dict(dict(weights))


def moments_of(optimizer: torch.optim.Optimizer) -> Moments:
    """What an optimizer remembers of each parameter, by the parameter's number."""
    return dict(optimizer.state_dict()["state"])


def check_moments(optimizer: torch.optim.Optimizer, moments: Any) -> Moments:
    """The same, if each is of the name, shape and type that the optimizer gives it.

    Raises:
        TypeError, ValueError: one is not.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if not isinstance(moments, dict) or not set(moments) <= set(range(len(parameters))):
        raise ValueError("the optimizer's moments are not those of the model's parameters")
    known: dict[Any, dict[str, Any]] = {}
    for number, own in moments.items():
        kind = parameters[number].shape, parameters[number].dtype
        if kind not in known:
            known[kind] = _remembered(optimizer, parameters[number])
        expected = known[kind]
        if not isinstance(own, dict) or own.keys() != expected.keys():
            raise ValueError(f"the moments of parameter {number} are not {', '.join(expected)}")
        for name, value in own.items():
            check_like(f"{name} of parameter {number}", value, expected[name])
    return moments


def _remembered(optimizer: torch.optim.Optimizer, parameter: Tensor) -> dict[str, Any]:
    """What an optimizer of this kind remembers of a parameter like this: found out on one of its own."""
    probe = nn.Parameter(torch.zeros_like(parameter, device="cpu"))
    probe.grad = torch.zeros_like(probe)
    taken = inspect.signature(type(optimizer)).parameters
    defaults = {name: value for name, value in optimizer.defaults.items() if name in taken}
    twin = type(optimizer)([probe], **defaults)
    twin.step()
    return dict(twin.state[probe])


def check_like(name: str, value: Any, like: Any) -> None:
    """Raise a ValueError if a value cannot stand where `like` stands; where that is None, a number can."""
    if isinstance(like, Tensor):
        if not isinstance(value, Tensor) or (value.shape, value.dtype) != (like.shape, like.dtype):
            raise ValueError(f"{name} is {_shown(value)}, and {_shown(like)} is expected")
    elif isinstance(like, Mapping):
        if not isinstance(value, Mapping):
            raise ValueError(f"{name} is {_shown(value)}, and a dict is expected")
        for key in like:
            check_like(f"{name}.{key}", value.get(key), like[key])
    elif like is None or isinstance(like, bool | int | float):
        if isinstance(value, bool | int | float) or (value is None and like is None):
            return
        raise ValueError(f"{name} is {_shown(value)}, and a number is expected")


def restored(name: str, value: Any, like: Any, device: torch.device) -> Any:
    """What somebody kept, its tensors on a device, if it can stand where `like` stands.

    A number may stand for a scalar tensor, and keys may be there that `like` does not have yet.

    Raises:
        ValueError: it can not.
    """
    if isinstance(value, Mapping) and isinstance(like, Mapping):
        for key in like.keys() - value.keys():
            raise ValueError(f"{name}.{key} is missing")
        return {
            key: restored(f"{name}.{key}", part, like.get(key, part), device) for key, part in value.items()
        }
    if isinstance(like, Tensor) and not like.dim() and isinstance(value, int | float):
        value = torch.tensor(value, dtype=like.dtype)
    check_like(name, value, like)
    if not isinstance(value, Tensor):
        return value
    # In the memory format of the one it replaces: kernels differ by it in the last bit.
    return torch.empty_like(like, device=device).copy_(value)


def count(state: Mapping[str, Any], name: str) -> int:
    """A number of times in a state. Raises ValueError if it is none."""
    value = state[name]
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is {_shown(value)}")
    return value


def check_sums(sums: Any, counts: Any) -> None:
    """Raise a ValueError if these are not a meter's: a scalar and a count for each name."""
    if not isinstance(sums, dict) or not isinstance(counts, dict) or sums.keys() != counts.keys():
        raise ValueError("the sums of the log are not one for each count")
    for name, value in sums.items():
        if not isinstance(value, Tensor) or value.dim() or not value.is_floating_point():
            raise ValueError(f"the sum of {name} is {_shown(value)}, and a number is expected")
        if type(counts[name]) is not int or counts[name] < 1:
            raise ValueError(f"the count of {name} is {_shown(counts[name])}")


def _shown(value: Any) -> str:
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, Tensor) else repr(value)[:40]
