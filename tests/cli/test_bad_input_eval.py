"""What `ganzoo eval` refuses: one sentence, exit status 2, nothing half-written."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo
from ganzoo.cli.main import main
from ganzoo.system.lines import read_lines

MNIST = "--dataset mnist-5k"


@pytest.fixture
def refused(capsys, tmp_path):
    """refused("--metric fdi", "did you mean fid"): one sentence with these pieces, and no new file."""

    def check(words: str, *pieces: str) -> None:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(["eval", *words.split()])
        output = capsys.readouterr()
        assert (end.value.code, output.out) == (2, ""), output.err
        lines = [line for line in output.err.splitlines() if line.strip() and not line.startswith("note:")]
        assert len(lines) == 1, output.err
        for piece in pieces:
            assert piece in lines[0]
        after = {
            path: path.stat().st_mtime_ns
            for path in tmp_path.rglob("*")
            if path.is_file() and "cache" not in path.parts
        }
        assert after == {path: time for path, time in before.items() if "cache" not in path.parts}

    return check


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("finished")
    small = {"model.width": 8, "model.d_width": 8}
    vectors = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    np.save(folder / "v.npy", vectors)
    for name, data in (("ring", "ring8"), ("own", f"npy:{folder / 'v.npy'}")):
        ganzoo.train("mlp-gan", data, out=folder / name, steps=2, batch_size=8, set=small, progress=False)
    return folder


@pytest.fixture
def ring(finished, tmp_path):
    return shutil.copytree(finished / "ring", tmp_path / "runs" / "ring")


@pytest.fixture
def own(finished, tmp_path):
    return shutil.copytree(finished / "own", tmp_path / "runs" / "own")


def images(n: int = 12, shape=(1, 28, 28), dtype=np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, *shape)).astype(dtype)


def test_unknown_names(refused, ring):
    refused("--metric fdi", "no metric 'fdi'", "did you mean fid")
    refused("--metric is --extractor mnist-cnn", "no extractor 'mnist-cnn'", "mnist-cnn-v1")
    refused("--metric modes --reference tset", "--reference tset", "test")
    refused("--metric modes --checkpoint bset", "--checkpoint bset", "best")
    refused("--metric modes --checkpoint best", "no best checkpoint", "--eval-every")
    refused("nowhere", "no run 'nowhere'", "ring")
    refused("--metric modes --samples 0", "--samples", "at least 1")


def test_no_run_yet(refused):
    refused("--metric is", "no run under runs/ yet")


def test_a_run_without_a_checkpoint(refused, ring):
    (ring / "generator.safetensors").unlink()
    refused("--metric modes", "no weights yet", "ganzoo resume")


def test_metrics_that_need_what_the_data_do_not_have(refused, ring, own):
    refused(f"{ring} --metric is", "is needs a classifier", "identity is none")
    refused(f"{ring} --metric memorization", "memorization needs a training set", "drawn afresh")
    refused(f"{own} --metric modes", "modes needs data whose modes are known")
    refused(f"{own} --metric d-features", "d-features needs labels")
    refused(f"{own} --metric fid --extractor mnist-cnn-v1", "mnist-cnn-v1 takes digits", "(3,)")
    refused(f"{ring} --metric modes --dataset {MNIST.split()[1]}", "makes samples of shape (2,)")


def test_foreign_samples_have_no_discriminator(refused):
    np.savez("x.npz", samples=images())
    refused(f"x.npz {MNIST} --metric d-accuracy", "d-accuracy needs a trained discriminator", "a run")
    refused("x.npz --metric is", "x.npz is no run", "--dataset NAME")
    refused(f"x.npz {MNIST} --metric is --checkpoint best", "foreign samples have none")
    refused(f"x.npz {MNIST} --metric is --samples 13", "--samples 13", "has 12 samples")


def test_generators_that_left_their_run(refused, finished):
    shutil.copy(finished / "ring" / "generator.safetensors", "ring.safetensors")
    shutil.copy(finished / "own" / "generator.safetensors", "own.safetensors")
    refused("ring.safetensors --metric d-accuracy", "d-accuracy needs a trained discriminator", "a run")
    refused(f"ring.safetensors {MNIST} --metric modes", "makes samples of shape (2,)", "(1, 28, 28)")
    refused("ring.safetensors --metric modes --checkpoint best", "'best' is of a run")
    refused("ring.safetensors --metric modes --set n=5", "--set", "named with --dataset")
    refused("ring.safetensors --metric modes --samples 0", "--samples", "at least 1")
    refused("own.safetensors --metric swd", "came without its data", "--dataset NAME")
    refused("mlp-gan:ring9 --metric modes", "did you mean mlp-gan:ring8")
    whole = Path("ring.safetensors").read_bytes()
    Path("cut.safetensors").write_bytes(whole[:-9])
    refused("cut.safetensors --metric modes", "cut.safetensors is damaged")
    Path("words.safetensors").write_bytes(b"words")
    refused("words.safetensors --metric modes", "words.safetensors is damaged")
    refused("gone.safetensors --metric modes", "no file, run or folder 'gone.safetensors'")


FILES = {
    "float": (lambda: {"samples": images().astype(np.float32) / 255}, "float32", "expected uint8"),
    "signed": (lambda: {"samples": images().astype(np.int16)}, "int16", "expected uint8"),
    "zero to one": (lambda: {"samples": (images() > 100).astype(np.uint8)}, "0 and 1", "0 to 255"),
    "size": (lambda: {"samples": images(shape=(1, 32, 32))}, "(1, 32, 32)", "(1, 28, 28)", "resized"),
    "channels": (lambda: {"samples": images(shape=(3, 28, 28))}, "(3, 28, 28)", "(1, 28, 28)"),
    "flat": (lambda: {"samples": images().reshape(12, -1)}, "(784,)", "(1, 28, 28)"),
    "none": (lambda: {"samples": images(0)}, "no samples"),
    "names": (lambda: {"a": images(), "b": images()}, "a, b", "one called samples"),
    "objects": (lambda: {"samples": np.array([{}] * 12, dtype=object)}, "Python objects"),
    "labels": (lambda: {"samples": images(), "labels": np.zeros(3)}, "labels", "(12,)"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_samples(refused, name):
    make, *pieces = FILES[name]
    np.savez("x.npz", **make())
    refused(f"x.npz {MNIST} --metric is", "x.npz", *pieces)


def test_files_of_other_kinds(refused):
    Path("text.npz").write_text("not an archive")
    refused(f"text.npz {MNIST} --metric is", "text.npz is no .npz file: expected an .npz file")
    np.save("bare.npy", images())
    Path("bare.npy").rename("bare.npz")
    refused(f"bare.npz {MNIST} --metric is", "bare.npz", "numpy.savez")
    whole = io.BytesIO()
    np.savez(whole, samples=images(200))
    Path("cut.npz").write_bytes(whole.getvalue()[:5000])
    refused(f"cut.npz {MNIST} --metric is", "cut.npz cannot be read as arrays")
    refused(f"missing.npz {MNIST} --metric is", "missing.npz is not there")


OTHER_FILES = {
    "made.png": b"\x89PNG\r\n\x1a\n" + bytes(50),
    "words.txt": b"words",
    "table.csv": b"1,2\n3,4\n",
    "weights.pt": None,
    "packed.zip": None,
    "empty.npz": b"",
    "nothing": None,
    "notes": None,
    "photo.JPG": b"\xff\xd8\xff",
}


@pytest.mark.parametrize("name", OTHER_FILES)
@pytest.mark.parametrize("words", [MNIST, "", "--dataset folder:nowhere --metric fid"])
def test_what_is_no_samples_at_all(refused, name, words):
    """Whatever else is said: no data are opened for them."""
    if name == "weights.pt":
        torch.save({"a": torch.zeros(3)}, name)
    elif name == "packed.zip":
        with zipfile.ZipFile(name, "w") as packed:
            packed.writestr("a.txt", "words")
    elif OTHER_FILES[name] is None:
        Path(name).mkdir()
        if name == "notes":
            Path(name, "a.txt").touch()
    else:
        Path(name).write_bytes(OTHER_FILES[name])
    refused(
        f"{name} {words}", name, "expected an .npz file, as numpy.savez(FILE, samples=...) writes it, images"
    )


def test_vectors(refused):
    np.savez("x.npz", samples=np.full((20, 2), np.nan, dtype=np.float32))
    refused("x.npz --dataset ring8 --metric modes", "row 0", "not finite")
    np.savez("x.npz", samples=np.zeros((20, 3), dtype=np.float32))
    refused("x.npz --dataset ring8 --metric modes", "(3,)", "(2,)")
    np.savez("x.npz", samples=np.array([["a", "b"]] * 20))
    refused("x.npz --dataset ring8 --metric modes", "expected numbers")


def test_a_folder_of_images(refused):
    folder = Path("made")
    folder.mkdir()
    for i, image in enumerate(images()):
        Image.fromarray(image[0]).save(folder / f"{i:02d}.png")
    refused("made --metric is", "made is no run", "--dataset NAME")
    Image.fromarray(images(shape=(1, 30, 28))[0, 0]).save(folder / "05.png")
    refused(f"made {MNIST} --metric is", "05.png has 28 x 30 pixels", "28 x 28")
    (folder / "05.png").write_bytes((folder / "04.png").read_bytes()[:80])
    refused(f"made {MNIST} --metric is", "05.png", "cannot be decoded")
    refused("made --dataset ring8 --metric modes", "made is a folder of images, and ring8 has vectors")
    empty = Path("empty")
    empty.mkdir()
    refused(f"empty {MNIST} --metric is", "empty is no run, and has no images")


def test_extractor_weights(refused):
    np.savez("x.npz", samples=images())
    Path("w.bin").write_bytes(b"nothing")
    at = f"x.npz {MNIST} --metric is"
    refused(f"{at} --extractor-weights w.bin", "w.bin", "sha256")
    refused(f"{at} --extractor cnn --extractor-weights w.bin", "w.bin", "sha256")
    refused(f"{at} --extractor inception --extractor-weights w.bin", "w.bin", "sha256")
    refused(f"{at} --extractor inception --extractor-weights gone", "gone")
    refused(f"{at} --extractor inception --offline", "inception", "--extractor-weights")
    refused(f"{at} --extractor mnist-cnn-v1:7", "takes nothing after a colon")
    np.savez("v.npz", samples=np.zeros((20, 2), dtype=np.float32))
    refused("v.npz --dataset ring8 --metric fid --extractor identity --extractor-weights w.bin", "has none")


def test_words_of_run(capsys):
    for words, piece in (
        ("--eval-every 5", "--eval-metric NAME"),
        ("--eval-every 0 --eval-metric modes", "at least 1"),
        ("--eval-metric mode", "did you mean modes"),
        ("--eval-metric is", "is needs a classifier"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["run", "mlp-gan", "--dataset", "ring8", *words.split()])
        assert end.value.code == 2
        assert piece in capsys.readouterr().err
    assert not Path("runs").exists()


def test_layout_of_other_programs(capsys):
    """Channels last, another array name, a folder of PNGs: the same digits give the same scores."""
    x = images(40)
    np.savez("first.npz", samples=x)
    np.savez("last.npz", np.moveaxis(x, 1, 3))
    Path("folder").mkdir()
    for i, image in enumerate(x):
        Image.fromarray(image[0]).save(f"folder/{i:03d}.png")
    scores = []
    for target in ("first.npz", "last.npz", "folder"):
        scores.append(ganzoo.evaluate(target, "mnist-5k", ["is"], progress=False)["scores"])
    assert scores[0] == scores[1] == scores[2]


def test_a_metric_that_cannot_go_on_costs_no_run(tmp_path):
    """Too few real samples for fid show at the first evaluation: a note, and training goes on."""
    np.save("few.npy", np.random.default_rng(0).normal(size=(40, 60)))
    small = {"model.width": 8, "model.d_width": 8}
    run = ganzoo.train(
        "mlp-gan", "npy:few.npy", steps=2, batch_size=8, set=small, eval_metric=["fid"], progress=False
    )
    assert run.steps_done == 2
    assert read_lines(run.path / "metrics.jsonl") == []


@pytest.mark.parametrize("name", ["nope.zip", "nope.npy", "nope/", "./nope"])
def test_what_is_not_there_is_said_to_be_no_file_run_or_folder(name, refused):
    for number in range(1, 20):
        folder = Path(f"runs/{number:04d}-mlp-gan-ring8-s0")
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    refused(f"{name} {MNIST}", f"ganzoo: no file, run or folder '{name}' is there")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "it is empty"), (b"PK\3\4" + bytes(99), "it ends too early"), (b"words", "not a zip")],
)
def test_a_broken_zip_is_called_one(content, said, refused):
    Path("fake.zip").write_bytes(content)
    refused(f"fake.zip {MNIST}", "fake.zip cannot be read as a .zip archive: ", said)
