"""Paired differences: two entries on the very same documents.

Layer: above `derive`. Two entries are compared on a task only if both hold the same documents (by `item_id`); otherwise
nothing is claimed. All pairs of one report on all its tasks are one family of tests (Holm).
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PD010 - a pivot without aggregation refuses documents that occur twice
from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd

from harness.analysis import stats
from harness.analysis.derive import BINARY

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from harness.analysis.derive import Comparison

ALPHA = 0.05
"""Two entries are separable where the adjusted p-value is below this."""

COLUMNS = ["task", "a", "b", "metric", "difference", "stderr", "correlation", "n", "only_a", "only_b", "detectable",
           "p", "p_holm", "separable"]  # fmt: skip
MEAN_COLUMNS = ["a", "b", "difference", "stderr", "detectable", "p", "p_holm", "separable"]


@final
@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Every pair of entries, `a` above `b` in the leaderboard; a positive difference says that `a` is better.

    Attributes:
        tasks: one row per task and pair: `COLUMNS`.
        means: one row per pair, for the mean chance-corrected score: `MEAN_COLUMNS`.
    """

    tasks: pd.DataFrame
    means: pd.DataFrame


def pairs(comparison: Comparison, documents: pa.Table) -> Pairs:
    """Tests every pair of entries on every task where both hold the same documents.

    Source:
        Miller (2024), arXiv 2411.00640, section 4 (paired differences); Holm (1979) for the family.
    """
    order = list(comparison.entries["entry"])
    rows = []
    kept = [name for name in documents.column_names if name in {"cell", "item_id"} or name.startswith("metric:")]
    by_cell = dict(list(documents.select(kept).to_pandas().groupby("cell", sort=False)))
    for task in comparison.tasks.itertuples(index=False):
        wide = _wide(comparison, by_cell, task=str(task.task), metric=str(task.metric))
        sign = 1.0 if task.higher else -1.0
        values = {entry: sign * wide[entry].to_numpy() for entry in order if entry in wide}
        held = {entry: ~np.isnan(column) for entry, column in values.items()}
        for a, b in itertools.combinations(values, 2):
            if held[a].any() and np.array_equal(held[a], held[b]):
                found = stats.paired(values[a][held[a]], values[b][held[b]])
                rows.append(_row(str(task.task), str(task.metric), a, b, found))
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame["p_holm"] = stats.holm(list(frame["p"]))
    frame["separable"] = frame["p_holm"] < ALPHA
    return Pairs(tasks=frame, means=_means(comparison, frame, order))


def _wide(comparison: Comparison, by_cell: Mapping[str, pd.DataFrame], *, task: str, metric: str) -> pd.DataFrame:
    """Per-document scores, one column per entry; a document that occurs twice in a task is told apart by its count."""
    column = f"metric:{metric}"
    scores = comparison.scores
    chosen = scores[(scores["task"] == task) & scores["value"].notna()]
    names = dict(zip(chosen["cell"], chosen["entry"], strict=True))
    parts = [by_cell[cell].assign(entry=entry) for cell, entry in names.items() if cell in by_cell]
    if not parts or column not in parts[0]:
        return pd.DataFrame()
    rows = pd.concat(parts).dropna(subset=[column])
    rows["occurrence"] = rows.groupby(["cell", "item_id"]).cumcount()
    return rows.pivot(index=["item_id", "occurrence"], columns="entry", values=column)


def _row(task: str, metric: str, a: str, b: str, found: stats.Paired) -> tuple[object, ...]:
    return (task, a, b, metric, found.difference, found.stderr, found.correlation, found.n, found.only_a,
            found.only_b, found.detectable, found.p, 1.0, False)  # fmt: skip


def _errors(tested: pd.DataFrame) -> np.ndarray:
    """Standard errors; where right-or-wrong differences are all equal, not 0 but what their number allows.

    Source:
        Agresti and Min (2005), Statistics in Medicine 24:729: half an item added to each of the four outcomes.
    """
    items, b, c = tested["n"] + 2.0, tested["only_a"] + 0.5, tested["only_b"] + 0.5
    allowed = np.sqrt(b + c - (b - c) ** 2 / items) / items
    flat = (tested["stderr"] == 0) & tested["metric"].isin(BINARY)
    return tested["stderr"].mask(flat, allowed).to_numpy(dtype=float)


def _means(comparison: Comparison, tested: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """The pairs on the mean: tasks are fixed, so errors add as `sqrt(sum SE²) / T`."""
    counted = comparison.tasks[comparison.tasks["counted"]].set_index("task")
    rows = []
    groups = dict(list(tested[tested["task"].isin(counted.index)].groupby(["a", "b"])))
    for a, b in itertools.combinations(order, 2):
        group = groups.get((a, b))
        if group is None or len(group) < len(counted):
            continue
        span = 1 - counted.loc[group["task"], "chance"].to_numpy()
        difference = float((group["difference"].to_numpy() / span).mean())
        stderr = math.sqrt(float(((_errors(group) / span) ** 2).sum())) / len(group)
        p = stats.normal_p(difference / stderr) if stderr else float(difference == 0)
        rows.append((a, b, difference, stderr, stats.POWER_FACTOR * stderr, p, 1.0, False))
    frame = pd.DataFrame(rows, columns=MEAN_COLUMNS)
    frame["p_holm"] = stats.holm(list(frame["p"]))
    frame["separable"] = frame["p_holm"] < ALPHA
    return frame
