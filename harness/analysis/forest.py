"""Every entry beside one: paired differences from a baseline, task by task and on the mean, as one family of tests.

Layer: above `comparisons`; frames only, `figures_forest` draws them. A baseline that the reader named makes a family of
its own, smaller than that of all pairs. One that these data chose does not: who is compared with the best of many was
compared with all of them, so there the verdicts of all pairs stand.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PD008 - one value of a frame
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import pandas as pd

from harness.analysis import equivalence
from harness.analysis.comparisons import FAMILY, MEAN, MEANS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.analysis.comparisons import Judged
    from harness.analysis.derive import Comparison
    from harness.analysis.equivalence import Verdict

COLUMNS = (
    "entry", "baseline", "task", "diff", "ci_lo", "ci_hi", "n", "p_holm", "p_tost_holm", "mde80", "required_n",
    "verdict", "percent", "unit", "method",
)  # fmt: skip
"""Columns of the frame; the task `MEAN` is the mean over tasks, corrected for chance."""


@final
@dataclass(frozen=True, kw_only=True)
class Forest:
    """Differences from one entry.

    Attributes:
        baseline: that entry.
        named: whether the reader named it; else it is the first of the leaderboard.
        family: what was adjusted together, in words.
        tests: how many that were: on tasks, on the mean.
        verdicts: of every other entry beside the baseline, on the mean first, then on every task.
        frame: the same as `COLUMNS`.
        margin: what counts as equivalent.
    """

    baseline: str
    named: bool
    family: str
    tests: tuple[int, int]
    verdicts: tuple[Verdict, ...]
    frame: pd.DataFrame
    margin: float


def of(judged: Judged, comparison: Comparison, *, baseline: str | None = None) -> Forest | None:
    """The differences from a baseline; None where no pair with it could be compared.

    Args:
        judged: every pair.
        comparison: who is compared on what.
        baseline: entry or model; None, or one that is not in the study, for the first of the leaderboard.
    """
    entries = comparison.entries
    if not len(entries):
        return None
    wanted = named(comparison, baseline)
    chosen = wanted or str(entries["entry"].iloc[0])
    means = [equivalence.seen_from(chosen, v) for v in judged.mean_verdicts if chosen in (v.claim.a, v.claim.b)]
    tasks = [equivalence.seen_from(chosen, v) for v in judged.verdicts if chosen in (v.claim.a, v.claim.b)]
    family = f"{FAMILY}; {MEANS}"
    if wanted:
        family = f"each entry beside {wanted}"
        means, tasks = (_again(own, f"{family}, {where}", judged.margin)
                        for own, where in ((means, "on the mean"), (tasks, "on tasks")))  # fmt: skip
    if not means and not tasks:
        return None
    tests = (tasks[0].tests if tasks else 0, means[0].tests if means else 0)
    verdicts = (*means, *tasks)
    return Forest(baseline=chosen, named=bool(wanted), family=family, tests=tests, verdicts=verdicts,
                  frame=_framed(verdicts, comparison), margin=judged.margin)  # fmt: skip


def named(comparison: Comparison, baseline: str | None) -> str:
    """The entry that goes by this name, or whose model does; empty where there is none."""
    entries = comparison.entries
    found = entries.loc[(entries["entry"] == baseline) | (entries["model"] == baseline), "entry"]
    return str(found.iloc[0]) if baseline is not None and len(found) else ""


def _again(verdicts: Iterable[Verdict], family: str, margin: float) -> list[Verdict]:
    return equivalence.judge([verdict.claim for verdict in verdicts], family=family, margin=margin)


def _framed(verdicts: Iterable[Verdict], comparison: Comparison) -> pd.DataFrame:
    """Rows by task, then by leaderboard; differences in the unit of their metric."""
    tasks = comparison.tasks.set_index("task")
    rank = {entry: place for place, entry in enumerate(comparison.entries["entry"])}
    rows = []
    for verdict in verdicts:
        claim, found = verdict.claim, verdict.claim.difference
        whole = claim.about == MEAN and MEAN not in tasks.index
        percent = whole or bool(tasks.at[claim.about, "percent"])
        unit = "" if whole else str(tasks.at[claim.about, "unit"])
        rows.append((claim.a, claim.b, claim.about, found.value, found.interval.lo, found.interval.hi, found.n,
                     verdict.p_holm, verdict.p_equivalence_holm, found.detectable, verdict.required,
                     str(verdict.word), percent, unit, found.method))  # fmt: skip
    frame = pd.DataFrame(rows, columns=[*COLUMNS])
    places = {task: place for place, task in enumerate([MEAN, *comparison.tasks["task"]])}
    order = frame.assign(task_rank=frame["task"].map(places), rank=frame["entry"].map(rank))
    return frame.loc[order.sort_values(["task_rank", "rank"], kind="stable").index].reset_index(drop=True)
