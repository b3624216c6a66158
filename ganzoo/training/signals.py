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

from ganzoo.data.base import Dataset
from ganzoo.diagnosis.judge import look
from ganzoo.models.base import GAN, Sample, map_sample, pack, scales
from ganzoo.plan.config import Config
from ganzoo.system.console import notice
from ganzoo.system.files import read_lines
from ganzoo.system.rng import counted
from ganzoo.training.ema import twin
from ganzoo.training.rows import observed
from ganzoo.training.trainer import Callback, Trainer
from ganzoo.training.units import Units

PREFIX = "signal/"
APART = 100  # steps between two measurements at least: one costs less than a step
TIMES = 40  # about so many of them over a plan
AT_MOST = {True: 64, False: 256}  # samples of each kind, of images or not
AT_LEAST = 32
SIDE = 16  # pixels: distances between images are taken at about this size, where noise counts little
SMALL = 4096  # training samples: of more than that, a generator learns few by heart


def spacing(config: Config) -> int:
    """Measured every so many steps: a multiple of `log_every`."""
    apart = max(APART, (config.first_steps or config.recipe.steps) / TIMES)
    return config.log_every * math.ceil(apart / config.log_every)


class Signals(Callback):
    """Measures every `every` steps and after the plan's last one; `take` gives the columns to the log.

    It draws by counted randomness and leaves every weight, buffer, mode and generator of random numbers as it
    was: a run is the same to the bit with and without it.

    Args:
        judged: the folder of the run, where somebody looks on.

    Attributes:
        line: what the last measurement shows, for them to see; "" if nothing is wrong.
    """

    def __init__(self, every: int, judged: Path | None = None) -> None:
        self.every, self._judged = every, judged
        self.line = ""
        self._fresh = False  # a row was logged that nobody has judged yet
        self._columns: dict[str, float] = {}
        self._measure: Measurement | None = None
        self._broken = False

    def after_step(self, trainer: Trainer) -> None:
        if self._fresh and self._judged is not None:
            found = look(read_lines(self._judged / "log.jsonl", observed), trainer.config)
            self.line = "seen: " + ", ".join(one.short for one in found) if found else ""
        self._fresh = False
        due = trainer.step % self.every == 0 or trainer.step == trainer.recipe.steps
        if not due or self._broken:
            return
        try:
            self._measure = self._measure or Measurement(trainer)
            measured = self._measure(trainer)
        except Exception as error:  # somebody's model may not bear it: signals are worth less than the run
            self._broken = True
            first = (str(error).splitlines() or [""])[0]
            notice(f"nothing is diagnosed in this run: {type(error).__name__}: {first}")
            return
        self._columns = {
            PREFIX + name: float(f"{value:.4g}") for name, value in measured.items() if math.isfinite(value)
        }

    def take(self) -> dict[str, float]:
        """What was measured after this step, once."""
        columns, self._columns = self._columns, {}
        self._fresh = bool(columns)
        return columns


class Measurement:
    """What each measurement compares with: some training and as many held-out samples, always the same."""

    def __init__(self, trainer: Trainer) -> None:
        gan, dataset, device = trainer.gan, trainer.dataset, trainer.device
        self.seed, self.batch = trainer.config.seed, trainer.recipe.batch_size
        most = AT_MOST[len(dataset.sample_shape) == 3]
        n = min(most, max(AT_LEAST, 2 * self.batch), len(dataset.train), len(dataset.test))
        n -= n % gan.pack
        if n < 2:
            raise ValueError("there are too few samples to compare with")
        self.train, self.y_train = _some(dataset, "train", n, self.seed, device)
        self.test, self.y_test = _some(dataset, "test", n, self.seed, device)
        if not gan.num_classes:
            self.y_train = self.y_test = None
        real, fresh = flat(self.train), flat(self.test)
        self.among = torch.cat([real, fresh])
        self.spread, self.spread_in_class = mean_distance(real), mean_distance(real, self.y_train)
        self.reach = reached(fresh, real)
        self.center = self.among.mean(0)
        self.axes = _axes(self.among - self.center)
        self.all: Tensor | None = None
        if not dataset.endless and len(dataset.train) <= SMALL:
            self.all = flat(dataset.from_units(dataset.train.all()[0])).to(device)
            self.nearest = nearest(fresh, self.all)

    @torch.no_grad()
    def __call__(self, trainer: Trainer) -> dict[str, float]:
        """The signals by name, not all of them finite; those that make no sense for this run are missing."""
        units_g, units_d = Units(), Units()
        copy = self._copy(trainer)
        averaged = self._samples(copy) if trainer.recipe.ema_halflife > 0 else None
        copy.generator.load_state_dict(trainer.gan.generator.state_dict())
        with units_g.watched(copy.generator):
            fakes = self._draw(copy)
        x = self._flat_samples(copy, fakes)
        found = self._of_samples(x)
        if averaged is not None:
            found["ema_distance"] = float((averaged - x).norm(dim=1).mean()) / self.spread
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
            "diversity": mean_distance(x) / self.spread,
            "reach": reached(x, self.among[: len(x)]) / self.reach,
        }
        if self.y_train is not None:
            found["diversity_in_class"] = mean_distance(x, self.y_train) / self.spread_in_class
        if self.all is not None:
            found["nn_ratio"] = nearest(x, self.all) / self.nearest
        for i, place in enumerate(((x.mean(0) - self.center) @ self.axes).tolist(), start=1):
            found[f"mean_{i}"] = place
        return found

    def _of_d(self, gan: GAN, fakes: list[Sample]) -> dict[str, float]:
        """D's answers to training and to held-out data: those that it knows by heart, it likes better."""
        answers = {}
        for name, x, y in (("train", self.train, self.y_train), ("test", self.test, self.y_test)):
            parts = [
                self._judged(gan, gan.view(x[rows]), None if y is None else y[rows])
                for rows in self._batches(len(x))
            ]
            answers[name] = torch.cat(parts)
        generated = [
            self._judged(gan, fake, None if self.y_train is None else self.y_train[rows])
            for fake, rows in zip(fakes, self._batches(len(self.train)), strict=True)
        ]
        answers["fake"] = torch.cat(generated)
        means = {name: float(each.mean()) for name, each in answers.items()}
        return {
            "d_told_train": chance_of_more(answers["train"], answers["test"]),
            "d_told_fake": chance_of_more(answers["train"], answers["fake"]),
            "d_overfit": (means["train"] - means["test"]) / (abs(means["train"] - means["fake"]) + 1e-12),
        }

    def _judged(self, gan: GAN, sample: Sample, y: Tensor | None) -> Tensor:
        """D's logits [N / pack]: the mean over its outputs."""
        logits = gan.discriminator(pack(map_sample(Tensor.detach, sample), gan.pack), y)
        means = [part.float().reshape(len(part), -1).mean(1) for part in scales(logits)]
        return torch.stack(means).mean(0)


def _some(
    dataset: Dataset, split: str, n: int, seed: int, device: torch.device
) -> tuple[Tensor, Tensor | None]:
    # On a copy: a split may start processes that read ahead for as long as it lives.
    x, y = getattr(dataset, split).to(torch.device("cpu")).batch(n, 0, seed)
    return x.to(device), None if y is None else y.to(device)


def flat(x: Tensor) -> Tensor:
    """Samples [N, ...] as rows [N, d] to take distances of: images at about SIDE pixels."""
    if x.dim() == 4:
        size = -(-min(x.shape[-2:]) // SIDE)
        x = nn.functional.avg_pool2d(x.float(), size) if size > 1 else x
    return x.float().flatten(1)


def mean_distance(x: Tensor, y: Tensor | None = None) -> float:
    """Between two rows of x [N, d], on average; of the same label y [N] where there are labels."""
    pairs = ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    if y is not None:
        pairs &= y[:, None] == y[None]
    return float(torch.cdist(x, x)[pairs].mean())


def reached(x: Tensor, among: Tensor) -> int:
    """How many rows of `among` are the nearest to some row of x."""
    return len(set(torch.cdist(x, among).argmin(1).tolist()))


def nearest(x: Tensor, among: Tensor) -> float:
    """The median distance from a row of x to its nearest of `among`."""
    return float(torch.cdist(x, among).amin(1).median())


def chance_of_more(a: Tensor, b: Tensor) -> float:
    """P(a > b) + P(a = b) / 2 for one element of each."""
    return float(((a[:, None] > b).float() + 0.5 * (a[:, None] == b).float()).mean())


def gradient_norm(net: nn.Module) -> float:
    """Of the last update, after all that stabilizers did to it."""
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    norms = torch._foreach_norm(gradients)
    return float(torch.stack(norms).float().norm()) if norms else 0.0


def _axes(x: Tensor, count: int = 2) -> Tensor:
    """The directions [d, count] in which centred x [N, d] varies most, in units of one standard deviation."""
    _, sizes, directions = torch.linalg.svd(x, full_matrices=False)
    chosen = directions[: min(count, x.shape[1])]
    largest = chosen.gather(1, chosen.abs().argmax(1, keepdim=True))
    axes: Tensor = (chosen * largest.sign()).T * (math.sqrt(len(x)) / sizes[: len(chosen)])
    return axes


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
