"""push and pull against a server that answers as the hub does: its layout, a card, one sentence else."""

from __future__ import annotations

import base64
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler

import pytest
import torch
from huggingface_hub import ModelCard, constants
from serving import serving

import ganzoo
from ganzoo.cli.main import main
from ganzoo.errors import UsageError, WorkError
from ganzoo.running.hub_cache import is_repo
from ganzoo.sharing import hub
from ganzoo.sharing.model_card import model_card, plain

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Keeps what is uploaded in a dict; `refuses` is a status for everything."""

    files: dict[str, bytes]
    refuses: int
    private: list[bool]

    def do_POST(self):
        said = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.refuses:
            return self._answer({"error": "no"}, self.refuses)
        if self.path == "/api/repos/create":
            words = json.loads(said)
            self.private.append(bool(words.get("private") or words.get("visibility") == "private"))
            return self._answer({"url": f"http://{self.headers['Host']}/me/digits"})
        if "/preupload/" in self.path:
            files = json.loads(said)["files"]
            return self._answer(
                {
                    "files": [
                        {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files
                    ]
                }
            )
        if "/commit/" in self.path:
            for line in map(json.loads, said.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            address = f"http://{self.headers['Host']}/me/digits/commit/{COMMIT}"
            return self._answer({"success": True, "commitOid": COMMIT, "commitUrl": address})
        return self._answer({"errors": [], "warnings": []})

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        name = self.path.partition("?")[0].rpartition("/")[2]
        if self.refuses and self.path != "/":
            return self._answer({"error": "no"}, self.refuses)
        if "/resolve/" not in self.path:
            return self._answer({"id": "me/digits", "sha": COMMIT, "siblings": []})
        if not self.path.startswith("/me/digits/"):
            return self._answer({}, 404, {"X-Error-Code": "RepoNotFound"})
        if name not in self.files:
            return self._answer({}, 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        content = self.files[name]
        return self._answer(content, 200, {"ETag": f'"{len(content)}"', "X-Repo-Commit": COMMIT})

    def _answer(self, content, status=200, headers=None):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in {
            "Content-Length": len(body),
            "Content-Type": "application/json",
            **(headers or {}),
        }.items():
            self.send_header(key, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def server(tmp_path, monkeypatch):
    answers = type("One", (Hub,), {"files": {}, "refuses": 0, "private": []})
    closing = threading.Event()
    with serving(answers, closing) as address:
        monkeypatch.setenv("HF_ENDPOINT", address.rstrip("/"))
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield answers


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    words = {"steps": 2, "batch_size": 8, "progress": False, "device": "cpu", "set": {"model.width": 4}}
    made = ganzoo.train("dcgan", "mnist-5k", out=tmp_path_factory.mktemp("pushed") / "run", **words)
    made.evaluate(["is"], samples=200, progress=False)
    return made


def ganzoo_says(capsys, *words):
    with pytest.raises(SystemExit) as done:
        main(list(words))
    return done.value.code, capsys.readouterr()


def test_there_and_back(server, run, capsys):
    code, said = ganzoo_says(capsys, "push", str(run.path), "me/digits", "--private")
    assert (code, server.private) == (0, [True]), said.err
    assert "me/digits" in said.out
    assert sorted(server.files) == ["README.md", "config.json", "model.safetensors", "samples.png"]
    assert server.files["samples.png"].startswith(b"\x89PNG")
    assert json.loads(server.files["config.json"])["model_options"]["width"] == 4
    with pytest.raises(UsageError, match="no file, run or folder"):
        ganzoo.load_generator("me/digits")
    code, said = ganzoo_says(capsys, "pull", "me/digits")
    assert code == 0
    assert said.out.strip().endswith("model.safetensors")
    assert "ganzoo sample me/digits" in said.err
    server.refuses = 500  # nobody is asked from here on
    loaded = ganzoo.load_generator("me/digits")
    assert torch.equal(loaded.sample(5, seed=3), run.sample(5, seed=3))
    assert loaded.scores == run.scores
    code, said = ganzoo_says(capsys, "pull", "me/digits", "--offline")
    assert code == 0


def test_its_folder_is_a_generator_too(run, tmp_path):
    hub.write_repository(ganzoo.load_generator(run.path), tmp_path, "me/digits")
    assert torch.equal(ganzoo.load_generator(tmp_path).sample(5), run.sample(5))


def test_the_card_is_one_that_the_hub_reads(run):
    card = ModelCard(model_card(ganzoo.load_generator(run.path), "me/digits"))
    assert card.data.library_name == "ganzoo"
    assert card.data.pipeline_tag == "unconditional-image-generation"
    (result,) = [one for one in card.data.eval_results if one.metric_name == "is@mnist-cnn-v1"]
    assert result.metric_value == run.scores["is@mnist-cnn-v1"]
    assert "ganzoo run dcgan --dataset mnist-5k --seed 0 --steps 2" in card.text
    assert str(run.path.parent) not in card.content
    assert "200 generated" in card.text


def test_text_of_others_is_shown_as_it_is():
    assert plain("<script>a|b\n# c") == "&lt;script\\>a\\|b \\# c"


@pytest.mark.parametrize(
    "word", ["me", "a/b/c", "/x", "a/..", "a b/c", "a--b/c", "", "../x", "x/" + "y" * 200]
)
def test_what_is_no_repository(word):
    assert not is_repo(word)
    with pytest.raises(UsageError, match="OWNER/NAME"):
        hub.check_repo(word)


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [
        (401, UsageError, "hf auth login"),
        (403, UsageError, "hf auth login"),
        (500, WorkError, "refuses|does not answer"),
    ],
)
def test_refusals_of_the_hub(server, run, status, kind, sentence, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between tries
    server.refuses = status
    with pytest.raises(kind, match=sentence) as refused:
        hub.push(ganzoo.load_generator(run.path), "me/digits")
    assert "\n" not in str(refused.value)


def test_other_repositories(server, tmp_path):
    with pytest.raises(UsageError, match="no such repository"):
        hub.pull("me/nothing")
    with pytest.raises(UsageError, match=r"holds no model\.safetensors"):
        hub.pull("me/digits")
    server.files["model.safetensors"] = b"no tensors"
    with pytest.raises(UsageError, match="is damaged"):
        hub.pull("me/digits")


def test_without_a_network(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for offline in (False, True):
        with pytest.raises(WorkError, match="does not answer"):
            hub.pull("me/digits", offline=offline)


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r"pip install 'ganzoo-torch\[hub\]'"):
        hub.pull("me/digits")


def test_words(capsys):
    code, said = ganzoo_says(capsys, "push", "a", "b", "c/d")
    assert (code, "got 3 words" in said.err) == (2, True)
