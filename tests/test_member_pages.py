"""Pages of losses, stabilizers, metrics, datasets, extractors and callbacks: one skeleton, and formulas that
can be read."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from ganzoo.cli.commands import COMMANDS
from ganzoo.registry import LOSSES, REGISTRIES, STABILIZERS
from ganzoo.registry.registry import DISTRIBUTION
from ganzoo.stabilizers.base import Stabilizer

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
WITH_FORMULA, WITHOUT = ("losses", "stabilizers", "metrics"), ("datasets", "extractors", "callbacks")
# The latter where a guide, such as docs/metrics.md, has the address that an index would have.
INDEX = ("index", "overview")
KINDS = [*WITH_FORMULA, *WITHOUT]
PAGES = [page for kind in KINDS for page in sorted((DOCS / kind).glob("*.md")) if page.stem not in INDEX]
MADE = "made by benchmarks/pages/report.py -->"


def load(name):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks" / "pages")
        patch.syspath_prepend(ROOT / "docs" / "hooks")
        return importlib.import_module(name)


MARK = r' title="needs [^"\n]+"'  # of a block of commands, above which the site shows it


def marked(page):
    blocks = re.findall(rf"^```sh{MARK}\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


def of_page(page):
    return f"{page.parent.name}/{page.stem}"


def sections(page):
    """The text below each heading; that above the first is under ""."""
    parts = re.split(r"^## (.*)\n", page.read_text(encoding="utf-8"), flags=re.M)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


@pytest.mark.parametrize("kind", KINDS)
def test_every_member_has_its_page_and_its_line_in_the_index(kind):
    names = [entry.name for entry in REGISTRIES[kind].entries() if entry.distribution == DISTRIBUTION]
    assert sorted(page.stem for page in PAGES if page.parent.name == kind) == sorted(names)
    (index,) = (
        path.read_text(encoding="utf-8") for name in INDEX for path in (DOCS / kind).glob(f"{name}.md")
    )
    lines = re.findall(r"^\| \[`([\w-]+)`\]\(\1\.md\) \| [^|]+ \| [^|]+ \|$", index, flags=re.M)
    assert sorted(lines) == sorted(names), "in the form | [`NAME`](NAME.md) | in one line | when |"


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_pages_of_members_are_built_alike(page):
    text = sections(page)
    first = "Formula" if page.parent.name in WITH_FORMULA else "What it gives"
    order = [first, "Paper", "Source", "When to use it", "Run it", "Options", "How to read it", "Results"]
    found = [heading for heading in text if heading]
    assert found == [heading for heading in order if heading in found], "other headings, or another order"
    assert {first, "When to use it", "Run it", "Options", "How to read it"} <= {*found}
    assert not {"Paper", "Source"} <= {*found}
    assert re.fullmatch(rf"# {re.escape(page.stem)}\n\n.+\n\n", text.pop(""), flags=re.S)
    assert all(body.strip() for body in text.values())
    for heading in {"Paper", "Source"} & {*found}:
        assert re.search(r"\]\(https?://", text[heading]), "a link to it"
        for shown, linked in re.findall(r"\[arXiv ([^\]]*)\]\(([^)]*)\)", text[heading]):
            assert linked == f"https://arxiv.org/abs/{shown}"
    assert text["Options"].startswith(f"\n<!-- options {MADE}\n")
    assert re.search(rf"\n```(sh({MARK})?\nganzoo |python\n)", text["Run it"])


@pytest.mark.parametrize("page", [page for page in PAGES if marked(page)], ids=of_page)
def test_commands_that_are_not_run_here_have_words_that_there_are(page):
    """Of those that need a network or a package, tests/test_docs.py runs none."""
    for name, *words in marked(page):
        command = COMMANDS.get(name)
        for step in words[:1] if isinstance(command, click.Group) else ():
            command, words = command.commands[step], words[1:]
        command.make_context(name, words)


def test_formulas_become_mathml():
    formulas = load("formulas")
    inline = formulas.translated(r'is <span class="arithmatex">\(a &lt; b\)</span>, and 5$')
    assert re.fullmatch(r'is <math [^>]*display="inline">.*</math>, and 5\$', inline)
    assert re.sub(r"<[^>]*>", "", inline) == "is a&#x0003C;b, and 5$"
    block = formulas.translated('<div class="arithmatex">\\[\n\\frac{1}{2}\n\\]</div>')
    assert re.fullmatch(r'<div class="formula"><math [^>]*display="block">.*<mfrac>.*</math></div>', block)
    norm = formulas.translated(r'<span class="arithmatex">\(\lVert x \rVert^2\)</span>')
    assert norm.count('<mo stretchy="false">&#x02016;</mo>') == 2


@pytest.mark.parametrize("latex", [r"\unheard{x}", r"\frac{a}", "x^", r"\left( a", "{a", "a}"])
def test_a_formula_that_cannot_be_read_is_refused(latex):
    with pytest.raises(ValueError, match="cannot be read"):
        load("formulas").translated(rf'<span class="arithmatex">\({latex}\)</span>')


def test_options_are_told_as_the_registry_has_them():
    pages = load("member_pages")
    part = pages.options_part(STABILIZERS, "r1").splitlines()
    assert part[2] == "| `gamma` | `1.0` | a number | weight; multiplied by the recipe's penalty schedule. |"
    assert "Typed `--stabilizer r1:KEY=VALUE`." in part
    assert "- Refused together with [gradient-normalization](gradient-normalization.md)." in part
    assert pages.options_part(LOSSES, "hinge").startswith("hinge has no options.\n")
    refused = pages.options_part(LOSSES, "wasserstein")
    assert "[label-smoothing](../stabilizers/label-smoothing.md), [skip-d]" in refused
    # What a class says of an option may be said by the one that it extends, and of two at once.
    assert "`gamma`" in pages.options_part(STABILIZERS, "r2")
    assert {"real", "fake"} <= {*pages.arguments(STABILIZERS.get("consistency"))}


def test_models_that_refuse_a_stabilizer_are_told():
    told = load("member_fits").told_of_models
    refused = "- Refused with the default recipes of [infogan](../models/infogan.md)."
    assert told("packing", ["dcgan", "infogan", "mlp-gan", "sngan", "wgan"]) == [refused]
    refused = "- Refused with the default recipes of [r3gan](../models/r3gan.md) for images."
    assert told("spectral-norm", ["r3gan"]) == [refused]
    alone = "- Of the default recipes it goes with [wgan](../models/wgan.md) alone."
    assert told("layer-norm", ["dcgan", "wgan"]) == [alone]
    assert told("drift", ["dcgan", "mlp-gan", "sngan", "wgan"]) == []


def test_an_option_without_a_meaning_is_refused():
    class Silent(Stabilizer):
        """Says nothing of its option."""

        def __init__(self, depth: int = 1) -> None:
            super().__init__()

    with STABILIZERS.lent("silent", Silent), pytest.raises(SystemExit, match="nothing of depth"):
        load("member_pages").options_part(STABILIZERS, "silent")


def test_results_of_a_stabilizer_wait_for_the_ablation(tmp_path):
    part = load("member_results").member_results
    assert (
        part("stabilizer", "r1", tmp_path) == "The repository holds no results of this stabilizer alone yet."
    )
