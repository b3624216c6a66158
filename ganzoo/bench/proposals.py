"""What to try next and what to give up, as Optuna says: pure functions of the trials that are known.

No study is stored: what Optuna has to know is in the lines of results, and each question makes a study of
them. So a search that was killed goes on as if it had not been.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from ganzoo.bench.ranges import Range, Search, Value
from ganzoo.errors import UsageError
from ganzoo.system.rng import counted_seed

if TYPE_CHECKING:
    import optuna

GUIDED = 5  # proposals that were all tried before, until the next are drawn at random


@dataclasses.dataclass(frozen=True)
class Tried:
    """What is known of a trial.

    Attributes:
        reported: its score by step, while it ran.
        value: its score in the end, if it came to one.
        ended: whether nothing more is done of it. Without a value it was bad, in whichever way.
    """

    asked: Mapping[str, Value]
    reported: Mapping[int, float] = dataclasses.field(default_factory=dict)
    value: float | None = None
    ended: bool = False


def refuse_without_optuna() -> None:
    if find_spec("optuna") is None:
        raise UsageError('a search needs a package that is not installed: pip install "ganzoo-torch[search]"')


def propose(
    search: Search, higher: bool, tried: Sequence[Tried], number: int, again: int = 0
) -> dict[str, Value]:
    """The settings of trial `number`; follows from the arguments.

    Args:
        higher: whether higher scores are better.
        tried: the other trials, in the order of their numbers.
        again: how many proposals for this number were of no use.
    """
    import optuna

    seed = counted_seed(search.seed, f"trial {number}", again) % 2**32
    sampler: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed)
    if again < GUIDED:
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=search.startup)
    study = _study(search, higher, tried, sampler)
    trial = study.ask({name: _distribution(one) for name, one in search.ranges.items()})
    return {
        name: one.after(trial.params[name]) if one.step else one.settled(trial.params[name])
        for name, one in search.ranges.items()
    }


def falls_behind(search: Search, higher: bool, tried: Sequence[Tried], one: Tried) -> bool:
    """Whether the best that a trial has reported is worse than the median of those done, at the same step."""
    import optuna

    if search.pruner == "none":
        return False
    study = _study(search, higher, [*tried, one], None)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=search.startup)
    return pruner.prune(study, study.trials[-1])


def _study(
    search: Search, higher: bool, tried: Sequence[Tried], sampler: optuna.samplers.BaseSampler | None
) -> optuna.Study:
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of each study that is made
    try:
        direction: Literal["maximize", "minimize"] = "maximize" if higher else "minimize"
        study = optuna.create_study(direction=direction, sampler=sampler, study_name="search")
    finally:
        optuna.logging.set_verbosity(before)
    distributions = {name: _distribution(one) for name, one in search.ranges.items()}
    states = optuna.trial.TrialState
    for one in tried:
        state = states.RUNNING
        if one.ended:
            state = states.PRUNED if one.value is None else states.COMPLETE
        study.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=one.value,
                params={
                    name: known.steps_to(one.asked[name]) if known.step else one.asked[name]
                    for name, known in search.ranges.items()
                },
                distributions=distributions,
                intermediate_values=dict(one.reported),
            )
        )
    return study


def _distribution(one: Range) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if one.choices:
        return CategoricalDistribution(one.choices)
    if one.step:  # by the number of steps, which is exact
        return IntDistribution(0, one.count)
    if one.whole:
        return IntDistribution(int(one.low), int(one.high), log=one.log)
    return FloatDistribution(one.low, one.high, log=one.log)
