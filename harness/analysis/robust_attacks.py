"""Attacks -> frames: success beside random edits at the same budget, success against queries, transfer.

Layer: above `robust_join` and `robust_stats`, below `robustness`; pure. An attack's cell says itself which documents
were right before it (`clean_acc`) and after it (`acc`), both by the rule of the task's primary metric, so that nothing
is joined; success counts among those that were right before.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd

from harness.analysis import robust_stats as rs
from harness.analysis import stats
from harness.analysis.robust_drops import ALPHA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.robust_documents import Documents
    from harness.analysis.robust_join import Variation
    from harness.analysis.robust_stats import Floats, Ints

ATTACKS = (
    "entry", "model", "task", "metric", "variation", "severity", "search", "candidates", "replicates", "n", "clean",
    "under_attack", "under_attack_lo", "under_attack_hi", "attacked", "successes", "success_rate", "lo", "hi",
    "queries", "words_changed", "similarity", "control", "control_rate", "difference", "difference_lo",
    "difference_hi", "n_paired", "p", "p_holm", "separable",
)  # fmt: skip
"""Columns of attacks."""

CURVE = ("entry", "model", "task", "variation", "severity", "search", "candidates", "queries", "attacked", "broken",
         "success_rate", "lo", "hi")  # fmt: skip
"""Columns of an attack's curve."""

TRANSFER = ("entry", "model", "task", "attack", "victim", "n", "attacked", "successes", "success_rate", "lo", "hi",
            "clean", "acc")  # fmt: skip
"""Columns of transfer."""

RANDOM = "random"
"""The search that every other one is held against."""


@final
@dataclass(frozen=True, kw_only=True)
class Attack:
    """An attack's documents, averaged over its draws.

    Attributes:
        of: the variation.
        keys: number of each document.
        rows: where the documents stand, one column per draw.
        clean: right before, 0 or 1.
        after: right after.
        broken: share of draws that succeeded, 0 where it was not attacked.
    """

    of: Variation
    keys: Ints
    rows: Ints
    clean: Floats
    after: Floats
    broken: Floats

    @property
    def attacked(self) -> Ints:
        """Where the documents stand in the arrays that were right before."""
        return np.flatnonzero(self.clean == 1)


def attack(one: Variation, known: Documents) -> Attack | str:
    """The documents of an attack, or the reason why nothing can be said."""
    rows = known.shared(one.cells)
    if not len(rows):
        return "its documents were not kept or cannot be read"
    clean, success = known.of("clean_acc", rows), known.of("success", rows)
    after = known.of("acc", rows)
    good = ~(np.isnan(clean).any(axis=1) | np.isnan(after).any(axis=1))
    if not good.any():
        return "its documents do not say whether they were right before and after"
    return Attack(of=one, keys=known.keys[rows[good, 0]], rows=rows[good], clean=clean[good, 0],
                  after=after[good].mean(axis=1), broken=np.nan_to_num(success[good]).mean(axis=1))  # fmt: skip


def attacks(found: Sequence[Attack], known: Documents) -> pd.DataFrame:
    """One row per entry, task and attack: `ATTACKS`."""
    rows = [{**_row(one, known), **_beside(one, found)} for one in found]
    frame = pd.DataFrame(rows, columns=[*ATTACKS])
    tested = frame["p"].notna()
    for _, own in frame[tested].groupby(["entry", "task"], sort=False):
        frame.loc[own.index, "p_holm"] = stats.holm(list(own["p"]))
    excludes = (frame["difference_lo"] > 0) | (frame["difference_hi"] < 0)
    return frame.assign(separable=(frame["p_holm"] < ALPHA) & excludes)


def _named(one: Attack) -> dict[str, Any]:
    return {"entry": one.of.entry, "model": one.of.model, "task": one.of.task, "metric": one.of.metric,
            "variation": one.of.name, "severity": one.of.severity, "search": str(one.of.spec.get("search", "")),
            "candidates": str(one.of.spec.get("candidates", ""))}  # fmt: skip


def _row(one: Attack, known: Documents) -> dict[str, Any]:
    chosen = one.attacked
    broken, after = one.broken[chosen], rs.mean_interval(one.after)
    rate = rs.mean_interval(broken) if len(chosen) else rs.UNKNOWN
    rows = one.rows[chosen]
    won = known.of("success", rows) == 1
    return {
        **_named(one), "replicates": one.rows.shape[1], "n": len(one.keys), "clean": one.clean.mean(),
        "under_attack": one.after.mean(), "under_attack_lo": after.lo, "under_attack_hi": after.hi,
        "attacked": len(chosen), "successes": float(broken.sum()),
        "success_rate": float(broken.mean()) if len(chosen) else math.nan, "lo": rate.lo, "hi": rate.hi,
        "queries": _mean(known.of("queries", rows)), "words_changed": _mean(known.of("words_changed", rows)[won]),
        "similarity": _mean(known.of("similarity", rows)[won]),
    }  # fmt: skip


def _mean(values: Floats) -> float:
    held = values[~np.isnan(values)]
    return float(held.mean()) if held.size else math.nan


def _beside(one: Attack, found: Sequence[Attack]) -> dict[str, Any]:
    """The attack beside random edits at the same budget, on the documents that both attacked."""
    empty = {"control": "", "control_rate": math.nan, "difference": math.nan, "difference_lo": math.nan,
             "difference_hi": math.nan, "n_paired": 0, "p": math.nan, "p_holm": math.nan}  # fmt: skip
    control = _control(one, found)
    if control is None:
        return empty
    keys, own, other = np.intersect1d(one.keys[one.attacked], control.keys[control.attacked], return_indices=True)
    if not len(keys):
        return empty | {"control": control.of.name}
    mine, theirs = one.broken[one.attacked][own], control.broken[control.attacked][other]
    gain = rs.drop(mine, theirs)
    return {"control": control.of.name, "control_rate": float(theirs.mean()), "difference": gain.value,
            "difference_lo": gain.lo, "difference_hi": gain.hi, "n_paired": len(keys), "p": gain.p,
            "p_holm": math.nan}  # fmt: skip


def _control(one: Attack, found: Sequence[Attack]) -> Attack | None:
    """Random edits of the same sort, on the same task, with the same budget; of several those most like the attack."""
    if one.of.spec.get("search") == RANDOM:
        return None
    alike = [
        other for other in found
        if other.of.spec.get("search") == RANDOM and other.of.spec.get("candidates") == one.of.spec.get("candidates")
        and (other.of.entry, other.of.task, other.of.severity) == (one.of.entry, one.of.task, one.of.severity)
    ]  # fmt: skip
    return max(alike, key=lambda other: sum(other.of.spec.get(key) == value for key, value in one.of.spec.items()),
               default=None)  # fmt: skip


def curve(found: Sequence[Attack], known: Documents) -> pd.DataFrame:
    """Success against the queries spent on a document, one row per step: `CURVE`."""
    rows = []
    for one in found:
        own = one.rows[one.attacked].ravel()
        if not len(own):
            continue
        won = known.of("success", own) == 1
        when = known.of("success_queries", own)[won]
        spent = known.of("queries", own)
        steps = np.unique(np.concatenate([[0.0], when[~np.isnan(when)], [np.nanmax(spent, initial=0.0)]]))
        for step in steps:
            broken = int((when <= step).sum())
            ends = stats.wilson(broken, len(own))
            rows.append({**_named(one), "queries": int(step), "attacked": len(own), "broken": broken,
                         "success_rate": broken / len(own), "lo": ends.lo, "hi": ends.hi})  # fmt: skip
    return pd.DataFrame(rows, columns=[*CURVE])


def transfer(found: Sequence[Attack]) -> pd.DataFrame:
    """One row per target, task, attack and victim whose examples it was given: `TRANSFER`."""
    rows = []
    for one in found:
        broken = one.broken[one.attacked]
        ends = rs.mean_interval(broken) if len(broken) else rs.UNKNOWN
        rows.append({
            "entry": one.of.entry, "model": one.of.model, "task": one.of.task,
            "attack": str(one.of.spec.get("attack", "")), "victim": str(one.of.spec.get("victim", "")),
            "n": len(one.keys), "attacked": len(broken), "successes": float(broken.sum()),
            "success_rate": float(broken.mean()) if len(broken) else math.nan, "lo": ends.lo, "hi": ends.hi,
            "clean": one.clean.mean(), "acc": one.after.mean(),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=[*TRANSFER])
