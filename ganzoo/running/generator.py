"""A generator without its run: one file, from which samples are drawn as from the run that made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.data.base import Dataset, Standardization
from ganzoo.data.card import DataCard
from ganzoo.data.open import open_dataset
from ganzoo.errors import UsageError, WorkError
from ganzoo.models.base import GAN
from ganzoo.plan.assemble import build_trained
from ganzoo.plan.config import Config
from ganzoo.registry import changes
from ganzoo.registry.blame import blaming
from ganzoo.running.evaluation import Document
from ganzoo.running.located import locate
from ganzoo.running.measuring import checked, measured
from ganzoo.running.run import Run
from ganzoo.running.sampler import Sampler
from ganzoo.running.weights import find_weights
from ganzoo.system.console import notice
from ganzoo.system.devices import choose_device
from ganzoo.system.tensors import DamagedFile, read_meta, read_tensors
from ganzoo.training.about import KEY, About, measured_at, split_units
from ganzoo.training.checkpoint import fill_generator, time_of


class Generator(Sampler):
    """A trained generator, from its file alone.

    Attributes:
        path: the file.
        name: what it is called: a file's name, or MODEL:DATASET.
        about: what the file says of itself: architecture, options, data, scores, how it was made.
        step, t: of training, after which the weights were kept, and how far that was in its plan.
        model: the `GAN`, in eval mode, on `device`; its discriminator is not trained.
        card: what samples need to know of the data.
        device: where samples are drawn.
    """

    def __init__(
        self, path: Path, about: About, model: GAN, card: DataCard, when: tuple[int, float], name: str = ""
    ) -> None:
        self.path, self.about = path, about
        self._step, self.t = when
        self._name = name or path.name
        self.device = next(model.parameters()).device
        self._model, self._card = model, card

    @property
    def name(self) -> str:
        return self._name

    @property
    def config(self) -> About:
        """The same as `about`: what is here of a run's settings."""
        return self.about

    @property
    def step(self) -> int:
        return self._step

    @property
    def known(self) -> About:
        return self.about

    @property
    def model(self) -> GAN:
        return self._model

    @property
    def card(self) -> DataCard:
        return self._card

    @property
    def generator(self) -> nn.Module:
        """The network: (z [N, z_dim], y) -> samples as networks see them."""
        return self.model.generator

    @property
    def z_dim(self) -> int:
        return self.model.z_dim

    @property
    def classes(self) -> tuple[str, ...]:
        """What can be asked for as labels, by name; numbers where the classes have no names."""
        return self.about.class_names or tuple(map(str, range(self.about.num_classes)))

    @property
    def scores(self) -> dict[str, float]:
        """Each score as it was measured last, by its name; `about.measured` has their protocols."""
        return self.about.scores

    def facts(self) -> list[tuple[str, str]]:
        """What a person wants to know of it, as pairs of a word and what there is to say."""
        return [*self.about.facts(), ("kept", f"at step {self.step:,}")]

    @cached_property
    def dataset(self) -> Dataset:
        """The data, where their name alone opens them. Raises UsageError where it does not."""
        return self._data(offline=True)

    def _data(self, root: str | None = None, offline: bool = False) -> Dataset:
        otherwise = f"{self.path} came without its data ({self.about.dataset})"
        try:
            found = open_dataset(self.about.dataset, {}, root, offline)
        except (UsageError, WorkError) as error:
            raise UsageError(f"{otherwise}: {error}") from error
        if found.fingerprint != self.about.fingerprint:
            raise UsageError(f"{otherwise}: those of that name here are others")
        return found

    def to_units(self, x: Tensor) -> Tensor:
        """From what the network makes to the data's own units.

        Raises:
            UsageError: the data have units of their own, which no file can hold.
        """
        if not self.card.knows_units:
            raise UsageError(
                f"{self.path} is of data with units of their own, which a file cannot hold: draw from its "
                f"run, or take what networks see from .model.sample"
            )
        return self.card.to_units(x)

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
        per_class: bool = False,
        dataset: str | None = None,
        data_options: Mapping[str, Any] | None = None,
        data_root: str | None = None,
        offline: bool = False,
        progress: bool = True,
    ) -> Document:
        """Measure it, against the data that its file names or others; nothing is written.

        Args and what comes back are those of `Run.evaluate`. What needs a trained discriminator cannot be
        measured: the file has none.

        Raises:
            UsageError: a word is wrong, or the data cannot be opened by their name alone.
        """
        metrics, seed = checked(metrics, extractor, seed)
        if dataset is None and data_options:
            raise UsageError("--set is for a dataset that is named with --dataset")
        if dataset is None:
            try:
                data = self._data(data_root, offline)
            except UsageError as error:
                raise UsageError(f"{error}; --dataset NAME says what to measure it against") from error
        else:
            data = open_dataset(dataset, dict(data_options or {}), data_root, offline)
        return measured(
            self,
            data,
            metrics,
            lambda _: (self.model, self.step),
            {"generator": self.name},
            {},
            discriminator=False,
            samples=samples,
            seed=seed,
            per_class=per_class,
            progress=progress,
            extractor=extractor,
            weights=extractor_weights,
            reference=reference,
            offline=offline,
        )

    def __repr__(self) -> str:
        return f"<Generator {self.name}: {self.about.model} on {self.about.dataset}, step {self.step:,}>"


def load_generator(
    which: str | Path, device: str | torch.device = "auto", checkpoint: str = "last"
) -> Generator:
    """A trained generator, to be drawn from: `ganzoo.load_generator("generator.safetensors").sample(64)`.

    Args:
        which: a file that ganzoo wrote (a run's generator.safetensors, what `ganzoo export` made), which
            needs nothing beside it; a run folder, or the name or number of a run; MODEL:DATASET, one of those
            that `ganzoo list pretrained` shows; or OWNER/NAME, which `ganzoo pull` has fetched.
        device: where samples are drawn.
        checkpoint: of a run, "last" or "best".

    Raises:
        UsageError: there is no such thing, the file is damaged, or the model is not installed here, or is
            another one.
    """
    found = locate(str(which))
    if found.run is not None:
        return _of_run(found.run, device, checkpoint)
    if checkpoint != "last":
        raise UsageError(f"checkpoint {checkpoint!r} is of a run, and {which} is a file")
    beside = found.path.parent
    if (beside / "config.json").exists() and KEY not in read_meta(found.path):
        return _of_run(
            beside, device, file=found.path
        )  # an older ganzoo wrote it: it does not say what it is of
    return read_generator(found.path, device, found.name)


def read_generator(path: Path, device: str | torch.device = "auto", name: str = "") -> Generator:
    """The generator in a file. Raises UsageError as `load_generator`."""
    chosen = choose_device(device)
    tensors, meta = read_tensors(path)
    about = About.read(meta, path)
    when = time_of(meta, path)
    weights, beside = split_units(tensors)
    for sentence in changes(about.origins, str(path)):
        notice(sentence)
    try:
        scale = Standardization(beside["mean"], beside["std"]) if "mean" in beside else None
        card = about.card(scale)
        gan, _ = build_trained(about, chosen)
    except (KeyError, UsageError, WorkError) as error:
        raise UsageError(f"{path} cannot be opened: {error}") from error
    fill_generator(weights, gan, path)
    gan.progress(when[1])
    gan.eval()
    return Generator(path, about, gan, card, when, name)


def _of_run(
    folder: Path, device: str | torch.device, checkpoint: str = "last", file: Path | None = None
) -> Generator:
    """The averaged generator of a run, with all the scores that are known of it."""
    run = Run(folder, Config.read(folder / "config.json"), device)
    path = find_weights(folder, checkpoint).generator
    gan, _ = run.load_model(checkpoint)
    when = time_of(read_meta(path), path)
    about = About.of(run.config, run.card, measured_at(folder, when[0]))
    if file is not None and file.resolve() != path.resolve():
        raise DamagedFile(f"{file} is not what its run draws from")
    return Generator(path, about, gan, run.card, when, folder.name)
