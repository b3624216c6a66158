"""A dry step of all that was asked for, on few samples, before anything is written.

A combination that cannot work is refused here, and not in the middle of the night: model, loss, stabilizers,
precision, packing, labels and data make a real step at the beginning of the plan and one at its end, and the
averaged generator is sampled once. Learning rates are 0: whether training would diverge is another question.
"""

from __future__ import annotations

import dataclasses
import math
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import wraps
from typing import Any

import numpy as np
import torch
from torch import nn

from ganzoo.data.base import Dataset
from ganzoo.data.kinds import has_pixels
from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.plan.config import Config
from ganzoo.system.console import notice
from ganzoo.system.devices import choose_device
from ganzoo.system.rng import counted_seed, kept, seed_default
from ganzoo.training import looks
from ganzoo.training.compiled import REHEARSED, refuse_without_compiler
from ganzoo.training.faults import Members
from ganzoo.training.optimizers import check_layout
from ganzoo.training.sampling import draw
from ganzoo.training.trainer import Trainer

CPU = torch.device("cpu")
ROWS = 2  # that D judges
# When a growing model may have layers that it needs for a while only, in 64ths of the plan.
BETWEEN = (32, 16, 48, 8, 24, 40, 56, 4, 2, 1)
PERIOD = 720  # steps at which whatever is done every so many steps is done


def rehearse(config: Config, dataset: Dataset) -> None:
    """Raise a UsageError that names the member at fault if training would fail at once.

    What fails on few samples is tried again with the real batch, on the real device, before it is refused.
    Parameters that no step teaches are said, and no more: a model may keep spare ones.
    """
    if config.compile:
        refuse_without_compiler(choose_device(config.device))
    with _untouched(choose_device(config.device)):
        members = Members(config.model, config.recipe.loss, dataset)
        with members.blamed():
            looks.at_data(dataset, config.recipe.batch_size, config.conditional)
        try:
            idle = _Rehearsal(config, dataset, members, few=True).run()
        except UsageError:
            idle = _Rehearsal(config, dataset, members, few=False).run()
    if idle:
        notice(
            f"no step teaches {', '.join(idle)} of {config.model}: with this loss and these stabilizers "
            f"{'its' if len(idle) == 1 else 'their'} parameters get no gradient"
        )


class _Rehearsal:
    """Dry steps of one combination."""

    def __init__(self, config: Config, dataset: Dataset, members: Members, few: bool) -> None:
        self.config, self.dataset, self.members, self.few = config, dataset, members, few
        self.reached: set[str] = set()

    def run(self) -> list[str]:
        """Make them, and return the modules whose parameters no step teaches."""
        with self.members.blamed():
            self.trainer = trainer = self._make()
            gan = trainer.gan.train()
            self._watch(trainer)
            for part in (0, 64):
                self._step(part)
            grows = type(gan).progress is not GAN.progress
            for part in BETWEEN if grows else ():
                if self._unreached():
                    self._step(part)
            self._sample(trainer)
        return _whole_modules(gan, self._unreached())

    def _make(self) -> Trainer:
        recipe = self.config.recipe
        optimizers = {
            name: dataclasses.replace(getattr(recipe, name), lr=0.0)
            for name in ("optimizer_g", "optimizer_d")
        }
        recipe = dataclasses.replace(recipe, n_dis=min(2, recipe.n_dis), **optimizers)
        device = "cpu" if self.few else self.config.device
        config = dataclasses.replace(self.config, recipe=recipe, device=device)
        trainer = Trainer(config, self.dataset, backend=REHEARSED)
        self.members.know(trainer)
        few = ROWS * trainer.gan.pack * recipe.accumulate
        batch = min(recipe.batch_size, few) if self.few else recipe.batch_size
        period = math.lcm(PERIOD, *(int(getattr(s, "interval", 1)) for s in trainer.stabilizers))
        trainer.recipe = dataclasses.replace(recipe, batch_size=batch, steps=64 * period)
        return trainer

    def _watch(self, trainer: Trainer) -> None:
        """Look at what D and the loss and penalties give while a step goes on."""
        model = self.members.model

        def judged(net: nn.Module, inputs: tuple[Any, ...], logits: Any) -> None:
            if inputs:
                looks.at_logits(model, inputs[0], logits)

        trainer.gan.discriminator.register_forward_hook(judged)
        for name in ("d", "g"):
            _check_results(trainer.loss, name, self.members.loss)
            _check_results(trainer.gan, f"{name}_terms", model)
            for stabilizer in trainer.stabilizers:
                _check_results(stabilizer, f"{name}_penalty", self.members.name(stabilizer))

    def _step(self, part: int) -> None:
        """One step at part / 64 of the plan."""
        trainer, gan, n = self.trainer, self.trainer.gan, self.trainer.recipe.batch_size
        trainer.step = part * trainer.recipe.steps // 64
        gan.progress(trainer.growth)
        seed_default(trainer.device, counted_seed(self.config.seed, "rehearsal", part))
        x, y = trainer.real(0)
        with torch.no_grad():
            real, fake = gan.view(x), gan.generator(gan.sample_z(n), y)
            samples = gan.samples(fake)
            looks.at_samples(self.members.model, samples, n, self.dataset.sample_shape)
            looks.at_pair(self.members.model, real, fake)
            if has_pixels(self.dataset):
                looks.at_range(self.members.model, gan, samples, x, y)
        trainer.one_step()
        check_layout(trainer.optimizer_g)
        check_layout(trainer.optimizer_d)
        self.reached |= {name for name, p in gan.named_parameters() if p.grad is not None}

    def _sample(self, trainer: Trainer) -> None:
        for stabilizer in trainer.stabilizers:
            stabilizer.log()
        n = max(2, trainer.recipe.batch_size)
        still = trainer.ema.snapshot(self.config.seed, trainer.step, 1.0, batch=n, batches=1)
        samples = draw(still, n, self.config.seed, y=trainer.conditions.in_turn(n))
        looks.at_samples(
            f"{self.members.model}, averaged and in eval mode,", samples, n, self.dataset.sample_shape
        )

    def _unreached(self) -> set[str]:
        gan = self.trainer.gan
        return {name for name, p in gan.named_parameters() if p.requires_grad} - self.reached


def _check_results(owner: Any, name: str, who: str) -> None:
    """Have a method of one object look at what it returns."""
    method = getattr(owner, name)

    @wraps(method)
    def checked(*args: Any, **options: Any) -> Any:
        value = method(*args, **options)
        if name.endswith("_terms"):
            looks.at_terms(who, name, value)
        for part, scalar in value.items() if isinstance(value, Mapping) else ((name, value),):
            if scalar is not None:
                looks.at_scalar(who, part, scalar)
        return value

    setattr(owner, name, checked)


def _whole_modules(module: nn.Module, names: set[str], path: str = "") -> list[str]:
    """The largest modules all of whose parameters are among `names`, and what is left of these."""
    own = {f"{path}{name}" for name, p in module.named_parameters() if p.requires_grad}
    if not own & names:
        return []
    if own <= names and path:
        return [path.removesuffix(".")]
    parts = [
        found
        for name, part in module.named_children()
        for found in _whole_modules(part, names, f"{path}{name}.")
    ]
    return parts + [
        f"{path}{name}" for name, _ in module.named_parameters(recurse=False) if path + name in names
    ]


@contextmanager
def _untouched(device: torch.device) -> Iterator[None]:
    """What is global is given back as it was; what somebody prints is no part of anybody's JSON."""
    threads, python, numpy = torch.get_num_threads(), random.getstate(), np.random.get_state()
    try:
        with kept(device), redirect_stdout(sys.stderr):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
