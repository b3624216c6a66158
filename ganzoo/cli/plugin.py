"""`ganzoo plugin`"""

from __future__ import annotations

import keyword
import re
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import click

from ganzoo.cli.words import PATH, Word
from ganzoo.errors import UsageError, WorkError, nearest
from ganzoo.registry import OF_KIND
from ganzoo.registry.registry import CONTRACT
from ganzoo.registry.spec import Ref, pair
from ganzoo.system.console import say, terminal, typed
from ganzoo.system.files import write_whole

USES = {
    "model": "ganzoo run NAME --dataset ring8\nganzoo run NAME --dataset mnist\nganzoo eval --metric fid",
    "loss": "ganzoo run mlp-gan --dataset ring8 --loss NAME",
    "stabilizer": "ganzoo run mlp-gan --dataset ring8 --stabilizer NAME",
    "metric": "ganzoo run mlp-gan --dataset ring8\nganzoo eval --metric NAME",
    "dataset": "ganzoo run mlp-gan --dataset NAME",
    "extractor": "ganzoo run dcgan --dataset mnist\nganzoo eval --metric fid --extractor NAME",
    "callback": "ganzoo run mlp-gan --dataset ring8 --callback NAME",
}
KIND = click.option(
    "--kind",
    type=Word(*USES),
    metavar="KIND",
    help=f"What it is: {', '.join(USES)}; a model if left out, or what has that name.",
)


@click.group("plugin")
def command() -> None:
    """Your own models, losses, stabilizers, metrics, datasets, extractors and callbacks, as packages."""


@command.command("new")
@click.argument("name")
@KIND
@click.option("--out", type=PATH, metavar="DIR", help="The new folder; NAME by default.")
def new(name: str, kind: str | None, out: Path | None) -> None:
    """Write a small package that adds NAME, a model by default: it installs, runs and passes its tests.

    \b
    ganzoo plugin new my-gan && pip install ./my-gan
    ganzoo run my-gan --dataset ring8
    """
    kind = kind or "model"
    if kind not in USES:
        raise UsageError(f"--kind {kind}: {nearest(kind, USES)}")
    folder = out or Path(name)
    _refuse(name, kind, folder)
    module = name.replace("-", "_")
    for path, text in _files(name, module, kind).items():
        write_whole(folder / path, text.encode())
    say(f"{folder / module}.py is where to start")
    say(f"next: {typed('pip', 'install', '-e', folder.absolute())} && ganzoo plugin check {name}")


def _refuse(name: str, kind: str, folder: Path) -> None:
    if not re.fullmatch("[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        slug = "-".join(re.findall("[a-z0-9]+", name.lower())).lstrip("-0123456789")
        raise UsageError(
            f"no name for a plugin: {name!r}: expected lower-case letters, digits and single hyphens, such "
            f"as {slug or 'my-gan'}"
        )
    for entry in OF_KIND[kind].entries():
        if entry.name == name:
            from ganzoo.testing.core import a

            owner = f"{entry.distribution} {entry.version}"
            raise UsageError(f"there is {a(kind)} named {name} already, of {owner}: choose another name")
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or find_spec(module) is not None:
        what = "a word of Python's" if keyword.iskeyword(module) else "an installed module's"
        raise UsageError(f"{module} is {what} name already: choose another name, such as my-{name}")
    if folder.exists():
        raise UsageError(f"{folder} is there already: move it away, or name another folder with --out DIR")


def _files(name: str, module: str, kind: str) -> dict[str, str]:
    """Path -> text, made from the templates."""
    templates = resources.files("ganzoo") / "templates"
    source = (templates / f"{kind}.py.txt").read_text(encoding="utf-8")
    title = "".join(part.capitalize() for part in name.split("-"))
    if re.search(rf"\b{title}\b", source):  # something that the template imports
        title += kind.capitalize()
    words = {
        "my-plugin": name,
        "my_plugin": module,
        "MyPlugin": title,
        "KIND": kind,
        "GROUP": OF_KIND[kind].group,
        "USE": USES[kind].replace("NAME", name),
    }
    pattern = re.compile("|".join(rf"\b{re.escape(word)}\b" for word in words))

    def filled(template: str) -> str:
        text = (templates / f"{template}.txt").read_text(encoding="utf-8")
        return pattern.sub(lambda match: words[match[0]], text)

    return {
        "pyproject.toml": filled("pyproject.toml"),
        "README.md": filled("README.md"),
        f"{module}.py": filled(f"{kind}.py"),
        f"tests/test_{module}.py": filled(f"{kind}_test.py"),
    }


@command.command("check")
@click.argument("name")
@KIND
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="An option of it, such as width=8."
)
@click.option(
    "--shape",
    metavar="SHAPE",
    help="With samples of one shape alone: 3,48,48 of images, 1,32 of series, 2 of vectors.",
)
def check(name: str, kind: str | None, settings: tuple[str, ...], shape: str | None) -> None:
    """Test whether NAME keeps the contract: any registered member, the zoo's own too.

    A dataset or an extractor may be NAME:PATH.
    """
    from ganzoo.data.kinds import DIMENSIONS
    from ganzoo.registry.kinds import cast
    from ganzoo.testing.core import NotRun, a, checks, find

    registry = find(name, kind)
    plain = Ref.parse(name).name
    broken: list[Exception] = []
    not_run = 0
    try:
        registry.get(plain)
    except UsageError as error:
        _say("FAIL", "loads", "It can be imported, and is what it is registered as.", str(error))
        raise WorkError(f"the {registry.kind} {plain} does not load") from error
    origin = registry.origin(plain)
    by = f"{origin['distribution']} {origin['version']}".strip()
    say(f"{name} is {a(registry.kind)} of {by}; contract {CONTRACT}")
    only = None if shape is None else cast("--shape", shape, tuple[int, ...])
    if only is not None and (len(only) not in DIMENSIONS or min(only) < 1):
        raise UsageError(
            f"--shape {shape}: expected 1 to {DIMENSIONS[-1]} numbers of at least 1, such as 3,48,48 of "
            "images, 1,32 of series or 2 of vectors"
        )
    todo = checks(name, registry.kind, only, **dict(pair(setting, "KEY=VALUE") for setting in settings))
    todo[0].subject()  # refused here, where it cannot be made at all
    for one in todo:
        try:
            remark = one()
            idle = isinstance(remark, NotRun)
            not_run += idle
            _say("not run" if idle else "ok", one.name, one.title, remark)
        except Exception as error:
            _say("FAIL", one.name, one.title, _cause(error))
            broken.append(error)
    if broken:
        raise WorkError(f"{name}: {len(broken)} of {len(todo)} checks failed") from broken[0]
    rest = f", {not_run} of them not run" if not_run else ""
    say(f"{name} keeps the contract: {len(todo)} checks{rest}")


def _cause(error: Exception) -> str:
    if isinstance(error, AssertionError | UsageError | WorkError):
        return str(error)
    return f"the contract wants this to work, got {type(error).__name__}: {error}"


STYLES = {"FAIL": "red", "not run": "dim", "ok": "green"}


def _say(mark: str, name: str, title: str, remark: str) -> None:
    """A line for the check, and what is to be said of it below."""
    console = terminal()
    console.say((f"{mark:<7}", STYLES[mark]), f" {name:<15} {title}", hang=24)
    if remark:
        console.say(remark, indent=24)
