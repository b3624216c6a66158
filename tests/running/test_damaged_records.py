"""Records that were damaged in some way: each command says a sentence or does its work, and deletes nothing.

A case follows from its number: `one_case(number)` is the same everywhere.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import ganzoo as package
from ganzoo.bench import starting
from ganzoo.bench.cells import plan_cells
from ganzoo.bench.suite import read_suite
from ganzoo.bench.work import COST, RESULT, work
from ganzoo.cli.main import main
from ganzoo.errors import UsageError, WorkError
from ganzoo.system.lines import read_lines

SUITE = """
model = "mlp-gan"
dataset = "ring8"
metric = ["modes"]
samples = 200
steps = 4
batch-size = 8
seeds = 2
set = { "model.width" = 8, "model.d_width" = 8 }
"""
WORDS = {"steps": 6, "batch_size": 8, "checkpoint_every": 3, "eval_metric": ["modes"], "eval_every": 3}
SMALL = {"model.width": 8, "model.d_width": 8}


def cells() -> list:
    return plan_cells(read_suite(Path("tiny.toml")), threads=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two runs, and a suite of two cells with its results; nothing in it is damaged."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for seed, out in enumerate("ab"):
            run = package.train(
                "mlp-gan", "ring8", out=out, seed=seed, set=SMALL, stabilizer=["r1"], progress=False, **WORDS
            )
            run.evaluate(["modes"], samples=200, progress=False)
            (
                run.path / "checkpoints" / "step-00000006.safetensors"
            ).unlink()  # so that there is something to resume
        Path("tiny.toml").write_text(SUITE)
        for cell in cells():
            put(cell)
        with pytest.raises(SystemExit) as done:
            main(["bench", "tiny.toml"])  # which records them
        assert not done.value.code
        for picture in folder.rglob("*.png"):
            picture.unlink()
    return folder


def put(cell) -> None:
    """What the process of a cell would leave."""
    folder = cell.folder(Path("results/tiny"))
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(cell.config.as_json()))
    outcome = work(folder, {"evaluation": dict(cell.evaluation), "alone": True})
    (folder / RESULT).write_text(json.dumps({"hash": cell.hash, **outcome}))


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Nothing is drawn, and the process of a cell ends at once and has done nothing."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setattr(starting.sys, "executable", str(script))
    monkeypatch.setattr(starting, "FORKS", False)
    monkeypatch.setattr("ganzoo.data.pictures.picture", lambda *_, **__: None)  # most of the time


# What is done to a file

DEEP = "DEEP"  # stands for 100,000 brackets, which Python could not write
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 0.5, -0.5, 10**12, -(10**12), 2**63, 10**30, 10**400, 1e308, -1e308, 1e-320,
    float("nan"), float("inf"), "", "x", "1", "\0", "a/../b", "é\u2028\x1b[31m", "x" * 900, [], {}, [[]],
    [None], [1, 100_000, 100_000], {"a": 1}, {"a": {"b": [{}]}}, DEEP,
]  # fmt: skip


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Of all that is in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [
        *([path] if path else []),
        *(place for key, part in inner for place in places(part, (*path, key))),
    ]


def altered(text: bytes, dice: random.Random) -> bytes:
    """A JSON text with one value gone, replaced, put in brackets, or under another key."""
    value = json.loads(text)
    place = dice.choice(places(value))
    holder = value
    for key in place[:-1]:
        holder = holder[key]
    how, old = (
        dice.choice(["drop", "replace", "replace", "replace", "wrap", "rename", "negate"]),
        holder[place[-1]],
    )
    if how == "drop":
        del holder[place[-1]]
    elif how == "wrap":
        holder[place[-1]] = dice.choice([[old], {"x": old}, str(old), [old, old]])
    elif how == "rename" and isinstance(holder, dict):
        holder[dice.choice(["", "x", "@", f"{place[-1]} "])] = holder.pop(place[-1])
    elif how == "negate" and isinstance(old, int | float):
        holder[place[-1]] = -old
    else:
        holder[place[-1]] = dice.choice(VALUES)
    return json.dumps(value, ensure_ascii=dice.random() < 0.5).replace(f'"{DEEP}"', "[" * 100_000).encode()


def mangled(content: bytes, dice: random.Random) -> bytes:
    """Bytes as a crash, a bad disk or an editor leaves them."""
    at = dice.randrange(len(content))
    lines = content.splitlines(keepends=True)
    i, j = dice.randrange(len(lines)), dice.randrange(len(lines))
    flipped = bytearray(content)
    for _ in range(dice.choice([1, 1, 5])):
        flipped[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    swapped = [*lines]
    swapped[i], swapped[j] = lines[j], lines[i]
    junk = [
        b"\0" * 50,
        b"\xff\xfe",
        b"NaN\n",
        b"[" * 100_000 + b"\n",
        b"null\n",
        b"{}\n",
        b"\n",
        b"9" * 5000 + b"\n",
    ]
    return dice.choice([
        content[:at],
        content[at:],
        bytes(flipped),
        bytes(flipped),
        b"".join(swapped),
        b"".join([*lines[:i], lines[j], *lines[i:]]),
        b"".join([*lines[:i], dice.choice(junk), *lines[i:]]),
        content[:at] + dice.choice(junk) + content[at:],
        content.decode(errors="replace").encode(dice.choice(["utf-16", "utf-8-sig", "utf-32"])),
        b"",
    ])  # fmt: skip


def damage(path: Path, dice: random.Random) -> None:
    content = path.read_bytes()
    for _ in range(dice.choice([1, 1, 1, 2])):
        if not content or dice.random() < 0.3:
            content = mangled(content, dice) if content else content
        elif path.suffix == ".json":
            content = tried(content, dice)
        else:
            lines = content.splitlines(keepends=True)
            i = dice.randrange(len(lines))
            lines[i] = tried(lines[i], dice) + b"\n"
            content = b"".join(lines)
    path.write_bytes(content)


def tried(text: bytes, dice: random.Random) -> bytes:
    try:
        return altered(text, dice)
    except (ValueError, IndexError, RecursionError):  # it was damaged before
        return mangled(text, dice) if text else text


# What is done with it

RUN = ("config.json", "log.jsonl", "metrics.jsonl")
CASES = {  # command: its weight, and the files that it may meet damaged
    "sample a -n 4 --out x.npz": (3, RUN[:1]),
    "eval a --metric modes --samples 50": (1, RUN),
    "resume a": (1, RUN),
    "resume a --steps 7 --reschedule": (1, RUN),
    "compare a b": (3, ("config.json", "metrics.jsonl")),
    "compare b a --json": (3, ("config.json", "metrics.jsonl")),
    **{f"table results --format {how}": (4, ("tiny.jsonl",)) for how in ("rich", "md", "csv", "json")},
    "table results/tiny.jsonl --where seed=0": (1, ("tiny.jsonl",)),
    "table results --metric modes --shared-cost": (1, ("tiny.jsonl",)),
    "bench tiny.toml": (1, ("tiny.jsonl", RESULT, "config.json")),
    "work": (1, (COST, "log.jsonl", "config.json")),
}


def one_case(number: int, whole: Path, ganzoo) -> None:
    dice = random.Random(number)
    command = dice.choices(list(CASES), [weight for weight, _ in CASES.values()])[0]
    name = dice.choice(CASES[command][1])
    for there in ("a", "b", "results"):
        shutil.rmtree(there, ignore_errors=True)
    shutil.copytree(whole, ".", dirs_exist_ok=True)
    path = Path("a", name)
    if name == "tiny.jsonl":
        path = Path("results", name)
    elif command in ("bench tiny.toml", "work"):
        path = unrecorded() / name
    if command == "work" and dice.random() < 0.3:
        shutil.rmtree(path.parent / "checkpoints")  # it trains as well
    damage(path, dice)
    before, told = path.read_bytes(), f"case {number}: {command}, {path} is damaged"
    if command == "work":
        in_its_process(path.parent)
    else:
        result = ganzoo(command)
        told += f"\n{result.err[-2000:]}"
        assert result.code in (0, 1, 2), told
        assert not re.search(r"failed: \w+(Error|Warning|Exception)|Error: ", result.err), told
        assert not result.code or len(result.sentence) < 4000, told
    if not command.startswith(("resume", "bench", "work")):  # which may cut what was cut off
        assert path.read_bytes().startswith(before), told


def unrecorded() -> Path:
    """The run folder of the suite's first cell, whose result nobody has recorded yet."""
    suite = Path("results/tiny.jsonl")
    row, *others = read_lines(suite)
    suite.write_text("".join(json.dumps(other) + "\n" for other in others))
    folder = Path("results", row["run"])
    (folder / RESULT).write_text(json.dumps(row))
    return folder


def in_its_process(folder: Path) -> None:
    with suppress(UsageError, WorkError):
        work(folder, {"evaluation": {"metrics": ["modes"], "samples": 50}, "alone": True})


WRONG = [
    "",
    "{}",
    "[]",
    '{"step": -1, "t": 0}',
    '{"step": 1, "t": NaN}',
    '{"step": 1, "t": 2}',
    "[" * 100_000,
]


@pytest.mark.parametrize("meta", [{}, *({"ganzoo": text} for text in WRONG)], ids=range(8))
def test_what_the_weights_say_of_themselves(meta, whole, ganzoo):
    shutil.copytree(whole / "a", "a")
    weights = Path("a/generator.safetensors")
    save_file(load_file(weights), weights, meta)
    result = ganzoo("sample a --out x.npz")
    assert (result.code, Path("x.npz").exists()) == (2, False)
    assert result.sentence.startswith(f"ganzoo: {weights} ")


def test_a_bad_line_survives_a_resumption(whole, ganzoo):
    """Once, it hid all that came after, which was deleted then."""
    shutil.copytree(whole / "a", "a")
    log = Path("a/log.jsonl")
    first, *others = log.read_bytes().splitlines(keepends=True)
    assert len(others) == 5  # up to step 6, and the checkpoint is of step 3
    log.write_bytes(b"".join([first, b'{"step": "two"}\n', *others, b'{"step": 7, "im']))
    result = ganzoo("resume a")
    said = " ".join(result.err.split())
    assert said.count("line 2 is left out: step: expected a whole number, got text") == 1
    lines = log.read_bytes().splitlines(keepends=True)
    assert lines[:4] == [first, b'{"step": "two"}\n', *others[:2]]
    assert [json.loads(line)["step"] for line in lines] == [1, "two", 2, 3, 4, 5, 6]


@pytest.mark.parametrize("batch", range(10))
def test_a_command_on_damaged_records(batch, whole, ganzoo, quick):
    for number in range(30 * batch, 30 * (batch + 1)):
        one_case(number, whole, ganzoo)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(50))
def test_many_more_of_them(batch, whole, ganzoo, quick):
    for number in range(1000 + 100 * batch, 1000 + 100 * (batch + 1)):
        one_case(number, whole, ganzoo)
