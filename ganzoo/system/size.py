"""How large a net may be: refused while it is made, before its weights are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from ganzoo.system.memory import machine_memory

COPIES = 4  # of each weight: itself, its gradient, and two moments of Adam
MOST_TENSORS = 4_000  # a net of so many layers takes minutes to make alone


@contextmanager
def of_a_size_to_train() -> Iterator[None]:
    """Raise MemoryError where the nets that are made in this block could not be trained on this machine."""
    memory, wanted, tensors = machine_memory(), 0, 0

    def count(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal wanted, tensors
        tensors += 1
        wanted += COPIES * parameter.numel() * parameter.element_size()
        if wanted > memory:
            raise MemoryError(f"cannot allocate {wanted} bytes")
        if tensors > MOST_TENSORS:
            raise MemoryError(f"more than {MOST_TENSORS} tensors of weights")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
