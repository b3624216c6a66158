"""The page: a template, a style sheet and two scripts, all in one file, which may load nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from ganzoo.system.console import number, plain

MARK = b'<meta name="generator" content="ganzoo report">'
HERE = resources.files("ganzoo.reports") / "page"
SCRIPTS = ("theme.js", "uplot/uPlot.iife.min.js", "report.js")
STYLES = ("uplot/uPlot.min.css", "report.css")


def render(view: dict[str, Any]) -> bytes:
    """The page of a view. Text is escaped, and shown as it is; nothing that it says is obeyed."""
    styles, scripts = "\n".join(map(_asset, STYLES)), [_asset(name) for name in SCRIPTS]
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(styles)}; "
        f"script-src {' '.join(map(_hash, scripts))}; base-uri 'none'; form-action 'none'"
    )
    page: str = _template().render(
        **view,
        mark=Markup(MARK.decode()),
        policy=Markup(policy),
        styles=Markup(styles),
        scripts=[Markup(script) for script in scripts],
        data=in_script(view["drawn"]),
    )
    return page.encode()


@cache
def _asset(name: str) -> str:
    return HERE.joinpath(name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def in_script(document: Any) -> Markup:
    """JSON that ends no script element, whatever is in its texts."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))  # ASCII
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@cache
def _template() -> Any:
    made = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup | int) else plain(value),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = number
    made.filters["count"] = lambda value: f"{value:,}"
    return made.get_template("report.html.jinja")
