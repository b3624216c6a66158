"""`ganzoo export`: one file in another format, run and compared with torch before it gets its name."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo.errors import UsageError, WorkError, first_line
from ganzoo.running.generator import Generator, read_generator
from ganzoo.sharing.graph import TOLERANCE, Graph, traced
from ganzoo.system.extras import extra
from ganzoo.system.files import write_whole
from ganzoo.training.checkpoint import save_generator

OUTPUT = "samples"
MOST_BYTES = 2**31 - 1  # of one ONNX file


def export(generator: Generator, kind: str, out: Path, half: bool = False) -> list[str]:
    """Write a generator in a format, onnx, torch-export or safetensors, and check it by drawing from it.

    Args:
        half: keep weights as float16, of a safetensors file.

    Returns:
        What was seen of it, a sentence each.

    Raises:
        UsageError: a library is missing, or this cannot be said in that format.
        WorkError: the file would not make the same samples; nothing was written.
    """
    if half and kind != "safetensors":
        raise UsageError(f"--half is of --format safetensors, and not of {kind}")
    if kind == "safetensors":
        return _safetensors(generator, out, half)
    return {"onnx": _onnx, "torch-export": _torch_export}[kind](generator, out)


def _safetensors(generator: Generator, out: Path, half: bool) -> list[str]:
    save(generator, out, half)
    read_generator(out, "cpu")
    return ["weights as float16: samples differ a little from those of the run"] if half else []


def save(generator: Generator, out: Path, half: bool = False) -> None:
    """The same generator as a file of ganzoo's own, with all scores that are known of it."""
    gan = generator.model
    meta = {"step": generator.step, "t": generator.t}
    save_generator(out, gan, meta, generator.about, generator.card, half)


def _torch_export(generator: Generator, out: Path) -> list[str]:
    graph = Graph(generator)
    program = traced(graph)
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={"ganzoo.json": json.dumps(_metadata(graph, generator))})
    loaded = torch.export.load(io.BytesIO(file.getvalue())).module()
    seen = _checked(graph, lambda given: loaded(*given), "torch.export")
    write_whole(out, file.getvalue())
    return seen


def _onnx(generator: Generator, out: Path) -> list[str]:
    content, seen = onnx_of(generator)
    write_whole(out, content)
    return seen


def onnx_of(generator: Generator) -> tuple[bytes, list[str]]:
    """An ONNX file, which onnxruntime has run, and what was seen of it. Raises as `export`."""
    extra("onnxscript", "--format onnx", "onnx")
    runtime = extra("onnxruntime", "--format onnx", "onnx")
    graph = Graph(generator)
    names = [each.name for each in graph.inputs]
    program = traced(graph)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        try:
            made = torch.onnx.export(
                program,
                graph.example(3),
                dynamo=True,
                input_names=names,
                output_names=[OUTPUT],
                external_data=False,
                verbose=False,
            )
            assert made is not None
            model = made.model_proto
        except Exception as error:  # whatever an operator that ONNX lacks makes it raise
            raise WorkError(
                f"{generator.about.model} cannot be exported as ONNX: {first_line(error)}"
            ) from error
    model.producer_name = "ganzoo"
    for key, value in _plain(_metadata(graph, generator)).items():
        model.metadata_props.add(key=key, value=value)
    _name_batch(model.graph)
    if model.ByteSize() > MOST_BYTES:
        raise UsageError(f"{generator.name} is larger than an ONNX file can be: use --format torch-export")
    content: bytes = model.SerializeToString()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(given: tuple[Tensor, ...]) -> Tensor:
        fed = {name: one.numpy() for name, one in zip(names, given, strict=True)}
        return torch.from_numpy(session.run(None, fed)[0])

    return content, _checked(graph, run, "onnxruntime")


def _name_batch(graph: Any) -> None:
    """Call the dimension of samples n in the inputs and in the output."""
    for value in (*graph.input, *graph.output):
        first = value.type.tensor_type.shape.dim[:1]
        for dimension in first:
            if dimension.dim_param:
                dimension.dim_param = "n"


def _checked(graph: Graph, run: Callable[[tuple[Tensor, ...]], Tensor], what: str) -> list[str]:
    try:
        off = graph.off(run)
    except WorkError as error:
        raise WorkError(f"{what} does not run it: {error}; nothing was written") from error
    if off > TOLERANCE:
        raise WorkError(
            f"its samples under {what} differ from torch's by up to {off:.1e}, and {TOLERANCE:g} is allowed; "
            f"nothing was written"
        )
    return [f"{what} makes the same samples as torch, to {max(off, 1e-9):.0e}"]


def _metadata(graph: Graph, generator: Generator) -> dict[str, Any]:
    """What somebody who has the file alone wants to know."""
    about = generator.about
    return {
        "name": generator.name,
        "model": about.model,
        "dataset": about.dataset,
        "step": generator.step,
        "classes": list(generator.classes) if about.num_classes else [],
        "units": graph.output,
        "scores": about.scores,
        "ganzoo": {**about.as_json(), **graph.described()},
    }


def _plain(metadata: dict[str, Any]) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
