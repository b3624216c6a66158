"""ganzoo: a pluggable zoo of GANs.

    run = ganzoo.train("dcgan", dataset="mnist", steps=2000, seed=0)
    images = run.sample(64, seed=0)          # uint8 [64, 1, 28, 28]
    run.evaluate(["is", "fid"])              # {"scores": ..., "real": ..., "protocol": ...}
    run = ganzoo.load("runs/0001-dcgan-mnist-s0")

Importing ganzoo is light: torch is loaded when one of these names is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganzoo import extractors, losses, metrics, models, stabilizers
    from ganzoo.api import extractor, resume, runs, train
    from ganzoo.data.base import Dataset, Modes, Split
    from ganzoo.errors import UsageError, WorkError
    from ganzoo.extractors.base import Extractor
    from ganzoo.losses import Loss
    from ganzoo.metrics.base import Metric
    from ganzoo.metrics.context import Context, Samples
    from ganzoo.metrics.score import score
    from ganzoo.metrics.stream import Score
    from ganzoo.models.base import GAN, Common
    from ganzoo.models.recipe import Optimizer, Recipe, Schedule
    from ganzoo.models.sample import Logits, Sample
    from ganzoo.models.turn import Critic, Turn
    from ganzoo.registry import CALLBACKS, DATASETS, EXTRACTORS, LOSSES, METRICS, MODELS, STABILIZERS
    from ganzoo.registry import CALLBACKS as callbacks
    from ganzoo.registry import DATASETS as datasets
    from ganzoo.registry.registry import CONTRACT
    from ganzoo.reports.write import report
    from ganzoo.running.evaluation import evaluate
    from ganzoo.running.generator import Generator, load_generator
    from ganzoo.running.run import Run, load
    from ganzoo.stabilizers.base import Stabilizer
    from ganzoo.system.memory import keep_freed_memory
    from ganzoo.training.trainer import Callback, Trainer
    from ganzoo.training.turns import turn

_WHERE = {
    "ganzoo.api": ("extractor", "resume", "runs", "train"),
    "ganzoo.data.base": ("Dataset", "Modes", "Split"),
    "ganzoo.errors": ("UsageError", "WorkError"),
    "ganzoo.reports.write": ("report",),
    "ganzoo.running.evaluation": ("evaluate",),
    "ganzoo.extractors.base": ("Extractor",),
    "ganzoo.models.base": ("GAN", "Common"),
    "ganzoo.models.sample": ("Logits", "Sample"),
    "ganzoo.models.turn": ("Critic", "Turn"),
    "ganzoo.losses": ("Loss",),
    "ganzoo.metrics.base": ("Metric",),
    "ganzoo.metrics.context": ("Context", "Samples"),
    "ganzoo.metrics.score": ("score",),
    "ganzoo.metrics.stream": ("Score",),
    "ganzoo.models.recipe": ("Optimizer", "Recipe", "Schedule"),
    "ganzoo.registry": (
        "CALLBACKS", "DATASETS", "EXTRACTORS", "LOSSES", "METRICS", "MODELS", "STABILIZERS",
    ),
    "ganzoo.registry.registry": ("CONTRACT",),
    "ganzoo.running.generator": ("Generator", "load_generator"),
    "ganzoo.running.run": ("Run", "load"),
    "ganzoo.stabilizers.base": ("Stabilizer",),
    "ganzoo.system.memory": ("keep_freed_memory",),
    "ganzoo.training.trainer": ("Callback", "Trainer"),
    "ganzoo.training.turns": ("turn",),
}  # fmt: skip
_ROOMS = ("extractors", "losses", "metrics", "models", "stabilizers")
_REGISTRIES = ("callbacks", "datasets")  # whose rooms hold more than members
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "CALLBACKS", "CONTRACT", "DATASETS", "EXTRACTORS", "GAN", "LOSSES", "METRICS", "MODELS", "STABILIZERS",
    "Callback", "Common", "Context", "Critic", "Dataset", "Extractor", "Generator", "Logits", "Loss",
    "Metric", "Modes", "Optimizer", "Recipe", "Run", "Sample", "Samples", "Schedule", "Score", "Split",
    "Stabilizer", "Trainer", "Turn", "UsageError", "WorkError", "callbacks", "datasets", "evaluate",
    "extractor", "extractors", "keep_freed_memory", "load", "load_generator", "losses", "metrics", "models",
    "report", "resume", "runs", "score", "stabilizers", "train", "turn",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("ganzoo-torch")
    if name in _ROOMS:
        return import_module(f"ganzoo.{name}")
    if name in _REGISTRIES:
        return getattr(import_module("ganzoo.registry"), name.upper())
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'ganzoo' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
