"""Who is compared with whom, on what, and in which order: pure frame -> frame.

Layer: above `frame` and `stats`, below tables and figures. An *entry* is one row of the comparison: a model as it was
run. A *task* is one column: a workload as it was asked. Labels carry only the settings that differ within a study.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PD010, PD101 - a pivot without aggregation refuses what occurs twice; nunique leaves gaps out
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd

from harness.analysis import efficiency, ratios, shown, stats, wording
from harness.analysis.current import current
from harness.analysis.labels import labelled
from harness.analysis.points import AXES
from harness.analysis.rows import TRAINING

if TYPE_CHECKING:
    from harness.analysis.efficiency import Efficiency
    from harness.analysis.frame import Study

BINARY = frozenset({"acc", "acc_norm", "exact_match"})
"""Metrics that are right or wrong on each document: their intervals are Wilson's."""

FRACTION = re.compile(
    r"acc|acc_\w+|\w+_acc|balanced_accuracy|accuracy|exact_match|\w+_exact_match|em|f1|f1_\w+|\w+_f1|"
    r"precision\w*|recall\w*|rouge(1|2|L|Lsum)"
)
"""Metrics that are fractions of 1: shown as per cent, and counted in the mean. BLEU, chrF, TER, MCC are none."""

FALLING = frozenset({"bits_per_byte", "byte_perplexity", "word_perplexity", "perplexity", "ter", "wer", "brier_score"})
"""Metrics where less is better."""

RISING = frozenset({"mcc", "bleu", "chrf"})
"""Metrics beside the fractions where more is better."""

TASK_COSTS = frozenset({"peak_device_bytes", "peak_host_bytes", "seconds", "throughput"})
"""Metrics of a task cell that speak of its cost; of a probe all do."""

HIGHER = frozenset({"decode_tok_s", "prefill_tok_s"})
"""Metrics of speed where more is better."""


@final
@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One study, ready to be shown.

    Attributes:
        entries: one row per entry in the order of the leaderboard: settings, `mean`, `mean_stderr`, `mean_rank`.
        tasks: one row per task: `task, workload, kind, metric, unit, chance, higher, arrow, percent, shared, counted`;
            `arrow` is empty where it is not known which direction is better.
        scores: one row per entry and task: `value, lo, hi, stderr, n, status, error, cell`; the clean cells.
        speeds: one row per entry, probe and metric, of each probe its point in `shown`: median with its interval; and
            what tasks cost.
        efficiency: every probe at every point, A/A controls included, which are in no other frame.
        basis: how the entries are ordered, as a clause.
        notes: what a reader must know of cells that are not shown.
    """

    entries: pd.DataFrame
    tasks: pd.DataFrame
    scores: pd.DataFrame
    speeds: pd.DataFrame
    efficiency: Efficiency
    basis: str
    notes: tuple[str, ...] = ()


def compare(study: Study, *, baseline: str | None = None) -> Comparison:
    """The comparison that the current records of a study hold; empty frames where it holds none.

    Args:
        study: all its frames.
        baseline: entry or model that times are compared with; None for the fastest of each probe.
    """
    study = current(study)
    every = labelled(study.cells)
    # What one entry was asked under several adapters has no one place in a table; nor has what training took.
    cells = every[(every["kind"] != TRAINING) & ~every["aside"]]
    measured = efficiency.of(cells, study.measurements, baseline=baseline)
    clean = cells[(cells["perturbation"] == "none") & ~cells["control"].isin(set(cells["model"]))]
    keys = ["entry", "task", "kind", *AXES, "replicate"]
    newest = clean.sort_values(["started", "cell"]).drop_duplicates(keys, keep="last")
    newest = newest.sort_values(["entry", "task"])
    scores = _scores(newest[newest["kind"] == "task"], study.measurements)
    tasks = _tasks(scores)
    entries, basis = _ordered(_entries(newest), scores, tasks)
    notes = _notes(
        perturbed=int((cells["perturbation"] != "none").sum()),
        older=study.older + len(clean) - len(newest),
        aside=int(every["aside"].sum()),
    )
    return Comparison(
        entries=entries,
        tasks=tasks,
        scores=scores,
        speeds=_speeds(newest, study.measurements, measured),
        efficiency=measured,
        basis=basis,
        notes=tuple(filter(None, (*notes, ratios.statement(measured.floor)))),
    )


def corrected(value: float, chance: float) -> float:
    """Score with chance at 0 and perfection at 1.

    >>> corrected(0.75, 0.5)
    0.5
    """
    return (value - chance) / (1 - chance)


def _scores(cells: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    numbers = measurements[measurements["primary"]].drop_duplicates("cell")
    columns = ["cell", "metric", "unit", "value", "n", "stderr", "higher_is_better"]
    frame = cells.merge(numbers[columns], on="cell", how="left")
    frame["metric"] = frame["metric"].where(frame["metric"].notna(), frame["primary_metric"])
    ends = [_interval(*row) for row in frame[["metric", "value", "n", "stderr"]].itertuples(index=False, name=None)]
    frame["lo"] = [end.lo if end else np.nan for end in ends]
    frame["hi"] = [end.hi if end else np.nan for end in ends]
    # Where all answers are right, or none is, the standard error of a sample is 0; what Wilson's interval says is not.
    half = (frame["hi"] - frame["lo"]) / 2 / stats.z_value()
    frame["stderr"] = half.where(frame["metric"].isin(BINARY) | frame["stderr"].isna(), frame["stderr"])
    return frame


def _interval(metric: str, value: float, n: float, stderr: float) -> stats.Interval | None:
    """Wilson's interval for a rate of right answers, else the normal one; None without a standard error."""
    if not np.isfinite(value):
        return None
    right = value * n
    if metric in BINARY and n >= 1 and 0 <= value <= 1 and abs(right - round(right)) < 1e-6 * max(n, 1):
        return stats.wilson(round(right), int(n))
    return stats.normal(value, stderr) if np.isfinite(stderr) else None


def _tasks(scores: pd.DataFrame) -> pd.DataFrame:
    columns = ["task", "workload", "kind", "metric", "unit", "chance", "higher", "arrow", "percent", "shared",
               "counted"]  # fmt: skip
    measured = scores[scores["value"].notna()]
    runners = measured["entry"].nunique()
    rows = []
    for task, group in scores.groupby("task", sort=True):
        good = group[group["value"].notna()]
        base = good.iloc[0] if len(good) else group.iloc[0]
        direction = _direction(str(base["metric"]), base["higher_is_better"])
        higher, arrow = direction is not False, {True: "↑", False: "↓", None: ""}[direction]
        bounded = FRACTION.fullmatch(str(base["metric"])) and base["unit"] == "1" and good["value"].between(0, 1).all()
        percent = bool(higher and bounded and len(good))
        free = base["workload_kind"] in {"generation", "language_modelling"}
        chance = 0.0 if pd.isna(base["chance"]) and free and percent else base["chance"]
        shared = len(good) > 0 and good["entry"].nunique() == runners and good["metric"].nunique() == 1
        counted = bool(shared and percent and pd.notna(chance) and chance < 1)
        rows.append((task, base["workload"], base["workload_kind"], base["metric"], base["unit"], float(chance),
                     higher, arrow, percent, shared, counted))  # fmt: skip
    return pd.DataFrame(rows, columns=columns).astype(
        {"chance": "float64", "higher": "bool", "percent": "bool", "shared": "bool", "counted": "bool"}
    )


def _direction(metric: str, measured: object) -> bool | None:
    """Whether more is better: as it was measured, else by the metric's name; None where neither says so."""
    if pd.notna(measured):
        return bool(measured)
    if metric in FALLING:
        return False
    return True if metric in RISING or FRACTION.fullmatch(metric) else None


def _entries(cells: pd.DataFrame) -> pd.DataFrame:
    """One row per entry with its settings, taken from a cell that was measured where there is one."""
    first = cells.assign(bad=cells["status"] != "ok").sort_values(["entry", "bad", "kind", "task"])
    keep = ["entry", "model", "method", "family", "parameters", "dtype", "attention", "device", "device_name",
            "device_kind", "weights", "revision", "quantisation", "source", "model_class", "context"]  # fmt: skip
    entries = first.drop_duplicates("entry")[keep].reset_index(drop=True)
    entries["family"] = entries["family"].where(entries["family"].notna(), "other")
    return entries


def _ordered(entries: pd.DataFrame, scores: pd.DataFrame, tasks: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Entries with their means, best first, and the clause that says what the order rests on."""
    counted, shared = tasks[tasks["counted"]], tasks[tasks["shared"]]
    frame = entries.set_index("entry", drop=False)
    wide = scores.pivot(index="entry", columns="task", values="value").reindex(frame.index)
    errors = scores.pivot(index="entry", columns="task", values="stderr").reindex(frame.index)
    span = 1 - counted.set_index("task")["chance"]
    frame["mean"] = corrected(wide[counted["task"]], 1 - span).mean(axis=1, skipna=False) if len(span) else np.nan
    scaled = errors[counted["task"]] / span
    frame["mean_stderr"] = np.sqrt((scaled**2).sum(axis=1, skipna=False)) / len(span) if len(span) else np.nan
    signs = np.where(shared["higher"], -1.0, 1.0)
    ranks = (wide[shared["task"]] * signs).rank(axis=0)
    frame["mean_rank"] = ranks.mean(axis=1, skipna=False) if len(shared) else np.nan
    if len(counted):
        basis = f"mean chance-corrected score over the {_tasks_phrase(counted, len(tasks))}"
    elif len(shared):
        basis = f"mean rank over the {_tasks_phrase(shared, len(tasks))}"
    else:
        basis = "name, because no task was completed by every entry"
    frame = (
        frame.reset_index(drop=True)
        .sort_values("entry")
        .sort_values(["mean", "mean_rank"], ascending=[False, True], na_position="last", kind="stable")
    )
    return frame.reset_index(drop=True), basis


def _tasks_phrase(chosen: pd.DataFrame, total: int) -> str:
    names = wording.listing(list(chosen["task"]), most=12)
    if total == 1:
        return f"only task, {names}"
    number = "one" if len(chosen) == 1 else str(len(chosen))
    return f"{number} of {total} tasks that all entries share ({names})"


def _speeds(cells: pd.DataFrame, measurements: pd.DataFrame, measured: Efficiency) -> pd.DataFrame:
    """What probes measured at their shown points, and what tasks cost."""
    labels = cells.loc[cells["kind"] == "task", ["cell", "entry", "task", "kind", "status", "error"]]
    costs = measurements[(measurements["subset"] == "") & measurements["metric"].isin(TASK_COSTS)]
    found = labels.merge(costs[["cell", "metric", "value", "unit"]].rename(columns={"value": "median"}), on="cell")
    found = shown.with_peaks(found, ["cell"]).rename(columns={"median": "value"})
    found = found.assign(lo=np.nan, hi=np.nan, repeats=1, replicates=1, point="", points=1, noisy=False, why="")
    parts = [part for part in (found[list(shown.COLUMNS)], shown.speeds(measured.points)) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else found[list(shown.COLUMNS)]


def speed_of(comparison: Comparison, metric: str) -> pd.DataFrame:
    """One value per entry for the leaderboard: of the same probe for all, else the most that any task took."""
    chosen = comparison.speeds[comparison.speeds["metric"] == metric].sort_values(["entry", "task"])
    probe = probe_of(comparison, metric)
    if probe or metric != "peak_memory":
        return chosen[(chosen["kind"] == "probe") & (chosen["task"] == probe)].set_index("entry")
    return chosen.sort_values("value", ascending=False).drop_duplicates("entry").set_index("entry")


def probe_of(comparison: Comparison, metric: str) -> str:
    """The probe whose values of a metric the leaderboard shows: the one that most entries have; the first of several.

    Empty where no probe has the metric.
    """
    speeds = comparison.speeds
    number = speeds[(speeds["metric"] == metric) & (speeds["kind"] == "probe")].groupby("task")["entry"].nunique()
    return min((str(name) for name in number.index[number == number.max()]), key=_natural, default="")


def _natural(name: str) -> list[tuple[str, int]]:
    """Sorts `batch 4` before `batch 16`."""
    return [(word, int(digits or 0)) for word, digits in re.findall(r"(\D*)(\d*)", name)]


def _notes(*, perturbed: int, older: int, aside: int) -> tuple[str, ...]:
    notes = []
    if aside:
        notes.append(
            f"Cells under the adapters of other tasks: {aside}. They are under Fine-tuning, not in this table."
        )
    if perturbed:
        notes.append(f"Cells on varied or perturbed input: {perturbed}. They are under Robustness, not in this table.")
    if older:
        notes.append(f"Older records of cells that were measured again: {older}. They are not shown.")
    return tuple(notes)
