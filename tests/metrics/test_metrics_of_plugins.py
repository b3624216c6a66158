"""What a metric of somebody else's can break: itself."""

from __future__ import annotations

import sys

import pytest

from ganzoo.errors import UsageError, WorkError
from ganzoo.metrics.base import Metric
from ganzoo.metrics.harness import Evaluation
from ganzoo.registry import METRICS
from ganzoo.testing.metrics import Ring


class Fine(Metric):
    """One (2020)."""

    higher_is_better = {"fine": True}
    says = {"fine": "one"}

    def __call__(self, context):
        return {"fine": 1.0}


def raising(error):
    def fail(*_):
        raise error

    return fail


BROKEN = {
    "call": {"__call__": raising(ZeroDivisionError("one over nothing"))},
    "exits": {"__call__": lambda *_: sys.exit(3)},
    "asserts": {"__call__": raising(AssertionError())},
    "needs": {"needs_for": raising(KeyError("shape"))},
    "needs-exits": {"needs_for": lambda *_: sys.exit(0)},
    "init": {"__init__": raising(RuntimeError("no model"))},
    "init-exits": {"__init__": lambda *_: sys.exit("bye")},
    "protocol": {"protocol": raising(TypeError("none"))},
    "nan": {"__call__": lambda *_: {"fine": float("nan")}},
    "text": {"__call__": lambda *_: {"fine": "much"}},
    "nothing": {"__call__": lambda *_: None},
    "a-list": {"__call__": lambda *_: [1.0]},
}


@pytest.fixture
def added():
    def add(name, **members):
        METRICS.add(name, type(name, (Fine,), members))

    before = dict(METRICS._added)
    yield add
    METRICS._added.clear()
    METRICS._added.update(before)


def measured(*names):
    data = Ring()
    return Evaluation(names, data, offline=True)(data.test.all()[0], progress=False)


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_metric_is_left_out_with_a_note(how, added):
    added("somebodys", **BROKEN[how])
    made = measured()
    assert {"modes", "hq"} <= made["scores"].keys()
    assert "fine" not in made["scores"]
    assert [note for note in made["notes"] if note.startswith("somebodys was left out: ")], made["notes"]
    with pytest.raises((UsageError, WorkError), match="somebodys"):
        measured("somebodys")


def test_real_data_that_fail_cost_the_value_beside_alone(added):
    added("somebodys", on_real=raising(ValueError("no")))
    made = measured("somebodys")
    assert (made["scores"], made["real"]) == ({"fine": 1.0}, {})
    assert any("no value of somebodys on real data" in note for note in made["notes"])


def test_two_metrics_with_one_score(added):
    added("first")
    added("second")
    with pytest.raises(UsageError, match=r"first of .* and second of .* both give a score called fine"):
        measured("first", "second")
    assert measured("second")["scores"] == {"fine": 1.0}
    notes = measured()["notes"]
    assert sum("both give a score called fine" in note for note in notes) == 2  # neither is the zoo's


def test_the_zoos_own_score_is_kept(added):
    key = {"modes": True}
    added("somebodys", higher_is_better=key, says={"modes": "x"}, __call__=lambda *_: {"modes": -1.0})
    made = measured()
    assert made["scores"]["modes"] == 8
    assert any("somebodys was left out: modes of" in note for note in made["notes"])
    with pytest.raises(UsageError, match="both give a score called modes"):
        measured("modes", "somebodys")
    assert measured("somebodys")["scores"] == {"modes": -1.0}


def test_a_score_that_is_not_declared_is_no_other_metrics(added):
    added("somebodys", __call__=lambda *_: {"fine": 1.0, "hq": 5.0})
    with pytest.raises(UsageError, match="hq"):
        measured("modes", "somebodys")
    made = measured()
    assert made["scores"]["hq"] < 1 or any("hq" in note for note in made["notes"])
    assert made["scores"]["hq"] <= 1
