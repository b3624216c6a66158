"""Anybody's function or network as a feature extractor."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.data.tensors import fingerprint
from ganzoo.errors import UsageError, WorkError, first_line
from ganzoo.extractors.base import Extractor

BY_HAND = "(by hand)"  # in the place of a hash, where nothing says what defines the features


class Called(Extractor):
    """What a function makes of samples in their own units: features [N, d], and no logits.

    A network (`torch.nn.Module`) is called in eval mode, with samples on the device of its parameters. It is
    known by its weights; of a function nothing is known but its name.

    Args:
        function: uint8 [N, C, H, W], or float32 [N, ...] of samples without pixels -> [N, d], as a tensor or
            an array.

    Raises:
        UsageError: it cannot be called.
        WorkError: it fails, or gives something else.
    """

    remembered = False

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        if not callable(function):
            raise UsageError(
                f"extractor={function!r}: expected the name of an extractor, a ganzoo.Extractor, or a "
                "function of uint8 [N, C, H, W] that gives features [N, d]"
            )
        self.classifies = False  # type: ignore[misc]  # of the contract's classes it is plain in the class
        self._function = function
        self.name = name_of(function)

    @property
    def weights_hash(self) -> str:  # type: ignore[override]  # of a network that learns it changes
        return BY_HAND if self._net is None else fingerprint(*self._net.state_dict().values())

    @property
    def _net(self) -> nn.Module | None:
        return self._function if isinstance(self._function, nn.Module) else None

    def to(self, device: torch.device) -> None:
        super().to(device)
        if self._net is not None:
            self._net.to(device)

    def __call__(self, samples: Tensor) -> dict[str, Tensor | None]:
        net = self._net
        training = [] if net is None else [part for part in net.modules() if part.training]
        first = None if net is None else next(net.parameters(), None)
        for part in training:
            part.training = False
        try:
            with torch.no_grad():
                made = self._function(samples if first is None else samples.to(first.device))
        except (UsageError, WorkError):
            raise
        except Exception as error:  # whatever somebody's code raises
            raise WorkError(
                f"the extractor {self.name} fails on samples {samples.dtype} {tuple(samples.shape)}: "
                f"{type(error).__name__}: {first_line(error)}"
            ) from error
        finally:
            for part in training:
                part.training = True
        return {"features": self._checked(made, len(samples)), "logits": None}

    def _checked(self, made: Any, count: int) -> Tensor:
        if isinstance(made, Mapping) and "features" in made:  # as extractors of the zoo give them
            made = made["features"]
        try:
            features = torch.as_tensor(made).detach().cpu().float()
        except (TypeError, ValueError, RuntimeError):
            features = None
        if features is None or features.dim() != 2 or len(features) != count or not features.shape[1]:
            got = type(made).__name__ if features is None else f"the shape {tuple(features.shape)}"
            raise WorkError(
                f"the extractor {self.name} gives {got} of {count} samples: expected features [{count}, d]"
            )
        return features


def name_of(function: Any) -> str:
    """As scores carry it: the name of a function, or of an object's class."""
    if isinstance(function, functools.partial):
        return name_of(function.func)
    name = getattr(function, "__name__", None) or type(function).__name__
    return "own" if name == "<lambda>" else re.sub(r"[^\w.-]+", "-", name)
