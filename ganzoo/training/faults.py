"""Whose fault an error in a training step is: a member of the combination, by its name."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from ganzoo.data.base import Dataset
from ganzoo.errors import UsageError, WorkError, first_line
from ganzoo.losses import Loss
from ganzoo.models.base import GAN
from ganzoo.registry.blame import sources
from ganzoo.stabilizers.base import Stabilizer
from ganzoo.system.memory import is_too_large, too_large
from ganzoo.training.trainer import Trainer


class Members:
    """The members of a combination, to be found again in a traceback.

    Attributes:
        model, loss, dataset: what messages call them.
    """

    def __init__(self, model: str, loss: str, dataset: Dataset) -> None:
        self.model, self.loss = f"model {model!r}", f"loss {loss!r}"
        self.dataset = f"dataset {dataset.name!r}"
        self._data = tuple({type(dataset), type(dataset.train), type(dataset.test)})
        self._modules: dict[int, str] = {}
        self._files: dict[str, set[str]] = {}  # of whose classes a file has code
        for kind in self._data:
            self._lies(kind, self.dataset)

    def know(self, trainer: Trainer) -> None:
        """Take in the objects that a trainer has made of them."""
        self._modules = {id(part): path for path, part in trainer.gan.named_modules()}
        self._lies(type(trainer.gan), self.model)
        self._lies(type(trainer.loss), self.loss)
        for stabilizer in trainer.stabilizers:
            self._lies(type(stabilizer), self.name(stabilizer))

    def name(self, stabilizer: Stabilizer) -> str:
        return f"stabilizer {stabilizer.name!r}"

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """What somebody's code raises becomes a UsageError that says whose, and where it lies."""
        try:
            yield
        except (UsageError, WorkError):
            raise
        except (Exception, SystemExit) as error:
            if is_too_large(error):
                raise too_large(f"the numbers of {self._at_fault(error)} in a dry step", error) from error
            raise UsageError(
                f"{self._at_fault(error)} fails in a dry step: {type(error).__name__}: {first_line(error)} "
                f"(ganzoo --debug shows where)"
            ) from error

    def _lies(self, kind: type, name: str) -> None:
        for file in sources(kind):
            self._files.setdefault(file, set()).add(name)

    def _at_fault(self, error: BaseException) -> str:
        """Whose code the innermost frame is of, or the model where none is anybody's."""
        for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
            found = self._owner(frame.f_locals.get("self"))
            if found is None:  # a function beside the class
                names = self._files.get(frame.f_code.co_filename, set())
                found = next(iter(names)) if len(names) == 1 else None
            if found is not None:
                return found
        return self.model

    def _owner(self, thing: Any) -> str | None:
        if isinstance(thing, Stabilizer):
            return self.name(thing)
        if isinstance(thing, Loss):
            return self.loss
        if isinstance(thing, GAN):
            return self.model
        if isinstance(thing, nn.Module) and id(thing) in self._modules:
            return f"{self.model} ({self._modules[id(thing)]})"
        return self.dataset if isinstance(thing, self._data) else None
