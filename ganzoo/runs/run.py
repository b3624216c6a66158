"""A run folder: made, found, trained, loaded and sampled from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.data.open import open_dataset
from ganzoo.errors import UsageError, nearest
from ganzoo.metrics.harness import Evaluation
from ganzoo.metrics.open import Given, check_names
from ganzoo.models.base import GAN
from ganzoo.plan.assemble import build_trained
from ganzoo.plan.config import Config
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry import changes
from ganzoo.registry.options import as_int
from ganzoo.runs.budget import change_of_schedules, extended
from ganzoo.runs.evaluation import Document, document
from ganzoo.runs.evaluations import BY_SHARES, NO_LABELS, Evaluations, evaluation_of, scored_labels
from ganzoo.runs.folder import find, new_folder
from ganzoo.system.console import notice, typed
from ganzoo.system.devices import choose_device
from ganzoo.system.files import append_line, cut_lines, write_json
from ganzoo.training.callbacks import Bar, Log, Pictures, stops_cleanly
from ganzoo.training.checkpoint import (
    NAME,
    Checkpoints,
    load_checkpoint,
    load_discriminator,
    load_generator,
    saved,
)
from ganzoo.training.rehearsal import rehearse
from ganzoo.training.sampling import draw
from ganzoo.training.trainer import Callback, Trainer


class Run:
    """One run folder.

    Attributes:
        path: the folder.
        config: its settings.
        steps_done: steps that this process has seen done, after `train`.
        device: where samples are drawn; training has its own, in `config`.
    """

    def __init__(self, path: Path, config: Config) -> None:
        self.path = path
        self.config = config
        self._recorded = config  # what config.json says
        self.steps_done: int | None = None
        self._looked = False
        self.device = choose_device("auto")

    @cached_property
    def dataset(self) -> Dataset:
        """The data of the run, opened again. Raises UsageError if it is not the same any more."""
        self._look_at_members()
        options = dict(self.config.data_options)
        root, offline = options.pop("root", None), options.pop("offline", False)
        dataset = open_dataset(self.config.dataset, options, root, offline)
        if dataset.fingerprint != self.config.data_fingerprint:
            raise UsageError(
                f"{self.config.dataset} is not what {self.path} was trained on (fingerprint "
                f"{dataset.fingerprint}, then {self.config.data_fingerprint}): bring the data back, or "
                "start a new run"
            )
        return dataset

    @cached_property
    def model(self) -> GAN:
        """The model with the averaged generator of the last checkpoint, in eval mode, on `device`."""
        return self.load_model()[0]

    def load_model(self, checkpoint: str = "last", discriminator: bool = False) -> tuple[GAN, int]:
        """The model with the averaged generator of the "last" or the "best" checkpoint, and its step.

        In eval mode, on `device`; the discriminator has its trained weights where it is asked for.
        """
        weights = self._weights(checkpoint)
        self._look_at_members()
        gan, _ = build_trained(self.config, self.device)
        meta = load_generator(weights, gan)
        step = int(meta["step"])
        if discriminator:
            state = "best.pt" if checkpoint == "best" else NAME.format(step)
            load_discriminator(self.path / "checkpoints" / state, gan)
        gan.progress(float(meta["t"]))
        gan.eval()
        return gan, step

    def _weights(self, checkpoint: str) -> Path:
        """The file with the averaged generator. Raises UsageError if there is none."""
        if checkpoint not in ("last", "best"):
            raise UsageError(f"--checkpoint {checkpoint}: {nearest(checkpoint, ('last', 'best'))}")
        best = self.path / "checkpoints" / "best.safetensors"
        weights = self.path / "generator.safetensors" if checkpoint == "last" else best
        if checkpoint == "best" and not weights.exists():
            raise UsageError(f"{self.path} has no best checkpoint: train it with --eval-every N")
        if not weights.exists():
            next_ = typed("ganzoo", "resume", self.path)
            raise UsageError(f"{self.path} has no weights yet: {next_} goes on with it")
        return weights

    def evaluate(
        self,
        metrics: Sequence[str] = (),
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
            metrics: names; all that fit the data where there are none.
            samples: how many to generate; as many as the dataset's protocol says where it is None.
            seed: of the latent vectors: the samples are those of `ganzoo sample` with the same seed.
            reference: the real split to compare with, "train" or "test".
            extractor, extractor_weights: by name, and a file; both follow from the data where they are None.
            checkpoint: "last" or "best".
            per_class: measure each class of a conditional run too.
            dataset, data_options, data_root: what to measure against, where that is not the run's own data.
            offline: download nothing.
            progress: show bars on stderr.

        Returns:
            {"scores": {...}, "real": {the same of as many real samples}, "protocol": {...},
            "provenance": {...}, "notes": [...]}; where fewer are held out, "matched" has both at as many as
            there are; "per_class" is a list of rows.

        Raises:
            UsageError: a word is wrong, or the run has no weights yet; nothing was written.
        """
        check_names(metrics, extractor)
        self._weights(checkpoint)
        if dataset is None and data_options:
            raise UsageError(
                "--set is for a dataset that is named with --dataset; a run's own is as it was trained on"
            )
        data = self.dataset
        if dataset is not None:
            data = open_dataset(dataset, dict(data_options or {}), data_root, offline)
        if data.sample_shape != self.config.sample_shape:
            raise UsageError(
                f"{self.path} makes samples of shape {self.config.sample_shape}, and those of {data.name} "
                f"are {data.sample_shape}"
            )
        n = data.eval_samples if samples is None else as_int("--samples", samples, at_least=1)
        evaluation = Evaluation(
            metrics,
            data,
            extractor=extractor,
            weights=extractor_weights,
            reference=reference,
            offline=offline,
            device=self.device,
            given=Given(discriminator=True, labels=self.config.conditional),
            per_class=per_class,
        )
        gan, step = self.load_model(checkpoint, discriminator=evaluation.needs_discriminator)
        y = scored_labels(n, gan, evaluation, self.dataset)
        x = self.dataset.to_units(draw(gan, n, seed, "sample", y, progress))
        made_by = {"generator": "averaged, eval mode", "checkpoint": checkpoint}
        made_by["labels"] = BY_SHARES if gan.num_classes else NO_LABELS
        source = {"run": self.path.name, "step": step, "seed": seed, "device": str(self.device)}
        measured = document(evaluation(x, y, gan, progress=progress), made_by, source)
        append_line(self.path / "metrics.jsonl", {"step": step, **measured})
        return measured

    def sample(self, n: int = 64, seed: int = 0, labels: Tensor | Sequence[int] | None = None) -> Tensor:
        """n samples in the data's own units: uint8 [n, C, H, W] for images, float32 [n, D] for vectors.

        Args:
            labels: n class indices for a conditional run; 0, 1, 2, ... in turn where left out.
        """
        chosen = None if labels is None else torch.as_tensor(labels, dtype=torch.int64)
        return self.dataset.to_units(draw(self.model, n, seed, "sample", chosen))

    def train(self, dataset: Dataset | None = None, progress: bool = True) -> None:
        """Train from the newest checkpoint, or from the start, to the end of the plan."""
        self._look_at_members()
        if dataset is not None:
            self.__dict__["dataset"] = dataset
        log = Log(self.path, self.config.log_every)
        callbacks: list[Callback] = [
            log,
            Checkpoints(self.path, self.config.checkpoint_every),
            Pictures(self.path, self.config.sample_every),
        ]
        scores: dict[str, float] = {}
        if self.config.eval_every:
            evaluation = evaluation_of(self.config, self.dataset)
            callbacks.append(Evaluations(self.path, self.config.eval_every, evaluation, scores))
        bar = Bar(log, scores)
        if progress:
            callbacks.append(bar)
        self._match_threads()
        with stops_cleanly() as stop:
            trainer = Trainer(self.config, self.dataset, callbacks, stop)
            checkpoints = saved(self.path)
            if checkpoints:
                trainer.load_state_dict(load_checkpoint(checkpoints[-1]))
            if self.config != self._recorded:  # written now, when nothing can be refused any more
                change = change_of_schedules(self._recorded, self.config, trainer.step)
                if change:
                    notice(change)
                write_json(self.path / "config.json", self.config.as_json())
                self._recorded = self.config
            for name in ("log.jsonl", "metrics.jsonl"):
                cut_lines(self.path / name, lambda row: row["step"] <= trainer.step)
            try:
                trainer.fit()
            finally:
                bar.close()
        self.steps_done = trainer.step
        self.__dict__.pop("model", None)

    def _look_at_members(self) -> None:
        """Say what is of another version than the run was made with; refuse where something is gone."""
        if not self._looked:
            for sentence in changes(self.config.origins, str(self.path)):
                notice(sentence)
            self._looked = True

    def _match_threads(self) -> None:
        """The bits of a run depend on the number of threads: take the number it was planned with."""
        if self.config.device == "cpu" and torch.get_num_threads() != self.config.threads:
            notice(
                f"this run was planned with {self.config.threads} threads and torch has "
                f"{torch.get_num_threads()}: using {self.config.threads}, so that the numbers stay the same"
            )
            torch.set_num_threads(self.config.threads)


def plan_run(words: Words) -> tuple[Config, Dataset]:
    """`plan`, rehearsed; evaluations during the run that cannot be made are refused as well."""
    config, dataset = plan(words)
    rehearse(config, dataset)
    if config.eval_every:
        evaluation_of(config, dataset)
    return config, dataset


def create(config: Config, out: str | None) -> Run:
    """A new run folder: `out`, or the next number under runs/. Raises UsageError if `out` is taken."""
    path = new_folder(config, out)
    write_json(path / "config.json", config.as_json())
    return Run(path, config)


def load(path: str | Path | None = None) -> Run:
    """The run in a folder. Raises UsageError if it holds none, or its config.json is damaged."""
    folder = find(None if path is None else str(path))
    try:
        config = Config.from_json(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder / 'config.json'} is damaged: {error}") from error
    return Run(folder, config)


def extend(run: Run, steps: int | None, reschedule: bool = False) -> bool:
    """Give a run a larger budget if asked, which `train` records; whether anything is left to do then."""
    newest = saved(run.path)
    done = int(newest[-1].stem.removeprefix("step-")) if newest else 0
    run.config = extended(run.config, run.path, done, steps, reschedule)
    return done < run.config.recipe.steps
