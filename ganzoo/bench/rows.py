"""What a line of a suite's results holds, and the files that a cell leaves in its run folder."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from ganzoo.metrics.columns import Says
from ganzoo.system.records import Count, checked


class Protocol(TypedDict):
    """How scores were measured; the same for all that stand in one column."""

    metrics: dict[str, dict[str, Any]]
    reference: str
    n_fake: Count
    n_real: Count
    n_held_out: Count


class Parameters(TypedDict):
    g: Count
    d: Count


class Commands(TypedDict):
    """What does a cell again by hand."""

    run: str
    eval: str


class Cost(TypedDict):
    """cost.json: whether no other cell ever ran beside the training, and its most memory.

    With the processor's seconds of the training, which grow little by what runs beside; not known of one that
    was stopped and gone on with.
    """

    alone: bool
    peak_mib: float
    cpu_seconds: NotRequired[float]


class Seen(TypedDict):
    """A finding about a training."""

    name: str
    since: Count
    short: str


class Measured(Cost):
    """What a cell that is done came to."""

    status: Literal["done"]
    scores: dict[str, float]
    real: dict[str, float]
    protocol: Protocol
    columns: dict[str, Says]
    steps: Count
    images: Count
    train_seconds: float
    images_per_s: float
    parameters: Parameters
    threads: Count
    processor: str
    versions: dict[str, str]
    commit: str | None
    seen: NotRequired[list[Seen]]


class Broken(TypedDict):
    """What a cell that failed came to, or a trial that was stopped because it fell behind."""

    status: Literal["failed", "stopped"]
    error: str


class Trial(TypedDict):
    """Of a search: which one, its settings by name, and what it was compared by while it ran, by step."""

    search: str
    number: Count
    asked: dict[str, bool | int | float | str]
    reported: dict[str, float]


class Head(TypedDict):
    """Which cell a line is of."""

    hash: str
    group: str
    model: str
    dataset: str
    options: str
    seed: Count
    steps: Count
    commands: Commands
    run: NotRequired[str]
    trial: NotRequired[Trial]


class Done(Head, Measured):
    """A line of results of a cell that is done."""


class Failed(Head, Broken):
    """A line of results of a cell that failed or was stopped."""


Row = Done | Failed
Result = Measured | Broken


class Hashed(TypedDict):
    hash: str


def as_row(value: Any) -> Row | None:
    """A line of results; None for one of another program, which may lie in the same folder.

    Raises:
        Damaged: it is neither.
    """
    if isinstance(value, dict) and not {"hash", "group", "status"} & value.keys():
        return None
    return checked(value, Failed) if _failed(value) else checked(value, Done)


def as_result(value: Any) -> tuple[str, Result]:
    """What result.json holds: the hash of its cell, and what that came to. Raises Damaged."""
    which = checked(value, Hashed)["hash"]
    return which, checked(value, Broken) if _failed(value) else checked(value, Measured)


def _failed(value: Any) -> bool:
    return isinstance(value, dict) and value.get("status") in ("failed", "stopped")
