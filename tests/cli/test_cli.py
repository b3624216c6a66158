"""The command line as a person and as a program use it: what is printed where, and what is written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from little import OF_IMAGES
from PIL import Image
from safetensors.numpy import load_file

from ganzoo.cli.commands import OWN
from ganzoo.cli.main import main
from ganzoo.registry import DATASETS, REGISTRIES

RING = "--dataset ring8 --batch-size 16 --set model.width=8 --set model.d_width=8"
DIGITS = "--dataset mnist-5k --batch-size 8 --set model.width=4 --set z_dim=8"
NAMES = [(plural, name) for plural, registry in REGISTRIES.items() for name in registry.names()]


@pytest.fixture
def config(ganzoo):
    """config("--lr 1"): what a run with these words would be, from --dry-run."""

    def of(words: str, base: str = f"run mlp-gan {RING}") -> dict:
        result = ganzoo(f"{base} {words} --dry-run")
        assert result.code == 0, result.err
        return json.loads(result.out)

    return of


def trained(folder: Path, words: str) -> Path:
    with pytest.raises(SystemExit) as end:
        main([*words.split(), "--out", str(folder)])
    assert not end.value.code
    return folder


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    """A run of 2 steps on ring8, to look at only."""
    return trained(tmp_path_factory.mktemp("ring") / "run", f"run mlp-gan {RING} --steps 2")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A conditional run of 2 steps on mnist-5k, to look at only."""
    return trained(tmp_path_factory.mktemp("digits") / "run", f"run dcgan {DIGITS} --steps 2 --conditional")


def read(path: str) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


@pytest.fixture(scope="module")
def plain_settings(ring):
    """The settings where nothing is asked for but the small sizes (and 2 steps)."""
    return json.loads((ring / "config.json").read_text())


def cold(*words: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    command = [sys.executable, *python, "-m", "ganzoo", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


# --- looking around ---


@pytest.mark.parametrize(
    "words", ["--help", "--version", "list", "list --json", *(f"{command} --help" for command in OWN)]
)
def test_light_commands_import_neither_torch_nor_members(words):
    result = cold(*words.split(), python=("-X", "importtime"))
    assert result.returncode == 0, result.stderr
    assert result.stdout
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "ganzoo.cli.main" in imported  # the report is there at all
    heavy = (
        r"(torch|torchvision|numpy|matplotlib|PIL)(\.|$)|ganzoo\.(models|losses|stabilizers|data|training)"
    )
    assert not [name for name in imported if re.match(heavy, name)]


def test_help_tells_of_every_command(ganzoo):
    result = ganzoo("--help")
    assert result.code == 0
    for command in OWN:
        assert re.search(rf"^  {command} ", result.out, re.MULTILINE)
        assert ganzoo(f"{command} --help").out.startswith(f"Usage: ganzoo {command} ")


def test_without_words_it_shows_what_can_be_typed(ganzoo):
    result = ganzoo("")
    assert result.code == 2
    assert result.out == ""
    assert "ganzoo run dcgan --dataset mnist" in result.err


def test_version(ganzoo):
    from importlib.metadata import version

    assert ganzoo("--version") == (0, f"ganzoo, version {version('ganzoo-torch')}\n", "")


def test_list_json_is_the_documented_shape_and_nothing_else(ganzoo):
    result = ganzoo("list --json")
    assert result.code == 0
    assert result.err == ""
    rows = json.loads(result.out)
    assert [list(row) for row in rows] == [["name", "kind", "distribution", "version", "summary"]] * len(rows)
    assert {type(value) for row in rows for value in row.values()} == {str}
    assert [(row["kind"], row["name"]) for row in rows] == [
        (REGISTRIES[plural].kind, name) for plural, name in NAMES
    ]


@pytest.mark.parametrize("plural", REGISTRIES)
def test_list_of_one_kind(ganzoo, plural):
    rows = json.loads(ganzoo(f"list {plural} --json").out)
    assert [row["name"] for row in rows] == REGISTRIES[plural].names()


def test_list_as_a_table_has_every_name(ganzoo):
    result = ganzoo("list")
    assert result.err == ""
    words = set(result.out.split())
    assert {name for _, name in NAMES} <= words


def test_list_check_finds_no_fault(ganzoo):
    assert ganzoo("list --check").code == 0
    rows = json.loads(ganzoo("list --check --json").out)
    assert {row["fault"] for row in rows} == {""}


@pytest.mark.parametrize("words", ["list", "list --json", "--help"])
def test_a_reader_that_has_read_enough_sees_no_traceback(words):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "ganzoo", *words.split()]
    result = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert result.stderr == b""


LEFT_OUT = ("sample_shape", "num_classes", "condition_shape", "kind", "path", "root", "offline")


@pytest.mark.parametrize(("plural", "name"), NAMES)
def test_info_tells_what_it_is_and_its_options(ganzoo, plural, name):
    from ganzoo.registry.options import options_of

    result = ganzoo(f"info {name}")
    assert result.code == 0
    assert result.err == ""
    member, kind = REGISTRIES[plural].get(name), REGISTRIES[plural].kind
    head = f"{name} is {'an' if kind[0] == 'e' else 'a'} {kind} of ganzoo-torch "
    assert any(line.startswith(head) for line in result.out.splitlines())  # a dataset may have that name too
    assert member.__doc__.partition("\n")[0] in result.out
    for key in options_of(member, LEFT_OUT):
        assert re.search(rf"^  {key} +(required( \(.+\))?|default .+)$", result.out, re.MULTILINE)
    if plural in ("models", "losses"):  # their papers
        assert re.search(r"[A-Z]\w+.* (19|20)\d\d\b", result.out)
    for recipe in getattr(member, "recipes", {}):
        title = recipe.replace("/", " for ")
        assert re.search(rf"recipe {title} \(.+\)\n(  .+\n)*  optimizer_g\.lr +\d", result.out)
    assert re.search(rf"^try it\n(  ganzoo .+\n)*  ganzoo .*\b{name}\b", result.out, re.MULTILINE)


def test_info_advises_data_that_a_model_takes(ganzoo):
    for name, data in (
        ("wavegan", "waves"),
        ("pix2pix", "pairs:PATH"),
        ("cyclegan", "unpaired:PATH_A,PATH_B"),
    ):
        assert f"try it\n  ganzoo run {name} --dataset {data}\n  ganzoo eval" in ganzoo(f"info {name}").out
    assert "ring8" not in ganzoo("info dcgan").out
    assert "--dataset ring8" in ganzoo("info mlp-gan").out


# --- run ---


def test_run_writes_a_run_folder_and_says_two_lines(ganzoo):
    result = ganzoo(f"run mlp-gan {RING} --steps 6 --out X")
    assert result.code == 0
    assert result.out == "pictures: X/samples/step-00000006.png\nnext:     ganzoo sample X\n"
    out = Path("X")
    assert {path.name for path in out.iterdir()} == {
        "config.json", "data-card.safetensors", "log.jsonl", "samples", "checkpoints",
        "generator.safetensors",
    }  # fmt: skip
    config = json.loads((out / "config.json").read_text())
    assert (config["model"], config["dataset"], config["seed"]) == ("mlp-gan", "ring8", 0)
    assert (config["recipe"]["steps"], config["recipe"]["batch_size"]) == (6, 16)
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [(row["step"], row["images"]) for row in rows] == [(step, 16 * step) for step in range(1, 7)]
    assert {"d_loss", "g_loss", "d_real", "d_fake", "images_per_s"} <= set(rows[0])
    assert [path.name for path in sorted((out / "checkpoints").iterdir())] == ["step-00000006.safetensors"]
    pictures = sorted((out / "samples").glob("*.png"))
    assert pictures[-1].name == "step-00000006.png"
    for picture in pictures:
        with Image.open(picture) as image:
            image.verify()
    assert all(np.isfinite(weight).all() for weight in load_file(out / "generator.safetensors").values())


def test_runs_are_numbered_and_the_newest_is_meant(ganzoo):
    for seed in (0, 7):
        assert ganzoo(f"run mlp-gan {RING} --steps 1 --seed {seed}").code == 0
    names = ["0001-mlp-gan-ring8-s0", "0002-mlp-gan-ring8-s7"]
    assert sorted(path.name for path in Path("runs").iterdir()) == names
    assert ganzoo("sample").out == f"runs/{names[1]}/samples/sample-s0.png\n"
    assert Path(f"runs/{names[1]}/samples/sample-s0.png").is_file()
    assert ganzoo("sample 0001-mlp-gan-ring8-s0 --out a.npz").code == 0
    assert ganzoo("sample runs/0001-mlp-gan-ring8-s0 --out b.npz").code == 0
    assert np.array_equal(read("a.npz")["samples"], read("b.npz")["samples"])
    assert f"runs/{names[1]} has done its 1 steps" in ganzoo("resume").out


def test_dry_run_prints_the_settings_and_writes_nothing(ganzoo, tmp_path):
    result = ganzoo(f"run mlp-gan {RING} --steps 6 --out X --dry-run")
    assert result.code == 0
    assert json.loads(result.out)["recipe"]["steps"] == 6
    assert list(tmp_path.iterdir()) == []


def test_dry_run_is_what_a_run_records(ganzoo, config):
    words = "--steps 2 --label-smoothing 0.2 --lr-d 0.01"
    planned = config(words)
    ganzoo(f"run mlp-gan {RING} {words} --out X")
    recorded = json.loads(Path("X/config.json").read_text())
    for settings in (planned, recorded):
        settings.pop("provenance")
    assert recorded == planned


def test_notices_leave_stdout_to_programs(ganzoo):
    result = ganzoo("run dcgan --dataset mnist --offline --dry-run")
    assert json.loads(result.out)["dataset"] == "mnist-5k"
    assert result.err.startswith("note: ")
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "where", "value"),
    [
        ("--set model.width=24", "model_options.width", 24),
        ("--set width=24", "model_options.width", 24),
        ("--set model.g_norm=yes", "model_options.g_norm", True),
        ("--set d_norm=spectral", "model_options.d_norm", "spectral"),
        ("--set dropout=0.25", "model_options.dropout", 0.25),
        ("--set recipe.n_dis=3", "recipe.n_dis", 3),
        ("--set n_dis=3", "recipe.n_dis", 3),
        ("--set optimizer_g.beta1=0.9", "recipe.optimizer_g.beta1", 0.9),
        ("--set optimizer_d.kind=rmsprop", "recipe.optimizer_d.kind", "rmsprop"),
        ("--set lr_schedule.kind=cosine", "recipe.lr_schedule.kind", "cosine"),
        ("--set ema_halflife=0", "recipe.ema_halflife", 0.0),
        ("--set loss=hinge", "recipe.loss", "hinge"),
        ("--loss wasserstein", "recipe.loss", "wasserstein"),
        ("--n-dis 5", "recipe.n_dis", 5),
        ("--batch-size 12", "recipe.batch_size", 12),
        ("--steps 77", "recipe.steps", 77),
        ("--seed 9", "seed", 9),
        ("--lr 0.003", "recipe.optimizer_g.lr", 0.003),
        ("--lr 0.003", "recipe.optimizer_d.lr", 0.003),
        ("--lr 0.003 --lr-d 0.004", "recipe.optimizer_g.lr", 0.003),
        ("--lr 0.003 --lr-d 0.004", "recipe.optimizer_d.lr", 0.004),
        ("--lr-g 0.004", "recipe.optimizer_g.lr", 0.004),
        ("--recipe paper", "recipe_name", "paper"),
        ("--recipe paper", "recipe.ema_halflife", 0.0),
        ("--recipe paper --loss hinge", "recipe.loss", "hinge"),
        ("--conditional", "conditional", True),
        ("--precision bf16", "precision", "bf16"),
        ("--checkpoint-every 5", "checkpoint_every", 5),
        ("--device cpu", "device", "cpu"),
        ("--offline", "data_options.offline", True),
        ("--stabilizer clip-grad-norm:max=0.5,net=d", "recipe.stabilizers", ["clip-grad-norm:max=0.5,net=d"]),
        ("--stabilizer clip-grad-value", "recipe.stabilizers", ["clip-grad-value:max=0.01,net=both"]),
        ("--label-smoothing 0.1", "recipe.stabilizers", ["label-smoothing:amount=0.1"]),
        ("--skip-d-below 0.2", "recipe.stabilizers", ["skip-d:below=0.2,momentum=0.9,max_skips=10"]),
        (
            "--stabilizer unit-grad-norm:net=g --label-smoothing 0.25",
            "recipe.stabilizers",
            ["unit-grad-norm:net=g", "label-smoothing:amount=0.25"],
        ),
        ("--set d_norm=none --stabilizer gradient-normalization", "recipe.stabilizers",
         ["gradient-normalization"]),
    ],
)  # fmt: skip
def test_words_land_in_the_settings(config, plain_settings, words, where, value):
    found, plain = config(words), plain_settings
    for key in where.split("."):
        found, plain = found[key], plain[key]
    assert found == value
    if "cpu" not in words:
        assert plain != value, "this is the default: the test would pass without the option"


def test_gradient_normalization_with_dcgan_once_its_d_has_another_norm(config):
    words = "--stabilizer gradient-normalization --set d_norm=layer"
    settings = config(words, base=f"run dcgan {DIGITS}")
    assert settings["recipe"]["stabilizers"] == ["gradient-normalization"]  # the recipe's do not go with it
    assert settings["model_options"]["d_norm"] == "layer"


def test_epochs_are_passes_of_d_over_the_data(config):
    settings = config("--epochs 0.5 --n-dis 2", base=f"run dcgan {DIGITS}")
    assert settings["recipe"]["steps"] == 0.5 * 4000 / 8 / 2


def test_a_key_that_two_have_must_say_whose(ganzoo, monkeypatch):
    class Wide(DATASETS.get("ring8")):
        def __init__(self, width: int = 1) -> None:
            super().__init__()
            self.fingerprint = f"wide-{width}"

    monkeypatch.setattr(DATASETS, "_added", {"wide": Wide})
    words = "run mlp-gan --dataset wide --dry-run --set"
    result = ganzoo(words, "width=5")
    assert result.code == 2
    assert "model.width or data.width" in result.err
    settings = json.loads(ganzoo(words, "data.width=5").out)
    assert settings["data_options"]["width"] == 5
    assert settings["data_fingerprint"] == "wide-5"
    assert json.loads(ganzoo(words, "model.width=5").out)["model_options"]["width"] == 5


def test_every_model_trains_one_step_on_what_it_can_build(ganzoo):
    for name in OF_IMAGES:
        result = ganzoo(f"run {name} --dataset mnist-5k --steps 1 --batch-size 8 --out {name}")
        assert result.code == 0, result.err
        assert Path(name, "generator.safetensors").is_file()


def test_a_run_on_ones_own_vectors(ganzoo):
    np.save("mine.npy", np.random.default_rng(0).normal(3.0, 2.0, (40, 3)))
    result = ganzoo("run mlp-gan --dataset npy:mine.npy --steps 2 --batch-size 8 --set width=8")
    assert result.code == 0, result.err
    assert [path.name for path in Path("runs").iterdir()] == ["0001-mlp-gan-mine.npy-s0"]
    ganzoo("sample -n 5 --out x.npz")
    assert read("x.npz")["samples"].shape == (5, 3)


def test_a_run_on_ones_own_images(ganzoo):
    noise = np.random.default_rng(0).integers(0, 256, (12, 20, 24, 3), dtype=np.uint8)
    for i, pixels in enumerate(noise):
        path = Path("mine", "ab"[i % 2], f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    words = "run dcgan --dataset folder:mine --steps 1 --batch-size 4 --set width=4 --set data.size=16"
    result = ganzoo(f"{words} --conditional --out X")
    assert result.code == 0, result.err
    assert ganzoo("sample X -n 4 --class b --out x.npz").code == 0
    arrays = read("x.npz")
    assert arrays["samples"].shape == (4, 3, 16, 16)
    assert arrays["labels"].tolist() == [1, 1, 1, 1]


def test_cold_process_from_run_to_sample():
    result = cold("run", "mlp-gan", *RING.split(), "--steps", "1", "--out", "X")
    assert (result.returncode, result.stdout) == (
        0,
        "pictures: X/samples/step-00000001.png\nnext:     ganzoo sample X\n",
    )
    assert result.stderr.startswith("mlp-gan on ring8, without its labels: 1 steps of batch 16 on ")


# --- sample ---


def test_vectors_are_float32_in_the_units_of_the_data(ganzoo, ring):
    result = ganzoo(f"sample {ring} -n 12 --out x.npz")
    assert result == (0, "x.npz\n", "")
    arrays = read("x.npz")
    assert list(arrays) == ["samples"]
    assert arrays["samples"].dtype == np.float32
    assert arrays["samples"].shape == (12, 2)


def test_images_are_uint8_with_labels_when_conditional(ganzoo, digits):
    assert ganzoo(f"sample {digits} -n 12 --out x.npz").code == 0
    arrays = read("x.npz")
    assert sorted(arrays) == ["labels", "samples"]
    assert arrays["samples"].dtype == np.uint8
    assert arrays["samples"].shape == (12, 1, 28, 28)
    assert arrays["labels"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_one_class(ganzoo, digits):
    ganzoo(f"sample {digits} -n 12 --out all.npz")
    assert ganzoo(f"sample {digits} -n 12 --class 3 --out three.npz").code == 0
    every, threes = read("all.npz"), read("three.npz")
    assert threes["labels"].tolist() == [3] * 12
    same = [np.array_equal(a, b) for a, b in zip(every["samples"], threes["samples"], strict=True)]
    assert same == [label == 3 for label in every["labels"]]


@pytest.mark.parametrize("kind", ["ring", "digits"])
def test_the_seed_decides(ganzoo, request, kind):
    run = request.getfixturevalue(kind)
    drawn = []
    for n, seed in ((9, 0), (9, 0), (9, 1), (5, 0)):
        ganzoo(f"sample {run} -n {n} --seed {seed} --out x.npz")
        drawn.append(read("x.npz")["samples"])
    first, again, other, fewer = drawn
    assert np.array_equal(first, again)
    assert not (first == other).all(axis=tuple(range(1, first.ndim))).any()
    assert np.array_equal(first[:5], fewer)


def test_interpolation_walks_in_rows(ganzoo, digits):
    assert ganzoo(f"sample {digits} -n 24 --interpolate --class 1 --out x.npz").code == 0
    arrays = read("x.npz")
    assert arrays["samples"].shape == (24, 1, 28, 28)
    assert arrays["labels"].tolist() == [1] * 24
    rows = arrays["samples"].astype(float).reshape(3, 8, -1)
    near = np.abs(np.diff(rows, axis=1)).mean(axis=2).max(axis=1)
    far = np.abs(rows[:, 0] - rows[:, -1]).mean(axis=1)
    assert (near < far).all()
    assert not np.array_equal(rows[0], rows[1])


def test_interpolation_without_labels(ganzoo, ring):
    assert ganzoo(f"sample {ring} -n 16 --interpolate --out x.npz").code == 0
    assert read("x.npz")["samples"].shape == (16, 2)
    assert ganzoo(f"sample {ring} -n 16 --interpolate --out x.png").code == 0


def test_nearest_are_real_training_images(ganzoo, digits):
    assert ganzoo(f"sample {digits} -n 4 --nearest --out x.npz").code == 0
    arrays = read("x.npz")
    assert arrays["nearest"].shape == arrays["samples"].shape == (4, 1, 28, 28)
    real = DATASETS.get("mnist-5k")().train.all()[0].numpy().reshape(4000, -1).astype(np.int64)
    for sample, nearest in zip(arrays["samples"], arrays["nearest"], strict=True):
        squares = ((real - sample.reshape(-1)) ** 2).sum(axis=1)
        assert ((nearest.reshape(-1) - sample.reshape(-1).astype(np.int64)) ** 2).sum() == squares.min()
        assert (real == nearest.reshape(-1)).all(axis=1).any()


@pytest.mark.parametrize("words", ["", "--nearest", "--interpolate", "--class 3"])
def test_pictures_of_images(ganzoo, digits, words):
    assert ganzoo(f"sample {digits} -n 6 {words} --out made/x.png").out == "made/x.png\n"
    with Image.open("made/x.png") as image:
        assert np.asarray(image).std() > 0


def test_sampling_leaves_the_run_alone_but_for_its_picture(ganzoo, ring):
    before = {path: path.read_bytes() for path in ring.rglob("*") if path.is_file()}
    result = ganzoo(f"sample {ring} --seed 5")
    made = ring / "samples" / "sample-s5.png"
    assert result.out == f"{made}\n"
    after = {path: path.read_bytes() for path in ring.rglob("*") if path.is_file() and path != made}
    assert after == before


# --- resume ---


def test_resume_of_a_finished_run_has_nothing_to_do(ganzoo, ring):
    before = {path: path.read_bytes() for path in ring.rglob("*") if path.is_file()}
    for words in (f"resume {ring}", f"resume {ring} --steps 2"):
        result = ganzoo(words)
        assert result.code == 0
        assert result.out.startswith(f"nothing is left to do: {ring} has done its 2 steps\n")
        assert result.err == ""
    assert {path: path.read_bytes() for path in ring.rglob("*") if path.is_file()} == before


def test_resume_with_a_larger_budget_goes_on(ganzoo, ring):
    shutil.copytree(ring, "X")
    result = ganzoo("resume X --steps 4")
    assert result.code == 0
    assert result.out == "pictures: X/samples/step-00000004.png\nnext:     ganzoo sample X\n"
    assert result.err.startswith("going on with X to step 4\n")
    rows = [json.loads(line) for line in Path("X/log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert Path("X/checkpoints/step-00000004.safetensors").is_file()
    assert json.loads(Path("X/config.json").read_text())["recipe"]["steps"] == 4
    assert "nothing is left to do" in ganzoo("resume X").out


def test_resume_says_what_becomes_of_the_schedules(ganzoo, ring):
    shutil.copytree(ring, "X")  # mlp-gan's learning rates fall to a twentieth
    assert (
        "of 2 steps: from its end on the learning rate of G stays at 5e-05"
        in ganzoo("resume X --steps 4").err
    )
    result = ganzoo("resume X --steps 8 --reschedule")
    assert result.code == 0
    assert (
        "stretched over 8 steps: at step 4 the learning rate of G goes from 5e-05 to 0.000525" in result.err
    )
    assert json.loads(Path("X/config.json").read_text())["schedule_steps"] == 0
    assert re.search(
        r"--reschedule +Stretch the schedules over the larger budget", ganzoo("resume --help").out
    )


# --- when something goes wrong ---


@pytest.mark.parametrize("words", ["--debug run nope --dataset ring8", "run nope --dataset ring8 --debug"])
def test_debug_shows_where(capsys, words):
    with pytest.raises(SystemExit) as end:
        main(words.split())
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Traceback (most recent call last):\n")
    assert said.err.splitlines()[-1].startswith("ganzoo: no model 'nope'")


def test_a_fault_of_ganzoo_itself_is_one_line_too(ganzoo, monkeypatch):
    broken = Mock(side_effect=LookupError("first line\nsecond line"))
    monkeypatch.setattr("ganzoo.running.training.plan_run", broken)
    result = ganzoo(f"run mlp-gan {RING}")
    assert result.code == 1
    assert result.err == "ganzoo: failed: LookupError: first line (--debug shows where)\n"
