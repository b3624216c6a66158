"""benchmarks/gpu.py end to end, on a CPU: on the day only the device differs."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

from ganzoo.training import compiled

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    """The command; nothing makes code, which takes minutes."""
    before = {*sys.modules}
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setattr(compiled, "BACKEND", "aot_eager")
    made = importlib.import_module("gpu")
    monkeypatch.setattr(made, "STEPS", 2)
    yield made
    for name in {"gpu", "where", "peers", "peers.dcgan_example"} - before:
        sys.modules.pop(name, None)


def measure(gpu, file, *words):
    return gpu.main(["--device", "cpu", "--seconds", "0.01", "--tiny", "--out", str(file), *words])


def test_a_row_takes_the_place_of_its_own(gpu, tmp_path):
    file = tmp_path / "gpu.jsonl"
    file.write_text(json.dumps({**dict.fromkeys(gpu.KEYS), "model": "another"}) + "\n")
    for _ in range(2):
        assert measure(gpu, file, "--models", "wgan") == 0
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        assert [(row["model"], row["precision"]) for row in rows] == [
            ("another", None), ("wgan", "fp32"), ("wgan", "bf16"), ("wgan", "fp16")
        ]  # fmt: skip
        assert all(row["images_per_s"] > 0.0 < row["ceiling"] for row in rows[1:])
        assert rows[1]["gflop"] == rows[2]["gflop"] > 0.0


@pytest.mark.slow
def test_every_cell_is_measured(gpu, tmp_path, capsys):
    file = tmp_path / "gpu.jsonl"
    assert measure(gpu, file, "--models", "dcgan", "r3gan") == 0
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    ways = [(row["model"], row["px"], row["precision"], row["compile"]) for row in rows]
    precisions = ("fp32", "bf16", "fp16")
    assert ways == [
        ("example script", 64, "fp32", False),
        *(("dcgan", 64, precision, False) for precision in precisions),
        *(("dcgan", 64, precision, True) for precision in precisions[:2]),
        *(("r3gan", 32, precision, False) for precision in precisions),
    ]
    assert all(row["images_per_s"] > 0.0 < row["ceiling"] for row in rows)
    assert all(row["first_steps_s"] > 0.0 for row in rows if row["compile"])
    counted = {row["precision"]: row["gflop"] for row in rows if row["model"] == "dcgan"}
    assert counted["fp32"] == counted["bf16"] > 0.0
    assert len(capsys.readouterr().out.splitlines()) == len(rows)


def test_a_cell_that_fails_does_not_end_the_others_and_time_does(gpu, tmp_path, capsys, monkeypatch):
    file = tmp_path / "gpu.jsonl"
    real = gpu.trainer

    def some(cell, options):
        if cell.precision == "bf16":
            raise RuntimeError("no such kernel\nand a stack")
        return real(cell, options)

    monkeypatch.setattr(gpu, "trainer", some)
    assert measure(gpu, file, "--models", "wgan") == 1
    assert [json.loads(line)["precision"] for line in file.read_text().splitlines()] == ["fp32", "fp16"]
    assert capsys.readouterr().err == "wgan bf16 failed: no such kernel\n1 cells were not measured\n"
    assert measure(gpu, file, "--models", "wgan", "--minutes", "-1") == 1
    assert "3 cells were not measured" in capsys.readouterr().err


def test_what_is_measured_on_a_gpu_is_shown_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS / "pages")
    table = importlib.import_module("gpu_table").gpu_table
    file = tmp_path / "gpu.jsonl"
    assert "CUDA is untested" in table(file)
    row = {
        "model": "dcgan", "px": 64, "batch": 64, "precision": "bf16", "compile": True,
        "images_per_s": 51234.5, "ms": 1.25, "gflop": 100.0, "gflop_per_s": 80_000.0, "ceiling": 800_000.0,
        "first_steps_s": 40.0,
        "torch": "2.14", "processor": "Some CPU, 2 cores", "date": "2026-01-02",
    }  # fmt: skip
    file.write_text(json.dumps(row) + "\n")
    assert "CUDA is untested" in table(file)
    file.write_text(json.dumps({**row, "processor": "A GPU"}) + "\n")
    shown = table(file)
    assert "A GPU, torch 2.14, 2026-01-02; the ceiling, a product of bf16 matrices, is 800 TFLOP/s" in shown
    assert "| `dcgan` | 64 | 64 | bf16 compiled | 51,234 | 1.25 | 80,000 | 10.0% |" in shown
