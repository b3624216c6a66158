"""A hook of mkdocs: the page of `ganzoo demo`, with all generators that come along, stands on docs/demo.md.

Where its libraries or its runtime cannot be had, the site is built without it, and the page says so.
"""

from __future__ import annotations

import functools
import logging

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from ganzoo.errors import UsageError, WorkError
from ganzoo.running.generator import load_generator
from ganzoo.running.pretrained import names
from ganzoo.sharing.demo import page

WHERE = "demo.md"
FOLDER = "demo/page"
MARK = "<!-- the page itself -->"
FRAME = f"""
<iframe class="demo" src="page/index.html" loading="lazy" title="{{names}}: samples made here"></iframe>

[The same on a page of its own]({FOLDER}/index.html), as `ganzoo demo --out` writes it.
"""
WITHOUT = "This build of the documentation is without it: its libraries or its runtime could not be had."

log = logging.getLogger("mkdocs.hooks.demo_page")


@functools.cache  # once, for a server that builds again and again
def made() -> dict[str, bytes] | None:
    """The files of the page; None where it cannot be made."""
    try:
        return page([load_generator(name, "cpu") for name in names()])
    except (UsageError, WorkError) as error:
        log.info("%s is without the page itself: %s", WHERE, error)  # --strict fails on warnings
        return None


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, content in (made() or {}).items():
        files.append(File.generated(config, f"{FOLDER}/{name}", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    if page.file.src_uri != WHERE:
        return markdown
    return markdown.replace(MARK, WITHOUT if made() is None else FRAME.format(names=" or ".join(names())))
