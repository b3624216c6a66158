"""Results from files to groups: the seeds of one combination of model, dataset and options."""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from ganzoo.bench.results import latest
from ganzoo.bench.rows import Done, Failed, Row, as_row
from ganzoo.errors import UsageError, nearest
from ganzoo.plan.config import flatten
from ganzoo.system.console import typed
from ganzoo.system.lines import read_lines

SLICED_BY = ("suite", "model", "dataset", "options", "seed", "steps", "device", "threads", "commit", "group")


@dataclasses.dataclass
class Group:
    """One row of a table: the seeds that were done, those that failed, and those that a search stopped.

    Attributes:
        apart: what tells it from a row of the same model and options, where the name must.
    """

    dataset: str
    model: str
    options: str
    apart: str = ""
    done: list[Done] = dataclasses.field(default_factory=list)
    failed: list[Failed] = dataclasses.field(default_factory=list)
    stopped: list[Failed] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """Of no other row on this dataset."""
        return (self.model if self.options == "default" else f"{self.model} {self.options}") + self.apart

    @property
    def rows(self) -> list[Row]:
        return [*self.done, *self.failed, *self.stopped]

    def scores(self, score: str) -> list[float]:
        return [row["scores"][score] for row in self.done if score in row["scores"]]

    def real(self, score: str) -> list[float]:
        """The same of real data, seed by seed: of as many samples, or none."""
        return [row["real"][score] for row in self.done if score in row["real"] and _at_equal_n(row)]

    def mean_real(self, score: str) -> float | None:
        """Over the seeds, where there is one."""
        values = self.real(score)
        return mean(values) if values else None

    def seen(self) -> dict[str, int]:
        """What is wrong with the trainings, in a few words, and with how many; rows of 0.1 do not say."""
        return Counter(one["short"] for row in self.done for one in row.get("seen", ()))

    def measured(self) -> list[str]:
        """How many samples were compared with how many real ones, each way once."""
        found = {
            f"{protocol['n_fake']:,} generated samples against {protocol['n_real']:,} of the "
            f"{protocol['reference']} split": None
            for protocol in (row["protocol"] for row in self.done)
        }
        return list(found)


def _at_equal_n(row: Done) -> bool:
    """Whether the row's values of real data are of as many samples as its scores.

    Rows of version 0.1 do not say so, and had fewer real ones where no more were held out.
    """
    protocol = row["protocol"]
    return "real" in protocol or protocol["n_held_out"] >= protocol["n_fake"]


@dataclasses.dataclass(frozen=True)
class Column:
    """A score, its metric, and which direction is better; None: the nearer to real data."""

    score: str
    metric: str
    higher_is_better: bool | None


def read_rows(paths: Sequence[Path]) -> list[Row]:
    """The results in files, and in the *.jsonl files of folders; the last one of each hash.

    Raises:
        UsageError: nothing is there, or no results.
    """
    rows: list[Row] = []
    for path in paths:
        if not path.exists():
            there = [str(file) for file in path.parent.glob("*") if file.is_dir() or file.suffix == ".jsonl"]
            hint = nearest(str(path), there) if there else "`ganzoo bench SUITE.toml` makes some"
            raise UsageError(f"there are no results at {path}: {hint}")
        files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        found: list[Row] = []
        for file in files:
            found += read_lines(file, as_row)
        if not found:
            raise UsageError(
                f"{path} holds no results of ganzoo bench: name its folder --out, or a file in it"
            )
        rows += found
    return list(latest(rows).values())


def commands_of(row: Row) -> dict[str, str]:
    """What does a result again, to be copied into a shell: one `ganzoo run` and one `ganzoo eval`, no more.

    Each word is quoted anew, as a file of results may be anybody's.
    """
    return {name: _requoted(name, row["commands"].get(name)) for name in ("run", "eval")}


def _requoted(name: str, command: Any) -> str:
    try:
        words = shlex.split(str(command))
    except ValueError:
        words = []
    return typed(*words) if words[:2] == ["ganzoo", name] else f"# no ganzoo {name}: left out"


def where(rows: Iterable[Row], conditions: Sequence[str]) -> list[Row]:
    """The rows for which all of KEY=VALUE hold; KEY is a field of a result or of its protocol."""
    chosen = list(rows)
    for condition in conditions:
        key, equals, value = condition.partition("=")
        known = {name for row in chosen for name in _fields(row)}
        if not equals or key not in known:
            hint = nearest(key, known) if equals else "expected KEY=VALUE"
            raise UsageError(f"--where {condition}: {hint}")
        values = {_fields(row)[key] for row in chosen if key in _fields(row)}
        chosen = [row for row in chosen if _fields(row).get(key) == value]
        if not chosen:
            raise UsageError(f"--where {condition}: no result has it; {nearest(value, values)}")
    return chosen


def _fields(row: Mapping[str, Any]) -> dict[str, str]:
    plain = {key: str(row[key]) for key in SLICED_BY if key in row}
    return {**flatten(row.get("protocol", {})), **plain}


def group_rows(rows: Iterable[Row]) -> list[Group]:
    """The seeds of one combination together; dataset by dataset, else in the order of the results."""
    groups: dict[str, Group] = {}
    for row in rows:
        group = groups.setdefault(row["group"], Group(row["dataset"], row["model"], row["options"]))
        if row["status"] == "done":
            group.done.append(row)
        else:
            (group.failed if row["status"] == "failed" else group.stopped).append(row)
    named: dict[tuple[Any, ...], list[Group]] = {}
    for group in groups.values():
        group.done.sort(key=lambda row: int(row["seed"]))
        named.setdefault((group.dataset, group.model, group.options), []).append(group)
    for same in named.values():
        steps = [group.rows[0]["steps"] for group in same]
        for group, many in zip(same, steps, strict=True):
            if len(set(steps)) > 1:  # a column says it too
                group.apart = f", {many} steps"
            if steps.count(many) > 1:  # what differs shows in the commands and under --where alone
                group.options += f" #{group.rows[0]['group'][:6]}"
    order = list(dict.fromkeys(group.dataset for group in groups.values()))
    return sorted(groups.values(), key=lambda group: order.index(group.dataset))


def columns_of(groups: Iterable[Group], names: Sequence[str]) -> list[Column]:
    """The scores in these results: all of them, or those of the metrics, or the scores, that are named."""
    found: dict[str, Column] = {}
    for group in groups:
        for row in group.done:
            for score, says in row["columns"].items():
                found[score] = Column(score, says["metric"], says["higher_is_better"])
    if not names:
        return list(found.values())
    chosen: dict[str, Column] = {}
    for name in names:
        fits = {
            column.score: column
            for column in found.values()
            if name in (column.metric, column.score, column.score.partition("@")[0])
        }
        if not fits:
            known = {column.metric for column in found.values()} | set(found)
            raise UsageError(f"--metric {name}: not in these results; {nearest(name, known)}")
        chosen |= fits
    return list(chosen.values())


def refuse_mixed(groups: Sequence[Group], columns: Sequence[Column]) -> None:
    """Raise a UsageError where two protocols would stand in one column."""
    for column in columns:
        first: dict[str, tuple[Group, Mapping[str, str]]] = {}
        for group in groups:
            for row in group.done:
                if column.score not in row["scores"]:
                    continue
                protocol = protocol_of(row["protocol"], column)
                other, before = first.setdefault(group.dataset, (group, protocol))
                keys = sorted(k for k in {*before, *protocol} if before.get(k) != protocol.get(k))
                if keys:
                    differs = ", ".join(f"{k}: {before.get(k)} vs {protocol.get(k)}" for k in keys)
                    raise UsageError(
                        f"{column.score} on {group.dataset} was measured by two protocols ({differs}; "
                        f"{other.name} vs {group.name}): choose other columns with --metric NAME, or make a "
                        f"table of each with {typed('--where', f'{keys[0]}={protocol.get(keys[0])}')}"
                    )


def protocol_of(protocol: Mapping[str, Any], column: Column) -> dict[str, str]:
    """What must be equal within a column, by dotted name."""
    metrics = {column.metric: protocol["metrics"].get(column.metric, {})}
    leave_out = {"metrics", "n_held_out", "real", "labels"} | (
        {"extractor"} if "@" not in column.score else set()
    )
    shared = {key: value for key, value in protocol.items() if key not in leave_out}
    return flatten({**shared, "metrics": metrics})
