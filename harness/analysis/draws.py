"""Scores as they might have come out: every task resampled on the items that its entries share.

Layer: above `answers` and `bootstrap`, below `costs` and `ranking`.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false, reportOperatorIssue=false
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.analysis import answers, bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from harness.analysis.answers import Answers
    from harness.analysis.derive import Comparison

    Floats = NDArray[np.float64]

Draws = dict[str, "Floats"]
"""By task, scores `(draws, entries)` in the order of the leaderboard; a gap where an entry has none."""


def drawn(comparison: Comparison, held: Answers, *, draws: int = bootstrap.JOINT) -> Draws:
    """Every task's scores, jointly resampled: entries that hold the same items share their draws and stay paired.

    An entry whose items are not known, or whose scores are all equal, varies by its standard error alone: of equal
    scores a resample would say that they are certain.

    Args:
        comparison: the entries and their scores.
        held: what each holds of each task.
        draws: resamples.
    """
    order = [str(entry) for entry in comparison.entries["entry"]]
    known = comparison.scores[comparison.scores["value"].notna()].set_index("entry")
    found: Draws = {}
    for number, task in enumerate(comparison.tasks["task"]):
        rows = known.loc[known["task"] == task, ["value", "stderr"]].reindex(order)
        noise = np.random.default_rng((number, 1)).standard_normal((draws, len(order)))
        values = rows["value"].to_numpy(dtype=float)
        found[str(task)] = values + np.nan_to_num(rows["stderr"].to_numpy(dtype=float)) * noise
        own = held.get(str(task), {})
        for place, (names, scores) in enumerate(answers.matrix(own).items()):
            varied = np.flatnonzero(np.ptp(scores, axis=0) > 0)
            if varied.size:
                chosen, columns = scores[:, varied], [order.index(names[index]) for index in varied]
                means_drawn = bootstrap.joint(chosen, clusters=own[names[0]].clusters, draws=draws,
                                              seed=100 * number + place)  # fmt: skip
                # Moved to the score itself, which is not the mean over items for every metric.
                found[str(task)][:, columns] = means_drawn + (values[columns] - chosen.mean(axis=0))
    return found


def means(comparison: Comparison, found: Mapping[str, Floats]) -> Floats:
    """The mean over the tasks that count, corrected for chance, of every draw: `(draws, entries)`.

    Raises:
        ValueError: no task counts.
    """
    counted = comparison.tasks[comparison.tasks["counted"]]
    if not len(counted):
        raise ValueError("no task was completed by every entry: there is no mean to draw")
    chances = counted[["task", "chance"]].itertuples(index=False, name=None)
    return np.mean([(found[str(task)] - chance) / (1 - chance) for task, chance in chances], axis=0)
