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
from urllib.parse import quote

import jinja2

from harness.analysis import wording
from harness.analysis.inline import inlined, theme
from harness.analysis.sheet import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.drawing import Drawing
    from harness.analysis.page import Page
    from harness.analysis.sheet import Column, Table

DATA_BYTES = 600_000
"""Bytes of CSV that a page holds; what is more stands in the files beside it."""

FILTERED = 8
"""Rows from which a table can be filtered, where scripts run."""

OPENED = 12
"""Rows up to which a table that is folded alone stands open."""

SAID = 10
"""Sentences that a page says at once; further ones are folded."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")
_TEMPLATES = Path(__file__).parent / "templates"


def html(page: Page) -> str:
    """The page as one HTML file that needs nothing else: styles, figures and their data are inside."""
    place = _environment(autoescape=True)
    place.filters |= {"groups": groups, "slug": slug, "breaks": breaks, "marked": marked}
    files = {name: (_TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js")}
    figures = {drawing.name: inlined(drawing) for section in page.sections for drawing in section.drawings}
    return place.get_template("report.html.j2").render(
        page=page, css=files["report.css"], script=files["report.js"], figures=figures, links=data_links(page),
        theme=theme(figures.values()), filtered=FILTERED, opened=OPENED, said=SAID,
    )  # fmt: skip


def markdown(page: Page) -> str:
    """The page as Markdown; figures are links to the files beside it."""
    place = _environment(autoescape=False)
    place.filters |= {"md": escape, "slug": slug}
    return re.sub(r"\n{3,}", "\n\n", place.get_template("report.md.j2").render(page=page)).strip() + "\n"


def data_links(page: Page) -> dict[str, str]:
    """Where the data of each figure and table are: in the link itself, the smallest first, else in the file beside.

    Returns:
        By path, as in `tables/leaderboard.csv`.
    """
    files = {figure_file(drawing): _csv(drawing) for section in page.sections for drawing in section.drawings}
    files |= {table_file(table): table.csv() for table in page.tables}
    links, left = {}, DATA_BYTES
    for path, text in sorted(files.items(), key=lambda item: (len(item[1]), item[0])):
        data = "data:text/csv;charset=utf-8," + quote(text, safe="/,.:;()=+-_*!~@$?", errors="replace")
        left -= len(data)
        links[path] = data if left >= 0 else path
    return links


def figure_file(drawing: Drawing) -> str:
    """The CSV of a figure, seen from the page."""
    return f"figures/{drawing.name}.csv"


def table_file(table: Table) -> str:
    """The CSV of a table, seen from the page."""
    return f"tables/{slug(table.name)}.csv"


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


def marked(table: Table) -> frozenset[int]:
    """Places of the columns with a mark beside a number, which needs room."""
    lines = (*table.rows, *table.foot)
    return frozenset(at for row in lines for at, value in enumerate(row) if value.marks and value.number is not None)


def slug(name: str) -> str:
    """A name as an anchor or a file stem: at most 80 safe characters, told apart by a digest where it was changed.

    >>> slug("leaderboard")
    'leaderboard'
    """
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:80]
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _environment(*, autoescape: bool) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=autoescape, trim_blocks=True, lstrip_blocks=True,  # noqa: S701 - Markdown has its own escape
        undefined=jinja2.StrictUndefined, finalize=_clean,
    )  # fmt: skip


def _clean(value: object) -> object:
    """What is written into a template, without control characters and marks that reorder text; lines stay lines."""
    return _CONTROL.sub(" ", value) if type(value) is str else value  # not markup of our own


def _csv(drawing: Drawing) -> str:
    return drawing.data.to_csv(index=False, lineterminator="\n")
