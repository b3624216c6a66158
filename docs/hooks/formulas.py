"""A hook of mkdocs: formulas become MathML when the pages are built, so that no reader needs a script.

pymdownx.arithmatex finds `$...$` and `$$...$$` in Markdown, latex2mathml translates what is in them. A
formula that cannot be read ends the build.
"""

from __future__ import annotations

import html
import re
from typing import Any
from xml.etree import ElementTree

from latex2mathml.converter import convert

FOUND = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>', flags=re.DOTALL
)
PARTS = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2, "msubsup": 3, "munderover": 3}


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """The page's HTML with its formulas translated; mkdocs calls it for each page."""
    from mkdocs.exceptions import PluginError

    try:
        return translated(content)
    except ValueError as error:
        raise PluginError(f"{page.file.src_path}: {error}") from error


def translated(content: str) -> str:
    """HTML with its formulas as MathML. Raises ValueError for one that cannot be read."""
    return FOUND.sub(_translate, content)


def _translate(found: re.Match[str]) -> str:
    latex, block = html.unescape(found["latex"]).strip(), found["tag"] == "div"
    try:
        made = convert(latex, display="block" if block else "inline")
    except Exception as error:  # each kind of mistake has a class of its own, and no words
        raise ValueError(f"the formula {latex!r} cannot be read: {type(error).__name__}") from error
    if why := _fault(latex, made):
        raise ValueError(f"the formula {latex!r} cannot be read: {why}")
    # The bars of a norm would grow with the line, the first one alone: the other has an exponent.
    made = made.replace("<mo>&#x02016;</mo>", '<mo stretchy="false">&#x02016;</mo>')
    return f'<div class="formula">{made}</div>' if block else made


def _fault(latex: str, made: str) -> str:
    """What the translation passed over, or ""."""
    bare = re.sub(r"\\[{}]", "", latex)
    if bare.count("{") != bare.count("}"):
        return "its braces do not match"
    for part in ElementTree.fromstring(made).iter():
        tag = part.tag.rpartition("}")[2]
        if len(part) != PARTS.get(tag, len(part)):
            return f"{tag} has {len(part)} parts instead of {PARTS[tag]}"
        if "\\" in (part.text or ""):
            return f"{part.text} is not known"
    return ""
