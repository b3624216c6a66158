"""Real training on very little: toy data of any shape, and a run that is stopped, saved and resumed."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.data.base import Dataset
from ganzoo.data.kinds import PIXELS, has_pixels, kind_of_shape
from ganzoo.data.tensors import TensorSplit, fingerprint
from ganzoo.errors import UsageError, WorkError
from ganzoo.losses import NonSaturating
from ganzoo.models.base import GAN
from ganzoo.models.sample import Sample, scales
from ganzoo.models.turn import Turn
from ganzoo.plan.config import Config
from ganzoo.plan.plan import plan
from ganzoo.plan.words import Words
from ganzoo.registry import DATASETS
from ganzoo.testing.core import want
from ganzoo.training.checkpoint import load_checkpoint, write_state
from ganzoo.training.critic import TurnsCritic
from ganzoo.training.rehearsal import rehearse
from ganzoo.training.trainer import Callback, Trainer

STEPS, STOP, BATCH = 4, 2, 8
LATE = 10  # steps, where something may begin only after a few
CLASSES = 5
TOY = "contract-toy"


class Toy(Dataset):
    """64 samples of noise, with classes in turn, or with values that are noise."""

    name = TOY

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        x = _noise(self.sample_shape, has_pixels(self), generator)
        self.fingerprint = fingerprint(x)
        y = torch.arange(64) % CLASSES
        if self.condition_shape:
            y = _noise(self.condition_shape, kind_of_shape(self.condition_shape) in PIXELS, generator)
        else:
            self.num_classes = CLASSES
        self.train = self.test = TensorSplit(x, y)


def _noise(shape: tuple[int, ...], pixels: bool, generator: torch.Generator) -> Tensor:
    if pixels:
        return torch.randint(0, 256, (64, *shape), dtype=torch.uint8, generator=generator)
    return torch.randn(64, *shape, generator=generator)


def tiny(
    model: str, shape: tuple[int, ...], condition_shape: tuple[int, ...] = (), **words: Any
) -> tuple[Config, Dataset]:
    """The plan of a run of 4 steps on toy data of a shape, with the words of `ganzoo run`."""
    defaults = {"steps": STEPS, "batch_size": BATCH, "device": "cpu"}
    shapes = {"sample_shape": shape, "condition_shape": condition_shape}
    with DATASETS.lent(TOY, type("ToyOfShape", (Toy,), shapes)):
        return plan(Words(model, TOY, **{**defaults, **words}))


def turn_of(real: Sample, y: Tensor | None = None, gan: GAN | None = None, **told: Any) -> Turn:
    """A turn of D, or with `phase="g"` of G, to ask a hook with; what does not count need not be said.

    Args:
        real: samples as networks see them, [N, ...].
        gan: whose D is the critic, without stabilizers, whose net learns, and who makes `z` and `fake`. Where
            there is none, nobody judges, and `fake` is `real`.
        told: fields of the turn, as they should be.
    """
    phase, n = told.get("phase", "d"), len(scales(real)[-1])
    own: dict[str, Any]
    if gan is None:
        own = {"real": real, "z": torch.zeros(n, 1), "fake": real, "net": nn.Identity()}
    else:
        z = told.get("z", gan.sample_z(n))
        with torch.set_grad_enabled(phase == "g"):
            fake = told["fake"] if "fake" in told else gan.generator(z, y)
        own = {
            "real": gan.view(real) if isinstance(real, Tensor) else real,
            "z": z,
            "fake": fake,
            "net": gan.net(phase),
        }
    turn = Turn(**{"phase": phase, "loss": NonSaturating(), "y": y, **own, **told})
    if gan is None or "critic" in told:
        return turn
    return dataclasses.replace(turn, critic=TurnsCritic(gan, [], turn))


class StopAt(Callback):
    """Asks the trainer to stop after so many steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def after_step(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            trainer.stop.set()


def trained(config: Config, dataset: Dataset, steps: int | None = None) -> Trainer:
    """A trainer that has done so many steps of its plan, or all of them."""
    with explained(config, dataset):
        trainer = Trainer(config, dataset, [StopAt(config.recipe.steps if steps is None else steps)])
        trainer.fit()
    return trainer


@contextmanager
def explained(config: Config, dataset: Dataset) -> Iterator[None]:
    """Where training fails, a dry step says whose fault it is, in the sentence that `ganzoo run` has."""
    try:
        yield
    except (UsageError, WorkError):
        raise
    except Exception:
        rehearse(config, dataset)
        raise


class SaveAt(Callback):
    """Saves what a checkpoint holds after so many steps."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.state: dict[str, Any] = {}
        self.error: Exception | None = None

    def after_step(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            with TemporaryDirectory() as folder:
                half = Path(folder, "half.safetensors")
                try:
                    write_state(half, trainer.state_dict())
                    self.state = load_checkpoint(half)
                except Exception as error:  # which is of no account before somebody wants to go on
                    self.error = error


class Whole:
    """A plan that is carried out once, however much is asked of it.

    Attributes:
        trainer: which has done all steps.
        half: what a file held half way.
        end: numbers and tensors of the last step.
    """

    def __init__(self, config: Config, dataset: Dataset) -> None:
        self.config, self.dataset = config, dataset
        save = SaveAt(config.recipe.steps // 2)
        with explained(config, dataset):
            self.trainer = Trainer(config, dataset, [save])
            self.trainer.fit()
        self.half = save
        self.end = copy.deepcopy(flat(self.trainer.state_dict()))  # as logging begins anew what is counted

    def resumed(self) -> Trainer:
        """A trainer that went on from half way."""
        with explained(self.config, self.dataset):
            trainer = Trainer(self.config, self.dataset)
            if self.half.error:
                raise self.half.error
            trainer.load_state_dict(self.half.state)
            trainer.fit()
        return trainer


def resumed(config: Config, dataset: Dataset) -> Trainer:
    """A trainer that went on, half way, from what another one had saved in a file."""
    with TemporaryDirectory() as folder:
        half = Path(folder, "half.safetensors")
        write_state(half, trained(config, dataset, config.recipe.steps // 2).state_dict())
        state = load_checkpoint(half)
    with explained(config, dataset):
        trainer = Trainer(config, dataset)
        trainer.load_state_dict(state)
        trainer.fit()
    return trainer


def want_moving(config: Config, dataset: Dataset, where: str, whole: Whole | None = None) -> None:
    """Steps move the weights of both nets, which stay finite, and `ganzoo run` would begin with them."""
    steps = config.recipe.steps
    done = whole.trainer if whole else trained(config, dataset)
    trainers = Trainer(config, dataset), done
    before, after = (dict(trainer.gan.named_parameters()) for trainer in trainers)
    for net in ("generator", "discriminator"):
        names = [key for key in before if key.startswith(f"{net}.")]
        moved = any(not torch.equal(before[key], after[key]) for key in names)
        want(moved, f"a {net} that moves in {steps} steps {where}", "the same weights")
    infinite = [key for key, value in after.items() if not value.isfinite().all()]
    want(not infinite, f"finite weights after {steps} steps {where}", f"others in {', '.join(infinite[:3])}")
    rehearse(config, dataset)  # last, as it blames untrained nets for what their steps do


def want_exact_resume(config: Config, dataset: Dataset, where: str, whole: Whole | None = None) -> None:
    """Half of the steps, a checkpoint, and the others make the very numbers of all."""
    steps = config.recipe.steps
    half = steps // 2
    one = whole.end if whole else flat(trained(config, dataset).state_dict())
    two = flat((whole.resumed() if whole else resumed(config, dataset)).state_dict())
    unlike = [key for key in sorted({*one, *two}) if not same(one.get(key), two.get(key))]
    want(
        not unlike,
        f"{half} steps, a checkpoint and {steps - half} more steps to give the numbers of {steps} steps: "
        f"what is drawn to come from torch's default generator, and what is kept to be in parameters, "
        f"buffers or `state`",
        f"{len(unlike)} that differ {where}, the first being {', '.join(unlike[:3])}",
    )


def flat(state: Any, prefix: str = "") -> dict[str, Any]:
    """Every tensor and number in a checkpoint's state, by path."""
    if isinstance(state, dict | list | tuple):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        return {path: leaf for key, part in items for path, leaf in flat(part, f"{prefix}/{key}").items()}
    return {prefix: state}


def same(a: Any, b: Any) -> bool:
    return torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else bool(a == b)
