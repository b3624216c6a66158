"""Text on a terminal: shown as it is, in one line, with nothing in it that a terminal or rich obeys."""

from __future__ import annotations

import io
import json
import shlex
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from ganzoo.cli.main import never_fail_to_show
from ganzoo.system import bars
from ganzoo.system.bars import Words
from ganzoo.system.console import Grid, Terminal, notice, plain, say, say_json, typed

EVIL = "a\x1b[31m\x1b]0;t\x07\x9b1m\r\nforged\t\x7f\u202e\u2066\u200b\u2028\ufe0f\U000e0041"
SHOWN = r"a\x1b[31m\x1b]0;t\x07\x9b1m\r\nforged\t\x7f\u202e\u2066\u200b\u2028\ufe0f\U000e0041"
EVIL, SHOWN = (f"{text}[bold]x[/][/nope]:cat:" for text in (EVIL, SHOWN))


def is_clean(text: str) -> bool:
    """Whether only line breaks and characters that are seen are in it."""
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return not any(unicodedata.category(c) in hidden or c in "\ufe0f\u3164" for c in text.replace("\n", ""))


def test_what_is_not_seen_is_shown():
    assert plain(EVIL) == SHOWN


@pytest.mark.parametrize(
    "text", ["", "mnist-5k", "Größe 4 ± 1", "猫\u3000と\xa0犬", "\U0001f408", "a\\b", "e\u0301"]
)
def test_what_is_seen_stays(text):
    assert plain(text) == text


def test_bytes_of_a_name_that_is_not_utf8():
    assert plain(b"caf\xe9\xff".decode(errors="surrogateescape")) == r"caf\xe9\xff"


@given(st.text())
def test_any_text_becomes_one_clean_line_that_can_be_written(text):
    assert is_clean(plain(text))
    assert "\n" not in plain(text)
    assert plain(plain(text)) == plain(text)
    plain(text).encode()


def printed(*things, width: int = 200, **how) -> str:
    file = io.StringIO()
    terminal = Terminal(file=file, width=width, **how)
    for thing in things:
        terminal.print(thing)
    return file.getvalue()


def test_a_line_is_one_line(capsys):
    say(EVIL, (EVIL, "bold"))
    notice(EVIL)
    output = capsys.readouterr()
    assert output.out == f"{SHOWN}{SHOWN}\n"
    assert output.err == f"note: {SHOWN}\n"


def test_whoever_prints_on_it_steers_nothing():
    for thing in (EVIL, Text(EVIL), Text("b", style="bold") + Text(EVIL)):
        assert is_clean(printed(thing)), thing
    assert "[bold]x[/][/nope]:cat:" in printed(EVIL)


def test_styles_are_still_styles():
    styled = printed(Text("b", style="bold"), Text("\x1b[32m"), force_terminal=True, color_system="standard")
    assert styled == "\x1b[1mb\x1b[0m\n" + r"\x1b[32m" + "\n"


def test_cells_and_titles_are_text_of_one_line():
    table = Grid()
    table.column(EVIL, "second")
    table.column("b")
    table.row(EVIL, (EVIL, "bold"))
    lines = printed(table, width=400).splitlines()
    assert [line.split() for line in lines] == [[SHOWN], ["second", "b"], [SHOWN, SHOWN]]


def test_bars_show_names_as_text(monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(bars, "stderr", Terminal(file=file, width=400, force_terminal=True))
    assert list(bars.track([1, 2], EVIL, 2)) == [1, 2]
    assert list(bars.stages([EVIL, "b"], EVIL)) == [EVIL, "b"]
    assert SHOWN in file.getvalue()
    assert "\x1b]0" not in file.getvalue()


def test_a_column_of_a_bar_is_text():
    bar = bars.bar()
    bar.add_task("[/]:cat:")
    assert Words("{task.description}").render(bar.tasks[0]).plain == "[/]:cat:"


def test_json_is_what_it_was(capsys):
    say_json({EVIL: [EVIL, "ü"]})
    text = capsys.readouterr().out
    assert json.loads(text) == {EVIL: [EVIL, "ü"]}
    assert is_clean(text)
    assert text.isascii()


def test_a_command_to_be_copied_is_one_command():
    words = ["ganzoo", "resume", "a; rm -rf ~", "$(x)", "`x`", "it's", "", "\x1b\n", Path("-x"), "-n"]
    shown = typed(*words)
    assert shlex.split(shown) == [*words[:7], r"\x1b\n", "./-x", "-n"]
    assert is_clean(shown)


def test_a_stream_that_lacks_a_character_shows_its_escape(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    never_fail_to_show()
    say("1 ± 2")
    stream.flush()
    assert stream.buffer.getvalue() == b"1 \\xb1 2\n"
