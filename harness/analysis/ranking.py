"""Ranks over tasks as a second view: mean win rates with intervals, and Friedman's test from ten tasks on.

Layer: above `draws` and `ranks`. Ranks forget by how much a model leads, and change with who else takes part.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd

from harness.analysis import ranks, wording
from harness.analysis.sheet import Column, Table, Value, text
from harness.analysis.wording import percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from harness.analysis.derive import Comparison
    from harness.analysis.ranks import Ranks

COLUMNS = ("entry", "win_rate", "lo", "hi", "mean_rank")

LEAST = 3
"""Entries below which there is nothing to rank: two are compared by their difference."""


@final
@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Ranks of the entries that have a score on every shared task.

    Attributes:
        frame: one row per entry, best mean rank first: `COLUMNS`.
        tasks: the shared tasks.
        tested: Friedman's test, its models in the order of `frame`; None where it is not made.
        reason: why it is not made; empty where it is.
    """

    frame: pd.DataFrame
    tasks: tuple[str, ...]
    tested: Ranks | None
    reason: str


def of(comparison: Comparison, drawn: Mapping[str, NDArray[np.float64]]) -> Ranking | None:
    """Win rates and ranks; None with fewer than `LEAST` entries or two tasks that all of them share.

    Args:
        comparison: entries, tasks and scores.
        drawn: of `draws.drawn`.
    """
    shared = comparison.tasks[comparison.tasks["shared"]]
    names = [str(task) for task in shared["task"]]
    order = [str(entry) for entry in comparison.entries["entry"]]
    if len(names) < 2 or len(order) < LEAST:  # noqa: PLR2004 - a mean over one task is no mean
        return None
    known = comparison.scores[comparison.scores["value"].notna()].set_index(["task", "entry"])["value"]
    signs = np.where(shared["higher"], 1.0, -1.0)
    table = np.array([[known.get((task, entry), np.nan) for entry in order] for task in names])
    whole = np.flatnonzero(np.isfinite(table).all(axis=0))
    if len(whole) < LEAST:
        return None
    scores = table[:, whole] * signs[:, None]
    lo, hi = ranks.win_rate_intervals(
        scores, [sign * drawn[task][:, whole] for sign, task in zip(signs, names, strict=True)]
    )
    frame = pd.DataFrame({"entry": [order[i] for i in whole], "win_rate": ranks.win_rates(scores), "lo": lo, "hi": hi,
                          "mean_rank": ranks.mean_ranks(scores)})  # fmt: skip
    best = frame.sort_values(["mean_rank", "entry"], kind="stable").index
    tested, reason = _tested(scores[:, best])
    return Ranking(frame=frame.loc[best].reset_index(drop=True), tasks=tuple(names), tested=tested, reason=reason)


def _tested(scores: NDArray[np.float64]) -> tuple[Ranks | None, str]:
    try:
        return ranks.friedman(scores), ""
    except ValueError as error:
        return None, str(error)


def table(found: Ranking) -> Table:
    """Mean win rates with their intervals, and what may be said of ranks."""
    rows = tuple(
        (text(entry), Value(text=percent(rate), number=float(rate), lo=float(lo), hi=float(hi)),
         Value(text=f"{percent(lo)} to {percent(hi)}"), Value(text=f"{rank:.1f}", number=float(rank)))
        for entry, rate, lo, hi, rank in found.frame.itertuples(index=False, name=None)
    )  # fmt: skip
    columns = (Column(key="model", label="Model", numeric=False), Column(key="win_rate", label="Win rate", sub="%"),
               Column(key="interval", label="95 % interval"), Column(key="mean_rank", label="Mean rank"))  # fmt: skip
    meant = (
        f"Win rate: share of the other entries that an entry beats, ties half, averaged over {len(found.tasks)} tasks. "
        "It changes with who else takes part and forgets by how much one leads, so that nothing above rests on it. "
        "Intervals are conservative: wins and losses that are sure."
    )
    return Table(name="win-rates", title="Win rates and ranks, a second view", columns=columns, rows=rows,
                 notes=(meant, _told(found)))  # fmt: skip


def _told(found: Ranking) -> str:
    if found.tested is None:
        return f"{found.reason[:1].upper()}{found.reason[1:]}."
    one = found.tested
    return (
        f"Friedman's test over {one.tasks} tasks: chi-square {one.statistic:.1f}, p {wording.p_value(one.p)}; mean "
        f"ranks that differ by less than {one.critical:.2f} cannot be told apart (Nemenyi, 5 %)."
    )
