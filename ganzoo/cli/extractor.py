"""`ganzoo extractor`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganzoo.cli.words import DATASET, FOLDER, PATH, Command, Setting, Whole, device_option
from ganzoo.errors import UsageError


@click.group("extractor")
def command() -> None:
    """Classifiers of your own data, to measure with: make one, or see what there is."""


@command.command("train", cls=Command)
@click.option(
    "--dataset", type=DATASET, required=True, metavar="NAME", help="Labelled images, such as folder:PATH."
)
@click.option(
    "--epochs",
    type=Whole(1),
    metavar="N",
    help="Passes over the data; by default what makes 2,400 batches of 100 images, but 8 to 200.",
)
@click.option(
    "--seed", type=Whole(0), default=0, show_default=True, metavar="N", help="Of its first weights."
)
@device_option
@click.option(
    "--out",
    type=PATH,
    metavar="FILE",
    help="Write FILE.safetensors, and install nothing.",
)
@click.option(
    "--data-root", type=FOLDER, metavar="DIR", help="Folder with datasets that are on disk already."
)
@click.option("--offline", is_flag=True, help="Download nothing.")
@click.option(
    "--set",
    "settings",
    type=Setting(data_alone=True),
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the dataset, such as size=64.",
)
def train(
    dataset: str,
    epochs: int | None,
    seed: int,
    device: str,
    out: Path | None,
    data_root: str | None,
    offline: bool,
    settings: tuple[str, ...],
) -> None:
    """Train a classifier of labelled images: the extractor cnn:NAME.

    It learns from the training split alone; the test split shows how often it is right.
    """
    if out is not None and (out.suffix.lower() != ".safetensors" or out.is_dir()):
        raise UsageError(f"--out {out}: expected the name of a file that ends in .safetensors")

    from ganzoo.data.open import open_dataset, parse_settings
    from ganzoo.extractors.classifier import pack
    from ganzoo.extractors.cnn import folder
    from ganzoo.extractors.training import default_epochs, install, refuse, train_classifier
    from ganzoo.system.console import say, typed
    from ganzoo.system.devices import choose_device
    from ganzoo.system.files import write_whole

    where = choose_device(device)
    data = open_dataset(dataset, parse_settings(settings), data_root, offline)
    refuse(data)
    epochs = epochs or default_epochs(len(data.train))
    net, meta = train_classifier(data, epochs=epochs, seed=seed, device=where)
    if out is None:
        name = f"cnn:{install(net, meta)}"
        file, words = folder() / f"{name[4:]}.safetensors", ["--extractor", name]
    else:
        write_whole(out, pack(net, meta))
        name, file, words = "cnn", out, ["--extractor", "cnn", "--extractor-weights", str(out)]
    say(f"{name}: {_accuracy(meta)} of {meta['test_samples']} test images of {meta['data']} are right")
    say(f"file: {file}")
    say(f"next: {typed('ganzoo', 'eval', '--metric', 'fid', *words)}")


@command.command("list")
def list_() -> None:
    """The classifiers that are installed here, newest first."""
    from ganzoo.extractors.classifier import read_meta
    from ganzoo.extractors.cnn import installed
    from ganzoo.system.console import Grid, say, terminal

    table = Grid()
    for title in ("name", "data", "images", "test accuracy"):
        table.column(title, no_wrap=title == "name")
    for name, file in installed().items():
        meta = read_meta(file)
        row = ["(damaged)"] * 3
        if meta is not None:
            row = [meta["data"], "{channels} x {size} x {size}".format_map(meta), _accuracy(meta)]
        table.row(f"cnn:{name}", *row)
    if table.row_count:
        terminal().table(table)
    else:
        say("none is installed; ganzoo extractor train --dataset NAME makes one")


def _accuracy(meta: dict[str, Any]) -> str:
    return f"{100 * meta['test_accuracy']:.1f} %"
