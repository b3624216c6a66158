"""What nets make and judge: a tensor, or one for each scale."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Sample = Tensor | tuple[Tensor, ...]
"""Images [N, C, H, W] in [-1, 1] or vectors [N, D]; a tuple with one per scale for multi-scale models."""

Logits = Tensor | tuple[Tensor, ...]
"""What D returns, [N] or [N, ...]; never a sigmoid's output."""


def leaf(sample: Sample) -> Sample:
    """A sample cut from what made it, at which D can be differentiated."""
    return map_sample(lambda x: x.detach().requires_grad_(), sample)


def map_sample(function: Callable[[Tensor], Tensor], sample: Sample) -> Sample:
    """`function` on a sample, or on every scale of a pyramid."""
    return tuple(function(x) for x in sample) if isinstance(sample, tuple) else function(sample)


def map_images(function: Callable[[Tensor], Tensor], sample: Sample) -> Sample:
    """`function` on what in a sample is images [N, C, H, W]; the rest, latents beside them, as it is."""
    return map_sample(lambda x: function(x) if x.dim() == 4 else x, sample)


def finest(sample: Sample) -> Tensor:
    """The images of the highest resolution in a sample."""
    return max((x for x in scales(sample) if x.dim() == 4), key=lambda x: x.shape[-1])


def scales(sample: Sample | Logits) -> tuple[Tensor, ...]:
    """Its tensors: all scales of a pyramid, all outputs of a D, or the only one."""
    return sample if isinstance(sample, tuple) else (sample,)


def pack(sample: Sample, m: int) -> Sample:
    """[N, C, ...] -> [N / m, m C, ...]: m neighbours become one input of D (Lin et al. 2018)."""
    if m == 1:
        return sample
    return map_sample(lambda x: x.reshape(len(x) // m, m * x.shape[1], *x.shape[2:]), sample)
