"""The words of a suite: the options of `ganzoo run` and of `ganzoo eval`, without their dashes."""

from __future__ import annotations

import dataclasses

from ganzoo.plan.words import NOT_TYPED, Words

EVALUATION: dict[str, type] = {
    "metric": list,
    "samples": int,
    "extractor": str,
    "extractor-weights": str,
    "reference": str,
    "checkpoint": str,
}
KINDS: dict[str, type] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "Iterable[str]": list,
    "Specs": list,
}
TRAINING: dict[str, type] = {
    field.name.replace("_", "-"): KINDS[str(field.type).partition(" ")[0]]
    for field in dataclasses.fields(Words)
    if field.name not in ("seed", *NOT_TYPED)
}
TRAINING["set"] = dict
OPTIONS = {**TRAINING, **EVALUATION}
EXPECTED = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    list: "a list of texts",
    dict: "a table of texts and numbers",
}
MOST_CELLS = 10_000  # each is trained and measured


def fits(value: object, kind: type) -> bool:
    """Whether a value of TOML is of the kind that an option takes."""
    if kind is list:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if kind is dict:
        return isinstance(value, dict) and all(isinstance(one, str | int | float) for one in value.values())
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
