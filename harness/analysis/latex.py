"""A table for LaTeX: `booktabs`, every name escaped, best values in bold.

Layer: beside `sheet`; pure functions from tables to text.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.analysis.wording import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.sheet import Column, Table, Value

LETTERS: Mapping[str, str] = MappingProxyType({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "*": "{*}",
    "±": r"$\pm$", "\u00d7": r"$\times$", "≈": r"$\approx$", "≤": r"$\leq$", "≥": r"$\geq$", "↑": r"$\uparrow$",
    "↓": r"$\downarrow$", "→": r"$\rightarrow$", "←": r"$\leftarrow$", "▲": r"$\blacktriangle$",
    "▼": r"$\blacktriangledown$", "†": r"\textdagger{}", "‡": r"\textdaggerdbl{}", "—": "---", "\u2212": "$-$",
    "µ": r"\textmu{}", "°": r"\textdegree{}", "…": r"\dots{}", "·": r"\textperiodcentered{}", "\u00a0": "~",
})  # fmt: skip
"""What a letter is written as; all others are left to LaTeX, which reads UTF-8."""

WIDE = 40
"""Characters beyond which a column of text is broken into lines."""


def escape(text: str) -> str:
    r"""Text on one line that LaTeX prints as it is.

    >>> escape("50 % of a_b")
    '50 \\% of a\\_b'
    """
    return "".join(LETTERS.get(letter, letter) for letter in plain(text))


def tabular(columns: str, heads: Sequence[Sequence[str]], rows: Sequence[Sequence[str]]) -> str:
    """Lines of escaped cells between the rules of `booktabs`.

    Args:
        columns: one letter for each, as in `lrr`.
        heads: lines above the middle rule.
        rows: lines below it.
    """
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *map(_line, heads), r"\midrule", *map(_line, rows)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def written(table: Table) -> str:
    r"""The table as a `tabular` with its title and notes as comments; it needs `booktabs` and `amssymb`."""
    columns = " ".join(_letter(table, index) for index in range(len(table.columns)))
    heads = [[_head(column) for column in table.columns]]
    if any(column.group for column in table.columns):
        heads.insert(0, _groups(table.columns))
    body = [[_cell(value) for value in row] for row in (*table.rows, *table.foot)]
    comments = [f"% {plain(line)}" for line in (table.title, *table.notes)]
    return "\n".join([*comments, tabular(columns, heads, body)])


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _letter(table: Table, index: int) -> str:
    """Numbers right, text left, long text in lines."""
    if table.columns[index].numeric:
        return "r"
    longest = max((len(row[index].text) for row in table.rows), default=0)
    return "l" if longest <= WIDE else r"p{0.3\linewidth}"


def _head(column: Column) -> str:
    return escape(f"{column.label} ({column.sub})" if column.sub else column.label)


def _groups(columns: Sequence[Column]) -> list[str]:
    """One cell per run of columns of the same group."""
    found: list[list[str]] = []
    for column in columns:
        if found and found[-1][0] == column.group:
            found[-1].append(column.group)
        else:
            found.append([column.group])
    return [rf"\multicolumn{{{len(run)}}}{{c}}{{{escape(run[0])}}}" for run in found]


def _cell(value: Value) -> str:
    main = escape(value.text)
    if value.best:
        main = rf"\textbf{{{main}}}"
    rest = escape(value.marks) + (rf" {{\scriptsize {escape(value.spread)}}}" if value.spread else "")
    return main + rest
