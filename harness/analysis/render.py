"""Page -> HTML and Markdown.

Layer: beside `page`; it reads its own templates and nothing else. Every string from a model or a task is escaped: by
jinja2 in HTML, by `sheet.escape` in Markdown.
"""

from __future__ import annotations

import hashlib
import re
from html import escape as html_escape
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from harness.analysis import wording
from harness.analysis.sheet import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.drawing import Drawing
    from harness.analysis.page import Page
    from harness.analysis.sheet import Column

_TEMPLATES = Path(__file__).parent / "templates"


def html(page: Page) -> str:
    """The page as one HTML file that needs nothing else: styles and figures are inside."""
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    place = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True,
                               undefined=jinja2.StrictUndefined)  # fmt: skip
    place.filters |= {"inline": inline_svg, "groups": groups, "slug": slug, "breaks": breaks}
    files = {name: (_TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js")}
    return place.get_template("report.html.j2").render(page=page, css=files["report.css"], script=files["report.js"])


def markdown(page: Page) -> str:
    """The page as Markdown; figures are links to the files beside it."""
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    place = jinja2.Environment(loader=loader, autoescape=False, trim_blocks=True, lstrip_blocks=True,  # noqa: S701
                               undefined=jinja2.StrictUndefined)  # fmt: skip
    place.filters |= {"md": escape, "slug": slug}
    return re.sub(r"\n{3,}", "\n\n", place.get_template("report.md.j2").render(page=page)).strip() + "\n"


def inline_svg(drawing: Drawing) -> str:
    """The figure's SVG for use inside a page: no prologue, no metadata, identifiers that are unique in the page."""
    source = drawing.svg.decode()
    source = source[source.index("<svg") :]
    source = re.sub(r"<metadata>.*?</metadata>", "", source, flags=re.DOTALL)
    source = re.sub(r'\s(xmlns(:\w+)?|version)="[^"]*"', "", source).replace("xlink:href", "href")
    source = re.sub(r'\bid="', f'id="{drawing.name}-', source)
    source = re.sub(r'(href="#|url\(#)', rf"\g<1>{drawing.name}-", source)
    source = re.sub(r'<svg width="[^"]*" height="[^"]*"', '<svg aria-hidden="true"', source)
    return re.sub(r'<svg height="[^"]*"([^>]*?) width="[^"]*"', r'<svg aria-hidden="true"\1', source)


def breaks(name: str) -> str:
    """A name that may be broken after its own separators, cut in the middle if it is very long."""
    parts = re.split(r"(?<=[-_/.])", wording.short(name, 60))
    return "<wbr>".join(html_escape(part) for part in parts)


def groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Neighbouring columns of one group with their number, for headings that span them."""
    spans: list[tuple[str, int]] = []
    for column in columns:
        if spans and spans[-1][0] == column.group:
            spans[-1] = (column.group, spans[-1][1] + 1)
        else:
            spans.append((column.group, 1))
    return spans


def slug(name: str) -> str:
    """A name as an anchor or a file stem: at most 80 safe characters, told apart by a digest where it was changed.

    >>> slug("leaderboard")
    'leaderboard'
    """
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:80]
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
