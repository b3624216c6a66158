"""Convolutions whose gradient is differentiated again, as penalties on D's gradient ask for.

torch differentiates the gradient of a convolution by convolutions with kernels as large as a map, one after
the other for each group. What comes out are sums that a convolution's own backward makes, of other factors:
linear in its input and in its weight, it says everything in three calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

Maybe = Tensor | None
OF_X, OF_WEIGHT = (True, False, False), (False, True, False)


class Geometry(NamedTuple):
    """How a kernel lies on a map, as `torch.convolution` takes it."""

    stride: list[int]
    padding: list[int]
    dilation: list[int]
    transposed: bool
    output_padding: list[int]
    groups: int


class Twice(TorchFunctionMode):
    """In the block convolutions of any net give what they do, with gradients that differentiate quickly."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: Any = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        known = _READ.get(func)
        # Inside vmap and torch.func.grad, which see through torch's own alone, nothing changes.
        if known is None or torch._C._are_functorch_transforms_active():
            return func(*args, **(kwargs or {}))
        read, dims = known
        x, weight, bias, geometry = read(dims, *args, **(kwargs or {}))
        # Left to torch: a padding that is not the same on both sides, and a single sample.
        if geometry is None or x.dim() != dims + 2:
            return func(*args, **(kwargs or {}))
        return _Convolution.apply(*_cast(x, weight, bias), geometry)


def _convolution(
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Maybe = None,
    stride: int | Iterable[int] = 1,
    padding: int | Iterable[int] | str = 0,
    dilation: int | Iterable[int] = 1,
    groups: int = 1,
) -> tuple[Tensor, Tensor, Maybe, Geometry | None]:
    """The arguments of conv1d, conv2d and conv3d."""
    wide = _each(dilation, dims)
    if padding == "valid":
        padding = 0
    if isinstance(padding, str):
        around = [step * (side - 1) for step, side in zip(wide, weight.shape[2:], strict=True)]
        if any(both % 2 for both in around):
            return input, weight, bias, None
        padding = [both // 2 for both in around]
    geometry = Geometry(_each(stride, dims), _each(padding, dims), wide, False, [0] * dims, groups)
    return input, weight, bias, geometry


def _transposed(
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Maybe = None,
    stride: int | Iterable[int] = 1,
    padding: int | Iterable[int] = 0,
    output_padding: int | Iterable[int] = 0,
    groups: int = 1,
    dilation: int | Iterable[int] = 1,
) -> tuple[Tensor, Tensor, Maybe, Geometry]:
    """The arguments of conv_transpose1d, conv_transpose2d and conv_transpose3d."""
    strides, around, wide = (_each(one, dims) for one in (stride, padding, dilation))
    geometry = Geometry(strides, around, wide, True, _each(output_padding, dims), groups)
    return input, weight, bias, geometry


Read = Callable[..., tuple[Tensor, Tensor, Maybe, Geometry | None]]
_READ: dict[Any, tuple[Read, int]] = {
    torch.conv1d: (_convolution, 1),
    torch.conv2d: (_convolution, 2),
    torch.conv3d: (_convolution, 3),
    torch.conv_transpose1d: (_transposed, 1),
    torch.conv_transpose2d: (_transposed, 2),
    torch.conv_transpose3d: (_transposed, 3),
}


def _each(value: int | Iterable[int], dims: int) -> list[int]:
    sides = [value] if isinstance(value, int) else [*value]
    return sides * dims if len(sides) == 1 else sides


def _cast(x: Tensor, weight: Tensor, bias: Maybe) -> tuple[Tensor, Tensor, Maybe]:
    """As autocast would: it does not look into functions of our own."""
    kind = x.device.type
    if not torch.is_autocast_enabled(kind):
        return x, weight, bias
    half = torch.get_autocast_dtype(kind)
    return x.to(half), weight.to(half), None if bias is None else bias.to(half)


class _Convolution(torch.autograd.Function):
    """x, weight, bias -> their convolution."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Maybe, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry, ctx.biases = geometry, None if bias is None else list(bias.shape)
        y: Tensor = torch.ops.aten.convolution(x, weight, bias, *geometry)
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Maybe, Maybe, Maybe, None]:
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        return *_Gradients.apply(slopes[0], x, weight, ctx.biases, ctx.geometry, wanted), None


class _Gradients(torch.autograd.Function):
    """slope, x, weight -> the slopes of a convolution's input, weight and bias, those that are `wanted`."""

    @staticmethod
    def forward(
        ctx: Any,
        slope: Tensor,
        x: Tensor,
        weight: Tensor,
        biases: list[int] | None,
        geometry: Geometry,
        wanted: Any,
    ) -> tuple[Maybe, Maybe, Maybe]:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(slope, x, weight)
        ctx.geometry = geometry
        return _gradients(slope, x, weight, biases, geometry, wanted)

    @staticmethod
    def backward(ctx: Any, *slopes: Maybe) -> tuple[Maybe, Maybe, Maybe, None, None, None]:
        slope, x, weight = ctx.saved_tensors
        by_x, by_weight, by_bias = slopes
        of_slope, of_x, of_weight = ctx.needs_input_grad[:3]
        parts = list[Tensor]()
        if of_slope and by_x is not None:
            parts.append(torch.ops.aten.convolution(by_x, weight, None, *ctx.geometry))
        if of_slope and by_weight is not None:
            parts.append(torch.ops.aten.convolution(x, by_weight, None, *ctx.geometry))
        if of_slope and by_bias is not None:
            parts.append(by_bias.view(1, -1, *[1] * (slope.dim() - 2)).expand_as(slope))
        x_too = of_x and by_weight is not None
        weight_too = of_weight and by_x is not None
        return (
            torch.stack(parts).sum(0) if len(parts) > 1 else next(iter(parts), None),
            _gradients(slope, x, by_weight, None, ctx.geometry, OF_X)[0] if x_too else None,
            _gradients(slope, by_x, weight, None, ctx.geometry, OF_WEIGHT)[1] if weight_too else None,
            None, None, None,
        )  # fmt: skip


def _gradients(
    slope: Tensor,
    x: Maybe,
    weight: Maybe,
    biases: list[int] | None,
    geometry: Geometry,
    wanted: tuple[bool, ...],
) -> tuple[Maybe, Maybe, Maybe]:
    made: tuple[Maybe, Maybe, Maybe] = torch.ops.aten.convolution_backward(
        slope, x, weight, biases, *geometry, wanted
    )
    return made
