"""From a Config to the objects of a run: model, loss, stabilizers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch

from ganzoo.data.kinds import kind_of, kind_of_shape
from ganzoo.errors import UsageError, WorkError
from ganzoo.losses import Loss
from ganzoo.models.base import GAN
from ganzoo.models.nets import refuse_stray_nets
from ganzoo.registry import LOSSES, MODELS
from ganzoo.registry.kinds import as_int
from ganzoo.registry.options import known_options, options_of
from ganzoo.registry.spec import Spec
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.stabilizers.open import open_stabilizer
from ganzoo.system.memory import is_too_large
from ganzoo.system.rng import counted

LARGEST = 10**7  # size of any option of a model


class Built(Protocol):
    """What a model is built from: all settings of a run, or what a generator's file says of itself."""

    @property
    def model(self) -> str: ...
    @property
    def model_options(self) -> Mapping[str, Any]: ...
    @property
    def stabilizers(self) -> Sequence[str | Spec]: ...
    @property
    def seed(self) -> int: ...
    @property
    def sample_shape(self) -> tuple[int, ...]: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def conditional(self) -> bool: ...
    @property
    def condition_shape(self) -> tuple[int, ...]: ...
    @property
    def kind(self) -> str: ...


def build_model(config: Built, device: torch.device) -> GAN:
    """The model of a run with its first weights, which follow from the seed; conv nets lie channels_last.

    Raises:
        UsageError: an option is wrong, or the weights are more than this machine can hold.
    """
    options = known_options(f"model {config.model}", MODELS.options(config.model), config.model_options)
    for key, value in options.items():
        if isinstance(value, int):
            as_int(f"model {config.model}: {key}", int(value), at_least=-LARGEST, at_most=LARGEST)
    options |= _of_the_data(config)
    with _within_memory(config.model, options):
        with counted(torch.device("cpu"), config.seed, "init"):
            gan: GAN = MODELS.make(config.model, config.sample_shape, **options)
        refuse_stray_nets(config.model, gan)
        return gan.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _of_the_data(config: Built) -> dict[str, Any]:
    """What the model is told of its data: what is plain from their shape it is not."""
    told: dict[str, Any] = {"num_classes": config.num_classes if config.conditional else 0}
    if config.conditional and config.condition_shape:
        told["condition_shape"] = config.condition_shape
    if kind_of(config) != kind_of_shape(config.sample_shape):
        told["kind"] = config.kind
    takes = options_of(MODELS.get(config.model))
    if not told["num_classes"] and "num_classes" not in takes:
        del told["num_classes"]  # of a model that is never conditional
    for name in told.keys() - takes.keys():
        raise UsageError(
            f"model {config.model} takes no {name}, and these data have {name} {told[name]}: it has to hand "
            f"`**common: Unpack[Common]` on to ganzoo.GAN"
        )
    return told


@contextmanager
def _within_memory(model: str, options: Mapping[str, Any]) -> Iterator[None]:
    """Where a model is too large for this machine, raise a UsageError that names what makes it large."""
    try:
        yield
    except (WorkError, RuntimeError, MemoryError) as error:
        if not is_too_large(error):
            raise
        shown = ", ".join(f"{key}={value}" for key, value in options.items())
        raise UsageError(f"model {model} needs more memory than there is: lower its {shown}") from error


def build_trained(config: Built, device: torch.device) -> tuple[GAN, list[Stabilizer]]:
    """The model of a run as its training has it: changed by its stabilizers, which come along.

    What they draw when they change it follows from the seed.

    Raises:
        UsageError: one of them cannot be set up on this model.
    """
    gan = build_model(config, device)
    stabilizers = [open_stabilizer(spec) for spec in config.stabilizers]
    with counted(next(gan.parameters()).device, config.seed, "setup"):
        for stabilizer in stabilizers:
            if not isinstance(getattr(stabilizer, "state", None), dict):
                raise UsageError(
                    f"stabilizer {stabilizer.name!r} has no dict `state`: its __init__ has to call "
                    "super().__init__()"
                )
            try:
                stabilizer.setup(gan)
            except (UsageError, WorkError):
                raise
            except (Exception, SystemExit) as error:  # whatever a plugin raises breaks that plugin alone
                raise UsageError(
                    f"stabilizer {stabilizer.name!r} cannot be set up on model {config.model!r}: "
                    f"{type(error).__name__}: {error}"
                ) from error
    return gan, stabilizers


def build_loss(typed: str) -> Loss:
    """The loss of "NAME" or "NAME:key=value,...". Raises UsageError if that is wrong."""
    spec = LOSSES.settled(Spec.parse(typed))
    loss: Loss = LOSSES.make(spec.name, **spec.options)
    return loss
