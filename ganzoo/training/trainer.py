"""The loop: step after step until the plan is done, with callbacks in between."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ganzoo.data.base import Dataset, some
from ganzoo.data.conditions import Conditions
from ganzoo.errors import UsageError, first_line
from ganzoo.models.base import GAN
from ganzoo.models.recipe import Recipe
from ganzoo.plan.assemble import build_loss, build_trained
from ganzoo.plan.config import PLACES, Config, flatten, plain
from ganzoo.registry.blame import blame
from ganzoo.system import ranks
from ganzoo.system.console import notice
from ganzoo.system.devices import choose_device
from ganzoo.system.rng import counted_seed, kept, seed_default
from ganzoo.training.compiled import Compiled, as_they_are
from ganzoo.training.ema import EMA, twin
from ganzoo.training.optimizers import check_layout, load_moments, make_optimizer, set_rate
from ganzoo.training.recomputing import recompute
from ganzoo.training.restoring import check_like, count, fill, moments_of, restored
from ganzoo.training.sampling import draw
from ganzoo.training.scaling import LossScales
from ganzoo.training.shared import agreed, sharing, telling_all
from ganzoo.training.step import Step

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}  # what forwards run in, by precision


class Callback:
    """Looks on while a run trains, and writes down, draws or sends what it sees. Write the hooks it needs.

    The run is the same to the bit with and without it: it changes no weights, modes or gradients, and draws
    samples by `trainer.generate`, whose randomness is counted. `__init__` takes options, and opens nothing.

    It may read of the `trainer`: `step`, `images`, `is_last`, `device`, `folder` (the run's), `recipe`,
    `config` (all settings; `config.as_json()`), `dataset`, `gan`, `snapshot()` and `generate(...)`.
    `trainer.stop.set()` ends training after this step, as Ctrl-C does.

    Attributes:
        line: what is shown of it below the progress bar, now.
    """

    contract: ClassVar[int] = 2
    line: str = ""

    def begin(self, trainer: Trainer) -> None:
        """Training begins, or goes on after `trainer.step` steps: take back what you wrote of later ones.

        Raises:
            UsageError: it cannot look on here; nothing has changed in the run's folder.
        """

    def after_step(self, trainer: Trainer) -> None:
        """`trainer.step` steps are done now; the checkpoint of this step is not written yet."""

    def columns(self, trainer: Trainer) -> Mapping[str, float]:
        """Numbers for the row of log.jsonl that is about to be written; those that are not finite are not."""
        return {}

    def after_log(self, trainer: Trainer, row: Mapping[str, float]) -> None:
        """A row of log.jsonl was written, of this step."""

    def after_scores(self, trainer: Trainer, scores: Mapping[str, float]) -> None:
        """The run was measured at this step, as --eval-metric says."""

    def at_end(self, trainer: Trainer) -> None:
        """The loop has ended as it should: the plan is done, or somebody asked it to stop."""

    def close(self) -> None:
        """The last that is called of whatever has begun, also after an error."""


class Every(Callback):
    """Acts every `every` steps, and at the last step of the plan."""

    every: int

    def after_step(self, trainer: Trainer) -> None:
        # Not where somebody stops it in between: the run that was never stopped has nothing there.
        if trainer.step % self.every == 0 or trainer.is_last:
            self.act(trainer)

    def act(self, trainer: Trainer) -> None:
        raise NotImplementedError


class Trainer:
    """Trains one model on one dataset.

    Attributes:
        step: steps done so far. A step is one update of G preceded by n_dis updates of D.
        images: real samples that D was shown so far.
        folder: of the run, where there is one.
        stop: an event; set it to end the loop after the step under way.
        ended: why a callback ends the run here for good, or "".
        is_best: whether a callback finds the step that was just done better than all before.
        rollbacks: how often the run went back to a checkpoint: each time it goes on with another stream of
            random numbers, at half the learning rates.
        compiled: what torch.compile has made of the nets; None where nobody asked for it.
    """

    folder: Path

    def __init__(
        self,
        config: Config,
        dataset: Dataset,
        callbacks: Sequence[Callback] = (),
        stop: threading.Event | None = None,
        backend: str = "",
    ) -> None:
        self.config = config
        self.dataset = dataset
        self.callbacks = list(callbacks)
        self.recipe = config.recipe
        self.device = choose_device(config.device)
        self.gan, self.stabilizers = build_trained(config, self.device)
        self.loss = build_loss(self.recipe.loss)
        self.scales = LossScales(self.device, config.precision == "fp16")
        self.optimizer_g, self.optimizer_d = (
            make_optimizer(getattr(self.recipe, name), net, self.device, name, self.scales.scaling)
            for name, net in (("optimizer_g", self.gan.net("g")), ("optimizer_d", self.gan.net("d")))
        )
        self.conditions = Conditions.of(dataset, self.gan.is_conditional)
        self.ema = EMA(
            self.gan, self.recipe.ema_halflife, self.recipe.ema_ramp, self.conditions, self._some_real
        )
        if self.recipe.checkpoint_activations:
            recompute(self.gan)  # and not the copy that is averaged, which learns nothing
        self._make_step = Step(
            self.gan,
            self.loss,
            self.stabilizers,
            (self.optimizer_g, self.optimizer_d),
            self.recipe.n_dis,
            self._autocast(),
            self.recipe.accumulate,
            self.scales,
        )
        self.meter = self._make_step.meter
        self.compiled = Compiled(self.gan, self.stabilizers, backend) if config.compile else None
        self._data = dataset.train.to(self.device)
        self._snapshot: GAN | None = None  # of the step that was done last
        self.step = 0
        self.ended = ""
        self.is_best = False
        self.rollbacks = 0
        self.stop = stop or threading.Event()
        self.started_at = 0  # the step that this process began with
        self.seconds = 0.0  # spent training, by this process

    @property
    def images(self) -> int:
        return self.step * self.recipe.n_dis * self.recipe.batch_size

    @property
    def is_last(self) -> bool:
        """Whether the step that was just done is the last one of the run."""
        return self.step == self.recipe.steps or bool(self.ended)

    @property
    def seed(self) -> int:
        """Of all that is drawn for a step."""
        seed = self.config.seed
        return counted_seed(seed, "rollback", self.rollbacks) if self.rollbacks else seed

    @property
    def t(self) -> float:
        """The time that schedules and stabilizers go by: 1 at the end of the plan that they are made for."""
        return min(1.0, self.step / (self.config.schedule_steps or self.recipe.steps))

    @property
    def growth(self) -> float:
        """The time that a growing model goes by: the first plan's, and 1 after its end."""
        return min(1.0, self.step / (self.config.first_steps or self.recipe.steps))

    def fit(self) -> None:
        """Train until the plan's last step, or until `stop` is set or a callback ends it."""
        self.gan.train()
        check_layout(self.optimizer_g)
        check_layout(self.optimizer_d)
        self.started_at, began = self.step, time.perf_counter()
        with kept(self.device):
            while self.step < self.recipe.steps and not self._all_end():
                waited = self.compiled.seconds if self.compiled else 0.0
                with sharing(self.share, self.gan.pack):
                    self.one_step()
                if self.compiled and (news := self.compiled.news(waited)):
                    notice(news)
                if self.step == self.started_at + 1:
                    check_layout(self.optimizer_g)
                    check_layout(self.optimizer_d)
                self.seconds = time.perf_counter() - began
                with telling_all(), as_they_are():
                    for callback in self.callbacks:
                        callback.after_step(self)
        with telling_all(), as_they_are():
            for callback in reversed(self.callbacks):  # the checkpoint first, which others cannot fail then
                callback.at_end(self)
        agreed(False)  # that no other process has failed

    def _all_end(self) -> bool:
        """Whether the loop ends here: for all processes, where one of them is asked to stop."""
        ends = self.stop.is_set() or bool(self.ended)
        if ranks.all_of_them() > 1 and agreed(ends) and not ends:
            self.stop.set()
            return True
        return ends

    @property
    def share(self) -> int:
        """Samples of a batch that this process is given at a time."""
        return self.recipe.batch_size // (self.recipe.accumulate * ranks.all_of_them())

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Callbacks begin before the block, and those that did are closed, in whatever way it is left."""
        begun: list[Callback] = []
        failed = True
        try:
            for callback in self.callbacks:
                begun.append(callback)
                callback.begin(self)
            yield
            failed = False
        finally:
            errors = [error for callback in reversed(begun) if (error := _closed(callback))]
            for error in errors[not failed :]:  # what failed before is what counts
                notice(blame(error) or f"{type(error).__name__}: {first_line(error)}")
            if errors and not failed:
                raise errors[0]

    def one_step(self) -> None:
        """Everything that one step is, and nothing that waits for the device."""
        step, recipe, t = self.step, self.recipe, self.t
        self._snapshot, self.is_best = None, False
        seed_default(self.device, counted_seed(self.seed, "step", step))
        self.gan.progress(self.growth)
        schedules = recipe.lr_schedules()
        for optimizer, settings, net in (
            (self.optimizer_g, recipe.optimizer_g, "g"),
            (self.optimizer_d, recipe.optimizer_d, "d"),
        ):
            set_rate(optimizer, settings.lr * schedules[net].at(t) * 0.5**self.rollbacks)
        self._make_step.now = step, t, recipe.penalty_schedule.at(t)
        with self.compiled.step() if self.compiled else nullcontext():
            self._make_step(self.real)
        self.step += 1
        factor = recipe.ema_schedule.at(t) or sys.float_info.min  # 0: the average is the generator as it is
        self.ema.update(self.step * recipe.batch_size, recipe.batch_size, factor)

    def real(self, i: int) -> tuple[Tensor, Tensor | None]:
        """The i-th real batch of the step about to be made: x, and y where the model is conditional."""
        batch = self.recipe.batch_size
        x, y = self._data.batch(batch, self.step * self.recipe.n_dis + i, self.seed)
        return _laid(x), y if self.config.conditional else None

    def _some_real(self, n: int) -> Tensor:
        return _laid(some(self.dataset.train, n, self.config.seed, self.device)[0])

    def snapshot(self) -> GAN:
        """The model with the averaged generator at this step, in eval mode; D is the one in training.

        Made once for all that ask for it after a step, each of whom is given a copy of its own.
        """
        if self._snapshot is None:
            self._snapshot = self.ema.snapshot(self.config.seed, self.step, self.growth)
        return twin(self._snapshot)

    def generate(self, n: int, purpose: str, seed: int, y: Tensor | None = None) -> Tensor:
        """n samples of the averaged generator at this step, [n, ...] as the networks see them.

        Args:
            y: classes, or values in their own units, for a conditional model; some of each, always the same,
                where it is None.
        """
        return draw(self.snapshot(), n, seed, purpose, self.conditions.in_turn(n) if y is None else y)

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the run depends on, as tensors and plain containers."""
        return {
            "step": self.step,
            "config": self.config.identity(),
            "generator": self.gan.net("g").state_dict(),
            "discriminator": self.gan.net("d").state_dict(),
            "ema": self.ema.gan.net("g").state_dict(),
            "optimizer_g": moments_of(self.optimizer_g),
            "optimizer_d": moments_of(self.optimizer_d),
            "stabilizers": {s.name: s.state for s in self.stabilizers},
            "meter": self.meter.state_dict(),
            "d_loss": self._make_step.late_d_loss.get(),
            "threads": torch.get_num_threads(),
            "rollbacks": self.rollbacks,
            **({"ranks": ranks.all_of_them()} if ranks.all_of_them() > 1 else {}),
            **({"scales": self.scales.state_dict()} if self.scales.scaling else {}),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises UsageError if the state is of other settings, or not one of this model."""
        try:
            refuse_difference(state["config"], self.config.identity())
            for name, net in (
                ("generator", self.gan.net("g")),
                ("discriminator", self.gan.net("d")),
                ("ema", self.ema.gan.net("g")),
            ):
                fill(net, state[name])
            load_moments(self.optimizer_g, state["optimizer_g"])
            load_moments(self.optimizer_d, state["optimizer_d"])
            for stabilizer in self.stabilizers:
                kept = state["stabilizers"][stabilizer.name]
                stabilizer.state = restored(stabilizer.name, kept, stabilizer.state, self.device)
            self.meter.load_state_dict(state["meter"], self.device)
            self.scales.load_state_dict(state.get("scales", {}))
            check_like("d_loss", state["d_loss"], None)
            self._make_step.late_d_loss.set(state["d_loss"])
            self.step, self.rollbacks = count(state, "step"), count(state, "rollbacks")
            self._snapshot = None
        except UsageError:
            raise
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise UsageError(
                f"the checkpoint is not one of this run's model: {str(error).splitlines()[0]}"
            ) from error

    def _autocast(self) -> Callable[[], AbstractContextManager[None]]:
        half = HALF.get(self.config.precision)
        return nullcontext if half is None else lambda: torch.autocast(self.device.type, half)


def _closed(callback: Callback) -> BaseException | None:
    """What a callback raises when it is closed, or None."""
    try:
        callback.close()
    except (Exception, SystemExit) as error:
        return error
    return None


def _laid(x: Tensor) -> Tensor:
    """Samples as they lie in memory for nets: images channels_last."""
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x


def refuse_difference(before: dict[str, str], now: dict[str, str]) -> None:
    """Raise a UsageError that shows what changed between a checkpoint's settings and the run's.

    Where the data lie is nothing that changes: their fingerprint says what they are. A setting that was not
    there yet had the value that is its default now.
    """
    defaults = {f"recipe.{key}": value for key, value in flatten(plain(Recipe())).items()}
    defaults |= {
        each.name: str(plain(each.default)) for each in fields(Config) if each.default is not MISSING
    }
    before = {**{key: value for key, value in defaults.items() if key in now}, **before}
    keys = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    keys = [key for key in keys if not key.startswith(PLACES)]
    if keys:
        shown = ", ".join(f"{key}: {before.get(key)} -> {now.get(key)}" for key in keys)
        raise UsageError(
            f"the settings are not those of the checkpoint ({shown}): start a new run for other settings"
        )
