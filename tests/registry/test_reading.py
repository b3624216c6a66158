"""What is read of a member from its source is what it says once it is imported, or it is not read."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packages import distribution

from ganzoo.registry import OF_KIND, REGISTRIES
from ganzoo.registry.expressions import Unreadable
from ganzoo.registry.options import options_of
from ganzoo.registry.reading import ATTRIBUTES, read

MEMBERS = [(plural, entry) for plural, registry in REGISTRIES.items() for entry in registry.entries()]
BASE = "ganzoo.stabilizers.base:Stabilizer"


@pytest.mark.parametrize(
    ("plural", "entry"), MEMBERS, ids=[f"{plural}-{entry.name}" for plural, entry in MEMBERS]
)
def test_what_is_read_is_true(plural, entry):
    registry = REGISTRIES[plural]
    said, member = read(entry.target, registry._base, registry._filled_in), registry.get(entry.name)
    assert said.doc == inspect.getdoc(member)
    true = options_of(member)
    assert list(said.options.items()) == list(true.items())
    kinds = {key: kind for key, kind in said.options.kinds.items() if key not in registry._filled_in}
    assert kinds == {key: kind for key, kind in true.kinds.items() if key not in registry._filled_in}
    assert said.attributes == {key: getattr(member, key) for key in ATTRIBUTES if hasattr(member, key)}


def test_names_options_and_recipes_of_all_members_are_known_without_torch():
    program = (
        "import sys\n"
        "from ganzoo.registry import REGISTRIES\n"
        "said = [r.said(name) for r in REGISTRIES.values() for name in r.names()]\n"
        "options = [r.options(name) for r in REGISTRIES.values() for name in r.names()]\n"
        "print(len(said), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(len(MEMBERS)), "False"], done.stderr


@pytest.fixture
def said(tmp_path, monkeypatch):
    """said("class Mine ..."): what is read of that class in a module with this text."""
    monkeypatch.syspath_prepend(str(tmp_path))
    count = iter(range(100))

    def of(text: str):
        name = f"somebodys{next(count)}"
        head = "import enum\nimport torch\nfrom ganzoo import Recipe, Stabilizer\n"
        Path(f"{name}.py").write_text(head + text)
        return read(f"{name}:Mine", BASE)

    return of


def test_a_member_of_somebody_else(said):
    made = said(
        "SIZES = (1, 2)\n"
        "class Mode(enum.Enum):\n    FAST = 1\n    SLOW = 2\n"
        'class Above(Stabilizer):\n    """Its text."""\n'
        "    def __init__(self, a: int, b: float = 2 * SIZES[1], mode: Mode = Mode.FAST) -> None: ...\n"
        "class Mine(Above):\n"
        '    uses = tuple(f"ganzoo run {x}" for x in SIZES)\n'
        "    recipes = {'default': Recipe(steps=SIZES[0])}\n"
    )
    assert made.doc == "Its text."
    assert made.options["a"] is inspect.Parameter.empty
    assert made.options["b"] == 4
    assert [one.name for one in made.options.kinds["mode"]] == ["FAST", "SLOW"]
    assert made.attributes["uses"] == ("ganzoo run 1", "ganzoo run 2")
    assert made.attributes["recipes"]["default"].steps == 1


@pytest.mark.parametrize(
    "text",
    [
        "class Mine(Stabilizer):\n    def __init__(self, a=torch.ones(1)): ...",
        "class Mine(Stabilizer):\n    def __init__(self, a: torch.dtype = None): ...",
        "class Mine(Stabilizer):\n    def __init__(self, a=open('x')): ...",
        "class Mine(Stabilizer):\n    for name in 'ab':\n        exec(name)",
        "class Mine(Stabilizer): ...\nsetattr(Mine, 'uses', ())",
        "class Mine(Stabilizer): ...\nMine.uses = ()",
        "class Mine(Stabilizer): ...\nMine = print(Mine) or Mine",
        "class Mine(Stabilizer):\n    def __new__(cls): ...",
        "class Mine(Stabilizer):\n    @print\n    def __init__(self): ...",
        "@print\nclass Mine(Stabilizer): ...",
        "class Mine(torch.nn.Linear): ...",
        "class Mine: ...",
        "if 1:\n    class Mine(Stabilizer): ...",
        "try:\n    A = 1\nexcept NameError:\n    A = 2\nclass Mine(Stabilizer):\n    uses = (A,)",
        "from nowhere_at_all import thing\nclass Mine(Stabilizer): ...",
        "raise ImportError\nclass Mine(Stabilizer): ...",
        "class Mine(Stabilizer, metaclass=type): ...",
        "class Mine(Stabilizer",
        "def Mine(): ...",
        "Mine = Stabilizer()",
        "class Mine(Stabilizer):\n    uses = [(lambda: 1)()]",
        "class Mine(Mine): ...",
    ],
)
def test_what_is_not_certain_is_not_read(said, text):
    with pytest.raises(Unreadable):
        said(text)


def test_what_cannot_be_read_is_imported(tmp_path, monkeypatch):
    text = "from ganzoo import Stabilizer\nclass Odd(Stabilizer):\n    for uses in [('ganzoo list',)]: ...\n"
    text += "    def __init__(self, a: int = 3) -> None: ...\n"
    site = distribution(
        tmp_path / "site", "odd-one", {"ganzoo.stabilizers": {"odd": "oddone:Odd"}}, {"oddone.py": text}
    )
    monkeypatch.syspath_prepend(str(site))
    registry = REGISTRIES["stabilizers"]
    assert "oddone" not in sys.modules
    assert dict(registry.options("odd")) == {"a": 3}
    assert registry.said("odd").attributes["uses"] == ("ganzoo list",)
    monkeypatch.delitem(sys.modules, "oddone")


@pytest.mark.parametrize("kind", OF_KIND)
def test_what_plugin_new_writes_is_read(ganzoo, monkeypatch, kind):
    assert ganzoo(f"plugin new somebodys-{kind} --kind {kind}").code == 0
    monkeypatch.syspath_prepend(str(Path(f"somebodys-{kind}").absolute()))
    points = tomllib.loads(Path(f"somebodys-{kind}/pyproject.toml").read_text())["project"]["entry-points"]
    registry = OF_KIND[kind]
    (target,) = points[registry.group].values()
    assert read(target, registry._base, registry._filled_in).doc
