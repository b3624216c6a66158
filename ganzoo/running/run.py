"""A run folder: made, found, trained, loaded and sampled from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ganzoo.data.base import Dataset
from ganzoo.data.card import DataCard
from ganzoo.data.given import as_dataset
from ganzoo.data.open import open_dataset
from ganzoo.data.ranges import Range
from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.plan.assemble import build_trained
from ganzoo.plan.callbacks import settled_callbacks, with_callbacks
from ganzoo.plan.config import Config
from ganzoo.registry import changes
from ganzoo.registry.blame import blaming
from ganzoo.registry.spec import Spec
from ganzoo.running import training
from ganzoo.running.evaluation import Document
from ganzoo.running.folder import find, new_folder
from ganzoo.running.measuring import checked, measured
from ganzoo.running.places import moved, open_data, read_card, same_data
from ganzoo.running.record import Shown
from ganzoo.running.sampler import Sampler
from ganzoo.running.weights import find_weights
from ganzoo.system.console import notice
from ganzoo.system.devices import choose_device
from ganzoo.system.files import write_json
from ganzoo.system.lines import append_line
from ganzoo.training.trainer import Callback


class Run(Shown, Sampler):
    """One run folder.

    Attributes:
        path: the folder.
        config: its settings; `recorded` are those in config.json.
        steps_done: steps that this process has seen done, after `train`.
        ended: why the run ended before its budget then, or "".
        device: where samples are drawn; training has its own, in `config`.
    """

    def __init__(self, path: Path, config: Config, device: str | torch.device = "auto") -> None:
        self.path = path
        self.config = config
        self.recorded = config
        self.steps_done: int | None = None
        self.ended = ""
        self._said: set[str] = set()
        self.device = choose_device(device)

    @cached_property
    def dataset(self) -> Dataset:
        """The data of the run, opened again. Raises UsageError if they are not there, or not the same."""
        self._look_at("dataset")
        return open_data(self.config, self.path)

    @cached_property
    def card(self) -> DataCard:
        """What samples need to know of the data: from the run folder, or else from the data."""
        return read_card(self.path, self.config) or DataCard.of(self.dataset, self.config.conditional)

    @property
    def known(self) -> Config:
        return self.config

    @cached_property
    def _last(self) -> tuple[GAN, int]:
        return self.load_model()

    @property
    def model(self) -> GAN:
        """The model with the averaged generator of the last checkpoint, in eval mode, on `device`."""
        return self._last[0]

    @property
    def step(self) -> int:
        """Of that generator."""
        return self._last[1]

    @property
    def generator(self) -> nn.Module:
        """The averaged generator in eval mode: (z [N, z_dim], y) -> samples as networks see them."""
        return self.model.generator

    def load_model(self, checkpoint: str = "last", discriminator: bool = False) -> tuple[GAN, int]:
        """The model with the averaged generator of the "last" or the "best" checkpoint, and its step.

        In eval mode, on `device`; the discriminator has its trained weights where it is asked for.
        """
        weights = find_weights(self.path, checkpoint)
        self._look_at("model", "stabilizer")
        gan, _ = build_trained(self.config, self.device)
        return gan, weights.into(gan, discriminator)

    @blaming(silent=True)  # stdout is for the scores
    def evaluate(
        self,
        metrics: str | Sequence[str] = (),
        *,
        samples: int | None = None,
        seed: int = 0,
        reference: str = "train",
        extractor: str | None = None,
        extractor_weights: str | None = None,
        checkpoint: str = "last",
        per_class: bool = False,
        dataset: str | None = None,
        data_options: Mapping[str, Any] | None = None,
        data_root: str | None = None,
        offline: bool = False,
        progress: bool = True,
    ) -> Document:
        """Measure the averaged generator: a line of metrics.jsonl, and the same as a dict.

        Args:
            metrics: a name or several; all that fit the data where there are none.
            samples: how many to generate; as many as the dataset's protocol says where it is None.
            seed: of the latent vectors: the samples are those of `ganzoo sample` with the same seed.
            reference: the real split to compare with, "train" or "test".
            extractor, extractor_weights: by name, and a file; both follow from the data where they are None.
            checkpoint: "last" or "best".
            per_class: measure each class of a conditional run too.
            dataset, data_options: what to measure against, where that is not the run's own data.
            data_root: where datasets are, if not where they were.
            offline: download nothing.
            progress: show bars on stderr.

        Returns:
            {"scores": {...}, "real": {the same of as many real samples}, "protocol": {...},
            "provenance": {...}, "notes": [...]}; where fewer are held out, "matched" has both at as many as
            there are; "per_class" is a list of rows.

        Raises:
            UsageError: a word is wrong, or the run has no weights yet; nothing was written.
        """
        metrics, seed = checked(metrics, extractor, seed)
        find_weights(self.path, checkpoint)
        if dataset is None and data_options:
            raise UsageError(
                "--set is for a dataset that is named with --dataset; a run's own is as it was trained on"
            )
        if dataset is None:
            self.move(data_root=data_root)
            data = self.dataset
        else:
            data = open_dataset(dataset, dict(data_options or {}), data_root, offline)
        result = measured(
            self,
            data,
            metrics,
            lambda discriminator: self.load_model(checkpoint, discriminator),
            {"run": self.path.name},
            {"checkpoint": checkpoint},
            discriminator=True,
            samples=samples,
            seed=seed,
            per_class=per_class,
            progress=progress,
            extractor=extractor,
            weights=extractor_weights,
            reference=reference,
            offline=offline,
        )
        append_line(self.path / "metrics.jsonl", {"step": result["provenance"]["step"], **result})
        return result

    def train(
        self, dataset: Dataset | None = None, progress: bool = True, callbacks: Sequence[Callback] = ()
    ) -> None:
        """Train from the newest whole checkpoint, or from the start, to the end of the plan.

        Args:
            dataset: the run's data, where they are open already.
            progress: show how far it is.
            callbacks: objects that look on too; they are not recorded.
        """
        self._look_at("model", "loss", "stabilizer", "dataset", "callback")
        if dataset is not None:
            self.dataset = dataset
        self.steps_done, self.ended = training.train(self, progress, callbacks)
        for made in ("_last", "card"):
            self.__dict__.pop(made, None)

    def move(
        self,
        dataset: str | None = None,
        data_root: str | Path | None = None,
        device: str | torch.device | None = None,
        compile: bool | None = None,
    ) -> None:
        """Have training go on with data, or on a device, that are elsewhere now; it records that.

        Args:
            dataset: the name that opens the same data now.
            data_root: where datasets are, or are downloaded to.
            compile: whether nets are compiled from now on.

        Raises:
            UsageError: these are other data, or there is no such device; the run is as it was.
        """
        if compile is not None:
            self.config = replace(self.config, compile=compile)
        self.config, data = moved(self.config, self.path, dataset, data_root, device)
        if data is not None:
            self.dataset = data

    def give(self, dataset: Dataset) -> None:
        """Work with data that were given in Python again. Raises UsageError unless they are the run's own."""
        same_data(self.config, self.path, dataset)
        self.dataset = dataset

    def watch(self, callback: str | Iterable[str | Spec]) -> None:
        """Have these look on too as training goes on, in the words of --callback; it records that."""
        self.config = with_callbacks(self.config, settled_callbacks(callback))

    def _look_at(self, *kinds: str) -> None:
        """Say which members are of another version than the run was made with; refuse where one is gone."""
        needed = {what: by for what, by in self.config.origins.items() if what.partition(" ")[0] in kinds}
        for sentence in changes(needed, str(self.path)):
            if sentence not in self._said:
                notice(sentence)
                self._said.add(sentence)


def create(config: Config, out: str | None) -> Run:
    """A new run folder: `out`, or the next number under runs/. Raises UsageError if `out` is taken."""
    path = new_folder(config, out)
    write_json(path / "config.json", config.as_json())
    return Run(path, config)


def load(
    path: str | Path | Run | None = None,
    data: Any = None,
    y: Any = None,
    *,
    test: Any = None,
    pixels: Range | None = None,
    device: str | torch.device = "auto",
) -> Run:
    """The run in a folder, to be sampled on a device.

    Args:
        path: the run folder, its name or number under runs/, or the newest where left out; or a run.
        data, y, test, pixels: as for `ganzoo.train`, where the run was trained on data that were given so, to
            measure it or to go on with it: the same. Samples are drawn without.

    Raises:
        UsageError: the folder holds none, or its config.json is damaged; or there is no such device; or these
            are other data.
    """
    if isinstance(path, Run):
        path = path.path
    folder = find(None if path is None else str(path))
    run = Run(folder, Config.read(folder / "config.json"), device)
    if data is not None:
        run.give(as_dataset(data, y, test, pixels))
    return run
