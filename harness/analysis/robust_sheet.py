"""Pieces of the tables of robustness: how scores, rates and p-values are written.

Layer: above `sheet`, below `robust_tables` and `robust_compact`; pure.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import pandas as pd

from harness.analysis import wording
from harness.analysis.grid_sheet import known
from harness.analysis.sheet import Column, Table, Value, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.derive import Comparison

    Head = tuple[str, str] | tuple[str, str, str]

STAR = "*"
"""Mark of a difference that is separable."""

STARRED = f"{STAR}: separable: p < 0.05 after Holm's adjustment within the model and task, and the interval excludes 0."
"""What the mark means."""

WORDS = frozenset({"entry", "task", "variation", "group", "attack", "control", "victim", "in_task", "out_task",
                   "reason", "severities"})  # fmt: skip
"""Keys of columns that hold text."""


@final
@dataclass(frozen=True, kw_only=True)
class Scores:
    """How the scores of each task are written.

    Attributes:
        fractions: tasks whose scores are shown as per cent.
        higher: tasks where a higher score is better.
    """

    fractions: frozenset[str]
    higher: frozenset[str]

    def write(self, task: str, value: float) -> str:
        """A score, or a difference of scores, as text."""
        return wording.percent(value) if task in self.fractions else wording.significant(value)

    def value(self, row: Mapping[str, Any], name: str, *, ends: str = "", mark: bool = False) -> Value:
        """A column of a row with half of its interval; a dash where there is none."""
        task, number = str(row.get("task") or row["in_task"]), row[name]
        if pd.isna(number):
            return text("")
        lo, hi = (
            known(row[f"{ends or name}_{end}"]) if f"{ends or name}_{end}" in row else None for end in ("lo", "hi")
        )
        spread = "" if lo is None or hi is None else self._half(task, float(number), (hi - lo) / 2)
        return Value(text=self.write(task, number), number=float(number), lo=lo, hi=hi,
                     spread=f"{spread}{STAR}" if mark else spread)  # fmt: skip

    def _half(self, task: str, number: float, half: float) -> str:
        return f"±{wording.percent(half)}" if task in self.fractions else wording.spread(number, half, "1")


def scores(comparison: Comparison) -> Scores:
    """How the scores of a comparison are written."""
    tasks = comparison.tasks
    named = (frozenset(tasks.loc[tasks[column].astype(bool), "task"]) for column in ("percent", "higher"))
    return Scores(**dict(zip(("fractions", "higher"), named, strict=True)))


def rate(row: Mapping[str, Any], name: str, *, ends: str | None = None, mark: bool = False) -> Value:
    """A fraction as per cent with half of its interval; `ends` "" where the interval is `lo` and `hi`."""
    if pd.isna(row[name]):
        return text("")
    lo, hi = (known(row[end if ends == "" else f"{name}_{end}"]) for end in ("lo", "hi"))
    spread = "" if lo is None or hi is None else f"±{wording.percent((hi - lo) / 2)}"
    return Value(text=wording.percent(row[name]), number=float(row[name]), lo=lo, hi=hi,
                 spread=f"{spread}{STAR}" if mark else spread)  # fmt: skip


def plain(value: float) -> Value:
    """A bare number with three digits; a dash for a gap."""
    return text("") if pd.isna(value) else Value(text=f"{value:.3g}", number=float(value))


def p_cell(value: float) -> Value:
    """A p-value; a dash for a gap."""
    return text("") if pd.isna(value) else Value(text=wording.p_value(value), number=float(value))


def table(
    name: str, title: str, heads: Sequence[Head], rows: Sequence[tuple[Value, ...]], *, notes: Sequence[str] = ()
) -> Table:
    """A table whose columns are given as key, label and second line."""
    columns = tuple(Column(key=head[0], label=head[1], sub="".join(head[2:]), numeric=head[0] not in WORDS)
                    for head in heads)  # fmt: skip
    return Table(name=name, title=title, columns=columns, rows=tuple(rows), notes=tuple(notes))
