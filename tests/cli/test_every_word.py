"""Every word of every command: explained, completed, told to be quiet; what is wrong is said at once."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click
import files
import numpy as np
import pytest
from click.shell_completion import FishComplete, ShellComplete, ZshComplete
from PIL import Image

from ganzoo.cli.info import uses
from ganzoo.cli.main import ganzoo as tree
from ganzoo.cli.shells import Bash
from ganzoo.registry import DATASETS, REGISTRIES
from ganzoo.running.pretrained import names

MEMBERS = [(plural, name) for plural, registry in REGISTRIES.items() for name in registry.names()]


def commands(command: click.Command = tree, path: str = "ganzoo") -> list[tuple[str, click.Command]]:
    found = [(path, command)]
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            found += commands(below, f"{path} {name}")
    return found


ALL = dict(commands())
OPTIONS = [
    (path, option)
    for path, command in ALL.items()
    for option in command.params
    if isinstance(option, click.Option)
]


@pytest.mark.parametrize(("path", "option"), OPTIONS, ids=[f"{p} {o.opts[-1]}" for p, o in OPTIONS])
def test_every_option_has_a_sentence_and_shows_its_default(path, option):
    assert option.help
    assert option.help.endswith(".")
    assert option.help[0].isupper() or not option.help[0].isalpha()
    with click.Context(ALL[path]) as ctx:
        default = option.get_default(ctx)
    if not option.is_flag and isinstance(default, str | int | float):
        assert option.show_default


@pytest.mark.parametrize("path", ALL)
def test_every_argument_is_explained(path):
    command = ALL[path]
    for argument in command.params:
        if isinstance(argument, click.Argument):
            word = re.search(r"[A-Z]+", argument.metavar or argument.name.upper())[0]
            assert re.search(rf"\b{word}\b", command.help), f"{path}: {word}"


@pytest.mark.parametrize("path", ALL)
def test_every_command_can_be_quiet(path):
    assert any("--quiet" in option.opts for where, option in OPTIONS if where == path)


def test_quiet_is_quiet_but_for_results_and_errors(ganzoo):
    words = "run mlp-gan --dataset ring8 --batch-size 16 --set width=8 --steps 2 --offline"
    loud, quiet = ganzoo(f"{words} --out a"), ganzoo(f"{words} --out b --quiet")
    assert "mlp-gan on ring8" in loud.err
    assert (quiet.code, quiet.err) == (0, "")
    assert quiet.out == loud.out.replace("a", "b", 0).replace(" a", " b")
    assert ganzoo("-q sample b").err == ""
    assert ganzoo("eval b --metric modes --samples 100 -q").err == ""
    assert ganzoo("resume b --steps 3 -q").err == ""
    assert "going on with b" in ganzoo("resume b --steps 4").err  # it was for one command
    assert ganzoo("run dcgan --dataset mnist --offline --dry-run -q").err == ""  # no notice either
    assert ganzoo("run -q mlp-gan --dataset ring9").sentence.startswith("ganzoo: no dataset 'ring9'")
    assert ganzoo("-q sample nothing").sentence.startswith("ganzoo: no run 'nothing'")


# --- completion ---


def completed(line: str) -> list[str]:
    """What click's own mechanism offers at the end of a line."""
    words = line.split(" ")
    shell = ShellComplete(tree, {}, "ganzoo", "_GANZOO_COMPLETE")
    return [item.value for item in shell.get_completions(words[:-1], words[-1])]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ru", ["run", "runs"]),
        ("extractor tr", ["train"]),
        ("run dcg", ["dcgan"]),
        ("run dcgan --dataset ri", ["ring8"]),
        ("run dcgan --dataset=ri", ["ring8"]),
        ("run dcgan --dataset fo", ["folder:"]),
        ("run dcgan --loss hi", ["hinge"]),
        ("run dcgan --stabilizer non", ["none"]),
        ("run dcgan --stabilizer r1:", ["r1:gamma=", "r1:interval="]),
        ("run dcgan --stabilizer r1:g", ["r1:gamma=1.0", "r1:gamma="]),
        ("run dcgan --stabilizer r1:gamma=2,", ["r1:gamma=2,interval=1", "r1:gamma=2,interval="]),
        ("run dcgan --callback tens", ["tensorboard"]),
        ("run dcgan --eval-metric fid", ["fid", "fid-infinity"]),
        ("run dcgan --recipe ", ["default", "paper"]),
        ("run dcgan --set model.w", ["model.width=32", "model.width="]),
        ("run dcgan --dataset mnist --set recipe.n_", ["recipe.n_dis=1", "recipe.n_dis="]),
        ("run dcgan --set n_di", ["n_dis=1", "n_dis="]),
        ("run dcgan --dataset folder:x --set dat", [f"data.{key}=" for key in DATASETS.options("folder")]),
        ("run mlp-gan --set model.g_norm=", ["model.g_norm=true", "model.g_norm=false"]),
        ("run dcgan --device c", ["cpu", "cuda"]),
        ("run dcgan --precision b", ["bf16"]),
        ("eval --metric precision", ["precision-recall"]),
        ("eval --extractor ident", ["identity"]),
        ("eval --dataset folder:x --set si", ["size=0", "size="]),
        ("info dragan", ["dragan"]),
        ("list sta", ["stabilizers"]),
        ("resume --callback tens", ["tensorboard"]),
        ("plugin new x --kind me", ["metric"]),
        ("run nothing --recipe ", ["default", "paper"]),
        ("run dcgan --stabilizer nothing:", []),
        ("run dcgan --dataset folder:/nowhere/", []),
    ],
)
def test_completion(line, offered):
    assert completed(line) == offered


def test_every_name_of_a_member_is_completed():
    for plural, name in MEMBERS:
        where = {
            "models": "run ", "losses": "run dcgan --loss ", "stabilizers": "run dcgan --stabilizer ",
            "metrics": "eval --metric ", "datasets": "run dcgan --dataset ",
            "extractors": "eval --extractor ", "callbacks": "run dcgan --callback ",
        }[plural]  # fmt: skip
        assert name in [word.rstrip(":") for word in completed(f"{where}{name}")]
        assert name in completed(f"info {name}")


def test_paths_of_datasets_and_runs_are_completed():
    for folder in ("pictures/cats", "pictures/.hidden", "runs/0003-x", "runs/0012-y"):
        Path(folder).mkdir(parents=True)
    for run in ("0003-x", "0012-y"):
        Path(f"runs/{run}/config.json").write_text("{}")
    assert completed("run dcgan --dataset folder:pi") == ["folder:pictures/"]
    assert completed("run dcgan --dataset folder:pictures/") == ["folder:pictures/cats/"]
    assert completed("run cyclegan --dataset unpaired:a,pi") == ["unpaired:a,pictures/"]
    for line in ("sample ", "eval "):
        assert sorted(completed(line)) == ["0003-x", "0012-y", *names()]
    for line in ("resume ", "diagnose ", "compare 0003-x ", "rm ", "run --from "):
        assert sorted(completed(line)) == ["0003-x", "0012-y"]
        assert completed(f"{line}1") == ["12"]
        assert completed(f"{line}0012") == ["0012-y"]


def test_runs_to_remove_are_completed_by_number():
    for age, run in enumerate(("0010-x", "0002-x", "0100-x", "0001-x")):
        Path(f"runs/{run}").mkdir(parents=True)
        Path(f"runs/{run}/config.json").write_text("{}")
        os.utime(f"runs/{run}/config.json", (age, age))
    assert completed("rm ") == ["0001-x", "0002-x", "0010-x", "0100-x"]
    assert completed("rm 1") == ["1", "10", "100"]
    assert completed("resume ")[0] == "0001-x"  # the last one


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("ganzoo run dc", ["plain,dcgan"]),
        ("ganzoo run dcgan --dataset folder:pi", ["plain,pic\\ s/"]),  # bash has `folder:` already
        ("ganzoo run dcgan --dataset=ring", ["plain,ring8"]),
        ("ganzoo run dcgan --stabilizer r1:gamma=1,", ["plain,1,interval=1", "plain,1,interval="]),
        ("ganzoo run dcgan --set model.d_n", ["plain,model.d_norm=batch", "plain,model.d_norm="]),
        ("ganzoo bench ", ["file,"]),
    ],
)
def test_bash_is_told_what_stands_behind_the_last_colon(monkeypatch, line, shown):
    Path("pic s").mkdir()
    monkeypatch.setenv("COMP_LINE", f"{line} and more")
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    assert Bash(tree, {}, "ganzoo", "_GANZOO_COMPLETE").complete().splitlines() == shown


@pytest.mark.parametrize("shell", [FishComplete, ZshComplete])
def test_other_shells_by_clicks_own_classes(monkeypatch, shell):
    monkeypatch.setenv("COMP_WORDS", "ganzoo run dcgan --loss hi")
    monkeypatch.setenv("COMP_CWORD", "hi" if shell is FishComplete else "4")
    assert "hinge" in shell(tree, {}, "ganzoo", "_GANZOO_COMPLETE").complete()


COMPLETING = """
import os, sys
from ganzoo.cli.main import main
try:
    main([])
except SystemExit as end:
    print(end.code, 'torch' in sys.modules)
"""


@pytest.mark.parametrize(
    ("line", "code"),
    [("ganzoo run dcgan --set ", 0), ("ganzoo run dcgan --stabilizer r1:", 0), ("ganzoo sample ", 0)],
)
def test_a_completion_imports_no_torch_and_says_nothing_else(line, code):
    own = {"_GANZOO_COMPLETE": "bash_complete", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    done = subprocess.run(
        [sys.executable, "-c", COMPLETING],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == f"{code} False", done.stderr
    assert done.stderr == ""


def test_bash_can_read_the_script():
    own = {**os.environ, "_GANZOO_COMPLETE": "bash_source"}
    script = subprocess.run(
        [sys.executable, "-m", "ganzoo"], env=own, capture_output=True, text=True, check=True
    ).stdout
    assert "complete -o nosort -F _ganzoo_completion ganzoo" in script
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


# --- at once ---

QUICK = [
    "info dcgan",
    "info dcgann",
    "info r1",
    "info folder",
    "run dcgann --dataset mnist",
    "run dcgan --dataset mnits",
    "run dcgan --datset mnist",
    "run dcgan --dataset mnist --loss hing",
    "run dcgan --dataset mnist --steps 0",
    "run dcgan --dataset mnist --stabilizer r1:gama=1",
    "run dcgan --dataset mnist --set widht=3",
    "run dcgan --dataset mnist --eval-metric fidd",
    "run dcgan --dataset mnist --stop-when x",
    "run --from 7",
    "eval --metric fidd",
    "sample 7",
    "resume 7",
    "diagnose 7",
    "compare 1 2",
    "compare a b",
    "runs",
    "rm 7",
    "runn",
    "list modls",
]


@pytest.mark.parametrize("words", QUICK)
def test_names_are_looked_up_without_torch(words):
    program = f"import sys\nfrom ganzoo.cli.main import main\ntry: main({words.split()!r})\n"
    program += "except SystemExit as end: print(end.code or 0, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    code = 0 if words in ("runs",) or (words.startswith("info") and words[-2:] != "nn") else 2
    assert done.stdout.splitlines()[-1] == f"{code} False", done.stderr


# --- what `info` says to try ---


def data(line: str) -> str:
    """The line, with data where it names a path."""
    for folder in ("A", "B"):
        for i in range(4):
            path = Path("PATH", folder, f"{i}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(i).integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(noise).save(path)
    numbers = np.random.default_rng(0).normal(size=(400, 2))
    np.save("vectors.npy", numbers)
    np.savetxt("table.csv", numbers, delimiter=",")
    for word, here in HERE.items():
        if word in line and word.partition(":")[0] in ("hf", "parquet", "wav", "webdataset"):
            files.write(word)
        line = line.replace(word, here)
    return line


HERE = {
    "npy:PATH": "npy:vectors.npy",
    "PATH_A,PATH_B": "PATH/A,PATH/B",
    "csv:FILE": "csv:table.csv",
    "parquet:FILE": "parquet:table.parquet --set data.label=kind",
    "wav:FOLDER": "wav:sounds",
    "webdataset:PATTERN": "webdataset:shard-{000..001}.tar",
    "hf:NAME": "hf:pictures",
    "torchvision:NAME": "torchvision:FakeData",
}


@pytest.mark.parametrize(("plural", "name"), MEMBERS)
def test_what_info_says_to_try_is_what_the_commands_take(plural, name):
    registry = REGISTRIES[plural]
    for line in uses(registry, name, registry.said(name)):
        program, command, *words = shlex.split(line)
        assert program == "ganzoo"
        ALL[f"ganzoo {command}"].make_context(command, words)


ELSEWHERE = {"cifar10", "fashion-mnist"}  # to be downloaded
ELSEWHERE |= {name for name in ("wandb", "mlflow") if find_spec(name) is None}  # which [test] does not bring


@pytest.mark.slow
@pytest.mark.parametrize(("plural", "name"), [pair for pair in MEMBERS if pair[1] not in ELSEWHERE])
def test_what_info_says_to_try_can_be_run(ganzoo, plural, name):
    registry = REGISTRIES[plural]
    for line in uses(registry, name, registry.said(name)):
        words = data(line).removeprefix("ganzoo ")
        if words.startswith("run "):
            batch = " --batch-size 2" if "PATH" in words or plural == "datasets" else ""
            asked = f" --eval-metric {name}" if plural == "metrics" else ""
            result = ganzoo(f"{words}{batch}{asked} --offline --dry-run")
            assert result.code == 0, f"{line}: {result.err}"
