"""Where the data and the device of a run are now, which need not be where they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ganzoo.data.base import Dataset
from ganzoo.data.card import DataCard, DataKnown
from ganzoo.data.kinds import kind_of
from ganzoo.data.open import GIVEN, lasting_name, lasting_path, open_dataset, spelled
from ganzoo.errors import UsageError
from ganzoo.plan.config import Config
from ganzoo.registry import DATASETS, origins
from ganzoo.registry.spec import Ref
from ganzoo.system.console import notice, typed
from ganzoo.system.devices import choose_device
from ganzoo.system.tensors import DamagedFile

CARD = "data-card.safetensors"


def read_card(path: Path, config: Config) -> DataCard | None:
    """What the run in a folder knows of its data; None where it does not, or where that is damaged."""
    if not (path / CARD).exists():
        return None  # as in a folder of version 0.1
    try:
        condition = (config.num_classes, config.condition_shape) if config.conditional else (0, ())
        known = DataKnown(config.data_fingerprint, config.sample_shape, kind_of(config), *condition)
        return DataCard.read(path / CARD, known)
    except DamagedFile as error:
        notice(f"{error}: the data are opened instead")
        return None


def keep_card(path: Path, config: Config, dataset: Dataset) -> None:
    """Have the run in a folder know its data. Raises WorkError if that cannot be written."""
    if read_card(path, config) is None:
        DataCard.of(dataset, config.conditional).write(path / CARD)


def open_data(config: Config, path: Path, asked: bool = False) -> Dataset:
    """The data of the run in a folder, opened again.

    Args:
        asked: somebody has just said where they are; else a refusal says how to.

    Raises:
        UsageError: they are not there, or not the same any more.
    """
    options = dict(config.data_options)
    root, offline = options.pop("root", None), options.pop("offline", False)
    ref = Ref.parse(config.dataset)
    if ref.name == GIVEN:
        raise UsageError(
            f"{path} was trained on data that were given in Python (of shape {config.sample_shape}, with the "
            f"fingerprint {config.data_fingerprint}), which no name opens: give the same again, "
            f"ganzoo.load({str(path)!r}, data) or ganzoo.resume({str(path)!r}, data)"
        )
    hint = (
        ""
        if asked or ref.path is None
        else (
            f"; if the data of {path} lie elsewhere now: {typed('ganzoo', 'resume', path)} --dataset "
            f"{_spelled(ref.name)} (which trains nothing where no step is left to do)"
        )
    )
    try:
        dataset = open_dataset(ref, options, root, offline)
    except UsageError as error:
        raise UsageError(f"{error}{hint}") from error
    same_data(config, path, dataset, str(ref), hint)
    return dataset


def same_data(config: Config, path: Path, dataset: Dataset, called: str = "this", hint: str = "") -> None:
    """Raise a UsageError unless a dataset is what the run in a folder was trained on."""
    if dataset.fingerprint != config.data_fingerprint:
        raise UsageError(
            f"{called} is not what {path} was trained on (fingerprint {dataset.fingerprint}, then "
            f"{config.data_fingerprint}): bring the data back, or start a new run{hint}"
        )
    config.check_data(dataset)


def _spelled(name: str) -> str:
    try:
        return spelled(name)
    except UsageError:  # its plugin is gone, which is what will be said
        return f"{name}:PATH"


def moved(
    config: Config,
    path: Path,
    dataset: str | None = None,
    data_root: str | Path | None = None,
    device: str | torch.device | None = None,
) -> tuple[Config, Dataset | None]:
    """The settings of the run in a folder for data, or for a device, that are elsewhere now; and these data.

    Args:
        dataset: the name that opens the same data now.
        data_root: where datasets are, or are downloaded to.

    Raises:
        UsageError: these are other data, or there is no such device.
    """
    opened = None
    if device is not None:
        config = replace(config, device=str(choose_device(device)))
    if dataset is not None or data_root:
        ref = Ref.parse(config.dataset if dataset is None else dataset)
        if ref.name != Ref.parse(config.dataset).name:  # whose options those of the run need not be
            takes = {*DATASETS.options(ref.name), "root", "offline"}
            left = {key: value for key, value in config.data_options.items() if key in takes}
            config = replace(config, data_options=left)
        if data_root:
            config = replace(config, data_options={**config.data_options, "root": lasting_path(data_root)})
        opened = open_data(replace(config, dataset=str(ref)), path, asked=True)
        config = replace(config, dataset=lasting_name(ref, opened))
        if dataset is not None and f"dataset {ref.name}" not in config.origins:
            others = {what: made for what, made in config.origins.items() if not what.startswith("dataset ")}
            config = replace(config, origins={**others, **origins([("dataset", ref.name)])})
    return config, opened
