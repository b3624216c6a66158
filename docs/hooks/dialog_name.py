"""A hook of mkdocs: the dialog of the theme's search, which has none, gets a name for those who hear it."""

from __future__ import annotations

import logging

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.pages import Page

NAMELESS = 'data-md-component="search" role="dialog">'
NAMED = 'data-md-component="search" role="dialog" aria-label="Search">'

log = logging.getLogger("mkdocs.hooks.dialog_name")


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    if NAMELESS not in output:
        log.warning("the theme's search is another one: is %s still needed?", __file__)
    return output.replace(NAMELESS, NAMED)
