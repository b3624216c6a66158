"""What the log says of a run beside its losses: diversity, dead units, D on held-out data, ...

Every signal is a number that follows from the state after a step: nothing is remembered from one to the next,
so that a resumed run logs what an uninterrupted one does. What they mean is judged in `ganzoo.diagnosis`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from ganzoo.data.base import some
from ganzoo.data.kinds import has_pixels
from ganzoo.diagnosis.judge import look
from ganzoo.errors import UsageError, first_line
from ganzoo.models.base import GAN
from ganzoo.models.sample import Sample, pack, scales
from ganzoo.plan.config import Config
from ganzoo.system.console import notice
from ganzoo.system.lines import read_lines
from ganzoo.system.rng import counted
from ganzoo.training.bar import Bar
from ganzoo.training.distances import axes, chance_of_more, flat, mean_distance, nearest, reached, share
from ganzoo.training.ema import twin
from ganzoo.training.rows import observed
from ganzoo.training.trainer import Callback, Trainer
from ganzoo.training.units import Units

PREFIX = "signal/"
APART = 100  # steps between two measurements at least: one costs less than a step
TIMES = 40  # about so many of them over a plan
AT_MOST = {True: 64, False: 256}  # samples of each kind, of images or not
AT_LEAST = 32
FEWEST = 16  # fewer tell nothing
SMALL = 4096  # training samples: of more than that, a generator learns few by heart


def spacing(config: Config) -> int:
    """Measured every so many steps: a multiple of `log_every`."""
    apart = max(APART, (config.first_steps or config.recipe.steps) / TIMES)
    return config.log_every * math.ceil(apart / config.log_every)


class Signals(Callback):
    """Looks for collapse, overfitting and the like, and says below the progress bar what is wrong.

    It measures now and then and after the plan's last step, and gives the columns `signal/...` to the log.
    Drawing by counted randomness, it leaves every weight, buffer, mode and random generator as it was.
    """

    every = 0

    def __init__(self) -> None:
        self._judged: Path | None = None  # the run's folder, where somebody looks on
        self._fresh = False  # a row was logged that nobody has judged yet
        self._columns: dict[str, float] = {}
        self._measure: Measurement | None = None
        self._broken = False

    def begin(self, trainer: Trainer) -> None:
        self.every = spacing(trainer.config)
        if any(isinstance(callback, Bar) for callback in trainer.callbacks):
            self._judged = trainer.folder

    def after_step(self, trainer: Trainer) -> None:
        if self._broken:
            return
        try:
            if self._fresh and self._judged is not None:
                found = look(read_lines(self._judged / "log.jsonl", observed), trainer.config)
                self.line = "seen: " + ", ".join(one.short for one in found) if found else ""
            self._fresh = False
            if trainer.step % self.every == 0 or trainer.step == trainer.recipe.steps:
                self._columns = self._measured(trainer)
        except UsageError as error:
            self._give_up(str(error))
        except Exception as error:  # somebody's model may not bear it: signals are worth less than the run
            self._give_up(f"{type(error).__name__}: {first_line(error)}")

    def _measured(self, trainer: Trainer) -> dict[str, float]:
        self._measure = self._measure or Measurement(trainer)
        with counted(trainer.device, trainer.config.seed, "signals", trainer.step):
            measured = self._measure(trainer)
        return {PREFIX + k: float(f"{value:.4g}") for k, value in measured.items() if math.isfinite(value)}

    def _give_up(self, why: str) -> None:
        self._broken = True
        notice(f"collapse, overfitting and the like are not looked for in this run: {why}")

    def columns(self, trainer: Trainer) -> dict[str, float]:
        """What was measured after this step, once."""
        columns, self._columns = self._columns, {}
        self._fresh = bool(columns)
        return columns


class Measurement:
    """What each measurement compares with: some training and as many held-out samples, always the same."""

    def __init__(self, trainer: Trainer) -> None:
        gan, dataset, device = trainer.gan, trainer.dataset, trainer.device
        self.seed, self.batch = trainer.config.seed, trainer.recipe.batch_size
        most = AT_MOST[has_pixels(dataset)]
        n = min(most, max(AT_LEAST, 2 * self.batch), len(dataset.train), len(dataset.test))
        n -= n % (self.batch if n > self.batch else gan.pack)
        if n < FEWEST:
            raise UsageError(f"there are fewer than {FEWEST} held-out samples")
        self.train, self.y_train = some(dataset.train, n, self.seed, device)
        self.test, self.y_test = some(dataset.test, n, self.seed, device)
        if not gan.is_conditional:
            self.y_train = self.y_test = None
        labels = self.labels = self.y_train if gan.num_classes else None
        real, fresh = flat(self.train), flat(self.test)
        self.among = torch.cat([real, fresh])
        self.spread, self.spread_in_class = mean_distance(real), mean_distance(real, labels)
        self.reach = reached(fresh, real)
        self.center = self.among.mean(0)
        self.axes = axes(self.among - self.center)
        self.all: Tensor | None = None
        # What is made of the values of a training sample is meant to come near to it.
        if not dataset.endless and len(dataset.train) <= SMALL and not gan.condition_shape:
            self.all = flat(dataset.from_units(dataset.train.all()[0])).to(device)
            self.nearest = nearest(fresh, self.all)

    @torch.no_grad()
    def __call__(self, trainer: Trainer) -> dict[str, float]:
        """The signals by name, not all of them finite; those that make no sense for this run are missing."""
        units_g, units_d = Units(), Units()
        copy = self._copy(trainer)
        averaged = self._samples(copy) if trainer.recipe.ema_halflife > 0 else None
        copy.net("g").load_state_dict(trainer.gan.net("g").state_dict())
        with units_g.watched(copy.generator):
            fakes = self._draw(copy)
        x = self._flat_samples(copy, fakes)
        found = self._of_samples(x)
        if averaged is not None:
            found["ema_distance"] = share(float((averaged - x).norm(dim=1).mean()), self.spread)
        with still(trainer.gan.discriminator), units_d.watched(trainer.gan.discriminator):
            found |= self._of_d(copy, fakes)
        for name, units, net in (
            ("g", units_g, trainer.gan.generator),
            ("d", units_d, trainer.gan.discriminator),
        ):
            dead = units.dead()
            if dead is not None:
                found[f"dead_{name}"] = dead
            found[f"grad_{name}"] = gradient_norm(net)
        return found

    def _copy(self, trainer: Trainer) -> GAN:
        """The model with a copy of the averaged generator, in train mode: as D is shown its samples."""
        copy = twin(trainer.ema.gan)
        for buffer, current in zip(copy.generator.buffers(), trainer.gan.generator.buffers(), strict=True):
            buffer.copy_(current)
        copy.progress(trainer.growth)
        copy.generator.train()
        return copy

    def _draw(self, gan: GAN) -> list[Sample]:
        """Samples of the same z and labels at every age, a batch at a time."""
        made = []
        with counted(self.train.device, self.seed, "signals"):
            for rows in self._batches(len(self.train)):
                y = None if self.y_train is None else self.y_train[rows]
                made.append(gan.generator(gan.sample_z(len(self.train[rows])), y))
        return made

    def _samples(self, gan: GAN) -> Tensor:
        return self._flat_samples(gan, self._draw(gan))

    def _flat_samples(self, gan: GAN, made: list[Sample]) -> Tensor:
        return torch.cat([flat(gan.samples(sample)) for sample in made])

    def _batches(self, n: int) -> Iterator[slice]:
        for start in range(0, n, self.batch):
            yield slice(start, min(start + self.batch, n))

    def _of_samples(self, x: Tensor) -> dict[str, float]:
        """Signals of generated samples x [N, d]."""
        found = {
            "diversity": share(mean_distance(x), self.spread),
            "reach": reached(x, self.among[: len(x)]) / self.reach,
        }
        if self.labels is not None:
            found["diversity_in_class"] = share(mean_distance(x, self.labels), self.spread_in_class)
        if self.all is not None:
            found["nn_ratio"] = share(nearest(x, self.all), self.nearest)
        for i, place in enumerate(((x.mean(0) - self.center) @ self.axes).tolist(), start=1):
            found[f"mean_{i}"] = place
        return found

    def _of_d(self, gan: GAN, fakes: list[Sample]) -> dict[str, float]:
        """What D's answers to training, held-out and generated samples say; its dead units answer none."""
        rows = list(self._batches(len(self.train)))
        train = [self._judged(gan, gan.view(self.train[r]), self.y_train, r) for r in rows]
        test = [self._judged(gan, gan.view(self.test[r]), self.y_test, r) for r in rows]
        for r, fake in zip(rows, fakes, strict=True):
            self._judged(gan, fake, self.y_train, r)
        # Those that it knows by heart, D likes better.
        return {"d_told_train": chance_of_more(torch.cat(train), torch.cat(test))}

    def _judged(self, gan: GAN, sample: Sample, labels: Tensor | None, rows: slice) -> Tensor:
        """D's logits [N / pack]: the mean over its outputs."""
        logits = gan.discriminator(pack(sample, gan.pack), None if labels is None else labels[rows])
        means = [part.float().reshape(len(part), -1).mean(1) for part in scales(logits)]
        return torch.stack(means).mean(0)


def gradient_norm(net: nn.Module) -> float:
    """Of the last update, after all that stabilizers did to it."""
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    norms = torch._foreach_norm(gradients)
    return float(torch.stack(norms).float().norm()) if norms else 0.0


@contextmanager
def still(net: nn.Module) -> Iterator[None]:
    """In eval mode inside the block, and every part in its own mode after it."""
    modes = [(part, part.training) for part in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
