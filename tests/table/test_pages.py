"""The pages that suites fill: what they say of made-up rows, whose answer is known."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ganzoo.table.statistics import holm

ROOT = Path(__file__).parents[2]


@pytest.fixture
def page(monkeypatch, request) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "pages")
    return importlib.import_module(request.param)


def row(options: str, seed: int, error: str = "", seconds: float = 2.0, **scores: float) -> dict[str, Any]:
    head = {
        "hash": f"{options}/{seed}", "group": options, "model": "mlp-gan", "dataset": "ring8",
        "options": options, "seed": seed, "steps": 100, "commands": {"run": "ganzoo run", "eval": ""},
    }  # fmt: skip
    if error:
        return {**head, "status": "failed", "error": error}
    says = {"modes": True, "hq": None, "reverse_kl": False}
    protocol = {"metrics": {"modes": {}}, "reference": "train", "n_fake": 9, "n_real": 9, "n_held_out": 9}
    return {
        **head, "status": "done", "scores": scores, "real": {"modes": 8.0, "hq": 0.99, "reverse_kl": 0.0},
        "protocol": protocol,
        "columns": {key: {"metric": "modes", "higher_is_better": says[key]} for key in scores},
        "images": 1000, "train_seconds": seconds, "images_per_s": 1000 / seconds, "alone": True,
        "peak_mib": 1.0, "parameters": {"g": 1, "d": 1}, "threads": 1, "processor": "", "versions": {},
        "commit": None,
    }  # fmt: skip


def test_holm_by_hand():
    # In order: 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which is no less than the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("page", ["ablation"], indirect=True)
def test_an_ablation_says_what_cures_what_harms_and_what_it_costs(page):
    rows = []
    for seed in range(5):
        off = row("off", seed, modes=4.0 + seed % 2, hq=0.5 + seed / 100, reverse_kl=1.0 + seed / 10)
        rows += [
            off,
            row("r1:gamma=0.1", seed, modes=8.0, hq=0.9 + seed / 100, reverse_kl=0.1, seconds=3.0),
            row("top-k", seed, modes=1.0 + seed % 2, hq=0.5 + seed / 90, reverse_kl=1.1, seconds=1.0),
            row("drift", seed, error="training diverged at step 3"),
        ]
    text = page.body(rows)
    assert "- `modes`, 4.40 ± 0.55 without: better with `r1:gamma=0.1` (p = " in text
    assert "; worse with `top-k` (p = " in text
    assert "- `hq`, 0.520 ± 0.016 without: better with `r1:gamma=0.1` (p = " in text
    assert "The time goes from x 0.50 (`top-k`) to x 1.50 (`r1:gamma=0.1`)." in text
    off, first, second, failed = text.splitlines()[-4:]
    assert off.startswith("| **off** | 4.40 ± 0.55 |")
    assert off.endswith("| 1.20 ± 0.16 | x 1.00 |")
    assert first.startswith("| `r1:gamma=0.1` | **8 ± 0** + |")
    assert first.endswith(" + | x 1.50 |")
    assert second.startswith("| `top-k` | 1.40 ± 0.55 - |")
    assert failed == "| `drift` (all failed) | - | - | - | - |"
    assert "the processor's" not in text
    for line in rows:
        line["cpu_seconds"] = 5.0  # which what runs beside does not lengthen
    assert "- The time goes from x 1.00 (" in page.body(rows)
    assert "- Seconds are the processor's" in page.body(rows)


@pytest.mark.parametrize("page", ["member_results"], indirect=True)
def test_the_page_of_a_stabilizer_has_its_rows_of_an_ablation(page, tmp_path):
    rows = [
        row(options, seed, modes=8.0 - (options == "off") + seed / 10)
        for options in ("off", "r1:gamma=0.1", "r1", "r2")
        for seed in range(3)
    ]
    lines = "".join(json.dumps(one) + "\n" for one in rows)
    (tmp_path / "ablation-digits.jsonl").write_text(lines, encoding="utf-8")
    text = page.member_results("stabilizer", "r1", tmp_path)
    assert text.startswith("`mlp-gan` on `ring8`, 100 steps, 3 seeds, without and with it.")
    assert "among the 3 that were tried" in text
    assert "`ganzoo bench benchmarks/suites/ablation-digits.toml`" in text
    assert [line.split(" | ")[0] for line in text.splitlines()[4:]] == [
        "| **off**", "| `r1:gamma=0.1`", "| `r1`"
    ]  # fmt: skip
    assert "no results" in page.member_results("stabilizer", "lecam", tmp_path)


@pytest.mark.parametrize("page", ["ablation"], indirect=True)
def test_what_no_seed_differs_in_claims_nothing(page):
    rows = [row(name, seed, modes=8.0) for seed in range(5) for name in ("off", "r1")]
    assert "- `modes`, 8 ± 0 without: nothing makes a difference that is sure." in page.body(rows)


def plane() -> list[dict[str, Any]]:
    """Two losses over 2 x 2 rates: hinge is good at one place, least-squares at three, and dies at one."""
    rows = []
    for seed in (0, 1):
        for g in (0.001, 0.1):
            for d in (0.001, 0.1):
                where = f"lr-g={g}, lr-d={d}"
                good = g == d == 0.001
                found = {"modes": 8.0, "hq": 0.9} if good else {"modes": 4.0 * (d < g), "hq": 0.5}
                rows.append(row(f"loss=hinge, {where}", seed, **found))
                dead = "training diverged at step 3" if g == d == 0.1 and seed else ""
                rows.append(row(f"loss=least-squares, {where}", seed, dead, modes=8.0, hq=0.6))
    rows.append(row("loss=hinge, lr-g=0.1, lr-d=0.1", 2, "its process was ended by SIGKILL"))
    return [*rows, row("loss=non-saturating, batch-size=16, lr=0.1", 0, modes=8.0, hq=0.7)]


@pytest.mark.parametrize("page", ["sensitivity"], indirect=True)
def test_a_map_says_which_loss_forgives_and_where_it_dies(page):
    lines = page.body(plane()).splitlines()
    assert "| `least-squares` | 75% | 0.001, 0.001 | 0.60 | 0.001 to 0.1 | 0.001 to 0.1 | 0% | 25% |" in lines
    assert "| `hinge` | 25% | 0.001, 0.001 | 0.90 | 0.001 to 0.001 | 0.001 to 0.001 | 50% | 0% |" in lines
    text = " ".join(lines)
    assert "`least-squares` forgives most: 75% of its places are good, and 25% of those of `hinge`." in text
    assert "The best place of all is `hinge`'s, with 0.001 for G and 0.001 for D." in text
    assert "`hinge` finds nothing at any rate of the other net from 0.1 on for D." in text
    assert "1 runs failed for another reason" in text
    assert lines[-1] == "| 16 | **0.70** |"


@pytest.mark.parametrize("page", ["sensitivity"], indirect=True)
def test_a_map_has_a_panel_for_each_loss(page):
    figure = page.picture(plane())
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["hinge", "least-squares", ""]  # and the scale of colours
    figure.canvas.draw()
