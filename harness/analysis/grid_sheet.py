"""Pieces of the tables over grids: whose row it is, numbers with units, shares, sizes.

Layer: above `sheet`, below the tables; pure.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.analysis import wording
from harness.analysis.points import AXES
from harness.analysis.sheet import Column, Table, Value, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Head = tuple[str, str]

WORDS = frozenset({
    "entry", "probe", "subset", "metric", "baseline", "verdict", "method", "bound", "cpu_bound", "what", "value",
})  # fmt: skip
"""Keys of the columns that hold text."""


def table(
    name: str, title: str, heads: Sequence[Head], rows: Iterable[tuple[Value, ...]], *, notes: Sequence[str] = ()
) -> Table:
    """A table whose columns are given as key and label."""
    columns = tuple(Column(key=key, label=label, numeric=key not in WORDS) for key, label in heads)
    return Table(name=name, title=title, columns=columns, rows=tuple(rows), notes=tuple(notes))


def seen(frame: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Rows that are no control's, by probe and point, entries in the order of the leaderboard."""
    ranks = {entry: rank for rank, entry in enumerate(order)}
    kept = frame[~frame["control"].astype(bool)]
    keys = ["probe", "device", *(axis for axis in AXES if axis in frame)]
    return kept.assign(rank=kept["entry"].map(ranks)).sort_values([*keys, "rank"], kind="stable").drop(columns="rank")


def axes(frame: pd.DataFrame) -> list[str]:
    """The axes that any row has."""
    return [axis for axis in AXES if axis in frame and frame[axis].notna().any()]


def heads(frame: pd.DataFrame) -> list[Head]:
    """Headings of the columns that say whose row it is."""
    return [("entry", "Model"), ("probe", "Probe"), *((axis, axis.title()) for axis in axes(frame))]


def place(row: Mapping[str, Any], names: Sequence[str]) -> tuple[Value, ...]:
    """The cells under `heads`; `names` are the axes."""
    return (text(row["entry"]), text(row["probe"]), *(size(row[axis]) for axis in names))


def number(value: float, unit: str, lo: float = float("nan"), hi: float = float("nan")) -> Value:
    """A number at a scale fit to read, with half of its interval; a dash where there is none."""
    if pd.isna(value):
        return text("")
    spread = "" if pd.isna(lo) or pd.isna(hi) else wording.spread(value, (hi - lo) / 2, unit)
    return Value(text=wording.scaled(value, unit), number=float(value), lo=known(lo), hi=known(hi), spread=spread)


def share(value: float) -> Value:
    """A fraction as per cent."""
    return text("") if pd.isna(value) else Value(text=wording.percent(value), number=float(value))


def size(value: Any) -> Value:
    """A whole number."""
    return text("") if pd.isna(value) else Value(text=f"{int(value):,}", number=float(value))


def known(value: float) -> float | None:
    """The number, None for a gap."""
    return None if pd.isna(value) else float(value)
