"""Generators in other formats: every model of the zoo, run and compared with torch."""

from __future__ import annotations

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import CASES
from torch import nn

import ganzoo
from ganzoo.cli.main import main
from ganzoo.errors import UsageError, WorkError
from ganzoo.sharing.formats import export
from ganzoo.sharing.graph import TOLERANCE, Graph, left_out, traced

FAST = ["mlp-gan vectors"]
SMALL = {"steps": 2, "batch_size": 8, "progress": False, "device": "cpu", "set": {"model.width": 8}}


@pytest.mark.parametrize("case", CASES)
def test_the_graph_of_every_model_is_its_samples(generator_of, case):
    generator = generator_of(case)
    graph = Graph(generator)
    assert graph.off(lambda given: graph(*given)) <= TOLERANCE
    given = graph.example(4)
    assert torch.equal(graph(*given), graph(*given))  # it draws nothing
    assert not any(isinstance(part, nn.Dropout) and part.training for part in graph.modules())
    assert graph(*given).shape == (4, *generator.about.sample_shape)


@pytest.mark.parametrize(
    "case", [case if case in FAST else pytest.param(case, marks=pytest.mark.slow) for case in CASES]
)
def test_every_model_in_onnx(generator_of, case, tmp_path):
    generator = generator_of(case)
    (seen,) = export(generator, "onnx", tmp_path / "g.onnx")
    assert "onnxruntime makes the same samples" in seen
    model = onnx.load(tmp_path / "g.onnx")
    onnx.checker.check_model(model)
    assert {value.type.tensor_type.shape.dim[0].dim_param for value in model.graph.output} == {"n"}
    session = onnxruntime.InferenceSession(tmp_path / "g.onnx")
    graph = Graph(generator)
    assert [each.name for each in session.get_inputs()] == [each.name for each in graph.inputs]
    for n in (1, 3, 70):
        given = graph.example(n, seed=n + 1)
        fed = {each.name: one.numpy() for each, one in zip(graph.inputs, given, strict=True)}
        (made,) = session.run(["samples"], fed)
        np.testing.assert_allclose(made, graph(*given), atol=TOLERANCE)
    said = session.get_modelmeta().custom_metadata_map
    assert said["model"] == generator.about.model
    assert json.loads(said["ganzoo"])["inputs"][0]["name"] == session.get_inputs()[0].name
    assert len(list(tmp_path.glob("*"))) == 1  # no second file of weights


@pytest.mark.parametrize(
    "case", [case if case in FAST else pytest.param(case, marks=pytest.mark.slow) for case in CASES]
)
def test_every_model_in_torch_export(generator_of, case, tmp_path):
    generator = generator_of(case)
    export(generator, "torch-export", tmp_path / "g.pt2")
    said = {"ganzoo.json": ""}
    program = torch.export.load(tmp_path / "g.pt2", extra_files=said)
    graph = Graph(generator)
    for n in (1, 3, 70):
        given = graph.example(n, seed=n + 1)
        torch.testing.assert_close(program.module()(*given), graph(*given), atol=TOLERANCE, rtol=0.0)
    assert json.loads(said["ganzoo.json"])["model"] == generator.about.model


@pytest.mark.parametrize("half", [False, True])
def test_safetensors_is_ganzoos_own(generator_of, tmp_path, half):
    generator = generator_of("bigan", conditional=True)
    export(generator, "safetensors", tmp_path / "g.safetensors", half)
    loaded = ganzoo.load_generator(tmp_path / "g.safetensors")
    a, b = loaded.sample(8).int(), generator.sample(8).int()
    assert int((a - b).abs().max()) <= (4 if half else 0)
    z = loaded.encode(b.to(torch.uint8))  # what goes with G comes along
    assert z.shape == (8, generator.z_dim)


def test_noise_is_that_of_the_first_samples_of_seed_0(generator_of):
    generator = generator_of("stylegan2", conditional=True)
    graph = Graph(generator)
    z, y = torch.randn(6, generator.z_dim), torch.arange(6) % 5
    made = graph(z, y, torch.tensor(0.7), torch.tensor(2))
    wanted = generator.sample(labels=y, z=z, truncation=0.7, mix=2)
    assert int((((made * 127.5) + 127.5).round().int() - wanted.int()).abs().max()) <= 1
    plain = graph(z, y, torch.tensor(1.0), torch.tensor(0))
    assert not torch.allclose(plain, made, atol=1e-2)


def test_vectors_come_in_their_own_units(tmp_path):
    x = np.random.default_rng(0).normal([5.0, -1e3], [1e-2, 1e2], (200, 2)).astype("float32")
    run = ganzoo.train("mlp-gan", x, out=tmp_path / "run", **SMALL)
    generator = ganzoo.load_generator(run.path)
    z = torch.randn(50, generator.z_dim)
    torch.testing.assert_close(Graph(generator)(z), run.sample(z=z), rtol=1e-4, atol=1e-3)


def test_what_draws_on_is_refused(generator_of):
    generator = generator_of("mlp-gan vectors")

    class Restless(nn.Module):
        def forward(self, x):
            return x + torch.randn_like(x)

    generator.model.generator.main.append(Restless())
    with pytest.raises(WorkError, match=r"differ from torch's|does not run it"):
        export(generator, "torch-export", generator.path.with_suffix(".pt2"))
    assert not generator.path.with_suffix(".pt2").exists()


def test_the_model_stays_as_it_was(generator_of):
    generator = generator_of("stylegan2")
    before = {name: value.clone() for name, value in generator.model.state_dict().items()}
    x = generator.sample(4)
    traced(Graph(generator))
    after = generator.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(x, generator.sample(4))


def test_options_that_no_graph_takes_are_known(generator_of):
    assert left_out(generator_of("biggan")) == ["truncation"]
    assert left_out(generator_of("stylegan2")) == []


def test_a_missing_library_is_named(generator_of, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        UsageError, match=r"onnxruntime, which is missing: pip install 'ganzoo-torch\[onnx\]'"
    ):
        export(generator_of("mlp-gan vectors"), "onnx", tmp_path / "g.onnx")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return ganzoo.train("mlp-gan", "ring8", **SMALL)


def ganzoo_says(capsys, *words):
    with pytest.raises(SystemExit) as done:
        main(list(words))
    return done.value.code, capsys.readouterr()


@pytest.mark.usefixtures("run")
def test_the_command(capsys):
    code, said = ganzoo_says(capsys, "export", "--format", "torch-export")
    assert (code, said.out) == (0, "0001-mlp-gan-ring8-s0.pt2\n")
    assert "torch.export makes the same samples as torch" in said.err
    code, said = ganzoo_says(capsys, "export", "1", "--out", "g.safetensors")
    assert (code, said.out) == (0, "g.safetensors\n")
    code, said = ganzoo_says(capsys, "export", "g.safetensors", "--out", "again.safetensors", "--half")
    assert code == 0


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "say which format"),
        (["--format", "onxx"], "did you mean onnx"),
        (["--out", "g.bin"], "expected a name that ends in .onnx"),
        (["--out", "g.pt2", "--half"], "--half is of --format safetensors"),
        (["7", "--format", "onnx"], "no run '7'"),
        (["nothing.safetensors", "--format", "onnx"], "no file, run or folder"),
        (["--format", "onnx", "--checkpoint", "best"], "no best checkpoint"),
    ],
)
def test_wrong_words_get_one_sentence(capsys, words, sentence):
    code, said = ganzoo_says(capsys, "export", *words)
    assert code == 2
    assert sentence in said.err
    assert said.err.count("\n") <= 2
