"""Reports in a real Chromium, from disk: they work by mouse and by keyboard, and ask nobody anything."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from browser import Watched, chromium

import ganzoo as library

pytestmark = pytest.mark.browser
FIRST_PAINT = 0.5  # seconds
MACHINE = 6.0  # times as slow as it may be while others work on it


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def opened(browser):
    """opened(FILE, width=360): a tab with the page; nothing may have gone wrong in it when the test ends."""
    tabs: list[Watched] = []

    def of(path: Path, **how) -> Watched:
        tabs.append(Watched(browser, **how))
        tabs[-1].open(path)
        return tabs[-1]

    yield of
    for tab in tabs:
        assert (tab.faults, tab.requests) == ([], [])
        tab.close()


@pytest.fixture(scope="module")
def pages(trained_ring, trained_digits, tmp_path_factory):
    """A page of points, one of images, and one of several runs."""
    folder = tmp_path_factory.mktemp("pages")
    other = shutil.copytree(trained_ring, folder / "0003-other")
    runs = {
        "points": [trained_ring],
        "images": [trained_digits],
        "several": [trained_ring, other, trained_digits],
    }
    return {name: library.report(*named, out=folder / f"{name}.html") for name, named in runs.items()}


def seen(tab: Watched, selector: str) -> str:
    """What an element looks like, as a hash."""
    return hashlib.sha256(tab.tab.locator(selector).first.screenshot()).hexdigest()


def canvases(tab: Watched) -> int:
    """How many canvases have something drawn on them."""
    return tab.tab.evaluate(
        "[...document.querySelectorAll('canvas')].filter(c => c.offsetWidth && "
        "c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)).length"
    )


def test_the_slider_moves_the_points_by_keyboard_and_by_mouse(pages, opened):
    tab = opened(pages["points"])
    slider = tab.tab.get_by_role("slider", name="Step")
    assert slider.get_attribute("aria-valuetext") == "step 12"
    last, said = seen(tab, ".cloud"), tab.tab.get_by_role("img", name="Samples at step 12")
    assert said.count() == 1
    slider.focus()
    tab.tab.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "step 9"
    assert tab.tab.get_by_role("img", name="Samples at step 9").count() == 1
    assert seen(tab, ".cloud") != last
    tab.tab.keyboard.press("Home")
    assert tab.tab.locator("#at").inner_text() == "step 0"
    box = slider.bounding_box()
    tab.tab.mouse.click(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    assert tab.tab.locator("#at").inner_text() == "step 12"
    assert seen(tab, ".cloud") == last


def test_the_slider_moves_pictures_and_a_line_in_charts(pages, opened):
    tab = opened(pages["images"])
    picture = tab.tab.locator(".look img")
    before, source = seen(tab, '[data-panel="0"] .plot'), picture.get_attribute("src")
    assert picture.evaluate("i => i.complete && i.naturalWidth") > 0
    tab.tab.get_by_role("slider").focus()
    tab.tab.keyboard.press("Home")
    assert picture.get_attribute("src") != source
    assert "step 0" in picture.get_attribute("alt")
    assert picture.evaluate("i => i.decode().then(() => i.naturalWidth)") > 0
    assert seen(tab, '[data-panel="0"] .plot') != before


def test_it_plays(pages, opened):
    tab = opened(pages["points"])
    tab.tab.get_by_role("button", name="Play").click()
    assert tab.tab.locator("#at").inner_text() == "step 0"
    assert tab.tab.get_by_role("button", name="Pause").count() == 1
    # No text is evaluated for this: the page's policy forbids it.
    tab.tab.locator("#at", has_text="step 12").wait_for()
    assert tab.tab.get_by_role("button", name="Play").count() == 1


def test_curves_are_drawn_and_say_their_values(pages, opened):
    tab = opened(pages["points"])
    shown = tab.tab.locator(".plot:visible").count()
    assert shown >= 8
    assert canvases(tab) == shown + 1  # and the cloud
    tab.tab.get_by_text("More of what was logged").click()
    more = tab.tab.locator(".plot:visible").count()
    assert more > shown
    tab.tab.locator(".plot canvas").nth(more - 1).wait_for()
    values = tab.tab.locator('[data-panel="0"] output.value').first
    last = values.inner_text()
    tab.tab.locator('[data-panel="0"] .u-over').hover(position={"x": 3, "y": 30})
    assert values.inner_text() != last
    tab.tab.locator('[data-panel="0"] summary').click()
    assert tab.tab.get_by_role("region", name="Values of Losses").is_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_the_theme_is_that_of_the_system_until_somebody_switches(pages, opened, dark):
    tab = opened(pages["points"], dark=dark)
    names = ["Light theme", "Dark theme"] if dark else ["Dark theme", "Light theme"]

    def brightness() -> int:
        colour = tab.tab.evaluate("getComputedStyle(document.body).backgroundColor")
        return int(colour.partition("(")[2].partition(",")[0])

    charts = seen(tab, '[data-panel="0"] .plot')
    assert (brightness() < 60) is dark
    tab.tab.get_by_role("button", name=names[0]).click()
    assert (brightness() < 60) is not dark
    assert seen(tab, '[data-panel="0"] .plot') != charts
    tab.tab.get_by_role("button", name=names[1]).click()
    assert seen(tab, '[data-panel="0"] .plot') == charts


@pytest.mark.parametrize("which", ["points", "images", "several"])
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_anybody_can_read_it_on_any_screen(pages, opened, which, width, dark):
    tab = opened(pages[which], width=width, dark=dark)
    for details in tab.tab.locator("details").all():
        details.evaluate("d => { d.open = true }")
    assert tab.overflow() <= 0
    assert tab.inaccessible() == []
    assert tab.first_paint() <= MACHINE * FIRST_PAINT


def test_it_can_be_read_without_scripts(pages, opened):
    tab = opened(pages["points"], scripts=False)
    text = tab.tab.locator("body").inner_text()
    assert "Without JavaScript this page shows the last samples" in text
    assert tab.tab.locator("input:visible, .plot:visible, button:visible").count() == 0
    assert tab.tab.locator("noscript img").count() == 1
    assert "loss of a D that tells nothing apart" in text


def test_nothing_in_the_page_may_reach_a_network(pages, opened, browser):
    tab = Watched(browser)
    tab.open(pages["points"])
    for attempt in (
        "fetch('https://example.org/').catch(() => 0)",
        "void (document.body.append(Object.assign(new Image(), {src: 'https://example.org/x.png'})))",
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.got = 1'}))",
    ):
        tab.tab.evaluate(attempt)
    assert tab.tab.evaluate("window.got") is None
    assert len([fault for fault in tab.faults if "Content Security Policy" in fault]) >= 3
    tab.close()
