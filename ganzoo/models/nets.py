"""Which nets a model has, and whether each parameter is in one that somebody trains."""

from __future__ import annotations

from torch import nn

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN


def refuse_stray_nets(model: str, gan: GAN) -> None:
    """Raise a UsageError for nets that are not there, trained twice or not at all; `model` is its name."""
    for group in ("with_g", "with_d"):
        names = getattr(gan, group)
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            raise UsageError(
                f"model {model!r} says {group} = {names!r}: expected a tuple of names, such as ('encoder',)"
            )
    names = ["generator", "discriminator", *gan.with_g, *gan.with_d]
    for name in names:
        if not isinstance(getattr(gan, name, None), nn.Module):
            where = "" if name in names[:2] else ", which with_g or with_d names"
            raise UsageError(
                f"model {model!r} has no net `{name}`{where}: set it in __init__, to an nn.Module"
            )
        if names.count(name) > 1:
            raise UsageError(f"model {model!r} names its net {name} twice: one optimizer alone trains it")
    trained = {id(p) for name in names for p in getattr(gan, name).parameters()}
    strays = sorted({key.partition(".")[0] for key, p in gan.named_parameters() if id(p) not in trained})
    if strays:
        raise UsageError(
            f"model {model!r} has parameters in {', '.join(strays)}, which no optimizer trains: name it in "
            "with_g or with_d, or put it into a net that is"
        )
