"""`ganzoo demo`"""

from __future__ import annotations

import contextlib

import click

from ganzoo.cli.words import FOLDER, GENERATOR, Whole
from ganzoo.errors import UsageError


@click.command("demo")
@click.argument("generators", nargs=-1, type=GENERATOR, metavar="[RUN|NAME|FILE]...")
@click.option(
    "--out", type=FOLDER, metavar="FOLDER", help="Write the page there, for any web server, and stop."
)
@click.option("--port", type=Whole(0), metavar="N", help="Of this machine; a free one if left out.")
@click.option("--no-browser", is_flag=True, help="Open none: the address is on stdout.")
@click.option("--offline", is_flag=True, help="Download nothing: the page's runtime is in the cache.")
def command(
    generators: tuple[str, ...], out: str | None, port: int | None, no_browser: bool, offline: bool
) -> None:
    """A page to play with: walk through z, draw, go from one sample to another, pick a class, mix styles.

    RUN is a folder, or a name or a number under runs/; left out, it is the run that was trained last. Samples
    are made in the browser; nobody but this machine sees the page. Ctrl-C ends it.

    \b
    ganzoo demo
    ganzoo demo dcgan:mnist --out page
    """
    from ganzoo.running.generator import load_generator
    from ganzoo.running.located import locate
    from ganzoo.sharing.demo import page
    from ganzoo.sharing.local_site import LOOPBACK, local_site
    from ganzoo.system.console import notice, say
    from ganzoo.system.files import write_whole
    from ganzoo.system.paths import typed_path

    folder = None if out is None else typed_path(out)
    other = folder is not None and folder.exists() and not (folder / "generators.json").exists()
    if folder is not None and other and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"--out {out} is there, and is no page of ganzoo demo: name a new folder")
    loaded = [load_generator(locate(word).run or word or "", "cpu") for word in generators or (None,)]
    files = page(loaded, offline)
    if folder is not None:
        for name, content in files.items():
            write_whole(folder / name, content)
        say(str(folder / "index.html"))
        return
    server = local_site(files, port or 0)
    address = f"http://{LOOPBACK}:{server.server_port}/"
    say(address)
    notice("Ctrl-C ends it")
    if not no_browser:
        _open(address)
    with contextlib.suppress(KeyboardInterrupt), server:
        server.serve_forever()


def _open(address: str) -> None:
    import webbrowser

    with contextlib.suppress(webbrowser.Error, OSError):  # the address is on stdout
        webbrowser.open(address)
