"""Wrong words and damaged files: one sentence that helps, exit status 2 or 1, and nothing is lost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.cli.main import main
from ganzoo.losses import NonSaturating
from ganzoo.registry import LOSSES
from ganzoo.training.checkpoint import load_checkpoint

SMALL = "--set model.width=8 --set model.d_width=8"
RING = "run mlp-gan --dataset ring8 --set steps=1"  # quickly done, should it not be refused
TRAIN = f"{RING} --batch-size 16 {SMALL}"
DCGAN = "run dcgan --dataset mnist-5k --set steps=1"
MINE = "run mlp-gan --batch-size 8 --dataset"


def content(folder: Path) -> dict[str, str]:
    """Every file and folder with a hash, ganzoo's cache aside."""
    found = [path for path in folder.rglob("*") if "cache" not in path.relative_to(folder).parts]
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "" for path in found
    }


@pytest.fixture
def refused(ganzoo, tmp_path):
    """refused(words, *pieces): status 2, one line on stderr with these pieces, nothing written."""

    def check(words: str, *pieces: str) -> None:
        before = content(tmp_path)
        result = ganzoo(words)
        assert (result.code, result.out) == (2, ""), result
        beside = ("going on with ", "note: ")
        lines = [line for line in result.err.splitlines() if not line.startswith(beside)]
        assert lines == [result.sentence], "more than one line"
        for piece in pieces:
            assert piece in result.sentence
        assert content(tmp_path) == before

    return check


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of 4 steps with checkpoints at 2 and 4."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    with pytest.raises(SystemExit) as end:
        main(f"{TRAIN} --steps 4 --checkpoint-every 2 --out {folder}".split())
    assert not end.value.code
    return folder


@pytest.fixture
def run(finished):
    """A copy of it as runs/0001-mlp-gan-ring8-s0, with 2 of its 4 steps done."""
    folder = Path("runs/0001-mlp-gan-ring8-s0")
    shutil.copytree(finished, folder)
    (folder / "checkpoints" / "step-00000004.safetensors").unlink()
    return folder


# --- names ---


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        ("samlpe", ["no command 'samlpe'", "did you mean sample"]),
        ("list modles", ["'modles'", "did you mean models"]),
        ("list --jsno", ["--jsno", "--json"]),
        ("info dcgn", ["'dcgn'", "did you mean dcgan"]),
        ("run", ["MODEL"]),
        ("run mlp-gan", ["--dataset"]),
        (f"{RING} --stepz 3", ["--stepz", "--steps"]),
        (f"{RING} more", ["more"]),
        ("run dcgn --dataset ring8", ["no model 'dcgn'", "did you mean dcgan"]),
        ("run mlp-gan --dataset ring", ["no dataset 'ring'", "did you mean ring8?"]),
        ("run mlp-gan --dataset ring8:x", ["ring8:x", "nothing after a colon"]),
        ("run mlp-gan --dataset folder", ["folder:PATH"]),
        ("run mlp-gan --dataset npy:", ["npy:PATH"]),
        (f"{RING} --loss hinje", ["no loss 'hinje'", "did you mean hinge?"]),
        (f"{RING} --loss=", ["no loss ''", "hinge"]),
        (f"{RING} --stabilizer skipd", ["no stabilizer 'skipd'", "did you mean skip-d?"]),
        (f"{RING} --stabilizer clip-grad-norm:maxx=1", ["clip-grad-norm", "'maxx'", "did you mean max?"]),
        (f"{RING} --stabilizer clip-grad-norm:max", ["clip-grad-norm:max", "key=value"]),
        (f"{RING} --stabilizer clip-grad-norm:max=1,max=2", ["max is given twice"]),
        (f"{RING} --stabilizer clip-grad-norm:max=big", ["max", "expected a number", "'big'"]),
        (f"{RING} --stabilizer clip-grad-norm:max=0", ["max", "positive", "0"]),
        (f"{RING} --stabilizer clip-grad-norm:max=-1", ["max", "positive", "-1"]),
        (f"{RING} --stabilizer clip-grad-value:max=nan", ["max", "finite", "nan"]),
        (f"{RING} --stabilizer clip-grad-norm:net=x", ["net", "g, d or both", "'x'"]),
        (f"{RING} --stabilizer skip-d:momentum=1", ["skip-d", "momentum", "[0, 1)"]),
        (f"{RING} --stabilizer skip-d:max_skips=0", ["skip-d", "max_skips", "at least 1"]),
        (f"{RING} --set model.widht=3", ["--set model.widht", "did you mean width"]),
        (f"{RING} --set widht=3", ["--set widht", "did you mean", "width"]),
        (f"{RING} --set data.size=3", ["--set data.size", "there are none"]),
        ("run dcgan --dataset folder:x --set data.siez=3", ["--set data.siez", "did you mean size?"]),
        (f"{RING} --set recipe.n_diss=3", ["--set recipe.n_diss", "did you mean n_dis?"]),
        (f"{RING} --set lr=3", ["--set lr", "optimizer_g.lr", "optimizer_d.lr", "did you mean"]),
        (f"{RING} --set width", ["--set width", "key=value"]),
        (f"{RING} --set =3", ["--set =3", "key=value"]),
        (f"{RING} --set optimizer_g.kind=adan", ["optimizer_g.kind", "did you mean adam or radam or nadam?"]),
        (f"{RING} --set lr_schedule.kind=lin", ["lr_schedule.kind", "did you mean linear?"]),
        (f"{RING} --set loss=hinje", ["no loss 'hinje'", "did you mean hinge?"]),
        (f"{RING} --set d_norm=bach", ["d_norm", "did you mean batch?"]),
        (f"{RING} --set z=cauchy", ["model.z", "normal or uniform", "cauchy"]),
        (f"{RING} --recipe papper", ["recipe 'papper'", "did you mean paper?"]),
        (f"{RING} --device cdua", ["--device cdua", "did you mean cuda"]),
        (f"{RING} --device meta", ["--device meta", "auto, cpu, cuda, mps"]),
        (f"{RING} --device cpu:first", ["--device cpu:first"]),
        (f"{RING} --precision fp8", ["--precision", "fp32, bf16 or fp16", "'fp8'"]),
        ("resume", ["no run under runs/", "ganzoo run"]),
        ("sample", ["no run under runs/", "ganzoo run"]),
        ("resume nope", ["no run 'nope'"]),
    ],
)
def test_unknown_name(refused, words, pieces):
    refused(words, *pieces)


# --- numbers ---

WHOLE = ["--steps", "--batch-size", "--n-dis", "--checkpoint-every"]
RATES = ["--lr", "--lr-g", "--lr-d"]


@pytest.mark.parametrize("option", WHOLE)
@pytest.mark.parametrize("value", ["0", "-3", "2.5", "nan", "inf", "many"])
def test_not_a_count(refused, option, value):
    refused(f"{RING} {option} {value}", option, value)


@pytest.mark.parametrize(("option", "words"), [*((o, RING) for o in RATES), ("--epochs", DCGAN)])
@pytest.mark.parametrize("value", ["0", "-0.1", "nan", "inf", "-inf", "many"])
def test_not_a_positive_number(refused, option, words, value):
    refused(f"{words} {option} {value}", option, value)


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        ("--seed -1", ["--seed", "-1"]),
        ("--seed x", ["--seed", "'x'"]),
        *((f"--label-smoothing {v}", ["--label-smoothing"]) for v in ("0.5", "-0.1", "1", "nan", "inf", "x")),
        *((f"--skip-d-below {v}", ["--skip-d-below"]) for v in ("nan", "inf", "x")),
        ("--stabilizer label-smoothing:amount=0.5", ["label smoothing", "[0, 0.5)", "0.5"]),
        ("--set steps=0", ["steps", "at least 1"]),
        ("--set batch_size=2.5", ["batch_size", "whole number"]),
        ("--set n_dis=nan", ["n_dis", "whole number"]),
        ("--set optimizer_g.lr=nan", ["optimizer_g.lr", "finite"]),
        ("--set optimizer_g.lr=0", ["optimizer_g.lr", "above 0"]),
        ("--set optimizer_d.beta1=1", ["optimizer_d.beta1", "[0, 1)"]),
        ("--set optimizer_d.eps=-1", ["optimizer_d.eps", "at least 0"]),
        ("--set ema_halflife=-1", ["ema_halflife"]),
        ("--set ema_ramp=0", ["ema_ramp"]),
        ("--set lr_schedule.until=0", ["lr_schedule.until", "above 0"]),
        ("--set model.dropout=1", ["dropout", "[0, 1)"]),
        ("--set model.dropout=nan", ["dropout", "finite"]),
        ("--set model.g_norm=perhaps", ["g_norm", "true or false", "'perhaps'"]),
        ("--set model.width=wide", ["model.width", "whole number", "'wide'"]),
        *((f"--set model.{key}={value}", [f"model.{key}", "at least 1", value])
          for key in ("width", "d_width", "depth", "d_depth", "pack") for value in ("0", "-3")),
        ("--set model.z_dim=-3", ["model.z_dim", "at least 1", "-3"]),  # 0 leaves it to the data
    ],
)  # fmt: skip
def test_number_out_of_range(refused, words, pieces):
    refused(f"{RING} {words}", *pieces)


@pytest.mark.parametrize("option", ["width", "z_dim", "pack"])
@pytest.mark.parametrize("value", ["0", "-3"])
def test_size_of_dcgan_out_of_range(refused, option, value):
    refused(f"{DCGAN} --set {option}={value}", f"model.{option}", "at least 1", value)


@pytest.mark.parametrize("words", ["sample -n 0", "sample -n -1", "sample --seed -1", "resume --steps 0"])
def test_number_out_of_range_elsewhere(refused, run, words):
    refused(words, words.split()[1], words.split()[2])


# --- what makes no sense together ---


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        *(
            (f"{RING} --label-smoothing 0.1 --loss {loss}",
             ["label-smoothing", f"'{loss}'", "least-squares or minimax or non-saturating"])
            for loss in ("hinge", "wasserstein", "relativistic", "relativistic-average")
        ),
        (f"{RING} --skip-d-below 0.3 --loss wasserstein",
         ["skip-d", "bounded below", "'wasserstein'", "hinge"]),
        (f"{DCGAN} --stabilizer gradient-normalization --set d_norm=batch",
         ["gradient-normalization", "BatchNorm2d", "model.d_norm=layer"]),
        (f"{RING} --stabilizer unit-grad-norm --stabilizer clip-grad-norm",
         ["unit-grad-norm", "clip-grad-norm"]),
        (f"{RING} --stabilizer skip-d --stabilizer skip-d:below=0.1", ["'skip-d'", "twice"]),
        (f"{RING} --stabilizer skip-d --skip-d-below 0.1", ["'skip-d'", "twice"]),
        (f"{RING} --stabilizer label-smoothing --label-smoothing 0.1", ["'label-smoothing'", "twice"]),
        (f"{RING} --epochs 3", ["--epochs", "ring8", "--steps"]),
        (f"{DCGAN} --steps 3 --epochs 3", ["--steps", "--epochs", "one of them"]),
        ("run dcgan --dataset ring8", ["dcgan", "vectors of shape (2,)", "mlp-gan"]),
        (f"{DCGAN} --batch-size 1 --stabilizer none", ["--batch-size 1", "BatchNorm2d"]),
        (f"{DCGAN} --batch-size 4001", ["--batch-size 4001", "4000", "mnist-5k"]),
        (f"{DCGAN} --batch-size 9 --set pack=2", ["--batch-size 9", "model.pack=2"]),
        (f"{RING} --set d_activation=maxout --set d_norm=layer", ["d_norm=layer", "maxout"]),
        ("run dcgan --dataset cifar10 --offline", ["cifar10", "--offline", "--data-root"]),
    ],
)  # fmt: skip
def test_nonsense_together(refused, words, pieces):
    refused(words, *pieces)


def test_a_device_that_is_not_there(refused):
    if torch.cuda.is_available():
        refused(f"{RING} --device cuda:99", "--device cuda:99")
    else:
        refused(f"{RING} --device cuda", "--device cuda", "--device cpu")


# --- one's own data ---


class Trap:
    """Makes the folder "unpickled" when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def test_the_trap_works():
    pickle.loads(pickle.dumps(Trap()))
    assert Path("unpickled").is_dir()


def rows(n: int = 20, columns: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, columns))


@pytest.mark.parametrize(
    ("array", "pieces"),
    [
        (np.where(np.arange(20)[:, None] == 7, np.nan, rows()), ["row 7", "not finite"]),
        (np.where(np.arange(20)[:, None] == 3, np.inf, rows()), ["row 3", "not finite"]),
        (rows() * 1e300, ["not finite"]),
        (rows().reshape(10, 2, 2).astype(np.uint8), ["(10, 2, 2)", "[N, 1, H, W]"]),
        (rows().ravel(), ["(40,)", "[N, D]"]),
        (np.array(3.0), ["()", "[N, D]"]),
        (np.zeros((5, 0)), ["(5, 0)", "[N, D]"]),
        (rows(1), ["1 row", "at least 2"]),
        (rows(0), ["0 rows", "at least 2"]),
        (rows() > 0, ["bool", "numbers"]),
        (rows().astype(complex), ["complex128", "numbers"]),
        (rows().astype(str), ["numbers"]),
        (rows(8), ["--batch-size 8", "7 training samples", "--batch-size 7"]),
    ],
)
def test_vectors_that_cannot_be_used(refused, array, pieces):
    np.save("mine.npy", array)
    refused(f"{MINE} npy:mine.npy", "mine.npy", *pieces)


def test_an_array_of_objects_is_never_unpickled(refused):
    np.save("mine.npy", np.array([[Trap(), 1], [2, 3]], dtype=object), allow_pickle=True)
    refused(f"{MINE} npy:mine.npy", "mine.npy")
    assert not Path("unpickled").exists()


@pytest.mark.parametrize("what", ["text", "nothing", "cut off", "pickle", "folder", "absent"])
def test_not_a_file_of_vectors(refused, what):
    path = Path("mine.npy")
    np.save(path, rows())
    whole = path.read_bytes()
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what != "absent":
        path.write_bytes(
            {"text": b"1,2\n3,4\n", "nothing": b"", "cut off": whole[:-40], "pickle": pickle.dumps(Trap())}[
                what
            ]
        )
    refused(f"{MINE} npy:mine.npy", "mine.npy")
    assert not Path("unpickled").exists()


def test_labels_are_asked_of_data_without_any(refused):
    np.save("mine.npy", rows())
    refused(f"{MINE} npy:mine.npy --conditional", "--conditional", "labels", "npy:mine.npy")


@pytest.fixture
def pictures():
    """The folder "mine" with 6 pictures of 40 x 40 in 2 classes."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3), dtype=np.uint8)
    for i, pixels in enumerate(noise):
        path = Path("mine", "ab"[i % 2], f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return Path("mine")


IMAGES = "run dcgan --batch-size 4 --dataset folder:mine"


def test_the_pictures_are_fine_by_themselves(ganzoo, pictures):
    assert ganzoo(f"{IMAGES} --dry-run").code == 0


def test_a_folder_that_is_not_there(refused):
    refused(IMAGES, "mine", "not there")


def test_a_folder_without_images(refused):
    Path("mine").mkdir()
    refused(IMAGES, "mine", "no images")


def test_a_file_where_a_folder_is_expected(refused):
    Path("mine").write_text("")
    refused(IMAGES, "mine", "a file", "folder")


def test_an_image_that_is_cut_off(refused, pictures):
    bad = pictures / "a" / "2.png"
    bad.write_bytes(bad.read_bytes()[:2000])
    refused(IMAGES, str(bad))


@pytest.mark.parametrize("name", ["fake.png", "FAKE.JPG"])
def test_a_file_that_is_no_image(refused, pictures, name):
    (pictures / "b" / name).write_text("not an image")
    refused(IMAGES, str(pictures / "b" / name), "not an image", "data.broken=skip")


def test_classes_and_none(refused, pictures):
    shutil.copy(pictures / "a" / "0.png", pictures / "0.png")
    refused(IMAGES, "mine", "0.png", "sub-folder")


def test_more_in_a_batch_than_there_is(refused, pictures):
    refused(f"{IMAGES} --batch-size 64", "--batch-size 64", "5 training samples")


@pytest.mark.parametrize("size", [30, 36])
def test_a_size_that_cannot_be_built(refused, pictures, size):
    refused(f"{IMAGES} --set data.size={size}", f"{size} x {size}", "28, 32" if size == 30 else "32, 40")


@pytest.mark.parametrize(
    ("setting", "pieces"),
    [
        ("data.size=-1", ["data.size", "-1"]),
        ("data.size=2", ["data.size", "at least 4"]),
        ("data.channels=2", ["data.channels", "1 or 3", "2"]),
        ("data.size=x", ["data.size", "at least 4", "48x64", "got x"]),
        ("data.memory_gb=nan", ["data.memory_gb", "finite"]),
    ],
)
def test_an_option_of_the_data_out_of_range(refused, pictures, setting, pieces):
    refused(f"{IMAGES} --set {setting}", *pieces)


# --- where to write ---


def test_out_that_holds_a_run(refused, run):
    refused(f"{TRAIN} --out {run}", f"--out {run}", "ganzoo resume")


def test_out_that_is_a_file(refused):
    Path("X").write_text("mine")
    refused(f"{TRAIN} --out X", "--out X", "file")


def test_out_below_a_file(refused):
    Path("X").write_text("mine")
    refused(f"{TRAIN} --out X/run", "X/run")


def test_out_that_is_not_empty(refused):
    Path("X").mkdir()
    Path("X/thesis.tex").write_text("years of work")
    refused(f"{TRAIN} --out X", "--out X", "not empty")


def test_an_empty_folder_will_do(ganzoo):
    Path("X").mkdir()
    assert ganzoo(f"{TRAIN} --steps 1 --out X").code == 0


# --- runs that are damaged, or asked for what they have not ---


def test_unknown_run_names_the_nearest(refused, run):
    for command in ("resume", "sample"):
        refused(
            f"{command} 0001-mlp-gan-ring8-s1", "0001-mlp-gan-ring8-s1", "did you mean 0001-mlp-gan-ring8-s0?"
        )


def test_a_folder_that_is_no_run(refused):
    Path("X").mkdir()
    refused("resume X", "X", "not a run folder")


def test_a_smaller_budget(refused, run):
    refused(f"resume {run} --steps 3", "--steps 3", "4 steps")
    for words in ("", " --steps 4"):
        refused(f"resume {run} --reschedule{words}", "--reschedule", "stays at 4 steps", "--steps N")


@pytest.mark.parametrize("command", ["resume", "sample"])
@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"{}", b"null", b'"text"', b'{"recipe": 3, "sample_shape": [2]}', b"\xff\xfe"],
)
def test_damaged_settings(refused, run, command, text):
    (run / "config.json").write_bytes(text)
    refused(command, "config.json", "damaged")


def test_settings_that_name_what_is_gone(refused, run):
    settings = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(settings | {"model": "my-gan"}))
    for command in ("resume", "sample"):
        refused(command, "no model 'my-gan'")


def damaged(whole: bytes, how: str) -> bytes:
    return {"cut off": whole[: len(whole) // 2], "empty": b"", "text": b"not this"}[how]


@pytest.mark.parametrize("how", ["cut off", "empty", "text"])
def test_damaged_checkpoint(refused, ganzoo, run, how):
    path = run / "checkpoints" / "step-00000002.safetensors"
    path.write_bytes(damaged(path.read_bytes(), how))
    refused("resume", str(path), f"delete {path.parent}")
    shutil.rmtree(path.parent)  # as it says
    assert ganzoo("resume").code == 0


def test_damaged_checkpoint_with_a_larger_budget_asked_for(ganzoo, finished):
    shutil.copytree(finished, "X")
    path = Path("X/checkpoints/step-00000004.safetensors")
    path.write_bytes(b"")
    result = ganzoo("resume X --steps 9")
    assert result.code == 0
    assert f"{path} is damaged" in result.err
    assert "going on from step 2" in result.err


@pytest.mark.parametrize(
    "state",
    [
        [1, 2, 3],
        {"step": 2, "generator": {}},
        {"step": 2, "generator": {"weight": torch.zeros(3)}, "discriminator": 3},
        {"model": {"weight": torch.zeros(3)}},
    ],
)
def test_foreign_checkpoint(refused, run, state):
    path = run / "checkpoints" / "step-00000002.safetensors"
    torch.save(state, path)
    refused("resume", "checkpoint")


@pytest.mark.parametrize("form", ["pickle", "torch"])
def test_code_in_a_checkpoint_never_runs(refused, run, form):
    path = run / "checkpoints" / "step-00000002.safetensors"
    state = {"step": 2, "generator": Trap()}
    if form == "torch":
        torch.save(state, path)
    else:
        path.write_bytes(pickle.dumps(state))
    refused("resume", str(path))
    assert not Path("unpickled").exists()


@pytest.mark.parametrize("how", ["cut off", "empty", "text"])
def test_damaged_weights(refused, run, how):
    path = run / "generator.safetensors"
    path.write_bytes(damaged(path.read_bytes(), how))
    refused("sample --out x.npz", str(path))


def test_weights_of_another_model(refused, ganzoo, run):
    ganzoo("run mlp-gan --dataset ring8 --steps 1 --batch-size 4 --set width=5 --out other")
    shutil.copy("other/generator.safetensors", run / "generator.safetensors")
    refused(f"sample {run} --out x.npz", f"{run}/generator.safetensors", "this run's generator")


def test_weights_that_ganzoo_did_not_write(refused, run):
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(3)}, run / "generator.safetensors")
    refused("sample --out x.npz", "generator.safetensors", "this run's generator")


def test_no_weights_yet(refused, run):
    (run / "generator.safetensors").unlink()
    refused("sample", str(run), "no weights yet", "ganzoo resume")


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        ("--class 3", ["--class 3", "not conditional", "--conditional"]),
        ("--out x.jpg", ["--out x.jpg", ".png, .npz, .csv or .wav"]),
        ("--out x", ["--out x", ".png, .npz, .csv or .wav"]),
        ("--out x.webp", ["--out x.webp", "--timelapse", "--interpolate"]),
        ("--out x.wav", ["x.wav", "a series of one channel or two"]),
        ("--timelapse --out x.png", ["x.png", ".webp, .gif or .mp4"]),
        ("--timelapse -n 3", ["--timelapse", "--out alone"]),
        ("--nearest", ["--nearest", "images"]),
        ("--nearest --interpolate", ["--nearest", "--interpolate", "one of them"]),
    ],
)
def test_samples_that_a_run_cannot_give(refused, run, words, pieces):
    refused(f"sample {words}", *pieces)


@pytest.mark.parametrize("word", ["8", "-1", "99", "one", "1.5", "²"])
def test_class_that_is_not_there(refused, ganzoo, word):
    ganzoo(f"{TRAIN} --steps 1 --conditional --out X")
    refused(f"sample X --class={word} --out x.npz", f"--class {word}", "0 to 7")


def test_data_that_has_changed_since(refused, ganzoo):
    np.save("mine.npy", rows())
    assert ganzoo(f"{MINE} npy:mine.npy --steps 1 --set width=4 --out X").code == 0
    np.save("mine.npy", rows() + 1)
    refused("resume X --steps 3", "mine.npy", "fingerprint", "bring the data back")
    Path("mine.npy").unlink()
    refused("resume X --steps 3", "mine.npy", "not there")


# --- work that fails: status 1, and what is safe ---


@pytest.fixture
def turns_nan(monkeypatch):
    """turns_nan(after): makes the loss "fragile", whose value is NaN after so many updates of D in a run."""

    def make(after: int) -> None:
        calls = iter(range(1_000_000))

        class Fragile(NonSaturating):
            def d(self, real, fake, *, real_target=1.0):
                value = super().d(real, fake, real_target=real_target)
                trains = bool(
                    list(Path().glob("*/config.json"))
                )  # no dry step, which comes before the folder
                return value * float("nan") if trains and next(calls) >= after else value

        monkeypatch.setattr(LOSSES, "_added", {"fragile": Fragile})

    return make


def test_a_loss_that_is_no_number_any_more(ganzoo, turns_nan):
    turns_nan(5)
    result = ganzoo(f"{TRAIN} --loss fragile --steps 12 --checkpoint-every 2 --out X")
    assert (result.code, result.out) == (1, "")
    kept = sorted(path.name for path in Path("X/checkpoints").iterdir())
    assert kept == ["step-00000002.safetensors", "step-00000004.safetensors"]
    for piece in ("diverged", "step 6", f"X/checkpoints/{kept[-1]}", "--lr", "clip-grad-norm", "--loss"):
        assert piece in result.sentence
    state = load_checkpoint(Path("X/checkpoints", kept[-1]))
    assert state["step"] == 4
    assert all(value.isfinite().all() for value in state["generator"].values())
    rows = [json.loads(line) for line in Path("X/log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert ["fault" in row for row in rows] == [False] * 5 + [True]
    assert ganzoo("sample X --out x.npz").code == 0
    turns_nan(1_000)  # the cause is gone
    assert ganzoo("resume X").code == 0
    assert load_checkpoint(Path("X/checkpoints/step-00000012.safetensors"))["step"] == 12


def test_a_learning_rate_that_blows_everything_up(ganzoo):
    result = ganzoo(f"{TRAIN} --lr 1e30 --steps 20 --out X")
    assert (result.code, result.out) == (1, "")
    for piece in ("diverged", "not finite", "no checkpoint yet", "lower --lr", "X"):
        assert piece in result.sentence
    assert not list(Path("X").glob("checkpoints/*"))
    assert not Path("X/generator.safetensors").exists()


def test_weights_that_are_no_numbers_are_never_saved(ganzoo, monkeypatch):
    from ganzoo.training.trainer import Trainer

    one_step = Trainer.one_step

    def poisoned(trainer):
        one_step(trainer)
        if trainer.step == 3:  # the loss of this step was fine, and the log sees nothing
            next(trainer.gan.generator.parameters()).data.fill_(float("nan"))

    monkeypatch.setattr(Trainer, "one_step", poisoned)
    result = ganzoo(f"{TRAIN} --steps 3 --checkpoint-every 1 --out X")
    assert result.code == 1
    assert "weights of the generator not finite at step 3" in result.sentence
    assert sorted(path.name for path in Path("X/checkpoints").iterdir()) == [
        "step-00000001.safetensors", "step-00000002.safetensors",
    ]  # fmt: skip


@pytest.mark.parametrize("when", ["at once", "half way"])
@pytest.mark.parametrize("what", ["step-00000004.safetensors", "generator.safetensors", "step-00000003.png"])
def test_a_full_disk(ganzoo, monkeypatch, run, what, when):
    doomed: set[int] = set()
    mkstemp, fsync = tempfile.mkstemp, os.fsync

    def fail():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def make(*args, **options):
        if what in options.get("prefix", ""):
            if when == "at once":
                fail()
            handle, name = mkstemp(*args, **options)
            doomed.add(handle)
            return handle, name
        return mkstemp(*args, **options)

    before = content(run / "checkpoints")
    weights = (run / "generator.safetensors").read_bytes()
    (run / "samples" / "step-00000003.png").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkstemp", make)
        patch.setattr(os, "fsync", lambda handle: fail() if handle in doomed else fsync(handle))
        result = ganzoo("resume")
    assert (result.code, result.out) == (1, "")
    for piece in ("cannot write", what, "No space left", "saved before is whole"):
        assert piece in result.sentence
    after = content(run / "checkpoints")
    assert before.items() <= after.items()
    assert not [path for path in run.rglob(".*")], "half a file was left"
    if what.startswith("step-00000004"):
        assert (run / "generator.safetensors").read_bytes() == weights
    assert ganzoo("resume").code == 0
    assert ganzoo("sample --out x.npz").code == 0


def test_a_full_disk_at_the_very_start(ganzoo, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "mkstemp", fail)
    result = ganzoo(f"{TRAIN} --steps 1 --out X")
    assert (result.code, result.out) == (1, "")
    assert "X/config.json" in result.sentence
    assert "No space left" in result.sentence


def test_a_log_that_cannot_be_written(ganzoo, monkeypatch, run):
    opened = Path.open

    def fail(path, mode="r", *args, **options):
        if path.name == "log.jsonl" and "a" in mode:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, mode, *args, **options)

    monkeypatch.setattr(Path, "open", fail)
    result = ganzoo("resume")
    assert (result.code, result.out) == (1, "")
    assert "log.jsonl" in result.sentence
    assert "No space left" in result.sentence


@pytest.mark.parametrize(
    ("path", "meant"),
    [("./C", "folder:./C"), ("C.zip", "folder:C.zip"), ("t.csv", "csv:t.csv"), ("x.npy", "npy:x.npy"),
     ("x.parquet", "parquet:x.parquet"), ("x.wav", "wav:x.wav")],
)  # fmt: skip
def test_a_path_without_the_name_of_its_dataset(path, meant, refused):
    if path == "./C":
        Path(path).mkdir()
    else:
        Path(path).write_bytes(b"")
    for command in ("run mlp-gan", "eval", "extractor train"):
        refused(f"{command} --dataset {path}", f"--dataset {path}: that is a path; did you mean {meant}?")


def test_too_few_images_for_a_batch_say_how_many_are_needed(ganzoo):
    for name in ("train", "test"):
        Path(f"data/{name}").mkdir(parents=True)
    for name in ("train/0", "test/0", "test/1"):
        Image.fromarray(np.full((32, 32), len(name), np.uint8)).save(f"data/{name}.png")
    said = ganzoo("run dcgan --dataset folder:data --batch-size 8 --set model.width=4").sentence
    assert "more than the 1 training sample of folder:data: dcgan needs 2 of them at least, as" in said
    assert "or less" not in said
