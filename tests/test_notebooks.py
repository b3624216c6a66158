"""Every notebook of the documentation runs as it stands, in a real kernel, and holds no outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
NOWHERE = "http://127.0.0.1:9"  # a proxy that there is not: no notebook may need a network


def test_there_are_some():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_is_left_in_it(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path, monkeypatch):
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, NOWHERE)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": "."}}
    )
    client.execute()  # which raises what a cell raises
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            said = output.get("text", "") if output.get("name") == "stderr" else ""
            assert "Warning" not in said
            assert "Traceback" not in said


FIVE_LINES = """
import ganzoo, torch
x = torch.randint(0, 256, (300, 1, 16, 16), dtype=torch.uint8)
run = ganzoo.train("dcgan", x, steps=12, batch_size=16, set={"model.width": 4})
images = run.sample(16)
run.evaluate(["kid"], samples=200, extractor="mnist-cnn-v1")["scores"], images.shape
"""


def test_from_a_tensor_to_scores_in_five_lines_and_what_the_cell_shows():
    lines = FIVE_LINES.strip()
    assert len(lines.splitlines()) <= 5
    cells = [nbformat.v4.new_code_cell(text) for text in (lines, "run", "run.plot()")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": "."}}
    ).execute()
    trained, shown, plotted = (cell.outputs for cell in notebook.cells)
    (bar,) = (each["data"] for each in trained if "12/12 steps" in str(each.get("data")))
    assert "image/png;base64" in bar["text/html"]
    assert "D(real)" in bar["text/plain"]
    assert "kid@mnist-cnn-v1" in trained[-1]["data"]["text/plain"]
    assert "torch.Size([16, 1, 16, 16])" in trained[-1]["data"]["text/plain"]
    assert not [each for each in trained if each.get("name") == "stderr"]
    assert "image/png;base64" in shown[-1]["data"]["text/html"]
    assert shown[-1]["data"]["text/plain"].startswith("<Run 'runs/0001-dcgan-given")
    assert plotted[-1]["data"]["image/png"]
