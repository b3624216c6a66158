"""`ganzoo export`"""

from __future__ import annotations

import re
from pathlib import Path

import click

from ganzoo.cli.words import GENERATOR, PATH, Word, checkpoint_option
from ganzoo.errors import UsageError, nearest

ENDINGS = {"onnx": ".onnx", "torch-export": ".pt2", "safetensors": ".safetensors"}


@click.command("export")
@click.argument("generator", required=False, type=GENERATOR, metavar="[RUN|FILE]")
@click.option(
    "--format",
    "kind",
    type=Word(*ENDINGS),
    metavar="NAME",
    help="One of onnx, torch-export and safetensors; by the end of --out if left out.",
)
@click.option("--out", type=PATH, metavar="FILE", help="Where to; here, by the run's name, if left out.")
@checkpoint_option
@click.option("--half", is_flag=True, help="Weights as float16, of safetensors: half the size.")
def command(generator: str | None, kind: str | None, out: Path | None, checkpoint: str, half: bool) -> None:
    """Write a generator as one file, and check it by drawing from it.

    RUN is a folder, or a name or a number under runs/; left out, it is the run that was trained last.

    \b
    ganzoo export --format onnx
    ganzoo export 7 --out digits.pt2
    """
    kind = _format(kind, out)
    from ganzoo.running.generator import load_generator
    from ganzoo.running.located import locate
    from ganzoo.sharing.formats import export
    from ganzoo.system.console import notice, say

    found = locate(generator)
    loaded = load_generator(found.run or generator or "", "cpu", checkpoint)
    out = out or Path(re.sub(r"[^\w.-]+", "-", Path(loaded.name).stem) + ENDINGS[kind])
    for sentence in export(loaded, kind, out, half):
        notice(sentence)
    say(str(out))


def _format(kind: str | None, out: Path | None) -> str:
    """The format that is meant. Raises UsageError where none is."""
    if kind is not None:
        if kind not in ENDINGS:
            raise UsageError(f"--format {kind}: {nearest(kind, ENDINGS)}")
        return kind
    by_ending = {ending: name for name, ending in ENDINGS.items()}
    if out is None:
        raise UsageError(f"say which format: --format {', --format '.join(ENDINGS)}")
    if out.suffix.lower() not in by_ending:
        raise UsageError(
            f"--out {out}: expected a name that ends in {', '.join(by_ending)}; or give --format"
        )
    return by_ending[out.suffix.lower()]
