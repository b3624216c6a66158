"""Nets that torch.compile makes faster, in the steps of a run and nowhere else.

torch.compile differentiates once. Where a gradient is differentiated again, as penalties ask for, and where
other weights than a net's own count, nets run as they are.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn

from ganzoo.errors import UsageError, first_line
from ganzoo.models.base import GAN
from ganzoo.stabilizers.base import Stabilizer

BACKEND = "inductor"
REHEARSED = "aot_eager"  # which looks at everything, and needs no compiler


class Compiled:
    """The nets of one model, which are compiled as they are first used; their weights keep their names.

    Attributes:
        nets: "g" and "d", those that are.
        seconds: spent compiling so far, by this process.
    """

    def __init__(self, gan: GAN, stabilizers: list[Stabilizer], backend: str = "") -> None:
        global _any
        _any = True
        self.nets = ["g", *(["d"] if not _by_gradients(stabilizers) else [])]
        self.seconds = 0.0
        self._told = False
        backend = backend or BACKEND
        # The numbers that a net draws are those that it draws as it is.
        own = {"options": {"fallback_random": True}} if backend == "inductor" else {}
        names = [name for net in self.nets for name in _names(gan, net)]
        for part in {id(part): part for name in names for part in _parts(getattr(gan, name))}.values():
            part.compile(backend=backend, dynamic=False, **own)
            part._compiled_call_impl = partial(_once, part._compiled_call_impl)

    @contextmanager
    def step(self) -> Iterator[None]:
        """A step is made inside the block: what is compiled in it is timed."""
        from torch._dynamo.callback import callback_handler

        began = 0.0

        def begin(*_: Any) -> None:
            nonlocal began
            began = time.perf_counter()

        def end(*_: Any) -> None:
            self.seconds += time.perf_counter() - began

        callback_handler.register_start_callback(begin)
        callback_handler.register_end_callback(end)
        try:
            with warnings.catch_warnings():
                # torch looks at every input for a gradient, and what G made has none.
                warnings.filterwarnings("ignore", "The .grad attribute of a Tensor")
                yield
        finally:
            callback_handler.remove_start_callback(begin)
            callback_handler.remove_end_callback(end)

    def news(self, before: float) -> str:
        """What compiling took, once, after a step that had to wait for none of it; "" otherwise.

        Args:
            before: `seconds` before that step.
        """
        if self._told or self.seconds != before:
            return ""
        self._told = True
        which = " and ".join(name.upper() for name in self.nets)
        alone = "" if len(self.nets) == 2 else "; D runs as it is, as its gradients are differentiated"
        return f"compiling {which} took {self.seconds:.1f} s{alone}"


_any = False  # whether nets were compiled: torch's compiler takes a second to import


_resting = False  # whether they run as they are now


def as_they_are(wanted: bool = True) -> AbstractContextManager[None]:
    """Inside the block no compiled net runs as such."""
    return _rest() if _any and wanted else nullcontext()


@contextmanager
def _rest() -> Iterator[None]:
    global _resting
    before, _resting = _resting, True
    try:
        with torch.compiler.set_stance("force_eager"):
            yield
    finally:
        _resting = before


def _once(net: Any, *inputs: Any, **named: Any) -> Any:
    """What a compiled net makes of its inputs, at which it can be differentiated once."""
    return net(*inputs, **named) if _resting else net(*map(_marked, inputs), **named)


def _marked(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(_marked, x))
    return _Once.apply(x) if isinstance(x, torch.Tensor) and x.requires_grad else x


class _Once(torch.autograd.Function):
    """Of a net whose weights do not learn torch's compiler would drop the second gradient without a word."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():  # for a gradient that is to be differentiated
            raise UsageError(
                "a gradient of a compiled net cannot be differentiated again, as something in this run does "
                "unannounced: leave --compile out"
            )
        return slopes[0]


def refuse_without_compiler(device: torch.device) -> None:
    """Raise a UsageError where torch.compile cannot make code for a device here."""
    try:
        double = torch.compile(_double, backend=BACKEND, dynamic=False)
        double(torch.ones(8, device=device))
    except Exception as error:  # of the compiler, which is not ours
        inner = getattr(error, "inner_exception", error)
        raise UsageError(
            f"--compile: torch makes no code for {device} here ({first_line(inner)}): install a C++ "
            f"compiler, and for CUDA triton, or leave it out (ganzoo resume --no-compile)"
        ) from error


def _double(x: torch.Tensor) -> torch.Tensor:
    return 2.0 * x


def _by_gradients(stabilizers: list[Stabilizer]) -> bool:
    """Whether D is differentiated wherever it is asked, in G's turn too."""
    return any(
        type(one).wrap_critic is not Stabilizer.wrap_critic and "per-sample-gradients" in one.needs
        for one in stabilizers
    )


def _names(gan: GAN, net: str) -> tuple[str, ...]:
    return ("generator", *gan.with_g) if net == "g" else ("discriminator", *gan.with_d)


def _parts(net: nn.Module) -> list[nn.Module]:
    """The net; without its head, where it has one: what that is given is looked at from outside."""
    head = getattr(net, "head", None)
    if not (hasattr(net, "features") and isinstance(head, nn.Module)):
        return [net]
    return [part for child in net.children() if child is not head for part in _called(child)]


def _called(module: nn.Module) -> list[nn.Module]:
    """A module; those in a list of them, which is no function itself. Only those that have weights."""
    if isinstance(module, nn.ModuleList):
        return [part for child in module for part in _called(child)]
    return [module] if any(True for _ in module.parameters()) else []
