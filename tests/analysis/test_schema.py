"""The schema of the tidy tables: what it accepts, what it refuses and how, and that it says what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from harness.analysis import comparisons, frame, quantities, tidy
from harness.analysis.columns import TABLES
from harness.analysis.rows import NUMBERS
from harness.analysis.schema import markdown, validate
from harness.records import UNITS
from harness.tasks.measure import unit

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def tables(small: Path) -> dict[str, pd.DataFrame]:
    """The four tables of a small study."""
    return tidy.tables(small)


def test_the_registry_names_the_columns_that_frames_have(tables: dict[str, pd.DataFrame]) -> None:
    """No column is without a description, and none is described that does not exist; the order is the frame's too."""
    intervals = {"ci_lo", "ci_hi", "ci_method"}
    assert set(TABLES["measurements"].columns) == {*frame.LABELS, *NUMBERS} | intervals
    assert list(TABLES["comparisons"].columns) == list(comparisons.COLUMNS)
    for name, table in tables.items():
        known = TABLES[name]
        described = {c for c in table if c in known.columns or (known.further and c.startswith(known.further))}
        assert described == set(table)
        assert {c for c, one in known.columns.items() if not one.optional} <= set(table)


def test_every_column_is_documented(repository: Path) -> None:
    """`docs/schema.md` holds what the registry says, word for word."""
    assert markdown() in (repository / "docs" / "schema.md").read_text(encoding="utf-8")


def test_units_agree_with_those_of_tasks() -> None:
    """What the reading half holds a quality metric to is what the measuring half gives it."""
    known = {**quantities.DERIVED, **quantities.REPEATED, **quantities.TASKS, **quantities.TRAININGS}
    assert set(known.values()) <= UNITS
    for metric in ("acc", "acc_norm", "f1_macro", "mcc", "bits_per_byte", "word_perplexity", "exact_match"):
        assert quantities.unit_of(metric, kind="task") == unit(metric)


@pytest.mark.parametrize(
    ("table", "column", "value", "message"),
    [
        ("measurements", "value", np.inf, "is not a finite number"),
        ("measurements", "unit", "ms", "is not one of '1', 'B'"),
        ("measurements", "unit", "B", "is not the unit of "),
        ("measurements", "status", "great", "is not one of 'ok'"),
        ("measurements", "kind", "quiz", "is not one of 'task', 'probe', 'training'"),
        ("measurements", "model", "", "is not a text that is not empty"),
        ("measurements", "model", None, "is not a value: it is missing"),
        ("measurements", "stderr", -0.5, "is not a number of at least 0"),
        ("measurements", "severity", 2.0, "is not a number of at most 1"),
        ("measurements", "ci_lo", 1e15, "is not inside its interval"),
        ("measurements", "n", -1, "is not a number of at least 0"),
        ("comparisons", "diff", 9.0, "is not inside its interval"),
        ("comparisons", "p_holm", 0.0, "is not p_raw or more"),
        ("comparisons", "p_raw", 1.5, "is not a number of at most 1"),
        ("comparisons", "verdict", "superior", "is not one of 'better'"),
        ("samples", "item_id", "", "is not a text that is not empty"),
        ("samples", "pred", 3, "3 is not a text"),
        ("samples", "logprobs", "-1.0", "is not a list of values"),
        ("samples", "truncated", "no", "is not true or false"),
        ("samples", "metric:acc", "right", "'right' is not a number"),
        ("timings", "value", np.nan, "is not a finite number"),
        ("timings", "repeat", 0.5, "is not a whole number"),
    ],
)
def test_a_broken_row_is_named(
    tables: dict[str, pd.DataFrame], table: str, column: str, value: object, message: str
) -> None:
    """Table, column, row, what stands there and what would be right, in one line."""
    broken = tables[table].head(8).reset_index(drop=True)
    broken[column] = broken[column].astype(object)
    broken.loc[2, column] = value
    with pytest.raises(ValueError, match=f"^table {table}, column .*, row 2 .*{message}") as error:
        validate(broken, table)
    assert "\n" not in str(error.value)


def test_a_verdict_must_follow_from_its_evidence(tables: dict[str, pd.DataFrame]) -> None:
    """`better` beside an interval that holds 0, or a p-value that shows nothing, is refused."""
    pairs = tables["comparisons"]
    shown = pairs.index[pairs["verdict"] == "better"][0]
    for column, value in (("ci_lo", -1.0), ("p_holm", 0.5)):
        broken = pairs.copy()
        broken.loc[shown, column] = value
        with pytest.raises(ValueError, match=f"column verdict, row {shown} .*'better' is not shown"):
            validate(broken, "comparisons")


def test_rows_that_occur_twice_and_columns_that_are_missing_are_refused(tables: dict[str, pd.DataFrame]) -> None:
    """The key is named, and where a whole frame comes from."""
    numbers = tables["measurements"]
    with pytest.raises(ValueError, match="not the only one with its study, cell, metric, subset, repeat"):
        validate(pd.concat([numbers, numbers.tail(1)], ignore_index=True), "measurements")
    with pytest.raises(ValueError, match=r"no column 'status'; .* harness\.analysis\.load"):
        validate(numbers.drop(columns="status"), "measurements")


def test_gaps_and_metrics_of_others_are_welcome(tables: dict[str, pd.DataFrame]) -> None:
    """A failed cell may have no value, a metric that this project does not know may have any unit."""
    numbers = tables["measurements"].head(3).reset_index(drop=True)
    numbers["status"] = ["failed", "ok", "ok"]
    numbers["value"] = [np.nan, *numbers["value"][1:]]
    numbers.loc[1, ["metric", "unit"]] = ["their_metric", "tok"]
    numbers = numbers.assign(ci_lo=np.nan, ci_hi=np.nan)
    assert validate(numbers, "measurements") is numbers
