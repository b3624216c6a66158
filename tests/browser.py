"""Pages in a real Chromium: opened, watched and looked over for accessibility.

with chromium() as browser:
    page = Watched(browser, width=360)
    page.open(path)          # or an address
    page.tab.keyboard.press("ArrowLeft")
    assert page.faults == [] and page.requests == []
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
# In a container there is no user to be kept from, and little shared memory.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
SERIOUS = ("serious", "critical")
TIMEOUT = 60_000  # ms: machines that test are busy


@contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium of this machine; the test is skipped, with the reason, where something is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason='needs pip install -e ".[browser]"')
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(NAMES)} is on the path")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Watched:
    """A tab that remembers what went wrong in it.

    Args:
        dark: what the system of the reader prefers.
        scripts: whether they run.

    Attributes:
        tab: playwright's page.
        faults: errors and warnings of the console, and what scripts did not catch.
        requests: addresses that were asked for beside the page itself; data in the page are none.
    """

    def __init__(
        self, browser: Browser, width: int = 1280, height: int = 900, dark: bool = False, scripts: bool = True
    ) -> None:
        self._context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        self._context.set_default_timeout(TIMEOUT)
        self.tab = self._context.new_page()
        self.faults: list[str] = []
        self.requests: list[str] = []
        self._address = ""
        self.tab.on("console", self._hear)
        self.tab.on("pageerror", lambda error: self.faults.append(str(error)))
        self.tab.on("request", lambda request: self._see(request.url))

    def _hear(self, message) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def _see(self, address: str) -> None:
        if address != self._address and not address.startswith(("data:", "blob:")):
            self.requests.append(address)

    def open(self, where: Path | str) -> None:
        """A file from disk, or an address."""
        self._address = where.resolve().as_uri() if isinstance(where, Path) else where
        self.tab.goto(self._address)

    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        return self.tab.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )

    def first_paint(self) -> float:
        """Seconds from the request to the first text or picture on the screen."""
        paints = self.tab.evaluate("performance.getEntriesByType('paint').map(p => [p.name, p.startTime])")
        return dict(paints)["first-contentful-paint"] / 1000

    def inaccessible(self) -> list[str]:
        """What axe-core finds that is serious or worse: its rule, and where."""
        axe = pytest.importorskip("axe_playwright_python.base", reason='needs pip install -e ".[browser]"')
        source = axe.AXE_FILE_PATH.read_text(encoding="utf-8")
        # Through the debugger, as the page's own policy lets no other script in.
        session = self._context.new_cdp_session(self.tab)
        session.send("Runtime.evaluate", {"expression": source})
        found = session.send(
            "Runtime.evaluate",
            {"expression": "axe.run().then(r => JSON.stringify(r.violations))", "awaitPromise": True,
             "returnByValue": True},
        )  # fmt: skip
        violations = json.loads(found["result"]["value"])
        return [
            f"{one['id']}: {', '.join(' '.join(map(str, node['target'])) for node in one['nodes'])}"
            for one in violations
            if one["impact"] in SERIOUS
        ]

    def close(self) -> None:
        self._context.close()
