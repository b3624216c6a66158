"""What the contract wants of a stabilizer."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.errors import UsageError, WorkError
from ganzoo.models.sample import scales
from ganzoo.plan.config import Config
from ganzoo.registry import MODELS, STABILIZERS
from ganzoo.registry.options import known_options, options_of
from ganzoo.registry.registry import DISTRIBUTION
from ganzoo.registry.spec import Spec
from ganzoo.stabilizers.base import Need, Stabilizer
from ganzoo.stabilizers.open import open_stabilizer
from ganzoo.testing.core import Subject, described, first, hooks, typed, want, where
from ganzoo.testing.training import LATE, Whole, tiny, turn_of, want_exact_resume, want_moving

VECTORS, IMAGES = (4,), (1, 16, 16)
USUAL = (("mlp-gan", VECTORS), ("dcgan", IMAGES))
SMALL = {"width": 8, "d_width": 8, "z_dim": 6}
NORMS = ("none", "batch")  # of D: some stabilizers refuse BatchNorm, and some replace it
PLAIN = bool | int | float | str | Tensor


class Switch(Subject):
    """A stabilizer, and the small runs that it goes with.

    Models of its own distribution come first; the zoo's own, and all others where it goes with none of these,
    are checked on vectors with mlp-gan and on images with dcgan.

    Attributes:
        runs: a plan for each model and shape.
        refused: why others are not among them.
    """

    base = Stabilizer

    def __init__(self, name: str, options: Mapping[str, Any], shape: tuple[int, ...] | None = None) -> None:
        super().__init__(STABILIZERS, name)
        given = known_options(f"stabilizer {name}", options_of(self.member), options)
        self.spec = Spec(name, given)
        self.runs: dict[str, tuple[Config, Dataset]] = {}
        self.refused: dict[str, str] = {}
        self.done: dict[str, Whole] = {}
        owner = STABILIZERS.origin(name)["distribution"]
        own = [entry.name for entry in MODELS.entries() if entry.distribution == owner]
        shapes = (VECTORS, IMAGES) if shape is None else (shape,)
        usual = itertools.product(("mlp-gan", "dcgan"), shapes) if shape else USUAL
        theirs = itertools.product(own, shapes)
        for pairs in (usual, theirs) if owner == DISTRIBUTION else (theirs, usual):
            for model, of in pairs if not self.runs else ():
                self._try(model, of)

    def _try(self, model: str, shape: tuple[int, ...]) -> None:
        on = f"for {model} on samples of shape {shape}"
        for norm in NORMS:
            try:
                self.runs[on] = self.plan(model, shape, norm)
                return
            except (UsageError, WorkError) as error:  # of a broken sibling too
                self.refused[on] = str(error)

    def whole(self, on: str) -> Whole:
        """One of its runs, carried out."""
        if on not in self.done:
            self.done[on] = Whole(*self.runs[on])
        return self.done[on]

    def make(self) -> Stabilizer:
        return open_stabilizer(self.spec)

    def plan(self, model: str, shape: tuple[int, ...], norm: str) -> tuple[Config, Dataset]:
        options, known = {**SMALL, "d_norm": norm}, MODELS.options(model)
        small = {f"model.{key}": value for key, value in options.items() if key in known}
        loss = "non-saturating"  # has targets, and is bounded below
        # Those of the model's own recipe would be in the way.
        stabilizers = ["none", self.spec]
        return tiny(model, shape, steps=LATE, loss=loss, stabilizer=stabilizers, set=small, seed=1)


def declares(subject: Switch) -> None:
    """`needs` are of the known ones, and `refuses` are names."""
    for need in subject.member.needs:
        want(need in get_args(Need), f"needs among {', '.join(get_args(Need))}", repr(need))
    for name in subject.member.refuses:
        want(isinstance(name, str), "refuses to be names of stabilizers", repr(name))


def goes_with(subject: Switch) -> str:
    """It goes with mlp-gan, dcgan or a model of its own distribution; others it refuses with a UsageError."""
    want(subject.runs, "a model that it goes with", first(subject.refused.values()))
    refused = [sentence for on, sentence in subject.refused.items() if on not in subject.runs]
    return first(refused, "refuses: ")


def trains(subject: Switch) -> None:
    """Real steps with it keep both nets finite and moving."""
    for on, run in subject.runs.items():
        want_moving(*run, on, subject.whole(on))


def keeps(subject: Switch) -> None:
    """What it keeps is in `state`, numbers and tensors; what it logs are numbers by name."""
    for on in subject.runs:
        (stabilizer,) = subject.whole(on).trainer.stabilizers
        for path, value in _leaves(stabilizer.state):
            kept = value is None or isinstance(value, PLAIN)
            want(kept, "numbers and tensors in `state`, or dicts of them", f"state{path} = {value!r}")
        for key, number in stabilizer.log().items():
            kept = isinstance(key, str) and isinstance(number, int | float)
            want(kept, "log() to give numbers by name", f"{key!r}: {number!r}")


def _leaves(state: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All that is in dicts of dicts, by path."""
    if isinstance(state, dict):
        for key, part in state.items():
            yield from _leaves(part, f"{path}/{key}")
    else:
        yield path, state


def resumes(subject: Switch) -> None:
    """A run that was stopped and goes on gives the very numbers of one that was not."""
    for on, run in subject.runs.items():
        want_exact_resume(*run, on, subject.whole(on))


def transforms(subject: Switch) -> None:
    """`transform` keeps shape and type, of every scale of a pyramid too, and lets gradients through."""
    for config, _ in subject.runs.values():
        torch.manual_seed(0)
        gan = MODELS.get(config.model)(config.sample_shape, **config.model_options)
        stabilizer = subject.make()
        stabilizer.setup(gan)
        x = (torch.rand(8, *config.sample_shape) * 2 - 1).requires_grad_()
        pyramid = (x[..., ::2, ::2], x) if x.dim() == 4 else (x,)
        for sample in (x, pyramid):
            seen = stabilizer.transform(sample, turn_of(sample))
            shapes = [tuple(s.shape) for s in scales(seen)]
            expected = [tuple(s.shape) for s in scales(sample)]
            want(type(seen) is type(sample) or isinstance(seen, Tensor), "a Tensor or a tuple", type(seen))
            want(shapes == expected, f"transform to keep the shapes {expected}", shapes)
            last = seen[-1] if isinstance(seen, tuple) else seen
            want(last.requires_grad, "a transform through which gradients go", "none")


SUBJECT = Switch
CHECKS = (
    described, hooks, typed, declares, goes_with,
    *where("runs", "it goes with nothing", trains, keeps, resumes, transforms),
)  # fmt: skip
