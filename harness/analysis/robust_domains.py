"""Pairs of tasks with one label space -> in domain, out of domain and the gap.

Layer: above `robust_stats`, below `robustness`; pure. The documents are different ones, so nothing is paired.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.analysis import robust_stats as rs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.analysis.derive import Comparison
    from harness.analysis.robust_documents import Documents
    from harness.analysis.robust_stats import Floats

DOMAINS = (
    "entry", "model", "in_task", "out_task", "metric", "n_in", "n_out", "in_value", "in_lo", "in_hi", "out_value",
    "out_lo", "out_hi", "gap", "gap_lo", "gap_hi", "separable", "effective", "effective_why",
)  # fmt: skip
"""Columns of domains."""

MODELS = 5
"""Models from which on a fit over them says something about one of them."""


def asked(comparison: Comparison) -> dict[str, str]:
    """The tasks out of domain, and the task in domain that each stands beside: as `domain_of` in its settings says.

    Where that was asked in several ways, it is the one that was asked as the task out of domain was.
    """
    tasks, found = comparison.tasks, {}
    specs = comparison.scores.drop_duplicates("task").set_index("task")["workload_spec"]
    for outside in tasks.itertuples(index=False):
        name = json.loads(specs[outside.task]).get("domain_of")
        inside = list(tasks.loc[tasks["workload"] == name, "task"]) if name else []
        alike = [task for task in inside if task == f"{name}{outside.task.removeprefix(outside.workload)}"]
        if alike or len(inside) == 1:
            found[outside.task] = (alike or inside)[0]
    return found


def domains(comparison: Comparison, known: Documents, asked: Mapping[str, str]) -> pd.DataFrame:
    """One row per entry and pair of tasks that it has both: `DOMAINS`.

    Args:
        comparison: for the clean scores.
        known: for the documents.
        asked: as the function of that name finds them.
    """
    parts = []
    for outside, inside in asked.items():
        rows = [
            row for entry in comparison.entries["entry"] if (row := _row(comparison, known, entry, (inside, outside)))
        ]
        parts += _effective(rows)
    return pd.DataFrame(parts, columns=[*DOMAINS]).astype({"separable": bool})


def _row(comparison: Comparison, known: Documents, entry: str, tasks: tuple[str, str]) -> dict[str, Any] | None:
    held = [_scores(comparison, known, entry, task) for task in tasks]
    if any(found is None for found in held):
        return None
    (metric, first), (other, second) = held
    if metric != other:
        return None
    model = comparison.entries.set_index("entry").loc[entry, "model"]
    sign = 1.0 if bool(comparison.tasks.set_index("task").loc[tasks[0], "higher"]) else -1.0
    gap, a, b = rs.independent(sign * first, sign * second), rs.mean_interval(first), rs.mean_interval(second)
    return {
        "entry": entry, "model": model, "in_task": tasks[0], "out_task": tasks[1], "metric": metric,
        "n_in": len(first), "n_out": len(second), "in_value": first.mean(), "in_lo": a.lo, "in_hi": a.hi,
        "out_value": second.mean(), "out_lo": b.lo, "out_hi": b.hi, "gap": sign * (first.mean() - second.mean()),
        "gap_lo": gap.lo, "gap_hi": gap.hi, "separable": bool(gap.lo > 0 or gap.hi < 0),
    }  # fmt: skip


def _scores(comparison: Comparison, known: Documents, entry: str, task: str) -> tuple[str, Floats] | None:
    """The primary metric and its value on each document; None where the entry has none."""
    scores = comparison.scores
    own = scores[(scores["entry"] == entry) & (scores["task"] == task) & scores["value"].notna()]
    if not len(own) or str(own["cell"].iloc[0]) not in known.slices:
        return None
    metric, place = str(own["metric"].iloc[0]), known.slices[str(own["cell"].iloc[0])]
    values = known.of(metric, np.arange(place.start, place.stop))
    values = values[~np.isnan(values)]
    return (metric, values) if len(values) else None


def _effective(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with effective robustness, or with the reason why there is none."""
    why = ""
    if rows and not all(0 <= row[name] <= 1 for row in rows for name in ("in_value", "out_value")):
        why = "the scores are no rates"
    elif len({row["model"] for row in rows}) < MODELS:
        why = f"fewer than {MODELS} models"
    beyond = [math.nan] * len(rows)
    if not why:
        inside, outside = (np.array([row[name] for row in rows]) for name in ("in_value", "out_value"))
        beyond = [float(value) for value in rs.effective(inside, outside)]
    return [row | {"effective": value, "effective_why": why} for row, value in zip(rows, beyond, strict=True)]
