"""`ganzoo stylize`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganzoo.cli.words import PATH, TEXT_PATH, Whole, Word, device_option


@click.command("stylize")
@click.argument("content", type=PATH)
@click.argument("style", type=PATH)
@click.option(
    "-o",
    "--out",
    type=PATH,
    required=True,
    metavar="FILE",
    help="The new picture, FILE.png or FILE.jpg.",
)
@click.option("--steps", type=int, default=200, show_default=True, metavar="N", help="Steps of L-BFGS.")
@click.option(
    "--size",
    type=Whole(8),
    default=256,
    show_default=True,
    metavar="PX",
    help="The long side, at most; smaller pictures stay as they are.",
)
@click.option(
    "--style-weight",
    type=float,
    default=10.0,
    show_default=True,
    metavar="F",
    help="How much the style counts.",
)
@click.option(
    "--content-weight",
    type=float,
    default=1.0,
    show_default=True,
    metavar="F",
    help="How much the content counts.",
)
@click.option(
    "--tv-weight", type=float, default=2.0, show_default=True, metavar="F", help="How much smoothness counts."
)
@click.option(
    "--start",
    type=click.Choice(["content", "noise"]),
    default="content",
    show_default=True,
    help="What the first picture is.",
)
@click.option("--seed", type=Whole(0), default=0, show_default=True, metavar="N", help="Of the noise.")
@click.option(
    "--extractor",
    type=Word("vgg19", "random", "cnn", "mnist-cnn-v1"),
    metavar="NAME",
    help="Whose features: vgg19 (random where it can't be had) if left out, cnn:NAME, cnn or mnist-cnn-v1.",
)
@click.option(
    "--extractor-weights", type=TEXT_PATH, metavar="PATH", help="A file with the extractor's weights."
)
@device_option
@click.option("--offline", is_flag=True, help="Download nothing.")
def command(
    content: Path,
    style: Path,
    out: Path,
    size: int,
    extractor: str | None,
    extractor_weights: str | None,
    device: str,
    offline: bool,
    **words: Any,
) -> None:
    """Paint the picture CONTENT in the style of the picture STYLE.

    \b
    ganzoo stylize photo.jpg painting.jpg -o painted.png
    """
    from ganzoo.style.networks import open_features
    from ganzoo.style.pictures import check_out, read_picture, write_picture
    from ganzoo.style.transfer import check_numbers, stylize
    from ganzoo.system.console import say
    from ganzoo.system.devices import choose_device

    check_out(out, (content, style))
    check_numbers(words)
    photo, painting = (read_picture(path, size) for path in (content, style))
    features = open_features(extractor, extractor_weights, offline, choose_device(device))
    write_picture(out, stylize(photo, painting, features, progress=True, **words))
    say(str(out))
