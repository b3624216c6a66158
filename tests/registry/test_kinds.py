"""Options by their annotations: read from text, checked, told, and put back into text."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganzoo import STABILIZERS, Stabilizer
from ganzoo.errors import UsageError
from ganzoo.registry.kinds import Options, cast, kind_in, plainly, told, unusable
from ganzoo.registry.options import known_options, options_of
from ganzoo.registry.spec import Spec
from ganzoo.stabilizers.open import open_stabilizer


class Shade(enum.Enum):
    DARK = 0
    LIGHT = "l"


VALID = [
    (bool, "yes", True), (bool, False, False), (int, "7", 7), (int, 7, 7),
    (float, "1e-3", 1e-3), (float, 2, 2.0),
    (str, "word", "word"), (Path, "a/b", Path("a/b")), (Path, Path("a"), Path("a")),
    (Literal["a", "b"], "b", "b"), (Literal[1, 2], "2", 2), (Literal[1, 2], 1, 1),
    (Shade, "dark", Shade.DARK),
    (Shade, "Light", Shade.LIGHT), (Shade, Shade.DARK, Shade.DARK),
    (int | None, "none", None), (int | None, None, None), (int | None, "3", 3), (float | None, "", None),
    (int | str, "x", "x"), (int | str, "4", 4),
    (list[int], "1+2+3", [1, 2, 3]), (list[int], "1,2", [1, 2]), (list[int], [4], [4]), (list[int], 5, [5]),
    (tuple[int, ...], "64+32", (64, 32)), (tuple[int, ...], "", ()), (tuple[int, float], "1+2", (1, 2.0)),
    (Sequence[str], "a+b", ("a", "b")), (list, "a+b", ["a", "b"]), (tuple[Shade, ...], "dark+light",
                                                                    (Shade.DARK, Shade.LIGHT)),
    (Annotated[int, "pixels"], "3", 3), (Any, "as it is", "as it is"),
]  # fmt: skip
WRONG = [
    (bool, "perhaps", "true or false"), (int, "1.5", "a whole number"), (int, str(2**63), "at most"),
    (float, "much", "a number"), (float, "nan", "finite"), (str, 3, "text"), (Path, 3, "text"),
    (Literal["a", "bat"], "ba", "did you mean bat"), (Shade, "dar", "did you mean dark"),
    (int | None, "x", "a whole number or none"), (list[int], "1+x", "a whole number"),
    (tuple[int, float], "1", "2 values"), (tuple[int, ...], {"a": 1}, "several values"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "expected"), VALID)
def test_what_is_typed_becomes_a_value_of_the_kind(kind, value, expected):
    made = cast("--set key", value, kind)
    assert made == expected
    assert type(made) is type(expected)
    assert cast("--set key", plainly(made), kind) == made  # as config.json and commands have it
    assert not unusable(kind)


@pytest.mark.parametrize(("kind", "value", "says"), WRONG)
def test_what_is_no_value_of_the_kind_is_one_sentence(kind, value, says):
    with pytest.raises(UsageError, match=f"^--set key: .*{says}") as error:
        cast("--set key", value, kind)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "kind", [dict[str, int], set[int], bytes, object, Stabilizer, list[dict], int | bytes, tuple[int, set]]
)
def test_what_nobody_could_type(kind):
    assert unusable(kind)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int | None, "a whole number or none"), (Literal["a", "b"], "a or b"), (Shade, "dark or light"),
        (list[float], "a number, several with + between them"), (Path, "a path"), (bool, "true or false"),
    ],
)  # fmt: skip
def test_kinds_in_words(kind, words):
    assert told(kind) == words


@given(st.lists(st.integers(-(10**6), 10**6)), st.none() | st.floats(-1e6, 1e6))
def test_any_list_and_number_comes_back(several, one):
    assert cast("x", plainly(several), list[int]) == several
    assert cast("x", plainly(tuple(several)), tuple[int, ...]) == tuple(several)
    assert cast("x", plainly(one), float | None) == one


class Typed(Stabilizer):
    """With an option of each kind."""

    def __init__(
        self,
        widths: tuple[int, ...] = (64, 32),
        shade: Shade = Shade.DARK,
        mode: Literal["soft", "hard"] = "soft",
        least: float | None = None,
        where: Path = Path("here"),
        plain=3,
    ) -> None:
        super().__init__()
        self.given = widths, shade, mode, least, where, plain


def test_options_of_a_member_are_read_by_their_annotations():
    known = options_of(Typed)
    assert isinstance(known, Options)
    assert (kind_in(known, "widths"), kind_in(known, "plain")) == (tuple[int, ...], int)
    assert known["shade"] is Shade.DARK
    with pytest.raises(UsageError, match="has no option 'width': did you mean widths"):
        known_options("stabilizer typed", known, {"width": 1})


def test_values_survive_a_specification_in_text():
    with STABILIZERS.lent("typed", Typed):
        spec = STABILIZERS.settled(Spec.parse("typed:widths=8+4,shade=light,least=0.5,mode=hard"))
        assert open_stabilizer(str(spec)).given == ((8, 4), Shade.LIGHT, "hard", 0.5, Path("here"), 3)
        assert open_stabilizer("typed").given == ((64, 32), Shade.DARK, "soft", None, Path("here"), 3)
        for wrong, says in (
            ("shade=green", "dark, light"),
            ("mode=sof", "did you mean soft"),
            ("widths=a", "whole"),
        ):
            with pytest.raises(UsageError, match=says):
                open_stabilizer(f"typed:{wrong}")


def test_a_run_keeps_them(ganzoo):
    with STABILIZERS.lent("typed", Typed):
        words = "run mlp-gan --dataset ring8 --steps 2 --batch-size 8 --out X --stabilizer"
        assert ganzoo(words, "typed:widths=8+4,shade=light").code == 0
        assert (
            '"typed:widths=8+4,shade=light,mode=soft,least=None,where=here,plain=3"'
            in Path("X/config.json").read_text()
        )
        assert ganzoo("resume X --steps 3").code == 0
        told = ganzoo("info typed").out
        assert "shade          default 'dark' (dark or light)" in told
        assert "least          default None (a number or none)" in told


def test_a_member_with_an_option_that_nobody_could_type_breaks_the_contract(ganzoo):
    class Odd(Stabilizer):
        """Takes what is no text."""

        def __init__(self, table: dict[str, int] | None = None) -> None:
            super().__init__()

    with STABILIZERS.lent("odd", Odd):
        result = ganzoo("plugin check odd")
    assert result.code == 1
    assert "FAIL typed" in " ".join(result.out.split())
