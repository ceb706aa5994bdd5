"""A study as four tidy tables, checked before they are written and after they are read.

    measurements   one row = one value of one metric of one cell
    samples        one row = one document under one model
    timings        one row = one raw repeat of a time, speed or power of a probe
    comparisons    one row = one pair of entries on one task, with its verdict

Layer: above the reading half. CSV for people, Parquet for programs; both hold the same rows.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.analysis import comparisons, derive, frame
from harness.analysis.current import current
from harness.records import UNITS, Status

if TYPE_CHECKING:
    from pathlib import Path

KEY = ("study", "cell", "metric", "subset", "repeat")
"""What tells one measurement from all others."""

TIMINGS = (
    "study", "cell", "model", "method", "workload", "device", "batch", "prompt", "new", "replicate", "repeat", "metric",
    "subset", "value", "unit", "noisy",
)  # fmt: skip
"""Columns of `timings`."""

RAW = frozenset({"s", "s/tok", "tok/s", "item/s", "W", "J", "J/tok", "J/item"})
"""Units of what is measured again and again."""

TEXTS = ("prompt", "pred", "gold", "options", "edits")
"""Columns of documents that are left out of the CSV, where they are most of the bytes; Parquet holds them."""


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    """The four tables of a study, checked.

    Raises:
        ValueError: a row breaks the schema; the line says which table, row and rule.
    """
    whole = current(frame.read(folder))
    documents = frame.documents(folder)
    comparison = derive.compare(whole)
    judged = comparisons.judged(whole, comparison, documents)
    numbers = whole.measurements
    raw = numbers[(numbers["kind"] == "probe") & numbers["unit"].isin(RAW)]
    found = {
        "measurements": numbers,
        "samples": documents.to_pandas(),
        "timings": raw[list(TIMINGS)].reset_index(drop=True),
        "comparisons": judged.frame,
    }
    check(found)
    return found


def write(folder: Path, out: Path) -> list[Path]:
    """Writes the four tables of a study as CSV and Parquet into `out`.

    Raises:
        ValueError: as `tables`.
        OSError: `out` cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, table in tables(folder).items():
        shown = table.drop(columns=[c for c in TEXTS if c in table]) if name == "samples" else table
        shown.to_csv(out / f"{name}.csv", index=False, lineterminator="\n", errors="replace")
        table.to_parquet(out / f"{name}.parquet", index=False)
        written += [out / f"{name}.csv", out / f"{name}.parquet"]
    return written


def read(out: Path) -> dict[str, pd.DataFrame]:
    """The tables that `write` wrote, checked again.

    Raises:
        ValueError: a table is missing, or a row breaks the schema.
    """
    names = ("measurements", "samples", "timings", "comparisons")
    missing = [name for name in names if not (out / f"{name}.parquet").is_file()]
    if missing:
        raise ValueError(f"{out}: no {missing[0]}.parquet; harness export STUDY csv writes it")
    found = {name: pd.read_parquet(out / f"{name}.parquet") for name in names}
    check(found)
    return found


def check(tables: dict[str, pd.DataFrame]) -> None:
    """Refuses tables that break the schema.

    Raises:
        ValueError: one line: the table, the rule, and the first row that breaks it.
    """
    numbers, pairs, documents = tables["measurements"], tables["comparisons"], tables["samples"]
    _need(numbers, [*KEY, "value", "unit", "status", "n", "stderr"], "measurements")
    _rule(numbers, np.isfinite(numbers["value"]), "measurements", "value is a finite number")
    _rule(numbers, numbers["unit"].isin(UNITS), "measurements", f"unit is one of {sorted(UNITS)}")
    _rule(numbers, numbers["status"].isin([str(s) for s in Status]), "measurements", "status is a known one")
    _rule(numbers, ~(numbers["stderr"] < 0), "measurements", "stderr is not negative")
    _rule(numbers, ~numbers.duplicated(list(KEY)), "measurements", f"{', '.join(KEY)} occur once")
    _need(documents, ["study", "cell", "item_id"], "samples")
    _rule(documents, documents["item_id"].astype(str).str.len() > 0, "samples", "item_id is not empty")
    _need(tables["timings"], list(TIMINGS), "timings")
    _need(pairs, list(comparisons.COLUMNS), "comparisons")
    inside = (pairs["ci_lo"] <= pairs["diff"] + 1e-12) & (pairs["diff"] <= pairs["ci_hi"] + 1e-12)
    _rule(pairs, inside | pairs["ci_lo"].isna(), "comparisons", "ci_lo <= diff <= ci_hi")
    _rule(pairs, pairs["p_holm"] >= pairs["p_raw"], "comparisons", "p_holm >= p_raw")


def _need(table: pd.DataFrame, columns: list[str], name: str) -> None:
    if missing := [column for column in columns if column not in table]:
        raise ValueError(f"table {name}: it has no column {missing[0]!r}")


def _rule(table: pd.DataFrame, holds: pd.Series, name: str, rule: str) -> None:
    if not holds.all():
        row = int(np.flatnonzero(~holds.to_numpy(dtype=bool))[0])
        shown = {column: table.iloc[row][column] for column in list(table.columns)[:4]}
        raise ValueError(f"table {name}, row {row} ({shown}): not {rule}")
