"""Confidence -> its tables and the sentence above them.

Layer: beside `tables`, above `confidence`.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.analysis.sheet import Column, Table, Value, text
from harness.analysis.wording import listing, p_value, percent, significant

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.confidence import Confidence

ALPHA = 0.05

MEANT = (
    "Confidence: the share of the likeliest option among the options of a document (softmax of their "
    "log-likelihoods); right: how often that option is the right one. ECE: mean distance of the two over 15 groups of "
    "equally many documents; a perfectly calibrated model would show “by chance” on average."
)

SCORES = (
    "p: that such a model shows as much (Holm over the tasks of one model). Brier, NLL: of the confidence and of the "
    "right option; less is better. AUROC: chance that a right answer is given with more confidence than a wrong one; "
    "AURC: error rate averaged over all shares that are answered."
)


def lead(found: Confidence) -> str:
    """Whose confidence is off by more than chance explains, and which way."""
    off = found.tasks[found.tasks["p_holm"] < ALPHA]
    number = f"{len(off)} of {len(found.tasks)} pairs of model and task"
    if not len(off):
        return "No model's confidence was shown to be off by more than chance explains (Holm-adjusted p < 0.05)."
    over = off[off["confidence"] > off["accuracy"]]
    most = [f"{entry} ({len(own)})" for entry, own in off.groupby("entry", sort=False)]
    ways = f"{len(over)} over-confident on average, {len(off) - len(over)} under-confident"
    return (
        f"Confidence is off by more than chance explains on {number} (Holm-adjusted p < 0.05; {ways}): {listing(most)}."
    )


def tables(found: Confidence) -> tuple[tuple[Table, ...], tuple[Table, ...]]:
    """The summary, one row per entry, and below it, folded, every task; a single task needs no summary."""
    each = _table("calibration-tasks", "Calibration by task",
                  [(row.entry, row.task, row) for row in found.tasks.itertuples(index=False)], named=True)  # fmt: skip
    if found.tasks["task"].nunique() < 2 or not found.pooled:  # noqa: PLR2004 - of one task the mean is the task
        return (each,), ()
    common = found.tasks[found.tasks["task"].isin(found.pooled)]
    rows = [(entry, "", _mean(own)) for entry, own in common.groupby("entry", sort=False)]
    title = f"Calibration, mean of {len(found.pooled)} task{'' if len(found.pooled) == 1 else 's'}"
    return (_table("calibration", title, rows, named=False),), (each,)


def _mean(own: pd.DataFrame) -> Any:
    numbers = own.drop(columns=["entry", "task"]).mean()
    numbers["n"], numbers["p_holm"] = own["n"].sum(), math.nan
    return numbers


def _table(name: str, title: str, rows: list[tuple[str, str, Any]], *, named: bool) -> Table:
    columns = [Column(key="model", label="Model", numeric=False)]
    columns += [Column(key="task", label="Task", numeric=False)] if named else []
    columns += [Column(key="documents", label="Documents"), Column(key="accuracy", label="Right", sub="%"),
                Column(key="confidence", label="Confidence", sub="%"), Column(key="ece", label="ECE", sub="points ↓"),
                Column(key="ece_floor", label="by chance", sub="points")]  # fmt: skip
    columns += [Column(key="p_holm", label="p", sub="Holm")] if named else []
    columns += [Column(key="brier", label="Brier", sub="↓"), Column(key="nll", label="NLL", sub="nats ↓"),
                Column(key="auroc", label="AUROC", sub="↑"), Column(key="aurc", label="AURC", sub="% ↓")]  # fmt: skip
    made = tuple(_line(entry, task, row, named=named) for entry, task, row in rows)
    return Table(name=name, title=title, columns=tuple(columns), rows=made, notes=(MEANT, SCORES))


def _line(entry: str, task: str, row: Any, *, named: bool) -> tuple[Value, ...]:
    first = (text(entry), text(task)) if named else (text(entry),)
    tested = (Value(text=p_value(row.p_holm), number=float(row.p_holm)),) if named else ()
    return (
        *first, Value(text=f"{int(row.n):,}", number=float(row.n)), _number(row.accuracy), _number(row.confidence),
        _number(row.ece), _number(row.ece_floor), *tested,
        _number(row.brier, share=False), _number(row.nll, share=False), _number(row.auroc, share=False),
        _number(row.aurc),
    )  # fmt: skip


def _number(value: float, *, share: bool = True) -> Value:
    if math.isnan(value):
        return text("", detail="all answers are right, or none is")
    return Value(text=percent(value) if share else significant(value), number=float(value))
