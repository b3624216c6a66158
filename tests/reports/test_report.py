"""`ganzoo report`: what is in the page, that it needs nothing else, and that nothing breaks it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pages import Page
from PIL import Image

import ganzoo as library
from ganzoo.data.mixtures import Ring8
from ganzoo.reports.curves import thin
from ganzoo.reports.pictures import chosen, smallest, webps
from ganzoo.reports.scores import scores
from ganzoo.reports.subject import subjects
from ganzoo.system.console import number
from ganzoo.system.lines import append_line, read_lines

HOSTILE = "<img src=x onerror=alert(1)>&'\"\u202e"
NOTHING_ELSE = {"default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}
LARGEST = 5_000_000
WITHOUT_TORCH = """
import sys
from ganzoo.cli.main import main
try:
    main(sys.argv[1:])
finally:
    assert "torch" not in sys.modules
"""
SMALL = {"width": 8, "d_width": 8}


def policy(page: Page) -> dict[str, str]:
    (meta,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    return dict(part.strip().split(" ", 1) for part in meta["content"].split(";"))


def hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def rows(page: Page) -> list[str]:
    """The rows of the tables as text."""
    return [
        " ".join(re.sub(r"<[^>]*>", " ", row).split())
        for row in re.findall(r"<tr[ >].*?</tr>", page.source, re.S)
    ]


def charts(page: Page) -> dict[str, dict]:
    """What is drawn of each chart, by its title and unit."""
    found = re.findall(r'data-panel="(\d+)">\s*<figcaption>\s*<h3>(.*?)</h3>', page.source)
    return {re.sub(r"<[^>]*>", "", title): page.drawn["panels"][int(i)] for i, title in found}


# --- one file ---


@pytest.mark.parametrize("name", ["ring", "digits"])
def test_a_page_needs_nothing_else(request, page, name):
    made = page(request.getfixturevalue(name))
    for tag, attrs in made.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        assert not any(key.startswith("on") or key == "style" for key in attrs)
        for key in ("src", "href", "data", "srcset", "action", "poster"):
            assert attrs.get(key, "#").startswith(("#", "data:image/webp;base64,"))
    assert "@import" not in made.styles[0]
    assert "url(" not in made.styles[0]
    rules = policy(made)
    assert {key: rules[key] for key in NOTHING_ELSE} == NOTHING_ELSE
    assert rules["style-src"] == hashed(made.styles[0])
    assert rules["script-src"].split() == [hashed(script) for script in (made.scripts[0], *made.scripts[2:])]
    assert len(made.source) < LARGEST


def test_the_library_in_the_page_has_its_licence_beside_it():
    folder = Path(library.__file__).parent / "reports" / "page" / "uplot"
    version = re.search(r"v([\d.]+)", (folder / "uPlot.iife.min.js").read_text(encoding="utf-8")[:200])[
        1
    ].rstrip(".")
    assert version in (folder / "README.md").read_text(encoding="utf-8")
    assert "MIT" in (folder / "LICENSE").read_text(encoding="utf-8")


def test_any_number_of_pictures_of_any_size_fits(ring, page):
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    shutil.rmtree(ring / "samples")
    (ring / "samples").mkdir()
    Image.fromarray(noise).save(ring / "samples" / "step-00000001.png")
    for step in range(2, 100):
        shutil.copy(ring / "samples" / "step-00000001.png", ring / "samples" / f"step-{step:08d}.png")
    made = page(ring)
    assert 1_000_000 < len(made.source) < LARGEST
    shown = [frame["step"] for frame in made.drawn["looks"][0]["frames"]]
    assert (shown[0], shown[-1]) == (1, 99)
    assert 40 <= len(shown) <= 48


def test_budgets_are_kept_at_the_best_quality_that_fits():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8))
    sizes = [sum(map(len, webps([image] * 3, budget))) for budget in (10**6, 10**5, 3 * 10**4)]
    assert 10**5 < sizes[0] < 10**6
    assert 3 * 10**4 < sizes[1] < 10**5
    assert sizes[2] < 3 * 10**4
    assert webps([], 10) == []


def test_pixels_are_taken_for_what_they_are():
    small = np.random.default_rng(0).integers(0, 256, (12, 18, 3), dtype=np.uint8)
    image, times = smallest(Image.fromarray(small.repeat(3, 0).repeat(3, 1)))
    assert times == 3
    assert (np.asarray(image) == small).all()
    assert smallest(Image.fromarray(small))[1] == 1


def test_frames_are_chosen_evenly_with_both_ends():
    paths = [Path(f"step-{i:08d}.png") for i in range(100)]
    assert chosen(paths, 4) == [paths[0], paths[33], paths[66], paths[99]]
    assert chosen(paths[:3], 4) == paths[:3]
    assert chosen(paths, 1) == [paths[99]]


# --- what it shows ---


def test_one_run(ring, page):
    made = page(ring)
    assert "mlp-gan on ring8" in made.text
    assert "0001-ring: step 12 of 12, finished" in made.text
    assert made.drawn["steps"] == [0, 3, 6, 9, 12]
    log = read_lines(ring / "log.jsonl")
    shown = charts(made)
    for line, name in zip(shown["Losses non-saturating"]["lines"], ("d_loss", "g_loss"), strict=True):
        assert line["x"] == [row["step"] for row in log]
        assert line["y"] == pytest.approx([row[name] for row in log], rel=1e-5)
    assert shown["Losses non-saturating"]["level"] == pytest.approx(2 * np.log(2))
    assert shown["What D says probability"]["range"] == [0, 1]
    (skipped,) = shown["Updates that D left out"]["lines"]
    assert skipped["y"] == pytest.approx([row["d_skip_rate"] for row in log])
    values = [row["d_loss"] for row in log]
    told = [number(value) for value in (values[0], min(values), max(values), values[-1])]
    assert f"D {' '.join(told)} 12" in rows(made)
    assert "ganzoo run --from runs/0001-ring" in made.text
    assert "Nothing is wrong" in made.text or "Since step" in made.text


def test_scores_stand_beside_real_data_at_as_many_samples(ring, page):
    made = page(ring)
    measured = read_lines(ring / "metrics.jsonl")
    assert measured[0]["real"]["hq"] == pytest.approx(1 - np.exp(-4.5))  # the share of a normal in 3 std
    assert [row["real"] for row in measured[1:]] == [{}] * 3
    (row,) = [row for row in rows(made) if row.startswith("hq within")]
    assert "0.9889 near real data 1,000 generated, 50,000 real of the train split, during training" in row
    courses = [panel for panel in made.drawn["panels"] if panel["level"] == pytest.approx(0.98889, abs=1e-4)]
    assert [line["y"] for line in courses[0]["lines"]] == [[one["scores"]["hq"] for one in measured]]


def test_a_cloud_over_the_modes(ring, page):
    centers = Ring8().modes.centers.numpy()
    x = np.concatenate([centers[:3].repeat(5, 0), [[0.0, 0.0]] * 4, [[50.0, 0.0]]]).astype("float32")
    np.save(ring / "samples" / "step-00000012.npy", x)
    made = page(ring)
    cloud = made.drawn["looks"][0]["cloud"]
    last = cloud["moments"][-1]
    assert last["hit"] == [5, 5, 5, 0, 0, 0, 0, 0]
    said = "3 of 8 modes reached, 75% of 20 samples within 3 standard deviations of one; missed: (-0.7071, "
    assert said in made.text
    assert said in made.all("div", role="img", class_="cloud needs-js")[0]["aria-label"]
    places = np.frombuffer(base64.b64decode(last["at"]), "<u2").reshape(-1, 2) / 65535
    low, high = np.array(cloud["low"]), np.array(cloud["high"])
    assert len(places) == 19  # one is far off
    assert places * (high - low) + low == pytest.approx(x[:19], abs=1e-3)
    assert np.array(cloud["modes"]) * (high - low) + low == pytest.approx(centers, abs=1e-5)
    assert cloud["radius"] * (high - low)[0] == pytest.approx(0.03, rel=1e-5)


def test_points_of_ones_own_have_no_modes(copy, page):
    np.save("own.npy", np.random.default_rng(0).normal(size=(60, 2)))
    run = copy("0001-own", "mlp-gan", "npy:own.npy", set={"width": 8, "d_width": 8})
    cloud = page(run).drawn["looks"][0]["cloud"]
    assert (cloud["modes"], bool(cloud["real"])) == ([], True)
    Path("own.npy").unlink()
    made = page(run)
    assert "No real data are shown beside the samples" in made.text
    assert made.drawn["looks"][0]["cloud"]["real"] == ""


def test_digits_with_classes_copies_and_neighbours(digits, page):
    made = page(digits)
    measured = read_lines(digits / "metrics.jsonl")[-1]
    assert f"memorization@mnist-cnn-v1 {measured['scores']['memorization@mnist-cnn-v1']:.4g}" in made.text
    table = [row for row in rows(made) if re.match(r"\d \d+ ", row)]
    assert [row.split()[0] for row in table] == [str(i) for i in range(10)]
    assert [int(row.split()[1]) for row in table] == [row["n"] for row in measured["per_class"]]
    generated = [attrs for attrs in made.all("img") if attrs["alt"].startswith("Generated image")]
    assert len(generated) == 12
    assert "the nearest of 4,000 training images by pixels" in made.text
    assert not made.all("canvas")
    assert not [attrs for attrs in page(digits, nearest=False).all("img") if "Generated" in attrs["alt"]]


@pytest.mark.parametrize(
    ("name", "words", "more"),
    [
        ("series", ("wavegan", "waves"), {"set": {"model.width": 4}}),
        ("line", ("mlp-gan", "gaussian-1d"), {"set": SMALL}),
        ("wide", ("mlp-gan", np.random.default_rng(0).normal(size=(80, 7))), {"set": SMALL}),
        ("colours", ("dcgan", np.full((80, 3, 16, 16), 9, "uint8")), {"set": {"model.width": 4}}),
        ("one step", ("mlp-gan", "ring8"), {"steps": 1, "set": SMALL}),
    ],
)
def test_whatever_was_trained(copy, page, name, words, more):
    run = copy(name, *words, **more)
    made = page(run)
    (look,) = made.drawn["looks"]
    assert (look["cloud"]["moments"] if look["cloud"] else look["frames"])[-1]["step"] == more.get("steps", 4)
    assert "Losses" in made.text
    if not isinstance(words[1], str):
        assert "data from Python" in made.text
        assert "no name opens" in made.text


# --- several ---


@pytest.fixture
def two(ring):
    other = shutil.copytree(ring, Path("runs/0003-other"))
    config = json.loads((other / "config.json").read_text())
    config["seed"], config["recipe"]["loss"] = 1, "hinge"
    (other / "config.json").write_text(json.dumps(config))
    return ring, other


def test_several_runs_side_by_side(two, page):
    made = page(*two)
    assert "2 runs on ring8" in made.text
    assert Path("report.html").exists()
    differing = re.findall(r'<tr class="differs"><th scope="row">([\w. ]+)<', made.source)
    assert set(differing) == {"loss", "seed", "recipe.loss"}
    # Losses of two kinds, or probabilities and logits, are no curves of one axis; gradients are.
    parted = [title for title in charts(made) if title.startswith(("Losses", "What D says"))]
    assert parted == [
        "Losses: D non-saturating", "Losses: D hinge", "Losses: G non-saturating", "Losses: G hinge",
        "What D says: of real samples probability", "What D says: of real samples logit",
        "What D says: of generated samples probability", "What D says: of generated samples logit",
    ]  # fmt: skip
    assert len(charts(made)["Speed"]["lines"]) == 2
    assert charts(made)["Losses: D hinge"]["level"] == 2.0
    assert charts(made)["Losses: G hinge"]["level"] is None
    assert len(made.drawn["looks"]) == 2


def test_only_scores_of_one_protocol_share_a_row(two):
    lines = read_lines(two[1] / "metrics.jsonl")
    append_line(two[1] / "metrics.jsonl", {**lines[-1], "scores": {**lines[-1]["scores"], "modes": 99.0}})
    (one,) = [score for score in scores(subjects(two)) if score.name == "modes"]
    assert (one.latest(1)[1], one.best()) == (99.0, {1})
    protocol = {**lines[-1]["protocol"], "n_fake": 7}
    append_line(two[1] / "metrics.jsonl", {**lines[-1], "protocol": protocol})
    same, other = [score for score in scores(subjects(two)) if score.name == "modes"]
    assert (sorted(same.courses), sorted(other.courses)) == ([0, 1], [1])
    assert (other.best(), other.real) == (set(), None)
    assert "7 generated" in other.measured


def test_values_of_real_data_count_for_every_checkpoint(ring):
    first = read_lines(ring / "metrics.jsonl")[0]
    later = {**first, "real": {}, "protocol": {**first["protocol"], "checkpoint": "best"}}
    append_line(ring / "metrics.jsonl", later)
    hq = [score for score in scores(subjects([ring])) if score.name == "hq"]
    assert [one.real for one in hq] == [first["real"]["hq"]] * 2


def test_a_run_twice_is_one_run(ring):
    assert len(subjects([ring, "1", str(ring.resolve())])) == 1


# --- what is wrong, hostile or not there ---


def test_text_is_text(ring, page):
    path = ring.rename(f"runs/{HOSTILE.replace('/', '-')}")
    config = json.loads((path / "config.json").read_text())
    config["dataset"] = f"folder:</script>{HOSTILE}"
    config["provenance"]["command"] = ["ganzoo", "run", "</script><script>alert(1)</script>"]
    config["provenance"]["versions"] = {HOSTILE: HOSTILE}
    (path / "config.json").write_text(json.dumps(config))
    lines = read_lines(path / "metrics.jsonl")
    row = {"class": HOSTILE, "n": 1, "n_real": 1, "scores": {HOSTILE: 1.0}, "real": {}}
    append_line(path / "metrics.jsonl", {**lines[-1], "per_class": [row]})
    append_line(
        path / "log.jsonl", {"step": 12, "images": 1, f"own</script>{HOSTILE}": 1.0, "images_per_s": 1.0}
    )
    made = page(path)
    assert len(made.all("script")) == 4
    assert not [attrs for _, attrs in made.tags if "onerror" in attrs or attrs.get("src") == "x"]
    assert "\u202e" not in made.source
    assert made.text.count("\\u202e") >= 5
    assert "<img src=x" in made.text


def test_damaged_records_are_left_out(ring, page, capsys):
    with (ring / "log.jsonl").open("a") as file:
        file.write('{"step": 13, "d_loss": \nno json\n{"step": 14, "d_loss": "much"}\n')
    with (ring / "metrics.jsonl").open("a") as file:
        file.write('{"step": 12}\n')
    row = read_lines(ring / "metrics.jsonl")[0]
    for wrong in ([{"class": 1}], "much", [{"n": 1, "scores": {"fid": "x"}}], 3):
        append_line(ring / "metrics.jsonl", {**row, "per_class": wrong})
    gone = {**row["protocol"], "metrics": {"of a plugin": {}}}
    append_line(ring / "metrics.jsonl", {**row, "protocol": gone})
    (ring / "samples" / "step-00000003.npy").write_bytes(b"\x93NUMPY no array")
    np.save(ring / "samples" / "step-00000006.npy", np.zeros((5, 3), "float32"))
    np.save(ring / "samples" / "step-00000009.npy", np.full((5, 2), np.nan, "float32"))
    made = page(ring)
    assert "is left out" in capsys.readouterr().err
    assert [one["step"] for one in made.drawn["looks"][0]["cloud"]["moments"]] == [0, 12]
    assert made.text.count("left out") >= 2
    assert "class by class" not in made.text
    for path in (ring / "samples").glob("*.npy"):
        path.unlink()
    content = (ring / "samples" / "step-00000003.png").read_bytes()
    (ring / "samples" / "step-00000003.png").write_bytes(content[: len(content) // 2])
    (ring / "samples" / "step-00000006.png").write_bytes(b"GIF89a")
    made = page(ring)
    assert [one["step"] for one in made.drawn["looks"][0]["frames"]] == [0, 9, 12]
    assert made.text.count("is a damaged picture, and left out") == 2


def test_a_run_that_has_hardly_begun(ring, page):
    for path in (ring / "samples", ring / "checkpoints"):
        shutil.rmtree(path)
    for name in ("log.jsonl", "metrics.jsonl", "generator.safetensors"):
        (ring / name).unlink()
    made = page(ring)
    assert "step 0 of 12, not started" in made.text
    assert made.text.count("Nothing is logged yet.") == 2
    assert "No picture is there yet." in made.text
    assert "Nothing was measured." in made.text
    assert not made.all("input")


def test_data_that_are_gone_are_said_to_be(digits, page):
    config = json.loads((digits / "config.json").read_text())
    config["dataset"] = "folder:nowhere"
    (digits / "config.json").write_text(json.dumps(config))
    assert re.search(r"Not looked for: .*nowhere", page(digits).text)


def test_long_logs_are_thinned_and_keep_their_extremes():
    x = np.arange(100_000.0)
    y = np.sin(x)
    y[777], y[5001] = 50.0, -60.0
    kept, values = thin(x, y)
    assert len(kept) <= 902
    assert (kept[0], kept[-1]) == (0.0, 99_999.0)
    assert (values[kept.index(777.0)], values[kept.index(5001.0)]) == (50.0, -60.0)
    assert kept == sorted(kept)
    assert thin(x[:5], y[:5])[0] == [0.0, 1.0, 2.0, 3.0, 4.0]


# --- the command ---


def test_the_command(ring, digits, ganzoo):
    assert ganzoo("report 1").out == "runs/0001-ring/report.html\n"
    assert ganzoo("report 1 2 --no-nearest").out == "report.html\n"
    assert ganzoo("report 1 --out sub/my.html").out == "sub/my.html\n"
    assert ganzoo("report 1").code == 0  # over the one before


def test_what_is_kept_is_not_overwritten(ring, ganzoo):
    Path("notes.html").write_text("<p>mine")
    result = ganzoo("report 1 --out notes.html")
    assert (result.code, Path("notes.html").read_text()) == (2, "<p>mine")
    assert "is no report of ganzoo's: name another file with --out" in result.sentence
    Path("folder.html").mkdir()
    assert "is a folder: name a file" in ganzoo("report 1 --out folder.html").sentence
    assert "expected a name that ends in .html" in ganzoo("report 1 --out report.pdf").sentence
    assert "no run '9'" in ganzoo("report 9").sentence
    (ring / "config.json").write_text("{}")
    assert "is damaged" in ganzoo("report runs/0001-ring").sentence


def test_from_python(ring):
    assert library.report(library.load(ring)) == ring / "report.html"
    assert library.report(out="x.html") == Path("x.html")


def test_a_run_that_was_given_its_data_shows_its_neighbours(copy, page):
    x = np.random.default_rng(0).integers(0, 256, (80, 3, 16, 16), dtype=np.uint8)
    run = copy("0001-noise", "dcgan", x, set={"model.width": 4})
    assert "which no name opens" in page(run).text
    assert len(page(library.load(run, x)).all("img", alt="Its nearest training image")) == 12


def test_pictures_alone_need_no_torch(trained):
    run = trained("series", "wavegan", "waves", set={"model.width": 4})
    words = [sys.executable, "-c", WITHOUT_TORCH, "report", str(run), "--out", "page.html"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "page.html\n"), done.stderr
