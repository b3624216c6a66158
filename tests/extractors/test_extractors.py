"""Feature extractors: what they compute, what they refuse, and how one is made."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import os
import pickle
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from serving import serving

from ganzoo.cli.main import main
from ganzoo.data.base import Dataset
from ganzoo.data.mnist import Mnist5k, read_5k
from ganzoo.data.open import open_dataset
from ganzoo.data.stacked import StackedMnist5k
from ganzoo.data.tensors import ImageSet
from ganzoo.errors import UsageError, WorkError
from ganzoo.extractors import cnn, inception, training
from ganzoo.extractors.classifier import Classifier, classify, pack, read_meta
from ganzoo.extractors.cnn import SHIPPED, SHIPPED_SHA256, Cnn, MnistCnnV1, installed, trained_for
from ganzoo.extractors.fidelity import register
from ganzoo.extractors.identity import Identity
from ganzoo.extractors.open import open_extractor
from ganzoo.extractors.training import default_epochs, distort, install, train_classifier
from ganzoo.system.files import cache_folder

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits():
    return read_5k()[1]


@pytest.fixture(scope="module")
def shipped():
    return MnistCnnV1()


def squares(count: int, size: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise with a brighter square in one of two corners: the class."""
    random = np.random.default_rng(seed)
    x = random.integers(0, 120, (count, 3, size, size), dtype=np.uint8)
    y = random.integers(0, 2, count)
    x[y == 0, :, : size // 2, : size // 2] += 120
    x[y == 1, :, size // 2 :, size // 2 :] += 120
    return torch.from_numpy(x), torch.from_numpy(y)


@pytest.fixture(scope="module")
def corners():
    return ImageSet("corners", squares(200), squares(100, seed=1), ("upper", "lower"))


@pytest.fixture(scope="module")
def trained(corners):
    return train_classifier(corners, epochs=10, seed=0, device=CPU, progress=False)


@pytest.fixture
def ganzoo(capsys):
    """ganzoo("extractor", "list"): status, stdout and stderr of the command in this process."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(words))
        return end.value.code or 0, *capsys.readouterr()

    return run


def refused(pieces: list[str], make, *arguments, **words) -> None:
    """It raises a UsageError of one line with these pieces."""
    with pytest.raises(UsageError) as error:
        make(*arguments, **words)
    sentence = str(error.value)
    assert "\n" not in sentence
    for piece in pieces:
        assert piece in sentence, sentence


# --- the shipped classifier of digits ---


def test_shipped_weights_are_the_known_ones(shipped):
    content = SHIPPED.read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHIPPED_SHA256 == shipped.weights_hash
    assert len(content) <= 700_000
    assert shipped.meta["data_fingerprint"] == Mnist5k().fingerprint
    assert shipped.meta["train_samples"] == 4000


def test_shipped_classifier_knows_the_test_digits(shipped, digits):
    x, y = digits
    made = shipped(x)
    right = (made["logits"].argmax(dim=1) == y).float().mean().item()
    assert right >= 0.985
    assert right == pytest.approx(shipped.meta["test_accuracy"], abs=0.0011)
    assert made["features"].shape == (1000, 128)
    assert made["features"].dtype == made["logits"].dtype == torch.float32
    assert made["features"].min() >= 0
    assert made["features"].std(dim=0).min() > 0.01, "a feature that never changes"


def test_multiply_adds_of_a_digit():
    total = 0

    def count(module, _, output):
        nonlocal total
        total += module.weight[0].numel() * output[0].numel()

    net = Classifier(1, 28, 10)
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(count)
    net(torch.zeros(1, 1, 28, 28))
    assert 9_000_000 <= total <= 10_000_000


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 130])
def test_same_bits_whatever_the_number(shipped, digits, n):
    whole, first = shipped(digits[0][:200]), shipped(digits[0][:n])
    for key in ("features", "logits"):
        assert torch.equal(first[key], whole[key][:n])


def test_random_numbers_and_gradients_are_left_alone(digits):
    before = torch.get_rng_state()
    made = MnistCnnV1()(digits[0][:2])
    assert torch.equal(torch.get_rng_state(), before)
    made["features"].requires_grad_().square().sum().backward()  # no inference tensor


def test_stacked_digits_are_three_digits(shipped):
    x, y = StackedMnist5k().test.all()
    x, y = x[:100], y[:100]
    made = shipped(x)
    alone = [shipped(x[:, i : i + 1]) for i in range(3)]
    torch.testing.assert_close(made["features"], torch.cat([one["features"] for one in alone], dim=1))
    joint = made["logits"].exp()
    assert joint.shape == (100, 1000)
    torch.testing.assert_close(joint.sum(dim=1), torch.ones(100))
    for i, axes in enumerate([(2, 3), (1, 3), (1, 2)]):
        of_one = joint.view(100, 10, 10, 10).sum(dim=axes)
        torch.testing.assert_close(of_one, alone[i]["logits"].softmax(dim=1))
    assert (made["logits"].argmax(dim=1) == y).float().mean() > 0.95


def test_datasets_name_their_extractor():
    assert Mnist5k.extractor == StackedMnist5k.extractor == "mnist-cnn-v1"
    assert isinstance(open_extractor("mnist-cnn-v1"), MnistCnnV1)


@pytest.mark.parametrize("shape", [(1, 32, 28), (2, 28, 28), (2,)])
def test_other_shapes_are_refused(shipped, shape):
    refused([str(shape), "mnist-cnn-v1"], shipped.check, shape)


def test_floats_are_refused(shipped):
    refused(["uint8", "float32", "to_uint8"], shipped, torch.zeros(2, 1, 28, 28))


# --- weights that are not what they should be ---


def test_another_copy_of_the_shipped_weights(tmp_path):
    copy = tmp_path / "copy.safetensors"
    content = SHIPPED.read_bytes()
    copy.write_bytes(content)
    assert MnistCnnV1(weights=copy).weights_hash == SHIPPED_SHA256
    copy.write_bytes(content[:-1])
    digest = hashlib.sha256(content[:-1]).hexdigest()
    refused([str(copy), digest[:16], SHIPPED_SHA256[:16]], MnistCnnV1, weights=copy)
    refused([str(copy), digest[:16], "not a whole classifier"], Cnn, weights=copy)
    refused(["missing.safetensors", "is not there"], MnistCnnV1, weights=tmp_path / "missing.safetensors")


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_pickles_are_not_opened(tmp_path):
    for save in (lambda value, path: path.write_bytes(pickle.dumps(value)), torch.save):
        path, trap = tmp_path / "evil", tmp_path / "sprung"
        save({"w": Trap(trap)}, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        refused([str(path), digest, "not a whole classifier"], Cnn, weights=path)
        refused([str(path), digest, "not mnist-cnn-v1"], MnistCnnV1, weights=path)
        refused([str(path), digest, "does not hold"], inception.Inception, weights=path)
        assert not trap.exists()
    pickle.loads(pickle.dumps(Trap(trap)))
    assert trap.exists(), "the trap does not work"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 100,
        safetensors.torch.save({"w": torch.zeros(2)}),
        safetensors.torch.save({"w": torch.zeros(2)}, metadata={"ganzoo": json.dumps({"step": 3, "t": 1.0})}),
        safetensors.torch.save({"w": torch.zeros(2)}, metadata={"ganzoo": "[1]"}),
        pack(Classifier(1, 8, 2), {"data": "x", "test_accuracy": 0.5, "size": 28, "width": 8}),
        pack(Classifier(1, 8, 2), {"data": "x", "test_accuracy": 0.5, "num_classes": 10**12}),
        pack(Classifier(1, 8, 2), {"data": "x", "test_accuracy": 0.5, "channels": -1}),
        pack(Classifier(1, 8, 2), {"data": "x", "test_accuracy": 0.5, "width": "16"}),
        pack(Classifier(1, 8, 2), {"data": "x"}),
    ],
    ids=[
        "empty",
        "noise",
        "foreign",
        "a generator",
        "list",
        "size",
        "classes",
        "channels",
        "text",
        "no accuracy",
    ],
)
def test_foreign_files_are_refused(tmp_path, content):
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(content)
    refused([str(path), hashlib.sha256(content).hexdigest()[:16], "not a whole"], Cnn, weights=path)


# --- training and installing ---


def test_training_learns_and_repeats(corners, trained):
    net, meta = trained
    assert meta["test_accuracy"] > 0.9
    x, y = corners.test.all()
    assert (classify(net, x, CPU)[1].argmax(dim=1) == y).float().mean().item() == pytest.approx(
        meta["test_accuracy"], abs=1e-6
    )
    torch.manual_seed(12345)
    again = train_classifier(corners, epochs=10, seed=0, device=CPU, progress=False)
    assert pack(*again) == pack(*trained)
    other = train_classifier(corners, epochs=1, seed=1, device=CPU, progress=False)[0]
    assert not torch.equal(other.head.weight, net.head.weight)


def test_the_test_split_is_not_trained_on(corners, trained):
    blank = ImageSet("corners", corners.train.all(), squares(30, seed=9), corners.class_names)
    net, _ = train_classifier(blank, epochs=10, seed=0, device=CPU, progress=False)
    for one, other in zip(net.state_dict().values(), trained[0].state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_without_distortion_it_is_another_classifier(corners, trained):
    net, meta = train_classifier(corners, epochs=2, seed=0, device=CPU, augment=False, progress=False)
    plain, _ = train_classifier(corners, epochs=2, seed=0, device=CPU, progress=False)
    assert meta["augment"] is False
    assert not torch.equal(net.head.weight, plain.head.weight)


@pytest.mark.parametrize(
    ("samples", "epochs"), [(2, 200), (1_000, 200), (4_000, 60), (24_000, 10), (60_000, 8)]
)
def test_default_epochs(samples, epochs):
    assert default_epochs(samples) == epochs


def test_distortion_moves_a_little_and_keeps_the_background():
    x = torch.full((200, 1, 28, 28), -1.0)
    x[:, :, 10:18, 10:18] = 1.0
    moved = distort(x, torch.Generator().manual_seed(0))
    assert not torch.equal(moved[0], moved[1])
    assert max(moved[:, :, 0].max(), moved[:, :, :, -1].max()) < -0.999, "no frame"
    assert moved[:, 0, 13:15, 13:15].min() > 0.9, "the middle of the square stays within it"
    assert 0.7 < (moved > 0).float().sum() / (x > 0).float().sum() < 1.4
    means = (moved > 0).float().mean(dim=(0, 1))
    torch.testing.assert_close(means, means.flip(0, 1), atol=0.15, rtol=0.0)  # no side is preferred


def test_installed_and_found_by_its_data(corners, trained):
    assert (installed(), trained_for(corners.fingerprint)) == ({}, None)
    name = install(*trained)
    assert re.fullmatch(r"corners-[0-9a-f]{8}", name)
    file = cnn.folder() / f"{name}.safetensors"
    assert installed() == {name: file}
    assert [path.name for path in file.parent.iterdir()] == [file.name], "nothing beside it"
    extractor = open_extractor(f"cnn:{name}")
    assert extractor.weights_hash == hashlib.sha256(file.read_bytes()).hexdigest()
    assert extractor.weights_hash.startswith(name[-8:])
    x = corners.test.all()[0]
    for mine, direct in zip(extractor(x).values(), classify(trained[0], x, CPU), strict=True):
        assert torch.equal(mine, direct)
    refused(["(3, 12, 12)", "(1, 28, 28)", "ganzoo extractor train"], extractor.check, (1, 28, 28))
    assert trained_for(corners.fingerprint) == f"cnn:{name}"
    assert trained_for("something else") is None


def test_the_newest_one_is_found(corners, trained):
    net, meta = trained
    names = [install(net, {**meta, "seed": seed}) for seed in range(3)]
    for age, name in enumerate([names[0], names[2], names[1]]):
        os.utime(installed()[name], (1000 - age, 1000 - age))
    (cnn.folder() / "newest-but-damaged-12345678.safetensors").write_bytes(b"\x05")
    assert trained_for(corners.fingerprint) == f"cnn:{names[0]}"
    assert list(installed())[1:] == [names[0], names[2], names[1]]


def test_names_that_are_not_installed(corners, trained):
    refused(["cnn needs a name", "extractor train"], Cnn)
    refused(["cnn:corners", "no classifier is", "extractor train", "--extractor-weights"], Cnn, "corners")
    name = install(*trained)
    refused([f"did you mean {name}?"], Cnn, name[:-1])


def test_a_name_holds_for_its_weights_alone(corners, trained, tmp_path):
    net, meta = trained
    name = install(net, meta)
    file = installed()[name]
    elsewhere = file.rename(tmp_path / "elsewhere.safetensors")
    assert Cnn(name, weights=elsewhere).weights_hash.startswith(name[-8:])
    for other in ("mine", "mine-", "mine-00000000"):
        refused(["not how that name ends"], Cnn, other, weights=elsewhere)
    file.write_bytes(pack(net, {**meta, "seed": 5}))
    refused([str(file), "not how that name ends"], Cnn, name)


@pytest.mark.parametrize(
    ("data", "slug"),
    [
        ("folder:/a/My Photos (1)/", "my-photos-1"),
        ("folder:C:\\Bilder\\Tiere", "tiere"),
        ("folder:/", "data"),
        ("folder:../..", "data"),
        ("mnist-5k", "mnist-5k"),
        ("folder:/x/" + "long" * 50, "long" * 10),
    ],
)
def test_names_are_plain(trained, data, slug):
    net, meta = trained
    assert install(net, {**meta, "data": data})[:-9] == slug


@pytest.mark.parametrize(
    ("dataset", "pieces"),
    [
        (lambda: open_dataset("ring8", {}), ["ring8", "vectors", "identity"]),
        (lambda: ImageSet("one", squares(8), squares(8), ("all",)), ["one", "two classes", "sub-folder"]),
        (lambda: unlabelled(), ["folder:", "no labels", "sub-folder"]),
        (lambda: ImageSet("tall", tall(), tall(), ("a", "b")), ["tall", "square", "(12, 8)"]),
    ],
    ids=["vectors", "one class", "no labels", "not square"],
)
def test_data_that_no_classifier_can_be_trained_on(dataset, pieces):
    refused(pieces, train_classifier, dataset(), epochs=1, seed=0, device=CPU, progress=False)


def tall() -> tuple[torch.Tensor, torch.Tensor]:
    x, y = squares(8)
    return x[:, :, :, :8], y


def unlabelled() -> Dataset:
    save_images(Path("pictures"), [Path()])
    return open_dataset("folder:pictures", {})


def save_images(folder: Path, classes: list[Path]) -> None:
    """Twelve images in each class: its corner is brighter."""
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        x, y = squares(100, seed=label)
        for i, image in enumerate(x[y == label][:12]):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / name / f"{i}.png")


def test_divergence_is_work_that_failed(corners, monkeypatch):
    monkeypatch.setattr(training, "PEAK_LR", 1e30)
    with pytest.raises(WorkError, match=r"corners.*diverged"):
        train_classifier(corners, epochs=3, seed=0, device=CPU, progress=False)


@pytest.mark.parametrize(
    ("channels", "size", "sides"), [(1, 28, 7), (3, 32, 4), (3, 64, 4), (1, 5, 5), (2, 15, 7)]
)
def test_any_size(channels, size, sides):
    net = Classifier(channels, size, 4)
    features, logits = net(torch.zeros(2, channels, size, size))
    assert (features.shape, logits.shape) == ((2, 128), (2, 4))
    assert net.body(torch.zeros(1, channels, size, size)).shape == (1, 128, sides, sides)


# --- the command line ---


def test_train_and_list(ganzoo):
    save_images(Path("my photos"), [Path("upper"), Path("lower")])
    words = ("extractor", "train", "--dataset", "folder:my photos", "--epochs", "2", "--set", "size=8")
    code, out, err = ganzoo(*words)
    assert code == 0, err
    (name,) = installed()
    said, file, after = out.splitlines()
    meta = read_meta(installed()[name])
    assert (
        said
        == f"cnn:{name}: {100 * meta['test_accuracy']:.1f} % of 2 test images of folder:my photos are right"
    )
    assert file == f"file: {installed()[name]}"
    assert after == f"next: ganzoo eval --metric fid --extractor cnn:{name}"
    assert name.startswith("my-photos-")
    assert (meta["channels"], meta["size"], meta["class_names"]) == (3, 8, ["lower", "upper"])
    assert (meta["epochs"], meta["seed"], meta["train_samples"]) == (2, 0, 22)
    code, out, err = ganzoo("extractor", "list")
    assert (code, err) == (0, "")
    assert f"cnn:{name}" in out
    assert "3 x 8 x 8" in out
    assert f"{100 * meta['test_accuracy']:.1f} %" in out


def test_out_installs_nothing(ganzoo):
    save_images(Path("photos"), [Path("upper"), Path("lower")])
    words = (
        "extractor",
        "train",
        "--dataset",
        "folder:photos",
        "--epochs",
        "1",
        "--out",
        "a b/mine.safetensors",
    )
    code, out, err = ganzoo(*words)
    assert code == 0, err
    assert installed() == {}
    assert "--extractor cnn --extractor-weights 'a b/mine.safetensors'" in out
    assert Cnn(weights="a b/mine.safetensors").net.num_classes == 2
    assert "none is installed" in ganzoo("extractor", "list")[1]


def test_list_shows_damage(ganzoo):
    cnn.folder().mkdir(parents=True)
    (cnn.folder() / "bad[red]-12345678.safetensors").write_bytes(b"x")
    code, out, _ = ganzoo("extractor", "list")
    assert code == 0
    assert "cnn:bad[red]-12345678" in out
    assert "(damaged)" in out


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        ("train", ["--dataset"]),
        ("trian", ["trian"]),
        ("train --dataset ring8", ["ring8", "vectors"]),
        ("train --dataset ring", ["did you mean ring8?"]),
        ("train --dataset mnist-5k --epochs 0", ["--epochs"]),
        ("train --dataset mnist-5k --out x.pt", ["x.pt", ".safetensors"]),
        ("train --dataset mnist-5k --set size", ["size", "KEY=VALUE"]),
        ("train --dataset mnist-5k --set data.sise=3", ["no option 'sise'", "size"]),
        ("train --dataset mnist-5k --device tpu", ["tpu", "cpu"]),
    ],
)
def test_wrong_words(ganzoo, words, pieces):
    code, out, err = ganzoo("extractor", *words.split())
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    for piece in pieces:
        assert piece in err
    assert not cnn.folder().exists()


# --- vectors ---


def test_identity():
    x = torch.randn(5, 3)
    extractor = open_extractor("identity")
    made = extractor(x)
    assert torch.equal(made["features"], x)
    assert made["logits"] is None
    assert (extractor.weights_hash, extractor.remembered) == ("identity", False)
    series = torch.randn(4, 2, 6)
    assert torch.equal(extractor(series)["features"], series.flatten(1))
    assert "images" not in extractor.kinds
    refused(["identity", "float32", "uint8"], Identity(), torch.zeros(2, 1, 28, 28, dtype=torch.uint8))


# --- inception ---


@pytest.fixture(scope="module")
def inception_weights(tmp_path_factory):
    """The network of torch-fidelity with random weights, in a file."""
    import torch_fidelity.feature_extractor_inceptionv3 as module

    class Blank(module.FeatureExtractorInceptionV3):
        def load_state_dict(self, *_, **__):
            return None

    path = tmp_path_factory.mktemp("inception") / "random.pth"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_state_dict_from_url", lambda *_, **__: {})
        torch.manual_seed(0)
        torch.save(Blank("inception-v3-compat", ["2048"]).state_dict(), path)
    yield path
    path.unlink()  # 91 MB, and pytest keeps folders


@pytest.fixture(scope="module")
def random_inception(inception_weights):
    return inception.Inception(weights=inception_weights)


def test_inception_of_colours_and_greys(random_inception, inception_weights):
    x = torch.randint(0, 256, (1, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    made = random_inception(torch.cat([x, 255 - x]).expand(-1, 3, -1, -1))
    assert (made["features"].shape, made["logits"].shape) == ((2, 2048), (2, 1008))
    assert made["features"].dtype == made["logits"].dtype == torch.float32
    torch.testing.assert_close(made["logits"], made["features"] @ random_inception._net.fc.weight.T)
    grey = random_inception(x)
    torch.testing.assert_close(grey["features"], made["features"][:1])
    assert random_inception.weights_hash == hashlib.sha256(inception_weights.read_bytes()).hexdigest()


@pytest.mark.parametrize("shape", [(2,), (2, 32, 32)])
def test_inception_refuses_what_is_no_image(random_inception, shape):
    refused(["1 or 3 channels", str(shape)], random_inception.check, shape)


def test_layers_are_told_apart_by_name(random_inception, monkeypatch):
    class Reversed:
        features_list = ("logits_unbiased", "2048")

        def __call__(self, x):
            return torch.zeros(len(x), 1008), torch.ones(len(x), 2048)

    monkeypatch.setattr(random_inception, "_net", Reversed())
    made = random_inception(torch.zeros(40, 3, 8, 8, dtype=torch.uint8))
    assert (made["features"].shape, made["logits"].shape) == ((40, 2048), (40, 1008))


def test_foreign_weights_are_noticed(inception_weights, monkeypatch, capsys):
    digest = hashlib.sha256(inception_weights.read_bytes()).hexdigest()
    inception.Inception(weights=str(inception_weights), offline=True)
    (line,) = capsys.readouterr().err.splitlines()
    assert digest[:16] in line
    assert "can't be compared to published" in line
    monkeypatch.setattr(inception, "PUBLISHED", digest[:8])
    inception.Inception(weights=inception_weights)
    assert capsys.readouterr().err == ""


def test_inception_weights_that_are_not_whole(inception_weights, tmp_path):
    content = inception_weights.read_bytes()
    state = torch.load(inception_weights, weights_only=True)
    del state["fc.bias"]
    missing = io.BytesIO()
    torch.save(state, missing)
    for wrong in (content[: len(content) // 2], b"", missing.getvalue(), SHIPPED.read_bytes()):
        path = tmp_path / "wrong.pth"
        path.write_bytes(wrong)
        pieces = [str(path), hashlib.sha256(wrong).hexdigest()[:16], "does not hold", "another file"]
        refused(pieces, inception.Inception, weights=path)
    refused(["nowhere.pth", "is not there"], inception.Inception, weights=tmp_path / "nowhere.pth")


def test_offline_without_weights():
    pieces = ["needs its weights", "--offline", "--extractor-weights PATH, or a network"]
    refused(pieces, inception.Inception, offline=True)


class Server:
    """Answers every request with `content`, or, with None, never; `asked` counts the requests."""

    def __init__(self, content: bytes | None) -> None:
        self.content, self.asked, self.closing = content, 0, threading.Event()


@pytest.fixture
def serve(monkeypatch):
    """serve(content): weights.pth on a server of this machine is where the published weights are."""
    import torch_fidelity.feature_extractor_inceptionv3 as module

    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def start(content: bytes | None) -> Server:
        server = Server(content)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked += 1
                if server.content is None:
                    server.closing.wait(30)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(server.content)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # the first look takes one byte
                    self.wfile.write(server.content)

        url = running.enter_context(serving(Handler, server.closing))
        monkeypatch.setattr(module, "URL_INCEPTION_V3", f"{url}weights.pth")
        return server

    with contextlib.ExitStack() as running:
        yield start


def test_weights_are_downloaded_once(serve, inception_weights, monkeypatch, tmp_path):
    content = inception_weights.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(inception, "PUBLISHED", digest[:8])
    server = serve(content)
    assert inception.Inception().weights_hash == digest
    file = cache_folder() / "weights" / "weights.pth"
    assert file.read_bytes() == content
    asked = server.asked
    assert inception.find(offline=False) == inception.find(offline=True) == file
    assert server.asked == asked
    assert socket.getdefaulttimeout() is None
    flipped = bytearray(content)
    flipped[-1000] ^= 1
    for damage in (content[:1000], bytes(flipped), b""):
        file.write_bytes(damage)
        refused([f"{file} is damaged", "--offline"], inception.Inception, offline=True)
        assert inception.find(offline=False) == file
        assert file.read_bytes() == content
    assert server.asked == asked + 6  # each time to see who answers, and to download


def test_a_wrong_download_is_not_kept(serve):
    serve(b"<html>please log in</html>")
    refused(["the download from http://127.0.0.1", "--extractor-weights PATH"], inception.Inception)
    assert list((cache_folder() / "weights").iterdir()) == []
    assert socket.getdefaulttimeout() is None


def test_a_host_that_does_not_answer_is_given_up(serve, monkeypatch):
    monkeypatch.setattr("ganzoo.data.weights.PROBE_SECONDS", 0.3)
    serve(None)
    start = time.monotonic()
    refused(["does not answer", "--extractor-weights PATH"], inception.Inception)
    assert time.monotonic() - start < 2


def test_a_name_that_never_resolves_is_given_up(monkeypatch):
    importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")  # its import is not what is timed
    forever = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: forever.wait(30))
    monkeypatch.setattr("ganzoo.data.weights.PROBE_SECONDS", 0.3)
    start = time.monotonic()
    refused(["does not answer", "--extractor-weights PATH"], inception.Inception)
    assert time.monotonic() - start < 2
    forever.set()


# --- inside torch-fidelity ---


class Images(torch.utils.data.Dataset):
    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i]


def test_torch_fidelity_measures_with_ours(shipped, digits):
    import torch_fidelity
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_isc import isc_features_to_metric

    assert register("mnist-cnn-v1") == register("mnist-cnn-v1") == "mnist-cnn-v1"
    one, two = digits[0][:150], digits[0][150:300]
    scores = torch_fidelity.calculate_metrics(
        input1=Images(one),
        input2=Images(two),
        feature_extractor="mnist-cnn-v1",
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        kid_subset_size=50,
        kid_subsets=5,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )
    made = [shipped(x) for x in (one, two)]
    statistics = [fid_features_to_statistics(each["features"]) for each in made]
    fid = fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    assert scores["frechet_inception_distance"] == pytest.approx(fid, rel=1e-6)
    isc = isc_features_to_metric(made[0]["logits"])["inception_score_mean"]
    assert scores["inception_score_mean"] == pytest.approx(isc, rel=1e-6)
    assert scores["precision"] > 0.5


@pytest.mark.parametrize("layers", [["features", "logits"], ["logits", "features"], ["logits"]])
def test_layers_come_in_the_order_that_was_asked_for(shipped, digits, layers):
    from torch_fidelity.utils import create_feature_extractor

    adapter = create_feature_extractor(register("mnist-cnn-v1"), layers, cuda=False, verbose=False, extra=1)
    made = adapter(digits[0][:3])
    assert type(made) is tuple
    assert len(made) == len(layers)
    for layer, value in zip(layers, made, strict=True):
        assert torch.equal(value, shipped(digits[0][:3])[layer])


def test_registered_names_determine_the_weights(trained, tmp_path):
    from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

    net, meta = trained
    name = install(net, meta)
    assert register(f"cnn:{name}") == f"cnn:{name}"
    file = installed()[name]
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert register("cnn", weights=file) == f"cnn-{digest[:8]}"
    other = tmp_path / "other.safetensors"
    other.write_bytes(pack(net, {**meta, "seed": 7}))
    assert register("cnn", weights=other) not in ("cnn", f"cnn-{digest[:8]}")
    assert {f"cnn:{name}", f"cnn-{digest[:8]}"} <= set(FEATURE_EXTRACTORS_REGISTRY)


def test_what_cannot_be_registered():
    from torch_fidelity.utils import create_feature_extractor

    refused(["inception-v3-compat"], register, "inception")
    refused(["did you mean mnist-cnn-v1"], register, "mnist-cnn")
    vectors = create_feature_extractor(register("identity"), ["logits"], cuda=False, verbose=False)
    refused(["identity has no logits"], vectors, torch.zeros(2, 3))
