"""Any words at all, seeded: one sentence and a status, and nothing is left behind by what was refused."""

from __future__ import annotations

import json
import os
import random
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo.cli.main import main
from ganzoo.training.trainer import Trainer

SMALL = "--batch-size 8 --set model.width=8 --set model.d_width=8"
MLP = f"run mlp-gan {SMALL} --seed 1 --device cpu --recipe default"
# What is asked for is tiny, or ends before any work.
LINES = [
    "list models --json",
    "info dcgan",
    f"{MLP} --dataset ring8 --steps 2 --loss hinge --lr 0.001 --lr-g 0.1 --lr-d 0.1 --n-dis 1 --dry-run",
    f"{MLP} --dataset ring8 --stabilizer r1:gamma=0.1 --label-smoothing 0.1 --skip-d-below 0.1 --dry-run",
    f"{MLP} --dataset ring8 --checkpoint-every 1 --eval-every 1 --eval-metric modes --dry-run",
    f"{MLP} --dataset ring8 --precision fp32 --dry-run",
    f"{MLP} --dataset npy:x.npy --epochs 1 --data-root data --offline --out new --dry-run",
    f"{MLP} --dataset folder:pics --set data.size=8 --set data.channels=1 --conditional --dry-run",
    f"{MLP} --dataset ring8 --steps 2 --out new",
    "resume done --steps 4",
    "resume half",
    "sample done -n 4 --seed 1 --class 0 --out s.png",
    "sample done -n 4 --out s.npz --interpolate",
    "sample done --nearest",
    "eval done --metric modes --samples 64 --seed 1 --reference train --checkpoint last --extractor identity",
    "eval s.npz --metric modes --dataset ring8 --samples 64 --data-root data --json",
    "eval pics --metric fid --dataset folder:pics --set size=8 --extractor cnn --extractor-weights w.st",
    "bench suite.toml --jobs 1 --out results --retry --steps 2 --samples 64 --dry-run",
    "table rows.jsonl --format md --metric modes --dataset ring8 --where steps=100 --shared-cost",
    "compare done half --json",
    "extractor list",
    "extractor train --dataset ring8 --epochs 1 --seed 0 --device cpu --data-root data --out x.safetensors",
    "plugin new my-gan --kind model --out mine",
    "plugin check hinge --kind loss --set margin=1",
    "stylize a.png none.png -o o.png --steps 1 --size 16 --style-weight 1 --tv-weight 1 --start noise",
    "stylize a.png none.png -o o.png --content-weight 1 --seed 0 --extractor random --extractor-weights w.st",
]
NUMBERS = [
    "0", "-1", "-0.0", "1e308", "-1e308", "nan", "inf", "-inf", "1e9", "1e-320", "0x10", "1_0", "٣", "²",
    "½", str(10**12), str(10**30), str(2**63), str(2**63 - 1), str(2**64), "9" * 5000, "true", "1.5", "1,5",
    "+1",
]  # fmt: skip
PATHS = [
    "~nosuchuser/x", "~", "a" * 300, "a/" * 3000, "nul\0nul", "", " ", ".", "..", "../..", "/", "/dev/null",
    "/dev/null/x.png", "/proc/x/y.png", "a.png/", "pics/", "pics/x.png/y.png", "none/" + "b" * 300 + ".png",
    "nested.toml", "deep.toml", "many.toml", "seeds.toml", "twice.toml", "bytes.toml", "long.toml",
    "wide.toml", "\udcff.png", "half\ud800", "-x", "--", "done/config.json", "results", "locked/x.png",
    "x.npy/x.npz",
]  # fmt: skip
TEXTS = [
    "\x1b[31mred\x07", "a\r\nganzoo: forged", "\u202eevil\u2066", "\u200b\ufeff", "[bold]x[/]", "[/]",
    ":cat:", "{0}", "%s", "$(x)", "'", '"', "a=b", "a.b.c=", "=", "model.width=1e9", f"model.width={10**9}",
    f"model.z_dim={10**12}", f"model.depth={10**9}", f"model.pack={10**12}", f"data.size={10**12}",
    "size=-1", f"batch_size={10**12}", "lr_schedule.start=nan", f"steps={10**30}", "stabilizers=x",
    "optimizer_g.lr=inf", "r1:gamma=nan", "r1:gamma=1e308", "r1:gamma", "r1:,", "r1:gamma=1,gamma=2",
    "none", "unrolled:steps=0", f"packing:k={10**12}", f"minibatch-std:group={10**12}",
    "clip-weights:bound=-1", "npy:", "folder:", "folder:pics", "npy:x.npy", "npy:none",
    "folder:~nosuchuser", "cnn:", "cnn:x/../y", "cnn:\0", "grid25", "fid", "cuda:99", "cuda", "mps",
    "cpu:7", "meta", "bf16", "paper", "--help", "--debug=1", "--no-such", "-", "modes", "steps=",
    "(" * 3000, "[" * 3000, "pics", "x.npy", "s.npz", "a.png", "rows.jsonl", "done", "half", "\0",
]  # fmt: skip
FILES = "new mine data results done half pics s.png s.npz w.st suite.toml rows.jsonl x.safetensors"
WORDS = NUMBERS + PATHS + TEXTS


def alike(word: str) -> list[str]:
    """Hostile words for the same place."""
    if word.replace(".", "").isdecimal():
        return NUMBERS
    return PATHS if word in FILES.split() else TEXTS


def mutated(words: list[str], draw: random.Random) -> list[str]:
    """Some of the words replaced, left out, put in, repeated or moved."""
    words = list(words)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        i = draw.randrange(1, len(words))
        way = draw.random()
        if way < 0.7:
            values = [j for j in range(1, len(words)) if not words[j].startswith("-")] or [i]
            i = draw.choice(values)
            words[i] = draw.choice(draw.choice([WORDS, alike(words[i])]))
        elif way < 0.78:
            del words[i]
        elif way < 0.86:
            words.insert(i, draw.choice(WORDS))
        elif way < 0.94:
            words += words[i : i + 2]
        else:
            draw.shuffle(words[i : i + 2])
            words.append(words.pop(i))
        if len(words) < 2:
            words.append(draw.choice(WORDS))
    return words


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Runs, data, results and suites, and a trainer that does no more than a few steps."""
    here = tmp_path / "a" / "b" / "c"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "home").mkdir()
    fit = Trainer.fit
    monkeypatch.setattr(Trainer, "fit", lambda self: fit(self) if self.recipe.steps <= 4 else None)
    numbers = np.random.default_rng(0)
    np.save("x.npy", numbers.normal(size=(64, 2)).astype("float32"))
    np.savez("s.npz", samples=numbers.normal(size=(300, 2)).astype("float32"))
    for name in ("pics/a", "pics/b", "data", "results", "locked"):
        Path(name).mkdir(parents=True)
    for i in range(24):
        pixels = numbers.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(f"pics/{'ab'[i % 2]}/{i}.png")
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save("a.png")
    Path("w.st").write_bytes(b"no weights")
    cell = 'model = "mlp-gan"\ndataset = "ring8"\nmetric = ["modes"]\nsteps = 2\n'
    cell += 'set = { "model.width" = 8, "model.d_width" = 8 }\n'
    suites = {
        "suite": cell + "seeds = 2\n",
        "nested": "a = " + "[" * 3000,
        "deep": "set = {" + "a." * 3000 + "b = 1}",
        "many": cell
        + "".join(f"{key} = {list(range(1, 400))}\n" for key in ("batch-size", "n-dis", "eval-every")),
        "seeds": cell + "seeds = 1_000_000_000\n",
        "twice": "seeds = 1\nseeds = 2\n",
        "long": "seeds = " + "9" * 5000,
        "wide": cell + f"seeds = [1, {10**30}]\n",
    }
    for name, text in suites.items():
        Path(f"{name}.toml").write_text(text)
    Path("bytes.toml").write_bytes(b"\xff\xfe\0")
    for name in ("done", "half"):
        words = f"run mlp-gan --dataset ring8 --steps 2 {SMALL} --checkpoint-every 1 --out {name}"
        with pytest.raises(SystemExit) as end:
            main(words.split())
        assert not end.value.code
    Path("half/checkpoints/step-00000002.safetensors").unlink()
    row = json.loads(Path("done/log.jsonl").read_text().splitlines()[-1])
    Path("rows.jsonl").write_text(json.dumps(row) + "\n")
    Path("locked").chmod(0o500)
    return tmp_path


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """All that is there, the finished caches aside."""
    found = {}
    for top, folders, files in os.walk(folder):
        if top == str(folder / "cache" / "ganzoo" / "folders"):
            folders[:] = [name for name in folders if ".part" in name]
        for name in (*folders, *files):
            path = os.path.join(top, name)  # noqa: PTH118 - a walk gives texts
            found[path] = (0, 0) if name in folders else (os.stat(path).st_size, os.stat(path).st_mtime_ns)  # noqa: PTH116
    return {
        path: marks
        for path, marks in found.items()
        if not path.startswith(f"{folder}/cache") or "part" in path
    }


def hidden(text: str) -> set[str]:
    bad = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    return {c for c in text if unicodedata.category(c) in bad and c != "\n"}


def case(seed: int) -> list[str]:
    draw = random.Random(seed)
    return mutated(draw.choice(LINES).split(), draw)


def check(ganzoo, world: Path, words: list[str]) -> None:
    """One case: its end, and what it left."""
    if words[0] in ("run", "bench") and "--dry-run" not in words and words[-2:] != ["--out", "new"]:
        words.insert(1, "--dry-run")
    before = tree(world)
    result = ganzoo("", *words)
    told = f"{words}\n{result.out}{result.err}"
    after = tree(world)
    stopped = result.code == 130  # what a run of more steps than are made here looks like
    assert stopped or result.code in (0, 1, 2), told
    assert "failed: " not in result.err, told
    assert not hidden(result.out + result.err), told
    if result.code == 0 or stopped:
        for path in sorted(after.keys() - before.keys(), reverse=True):
            Path(path).rmdir() if Path(path).is_dir() else Path(path).unlink()
        return
    shown = [line for line in result.err.splitlines() if not line.startswith(("note: ", "going on with "))]
    if not result.err.startswith("Usage: "):
        assert shown == [result.sentence], told
    assert len(result.sentence) < 2500 if "ganzoo: " in result.err else True, told
    assert after == before, f"{told}\nleft: {after.keys() ^ before.keys()}"


def fuzz(ganzoo, world: Path, seeds: range) -> None:
    whole = shutil.copytree(world / "a", world / "whole")
    for seed in seeds:
        check(ganzoo, world, case(seed))
    assert whole.is_dir()


def test_some_words(ganzoo, world):
    fuzz(ganzoo, world, range(300))


@pytest.mark.slow
def test_many_words(ganzoo, world):
    fuzz(ganzoo, world, range(300, 6000))
