"""What is exported of a generator: one net from z, a condition and options to samples, that draws nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ganzoo.data.kinds import PIXELS, kind_of, kind_of_shape
from ganzoo.errors import WorkError, first_line
from ganzoo.models.base import GAN
from ganzoo.registry.options import options_of
from ganzoo.running.generator import Generator
from ganzoo.system.rng import counted
from ganzoo.training.sampling import sample_options

TOLERANCE = 1e-4
BATCHES = (1, 2, 5)  # that are tried before a file is believed
DTYPES = {"float32": torch.float32, "int64": torch.int64}


@dataclass(frozen=True)
class Input:
    """What the graph is given.

    Attributes:
        shape: of one sample's; None for an option, which is one number for all of them.
        default: of an option.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None
    says: str
    default: float | None = None


class Graph(nn.Module):
    """Tensors in the order of `inputs` -> samples [N, ...].

    Images are in [-1, 1]; all others in the data's own units.

    Attributes:
        output: what comes out, in words.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        about = generator.about
        gan = baked(generator.model)
        self.net = gan.graph()
        self.z_dim = gan.z_dim
        self.inputs = _inputs(generator, self.net)
        self.output = (
            "images in [-1, 1]: round(127.5 x + 127.5) makes pixels of them"
            if kind_of(about) in PIXELS
            else "in the units of the data"
        )
        scale = generator.card.standardization
        self.register_buffer("mean", None if scale is None else scale.mean.float())
        self.register_buffer("std", None if scale is None else scale.std.float())
        self._generator = [generator]  # in a list: a module would register what is in it

    def forward(self, *given: Tensor) -> Tensor:
        named: dict[str, Any] = {each.name: one for each, one in zip(self.inputs, given, strict=True)}
        y = named.pop("y", None)
        z = named.pop("z", None)
        if z is None:
            z = y.new_zeros(y.shape[0], 0)
        x: Tensor = self.net(z, y, **named)
        return x if self.mean is None or self.std is None else x * self.std + self.mean

    def example(self, n: int, seed: int = 0) -> tuple[Tensor, ...]:
        """Inputs of n samples, always the same for a seed; options at their defaults."""
        generator = self._generator[0]
        about = generator.about
        with counted(torch.device("cpu"), seed, "export"):
            own: list[Tensor] = []
            for each in self.inputs:
                if each.name == "z":
                    own.append(generator.model.sample_z(n).cpu())
                elif each.name == "y" and about.num_classes:
                    own.append(torch.randint(about.num_classes, (n,)))
                elif each.name == "y":
                    own.append(torch.rand(n, *about.condition_shape) * 2.0 - 1.0)
                else:
                    own.append(torch.tensor(each.default, dtype=DTYPES[each.dtype]))
        return tuple(own)

    @torch.no_grad()
    def off(self, run: Callable[[tuple[Tensor, ...]], Tensor]) -> float:
        """The largest difference between samples that `run` makes and torch's own, as networks see them.

        Over several numbers of samples, and over options away from their defaults.
        """
        generator, most = self._generator[0], 0.0
        for n in BATCHES:
            for given in self._variants(self.example(n, n)):
                made, wanted = run(given), self._sampled(generator.model, given)
                if made.shape != wanted.shape:
                    raise WorkError(f"it makes {list(made.shape)} of {n}, and torch {list(wanted.shape)}")
                if self.mean is not None and self.std is not None:
                    made = (made - self.mean) / self.std
                most = max(most, float((made - wanted).abs().max()))
                if most != most:
                    raise WorkError("it makes numbers that are not finite")
        return most

    def _variants(self, given: tuple[Tensor, ...]) -> list[tuple[Tensor, ...]]:
        """These inputs, and the same with every option at another value."""
        places = [i for i, each in enumerate(self.inputs) if each.shape is None]
        if not places:
            return [given]
        changed = list(given)
        for i in places:
            changed[i] = given[i] * 0.5 if given[i].is_floating_point() else given[i] + 2
        return [given, tuple(changed)]

    def _sampled(self, gan: GAN, given: tuple[Tensor, ...]) -> Tensor:
        """What the model itself makes of these, drawing what seed 0 draws."""
        device = next(gan.generator.parameters()).device
        named: dict[str, Any] = {
            each.name: one.to(device) for each, one in zip(self.inputs, given, strict=True)
        }
        y, z = named.pop("y", None), named.pop("z", None)
        options = sample_options(gan, {name: value.item() for name, value in named.items()})
        z = y.new_zeros(len(y), 0, dtype=torch.float32) if z is None else z
        with counted(device, 0, "sample", 0):
            gan.sample_z(256)
            return gan.sample(z, y, **options).float().cpu()

    def described(self) -> dict[str, Any]:
        """Inputs and output, for the metadata of a file."""
        return {"inputs": [asdict(each) for each in self.inputs], "output": self.output}


def _inputs(generator: Generator, net: nn.Module) -> tuple[Input, ...]:
    gan, about = generator.model, generator.about
    inputs: list[Input] = []
    if gan.z_dim:
        drawn = "normal" if gan.z == "normal" else "uniform on [-1, 1]"
        if type(gan).sample_z is not GAN.sample_z:
            drawn = f"as {about.model} draws it"
        inputs.append(Input("z", "float32", (gan.z_dim,), f"latent vectors, {drawn}"))
    if about.num_classes:
        inputs.append(Input("y", "int64", (), f"classes, 0 to {about.num_classes - 1}"))
    elif about.condition_shape:
        pixels = kind_of_shape(about.condition_shape) in PIXELS
        says = "images in [-1, 1]" if pixels else "values in their own units"
        inputs.append(Input("y", "float32", about.condition_shape, says))
    defaults = options_of(gan.sample, ("z", "y"))
    for name in options_of(net.forward, ("z", "y")):
        value = defaults[name]
        dtype = "int64" if isinstance(value, int) else "float32"
        inputs.append(Input(name, dtype, None, f"one number for all samples, {value:g} for none", value))
    return tuple(inputs)


def left_out(generator: Generator) -> list[str]:
    """Options of the model's samples that a graph of it does not take."""
    taken = options_of(generator.model.graph().forward, ("z", "y"))
    return [name for name in options_of(generator.model.sample, ("z", "y")) if name not in taken]


def baked(gan: GAN) -> GAN:
    """A copy on the CPU, with what samples need alone, its weights as they are computed with.

    Raises:
        WorkError: it draws noise of its own in eval mode, and its `graph` does not keep that still.
    """
    gan = copy.deepcopy(gan).cpu().float().eval()
    gan.to(memory_format=torch.contiguous_format)
    used: set[str] = {"generator"}
    with torch.no_grad():
        handles = [
            part.register_forward_hook(lambda *_, name=name.split(".")[0]: used.add(name))
            for name, part in gan.named_modules()
            if name
        ]
        y: Any = None
        if gan.num_classes:
            y = torch.zeros(2, dtype=torch.int64)
        elif gan.condition_shape:
            y = torch.zeros(2, *gan.condition_shape)
        with counted(torch.device("cpu"), 0, "bake"):
            gan.sample(gan.sample_z(2), y)
        for handle in handles:
            handle.remove()
    for name, _ in list(gan.named_children()):
        if name not in used:
            setattr(gan, name, nn.Identity())
    for part in [part for part in gan.modules() if parametrize.is_parametrized(part)]:
        # torch's own way to remove parametrizations changes a class that the original shares.
        made = {name: getattr(part, name) for name in cast(nn.ModuleDict, part.parametrizations)}
        kind = parametrize.type_before_parametrizations(part)
        del part.parametrizations
        part.__class__ = kind
        for name, value in made.items():
            part.register_parameter(name, nn.Parameter(value.detach().clone()))
    for parameter in gan.parameters():
        parameter.requires_grad_(False)
    return gan


def traced(graph: Graph) -> torch.export.ExportedProgram:
    """The graph for any number of samples. Raises WorkError where torch cannot trace it."""
    n = torch.export.Dim("n", min=1, max=2**31 - 1)
    shapes = tuple(None if each.shape is None else {0: n} for each in graph.inputs)
    with torch.no_grad(), suppress(AttributeError):
        try:
            return torch.export.export(graph, graph.example(3), dynamic_shapes=(shapes,))
        except Exception as error:  # torch raises what it likes for code of plugins that it cannot follow
            name = graph._generator[0].about.model
            raise WorkError(
                f"{name} cannot be exported: torch.export refuses it: {first_line(error)}"
            ) from error
    raise AssertionError
