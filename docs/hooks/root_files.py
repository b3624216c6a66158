"""mkdocs: a page that is a file of the repository's root, where it is read too, with links that fit here.

A line `<!-- file CHANGELOG.md -->` becomes that file. pymdownx.snippets would bring its text as well, but not
change its links: those to `docs/` lead into this folder, those to a file of the root to its page.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "SECURITY.md": "security.md"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    return re.sub(r"^<!-- file (\w+\.md) -->$", lambda found: shown(found[1]), markdown, flags=re.M)


def shown(name: str) -> str:
    text = (ROOT / name).read_text(encoding="utf-8")
    for file, page in PAGES.items():
        text = text.replace(f"]({file}", f"]({page}")
    return text.replace("](docs/", "](")
