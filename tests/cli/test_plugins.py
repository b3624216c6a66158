"""Plugins as people make, install, use and break them: through the command line, as real packages."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
import tokenize
import venv
from pathlib import Path

import numpy as np
import pytest
from packages import distribution, forgotten, from_source

from ganzoo.cli.main import main
from ganzoo.registry import OF_KIND, REGISTRIES, STABILIZERS
from ganzoo.testing import checks

HERE = Path(__file__).parents[1] / "plugins"
PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
RING = "--dataset ring8 --steps 2 --batch-size 16"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on sys.path to install in, without pip."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    with forgotten(folder):
        yield folder


def sentence(result) -> str:
    """The last line of stderr, after whatever a bar or a notice has left there."""
    return result.err.splitlines()[-1]


# --- ganzoo plugin new ---

LINES = {
    "model": 20,
    "loss": 8,
    "stabilizer": 11,
    "metric": 12,
    "dataset": 25,
    "extractor": 12,
    "callback": 8,
}


def code_lines(source: str) -> int:
    """Lines that hold code: no blank ones, no comments, no docstrings."""
    documents: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            documents |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    used: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in {*layout, tokenize.ENDMARKER}:
            used |= set(range(token.start[0], token.end[0] + 1))
    return len(used - documents)


def test_lines_are_counted_as_they_should():
    lines = ['"""Doc."""', "", "import a  # why", "", "# what", "def f(", "    x,", "):"]
    source = "\n".join([*lines, '    """Doc.', "", "    More.", '    """', "    return x", ""])
    assert code_lines(source) == 5


@pytest.mark.parametrize("kind", LINES)
def test_a_new_plugin_is_a_package_of_few_lines(ganzoo, site, kind):
    assert ganzoo(f"plugin new my-own --kind {kind}").code == 0
    source = Path("my-own", "my_own.py").read_text()
    assert code_lines(source) <= LINES[kind]
    assert f"| {code_lines(source)} |" in re.search(rf"^\| {kind} \|.*$", PAGE, re.M)[0]
    texts = [path.read_text() for path in Path("my-own").rglob("*") if path.is_file()]
    assert len(texts) == 4
    left = re.compile(r"my-plugin|my_plugin|MyPlugin|\bKIND\b|\bGROUP\b|\bUSE\b")
    assert [left.findall(text) for text in texts] == [[]] * 4
    from_source(Path("my-own"), site)
    row = next(row for row in json.loads(ganzoo("list --json").out) if row["name"] == "my-own")
    assert (row["kind"], row["distribution"], row["version"]) == (kind, "my-own", "0.1.0")
    assert re.search(r"\(\w+ et al\. \d{4}\)\.$|\.$", row["summary"])
    assert row["summary"] in ganzoo("info my-own").out


def test_new_plugins_pass_their_own_tests_and_lint(ganzoo, site):
    for kind in LINES:
        ganzoo(f"plugin new a-{kind} --kind {kind} --out packages/{kind}")
        from_source(Path("packages", kind), site)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "packages"]
    done = subprocess.run(command, env=environment(site), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d+ passed", done.stdout, re.M)
    for words in (["check"], ["format", "--check"]):
        lint = [sys.executable, "-m", "ruff", *words, "--no-cache", "packages"]
        done = subprocess.run(lint, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def environment(site: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}


def test_a_new_model_trains_on_vectors_and_on_images(ganzoo, site):
    ganzoo("plugin new my-gan")
    from_source(Path("my-gan"), site)
    for dataset in ("ring8", "mnist --offline"):
        assert ganzoo(f"run my-gan --dataset {dataset} --steps 2 --batch-size 8").code == 0
    result = ganzoo("eval --metric fid --samples 200")
    assert (result.code, "fid@mnist-cnn-v1" in result.out) == (0, True)
    assert ganzoo("plugin new my-gan --out elsewhere").code == 2  # it is registered now


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        (["My Gan"], ["expected lower-case letters", "such as my-gan"]),
        (["../gan"], ["expected lower-case letters", "such as gan"]),
        (["3d"], ["expected lower-case letters", "such as d"]),
        ([""], ["expected lower-case letters", "such as my-gan"]),
        (["my_gan"], ["such as my-gan"]),
        (["dcgan"], ["there is a model named dcgan already, of ganzoo-torch 0.", "choose another name"]),
        (["hinge", "--kind", "loss"], ["there is a loss named hinge already"]),
        (["json"], ["json is an installed module's name already", "such as my-json"]),
        (["torch"], ["torch is an installed module's name"]),
        (["class"], ["class is a word of Python's"]),
        (["new-gan", "--kind", "modle"], ["--kind modle: did you mean model?"]),
        (["taken"], ["taken is there already", "--out DIR"]),
    ],
)
def test_no_new_plugin(ganzoo, tmp_path, words, pieces):
    (tmp_path / "taken").mkdir()
    before = sorted(tmp_path.rglob("*"))
    result = ganzoo("plugin new", *words)
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    for piece in pieces:
        assert piece in result.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_class_is_never_named_like_what_its_module_imports(ganzoo):
    assert ganzoo("plugin new tensor --kind loss").code == 0
    assert "class TensorLoss(Loss)" in Path("tensor", "tensor.py").read_text()
    assert 'tensor = "tensor:TensorLoss"' in Path("tensor", "pyproject.toml").read_text()


# --- ganzoo plugin check ---


def test_check_needs_no_pytest_and_says_a_line_for_each_check(ganzoo, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytest", None)
    result = ganzoo("plugin check hinge")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].startswith("hinge is a loss of ganzoo-torch 0.")
    said = [line for line in lines[1:-1] if not line.startswith(" ")]  # without remarks
    assert [line[8:].split()[0] for line in said] == [check.name for check in checks("hinge")]
    marks = {line[8:].split()[0]: line[:8].strip() for line in said}
    assert {name for name, mark in marks.items() if mark == "not run"} == {"probability"}
    assert set(marks.values()) == {"ok", "not run"}
    assert lines[-1].endswith("checks, 1 of them not run")


FIRST = '''
"""An extractor."""
from ganzoo import Extractor

class First(Extractor):
    """The first columns."""

    classifies = False
    kinds = ("series", "video")
    weights_hash = "1"

    def __init__(self, columns: int = 99, side: str = ""):
        self.columns, self.side = columns, side

    def __call__(self, samples):
        assert self.columns == 3
        assert self.side == "left"
        return {"features": samples.flatten(1)[:, : self.columns].float(), "logits": None}
'''


@pytest.mark.parametrize(
    "words", ["first --set columns=3 --set side=left", "first:columns=3 --set side=left --shape 1,32"]
)
def test_check_gives_an_extractor_its_options_and_a_shape(ganzoo, site, words):
    distribution(site, "first", {"ganzoo.extractors": {"first": "first:First"}}, {"first.py": FIRST})
    result = ganzoo(f"plugin check {words}")
    assert (result.code, result.err) == (0, "")
    assert "is an extractor of first 1.0" in result.out
    assert ganzoo(f"plugin check {words} --shape 1,2,8,8").code == 0
    assert "takes series and video alone" in " ".join(ganzoo(f"plugin check {words} --shape 7").out.split())


def test_check_of_any_shape(ganzoo):
    assert ganzoo("plugin check mlp-gan --set width=8 --shape 1,32").code == 0


LEAKY = '''
"""A model."""
from torch import nn
from ganzoo import Recipe
from ganzoo.models.mlp import MLPGAN

class Leaky(MLPGAN):
    """A layer too many (Nobody et al. 2026)."""

    recipes = {"default": Recipe()}

    def __init__(self, sample_shape, num_classes=0, **options):
        super().__init__(sample_shape, 5, num_classes, width=8, d_width=8)
        self.discriminator.unused = nn.Linear(1, 1)
        if sample_shape == (7,):
            raise ZeroDivisionError("one over nothing")
'''


def test_check_tells_what_is_wanted_and_what_it_got(ganzoo, site):
    distribution(site, "leaky", {"ganzoo.models": {"leaky": "leaky:Leaky"}}, {"leaky.py": LEAKY})
    result = ganzoo("plugin check leaky")
    assert result.code == 1
    said = " ".join(result.out.split())
    for piece in (
        "leaky is a model of leaky 1.0",
        "FAIL gradients",
        "the contract wants a gradient for every parameter for samples of shape (1, 28, 28), got none for "
        "discriminator.unused.bias, discriminator.unused.weight",
        "FAIL builds",
        "or a UsageError that says what can be built, got ZeroDivisionError: one over nothing",
        "it has no option `pack`, so that packing refuses it",
    ):
        assert piece in said
    assert re.fullmatch(r"ganzoo: leaky: \d of 19 checks failed", sentence(result))
    shown = ganzoo("plugin check leaky --debug").err
    assert "Traceback" in shown
    assert "leaky.py" in shown


def test_check_of_what_cannot_be_loaded(ganzoo, site):
    distribution(site, "gone", {"ganzoo.losses": {"gone": "gone:Gone"}}, {"gone.py": "import torhc"})
    result = ganzoo("plugin check gone")
    assert result.code == 1
    assert result.out.split()[:2] == ["FAIL", "loads"]
    assert "No module named 'torhc'" in " ".join(result.out.split())
    assert sentence(result) == "ganzoo: the loss gone does not load"


@pytest.mark.parametrize(
    ("words", "piece"),
    [
        ("dcga", "no member 'dcga' is installed: did you mean dcgan"),
        ("dcgan --kind loss", "no loss 'dcgan' is installed"),
        ("dcgan --kind los", "no kind 'los': did you mean loss"),
        ("dcgan --set widht=8", "no option 'widht': did you mean width"),
        ("dcgan --set width", "--set width: expected KEY=VALUE"),
        ("dcgan --shape 1,2,3,4,5,6,7", "--shape 1,2,3,4,5,6,7: expected 1 to 6 numbers of at least 1"),
        ("dcgan --shape 0", "--shape 0: expected 1 to 6 numbers of at least 1"),
        ("hinge --shape 2", "--shape is for models, stabilizers and extractors, and hinge is a loss"),
        ("cnn:mnist --set components=3", "extractor cnn:mnist has no option 'components'"),
        ("folder", "folder needs a path"),
        ("npy:nothing.npy", "nothing.npy is not there"),
    ],
)
def test_check_of_what_is_not_there(ganzoo, words, piece):
    result = ganzoo(f"plugin check {words}")
    assert result.code == 2
    assert piece in sentence(result)


# --- isolation ---

WAYS = {
    "raises": ("raise RuntimeError('boom')", "RuntimeError: boom"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "gives-up": ("raise type('Stop', (BaseException,), {})('stop')", "Stop: stop"),
    "lacks": ("import torhc", "No module named 'torhc'"),
    "is-no-class": ("Thing = 3", "is 3, not a subclass of ganzoo."),
    "is-another-class": ("class Thing: pass", "not a subclass of ganzoo."),
    "holds-no-thing": ("", "has no attribute 'Thing'"),
}
USE = {
    "model": "run {} --dataset ring8 --dry-run",
    "loss": "run mlp-gan --dataset ring8 --dry-run --loss {}",
    "stabilizer": "run mlp-gan --dataset ring8 --dry-run --stabilizer {}",
    "dataset": "run mlp-gan --dry-run --dataset {}",
    "metric": "run mlp-gan --dataset ring8 --dry-run --eval-metric {}",
    "extractor": "eval ring --metric fid --extractor {}",
    "callback": "run mlp-gan --dataset ring8 --dry-run --callback {}",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of 2 steps on ring8."""
    folder = tmp_path_factory.mktemp("trained") / "ring"
    with pytest.raises(SystemExit):
        main(f"run mlp-gan {RING} --out {folder}".split())
    return folder


@pytest.fixture
def ring(trained, tmp_path):
    """That run as the folder "ring"."""
    (tmp_path / "ring").symlink_to(trained)
    return trained


@pytest.mark.usefixtures("ring")
@pytest.mark.parametrize("way", WAYS)
def test_what_is_broken_breaks_itself_alone(ganzoo, site, way):
    source, cause = WAYS[way]
    points = {r.group: {f"bad-{kind}": "broken:Thing"} for kind, r in OF_KIND.items()}
    distribution(site, "broken-dist", points, {"broken.py": source}, version="2.1")
    rows = json.loads(ganzoo("list --json").out)
    assert {row["name"] for row in rows if row["distribution"] == "broken-dist"} == {f"bad-{k}" for k in USE}
    assert "broken" not in sys.modules
    listed = ganzoo("list")
    assert (listed.code, listed.out.count("broken-dist 2.1")) == (0, 7)
    checked = ganzoo("list --check --json")
    assert checked.code == 1
    faults = {row["name"]: row["fault"] for row in json.loads(checked.out) if row["fault"]}
    assert faults.keys() == {f"bad-{kind}" for kind in USE}
    for kind, use in USE.items():
        start = f"ganzoo: {kind} 'bad-{kind}' of broken-dist 2.1 (broken:Thing)"
        for words in (use.format(f"bad-{kind}"), f"info bad-{kind}", f"plugin check bad-{kind}"):
            result = ganzoo(words)
            if words.startswith("plugin"):
                assert result.code == 1
                assert cause in " ".join(result.out.split())
                continue
            assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1), words
            assert result.err.startswith(start), words
            assert cause in result.err
        assert start.removeprefix("ganzoo: ") in faults[f"bad-{kind}"]
        debug = ganzoo(f"--debug {use.format(f'bad-{kind}')}")
        assert "Traceback" in debug.err
    for words in (
        "info mlp-gan",
        "run mlp-gan --dataset ring8 --dry-run",
        "eval ring --metric modes --samples 50",
    ):
        assert ganzoo(words).code == 0


def test_a_broken_metric_is_left_out_of_all_that_fit(ganzoo, site):
    np.save("mine.npy", np.random.default_rng(0).normal(size=(200, 2)))
    assert ganzoo("run mlp-gan --dataset npy:mine.npy --steps 1 --batch-size 8 --out mine").code == 0
    source = "from ganzoo import Metric\nclass Thing(Metric):\n    def __init__(self): import torhc\n"
    points = {"bad-metric": "broken:Other", "worse-metric": "broken:Thing"}
    distribution(site, "broken-dist", {"ganzoo.metrics": points}, {"broken.py": source}, version="2.1")
    result = ganzoo("eval mine --samples 100 --json")
    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert "kl" in document["scores"]
    notes = " ".join(document["notes"])
    assert "bad-metric was left out: metric 'bad-metric' of broken-dist 2.1 (broken:Other) cannot be" in notes
    assert (
        "worse-metric was left out: metric 'worse-metric' of broken-dist 2.1 (broken:Thing) cannot be"
        in notes
    )


@pytest.mark.parametrize("kind", USE)
@pytest.mark.usefixtures("ring")
def test_what_fails_when_it_is_made_names_its_distribution(ganzoo, site, kind):
    """An import inside of __init__, say."""
    base = {"model": "GAN"}.get(kind, kind.capitalize())
    source = f"import ganzoo\nclass Thing(ganzoo.{base}):\n    def __init__(self, *a, **k): import torhc\n"
    points = {OF_KIND[kind].group: {"lazy": "lazy:Thing"}}
    distribution(site, "lazy-dist", points, {"lazy.py": source}, version="2.1")
    words = "eval ring --metric lazy" if kind == "metric" else USE[kind].format("lazy")
    result = ganzoo(words)
    assert result.code == 1
    start = f"ganzoo: {kind} 'lazy' of lazy-dist 2.1 (lazy:Thing) cannot be made: ModuleNotFoundError"
    assert sentence(result).startswith(start)


PRINTS = """
print("hello from the plugin")
from ganzoo.losses import Hinge
class Loud(Hinge):
    "Loud."
"""


def test_what_a_plugin_prints_at_import_is_in_nobodys_json(ganzoo, site):
    distribution(site, "loud", {"ganzoo.losses": {"loud": "loud_mod:Loud"}}, {"loud_mod.py": PRINTS})
    result = ganzoo("list losses --check --json")
    assert {row["fault"] for row in json.loads(result.out)} == {""}
    assert result.err == "hello from the plugin\n"
    del sys.modules["loud_mod"]
    result = ganzoo("run mlp-gan --dataset ring8 --loss loud --dry-run")
    assert json.loads(result.out)["recipe"]["loss"] == "loud"
    assert json.loads(result.out)["origins"]["loss loud"] == {"distribution": "loud", "version": "1.0"}


@pytest.mark.parametrize(
    "name", ["My GAN", "HINGE", "../../gan", "a:b", "a,b=c", "", "-gan", "gan-", "[red]", "ä"]
)
def test_a_name_that_nobody_can_type(ganzoo, site, name):
    points = {"ganzoo.models": {name: "mod:Thing"}}
    distribution(site, "odd", points, {"mod.py": "from ganzoo.models.mlp import MLPGAN as Thing"})
    if "=" not in name:  # which ends the name, in the file of entry points
        rows = [row for row in json.loads(ganzoo("list models --json").out) if row["distribution"] == "odd"]
        assert [row["name"] for row in rows] == [name]
    assert ganzoo("list").code == 0
    result = ganzoo("list models --check")
    assert result.code == 1
    assert "expected lower-case letters and digits" in " ".join(result.out.split())
    result = ganzoo("run", name, "--dataset", "ring8", "--steps", "1")
    assert result.code == 2
    assert not Path("runs").exists()
    assert ganzoo("info mlp-gan").code == 0


def test_a_name_of_two_distributions(ganzoo, site):
    files = {"mod.py": "from ganzoo.models.mlp import MLPGAN as Thing"}
    distribution(site, "one", {"ganzoo.models": {"twin": "mod:Thing", "dcgan": "mod:Thing"}}, files)
    distribution(site, "two", {"ganzoo.models": {"twin": "mod:Thing"}}, version="3.0")
    result = ganzoo("run twin --dataset ring8 --dry-run")
    assert (result.code, result.err) == (
        2,
        "ganzoo: the model 'twin' is claimed by one 1.0 and two 3.0: uninstall one of them\n",
    )
    assert "claimed by ganzoo-torch 0." in ganzoo("info dcgan").err
    out = " ".join(ganzoo("list models --check").out.split())
    assert out.count("the model 'twin' is claimed by") == 2
    assert ganzoo("run mlp-gan --dataset ring8 --dry-run").code == 0


def test_fifty_plugins_are_listed_and_none_is_imported(tmp_path):
    names = [f"plug-{i:02d}" for i in range(50)]
    for i, name in enumerate(names):
        module = f"plug_{i:02d}"
        source = f'class Thing:\n    """Number {i}."""\nraise AssertionError("imported")'
        group = list(REGISTRIES)[i % 7]
        points = {f"ganzoo.{group}": {name: f"{module}:Thing"}}
        distribution(tmp_path / "many", name, points, {f"{module}.py": source}, version=f"1.{i}")
    code = (
        "import atexit, sys\n"
        "from ganzoo.cli.main import main\n"
        "imported = lambda: [name for name in sys.modules if name[:5] in ('plug_', 'torch')]\n"
        "atexit.register(lambda: print(imported(), file=sys.stderr))\n"
        "main(['list', '--json'])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=environment(tmp_path / "many"), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    for i, name in enumerate(names):
        assert (rows[name]["distribution"], rows[name]["version"]) == (name, f"1.{i}")
        assert rows[name]["summary"] == f"Number {i}."


# --- runs whose plugin changes ---


@pytest.fixture
def sine(site):
    """The package of the tutorial."""
    return from_source(HERE / "sine-gan", site)


def uninstall(site: Path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(site)])


USES = ["resume SINE --steps 4", "sample SINE -n 4", "eval SINE --metric modes --samples 50"]


def test_a_run_whose_plugin_is_gone_says_what_to_install(ganzoo, sine, monkeypatch):
    assert ganzoo(f"run sine-gan {RING} --out SINE").code == 0
    recorded = json.loads(Path("SINE", "config.json").read_text())["origins"]
    assert recorded["model sine-gan"] == {"distribution": "sine-gan", "version": "0.1.0"}
    uninstall(sine, monkeypatch)
    for words in USES:
        result = ganzoo(words)
        assert (result.code, sentence(result)) == (
            2,
            "ganzoo: SINE was made with the model 'sine-gan' of the package 'sine-gan', version '0.1.0', "
            "which is not installed: install that version of it, if you trust its author",
        ), words
    assert json.loads(Path("SINE", "config.json").read_text())["recipe"]["steps"] == 2


def test_a_run_whose_plugin_has_another_version_says_so_and_goes_on(ganzoo, sine, tmp_path, monkeypatch):
    assert ganzoo(f"run sine-gan {RING} --out SINE").code == 0
    uninstall(sine, monkeypatch)
    monkeypatch.syspath_prepend(from_source(HERE / "sine-gan", tmp_path / "newer", version="0.2.0"))
    for words in USES:
        result = ganzoo(words)
        assert result.code == 0, result.err
        said = "SINE was made with sine-gan 0.1.0; with 0.2.0 its numbers may differ"
        assert " ".join(result.err.split()).count(said) == 1, words
    assert ganzoo("resume SINE").out.startswith("nothing is left to do")


def test_a_plugin_of_another_distribution_is_another_one(ganzoo, sine, tmp_path, monkeypatch):
    assert ganzoo(f"run sine-gan {RING} --out SINE").code == 0
    uninstall(sine, monkeypatch)
    points = {"ganzoo.models": {"sine-gan": "sine_gan:SineGAN"}}
    monkeypatch.syspath_prepend(distribution(tmp_path / "fork", "forked-sine", points))
    result = ganzoo("sample SINE")
    assert result.code == 2
    told = "not installed (the model 'sine-gan' of 'forked-sine' is another one): install that version"
    assert told in sentence(result)


def test_a_member_that_was_added_by_hand_is_asked_for(ganzoo):
    from ganzoo.models.mlp import MLPGAN
    from ganzoo.registry import MODELS

    with MODELS.lent("by-hand", MLPGAN):
        assert ganzoo(f"run by-hand {RING} --out HAND").code == 0
        result = ganzoo("sample HAND -n 4")
        assert (result.code, result.err) == (0, "")
    result = ganzoo("sample HAND -n 4")
    assert result.code == 2
    assert "added by hand: add it again with ganzoo.MODELS.add('by-hand', ...)" in sentence(result)


def test_a_recipe_that_sets_what_the_model_lacks(ganzoo):
    from ganzoo.models.mlp import MLPGAN
    from ganzoo.models.recipe import Recipe
    from ganzoo.registry import MODELS

    class Mistyped(MLPGAN):
        recipes = {"default": Recipe(model={"widht": 8})}

    with MODELS.lent("mistyped", Mistyped):
        result = ganzoo("run mistyped --dataset ring8")
    assert result.code == 2
    assert "a recipe of mistyped sets the option widht, which it lacks: did you mean width" in result.err


# --- every command, every switch ---


@pytest.mark.usefixtures("sine")
def test_a_plugin_model_reaches_every_switch(ganzoo):
    words = "run sine-gan --dataset mnist-5k --dry-run --loss non-saturating --stabilizer none"
    refused = {}
    for name in [e.name for e in STABILIZERS.entries() if e.distribution == "ganzoo-torch"]:
        result = ganzoo(f"{words} --stabilizer {name}")
        if result.code:
            refused[name] = sentence(result)
    assert refused.keys() == {"layer-norm", "path-length"}
    assert "no BatchNorm to replace" in refused["layer-norm"]
    assert "needs a generator with a mapping network" in refused["path-length"]
    for loss in [e.name for e in OF_KIND["loss"].entries() if e.distribution == "ganzoo-torch"]:
        assert ganzoo(f"{words} --loss {loss}").code == 0
    switches = (
        "--conditional --precision bf16 --n-dis 2 --lr-g 1e-4 --lr-d 2e-4 --loss non-saturating "
        "--label-smoothing 0.1 --skip-d-below 0.3 --stabilizer diffaugment --stabilizer packing "
        "--stabilizer feature-matching --stabilizer gradient-penalty --stabilizer unrolled:k=2 "
        "--stabilizer spectral-norm --set width=16 --steps 2 --batch-size 8 --checkpoint-every 1 "
        "--eval-every 2 --eval-metric is"
    )
    result = ganzoo(f"run sine-gan --dataset mnist-5k {switches} --out ALL")
    assert result.code == 0, result.err
    assert json.loads(Path("ALL", "log.jsonl").read_text().splitlines()[-1])["step"] == 2
    assert ganzoo("sample ALL --class 3 -n 4 --nearest").code == 0
    assert ganzoo("sample ALL --interpolate").code == 0


def test_a_mixture_of_generators_from_first_to_last(ganzoo, site):
    from_source(HERE / "mgan", site)
    for name in ("mgan", "tell-generators-apart"):
        for check in checks(name, **({"width": 8} if name == "mgan" else {})):
            check()
    result = ganzoo(f"run mgan {RING} --conditional --stabilizer spectral-norm --set width=16 --out MIX")
    assert result.code == 0, result.err
    rows = [json.loads(line) for line in Path("MIX", "log.jsonl").read_text().splitlines()]
    assert {"d_penalty/tell-generators-apart", "g_penalty/tell-generators-apart"} <= set(rows[-1])
    config = json.loads(Path("MIX", "config.json").read_text())
    assert config["recipe"]["stabilizers"] == [
        "r1:gamma=0.3,interval=1",
        "tell-generators-apart:weight=0.1",
        "spectral-norm",
    ]
    for what in ("model mgan", "stabilizer tell-generators-apart"):
        assert config["origins"][what] == {"distribution": "ganzoo-mgan", "version": "0.3.0"}
    assert ganzoo("resume MIX --steps 4").code == 0
    assert ganzoo("sample MIX -n 6 --class 2 --out x.npz").code == 0
    with np.load("x.npz") as arrays:
        assert arrays["samples"].shape == (6, 2)
    result = ganzoo("eval MIX --samples 100 --json")
    assert {"modes", "d_accuracy", "probe_accuracy"} <= set(json.loads(result.out)["scores"])
    result = ganzoo(f"run mlp-gan {RING} --stabilizer tell-generators-apart")
    assert result.code == 2
    assert "needs a model of several generators" in sentence(result)


# --- the tutorial, as it is typed ---


def test_the_page_shows_the_package_that_is_tested():
    titled = dict(re.findall(r'^```\w+ title="((?:sine-gan/|mine)[^"]+)"\n(.*?)^```$', PAGE, re.M | re.S))
    files = {path for path in (HERE / "sine-gan").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {f"sine-gan/{path.relative_to(HERE / 'sine-gan')}" for path in files} == set(titled) - {
        "mine.toml"
    }
    for title in set(titled) - {"mine.toml"}:
        assert titled[title] == (HERE / title).read_text(encoding="utf-8"), title
    assert code_lines(titled["sine-gan/sine_gan.py"]) <= 25


def test_the_page_tells_the_number_of_the_contract():
    import ganzoo

    assert f"`ganzoo.CONTRACT` is its number, now {ganzoo.CONTRACT}." in PAGE
    assert all(registry.get(registry.names()[0]).contract == ganzoo.CONTRACT for registry in OF_KIND.values())


def fresh(folder: Path) -> dict[str, str]:
    """A new virtual environment that sees this one's libraries; the variables to use it with, offline."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    find = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(find, capture_output=True, text=True, check=True).stdout.strip())
    outer = [path for path in sys.path if path.endswith("site-packages")]
    lines = [f"import site; site.addsitedir({path!r})" for path in outer]
    (site / "outer.pth").write_text("\n".join(lines), encoding="utf-8")
    for name, code in (("ganzoo", "-m ganzoo"), ("pip", "-m pip")):
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{python}" {code} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as "no build isolation: yes"
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "OMP_NUM_THREADS": "1",
    }


def shell(script: str, variables: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_pip_installs_the_tutorials_package_into_a_fresh_environment(tmp_path):
    variables = fresh(tmp_path / "venv")
    copy_page(tmp_path)
    shell("pip install ./sine-gan", variables)
    rows = {row["name"]: row for row in json.loads(shell("ganzoo list models --json", variables))}
    assert rows["sine-gan"]["distribution"] == "sine-gan"
    assert rows["sine-gan"]["summary"].startswith("A generator of sines")
    shell(f"ganzoo run sine-gan {RING} --out RUN", variables)
    assert (tmp_path / "RUN" / "generator.safetensors").is_file()


def copy_page(folder: Path) -> None:
    """Write the files that the page shows."""
    for title, text in re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.M | re.S):
        (folder / title).parent.mkdir(parents=True, exist_ok=True)
        (folder / title).write_text(text, encoding="utf-8")


@pytest.mark.slow
def test_every_command_of_the_page_in_a_fresh_environment(tmp_path):
    """As typed, but for the budgets."""
    variables = fresh(tmp_path / "venv")
    copy_page(tmp_path)
    script = "".join(re.findall(r"^```bash\n(.*?)^```$", PAGE, re.M | re.S))
    small = {
        "ganzoo run": "--steps 30 --offline",
        "ganzoo eval": "--samples 300",
        "ganzoo bench": "--steps 20",
    }
    for command, budget in small.items():
        assert command in script
        script = re.sub(rf"({command} [^\n&]*)", rf"\1 {budget}", script)
    out = shell(script, variables)
    assert out.count("keeps the contract") == 2
    assert re.search(r"sine-gan.*\d", out[out.rindex("ring8") - 2000 :])
    shell("pip install pytest -q && cd my-gan && python -m pytest -q", variables)
