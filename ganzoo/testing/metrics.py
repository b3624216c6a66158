"""What the contract wants of a metric."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, get_args

import torch

from ganzoo.data.base import Dataset
from ganzoo.data.counted import DrawnSplit
from ganzoo.data.mixtures import Ring8, draw_mixture
from ganzoo.data.mnist import Mnist5k
from ganzoo.data.tensors import TensorSplit
from ganzoo.errors import UsageError
from ganzoo.metrics.base import Metric, Need
from ganzoo.metrics.harness import Evaluation
from ganzoo.metrics.open import Given
from ganzoo.models.base import GAN
from ganzoo.registry import METRICS, MODELS
from ganzoo.registry.options import known_options
from ganzoo.system.rng import counted
from ganzoo.testing.core import Subject, described, first, hooks, no_options, want, where

LONGEST = 60  # characters of what a table says of a score
FAKES = 400  # more than three times as many as mnist-cnn-v1 has features


class Ring(Ring8):
    """A small part of ring8."""

    def __init__(self) -> None:
        super().__init__()
        assert self.modes is not None
        assert self.modes.centers is not None
        draw = partial(draw_mixture, self.modes.centers, self.std)
        self.train = DrawnSplit(draw, "data/train", 600)
        self.test = DrawnSplit(draw, "data/test", 400)


class Digits(Mnist5k):
    """A small part of mnist-5k."""

    def __init__(self) -> None:
        super().__init__()
        (x, y), (x_test, y_test) = self.train.all(), self.test.all()
        assert y is not None
        assert y_test is not None
        self.stratified = False  # a part of it is as drawn
        self.train = TensorSplit(x[:600], y[:600])
        self.test = TensorSplit(x_test[:400], y_test[:400])


class Measure(Subject):
    """A metric, and the data that it can measure on: exact vectors, and real digits.

    Attributes:
        refused: what it says of those that it cannot.
    """

    base = Metric

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(METRICS, name)
        known_options(f"metric {name}", {}, options)
        self.made: dict[tuple[str, bool], dict[str, Any]] = {}
        self.data: list[Dataset] = []
        self.refused: list[str] = []
        for data in (Ring(), Digits()):
            try:
                self.evaluation(data)
            except UsageError as error:
                self.refused.append(str(error))
            else:
                self.data.append(data)

    def evaluation(self, data: Dataset) -> Evaluation:
        return Evaluation([self.name], data, offline=True, given=Given(True, True))

    def result(self, data: Dataset, noise: bool = False) -> dict[str, Any]:
        """`evaluate`, once."""
        key = data.name, noise
        if key not in self.made:
            self.made[key] = self.evaluate(data, noise)
        return self.made[key]

    def evaluate(self, data: Dataset, noise: bool = False) -> dict[str, Any]:
        """The evaluation of held-out real samples, or of noise, as if a generator had made them."""
        x, y = data.test.all()
        if noise:
            generator = torch.Generator().manual_seed(0)
            x = data.to_units(torch.rand(x.shape, generator=generator) * 2 - 1)
        with counted(torch.device("cpu"), 0, "contract"):  # which leaves torch's generator to the metric
            gan: GAN = MODELS.get("mlp-gan")(data.sample_shape, width=8, d_width=8)
        y = None if y is None else y[:FAKES]
        return self.evaluation(data)(x[:FAKES], y, gan.eval(), progress=False)


def declares(subject: Measure) -> None:
    """Its needs are of the known ones; each score has a direction, or None, and says what it is."""
    member = subject.member
    for need in member.needs:
        want(need in get_args(Need), f"needs among {', '.join(get_args(Need))}", repr(need))
    want(member.higher_is_better, "a direction for each score in `higher_is_better`", "none")
    keys = sorted(member.higher_is_better), sorted(member.says)
    want(keys[0] == keys[1], f"`says` for the scores {', '.join(keys[0])}", ", ".join(keys[1]) or "none")
    for key, direction in member.higher_is_better.items():
        want(direction in (True, False, None), f"a direction of {key}: True, False or None", direction)
    for key, text in member.says.items():
        want(0 < len(text) <= LONGEST, f"1 to {LONGEST} characters that say what {key} is", len(text))


def measures(subject: Measure) -> str:
    """It measures vectors or images, and refuses others with a UsageError."""
    want(subject.data, "scores of ring8 or of MNIST digits", "; ".join(subject.refused))
    return first(subject.refused, "refuses: ")


def scores(subject: Measure) -> None:
    """Real samples and noise have finite scores by the declared names; NAME_std is a spread of NAME."""
    declared = set(subject.member.higher_is_better)
    allowed = declared | {f"{key}_std" for key in declared}
    made: set[str] = set()
    for data in subject.data:
        for noise in (False, True):
            result = subject.result(data, noise)  # which refuses what is not finite
            keys = {key.partition("@")[0] for key in (*result["scores"], *result["real"])}
            want(keys <= allowed, f"no scores but {_listed(allowed)} on {data.name}", _listed(keys))
            made |= keys
    want(declared <= made, f"the scores {_listed(declared)}", _listed(made))


def on_real(subject: Measure) -> None:
    """Real data have the same scores, as a floor or a ceiling to compare with."""
    for data in subject.data:
        result = subject.result(data)
        missing = sorted(set(result["scores"]) - set(result["real"]))
        want(not missing, f"scores of real data on {data.name}", "; ".join(result["notes"]) or missing)


def repeats(subject: Measure) -> None:
    """The same samples have the same scores, whatever was drawn from torch's generator before."""
    for data in subject.data:
        before = subject.result(data)
        torch.rand(7)
        again = subject.evaluate(data)
        for side in ("scores", "real"):
            want(before[side] == again[side], f"the same {side} on {data.name}: {before[side]}", again[side])


def comparable(subject: Measure) -> None:
    """Its parameters, in `protocol`, can be written as JSON and do not change."""
    for data in subject.data:
        protocol = subject.result(data)["protocol"]["metrics"][subject.name]
        try:
            again = json.loads(json.dumps(protocol))
        except TypeError as error:
            again = error
        want(again == protocol, f"a protocol of plain values: {protocol}", again)


def _listed(keys: set[str]) -> str:
    return ", ".join(sorted(keys)) or "none"


SUBJECT = Measure
CHECKS = (
    described, hooks, no_options, declares, measures,
    *where("data", "it measures nothing", scores, on_real, repeats, comparable),
)  # fmt: skip
