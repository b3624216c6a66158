"""The site of the documentation, as it is built, in a real Chromium: anybody can read it on any screen."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Watched, chromium
from serving import serving

from ganzoo.running.pretrained import names

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parent.parent
HERE = dict(os.environ)  # of whoever runs the tests: the cache has the runtime of the page
SECTIONS = ".md-nav--primary > .md-nav__list > .md-nav__item"
KINDS = {"", "quickstart/", "demo/", "models/", "models/dcgan/", "results/", "api/"}
PIXELS = "canvas => canvas.toDataURL()"
DARK = "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] < 60"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[str]:
    """The address of the site, which is built for it."""
    pytest.importorskip("material", reason='needs pip install -e ".[docs]"')
    folder = tmp_path_factory.mktemp("built") / "site"
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]
    done = subprocess.run(words, cwd=ROOT, env=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    files = functools.partialmethod(http.server.SimpleHTTPRequestHandler.__init__, directory=str(folder))
    handler = type("Files", (http.server.SimpleHTTPRequestHandler,), {"__init__": files})
    with serving(handler, threading.Event()) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def opened(browser, site):
    """opened("metrics/", width=400): a tab, in which nothing may go wrong, and that may ask nobody else."""
    tabs: list[Watched] = []

    def of(path: str, **how) -> Watched:
        tabs.append(Watched(browser, **how))
        tabs[-1].open(site + path)
        return tabs[-1]

    yield of
    for tab in tabs:
        assert tab.faults == []
        assert [request for request in tab.requests if not request.startswith(site)] == []
        tab.close()


def sampled(tab: Watched, site: str) -> set[str]:
    """Pages of each kind, and the last of each section of the navigation: new ones have their turn too."""
    last = tab.tab.eval_on_selector_all(
        SECTIONS, "items => items.map(i => [...i.querySelectorAll('a.md-nav__link[href]')].at(-1).href)"
    )
    return KINDS | {link.partition("#")[0].removeprefix(site) for link in last}


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_anybody_can_read_the_site(site, opened, width, dark):
    found = {}
    for page in sampled(opened(""), site):
        tab = opened(page, width=width, dark=dark)
        found[page] = [*tab.inaccessible(), *(["it is wider than the window"] if tab.overflow() > 0 else [])]
    assert {page: faults for page, faults in found.items() if faults} == {}


@pytest.fixture
def frame(opened):
    """The tab with the page to play with, and the frame that this is in."""
    tab = opened("demo/")
    if not tab.tab.locator("iframe.demo").count():
        pytest.skip("the site was built without the page: its runtime is neither in the cache nor to be had")
    frame = tab.tab.locator("iframe.demo").element_handle().content_frame()
    frame.wait_for_selector("#others canvas")
    return tab, frame


def test_the_page_to_play_with_is_on_the_site(frame):
    """Each generator is drawn, in the browser, and a slider changes what is seen."""
    _, frame = frame
    assert frame.locator("#generators option").all_inner_texts() == names()
    for i, name in enumerate(names()):
        frame.locator("#generators").select_option(str(i))
        frame.locator("#name", has_text=name).wait_for()
        frame.locator("#main:not([hidden])").wait_for()
        before = frame.locator("#sample").evaluate(PIXELS)
        frame.locator("#walk-0").fill("2.5")
        frame.wait_for_function(
            "before => document.querySelector('#sample').toDataURL() !== before", arg=before
        )


def test_the_page_to_play_with_is_as_dark_as_the_site(frame):
    tab, frame = frame
    tab.tab.emulate_media(color_scheme="null")  # which else is told to frames as well
    for dark in (False, True):  # as somebody switches
        tab.tab.locator(f"label[for='__palette_{1 + dark}']:visible").click()
        tab.tab.wait_for_function(DARK if dark else f"() => !({DARK})()")
        frame.wait_for_function(DARK if dark else f"() => !({DARK})()")


def test_anybody_can_read_the_page_to_play_with(opened, frame):
    alone = opened("demo/page/index.html", width=400, dark=True)
    alone.tab.wait_for_selector("#others canvas")
    assert alone.inaccessible() == []
    assert alone.overflow() <= 0
