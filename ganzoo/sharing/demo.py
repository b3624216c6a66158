"""`ganzoo demo`: a page that draws from generators in the browser, as files by their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.data.kinds import kind_of
from ganzoo.errors import UsageError
from ganzoo.models.base import GAN
from ganzoo.running.generator import Generator
from ganzoo.sharing.formats import onnx_of
from ganzoo.sharing.graph import Graph
from ganzoo.sharing.web_runtime import LICENSE, runtime
from ganzoo.system.console import notice
from ganzoo.system.rng import counted

PAGE = Path(__file__).parent / "page"
ASSETS = ("index.html", "demo.css", "demo.js", "view.js", "latent.js", LICENSE)
WALKS = 6  # directions to walk in
POOL = 128  # z that are drawn here, for a model that draws them in a way of its own
SEEN = 32  # z at which the directions are looked for
STEP = 1e-2
SHOWN = ("images", "vectors", "series")


def page(generators: list[Generator], offline: bool = False) -> dict[str, bytes]:
    """All files of the page, which needs nothing else.

    Raises:
        UsageError: a generator has nothing to walk through, or a library is missing.
        WorkError: one cannot be exported, or the runtime cannot be fetched.
    """
    for generator in generators:
        check(generator)
    files = {name: (PAGE / name).read_bytes() for name in ASSETS} | runtime(offline)
    told = []
    for i, generator in enumerate(generators):
        notice(f"{generator.name} is exported as ONNX, and tried")
        files[f"{i}.onnx"], _ = onnx_of(generator)
        told.append({"file": f"{i}.onnx", **described(generator)})
    files["generators.json"] = json.dumps(told).encode()
    return files


def check(generator: Generator) -> None:
    """Raise a UsageError for a generator that the page cannot show."""
    about, model = generator.about, generator.model
    if not model.z_dim:
        raise UsageError(f"the page walks from z to z, and {about.model} has no z")
    if about.condition_shape:
        raise UsageError(
            f"the page picks classes, and {generator.name} makes samples of values of shape "
            f"{list(about.condition_shape)}: export it, ganzoo export --format onnx"
        )
    if kind_of(about) not in SHOWN or (kind_of(about) == "images" and about.sample_shape[0] not in (1, 3)):
        raise UsageError(
            f"the page shows images of 1 or 3 channels, vectors and series, and {generator.name} makes "
            f"{kind_of(about)} of shape {list(about.sample_shape)}"
        )


def described(generator: Generator) -> dict[str, Any]:
    """What the page is told of a generator."""
    about, model = generator.about, generator.model
    graph = Graph(generator)
    own = type(model).sample_z is not GAN.sample_z
    with counted(generator.device, 0, "demo"):
        pool = model.sample_z(POOL).cpu() if own else torch.empty(0)
    return {
        "name": generator.name,
        "kind": kind_of(about),
        "shape": list(about.sample_shape),
        "z_dim": model.z_dim,
        "z": model.z,
        "pool": _rounded(pool),
        "classes": list(generator.classes) if about.num_classes else [],
        "options": {each.name: each.default for each in graph.inputs if each.shape is None},
        "places": _places(generator),
        "directions": _rounded(directions(generator)),
        "facts": [*generator.facts(), *about.told_scores()],
    }


def _places(generator: Generator) -> int:
    """At how many places styles enter, of a model that mixes them; else 0."""
    layers = getattr(getattr(generator.model.generator, "synthesis", None), "layers", 0)
    return layers if isinstance(layers, int) else 0


def _rounded(x: Tensor) -> list[Any]:
    rows: list[Any] = (x * 1e4).round().div(1e4).tolist()
    return rows


@torch.no_grad()
def directions(generator: Generator) -> Tensor:
    """Unit vectors [k, z_dim] along which samples change most, on the mean over some z: the first k.

    Eigenvectors of the mean of J^T J, with J the derivative of a sample by z, from differences.
    """
    graph = Graph(generator)
    given = list(graph.example(SEEN, seed=0))
    place = next(i for i, each in enumerate(graph.inputs) if each.name == "z")
    z = given[place]
    base = graph(*given).flatten(1)
    rows = []
    for i in range(z.shape[1]):
        given[place] = z.clone()
        given[place][:, i] += STEP
        rows.append((graph(*given).flatten(1) - base).flatten() / STEP)
    changed = torch.stack(rows).double()
    _, vectors = torch.linalg.eigh(changed @ changed.T)
    best: Tensor = vectors.T.flip(0)[:WALKS].float()
    # Of an eigenvector no sign is the right one: the largest part is positive, so that it is always the same.
    largest = best.gather(1, best.abs().argmax(1, keepdim=True))
    signed: Tensor = best * largest.sign()
    return signed
