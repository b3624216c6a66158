"""What commands take, and what a shell completes: paths, numbers, names of members, runs, settings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from ganzoo.errors import UsageError
from ganzoo.registry import DATASETS, LOSSES, METRICS, MODELS, REGISTRIES, STABILIZERS
from ganzoo.registry.kinds import Options, as_int, choices, plainly, required
from ganzoo.registry.registry import Registry
from ganzoo.running import pretrained
from ganzoo.system.paths import typed_path
from ganzoo.system.stores import is_address

NONE = "none"


class Word(click.ParamType):  # type: ignore[type-arg]  # generic in newer click alone
    """Text; completed from `known`, whatever is in it: what is wrong says who needs it."""

    name = "text"

    def __init__(self, *known: str, more: str = "") -> None:
        """`more` is a kind of path that it may be as well: "file" or "dir"."""
        self._known = known
        self._more = more

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            found = list(self.complete(ctx, incomplete))
        except (UsageError, OSError):  # a shell that waits for names is told nothing else
            found = []
        return found or ([CompletionItem(incomplete, type=self._more)] if self._more else [])

    def complete(self, ctx: click.Context, incomplete: str) -> Iterable[CompletionItem]:
        return [CompletionItem(word) for word in self._known if word.startswith(incomplete)]


class Typed(Word):
    """A path; `~` is the home folder."""

    name = "path"

    def __init__(self) -> None:
        super().__init__(more="file")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return typed_path(value)


class Whole(click.ParamType):  # type: ignore[type-arg]  # generic in newer click alone
    """A whole number of at least so much."""

    name = "integer"

    def __init__(self, at_least: int) -> None:
        self.at_least = at_least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return as_int(param.opts[-1] if param else "", value, self.at_least)


class Member(Word):
    """The name of a member, with options or a path behind a colon. A name that there is not is refused.

    Args:
        also: words beside the names.
    """

    def __init__(self, registry: Registry, *also: str) -> None:
        super().__init__(*also)
        self._registry = registry

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        name = str(value).partition(":")[0].strip()
        if name not in self._known:
            self._registry.origin(name)
        return value

    def complete(self, ctx: click.Context, incomplete: str) -> Iterable[CompletionItem]:
        name, colon, rest = incomplete.partition(":")
        if colon:
            return self._behind(name, rest)
        found = {entry.name: entry for entry in self._registry.entries() if entry.name.startswith(name)}
        items = [self._item(name, entry.summary()) for name, entry in found.items()]
        return [*items, *super().complete(ctx, incomplete)]

    def _item(self, name: str, summary: str) -> CompletionItem:
        return CompletionItem(name, help=summary)

    def _behind(self, name: str, rest: str) -> Iterable[CompletionItem]:
        """NAME:key=value,key=value"""
        done, comma, part = rest.rpartition(",")
        given = {pair.partition("=")[0] for pair in done.split(",")}
        known = self._registry.options(name)
        left = Options({key: of for key, of in known.items() if key not in given}, known.kinds)
        for word in _settings(left, part):
            yield CompletionItem(f"{name}:{done}{comma}{word}")


class Data(Member):
    """The name of a dataset, with a path behind a colon where it needs one."""

    def __init__(self) -> None:
        super().__init__(DATASETS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from ganzoo.data.open import know_dataset

        know_dataset(str(value))
        return value

    def _item(self, name: str, summary: str) -> CompletionItem:
        if "path" in DATASETS.said(name).options:
            return CompletionItem(f"{name}:")  # zsh splits the help off at a colon
        return CompletionItem(name, help=summary)

    def _behind(self, name: str, rest: str) -> Iterable[CompletionItem]:
        done, comma, part = rest.rpartition(",")  # unpaired:PATH_A,PATH_B
        folder, slash, begun = part.rpartition("/")
        place = typed_path(f"{folder}{slash}" or ".")
        for path in sorted(place.iterdir()):
            if path.name.startswith(begun) and (begun or path.name[0] != "."):
                yield CompletionItem(f"{name}:{done}{comma}{folder}{slash}{path.name}{'/' * path.is_dir()}")


class AnyMember(Word):
    """The name of a member of any kind."""

    def complete(self, ctx: click.Context, incomplete: str) -> Iterable[CompletionItem]:
        for registry in REGISTRIES.values():
            for entry in registry.entries():
                if entry.name.startswith(incomplete):
                    yield CompletionItem(entry.name, help=f"{entry.kind}: {entry.summary()}")
        yield from (CompletionItem(name) for name in pretrained.names() if name.startswith(incomplete))


class RecipeName(Word):
    """A recipe of the model that is typed before it."""

    def complete(self, ctx: click.Context, incomplete: str) -> Iterable[CompletionItem]:
        model = ctx.params.get("model")
        recipes = MODELS.said(model).attributes.get("recipes", {}) if model else ("default", "paper")
        names = dict.fromkeys(name.partition("/")[0] for name in recipes)
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class Setting(Word):
    """KEY=VALUE of a model, of data and of a recipe, as far as they are typed before it.

    Args:
        data_alone: of the data, without a scope before the key.
    """

    def __init__(self, data_alone: bool = False) -> None:
        super().__init__()
        self._data_alone = data_alone

    def complete(self, ctx: click.Context, incomplete: str) -> Iterable[CompletionItem]:
        for scope, options in self._scopes(ctx).items():
            if scope and (scope.startswith(incomplete) or incomplete.startswith(scope)):
                for word in _settings(options, incomplete[len(scope) :]):
                    yield CompletionItem(f"{scope}{word}")
            if incomplete or not scope:  # a bare key
                yield from map(CompletionItem, _settings(options, incomplete))

    def _scopes(self, ctx: click.Context) -> dict[str, Options]:
        model, dataset = ctx.params.get("model"), ctx.params.get("dataset")
        data = {"data.": DATASETS.options(dataset.partition(":")[0])} if dataset else {}
        if self._data_alone:
            return {"": data["data."]} if data else {}
        from ganzoo.models.recipe import Recipe

        recipe = {"recipe.": Options(Recipe().settings(), {})}
        return ({"model.": MODELS.options(model)} if model else {}) | data | recipe


def _settings(options: Options, begun: str) -> list[str]:
    """KEY= of each option that begins so; KEY=DEFAULT of one alone; KEY=VALUE where values are few."""
    key, equals, value = begun.partition("=")
    if equals:
        known = choices(options.kinds.get(key)) if key in options else []
        return [f"{key}={each}" for each in known if each.startswith(value)]
    found = [option for option in options if option.startswith(key)]
    if len(found) == 1 and not required(options[found[0]]):
        return [f"{found[0]}={plainly(options[found[0]])}", f"{found[0]}="]
    return [f"{option}=" for option in found]


class RunOrFile(Word):
    """A run folder, the name or the number of one under runs/, or something else."""

    def complete(self, ctx: click.Context, incomplete: str) -> Iterable[CompletionItem]:
        from ganzoo.running.folder import all_runs, number_of

        for path in reversed(all_runs()):
            if path.name.startswith(incomplete):
                yield CompletionItem(path.name)
            elif incomplete and str(number_of(path)).startswith(incomplete):
                yield CompletionItem(str(number_of(path)), help=path.name)


class Command(click.Command):
    """A command whose completions depend on what is typed before: also where that ends with an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing and args and args[-1].startswith("-"):
            args = args[:-1]  # its value is to be completed; click would give up on all of the words
        return super().parse_args(ctx, args)


class RunName(RunOrFile):
    """A run folder, or the name or the number of one under runs/."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from ganzoo.running.folder import find

        find(str(value))
        return value


class GeneratorOrFile(RunOrFile):
    """Whatever samples can be drawn from: a run, as above, or a generator that comes along; or a file."""

    def complete(self, ctx: click.Context, incomplete: str) -> Iterable[CompletionItem]:
        yield from super().complete(ctx, incomplete)
        yield from (CompletionItem(name) for name in pretrained.names() if name.startswith(incomplete))


class GeneratorName(GeneratorOrFile):
    """The same, which is there."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from ganzoo.running.located import locate

        locate(str(value))
        return value


class RunsToRemove(RunName):
    """Completed by their numbers, and not by when they were trained."""

    def complete(self, ctx: click.Context, incomplete: str) -> Iterable[CompletionItem]:
        def number(item: CompletionItem) -> tuple[int, str]:
            digits = str(item.value).partition("-")[0]
            return int(digits) if digits.isdecimal() else 0, item.value

        return sorted(super().complete(ctx, incomplete), key=number)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if is_address(value):
            raise UsageError(
                f"{value} is not on this machine: expected a folder, a name or a number under runs/"
            )
        return super().convert(value, param, ctx)


PATH = Typed()
TEXT_PATH = Word(more="file")
FOLDER = Word(more="dir")
RUN = RunName(more="dir")
RUNS_TO_REMOVE = RunsToRemove(more="dir")
GENERATOR = GeneratorName(more="file")
GENERATOR_OR_SAMPLES = GeneratorOrFile(more="file")
DATASET = Data()
MODEL = Member(MODELS)
LOSS = Member(LOSSES)
METRIC = Member(METRICS)
EVAL_METRIC = Member(METRICS, NONE)
STABILIZER = Member(STABILIZERS, NONE)
CALLBACK = Member(REGISTRIES["callbacks"], NONE)
EXTRACTOR = Member(REGISTRIES["extractors"])
DEVICE = Word("auto", "cpu", "cuda", "mps")

device_option = click.option(
    "--device",
    type=DEVICE,
    default="auto",
    show_default=True,
    metavar="NAME",
    help="Where to compute: auto, cpu, cuda or mps.",
)
checkpoint_option = click.option(
    "--checkpoint",
    type=Word("last", "best"),
    default="last",
    show_default=True,
    help="The last or the best one, of RUN.",
)
data_root_option = click.option(
    "--data-root", type=FOLDER, metavar="DIR", help="Where datasets are, or are downloaded to."
)
