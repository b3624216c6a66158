"""JSON lines that a crash, an editor or a stranger made: skipped and named, and never deleted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal, TypedDict

import pytest

from ganzoo.errors import UsageError, WorkError
from ganzoo.system import lines as json_lines
from ganzoo.system import records
from ganzoo.system.files import write_json
from ganzoo.system.lines import append_line, cut_lines, read_lines
from ganzoo.system.records import Count, Damaged, checked, decoded, parsed
from ganzoo.system.told import tell_again

GOOD = [b'{"step": 1}', b'{"step":2,   "more": [1.50]}', b'{"step": 3}']
BAD = {
    "no JSON": (b'{"step": 2', "not JSON"),
    "no object": (b"[1, 2]", "expected an object, got a list"),
    "not UTF-8": (b'{"step": 2, "a": "\xff"}', "not UTF-8"),
    "UTF-16": ('{"step": 2}'.encode("utf-16-le"), "not JSON"),
    "overflow": (b'{"step": 2, "a": 1e999}', "out of range"),
    "a whole number of 5,000 digits": (b'{"step": 2, "a": ' + b"9" * 5000 + b"}", "out of range"),
    "NaN": (b'{"step": 2, "a": NaN}', "not JSON"),
    "infinity": (b'{"step": 2, "a": -Infinity}', "not JSON"),
    "half a pair": (b'{"step": 2, "a": "\\ud800"}', "not JSON"),
    "nested lists": (b'{"step": 2, "a": ' + b"[" * 100_000, "nested deeper"),
    "nested objects": (b'{"step": ' * 100_000, "nested deeper"),
    "nested a little too deep": (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper"),
    "zeros": (b"\0" * 5000, "not JSON"),
}


class Two(TypedDict):
    a: list[int]


@pytest.fixture(autouse=True)
def anew():
    tell_again()


def write(*lines: bytes, end: bytes = b"\n") -> Path:
    path = Path("x.jsonl")
    path.write_bytes(b"\n".join(lines) + end)
    return path


def steps(path: Path) -> list[int]:
    return [row["step"] for row in read_lines(path)]


def up_to(step: int):
    return lambda row: row["step"] <= step


@pytest.mark.parametrize("how", BAD)
def test_a_bad_line_hides_no_other_and_is_named_once(how, capsys):
    line, wrong = BAD[how]
    path = write(GOOD[0], line, *GOOD[1:])
    for _ in range(2):
        assert steps(path) == [1, 2, 3]
    said = [" ".join(line.split()) for line in capsys.readouterr().err.splitlines()]
    assert len(said) == 1, said
    assert f"{path}, line 2 is left out: " in said[0]
    assert wrong in said[0]
    tell_again()  # another command names it once more
    read_lines(path)
    assert "line 2" in capsys.readouterr().err


@pytest.mark.parametrize("how", BAD)
def test_cutting_keeps_bad_lines_and_the_bytes_of_rows(how):
    line = BAD[how][0]
    path = write(GOOD[0], line, *GOOD[1:])
    cut_lines(path, up_to(2), json_lines.an_object)
    assert path.read_bytes() == b"\n".join([GOOD[0], line, GOOD[1], b""])


@pytest.mark.parametrize("how", BAD)
def test_a_last_line_that_was_cut_off_goes(how):
    line = BAD[how][0]
    path = write(*GOOD, line, end=b"")
    cut_lines(path, up_to(9), json_lines.an_object)
    whole = how == "no object"  # no row, and no line that was cut off either
    assert path.read_bytes() == b"\n".join([*GOOD, *([line] if whole else []), b""])


def test_a_last_row_without_a_newline_gets_one():
    path = write(*GOOD, end=b"")
    assert steps(path) == [1, 2, 3]
    cut_lines(path, up_to(9), json_lines.an_object)
    assert path.read_bytes() == b"\n".join([*GOOD, b""])
    path = write(*GOOD, end=b"")
    cut_lines(path, up_to(2), json_lines.an_object)
    assert path.read_bytes() == b"\n".join([*GOOD[:2], b""])


@pytest.mark.parametrize("lines", [GOOD, [GOOD[0], b"oops", b"", GOOD[1]], [b""], []], ids=len)
def test_a_file_with_nothing_to_cut_is_not_touched(lines, monkeypatch):
    path = write(*lines, end=b"\n" if lines else b"")
    monkeypatch.setattr(json_lines, "whole", None)  # what would write it
    before = path.stat().st_mtime_ns, path.stat().st_ino
    cut_lines(path, up_to(9), json_lines.an_object)
    assert before == (path.stat().st_mtime_ns, path.stat().st_ino)


def test_no_file_has_no_rows():
    assert read_lines(Path("none.jsonl")) == []
    cut_lines(Path("none.jsonl"), up_to(1), json_lines.an_object)
    assert not Path("none.jsonl").exists()


def test_empty_lines_and_carriage_returns_are_nothing_to_speak_of(capsys):
    path = write(GOOD[0], b"", b"  ", GOOD[1] + b"\r", b"")
    assert steps(path) == [1, 2]
    assert capsys.readouterr().err == ""


def test_characters_that_end_lines_elsewhere_end_none_here(capsys):
    path = write(*(json.dumps({"step": 1, "a": f"x{c}y"}, ensure_ascii=False).encode() for c in "\x85\u2028"))
    assert steps(path) == [1, 1]


def test_a_line_of_any_size_takes_no_memory(monkeypatch, capsys):
    for module in (records, json_lines):
        monkeypatch.setattr(module, "LONGEST", 1000)
    read = []
    whole_of = records.parsed
    monkeypatch.setattr(
        json_lines, "parsed", lambda content: (read.append(len(content)), whole_of(content))[1]
    )
    long = b'{"step": 2, "a": "' + b"x" * 100_000 + b'"}'
    path = write(GOOD[0], long, *GOOD[1:])
    assert steps(path) == [1, 2, 3]
    assert max(read) == 1001
    assert "line 2 is left out: it is longer than" in " ".join(capsys.readouterr().err.split())
    cut_lines(path, up_to(2), json_lines.an_object)
    assert path.read_bytes() == b"\n".join([GOOD[0], long, GOOD[1], b""])
    cut_lines(write(*GOOD, long, end=b""), up_to(9), json_lines.an_object)
    assert path.read_bytes() == b"\n".join([*GOOD, b""])


@pytest.mark.long
def test_two_gigabytes_without_a_newline(capsys):
    path = write(*GOOD)
    with path.open("ab") as file:
        file.truncate(2**31)  # zeros that take no room
    assert steps(path) == [1, 2, 3]
    assert "line 4 is left out" in " ".join(capsys.readouterr().err.split())
    cut_lines(path, up_to(2), json_lines.an_object)
    assert path.read_bytes() == b"\n".join([*GOOD[:2], b""])


def test_of_many_bad_lines_ten_are_named(capsys):
    path = write(*[b"oops"] * 1234, *GOOD)
    assert steps(path) == [1, 2, 3]
    said = capsys.readouterr().err
    assert said.count("is left out") == 10
    assert "1,224 more lines are left out" in said


def test_a_new_row_stands_apart_from_one_that_was_cut_off(capsys):
    path = write(GOOD[0], b'{"step": 2, "sc', end=b"")
    append_line(path, {"step": 3})
    append_line(path, {"step": 4})
    assert steps(path) == [1, 3, 4]
    assert path.read_bytes() == b'{"step": 1}\n{"step": 2, "sc\n{"step": 3}\n{"step": 4}\n'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("put", [append_line, write_json])
def test_numbers_that_could_not_be_read_again_are_not_written(value, put):
    path = write(GOOD[0])
    with pytest.raises(WorkError, match=r"cannot write x\.jsonl"):
        put(path, {"step": 2, "a": value})
    assert path.read_bytes() == GOOD[0] + b"\n"


def test_text_that_is_no_unicode():
    path = write(GOOD[0])
    with pytest.raises(WorkError, match=r"cannot write x\.jsonl: .*a.udcff.* is no Unicode"):
        write_json(path, {"dataset": "a\udcff"})
    append_line(path, {"step": 2, "run": "a\udcff"})  # a mere record
    assert read_lines(path) == [{"step": 1}, {"step": 2, "run": "a?"}]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read():
    path = write(*GOOD)
    path.chmod(0)
    with pytest.raises(UsageError, match=r"x\.jsonl cannot be read: "):
        read_lines(path)


def test_a_folder_in_its_place():
    Path("x.jsonl").mkdir()
    for read in (read_lines, lambda path: cut_lines(path, up_to(1), json_lines.an_object)):
        with pytest.raises(UsageError, match=r"x\.jsonl cannot be read: Is a directory"):
            read(Path("x.jsonl"))


@pytest.mark.parametrize("how", BAD)
def test_content_is_refused_in_a_sentence(how):
    content, wrong = BAD[how]
    with pytest.raises(Damaged) as caught:
        decoded(content, dict[str, float | list[float] | str])
    assert wrong in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_value_of_another_type_is_named_by_its_place():
    with pytest.raises(Damaged, match=r"^a\[1\]: expected a whole number, got text$"):
        decoded(b'{"a": [1, "x"]}', Two)
    with pytest.raises(Damaged, match="object missing required field a"):
        decoded(b"{}", Two)
    with pytest.raises(Damaged, match="expected a whole number >= 0"):
        checked(-1, Count)
    with pytest.raises(Damaged, match=r"^invalid enum value 'xxx+[.][.][.]x+'$") as caught:
        checked("x" * 5000, Literal["a", "b"])
    assert len(str(caught.value)) < 200
    with pytest.raises(Damaged, match="expected a whole number, got true or false"):
        checked(True, Count)


def test_brackets_in_texts_are_no_nesting():
    text = "[{" * 1000 + '\\"' + "[" * 100
    assert parsed(json.dumps({"a": text, "b": [1]})) == {"a": text, "b": [1]}
    deep = "[" * 64 + "]" * 64
    assert json.dumps(parsed(deep)) == deep


def test_keys_that_nobody_asked_for_stay():
    assert decoded(b'{"a": [1], "b": "mine"}', Two) == {"a": [1], "b": "mine"}
