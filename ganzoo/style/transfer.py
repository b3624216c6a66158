"""Neural style transfer: the pixels are what is optimised."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from torch import Tensor

from ganzoo.errors import UsageError, WorkError
from ganzoo.extractors.classifier import exact
from ganzoo.style.features import Features
from ganzoo.system.bars import Words
from ganzoo.system.console import stderr

RANGE_WEIGHT = 10.0  # keeps pixels within [0, 1]; to clamp them between steps would mislead L-BFGS
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
TINY = 1e-8


def gram(features: Tensor) -> Tensor:
    """[1, N, H, W] -> [N, N]: the mean over all places of the products of two channels."""
    flat = features.flatten(2)[0]
    return flat @ flat.T / flat.shape[1]


def total_variation(x: Tensor) -> Tensor:
    """[1, C, H, W] -> scalar: squared differences of neighbours, summed over directions, per pixel value."""
    across, down = x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]
    return (across.square().sum() + down.square().sum()) / x.numel()


def relative(made: Tensor, wanted: Tensor) -> Tensor:
    """The squared error in units of what is wanted: 0 where they are equal, 1 where `made` is zero."""
    return (made - wanted).square().sum() / wanted.square().sum().clamp_min(TINY)


def stylize(
    content: Tensor,
    style: Tensor,
    features: Features,
    *,
    steps: int = 200,
    style_weight: float = 10.0,
    content_weight: float = 1.0,
    tv_weight: float = 2.0,
    start: str = "content",
    seed: int = 0,
    progress: bool = False,
) -> Tensor:
    """Paint `content` in the style of `style`, as Gatys, Ecker & Bethge 2016 (CVPR; arXiv 1508.06576) do.

    L-BFGS with a strong Wolfe line search makes small: the error of one layer's features, plus the mean over
    the style layers of the errors of their Gram matrices, plus the total variation. Unlike in the paper,
    each error is divided by the size of what is wanted, so that weights mean the same for any network and
    any size of picture. Where the network sees grey only, the luminance is painted and the colours stay.

    Args:
        content: uint8 [3, H, W].
        style: uint8 [3, H', W'], of any size.
        features: where they come from; `ganzoo.style.networks.open_features` makes them.
        steps: iterations of L-BFGS, 1 or more; each takes one evaluation, seldom two.
        style_weight, content_weight, tv_weight: 0 or more.
        start: "content", or "noise": uniform in every pixel.
        seed: of the noise. On the CPU, the same seed and number of threads make the same picture.
        progress: a bar on stderr that shows the loss.

    Returns:
        uint8 [3, H, W], on the CPU.

    Raises:
        UsageError: a number is out of its range, or a picture has another shape or type.
        WorkError: the loss is no longer finite.
    """
    weights = {"style_weight": style_weight, "content_weight": content_weight, "tv_weight": tv_weight}
    check_numbers({"steps": steps, "start": start, **weights})
    _check_pictures(content, style)
    colours = content[None].to(features.device) / 255
    seen, other = (_for(features, x) for x in (colours, style[None].to(features.device) / 255))
    canvas = seen.clone(memory_format=torch.contiguous_format)
    if start == "noise":
        noise = torch.rand(canvas.shape, generator=torch.Generator().manual_seed(seed))
        canvas = noise.to(features.device)
    canvas.requires_grad_()
    with torch.no_grad(), exact():
        wanted, grams = features(seen)[0], [gram(layer) for layer in features(other)[1]]
    # Tolerances of 0: `steps` alone says when to stop.
    optimizer = torch.optim.LBFGS(
        [canvas],
        max_iter=steps,
        max_eval=2 * steps,
        tolerance_grad=0,
        tolerance_change=0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )
    columns = (Words("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    shown = progress and stderr.is_terminal
    with exact(), Progress(*columns, console=stderr, transient=True, disable=not shown) as bar:
        task = bar.add_task("painting", total=steps)

        def closure() -> float:
            optimizer.zero_grad()
            made, layers = features(canvas)
            style_loss = sum(relative(gram(x), g) for x, g in zip(layers, grams, strict=True)) / len(grams)
            outside = (F.relu(-canvas) + F.relu(canvas - 1)).square().mean()
            loss = content_weight * relative(made, wanted) + style_weight * style_loss
            loss = loss + tv_weight * total_variation(canvas) + RANGE_WEIGHT * outside
            value = loss.item()
            if not math.isfinite(value):
                raise WorkError(f"the loss became {value}: try smaller weights; nothing was written")
            # Per pixel value: the gradients of means are so small that L-BFGS would drop its history.
            (loss * canvas.numel()).backward()  # type: ignore[no-untyped-call]
            done = optimizer.state[canvas].get("n_iter", 0)
            bar.update(task, completed=done, description=f"painting, loss {value:.4g}")
            return value * canvas.numel()

        optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        painted = canvas if features.channels == 3 else colours + canvas - seen
        return (painted.clamp(0, 1) * 255).round().to(torch.uint8)[0].cpu()


def _for(features: Features, x: Tensor) -> Tensor:
    """What the network can see of RGB [1, 3, H, W]: itself, or its luminance [1, 1, H, W]."""
    if features.channels == 3:
        return x
    return (x * x.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def check_numbers(words: Mapping[str, Any]) -> None:
    """Raise UsageError where an argument of `stylize` is out of its range."""
    if words["steps"] < 1:
        raise UsageError(f"--steps {words['steps']}: expected 1 or more")
    for name in ("style_weight", "content_weight", "tv_weight"):
        if not (math.isfinite(words[name]) and words[name] >= 0):
            raise UsageError(f"--{name.replace('_', '-')} {words[name]}: expected a number that is 0 or more")
    if words["start"] not in ("content", "noise"):
        raise UsageError(f"--start {words['start']}: expected content or noise")


def _check_pictures(*pictures: Tensor) -> None:
    for x in pictures:
        if x.dtype != torch.uint8 or x.dim() != 3 or x.shape[0] != 3 or not x.numel():
            raise UsageError(f"expected pictures as uint8 [3, H, W], got {x.dtype} {list(x.shape)}")
