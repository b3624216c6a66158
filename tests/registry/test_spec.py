"""Words with a colon as values, and the fields that hold them."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganzoo.errors import UsageError
from ganzoo.models.recipe import Recipe
from ganzoo.registry.spec import Ref, Spec, pair

WORD = st.text(st.characters(exclude_characters=":,= ", exclude_categories=("Z", "C")), min_size=1)
VALUE = st.one_of(WORD, st.integers(), st.floats(allow_nan=False), st.booleans())


def test_a_specification_is_its_parts():
    spec = Spec.parse("skip-d:below=0.3,max_skips=5")
    assert (spec.name, spec.options) == ("skip-d", {"below": "0.3", "max_skips": "5"})
    assert str(spec) == "skip-d:below=0.3,max_skips=5"
    assert Spec.parse(" r1 : gamma = 2 ,") == Spec("r1", {"gamma": "2"})
    assert str(Spec.parse("r1:")) == str(Spec("r1")) == "r1"
    assert Spec.parse(spec) is spec


@given(WORD, st.dictionaries(WORD, VALUE))
def test_text_and_value_go_back_and_forth(name, options):
    spec = Spec(name, options)
    again = Spec.parse(str(spec))
    assert str(again) == str(spec)
    assert (again.name, again.options) == (name, {key: str(value) for key, value in options.items()})
    for twin in (copy.deepcopy(spec), pickle.loads(pickle.dumps(spec)), Spec(name, dict(options))):
        assert twin == spec
        assert hash(twin) == hash(spec)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("r1:gamma", "'gamma' is no key=value"),
        ("r1:=2", "'=2' is no key=value"),
        ("r1:gamma=1,gamma=2", "gamma is given twice"),
    ],
)
def test_what_is_of_another_form_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        Spec.parse(text)


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Spec("r1").name = "r2"
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().stabilizers = ("r1",)


def test_a_recipe_takes_text_and_holds_values():
    typed, valued = (
        Recipe(stabilizers=("r1:gamma=2", "r2")),
        Recipe(stabilizers=[Spec("r1", {"gamma": "2"}), "r2"]),
    )
    assert typed == valued
    assert typed.stabilizers == (Spec("r1", {"gamma": "2"}), Spec("r2"))
    assert Recipe().stabilizers == Recipe.stabilizers == ()
    assert Recipe(stabilizers="r1").stabilizers == (Spec("r1"),)
    more = dataclasses.replace(typed, stabilizers=(*typed.stabilizers, "drift"))
    assert [str(spec) for spec in more.stabilizers] == ["r1:gamma=2", "r2", "drift"]
    assert dataclasses.replace(more, steps=3).stabilizers == more.stabilizers


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [("mnist", "mnist", None), ("npy:", "npy", ""), ("folder:C:/pictures", "folder", "C:/pictures")],
)
def test_what_is_named_with_a_path(text, name, path):
    ref = Ref.parse(text)
    assert (ref.name, ref.path, str(ref)) == (name, path, text)
    assert Ref.parse(ref) is ref


def test_pairs():
    assert pair(" model.width = 3 ", "key=value") == ("model.width", "3")
    assert pair("a=b=c", "key=value") == ("a", "b=c")
    for text in ("width", "=3", ""):
        with pytest.raises(UsageError, match="expected key=value"):
            pair(text, "key=value")
