"""From settings to objects: model, loss, stabilizers, dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ganzoo.config import Config
from ganzoo.data.base import Dataset
from ganzoo.errors import UsageError
from ganzoo.extractors.base import Extractor
from ganzoo.gan import GAN
from ganzoo.losses import Loss
from ganzoo.options import options_of, parse_spec, resolve
from ganzoo.registry import DATASETS, EXTRACTORS, LOSSES, MODELS, STABILIZERS
from ganzoo.rng import counted
from ganzoo.stabilizers.base import Stabilizer

FILLED_IN = ("path", "root", "offline")  # dataset options that have a place of their own on the command line


def open_dataset(
    name: str, options: dict[str, Any], root: str | None = None, offline: bool = False
) -> Dataset:
    """The dataset called NAME or NAME:PATH. Raises UsageError if its name, options or files are wrong."""
    kind, colon, path = name.partition(":")
    member = DATASETS.get(kind)
    takes = options_of(member)
    filled: dict[str, Any] = {}
    if "path" in takes:
        if not path:
            raise UsageError(f"--dataset {kind} needs a path: --dataset {kind}:PATH")
        filled["path"] = path
    elif colon:
        raise UsageError(f"--dataset {name}: {kind} takes nothing after a colon")
    if "root" in takes:
        filled["root"] = Path(root).expanduser() if root else None
    if "offline" in takes:
        filled["offline"] = offline
    given = resolve(f"dataset {kind}", options_of(member, FILLED_IN), options)
    dataset: Dataset = DATASETS.make(kind, **filled, **given)
    return dataset


def model_options(name: str) -> dict[str, Any]:
    """A model's own options with their defaults."""
    return options_of(MODELS.get(name), leave_out=("sample_shape", "num_classes"))


def build_model(config: Config, device: torch.device) -> GAN:
    """The model of a run with its first weights, which follow from the seed; conv nets lie channels_last."""
    classes = config.num_classes if config.conditional else 0
    with counted(torch.device("cpu"), config.seed, "init"):
        gan: GAN = MODELS.make(config.model, config.sample_shape, num_classes=classes, **config.model_options)
    return gan.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def build_trained(config: Config, device: torch.device) -> GAN:
    """The model of a run as its training had it: with what stabilizers change in it."""
    gan = build_model(config, device)
    set_up(gan, [build_stabilizer(spec)[0] for spec in config.recipe.stabilizers], config)
    return gan


def set_up(gan: GAN, stabilizers: Sequence[Stabilizer], config: Config) -> None:
    """Let stabilizers change the modules; what they draw follows from the seed."""
    with counted(next(gan.parameters()).device, config.seed, "setup"):
        for stabilizer in stabilizers:
            stabilizer.setup(gan)


def build_loss(name: str) -> Loss:
    loss: Loss = LOSSES.make(name)
    return loss


def open_extractor(
    name: str, weights: str | Path | None = None, offline: bool = False, device: torch.device | None = None
) -> Extractor:
    """The feature extractor called NAME or NAME:PATH. Raises UsageError if its name or weights are wrong."""
    kind, colon, path = name.partition(":")
    member = EXTRACTORS.get(kind)
    takes = options_of(member)
    if colon and "path" not in takes:
        raise UsageError(f"--extractor {name}: {kind} takes nothing after a colon")
    if weights is not None and "weights" not in takes:
        raise UsageError(f"--extractor-weights: the extractor {kind} has none")
    given = {
        "path": path,
        "weights": None if weights is None else Path(weights).expanduser(),
        "offline": offline,
    }
    extractor: Extractor = EXTRACTORS.make(kind, **{key: given[key] for key in given if key in takes})
    extractor.name = name
    extractor.to(device or torch.device("cpu"))
    return extractor


def build_stabilizer(spec: str) -> tuple[Stabilizer, dict[str, Any]]:
    """A stabilizer from "NAME:key=value,...", and all of its options."""
    name, given = parse_spec(spec)
    member = STABILIZERS.get(name)
    options = resolve(f"stabilizer {name}", options_of(member), given)
    stabilizer: Stabilizer = STABILIZERS.make(name, **options)
    stabilizer.name = name
    return stabilizer, options
