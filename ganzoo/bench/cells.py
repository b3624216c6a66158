"""From a suite to its cells: each planned in full, and known by a hash of all that determines its result."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganzoo.bench.suite import Asked
from ganzoo.bench.words import EVALUATION, TRAINING
from ganzoo.data.base import Dataset
from ganzoo.errors import UsageError, nearest
from ganzoo.metrics.harness import Evaluation
from ganzoo.metrics.open import Given, check_names
from ganzoo.plan.config import Config
from ganzoo.plan.words import Words
from ganzoo.registry.kinds import as_int
from ganzoo.running.training import plan_run

PLACES = ("data_options.root", "data_options.offline", "seed")  # where data lie makes no difference


def folders(runs: Path) -> dict[str, Path]:
    """The run folders of cells, by the hash that their names end with."""
    return {path.name[-12:]: path for path in sorted(runs.glob("*-*"), reverse=True)}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a suite and its evaluation.

    Attributes:
        config: what the run is trained with.
        evaluation: arguments of `Run.evaluate`.
        group: hash of all that determines the result but the seed.
        hash: the same with the seed; `trained` is the part of it that training depends on.
        commands: the words that do the same by hand.
        aim: of a search: the score to improve, and whether higher is better.
    """

    label: str
    config: Config
    evaluation: Mapping[str, Any]
    group: str
    hash: str
    trained: str
    commands: Mapping[str, str]
    aim: tuple[str, bool] | None = None

    @property
    def title(self) -> str:
        options = "" if self.label == "default" else f", {self.label}"
        return f"{self.config.model} on {self.config.dataset}{options}, seed {self.config.seed}"

    def folder(self, runs: Path, there: Mapping[str, Path] | None = None) -> Path:
        """Its run folder: the one of that hash under `runs`, else a new name.

        Args:
            there: what `folders(runs)` has found, where somebody looks for many.
        """
        found = (folders(runs) if there is None else there).get(self.trained[:12])
        return found or runs / self._name

    @property
    def _name(self) -> str:
        words = [self.config.model, Path(self.config.dataset).name, self.label, f"s{self.config.seed}"]
        words = [re.sub(r"[^\w.=-]+", "-", word)[:40].strip("-") for word in words if word != "default"]
        return "-".join([*words, self.trained[:12]])


def plan_cells(asked: Sequence[Asked], threads: int) -> list[Cell]:
    """Every cell of a suite, one seed of all combinations after the other.

    Raises:
        UsageError: an option of any of them is wrong, or two of them are the same.
    """
    planned = [plan_one(one, threads) for one in asked]
    seen: dict[str, Asked] = {}
    for one, cells in zip(asked, planned, strict=True):
        for cell in cells:
            if cell.hash in seen:
                other = seen[cell.hash]
                raise UsageError(
                    f"{one.where}: {one.label!r} with seed {cell.config.seed} is the same as {other.label!r} "
                    f"of {other.where}: remove one of them"
                )
            seen[cell.hash] = one
    rank = {seed: i for i, seed in enumerate(dict.fromkeys(seed for one in asked for seed in one.seeds))}
    return sorted((cell for cells in planned for cell in cells), key=lambda cell: rank[cell.config.seed])


def plan_one(asked: Asked, threads: int) -> list[Cell]:
    """The cells of one combination, a seed each. Raises UsageError: an option of it is wrong."""
    try:
        # What holds for one seed holds for all of them.
        words = {key.replace("-", "_"): value for key, value in asked.training.items()}
        config, dataset = plan_run(Words(**words, seed=asked.seeds[0]))
        evaluation, resolved, aim = _evaluation(asked, config, dataset)
    except UsageError as error:
        raise UsageError(f"{asked.where}: {error}") from error
    config = dataclasses.replace(
        config,
        threads=threads,
        sample_every=config.recipe.steps,  # pictures take time: one is enough
    )
    training = {key: value for key, value in config.identity().items() if key not in PLACES}
    training |= {"recipe.steps": str(config.recipe.steps), "device": config.device}
    if config.eval_every:
        training |= {"eval_every": str(config.eval_every), "eval_metrics": str(config.eval_metrics)}
    ends = {"on_nan": config.on_nan, "stop_when": config.stop_when, "patience": str(config.patience)}
    training |= {key: value for key, value in ends.items() if value not in ("stop", "", "0")}
    return [
        Cell(
            label=asked.label,
            config=dataclasses.replace(config, seed=seed),
            evaluation=evaluation,
            group=_digest([training, resolved]),
            hash=_digest([training, resolved, seed]),
            trained=_digest([training, seed]),
            commands={
                "run": _run_command(asked, config, seed),
                "eval": _eval_command(asked, resolved["samples"]),
            },
            aim=aim,
        )
        for seed in asked.seeds
    ]


def _evaluation(
    asked: Asked, config: Config, dataset: Dataset
) -> tuple[dict[str, Any], dict[str, Any], tuple[str, bool] | None]:
    """Arguments of `Run.evaluate`, all that its scores depend on, and the aim of a search."""
    given = {key.replace("-", "_"): value for key, value in asked.evaluation.items()}
    metrics = given.pop("metric", [])
    given["samples"] = as_int("samples", given.get("samples", dataset.eval_samples), at_least=1)
    given["offline"] = bool(config.data_options["offline"])
    checkpoint = given.get("checkpoint", "last")
    if checkpoint not in ("last", "best"):
        raise UsageError(f"checkpoint: {nearest(checkpoint, ('last', 'best'))}")
    if checkpoint == "best" and not config.eval_every:
        raise UsageError("checkpoint = 'best' needs eval-metric, which says what is best")
    check_names(metrics, given.get("extractor"))
    evaluation = Evaluation(
        metrics,
        dataset,
        extractor=given.get("extractor"),
        weights=given.get("extractor_weights"),
        reference=given.get("reference", "train"),
        offline=given["offline"],
        given=Given(discriminator=True, labels=config.conditional),
    )
    extractor = evaluation.extractor
    resolved = {
        "metrics": sorted(evaluation.metrics),
        "extractor": extractor and [extractor.name, extractor.weights_hash],
        "samples": given["samples"],
        "reference": evaluation.reference,
        "checkpoint": checkpoint,
    }
    aim = (evaluation.first_score, evaluation.first_is_higher) if asked.search else None
    return {"metrics": metrics, **given}, resolved, aim


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _run_command(asked: Asked, config: Config, seed: int) -> str:
    """`ganzoo run ...`, with the data and the budget that were in fact used."""
    words = ["ganzoo", "run", config.model, "--dataset", config.dataset, "--steps", str(config.recipe.steps)]
    told = ("model", "dataset", "steps", "epochs", "data-root", "offline")
    for key, value in asked.training.items():
        if key not in told:
            words += _typed(key, value)
    return shlex.join([*words, "--seed", str(seed)])


def _eval_command(asked: Asked, samples: int) -> str:
    """`ganzoo eval ...` of the newest run."""
    words = ["ganzoo", "eval", "--samples", str(samples)]
    for key, value in asked.evaluation.items():
        if key != "samples":
            words += _typed(key, value)
    return shlex.join(words)


def _typed(key: str, value: Any) -> list[str]:
    kind = {**TRAINING, **EVALUATION}[key]
    if kind is bool:
        unset = [f"--un{key}"] if key == "conditional" else []
        return [f"--{key}"] if value else unset
    if kind is dict:
        return [word for name, one in value.items() for word in (f"--{key}", f"{name}={one}")]
    return [word for one in (value if kind is list else [value]) for word in (f"--{key}", str(one))]
