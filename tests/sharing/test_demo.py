"""The page to play with: its files, what serves them, and the page itself in a real Chromium."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler

import numpy as np
import onnxruntime
import pytest
import torch
from browser import Watched, chromium
from serving import serving

import ganzoo
from ganzoo.cli.main import main
from ganzoo.errors import UsageError, WorkError
from ganzoo.sharing import demo, web_runtime
from ganzoo.sharing.graph import Graph
from ganzoo.sharing.local_site import local_site
from ganzoo.system.cache import place

KEPT = place("downloads") / f"{web_runtime.NAME}-{web_runtime.VERSION}"  # of whoever runs the tests
FAKE = {name: f"// {name}".encode() for name in web_runtime.FILES}


@pytest.mark.parametrize(
    "case", ["dcgan", "infogan", "mlp-gan vectors", "wavegan", "stylegan2", "r3gan vectors"]
)
def test_what_the_page_is_told(generator_of, case):
    told = demo.described(generator_of(case))
    json.dumps(told, allow_nan=False)
    assert len(told["directions"]) == min(demo.WALKS, told["z_dim"])
    assert bool(told["pool"]) == (case == "infogan")
    assert bool(told["places"]) == ("mix" in told["options"])


def test_directions_are_those_of_a_linear_generator(generator_of):
    generator = generator_of("mlp-gan vectors")
    weight = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    net = torch.nn.Linear(2, 2)
    net.weight.data, net.bias.data = weight, torch.ones(2)
    generator.model.generator.main = net
    found = demo.directions(generator)
    torch.testing.assert_close(found, torch.eye(2), atol=1e-2, rtol=0.0)


@pytest.mark.parametrize(
    ("case", "sentence"),
    [("cyclegan", "has no z"), ("pix2pix", "samples of values"), ("dcgan five", "1 or 3 channels")],
)
def test_what_cannot_be_walked_is_refused(generator_of, case, sentence):
    name, _, five = case.partition(" ")
    generator = generator_of(name, **({"shape": (5, 8, 8)} if five else {}))
    with pytest.raises(UsageError, match=sentence):
        demo.check(generator)


def package(tmp_path, contents):
    """An npm package, and its sha512."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        for name, content in contents.items():
            entry = tarfile.TarInfo(f"package/dist/{name}")
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A registry with a package of other content, and how often it was asked."""
    content = package(tmp_path, FAKE)
    asked = []

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    monkeypatch.setattr(web_runtime, "SHA512", hashlib.sha512(content).hexdigest())
    hashes = {name: hashlib.sha256(own).hexdigest() for name, own in FAKE.items()}
    monkeypatch.setattr(web_runtime, "FILES", hashes)
    with serving(Registry, threading.Event()) as address:
        monkeypatch.setenv("npm_config_registry", address)
        yield asked


def test_the_runtime_is_fetched_once_and_checked(registry, monkeypatch):
    with pytest.raises(UsageError, match="--offline allows no download"):
        web_runtime.runtime(offline=True)
    assert web_runtime.runtime() == FAKE
    assert web_runtime.runtime() == web_runtime.runtime(offline=True) == FAKE
    assert registry == [f"/onnxruntime-web/-/onnxruntime-web-{web_runtime.VERSION}.tgz"]
    damaged = next(place("downloads").glob("onnxruntime-web-*/*.mjs"))
    damaged.write_bytes(b"other")
    assert web_runtime.runtime() == FAKE
    assert len(registry) == 2
    damaged.write_bytes(b"other")
    monkeypatch.setattr(web_runtime, "SHA512", "00")
    with pytest.raises(WorkError, match="cannot be fetched"):
        web_runtime.runtime()


def test_no_network_is_a_sentence(monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    with pytest.raises(WorkError, match=r"cannot be fetched from http://127\.0\.0\.1:9"):
        web_runtime.runtime()


@pytest.fixture
def served():
    """Serves files, and gives the port."""
    servers = []

    def serve(files):
        server = local_site(files)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append(server)
        return server.server_port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def answer(port, path, method="GET", host=None):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path, headers={"Host": host or f"127.0.0.1:{port}"})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, response.headers, content


def test_the_server_has_its_files_for_this_machine_alone(served):
    port = served({"index.html": b"<p>", "a.wasm": b"1"})
    status, headers, content = answer(port, "/")
    assert (status, content, headers["Content-Type"]) == (200, b"<p>", "text/html; charset=utf-8")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert answer(port, "/a.wasm?x")[1]["Content-Type"] == "application/wasm"
    assert answer(port, "/a.wasm", "HEAD")[2] == b""
    for path in ("/none", "/../index.html", "/%2e%2e/etc/passwd", "//etc/passwd"):
        assert answer(port, path)[0] == 404
    assert answer(port, "/", host="evil.example:80")[0] == 404
    with pytest.raises(UsageError, match=f"--port {port} cannot be had"):
        local_site({}, port)


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def site(generator_of, served, monkeypatch):
    """The address of the page of some generators, with the real runtime."""

    def make(*cases):
        folder = place("downloads") / KEPT.name
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not folder.exists() and KEPT.exists():
            folder.symlink_to(KEPT)
        generators = [generator_of(case, conditional=case == "stylegan2") for case in cases]
        try:
            files = demo.page(generators, offline=True)
        except UsageError as error:
            pytest.skip(f"{error}; ganzoo demo fetches it once")
        return f"http://127.0.0.1:{served(files)}/", generators

    return make


def opened(browser, address, **words):
    page = Watched(browser, **words)
    page.open(address)
    page.tab.wait_for_selector("#main:not([hidden])")
    page.tab.wait_for_selector("#others canvas")
    return page


def pixels(page, canvas="#sample"):
    return page.tab.eval_on_selector(canvas, "c => c.toDataURL()")


@pytest.mark.slow
def test_the_page_in_chromium(browser, site):
    """Walks, draws, goes between, picks a class and mixes styles, within its own files."""
    address, _ = site("stylegan2")
    page = opened(browser, address)
    before = pixels(page)
    for act in (
        lambda: page.tab.locator("#walk-0").fill("2.5"),
        lambda: page.tab.locator("#classes").select_option("3"),
        lambda: page.tab.locator("#draw").click(),
        lambda: page.tab.locator("#truncation").fill("0.2"),
        lambda: page.tab.locator("#between").fill("0.5"),
        lambda: page.tab.locator("#mix").fill("2"),
        lambda: page.tab.locator("#others button").nth(3).click(),
    ):
        act()
        page.tab.wait_for_function(
            "before => document.querySelector('#sample').toDataURL() !== before", arg=before
        )
        before = pixels(page)
    page.tab.locator("#walk-1").focus()
    page.tab.keyboard.press("ArrowRight")
    page.tab.wait_for_function(
        "before => document.querySelector('#sample').toDataURL() !== before", arg=before
    )
    page.tab.locator("#home").click()
    assert page.tab.locator("#walk-1").input_value() == "0"
    page.tab.locator("#keep-a").click()
    page.tab.wait_for_function(
        "() => document.querySelector('#a').toDataURL() === document.querySelector('#sample').toDataURL()"
    )
    assert float(page.tab.locator("#time").get_attribute("data-ms")) <= 100.0
    assert "class 3" in page.tab.locator("#sample").get_attribute("aria-label")
    assert page.faults == []
    assert all(request.startswith(address) for request in page.requests)
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(400, True), (1280, False)])
def test_the_page_is_accessible(browser, site, width, dark):
    address, _ = site("mlp-gan vectors", "wavegan")
    page = opened(browser, address, width=width, dark=dark)
    assert page.overflow() <= 0
    assert page.inaccessible() == []
    page.tab.locator("#generators").select_option("1")
    page.tab.wait_for_function("() => document.querySelector('#name').textContent === 'wavegan'")
    page.tab.wait_for_selector("#main:not([hidden])")
    assert page.inaccessible() == []
    assert page.faults == []
    page.close()


@pytest.mark.slow
def test_what_the_browser_makes_is_what_the_generator_makes(browser, site):
    address, (generator,) = site("mlp-gan")
    page = opened(browser, address)
    z = torch.randn(1, generator.z_dim)
    made = page.tab.evaluate(
        """async z => {
          const ort = await import("./ort.wasm.bundle.min.mjs");
          const session = await ort.InferenceSession.create("0.onnx");
          const given = { z: new ort.Tensor("float32", Float32Array.from(z), [1, z.length]) };
          return Array.from((await session.run(given)).samples.data);
        }""",
        z[0].tolist(),
    )
    np.testing.assert_allclose(np.array(made), Graph(generator)(z).flatten(), atol=1e-4)
    page.close()


def test_the_page_as_a_folder(registry, tmp_path, capsys):
    words = {"steps": 1, "batch_size": 8, "progress": False, "device": "cpu", "set": {"model.width": 8}}
    run = ganzoo.train("mlp-gan", "ring8", out=tmp_path / "run", **words)
    for _ in range(2):  # what is there is a page, and is made anew
        with pytest.raises(SystemExit) as done:
            main(["demo", str(run.path), "--out", "page"])
        assert (done.value.code, capsys.readouterr().out) == (0, "page/index.html\n")
    assert set(demo.ASSETS) | set(FAKE) | {"0.onnx", "generators.json"} == {
        path.name for path in (tmp_path / "page").iterdir()
    }
    (told,) = json.loads((tmp_path / "page" / "generators.json").read_text())
    session = onnxruntime.InferenceSession(tmp_path / "page" / told["file"])
    assert session.run(None, {"z": np.zeros((3, told["z_dim"]), np.float32)})[0].shape == (3, 2)
    with pytest.raises(SystemExit) as done:
        main(["demo", str(run.path), "--out", str(run.path)])
    assert done.value.code == 2
    assert "is no page of ganzoo demo" in capsys.readouterr().err


def test_the_command_serves_until_ctrl_c(registry, tmp_path, capsys, monkeypatch):
    served = []

    def serve(server):
        served.append(server.server_address[:2])
        raise KeyboardInterrupt

    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", serve)
    monkeypatch.setattr(demo, "onnx_of", lambda generator: (b"", []))
    words = {"steps": 1, "batch_size": 8, "progress": False, "device": "cpu", "set": {"model.width": 8}}
    ganzoo.train("mlp-gan", "ring8", out=tmp_path / "run", **words)
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    for more in ([], ["--no-browser"]):
        with pytest.raises(SystemExit) as done:
            main(["demo", "run", *more])
        assert done.value.code == 0
    ((host, port), _) = served
    assert host == "127.0.0.1"
    assert opened == [f"http://127.0.0.1:{port}/"]
    assert capsys.readouterr().out.startswith(opened[0])
