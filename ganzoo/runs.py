"""A run folder: made, found, trained, loaded and sampled from."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.assemble import build_trained, open_dataset
from ganzoo.config import Config
from ganzoo.console import notice
from ganzoo.data.base import Dataset
from ganzoo.devices import choose_device
from ganzoo.errors import UsageError, WorkError, nearest
from ganzoo.files import cut_lines, write_json
from ganzoo.gan import GAN
from ganzoo.plan import evaluation_of
from ganzoo.registry import changes
from ganzoo.sampling import draw
from ganzoo.training.callbacks import Bar, Log, Pictures, stops_cleanly
from ganzoo.training.checkpoint import (
    NAME,
    Checkpoints,
    load_checkpoint,
    load_discriminator,
    load_generator,
    saved,
)
from ganzoo.training.evaluations import Evaluations
from ganzoo.training.trainer import Callback, Trainer

RUNS = Path("runs")


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
        folder = self.path / "checkpoints"
        weights = self.path / "generator.safetensors" if checkpoint == "last" else folder / "best.safetensors"
        if checkpoint not in ("last", "best"):
            raise UsageError(f"--checkpoint {checkpoint}: {nearest(checkpoint, ('last', 'best'))}")
        if checkpoint == "best" and not weights.exists():
            raise UsageError(f"{self.path} has no best checkpoint: train it with --eval-every N")
        if not weights.exists():
            raise UsageError(f"{self.path} has no weights yet: ganzoo resume {self.path} goes on with it")
        self._look_at_members()
        gan = build_trained(self.config, self.device)
        meta = load_generator(weights, gan)
        step = int(meta["step"])
        if discriminator:
            load_discriminator(folder / ("best.pt" if checkpoint == "best" else NAME.format(step)), gan)
        gan.progress(float(meta["t"]))
        gan.eval()
        return gan, step

    def evaluate(self, metrics: Sequence[str] = (), **words: Any) -> dict[str, Any]:
        """Measure the run's generator; a line of metrics.jsonl, and the same as a dict.

        Args:
            metrics: names; all that fit the data where there are none.
            words: the options of `ganzoo eval`: samples, seed, reference, extractor, extractor_weights,
                checkpoint, dataset (another one to measure against); `progress` shows bars on stderr.

        Returns:
            {"scores": {...}, "real": {the same on real data}, "protocol": {...}, "provenance": {...},
            "notes": [...]}
        """
        from ganzoo.evaluation import evaluate_run

        return evaluate_run(self, metrics, **words)

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


def create(config: Config, out: str | None) -> Run:
    """A new run folder: `out`, or the next number under runs/. Raises UsageError if `out` is taken."""
    try:
        path = _claim(config) if out is None else _exactly(Path(out).expanduser())
    except (NotADirectoryError, FileExistsError) as error:
        raise UsageError(
            f"cannot make the run folder {error.filename}: part of that path is a file"
        ) from error
    except OSError as error:
        raise WorkError(f"cannot make the run folder: {error}") from error
    write_json(path / "config.json", config.as_json())
    return Run(path, config)


def _claim(config: Config) -> Path:
    data = re.sub(r"[^\w.-]+", "-", Path(config.dataset).name if ":" in config.dataset else config.dataset)
    RUNS.mkdir(parents=True, exist_ok=True)
    while True:
        numbers = [int(match[1]) for path in RUNS.iterdir() if (match := re.match(r"(\d+)-", path.name))]
        path = RUNS / f"{max(numbers, default=0) + 1:04d}-{config.model}-{data}-s{config.seed}"
        try:
            path.mkdir()
        except FileExistsError:
            continue  # another process took the number
        return path


def refuse_taken(path: Path) -> None:
    """Raise a UsageError if `--out` names something that is there already."""
    if path.exists() and not path.is_dir():
        raise UsageError(f"--out {path} is a file: name a new folder")
    if path.is_dir() and any(path.iterdir()):
        what = (
            "holds a run already: ganzoo resume goes on with it"
            if (path / "config.json").exists()
            else "is not empty"
        )
        raise UsageError(f"--out {path} {what}; name a new folder")


def _exactly(path: Path) -> Path:
    refuse_taken(path)
    path.mkdir(parents=True, exist_ok=True)
    return path


def find(name: str | None) -> Path:
    """A run folder by path, by name under runs/, or the newest one. Raises UsageError if there is none."""
    if name is None:
        runs = all_runs()
        if not runs:
            raise UsageError(
                "there is no run under runs/ yet: start one with ganzoo run MODEL --dataset NAME"
            )
        return runs[-1]
    for path in (Path(name).expanduser(), RUNS / name):
        if (path / "config.json").is_file():
            return path
    if Path(name).exists():
        raise UsageError(f"{name} is not a run folder: it has no config.json")
    raise UsageError(f"no run {name!r}: {nearest(name, [path.name for path in all_runs()])}")


def all_runs() -> list[Path]:
    """The runs under runs/, oldest first."""
    found = [config.parent for config in RUNS.glob("*/config.json")]
    return sorted(found, key=lambda path: ((path / "config.json").stat().st_mtime_ns, path.name))


def load(path: str | Path | None = None) -> Run:
    """The run in a folder. Raises UsageError if it holds none, or its config.json is damaged."""
    folder = find(None if path is None else str(path))
    try:
        config = Config.from_json(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder / 'config.json'} is damaged: {error}") from error
    return Run(folder, config)


def extend(run: Run, steps: int | None) -> bool:
    """Give a run a larger budget if asked, which `train` records; whether anything is left to do then."""
    plan = run.config.recipe.steps
    newest = saved(run.path)
    done = int(newest[-1].stem.removeprefix("step-")) if newest else 0
    if steps is not None and steps > plan:
        recipe = dataclasses.replace(run.config.recipe, steps=steps)
        first = run.config.first_steps or plan
        run.config = dataclasses.replace(run.config, recipe=recipe, first_steps=first)
    elif steps is not None and done < plan and steps < plan:
        raise UsageError(f"--steps {steps}: the budget of {run.path} is {plan} steps, and may only grow")
    return done < run.config.recipe.steps
