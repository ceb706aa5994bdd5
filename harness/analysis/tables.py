"""Comparison -> tables: the leaderboard and the tables behind it.

Layer: above `derive`. Every function is pure and returns a `Table`; best values are best point estimates, and what can
be told apart is said by `verdict`, not by bold type.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PD010 - a pivot without aggregation refuses metrics that occur twice
from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.analysis import verdict_columns, wording
from harness.analysis.derive import HIGHER, Comparison, corrected, probe_of, speed_of
from harness.analysis.sheet import LEGEND, Column, Table, Value, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.analysis.comparisons import Judged
    from harness.analysis.frame import Study

DETAILS = ("acc", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro", "mcc", "majority_share")
"""Metrics of a classification task, in the order in which they are shown."""

SPEED_COLUMNS = ("decode_tok_s", "prefill_tok_s", "ttft", "peak_memory")
"""What the leaderboard shows of speed and memory."""


def leaderboard(comparison: Comparison, judged: Judged | None = None) -> Table:
    """One row per entry: quality on every task, then speed and memory: all that was measured of it side by side.

    With every pair `judged`, each entry has its verdict beside the first on the mean.
    """
    tasks = comparison.tasks
    columns = [Column(key="model", label="Model", numeric=False), Column(key="parameters", label="Params")]
    parts: list[list[Value]] = [_names(comparison), _parameters(comparison)]
    foot = [Value(text="chance"), Value(text="")]
    if tasks["counted"].any():
        columns.append(Column(key="mean", label="Mean", sub="corrected", group="Quality"))
        parts.append(_means(comparison))
        foot.append(Value(text="0.0", number=0.0))
        if judged is not None and len(judged.means):
            columns.append(verdict_columns.FIRST)
            parts.append(verdict_columns.beside_first(comparison, judged))
            foot.append(Value(text=""))
    for task in tasks.itertuples(index=False):
        columns.append(Column(key=str(task.task), label=str(task.task), sub=_unit(task), group="Quality"))
        parts.append(_quality(comparison, task))
        foot.append(_chance(task))
    for metric in SPEED_COLUMNS:
        values, unit = _speed(comparison, metric)
        if values:
            columns.append(Column(key=metric, label=_SPEED_LABELS[metric], sub=unit, group="Speed and memory"))
            parts.append(values)
            foot.append(Value(text=""))
    return Table(
        name="leaderboard", title="Leaderboard", columns=tuple(columns), rows=tuple(zip(*parts, strict=True)),
        foot=(tuple(foot),) if tasks["chance"].notna().any() else (),
        notes=(*_notes(comparison), *verdict_columns.notes(judged)),
    )  # fmt: skip


def per_task(comparison: Comparison, task: str, judged: Judged | None = None) -> Table:
    """One task: score with interval, score corrected for chance, and the paired difference to the best entry.

    Args:
        comparison: the entries and their scores.
        task: its label.
        judged: every pair; with it, each entry has its difference from the best one and the verdict on it.
    """
    info = next(t for t in comparison.tasks.itertuples(index=False) if t.task == task)
    scores = comparison.scores[comparison.scores["task"] == task].sort_values(
        ["value", "entry"], ascending=[not info.higher, True], na_position="last"
    )
    parts = dict(zip(comparison.entries["entry"], _quality(comparison, info), strict=True))
    best = scores["entry"].iloc[0]
    columns = [Column(key="model", label="Model", numeric=False), Column(key="score", label="Score", sub=_unit(info)),
               Column(key="interval", label="95 % interval"), Column(key="documents", label="Documents")]  # fmt: skip
    known = bool(info.percent) and not math.isnan(float(info.chance)) and float(info.chance) > 0
    if known:
        columns.append(Column(key="corrected", label="Corrected", sub="chance = 0"))
    if judged is not None:
        columns += verdict_columns.BEHIND
    beside = {} if judged is None else verdict_columns.beside(judged, task, str(best))
    rows = []
    for row in scores.itertuples(index=False):
        value = parts[row.entry]
        number = None if value.number is None else corrected(value.number, float(info.chance)) if known else None
        line = [text(str(row.entry)), value, _ends(row, percent=bool(info.percent)), _count(row.n)]
        line += [_corrected(number)] if known else []
        told = beside.get(str(row.entry))
        line += verdict_columns.behind(told, percent=bool(info.percent)) if judged is not None else []
        rows.append(tuple(line))
    return Table(name=f"task-{task}", title=task, columns=tuple(columns), rows=tuple(rows))


def classification(comparison: Comparison, study: Study, task: str) -> Table:
    """One classification task in full: accuracy, balanced accuracy, precision, recall, F1, MCC, largest share."""
    cells = comparison.scores[comparison.scores["task"] == task]
    numbers = study.measurements[(study.measurements["subset"] == "") & study.measurements["cell"].isin(cells["cell"])]
    wide = numbers.drop_duplicates(["cell", "metric"]).pivot(index="cell", columns="metric", values="value")
    shown = [name for name in DETAILS if name in wide]
    by_entry = cells.set_index("entry").reindex([e for e in comparison.entries["entry"] if e in set(cells["entry"])])
    rows: list[tuple[Value, ...]] = []
    for entry, cell, status, error in by_entry[["cell", "status", "error"]].itertuples(name=None):
        found = wide.loc[cell] if cell in wide.index else pd.Series(dtype=float)
        rows.append((text(str(entry)), *(_detail(found.get(name), name, status, error) for name in shown)))
    columns = [Column(key=n, label=wording.metric(n), sub="-1 to 1" if n == "mcc" else "%") for n in shown]
    names = Column(key="model", label="Model", numeric=False)
    return Table(
        name=f"classification-{task}", title=task, columns=(names, *columns),
        rows=tuple(rows), notes=("Precision, recall and F1 are macro averages over classes.",),
    )  # fmt: skip


_SPEED_LABELS = {"decode_tok_s": "Decode", "prefill_tok_s": "Prefill", "ttft": "First token", "peak_memory": "Memory"}


def _names(comparison: Comparison) -> list[Value]:
    return [text(entry) for entry in comparison.entries["entry"]]


def _parameters(comparison: Comparison) -> list[Value]:
    known = comparison.entries["parameters"]
    return [text("") if pd.isna(n) else Value(text=wording.count(int(n)), number=int(n)) for n in known]


def _means(comparison: Comparison) -> list[Value]:
    entries = comparison.entries
    top = _top(entries["mean"], higher=True)
    return [
        text("", detail="a shared task has no score")
        if pd.isna(mean)
        else Value(text=wording.percent(mean), number=float(mean), best=mean == top,
                   lo=_known(mean - 1.96 * se), hi=_known(mean + 1.96 * se),
                   spread="" if pd.isna(se) else f"±{wording.percent(1.96 * se)}")
        for mean, se in zip(entries["mean"], entries["mean_stderr"], strict=True)
    ]  # fmt: skip


def _quality(comparison: Comparison, task: Any) -> list[Value]:
    """The scores of one task, one per entry in order."""
    rows = comparison.scores[comparison.scores["task"] == task.task].set_index("entry")
    top = _top(rows["value"], higher=bool(task.higher))
    return [
        _score(rows.loc[entry], task, best=top) if entry in rows.index else text("", detail="not measured")
        for entry in comparison.entries["entry"]
    ]


def _score(row: pd.Series, task: Any, *, best: float | None) -> Value:
    if pd.isna(row["value"]):
        status = str(row["status"])
        word = wording.STATUSES.get(status, "no score")
        return Value(text=word, faint=True, detail=wording.short(str(row["error"]) or "no primary metric", 200))
    write: Callable[[float], str] = wording.percent if task.percent else wording.significant
    lo, hi, chance = _known(row["lo"]), _known(row["hi"]), float(task.chance)
    spread = _half(float(row["value"]), lo, hi, unit="%" if task.percent else str(task.unit))
    at_chance = lo is not None and hi is not None and chance > 0 and lo <= chance <= hi
    return Value(
        text=write(row["value"]), number=float(row["value"]), lo=lo, hi=hi, spread=spread,
        best=best is not None and row["value"] == best, chance=at_chance,
        detail=f"n = {int(row['n'])}" if pd.notna(row["n"]) else "",
    )  # fmt: skip


def _speed(comparison: Comparison, metric: str) -> tuple[list[Value], str]:
    """A speed or memory column and its unit; empty where nothing was measured."""
    found = speed_of(comparison, metric)
    if not len(found):
        return [], ""
    unit = str(found["unit"].iloc[0])
    top = _top(found["value"], higher=metric in HIGHER)
    speeds = comparison.speeds
    missing = speeds[(speeds["metric"] == "") & (speeds["task"] == probe_of(comparison, metric))].set_index("entry")
    values = []
    for entry in comparison.entries["entry"]:
        if entry in found.index:
            value = timing(found.loc[entry])
            values.append(replace(value, best=value.number == top))
        elif entry in missing.index:
            values.append(unmeasured(missing.loc[entry]))
        else:
            values.append(text("", detail="this probe of the entry was not completed"))
    return values, unit if unit == "tok/s" else ""


def timing(row: Mapping[str, Any]) -> Value:
    """A number of a probe with its unit, half of its interval, and a mark where it is noisy.

    Args:
        row: `value, lo, hi, unit, noisy, why`.
    """
    unit, lo, hi = str(row["unit"]), _known(row["lo"]), _known(row["hi"])
    write = wording.significant if unit == "tok/s" else lambda value: wording.scaled(value, unit)
    spread = _half(float(row["value"]), lo, hi, unit=unit)
    return Value(text=write(row["value"]), number=float(row["value"]), lo=lo, hi=hi, spread=spread,
                 noisy=bool(row["noisy"]), detail=str(row["why"]))  # fmt: skip


def unmeasured(row: Mapping[str, Any]) -> Value:
    """Why a point has no number, in a word; the whole reason as detail.

    Args:
        row: `status, error`.
    """
    word = wording.STATUSES.get(str(row["status"]), wording.MISSING)
    return Value(text=word, faint=True, detail=wording.short(str(row["error"]), 200))


def _half(value: float, lo: float | None, hi: float | None, *, unit: str) -> str:
    if lo is None or hi is None:
        return ""
    return _half_of(value, (hi - lo) / 2, unit=unit)


def _chance(task: Any) -> Value:
    known = not math.isnan(float(task.chance)) and task.percent
    return Value(text=wording.percent(float(task.chance)), number=float(task.chance)) if known else Value(text="")


def _unit(task: Any) -> str:
    names = {"acc": "acc", "acc_norm": "acc norm", "exact_match": "exact", "bits_per_byte": "bits/byte"}
    metric = names.get(task.metric, wording.metric(task.metric))
    return " ".join(part for part in (metric, "%" if task.percent else "", task.arrow) if part)


def _ends(row: Any, *, percent: bool) -> Value:
    write = wording.percent if percent else wording.significant
    if pd.isna(row.lo) or pd.isna(row.hi):
        return text("")
    return Value(text=f"{write(row.lo)} to {write(row.hi)}")


def _corrected(number: float | None) -> Value:
    return text("") if number is None else Value(text=wording.percent(number), number=number)


def _count(number: float) -> Value:
    return text("") if pd.isna(number) else Value(text=f"{int(number):,}", number=float(number))


def _half_of(value: float, half: float, *, unit: str) -> str:
    return f"±{wording.percent(half)}" if unit == "%" else wording.spread(value, half, unit)


def _detail(value: float | None, name: str, status: str, error: str) -> Value:
    if value is None or pd.isna(value):
        return Value(text=wording.STATUSES.get(status, wording.MISSING), faint=True, detail=error)
    return Value(text=f"{value:.2f}" if name == "mcc" else wording.percent(value), number=float(value))


def _top(values: pd.Series, *, higher: bool) -> float | None:
    """The best of several values; None where all are equal, so that none is best."""
    if values.nunique() < 2:  # noqa: PLR2004 - one value or none
        return None
    return float(values.max() if higher else values.min())


def _known(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


def _notes(comparison: Comparison) -> tuple[str, ...]:
    """What the marks mean, and why a number is missing."""
    notes = [f"Order: {comparison.basis}.", "Bold: best point estimate; ±: half of the 95 % interval."]
    scores, entries = comparison.scores, comparison.entries
    if ((scores["lo"] <= scores["chance"]) & (scores["chance"] <= scores["hi"]) & (scores["chance"] > 0)).any():
        notes.append("†: the interval includes chance.")
    have = set(zip(scores["entry"], scores["task"], strict=True))
    gaps = [f"{e} on {t}" for e in entries["entry"] for t in comparison.tasks["task"] if (e, t) not in have]
    if gaps:
        notes.append(f"{wording.MISSING}: not measured ({wording.listing(gaps, most=8)}).")
    return (*notes, *_probes(comparison), *comparison.notes)


def _probes(comparison: Comparison) -> tuple[str, ...]:
    """Which of several probes and points the leaderboard shows, and what marks mean there."""
    speeds = comparison.speeds[comparison.speeds["metric"].isin(SPEED_COLUMNS) & (comparison.speeds["kind"] == "probe")]
    names = sorted({probe_of(comparison, metric) for metric in SPEED_COLUMNS} - {""})
    own = speeds[speeds["task"].isin(names)]
    notes = [LEGEND] if own["noisy"].any() else []
    grids = own[own["points"] > 1].drop_duplicates("task").set_index("task")
    if speeds["task"].nunique() < 2 and not len(grids):  # noqa: PLR2004 - one or none: nothing was chosen
        return tuple(notes)
    told = [f"{name} at {grids.loc[name, 'point']}" if name in grids.index else name for name in names]
    rest = "the other probes are in the efficiency table."
    if len(grids):
        rest = "of the points that most entries completed the first; all others are in the efficiency tables."
    return (
        *notes,
        f"Speed and memory: of the probe {'; '.join(told) if grids.size else wording.listing(told)}; {rest}",
    )
