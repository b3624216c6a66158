"""Every command and every Python example of README and docs is run, on a small budget, page by page."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import shutil
from pathlib import Path

import files
import numpy as np
import pytest
from PIL import Image

from ganzoo.cli.main import main
from ganzoo.models.recipe import Optimizer, Recipe, Schedule
from ganzoo.registry import LOSSES, MODELS, REGISTRIES
from ganzoo.registry.registry import DISTRIBUTION
from ganzoo.stabilizers.open import open_stabilizer

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
TRANSLATED = ".zh-"  # pages whose blocks are those of another page, which tests/test_guides.py holds
MODEL_PAGES = [page for page in PAGES if page.parent.name == "models" and page.stem != "index"]
HEADINGS = [
    "Paper", "When to use it", "Run it", "What is logged", "Recipes", "Differences from the paper", "Results",
    "Replicate",
]  # fmt: skip
OF_OTHER_PROGRAMS = {"data", "csv", "parquet", "wav", "webdataset", "torchvision", "hf"}  # pages
SMALL = ["--steps", "3", "--batch-size", "16"]
TINY = ["--steps", "1", "--batch-size", "8", "--set", "model.width=4"]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def commands(page: Path) -> list[list[str]]:
    """The words of each ganzoo command, comments and what goes before && left out."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    parts = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    return [words[1:] for words in parts if words[:1] == ["ganzoo"]]


@pytest.fixture
def own_data():
    for i in range(20):
        path = Path("my-pictures", "circles" if i % 2 else "squares", f"{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
        for side in ("drawings", "photos"):
            Path("my-pairs", side).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, Path("my-pairs", side))
    np.save("my-vectors.npy", np.random.default_rng(0).normal(size=(50, 4)))
    np.save("my-labels.npy", np.arange(50) % 3)
    np.save("my-series.npy", np.random.default_rng(0).normal(size=(50, 2, 16)))
    suites = blocks(ROOT / "docs" / "benchmarks.md", "toml")
    for name, suite in zip(("my-suite.toml", "my-search.toml"), suites, strict=True):
        Path(name).write_text(suite, encoding="utf-8")
    words = blocks(ROOT / "docs" / "command-line.md", "toml")[0]
    Path("my-run.toml").write_text(words, encoding="utf-8")
    Path("results").mkdir()
    shutil.copy(ROOT / "benchmarks" / "results" / "gaussians.jsonl", "results/my-suite.jsonl")


def section(page: Path, heading: str) -> str:
    parts = re.split(r"^## (.*)\n", page.read_text(encoding="utf-8"), flags=re.M)
    return parts[parts.index(heading) + 1]


@pytest.mark.usefixtures("own_data")
@pytest.mark.parametrize(
    "page", [p for p in PAGES if commands(p) and TRANSLATED not in p.name], ids=lambda page: page.name
)
def test_commands(page, capsys):
    if page.stem in OF_OTHER_PROGRAMS:
        files.of_other_programs()
    for words in commands(page):
        if words[0] == "run":
            words = [*words, *(TINY if page in MODEL_PAGES else SMALL), "--offline"]
            if page in MODEL_PAGES and Path("runs").exists():
                words.append("--dry-run")  # the page's run again, with the seed: its words are checked
        if words == ["eval"] and page in MODEL_PAGES:
            words = ["eval", "--metric", "d-accuracy"]
        if words[0] == "eval":
            words = [*words, "--samples", "700", "--offline"]
        if words[0] == "bench":
            words = [*words, "--dry-run"]
        if words[:2] == ["extractor", "train"]:
            words = [*words, "--epochs", "1"]
        if words[:2] == ["resume", "--steps"]:
            words = ["resume", "--steps", "5"]
        with pytest.raises(SystemExit) as done:
            main(words)
        output = capsys.readouterr()
        assert done.value.code == 0, f"ganzoo {shlex.join(words)}: {output.err}"
        assert "Traceback" not in output.err
    if page in MODEL_PAGES:
        assert logged() == described(page, "What is logged")
    if page.parent.name == "losses" and page.stem != "index":
        assert {key for key in logged() if "/" not in key} == described(page, "How to read it")
    if page.parent.name == "stabilizers" and page.stem != "index":
        own = {key for key in logged() if key.endswith(f"/{page.stem}") or "/" not in key}
        players = {"d_loss", "g_loss", "d_real", "d_fake"}
        assert own - players == described(page, "How to read it") - players


def logged():
    """The columns of the log of the runs made here, but for what every run has."""
    lines = [line for log in Path("runs").glob("*/log.jsonl") for line in log.read_text().splitlines()]
    keys = {key for line in lines for key in json.loads(line)} - {"step", "images", "images_per_s"}
    return {key for key in keys if not key.startswith("signal/")}  # which have a page of their own


def described(page, heading):
    return set(re.findall(r"^\| `(\S+)` \|", section(page, heading), flags=re.M))


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda page: page.name)
def test_python_examples(page):
    for block in blocks(page, "python"):
        small = re.sub(r"steps=(\d+)", lambda m: f"steps={int(m[1]) // 1000}, progress=False", block)
        small = small.replace('"mnist"', '"mnist-5k"')
        assert small != block or "train(" not in block
        exec(compile(small, str(page), "exec"), {})


def test_links_and_pictures_are_there():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#\s]+)|(?:src|href)=\"([^\"#]+)\"", text):
            target = "".join(target)
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_site_is_built_so_that_a_broken_link_fails():
    """With -q there are no warnings, and without warnings --strict lets everything pass."""
    (build,) = re.findall(r"^mkdocs build .*$", (ROOT / ".ci" / "run").read_text(), flags=re.M)
    assert "--strict" in build.split()
    assert not {"-q", "--quiet"} & {*build.split("#")[0].split()}
    checks = re.search(r"^  links: \{(.*)\}$", (ROOT / "mkdocs.yml").read_text(), flags=re.M)[1]
    assert {*checks.split(", ")} >= {"not_found: warn", "anchors: warn", "unrecognized_links: warn"}


@pytest.fixture(scope="module")
def report():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks" / "pages")
        return importlib.import_module("report")


def test_generated_pages_are_current(report):
    assert [path.name for path in report.stale()] == [], "run python benchmarks/pages/report.py"


def test_every_member_is_named_in_the_readme_or_the_docs():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for registry in REGISTRIES.values():
        assert [name for name in registry.names() if f"`{name}" not in text] == []


def test_every_model_has_its_page_and_its_line_in_the_index():
    names = [entry.name for entry in MODELS.entries() if entry.distribution == DISTRIBUTION]
    assert sorted(page.stem for page in MODEL_PAGES) == names
    index = (ROOT / "docs" / "models" / "index.md").read_text(encoding="utf-8")
    lines = dict(re.findall(r"^\| \[`([\w-]+)`\]\(\1\.md\) (.*)$", index, flags=re.M))
    assert sorted(lines) == names
    for name in names:
        recipes = MODELS.get(name).recipes
        assert f"`{recipes.get('default', recipes.get('default/images')).loss}`" in lines[name]


@pytest.mark.parametrize("page", MODEL_PAGES, ids=lambda page: page.stem)
def test_pages_of_models_are_built_alike(page):
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n\n")
    assert re.findall(r"^## (.*)$", text, flags=re.M) == HEADINGS
    assert all(section(page, heading).strip() for heading in HEADINGS)
    assert re.search(r"\[arXiv (\d{4}\.\d{4,5})\]\(https://arxiv\.org/abs/\1\)", section(page, "Paper"))
    # What is to be typed exists; test_commands runs the blocks alone.
    told = section(page, "Run it") + section(page, "What is logged")
    assert set(re.findall(r"model\.(\w+)", told)) <= {*MODELS.options(page.stem)}
    assert set(re.findall(r"--loss ([\w-]+)", told)) <= {*LOSSES.names()}
    for spec in set(re.findall(r"--stabilizer ([^\s`]+)", text)) - {"none"}:
        open_stabilizer(spec)


def test_table_of_recipes(report):
    recipes = {
        "default": Recipe(model={"width": 8}),
        "paper": Recipe(
            loss="hinge",
            stabilizers=("r1:gamma=2", "packing:m=2"),
            optimizer_g=Optimizer("sgd", lr=0.1, momentum=0.9),
            steps=100_000,
            ema_halflife=0.0,
            lr_schedule=Schedule("linear", 1.0, 0.5, until=0.25),
            model={"norm": True},
        ),
    }
    assert report.recipe_table(recipes, {"z_dim": 64, "width": 16, "norm": False}) == (
        "| setting | changed by | `default` | `paper` |\n"
        "|---|---|---|---|\n"
        "| loss | `--loss` | `non-saturating` | `hinge` |\n"
        "| stabilizers | `--stabilizer` | none | `r1:gamma=2`, `packing:m=2` |\n"
        "| optimizer of G | `--lr-g` | adam, lr 0.0002, betas 0.5 and 0.999 | sgd, lr 0.1, momentum 0.9 |\n"
        "| optimizer of D | `--lr-d` | adam, lr 0.0002, betas 0.5 and 0.999 "
        "| adam, lr 0.0002, betas 0.5 and 0.999 |\n"
        "| updates of D per step | `--n-dis` | 1 | 1 |\n"
        "| batch size | `--batch-size` | 64 | 64 |\n"
        "| steps | `--steps` | 10,000 | 100,000 |\n"
        "| half-life of the averaged G, in images | `--set ema_halflife` | 10,000 | no average |\n"
        "| factor on the learning rates over the run | `--set lr_schedule.*` | 1 "
        "| linear, 1 to 0.5, reached after 25% of the run |\n"
        "| `width` of the model | `--set model.width` | 8 | 16 |\n"
        "| `norm` of the model | `--set model.norm` | no | yes |"
    )


def test_table_of_results(report):
    def row(seed, status="done", **more):
        commands = {"run": f"ganzoo run --seed {seed}", "eval": "ganzoo eval"}
        same = {"group": "g", "model": "new-gan", "dataset": "ring8", "options": "default", "steps": 5000}
        same["protocol"] = {"n_fake": 2500, "n_real": 50_000, "n_held_out": 2500, "reference": "train"}
        return {**same, "seed": seed, "status": status, "commands": commands, **more}

    def scores(fid):
        return {
            "scores": {"modes": 8.0, "fid@x": fid, "is@x": 2.0, "is_std@x": 0.5},
            "real": {"modes": 8.0, "fid@x": 0.5},
            "columns": {
                "modes": {"metric": "modes", "higher_is_better": True},
                "fid@x": {"metric": "fid", "higher_is_better": False},
                "is@x": {"metric": "is", "higher_is_better": None},
            },
        }

    found = [row(0, **scores(1.0)), row(1, **scores(2.0)), row(2, "failed", error="the loss is nan")]
    other = {**row(3, **scores(9.0)), "group": "h", "model": "another"}
    groups = report.group_rows([*found, other])
    assert report.result_part("new-gan", groups) == (
        "| score | generated | real data | better |\n"
        "|---|---|---|---|\n"
        "| `modes` | 8 ± 0 | 8 ± 0 | higher |\n"
        "| `fid@x` | 1.50 ± 0.71 | 0.5 ± 0 | lower |\n"
        "| `is@x` | 2 ± 0 | - | as real |\n\n"
        "`new-gan` on `ring8`, 5,000 steps, seeds 0, 1: mean ± standard deviation, "
        "2,500 generated samples against 50,000 of the train split, "
        "seed 2 failed: the loss is nan. To repeat it: `ganzoo run --seed 0`, then `ganzoo eval`."
    )
    failed = report.group_rows([row(2, "failed", error="the loss is nan")])
    assert report.result_part("new-gan", failed) == (
        "`new-gan` on `ring8`, seed 2 failed: the loss is nan. "
        "To repeat it: `ganzoo run --seed 2`, then `ganzoo eval`."
    )
    assert report.result_part("unknown", groups) == "The repository holds no results of this model yet."
