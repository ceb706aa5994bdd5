"""Holds a frame against the registry of columns: on writing as on reading, one line for the first row that is wrong.

Layer: above `columns` and `quantities`, below `tidy`. It changes nothing.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportOperatorIssue=false, reportReturnType=false, reportIndexIssue=false
from __future__ import annotations

import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api import types

from harness.analysis.columns import COUNT, FLAG, LIST, NUMBER, TABLES, TEXT
from harness.analysis.quantities import unit_of
from harness.records import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from harness.analysis.columns import Column, Table

    Holds = NDArray[np.bool_]

ROUNDING = 1e-9
"""By how much a number may miss a bound, and an interval its value (there as a share of the value)."""

_MAKERS = MappingProxyType({"measurements": "load", "comparisons": "compare"})

ALPHA = 0.05
"""Level of the verdicts."""


def validate(frame: pd.DataFrame, table: str, *, whole: bool = True) -> pd.DataFrame:
    """The frame itself, once every row keeps the rules of its table.

    >>> validate(pd.DataFrame({"study": ["s"]}), "timings")
    Traceback (most recent call last):
    ValueError: table timings: it has no column 'cell'; a frame of this table comes from harness.analysis.timings

    Args:
        frame: rows of one table; further columns are not looked at.
        table: `measurements`, `samples`, `timings` or `comparisons`.
        whole: whether columns that are missing are refused as well.

    Raises:
        ValueError: one line: the table, the column, the first row that is wrong and what would be right.
    """
    known = TABLES[table]
    missing = [name for name, column in known.columns.items() if name not in frame and not column.optional]
    if missing and whole:
        hint = f"a frame of this table comes from harness.analysis.{_MAKERS.get(table, table)}"
        raise ValueError(f"table {table}: it has no column {missing[0]!r}; {hint}")
    for name in frame.columns:
        if column := _column(known, str(name)):
            for holds, rule in _rules(frame[name], column):
                _refuse(frame, table, str(name), holds, rule)
    for name, holds, rule in _RULES[table](frame):
        _refuse(frame, table, name, holds, rule)
    once = ~frame.duplicated(list(known.key))
    _refuse(frame, table, known.key[0], once, f"the only one with its {', '.join(known.key)}")
    return frame


def _column(known: Table, name: str) -> Column | None:
    if name in known.columns:
        return known.columns[name]
    return known.every if known.further and name.startswith(known.further) else None


def _rules(values: pd.Series, column: Column) -> Iterator[tuple[Holds | pd.Series, str]]:
    """Every rule of a column: whether each row holds it, and what would be right."""
    if not column.gaps:
        yield values.notna(), "a value: it is missing"
    gap = values.isna().to_numpy() if column.kind != LIST else np.zeros(len(values), dtype=bool)
    if not _of_kind(values, column.kind):
        each = values.map(lambda value: _is(value, column.kind)).to_numpy(dtype=bool)
        yield each | gap, _KINDS[column.kind]
    if column.words:
        yield values.isin(column.words).to_numpy() | gap, f"one of {', '.join(repr(word) for word in column.words)}"
    if column.kind == TEXT and column.least:
        yield (values != "").to_numpy() | gap, "a text that is not empty"
    elif column.kind in {COUNT, NUMBER}:
        yield from _sizes(pd.to_numeric(values).to_numpy(dtype=float, na_value=np.nan), column, gap)


def _sizes(numbers: NDArray[np.float64], column: Column, gap: Holds) -> Iterator[tuple[Holds, str]]:
    if column.kind == COUNT:
        yield gap | (np.floor(numbers) == numbers), _KINDS[COUNT]
    if column.least is not None:
        yield gap | (numbers >= column.least - ROUNDING), f"a number of at least {column.least:g}"
    if column.most is not None:
        yield gap | (numbers <= column.most + ROUNDING), f"a number of at most {column.most:g}"


_KINDS = {
    TEXT: "a text", COUNT: "a whole number", NUMBER: "a number", FLAG: "true or false", LIST: "a list of values",
}  # fmt: skip


def _of_kind(values: pd.Series, kind: str) -> bool:
    """Whether the column's type alone says that every value is of a kind; else each is looked at."""
    if kind == TEXT:
        return types.infer_dtype(values, skipna=True) in {"string", "empty"}
    if kind == FLAG:
        return types.is_bool_dtype(values) or types.infer_dtype(values, skipna=True) in {"boolean", "empty"}
    if kind == LIST:
        return False
    return types.is_numeric_dtype(values) and not types.is_bool_dtype(values)


def _is(value: Any, kind: str) -> bool:
    if kind == LIST:
        return isinstance(value, list | tuple | np.ndarray)
    wanted = {TEXT: str, FLAG: (bool, np.bool_)}.get(kind, (int, float, np.integer, np.floating))
    return isinstance(value, wanted) and (kind in {TEXT, FLAG} or not isinstance(value, bool | np.bool_))


def _refuse(frame: pd.DataFrame, table: str, name: str, holds: Holds | pd.Series, rule: str) -> None:
    """Names the first row that does not hold a rule."""
    broken = np.flatnonzero(~np.asarray(holds, dtype=bool))
    if not broken.size:
        return
    row = int(broken[0])
    where = ", ".join(f"{key}={frame.iloc[row][key]}" for key in TABLES[table].key if key != name)
    more = f" (and {broken.size - 1} more rows)" if broken.size > 1 else ""
    raise ValueError(
        f"table {table}, column {name}, row {row} ({where}){more}: {frame.iloc[row][name]!r} is not {rule}"
    )


Rule = tuple[str, "Holds | pd.Series", str]


def _measured(frame: pd.DataFrame) -> Iterator[Rule]:
    value = frame["value"].to_numpy(dtype=float, na_value=np.nan)
    yield "value", np.isfinite(value) | (frame["status"] != str(Status.OK)).to_numpy(), "a finite number"
    yield _units(frame)
    yield _inside(frame, "value")


def _timed(frame: pd.DataFrame) -> Iterator[Rule]:
    yield "value", np.isfinite(frame["value"].to_numpy(dtype=float, na_value=np.nan)), "a finite number"
    yield _units(frame)


def _compared(frame: pd.DataFrame) -> Iterator[Rule]:
    yield _inside(frame, "diff")
    yield "p_holm", frame["p_holm"] >= frame["p_raw"] - ROUNDING, "p_raw or more"
    yield "p_tost_holm", frame["p_tost_holm"] >= frame["p_tost"] - ROUNDING, "p_tost or more"
    sign = np.where(frame["verdict"] == "better", frame["ci_lo"], -frame["ci_hi"])
    shown = (frame["p_holm"] < ALPHA) & (sign > 0)
    claimed = frame["verdict"].isin(["better", "worse"])
    yield "verdict", shown | ~claimed, f"shown: it needs p_holm < {ALPHA} and an interval without 0"


def _units(frame: pd.DataFrame) -> Rule:
    """Every metric of this project carries its own unit."""
    unit = frame["unit"]
    kinds = frame["kind"] if "kind" in frame else pd.Series("probe", index=frame.index)
    pairs = pd.MultiIndex.from_arrays([frame["metric"], kinds])
    right = pairs.map({(metric, kind): unit_of(str(metric), kind=str(kind)) for metric, kind in pairs.unique()})
    holds = np.asarray(right.isna() | (right == unit.to_numpy()), dtype=bool)
    wrong = np.flatnonzero(~holds)
    named = f"the unit of {frame['metric'].iloc[wrong[0]]}, {right[wrong[0]]}" if wrong.size else ""
    return "unit", holds, named


def _inside(frame: pd.DataFrame, name: str) -> Rule:
    value, lo, hi = (frame[column].to_numpy(dtype=float, na_value=np.nan) for column in (name, "ci_lo", "ci_hi"))
    slack = ROUNDING * np.maximum(np.abs(value), 1.0)
    outside = (lo > value + slack) | (hi < value - slack)
    return name, ~outside, "inside its interval: ci_lo <= value <= ci_hi"


def _nothing(_: pd.DataFrame) -> Iterator[Rule]:
    return iter(())


_RULES: Mapping[str, Callable[[pd.DataFrame], Iterator[Rule]]] = MappingProxyType({
    "measurements": _measured, "samples": _nothing, "timings": _timed, "comparisons": _compared,
})  # fmt: skip


def markdown() -> str:
    """The tables as Markdown: `docs/schema.md` but for its head."""
    return "\n".join(_described(name, table) for name, table in TABLES.items())


def _described(name: str, table: Table) -> str:
    rows = [f"| `{label}` | {_kind(column)} | {_about(column)} |" for label, column in table.columns.items()]
    if table.every:
        rows.append(f"| `{table.further}NAME` | {_kind(table.every)} | {table.every.about} |")
    head = f"## {name}\n\nOne row: {table.about}. Key: {', '.join(f'`{key}`' for key in table.key)}.\n"
    return "\n".join([head, "| column | type | what it holds |", "|---|---|---|", *rows, ""])


def _kind(column: Column) -> str:
    extra = ", or a gap" if column.gaps else ""
    return f"{column.kind}{extra}{', may be absent' if column.optional else ''}"


def _about(column: Column) -> str:
    bounds = [f"≥ {column.least:g}"] if column.least is not None and column.kind == NUMBER else []
    bounds += [f"≤ {column.most:g}"] if column.most is not None else []
    words = ", ".join(f"`{word}`" if word else "empty" for word in column.words)
    return "".join([column.about, f" ({', '.join(bounds)})" if bounds else "", f": {words}" if words else ""])


if __name__ == "__main__":
    sys.stdout.write(markdown())
