"""Names to objects: the zoo's own members, and plugins, whole and broken, as distributions on sys.path."""

from __future__ import annotations

import functools
import inspect
import json
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from packages import distribution, forgotten

from ganzoo.cli.commands import COMMANDS
from ganzoo.cli.main import main
from ganzoo.errors import UsageError
from ganzoo.losses import Loss
from ganzoo.models.base import GAN
from ganzoo.registry import LOSSES, MODELS, REGISTRIES, STABILIZERS
from ganzoo.registry.registry import DISTRIBUTION
from ganzoo.stabilizers.base import Stabilizer

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
DECLARED = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["entry-points"]
BASES = {
    "models": "ganzoo.models.base:GAN",
    "losses": "ganzoo.losses:Loss",
    "stabilizers": "ganzoo.stabilizers.base:Stabilizer",
    "metrics": "ganzoo.metrics.base:Metric",
    "datasets": "ganzoo.data.base:Dataset",
    "extractors": "ganzoo.extractors.base:Extractor",
    "callbacks": "ganzoo.training.trainer:Callback",
}
OWN = [(plural, name) for plural in BASES for name in DECLARED[f"ganzoo.{plural}"]]

A_LOSS = '''
from ganzoo.losses import Loss

class Flat(Loss):
    """Flat: it teaches nothing.

    More about it.
    """
    def d(self, real, fake, *, real_target=1.0): return (real + fake).mean() * 0
    def g(self, fake, real=None): return fake.mean() * 0
'''


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Makes a distribution: plugin("extra", {"flat": "extra_mod:Flat"}, {"extra_mod.py": SOURCE})."""

    def make(name, points, files, *, group="losses", **more):
        site = tmp_path / f"site-{name}"
        monkeypatch.syspath_prepend(distribution(site, name, {f"ganzoo.{group}": points}, files, **more))

    with forgotten(tmp_path):
        yield make


@pytest.fixture
def added(monkeypatch):
    """What tests add by hand is gone afterwards."""
    for registry in REGISTRIES.values():
        monkeypatch.setattr(registry, "_added", {})


def entry(name, registry=LOSSES):
    (found,) = (entry for entry in registry.entries() if entry.name == name)
    return found


def test_seven_registries_and_their_groups():
    assert {plural: registry.group for plural, registry in REGISTRIES.items()} == {
        plural: f"ganzoo.{plural}" for plural in BASES
    }
    assert [registry.kind for registry in REGISTRIES.values()] == [
        "model", "loss", "stabilizer", "metric", "dataset", "extractor", "callback",
    ]  # fmt: skip


def test_what_is_installed_is_what_pyproject_declares():
    installed = {
        registry.group: {e.name: e.target for e in registry.entries() if e.distribution == DISTRIBUTION}
        for registry in (*REGISTRIES.values(), COMMANDS)
    }
    stale = "the installed entry points are not those of pyproject.toml: pip install -e . again"
    assert {group: points for group, points in installed.items() if points} == DECLARED, stale


@pytest.mark.parametrize(("plural", "name"), OWN)
def test_every_member_loads_and_is_of_its_kind(plural, name):
    module, _, attribute = BASES[plural].partition(":")
    member = REGISTRIES[plural].get(name)
    assert issubclass(member, getattr(import_module(module), attribute))
    assert member.contract == 2


@pytest.mark.parametrize(("plural", "name"), OWN)
def test_every_member_has_a_summary_of_one_sentence(plural, name):
    paragraph = inspect.getdoc(REGISTRIES[plural].get(name)).partition("\n\n")[0]
    assert entry(name, REGISTRIES[plural]).summary() == paragraph
    assert paragraph.endswith((".", ")"))


@pytest.mark.parametrize("registry", REGISTRIES.values(), ids=REGISTRIES)
def test_names_are_sorted_and_unique(registry):
    names = registry.names()
    assert names == sorted(set(names))
    assert [e.name for e in registry.entries()] == names


@pytest.mark.parametrize(
    ("plural", "asked", "near"),
    [
        ("models", "dcgn", "dcgan"),
        ("losses", "wasserstien", "wasserstein"),
        ("stabilizers", "clip-grad", "clip-grad-norm or clip-grad-value"),
        ("datasets", "ring-8", "ring8"),
    ],
)
def test_unknown_name_gives_the_nearest(plural, asked, near):
    with pytest.raises(UsageError, match=f"no {REGISTRIES[plural].kind} '{asked}': did you mean .*{near}"):
        REGISTRIES[plural].get(asked)


def test_a_name_like_no_other_gives_all_of_them():
    with pytest.raises(UsageError, match=r"valid names: hinge, least-squares, minimax, .*wasserstein"):
        LOSSES.get("zzzz")


@pytest.mark.parametrize("registry", REGISTRIES.values(), ids=REGISTRIES)
def test_an_unknown_name_is_not_taken_for_a_missing_installation(registry):
    with pytest.raises(UsageError, match=f"no {registry.kind} 'zzzz': (valid names|there are none)"):
        registry.get("zzzz")


def test_plugin_is_listed_unimported_and_loaded_by_name(plugin):
    plugin("extra", {"flat": "extra_mod:Flat"}, {"extra_mod.py": A_LOSS}, version="1.2")
    assert "flat" in LOSSES.names()
    assert entry("flat").as_json() == {
        "name": "flat",
        "kind": "loss",
        "distribution": "extra",
        "version": "1.2",
        "summary": "Flat: it teaches nothing.",
    }
    assert "extra_mod" not in sys.modules
    assert LOSSES.origin("flat") == {"distribution": "extra", "version": "1.2"}
    assert "extra_mod" not in sys.modules
    assert LOSSES.get("flat").__module__ == "extra_mod"


@pytest.mark.parametrize("inner", ["extra_pkg/deep/__init__.py", "extra_pkg/deep/no_init.txt"])
def test_listing_survives_a_package_that_cannot_be_imported(plugin, capsys, inner):
    broken = {
        "extra_pkg/__init__.py": "raise RuntimeError('boom')",
        inner: "",
        "extra_pkg/deep/mod.py": A_LOSS,
    }
    plugin("extra", {"flat": "extra_pkg.deep.mod:Flat"}, broken)
    assert entry("flat").summary() == "Flat: it teaches nothing."
    with pytest.raises(SystemExit) as end:
        main(["list", "losses", "--json"])
    assert end.value.code == 0
    assert "flat" in [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert not [name for name in sys.modules if name.startswith("extra_pkg")]
    with pytest.raises(UsageError, match=r"loss 'flat' of extra 1\.0 .*cannot be loaded: RuntimeError: boom"):
        LOSSES.get("flat")
    assert LOSSES.get("hinge")


@pytest.mark.parametrize(
    ("target", "source", "cause"),
    [
        ("extra_mod:Flat", "import torhc", "No module named 'torhc'"),
        ("extra_mod:Flat", "def broken(:", "SyntaxError"),
        ("extra_mod:Flat", "1 / 0", "ZeroDivisionError"),
        ("extra_mod:Flat", "\0", "null bytes"),
        ("extra_mod:Flat", "import sys; sys.exit(3)", "SystemExit"),
        ("extra_mod:Missing", A_LOSS, "no attribute 'Missing'"),
        ("extra_gone:Flat", A_LOSS, "No module named 'extra_gone'"),
        ("extra_mod.sub:Flat", A_LOSS, "'extra_mod' is not a package"),
        (":Flat", A_LOSS, "cannot be loaded"),
        ("a b c!!", A_LOSS, "cannot be loaded"),
    ],
)
def test_a_broken_plugin_names_its_distribution_and_the_cause(plugin, target, source, cause):
    plugin("extra", {"flat": target}, {"extra_mod.py": source})
    assert entry("flat").summary() == ""
    with pytest.raises(UsageError, match=f"loss 'flat' of extra 1.0 .*{cause}"):
        LOSSES.get("flat")
    assert LOSSES.get("hinge")


def test_list_check_names_the_broken_one_alone(plugin, capsys):
    plugin("extra", {"flat": "extra_mod:Flat"}, {"extra_mod.py": "raise RuntimeError('two\\nlines')"})
    with pytest.raises(SystemExit) as end:
        main(["list", "--check", "--json"])
    assert end.value.code == 1
    faults = {row["name"]: row["fault"] for row in json.loads(capsys.readouterr().out)}
    assert {name for name, fault in faults.items() if fault} == {"flat"}
    assert "extra 1.0" in faults["flat"]


def test_a_cause_of_many_lines_becomes_one(plugin, capsys):
    plugin("extra", {"flat": "extra_mod:Flat"}, {"extra_mod.py": "raise RuntimeError('two\\nlines')"})
    with pytest.raises(SystemExit) as end:
        main(["run", "mlp-gan", "--dataset", "ring8", "--loss", "flat", "--dry-run"])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ganzoo: loss 'flat' of extra 1.0 ")
    assert "RuntimeError: two lines; install what it needs" in line


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("class Flat: pass", "<class 'extra_mod.Flat'>"),
        ("def Flat(): pass", "function Flat"),
        ("Flat = 3", "3"),
    ],
)
def test_another_type_is_refused(plugin, source, what):
    plugin("extra", {"flat": "extra_mod:Flat"}, {"extra_mod.py": source})
    with pytest.raises(UsageError, match=f"extra 1.0 .*is .*{what}.*not a subclass of ganzoo.losses.Loss"):
        LOSSES.get("flat")


def test_a_member_of_another_kind_is_refused(plugin):
    plugin("extra", {"flat": "extra_mod:Flat"}, {"extra_mod.py": A_LOSS}, group="models")
    with pytest.raises(
        UsageError, match=r"model 'flat' of extra 1\.0 .*not a subclass of ganzoo\.models\.base\.GAN"
    ):
        MODELS.get("flat")


def test_another_contract_is_a_sentence(plugin):
    source = A_LOSS.replace("def d(", "contract = 1\n    def d(", 1)
    plugin("extra", {"flat": "extra_mod:Flat"}, {"extra_mod.py": source})
    with pytest.raises(UsageError, match=r"extra 1\.0 .*contract 1, and this ganzoo has contract 2: install"):
        LOSSES.get("flat")


# --- hooks that take other arguments than the contract's ---

CONTRACT_1 = {
    "transform": lambda self, sample, y: sample,
    "wrap_critic": lambda self, critic, phase: critic,
    "real_target": lambda self, target: target,
    "update_d": lambda self, stats: True,
    "differentiates_at": lambda self: frozenset(),
    "d_penalty": lambda self, critic, real, fake, y: None,
    "g_penalty": lambda self, critic, real, fake, y: None,
    "look_ahead": lambda self, loss, discriminator, optimizer: None,
    "gradients": lambda self, module: None,
    "weights": lambda self, module: None,
}


def test_these_are_all_hooks_that_have_changed():
    hooks = {
        name: inspect.signature(hook)
        for name, hook in vars(Stabilizer).items()
        if inspect.isfunction(hook) and not name.startswith("_")
    }
    assert {name for name, signature in hooks.items() if "turn" in signature.parameters} == set(CONTRACT_1)


@pytest.mark.parametrize("hook", CONTRACT_1)
def test_a_hook_of_contract_1_is_refused_by_its_name(hook):
    """Even where the number of arguments is the same: `phase == "d"` would never be true, without a word."""
    old = type("Old", (Stabilizer,), {hook: CONTRACT_1[hook]})
    sibling = type("Sibling", (old,), {})
    for member in (old, sibling):
        with STABILIZERS.lent("old", member), pytest.raises(UsageError) as error:
            STABILIZERS.get("old")
        said = str(error.value)
        assert said.startswith("stabilizer 'old' ")
        assert "is not written for contract 2: it has " + hook + "(self" in said
        assert (
            f"which is called as {hook}{inspect.signature(getattr(Stabilizer, hook))}; what changed" in said
        )
        assert "docs/contract-2.md" in said
        assert "\n" not in said


def test_a_hook_of_contract_1_in_a_plugin_is_one_line_of_the_command(plugin, capsys):
    source = "from ganzoo import Stabilizer\nclass Old(Stabilizer):\n    def weights(self, module): ..."
    plugin("extra", {"old": "extra_mod:Old"}, {"extra_mod.py": source}, group="stabilizers")
    with pytest.raises(SystemExit) as end:
        main(["run", "mlp-gan", "--dataset", "ring8", "--stabilizer", "old", "--dry-run"])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ganzoo: stabilizer 'old' of extra 1.0 (extra_mod:Old) is not written for")
    assert "it has weights(self, module), which is called as weights(self, turn" in line
    with pytest.raises(SystemExit) as end:
        main(["list", "--check", "--json"])
    assert end.value.code == 1
    faults = {row["name"]: row["fault"] for row in json.loads(capsys.readouterr().out)}
    assert {name for name, fault in faults.items() if fault} == {"old"}


def wrapped(function):
    @functools.wraps(function)
    def inner(*args, **options):
        return function(*args, **options)

    return inner


@pytest.mark.parametrize(
    "hooks",
    [
        {"d_penalty": lambda self, turn, weight=1.0, *, more=None: None},
        {"d_penalty": lambda *args: None, "weights": lambda self, *args, **more: None},
        {"d_penalty": lambda self, _: None, "transform": lambda self, x, _turn: x},
        {"look_ahead": lambda self, turn, f, by: None, "real_target": lambda self, t, turn, /: t},
        {"g_penalty": wrapped(lambda self, turn: None), "_own": lambda self, a, b, c: None},
        {"update_d": staticmethod(lambda turn: True), "more": lambda self, y: None, "gradients": None},
    ],
    ids=["optional", "any number", "unused", "other names", "decorated", "no plain method"],
)
def test_hooks_that_can_be_called_by_the_contract_are_its(hooks):
    member = type("Mine", (Stabilizer,), hooks)
    with STABILIZERS.lent("mine", member):
        assert STABILIZERS.get("mine") is member


@pytest.mark.parametrize(
    ("registry", "hooks", "fits"),
    [
        (MODELS, {"d_terms": lambda self, critic, real, fake, y: {}}, False),
        (MODELS, {"g_terms": lambda self: {}}, False),
        (MODELS, {"sample_z": lambda self, n, y: None}, False),
        (MODELS, {"g_terms": lambda self, turn: {}, "sample_z": lambda self, how_many: None}, True),
        (LOSSES, {"d": lambda self, real, fake: None}, False),
        (LOSSES, {"d": lambda self, r, f, real_target=1.0: None, "g": lambda self, *logits: None}, True),
        (LOSSES, {"g": lambda self, fake: None}, False),
    ],
)
def test_methods_of_other_kinds_are_held_against_theirs(registry, hooks, fits):
    member = type("Mine", ({MODELS: GAN, LOSSES: Loss}[registry],), hooks)
    with registry.lent("mine", member):
        if fits:
            assert registry.get("mine") is member
        else:
            with pytest.raises(UsageError, match=f"not written for contract 2: it has {next(iter(hooks))}"):
                registry.get("mine")


def test_the_same_name_twice_names_both_and_breaks_that_name_alone(plugin):
    points = {"flat": "extra_mod:Flat", "hinge": "extra_mod:Flat"}
    plugin("extra", points, {"extra_mod.py": A_LOSS})
    plugin("other", {"flat": "other_mod:Flat"}, {"other_mod.py": A_LOSS}, version="2.0")
    assert [e.distribution for e in LOSSES.entries() if e.name == "flat"] == ["extra", "other"]
    assert LOSSES.names().count("flat") == 1
    with pytest.raises(UsageError, match=r"'flat' is claimed by extra 1\.0 and other 2\.0"):
        LOSSES.get("flat")
    with pytest.raises(UsageError, match=rf"'hinge' is claimed by extra 1\.0 and {DISTRIBUTION} "):
        LOSSES.get("hinge")
    assert LOSSES.get("minimax").__module__ == "ganzoo.losses"


def test_a_clash_does_not_spoil_the_sentence_about_another_loss(plugin, capsys):
    plugin("extra", {"minimax": "extra_mod:Flat"}, {"extra_mod.py": A_LOSS})
    words = "run mlp-gan --dataset ring8 --loss wasserstein --label-smoothing 0.1 --dry-run"
    with pytest.raises(SystemExit) as end:
        main(words.split())
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "label-smoothing needs a loss with targets" in said
    assert "non-saturating" in said


def test_a_distribution_without_metadata_is_found(plugin):
    plugin("extra", {"flat": "extra_mod:Flat"}, {"extra_mod.py": A_LOSS}, with_metadata=False)
    assert entry("flat").distribution
    assert LOSSES.get("flat").__module__ == "extra_mod"


@pytest.mark.usefixtures("added")
def test_added_by_hand():
    mine = type("Mine", (LOSSES.get("hinge"),), {})
    LOSSES.add("mine", mine)
    assert LOSSES.get("mine") is mine
    assert "mine" in LOSSES.names()
    assert LOSSES.origin("mine")["distribution"] == "(added by hand)"
    for taken in ("mine", "hinge"):
        with pytest.raises(UsageError, match=f"loss named '{taken}' already"):
            LOSSES.add(taken, mine)
    assert LOSSES.get("hinge") is not mine


@pytest.mark.usefixtures("added")
def test_added_by_hand_is_checked_like_a_plugin():
    LOSSES.add("number", 3)
    with pytest.raises(UsageError, match="'number' is 3, not a subclass"):
        LOSSES.get("number")


def test_imported_but_not_installed(monkeypatch):
    monkeypatch.setattr("ganzoo.registry.registry.points", lambda group: [])
    for registry, name in ((MODELS, "dcgan"), (LOSSES, "hinge")):
        with pytest.raises(UsageError, match=r"not installed.*pip install -e \."):
            registry.get(name)
