"""Where a number that is not finite came from: the steps since the last checkpoint again, looked at closely.

Randomness is counted, so the steps are the same ones; on the CPU to the bit. Nothing is paid for it before
something has gone wrong.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.errors import first_line
from ganzoo.models.turn import Turn
from ganzoo.system.console import notice
from ganzoo.system.lines import append_line, read_lines
from ganzoo.system.rng import kept
from ganzoo.training.checkpoint import Diverged, load_checkpoint, saved
from ganzoo.training.rows import stepped
from ganzoo.training.trainer import Trainer

AT_MOST = 5000  # steps that are made again


@dataclass(frozen=True)
class Origin:
    """Where it began.

    Args:
        kind: "data", "stabilizer", "loss", "layer", "gradient" or "weights"; "" if it was not found.
        net: "d" or "g", or "" for both.
        sentence: for people, without the step.
    """

    step: int
    kind: str
    net: str
    sentence: str


class _Found(Exception):
    def __init__(self, kind: str, net: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind, self.net = kind, net


@contextmanager
def telling_where(folder: Path, trainer: Trainer) -> Iterator[None]:
    """Where training diverges inside the block, say and log where it began.

    Raises:
        Diverged: the same with a clause more.
    """
    try:
        yield
    except Diverged as error:
        origin = find_origin(folder, trainer)
        rest = {"fault": origin.sentence, "fault_kind": origin.kind, "fault_net": origin.net}
        # A row like any other: a resumed run cuts it off, since it is beyond the last checkpoint.
        images = origin.step * trainer.recipe.n_dis * trainer.recipe.batch_size
        append_line(folder / "log.jsonl", {"step": origin.step, "images": images, **rest})
        began = f"it began at step {origin.step}: {origin.sentence}"
        told = Diverged(f"{error}; {began}")
        told.where = f"{error.where} ({began})"
        raise told from error


def find_origin(folder: Path, trainer: Trainer) -> Origin:
    """The first number that is not finite, in the steps of `trainer` since its last checkpoint."""
    checkpoints = saved(folder)
    config = dataclasses.replace(trainer.config, compile=False)  # compiled nets cannot be looked into
    again = Trainer(config, trainer.dataset, stop=trainer.stop)
    again.gan.train()
    good = 0
    try:
        if checkpoints:
            again.load_state_dict(load_checkpoint(checkpoints[-1]))
        again.rollbacks = trainer.rollbacks
        if trainer.step - again.step > AT_MOST:
            return _unknown(trainer, f"the last checkpoint is more than {AT_MOST} steps back")
        notice(f"looking for where it came from: the steps from {again.step} on again")
        good = max((row["step"] for row in read_lines(folder / "log.jsonl", stepped)), default=0)
        if trainer.scales.lost():
            good = 0  # steps were left out for long, which no row says
        watched = False
        with kept(again.device):
            while again.step < trainer.step and not again.stop.is_set():
                # The last good row's step too: what G's update made of G, D's loss says a step later.
                if again.step >= good - 1 and not watched:
                    _Watch(again)
                    watched = True
                again.one_step()
    except _Found as found:
        if again.step < good and found.net != "g":
            return _unknown(trainer, "made again, the steps are other ones")  # by its row, this one was good
        return Origin(again.step + 1, found.kind, found.net, str(found))
    except Exception as error:  # of somebody's code, which meets numbers that it never met
        return _unknown(trainer, f"{type(error).__name__}: {first_line(error)}")
    return _unknown(trainer, "the steps again were all finite")


def _unknown(trainer: Trainer, why: str) -> Origin:
    return Origin(trainer.step, "", "", f"where it came from was not found ({why})")


class _Watch:
    """Has everything in a step looked at, in the order in which it is computed."""

    def __init__(self, trainer: Trainer) -> None:
        gan, step = trainer.gan, trainer._make_step
        self.nets: dict[str, nn.Module] = {"g": step.nets["g"], "d": step.nets["d"]}
        self.optimizers = step.optimizers
        self.scaling = step.scales.scaling  # where gradients may overflow, which costs a step and no more
        self.terms: dict[str, list[tuple[str, str, Tensor]]] = {"g": [], "d": []}
        data = f"the batch that dataset {trainer.dataset.name!r} gave"
        _looked_at(trainer, "real", partial(_refuse, kind="data", net="", what=data))
        for net, module in self.nets.items():
            self._weights(net, "which it started from")
            for name, part in module.named_modules():
                part.register_forward_hook(self._layer(net, name))
        for name in ("d", "g"):
            what = f"loss {trainer.recipe.loss!r} of {name.upper()}"
            _looked_at(trainer.loss, name, self._term(name, "loss", what))
            terms = f"the model's own terms in {name.upper()}'s loss"
            _looked_at(gan, f"{name}_terms", self._term(name, "layer", terms))
        for each in trainer.stabilizers:
            who = f"stabilizer {each.name!r}"
            for name in ("d", "g"):
                _looked_at(each, f"{name}_penalty", self._term(name, "stabilizer", f"the penalty of {who}"))
            seen = f"what {who} makes of samples"
            _looked_at(each, "transform", partial(_refuse, kind="stabilizer", net="", what=seen))
            _looked_at(each, "gradients", self._after(f"{who}, which changes them"))
        self._backward, self._apply = step._backward, step._apply
        for name, looking in (("_backward", self._gone_back), ("_apply", self._applied)):
            setattr(step, name, looking)

    def _layer(self, net: str, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def look(part: nn.Module, inputs: Any, output: Any) -> None:
            if _finite(output):
                return
            where = f"{name} ({type(part).__name__})" if name else "last operation"
            if not _finite(inputs):
                raise _Found("layer", net, f"what {net.upper()} computes before its {where} is not finite")
            sizes = [float(w.detach().abs().max()) for w in part.parameters() if w.numel()]
            grown = f", its weights being as large as {max(sizes):.1e}" if sizes else ""
            inputs_up_to = max(
                (float(x.detach().abs().max()) for x in _tensors(inputs) if x.numel()), default=0.0
            )
            raise _Found(
                "layer", net,
                f"the output of {net.upper()}'s {where} is not finite, its input being as large as "
                f"{inputs_up_to:.1e}{grown}",
            )  # fmt: skip

        return look

    def _term(self, net: str, kind: str, what: str) -> Callable[[Any], None]:
        def look(value: Any) -> None:
            _refuse(value, kind, net, what)
            self.terms[net] += [(kind, what, term) for term in _tensors(value) if term.requires_grad]

        return look

    def _after(self, what: str) -> Callable[[Any], None]:
        def look(_: Any) -> None:
            for net in self.nets:
                self._gradients(net, "stabilizer", what)

        return look

    def _gradients(self, net: str, kind: str, what: str) -> None:
        for name, weight in self.nets[net].named_parameters():
            if not self.scaling and not _finite(weight.grad):
                raise _Found(kind, net, f"the gradient of {net.upper()}'s {name} is not finite after {what}")

    def _weights(self, net: str, what: str) -> None:
        for name, weight in self.nets[net].named_parameters():
            if not _finite(weight):
                raise _Found("weights", net, f"the weights {name} of {net.upper()} are not finite, {what}")

    def _gone_back(self, loss: Tensor, turn: Turn) -> None:
        net = turn.phase
        names, weights = zip(
            *((n, p) for n, p in turn.net.named_parameters() if p.requires_grad), strict=True
        )
        terms, self.terms[net] = self.terms[net], []
        for kind, what, term in terms:
            gradients = torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True)
            for name, gradient in zip(names, gradients, strict=True):
                if not _finite(gradient):
                    raise _Found(
                        "gradient" if kind == "loss" else kind, net,
                        f"the gradient of {what} at {net.upper()}'s {name} is not finite, though its value "
                        f"of {float(term.detach()):.3g} is",
                    )  # fmt: skip
        self._backward(loss, turn)
        self._gradients(net, "gradient", "backward")

    def _applied(self, turn: Turn) -> None:
        net = turn.phase
        self._apply(turn)
        rate = self.optimizers[net].param_groups[0]["lr"]
        self._weights(net, f"after an update with the learning rate {rate:.3g}")


def _looked_at(owner: Any, name: str, look: Callable[[Any], None]) -> None:
    """Have a method of one object followed by a look at what it returns."""
    method = getattr(owner, name)

    @wraps(method)
    def looking(*args: Any, **options: Any) -> Any:
        value = method(*args, **options)
        look(value)
        return value

    setattr(owner, name, looking)


def _refuse(value: Any, kind: str, net: str, what: str) -> None:
    if not _finite(value):
        raise _Found(kind, net, f"{what} is not finite")


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list | Mapping):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(part)


def _finite(value: Any) -> bool:
    return all(bool(part.isfinite().all()) for part in _tensors(value) if part.is_floating_point())
