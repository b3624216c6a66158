"""Where words for a run may start from: a file of words, or the settings of another run."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ganzoo.data.open import GIVEN
from ganzoo.errors import UsageError, nearest
from ganzoo.plan.config import Config, usual_checkpoint_every, usual_eval_every
from ganzoo.plan.words import NONE, NOT_TYPED, Words
from ganzoo.registry import changes
from ganzoo.registry.kinds import cast, plainly
from ganzoo.registry.options import options_of
from ganzoo.registry.spec import Ref, Spec
from ganzoo.system.console import notice
from ganzoo.system.files import is_file, read_regular
from ganzoo.system.records import Damaged, parsed

EXPECTED = "words for a run in TOML, or settings as ganzoo run --dry-run prints them"
LARGEST = 2**20  # bytes
SEVERAL = ("stabilizer", "callback", "eval_metric")
TWICE = {"steps": ("epochs",), "epochs": ("steps",), "lr": ("lr_g", "lr_d")}  # the first overrules the others
IN_RECIPE = {
    "optimizer_g.lr": ("lr", "lr_g"), "optimizer_d.lr": ("lr", "lr_d"), "steps": ("steps", "epochs"),
    "loss": ("loss",), "batch_size": ("batch_size",), "n_dis": ("n_dis",),
}  # fmt: skip
"""Words that would overrule a field of the recipe which is typed as a setting."""

OWN_WORDS = {"label-smoothing": "label_smoothing", "skip-d": "skip_d_below"}


def read_start(path: Path) -> dict[str, Any] | Config:
    """The words in a file, or the settings that `ganzoo run --dry-run` printed, or a run's config.json.

    Raises:
        UsageError: it cannot be read, or is of another form, or has a key that there is not.
    """
    if is_file(path / "config.json"):
        raise UsageError(f"--config {path} is a run folder: say --from {path}")
    content = read_regular(path, EXPECTED, LARGEST)
    document: Any
    try:
        is_json = content.lstrip()[:1] == b"{"
        document = parsed(content) if is_json else tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text: expected {EXPECTED}") from error
    except (Damaged, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: {error}: expected {EXPECTED}") from error
    if "data_fingerprint" not in document and not isinstance(document.get("recipe"), dict):
        return _words(path, document)
    _refuse_unknown_in(path, {key: of for key, of in document.items() if key != "format"}, Config)
    try:
        return Config.from_json(document)
    except (Damaged, UsageError) as error:
        raise UsageError(f"{path}: {error}: expected {EXPECTED}") from error


def _words(path: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    """Each of the kind that its word is of; settings as `--set` has them."""
    known = options_of(Words, NOT_TYPED)
    named = {key.replace("-", "_"): value for key, value in document.items()}
    _refuse_unknown(path, named, list(known))
    words: dict[str, Any] = {}
    for key, value in named.items():
        if key == "set":
            if not isinstance(value, dict):
                raise UsageError(f"{path}: set: expected a table, such as [set] and model.width = 64")
            words[key] = [f"{name}={_typed(path, name, each)}" for name, each in _flat(value)]
        elif key in SEVERAL:
            several = [value] if isinstance(value, str) else value
            if not isinstance(several, list) or not all(isinstance(each, str) for each in several):
                raise UsageError(f"{path}: {key}: expected a list of texts, got {value!r}")
            words[key] = several
        else:
            words[key] = cast(f"{path}: {key}", value, known.kinds[key])
    return words


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _typed(path: Path, name: str, value: Any) -> Any:
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, bool | int | float | str) for part in parts):
        raise UsageError(f"{path}: set.{name}: expected a number, text, true or false, got {value!r}")
    return plainly(value)


def _refuse_unknown(path: Path, document: Mapping[str, Any], known: list[str]) -> None:
    for key in document:
        if key not in known:
            raise UsageError(f"{path}: there is no word {key!r}: {nearest(key, known)}")


def _refuse_unknown_in(path: Path, document: Mapping[str, Any], kind: Any, where: str = "") -> None:
    """The same of settings and of the settings in them."""
    hints = get_type_hints(kind)
    known = [f"{where}{field.name}" for field in dataclasses.fields(kind)]
    _refuse_unknown(path, {f"{where}{key}": of for key, of in document.items()}, known)
    for key, value in document.items():
        parts = [part for part in (hints[key], *get_args(hints[key])) if dataclasses.is_dataclass(part)]
        if parts and isinstance(value, dict):
            _refuse_unknown_in(path, value, parts[0], f"{where}{key}.")


def as_typed_before(config: Config, name: str, typed: Mapping[str, Any]) -> dict[str, Any]:
    """The words that ask for the same settings as another run has, but for what is typed now.

    With another model, or a recipe that is named, the recipe is the model's own; with other data, their
    options are not those of the data before.

    Args:
        name: what sentences call the other run.

    Raises:
        UsageError: a member that it was made with is gone.
    """
    if "dataset" not in typed and Ref.parse(config.dataset).name == GIVEN:
        raise UsageError(
            f"{name} was trained on data that were given in Python, which no name opens: say "
            f"--dataset NAME, or start from Python"
        )
    same_model = typed.get("model", config.model) == config.model
    same_recipe, same_data = same_model and "recipe" not in typed, "dataset" not in typed
    _look_at(config, name, typed, same_model, same_recipe, same_data)
    options = dict(config.data_options)
    words: dict[str, Any] = {
        "model": config.model,
        "dataset": config.dataset,
        "seed": config.seed,
        "device": _device(config, typed),
        "recipe": config.recipe_name,
        "precision": config.precision,
        "compile": config.compile,
        "on_nan": config.on_nan,
        "eval_metric": list(config.eval_metrics),
        "stop_when": config.stop_when or None,
        "patience": config.patience or None,
        "callback": [str(spec) for spec in config.callbacks],
        "data_root": options.pop("root", None),
        "offline": options.pop("offline", False),
    }
    steps = config.recipe.steps
    if config.checkpoint_every != usual_checkpoint_every(steps):
        words["checkpoint_every"] = config.checkpoint_every
    if config.eval_every and config.eval_every != usual_eval_every(steps):
        words["eval_every"] = config.eval_every
    if same_data:
        words["set"] = [f"data.{key}={value}" for key, value in options.items()]
        words["conditional"] = config.conditional if same_model else None
    if same_recipe:
        recipe = dataclasses.replace(config.recipe, model=_model(config))
        words["base"] = dataclasses.replace(config, recipe=recipe)
    else:
        words["steps"] = steps
    return words


def with_typed(words: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Words from a file or from another run, with what was typed in their place.

    Of what may be given several times, what is typed goes beside what is there, or in the place of the same
    name; --eval-metric replaces all, and `none` drops what is about them too.
    """
    left = dict(words)
    if str(NONE) in typed.get("eval_metric", ()):
        for word in ("eval_every", "stop_when", "patience"):
            left.pop(word, None)
    for key in typed:
        for other in TWICE.get(key, ()):
            left.pop(other, None)
    for setting in typed.get("set", ()):
        key = setting.partition("=")[0].strip().removeprefix("recipe.")
        for word in IN_RECIPE.get(key, ()):
            left.pop(word, None)
    names = {Spec.parse(word).name for word in typed.get("stabilizer", ())}
    for name, word in OWN_WORDS.items():
        if name in names:
            left.pop(word, None)
    own = [name for name, word in OWN_WORDS.items() if word in typed]
    merged = {**left, **typed}
    if "set" in left and "set" in typed:
        merged["set"] = [*left["set"], *typed["set"]]
    for key, but in (("stabilizer", own), ("callback", [])):
        if key in left:
            merged[key] = _beside(left[key], typed.get(key, ()), but)
    return merged


def _beside(before: Iterable[str], now: Iterable[str], but: Iterable[str]) -> list[str]:
    """What is typed now, after what is there and has another name; alone, where `none` is typed."""
    typed = [Spec.parse(word) for word in now]
    names = {*but, *(spec.name for spec in typed)}
    kept = [] if NONE in typed else [spec for spec in map(Spec.parse, before) if spec.name not in names]
    return [str(spec) for spec in [*kept, *typed]]


def _model(config: Config) -> dict[str, Any]:
    """The model's options, without those that stabilizers ask for: another one may not."""
    from ganzoo.stabilizers.open import open_stabilizer

    asked: set[str] = set()
    for spec in config.recipe.stabilizers:
        asked |= open_stabilizer(spec).model_options().keys()
    return {key: value for key, value in config.model_options.items() if key not in asked}


def _device(config: Config, typed: Mapping[str, Any]) -> str:
    from ganzoo.system.devices import choose_device

    if "device" not in typed:
        try:
            choose_device(config.device)
        except UsageError as error:
            notice(f"{error}; --device auto is taken instead")
            return "auto"
    return config.device


def _look_at(
    config: Config, name: str, typed: Mapping[str, Any], model: bool, recipe: bool, data: bool
) -> None:
    """Say what may make the new run another one; refuse where a member is gone."""
    looked = {"model": model, "loss": recipe and "loss" not in typed, "stabilizer": recipe, "dataset": data}
    kinds = {"callback", *(kind for kind, same in looked.items() if same)}
    needed = {what: by for what, by in config.origins.items() if what.partition(" ")[0] in kinds}
    for sentence in changes(needed, name):
        notice(sentence)
    grown = {config.first_steps, config.schedule_steps} - {0, config.recipe.steps}
    if grown and recipe:
        notice(
            f"{name} had a budget of {min(grown)} steps first: growth and schedules of the new run "
            f"are planned over all of its steps"
        )
