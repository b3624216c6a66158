"""`ganzoo eval`"""

from __future__ import annotations

from typing import Any

import click

from ganzoo.cli.words import (
    DATASET,
    EXTRACTOR,
    GENERATOR_OR_SAMPLES,
    METRIC,
    TEXT_PATH,
    Command,
    Setting,
    Whole,
    Word,
    data_root_option,
    device_option,
)
from ganzoo.errors import UsageError
from ganzoo.system.console import Terminal, number, plain, say_json, terminal
from ganzoo.system.files import is_file, is_folder
from ganzoo.system.paths import typed_path

OWN = (
    "config.json",
    "generator.safetensors",
    "model.safetensors",
)  # of a run, or of a generator as it leaves
WIDE = 110  # columns from which there is room for words beside the numbers


@click.command("eval", cls=Command)
@click.argument("target", required=False, type=GENERATOR_OR_SAMPLES, metavar="[RUN | NAME | FILE | FOLDER]")
@click.option(
    "--metric",
    "metrics",
    type=METRIC,
    multiple=True,
    metavar="NAME",
    help="Any of `ganzoo list metrics`; all that fit if left out.",
)
@click.option(
    "--dataset",
    type=DATASET,
    metavar="NAME",
    help="What to measure against; a run and a generator name their own data.",
)
@click.option(
    "--set",
    "settings",
    type=Setting(data_alone=True),
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of that dataset, such as size=64.",
)
@click.option("--samples", type=int, metavar="N", help="How many; 10000 for images unless told otherwise.")
@click.option(
    "--extractor",
    type=EXTRACTOR,
    metavar="NAME",
    help="Any of `ganzoo list extractors`; one that fits the data if left out.",
)
@click.option(
    "--extractor-weights", type=TEXT_PATH, metavar="PATH", help="A file with the extractor's weights."
)
@click.option(
    "--reference",
    type=Word("train", "test"),
    default="train",
    show_default=True,
    metavar="SPLIT",
    help="Real data: train or test.",
)
@click.option(
    "--checkpoint",
    type=Word("last", "best"),
    default="last",
    show_default=True,
    metavar="WHICH",
    help="Of which step: last or best.",
)
@click.option(
    "--per-class", is_flag=True, help="Each class too, and how many samples show theirs (conditional runs)."
)
@click.option(
    "--seed", type=Whole(0), default=0, show_default=True, metavar="N", help="Of the samples that are drawn."
)
@data_root_option
@device_option
@click.option("--offline", is_flag=True, help="Touch no network.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def command(
    target: str | None, metrics: tuple[str, ...], settings: tuple[str, ...], as_json: bool, **words: Any
) -> None:
    """Measure a run, a generator that left it, or samples from any program.

    RUN is a folder, or a name or a number under runs/; left out, it is the run that was trained last. NAME is
    one of `ganzoo list pretrained`, FILE one of a generator, or samples as .npz; FOLDER has images.

    \b
    ganzoo eval --metric is --metric fid
    ganzoo eval mlp-gan:ring8 --metric modes
    ganzoo eval samples.npz --dataset mnist --metric fid
    """
    from ganzoo.data.open import parse_settings

    words["data_options"] = parse_settings(settings)
    document = (_foreign if _is_foreign(target) else _own)(target, metrics, words)
    if as_json:
        say_json(document)
    else:
        _print(document)


def _is_foreign(target: str | None) -> bool:
    if target is None:
        return False
    path = typed_path(target)
    return (
        path.suffix.lower() == ".npz"
        or (is_file(path) and path.suffix.lower() != ".safetensors")
        or (is_folder(path) and not any(is_file(path / name) for name in OWN))
    )


def _own(target: str | None, metrics: tuple[str, ...], words: dict[str, Any]) -> dict[str, Any]:
    """Of a run, or of a generator without one."""
    from ganzoo.running.generator import load_generator
    from ganzoo.running.located import locate
    from ganzoo.running.run import load

    device, found = words.pop("device"), locate(target)
    if found.run is not None:
        return load(found.run, device=device).evaluate(metrics, **words)
    return load_generator(str(target), device, words.pop("checkpoint")).evaluate(metrics, **words)


def _foreign(target: str | None, metrics: tuple[str, ...], words: dict[str, Any]) -> dict[str, Any]:
    from ganzoo.metrics.foreign import check_kind
    from ganzoo.running.evaluation import evaluate

    dataset, count = words.pop("dataset"), words.pop("samples")
    check_kind(typed_path(str(target)))
    if dataset is None:
        raise UsageError(f"{target} is no run: say with --dataset NAME what to measure its samples against")
    if words.pop("checkpoint") != "last":
        raise UsageError("--checkpoint: foreign samples have none; it is for runs")
    words.pop("seed")
    return evaluate(str(target), dataset, metrics, count=count, **words)


def _print(document: dict[str, Any]) -> None:
    protocol, source = document["protocol"], document["provenance"]
    console = terminal(soft_wrap=True)
    _print_scores(console, rows(document))
    if document.get("matched", {}).get("scores"):
        console.print()
        console.say((f"at {document['matched']['n']} samples, as many as are held out", "bold"))
        _print_scores(console, rows({**document, **document["matched"]}))
    if "per_class" in document:
        _print_classes(console, document["per_class"])
    which = source.get("run") or source.get("generator") or source.get("samples")
    step = f" at step {source['step']}" if "step" in source else ""
    wrapped = terminal()  # words may be broken into lines; the rows above may not
    wrapped.print()
    wrapped.say(
        f"{which}{step}: {protocol['n_fake']} generated samples against {protocol['n_real']} of "
        f"{protocol['dataset']} ({protocol['reference']}); real data: as many held-out samples in their "
        "place, or the value that a perfect generator of as many would have"
    )
    for note in document["notes"]:
        wrapped.say(f"note: {note}")


def _print_scores(console: Terminal, lines: list[tuple[str, str, str, str, str]]) -> None:
    titles = ("score", "generated", "real data", "better", "what it is" if console.width >= WIDE else "")
    shown = [tuple(map(plain, line)) for line in [titles, *lines]]
    width = [max(len(line[i]) for line in shown) for i in range(4)]
    for name, generated, real, better, meaning in shown:
        cells = f"{name:<{width[0]}}  {generated:>{width[1]}}  {real:>{width[2]}}  {better:<{width[3]}}"
        style = "bold" if name == titles[0] else ""
        if console.width >= WIDE:
            console.say((cells, style), "  ", (meaning, style or "dim"))
        else:
            console.say((cells.rstrip(), style))
            if meaning:
                console.say((f"  {meaning}", "dim"))


def _print_classes(console: Terminal, classes: list[dict[str, Any]]) -> None:
    """A line per class: how many samples, and each score with that of real data in brackets."""
    keys = list(dict.fromkeys(key for row in classes for key in row["scores"]))
    keys = [key for key in keys if key.partition("@")[0].removesuffix("_std") == key.partition("@")[0]]
    lines = [["class", "n", *(key.partition("@")[0] for key in keys)]]
    for row in classes:
        cells = [number(row["scores"][key]) if key in row["scores"] else "-" for key in keys]
        real = [f" ({number(row['real'][key])})" if key in row["real"] else "" for key in keys]
        lines.append([plain(row["class"]), str(row["n"]), *map("".join, zip(cells, real, strict=True))])
    width = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    console.print()
    console.say(("by class, against real samples of that class (real data in brackets)", "bold"))
    for i, line in enumerate(lines):
        cells = [f"{line[0]:<{width[0]}}", *(f"{c:>{w}}" for c, w in zip(line[1:], width[1:], strict=True))]
        console.say(("  ".join(cells), "" if i else "bold"))


def rows(document: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """The table's cells: name, score, real data, direction, meaning; a spread goes with its score."""
    from ganzoo.registry import METRICS

    directions: dict[str, bool | None] = {}
    says: dict[str, str] = {}
    for name in document["protocol"]["metrics"]:
        metric = METRICS.get(name)
        directions.update(metric.higher_is_better)
        says.update(metric.says)
    arrows = {True: "higher", False: "lower", None: "as real"}
    made = []
    for key in document["scores"]:
        plain, at, extractor = key.partition("@")
        if plain.endswith("_std") and plain not in directions:
            continue
        spread = f"{plain}_std{at}{extractor}"
        cells = [shown(document[side], key, spread) for side in ("scores", "real")]
        direction = arrows[directions[plain]] if plain in directions else ""
        made.append((key, cells[0], cells[1], direction, says.get(plain, "")))
    return made


def shown(scores: dict[str, float], key: str, spread: str) -> str:
    if key not in scores:
        return "-"
    text = number(scores[key])
    return f"{text} ± {scores[spread]:.2g}" if spread in scores else text
