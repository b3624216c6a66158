"""Run the commands of docs/tour.md, and keep what they drew and found.

    OMP_NUM_THREADS=1 python benchmarks/pages/tour.py FOLDER
    python benchmarks/pages/report.py

Pictures go to docs/images/tour-*.png, the rest to results/tour.jsonl. The runs stay in FOLDER; one that
the very command made already is not trained again. A picture NAME.png becomes tour-NAME.png; the film of the
first page is growing.webp, its last frame growing.png; of a report Chromium takes a picture, if there is one.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from PIL import Image
from tour_blocks import FILE, IMAGES, PAGE, REFUSED, commands

import ganzoo
from ganzoo.cli.main import main

LARGEST = 60_000  # bytes of a picture
FILM, LONGEST = "growing.webp", 400_000  # the one that is shown, and its bytes
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
SHOT = (1000, 1436)  # of a report: as far as its first pictures; scaled to 3/4


def said(words: list[str]) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of `ganzoo WORDS`, in this process."""
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["ganzoo", *words]  # which a run records
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(words)
        except SystemExit as end:
            return int(end.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def done(command: str, name: str) -> bool:
    """Whether that run is there, made by that command."""
    config = Path(name, "config.json")
    if not config.exists() or not Path(name, "generator.safetensors").exists():
        return False
    by = json.loads(config.read_text())["provenance"]["command"]
    return shlex.join(["ganzoo", *(word for word in by[1:] if word not in ("-q", "--quiet"))]) == command


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def found(name: str) -> dict[str, Any]:
    """What a run's own files say of it."""
    folder = Path(name)
    scores = [row["scores"] for row in lines(folder / "metrics.jsonl")]
    run = ganzoo.load(folder, device="cpu")
    return {
        "run": name,
        "steps": run.config.recipe.steps,
        "last": {
            key: value for key, value in lines(folder / "log.jsonl")[-1].items() if key != "images_per_s"
        },
        "scores": {key: value for one in scores for key, value in one.items()},
        "real": {key: value for row in lines(folder / "metrics.jsonl") for key, value in row["real"].items()},
        "seen": [finding.short for finding in run.diagnose()],
        "versions": {"ganzoo": ganzoo.__version__, "torch": run.config.provenance["versions"]["torch"]},
        "threads": run.config.threads,
    }


def draw(image: Image.Image, name: str) -> None:
    """The picture as the page has it: small, and in few colours."""
    for colors in (128, 64, 32):
        few = image.convert("RGB").quantize(colors, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(IMAGES / f"{name}.png", optimize=True)
        if (IMAGES / f"{name}.png").stat().st_size <= LARGEST:
            return
    sys.exit(f"{name}: larger than {LARGEST:,} bytes")


def show(film: Path) -> None:
    """The film, and its last frame for those who want none."""
    if film.stat().st_size > LONGEST:
        sys.exit(f"{film}: larger than {LONGEST:,} bytes")
    shutil.copy(film, IMAGES)
    with Image.open(film) as frames:
        frames.seek(frames.n_frames - 1)
        draw(frames, film.stem)


def shoot(report: Path) -> None:
    """The beginning of a report, by Chromium."""
    program = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if program is None:
        print(f"no Chromium: tour-{report.stem}.png stays as it is")
        return
    size = f"--window-size={SHOT[0]},{SHOT[1]}"
    shot = report.with_suffix(".png").absolute()
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", size, f"--screenshot={shot}"]
    subprocess.run([program, *options, report.absolute().as_uri()], check=True, capture_output=True)
    image = Image.open(shot).convert("RGB")
    draw(image.resize((SHOT[0] * 3 // 4, SHOT[1] * 3 // 4), Image.Resampling.LANCZOS), f"tour-{report.stem}")


def tour(folder: Path) -> list[dict[str, Any]]:
    os.chdir(folder)
    rows: list[dict[str, Any]] = []
    for command in [*commands(PAGE), *REFUSED]:
        words = shlex.split(command)[1:]
        name = words[words.index("--out") + 1] if "--out" in words else ""
        row: dict[str, Any] = {"command": command}
        if not (words[0] == "run" and name and done(command, name)):
            print(command, flush=True)
            if words[0] == "run" and name and Path(name).exists():
                shutil.rmtree(name)
            code, out, err = said(words)
            if (code != 0) != (command in REFUSED):
                sys.exit(f"{command}: exit status {code}\n{err}")
            if words[0] != "run" or code:
                row["printed"] = (out or err).strip()
        if words[0] == "run" and name:
            row["run"] = name
        rows.append(row)
        if name.endswith(".png"):
            draw(Image.open(name), f"tour-{Path(name).stem}")
        if name == FILM:
            show(Path(name))
        if name.endswith(".html"):
            shoot(Path(name))
    return [{**row, **(found(row["run"]) if "run" in row else {})} for row in rows]


if __name__ == "__main__":
    work = Path(sys.argv[1])
    work.mkdir(parents=True, exist_ok=True)
    made = tour(work)
    FILE.write_text("".join(f"{json.dumps(row)}\n" for row in made))
