"""A table as it is shown: cells with text, number and emphasis, and its Markdown, CSV and frame.

Layer: beside `wording`. The page, the terminal, Markdown and CSV all draw the same `Table`, so that they cannot differ.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import final

import pandas as pd

from harness.analysis.wording import MISSING, plain

NOISY = "‡"
"""Mark of a value that is noisy."""

LEGEND = f"{NOISY}: noisy: repeats or processes disagree, or the machine was disturbed."
"""What the mark means."""


@final
@dataclass(frozen=True, kw_only=True)
class Column:
    """A column.

    Attributes:
        key: name in CSV and frames.
        label: heading.
        sub: second line of the heading: metric, unit.
        group: heading that spans neighbouring columns of the same group.
        numeric: whether its values are numbers, aligned right.
    """

    key: str
    label: str
    sub: str = ""
    group: str = ""
    numeric: bool = True


@final
@dataclass(frozen=True, kw_only=True)
class Value:
    """A cell.

    Attributes:
        text: what is read.
        number: what is sorted and exported; None for text.
        lo: lower end of the 95 % interval.
        hi: upper end.
        spread: half of the interval as text, as in `±2.1`.
        best: whether no other value in the column is better and some are worse.
        chance: whether the interval includes chance.
        noisy: whether repeats or processes disagree, or the machine was disturbed.
        faint: whether there is no number here (missing, failed).
        detail: longer text for a reader who points at it.
    """

    text: str
    number: float | None = None
    lo: float | None = None
    hi: float | None = None
    spread: str = ""
    best: bool = False
    chance: bool = False
    noisy: bool = False
    faint: bool = False
    detail: str = ""

    @property
    def line(self) -> str:
        """Text and spread on one line, with its marks."""
        return f"{self.text} {self.spread}".strip() + self.marks

    @property
    def marks(self) -> str:
        """A dagger where the interval includes chance, a double one where the value is noisy."""
        return ("†" if self.chance else "") + (NOISY if self.noisy else "")


@final
@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of values under columns.

    Attributes:
        name: file name and anchor.
        title: what it shows.
        columns: the first one names the row.
        rows: best first.
        foot: rows below a rule, such as chance.
        notes: sentences under the table.
        cards: whether its texts are too long for a grid: a page then shows each row by itself, to be opened, headed
            by its first value.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    foot: tuple[tuple[Value, ...], ...] = ()
    notes: tuple[str, ...] = ()
    cards: bool = False

    def frame(self) -> pd.DataFrame:
        """Numbers where there are numbers, with `_lo` and `_hi` beside what has an interval; else text."""
        data: dict[str, list[float | str | None]] = {}
        for index, column in enumerate(self.columns):
            values = [row[index] for row in self.rows]
            numeric = any(value.number is not None for value in values)
            data[column.key] = [value.number if numeric else value.text for value in values]
            if any(value.lo is not None for value in values):
                data[f"{column.key}_lo"] = [value.lo for value in values]
                data[f"{column.key}_hi"] = [value.hi for value in values]
            if any(value.noisy for value in values):
                data[f"{column.key}_noisy"] = [str(value.noisy).lower() for value in values]
        return pd.DataFrame(data)

    def csv(self) -> str:
        """The frame as CSV; empty where there is no number."""
        frame = self.frame()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(frame.columns)
        for row in frame.itertuples(index=False, name=None):
            writer.writerow(["" if isinstance(v, float) and math.isnan(v) else v for v in row])
        return text.getvalue()

    def markdown(self) -> str:
        """The table in GitHub's Markdown, notes below it; cards as a list."""
        if self.cards:
            return self._listed()
        lines = [_line([f"{escape(c.label)}{f' ({escape(c.sub)})' if c.sub else ''}" for c in self.columns])]
        lines.append(_line(["---:" if c.numeric else "---" for c in self.columns]))
        lines += [_line([_emphasised(value) for value in row]) for row in (*self.rows, *self.foot)]
        notes = [f"\n{' '.join(escape(note) for note in self.notes)}"] if self.notes else []
        return "\n".join([*lines, *notes]) + "\n"

    def _listed(self) -> str:
        lines = []
        for first, *rest in self.rows:
            lines.append(f"- **{escape(first.line)}**")
            lines += [f"    - {escape(c.label)}: {escape(v.line)}" for c, v in zip(self.columns[1:], rest, strict=True)]
        return "\n".join([*lines, "", *(escape(note) for note in self.notes)]).strip() + "\n"


def text(value: str | None, *, detail: str = "") -> Value:
    """A cell of text; a dash where there is none."""
    return Value(text=plain(value), detail=detail) if value else Value(text=MISSING, faint=True, detail=detail)


def escape(value: str) -> str:
    """Text that Markdown and the HTML inside it leave alone.

    >>> escape("<script>")
    '&lt;script&gt;'
    """
    line = plain(value).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "|*`[]":
        line = line.replace(mark, f"\\{mark}")
    return line


def _emphasised(value: Value) -> str:
    return f"**{escape(value.line)}**" if value.best else escape(value.line)


def _line(values: list[str]) -> str:
    return f"| {' | '.join(values)} |"
