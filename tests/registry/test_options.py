"""What a person may set: read from signatures, sorted by what it reaches."""

from __future__ import annotations

import functools
import inspect
import typing
from typing import TypedDict, Unpack

import pytest

from ganzoo.errors import UsageError
from ganzoo.models.base import GAN, Common
from ganzoo.models.dcgan import DCGAN
from ganzoo.registry import MODELS
from ganzoo.registry.options import options_of, sort_settings

COMMON = {"sample_shape", "z_dim", "num_classes", "pack", "z"}


class Few(TypedDict, total=False):
    width: int
    num_classes: int


class Old(GAN):
    """All options written out."""

    def __init__(self, sample_shape, z_dim=6, num_classes=0, pack=1, width=8):
        super().__init__(sample_shape, z_dim, num_classes, pack)


class New(GAN):
    """Its own options alone."""

    def __init__(self, sample_shape, z_dim=6, width=8, **common: Unpack[Common]):
        super().__init__(sample_shape, z_dim, **common)


class Newer(New):
    """One more, and another default of one that all have."""

    def __init__(self, sample_shape, depth=2, pack=3, **common: typing.Unpack[Few]):
        super().__init__(sample_shape, pack=pack, **common)


class Partial(New):
    """Made without a function of its own."""

    __init__ = functools.partialmethod(New.__init__, width=5)


class Evaluated(GAN):
    """Its annotations are no text."""

    def __init__(self, sample_shape, **common):
        super().__init__(sample_shape, **common)

    __init__.__annotations__["common"] = Unpack[Few]


class Forwards(GAN):
    """It hands on whatever it is given, and says nothing of it."""

    def __init__(self, *args, width=8, **kwargs):
        super().__init__(*args, **kwargs)


class Swallows(GAN):
    """It takes anything, and hands on nothing."""

    def __init__(this, sample_shape, num_classes=0, **options):
        GAN.__init__(this, sample_shape, 5, num_classes)


def test_what_is_handed_on_belongs_to_the_class_too():
    assert set(options_of(Old)) == COMMON - {"z"} | {"width"}
    expected = {"z_dim": 6, "width": 8, "num_classes": 0, "pack": 1, "z": "normal"}
    expected |= {"condition_shape": (), "kind": ""}
    assert options_of(New) == {"sample_shape": inspect.Parameter.empty, **expected}
    assert set(options_of(Newer)) == {"sample_shape", "depth", "pack", "width", "num_classes"}
    assert (options_of(Newer)["pack"], options_of(Newer)["width"]) == (3, 8)
    assert options_of(Partial) == {**options_of(New), "width": 5}
    assert set(options_of(Evaluated)) == {"sample_shape", "width", "num_classes"}
    assert "sample_shape" not in options_of(New, leave_out=("sample_shape",))


def test_what_is_not_said_is_no_option():
    assert set(options_of(Forwards)) == {"width"}
    assert set(options_of(Swallows)) == {"sample_shape", "num_classes"}


@pytest.mark.parametrize("name", MODELS.names())
def test_every_model_has_the_common_options(name):
    common = {"z_dim", "pack", "z"} - ({"z_dim"} if name == "cyclegan" else set())  # its G is given no z
    assert set(MODELS.options(name)) >= common
    assert not set(MODELS.options(name)) & {"sample_shape", "num_classes", "condition_shape", "kind"}


def test_common_options_come_by_position_and_by_name():
    for arguments, named in (((5, 3, 2), {}), ((), {"z_dim": 5, "num_classes": 3, "pack": 2})):
        gan = DCGAN((1, 28, 28), *arguments, width=4, **named)
        assert (gan.sample_shape, gan.z_dim, gan.num_classes, gan.pack, gan.z) == (
            (1, 28, 28),
            5,
            3,
            2,
            "normal",
        )
    with pytest.raises(TypeError, match="widht"):
        DCGAN((1, 28, 28), widht=4)


def test_settings_are_sorted_by_what_they_reach():
    known = {"model": {"width": 8, "norm": True}, "data": {"size": 0, "width": 1}}
    owners = {"model": "a-gan", "data": "folder:x"}
    given = {"model.width": "3", "size": 64, "norm": "no"}
    assert sort_settings(given.items(), known, owners) == {
        "model": {"width": 3, "norm": False},
        "data": {"size": 64},
    }
    for key, said in (
        ("width", "say which: model.width or data.width"),
        ("sise", "no such option of a-gan or of folder:x; did you mean size"),
        ("model.wdth", "no such option; did you mean width"),
    ):
        with pytest.raises(UsageError, match=said):
            sort_settings([(key, 1)], known, owners)


def test_of_one_option_set_twice_the_last_counts_and_both_are_checked():
    known, owners = {"model": {"width": 8}}, {"model": "a-gan"}
    pairs = [("width", "1"), ("model.width", "2"), ("width", "3")]
    assert sort_settings(pairs, known, owners) == {"model": {"width": 3}}
    with pytest.raises(UsageError, match="expected a whole number, got 'wide'"):
        sort_settings([("width", "wide"), ("width", "3")], known, owners)
