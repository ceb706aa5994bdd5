"""Scores of trained models beside those of the model as it is, on the same documents: gains, and what was forgotten.

Layer: above `finetune_join` and `finetune_stats`, below `finetune`; pure.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd

from harness.analysis import finetune_stats as fs
from harness.analysis import robust_stats as rs
from harness.analysis import stats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.finetune_join import Evaluation
    from harness.analysis.robust_documents import Documents
    from harness.analysis.robust_drops import Scale
    from harness.analysis.robust_stats import Floats

ALPHA = 0.05
"""A difference is separable where the adjusted p-value is below this and its interval excludes 0."""

TEXT = "language_modelling"
"""Kind of the tasks on which forgetting is seen."""

WEIGHT = "bytes"
"""Metric that bits per byte are weighted by."""

GAINS = (
    "id", "entry", "how", "model", "method", "trained_on", "size", "n_train", "task", "workload", "kind", "metric",
    "shots", "own", "seeds", "n", "value", "value_lo", "value_hi", "seed_sd", "base", "base_lo", "base_hi", "gain",
    "gain_lo", "gain_hi", "gain_se", "p", "p_holm", "separable",
)  # fmt: skip
"""Columns of gains, and of forgetting."""

RIVALS = ("model", "trained_on", "size", "n_train", "task", "a", "b", "difference", "lo", "hi", "n", "seeds", "p",
          "p_holm", "separable")  # fmt: skip
"""Columns of recipes beside each other."""

ABSENT = ("entry", "how", "model", "trained_on", "n_train", "task", "reason")
"""Columns of what could not be compared."""


@final
@dataclass(frozen=True, kw_only=True)
class Scored:
    """An evaluation with its scores on the documents that all of its cells have.

    Attributes:
        of: the evaluation.
        keys: number of each document.
        after: `(documents, seeds)`; their plain mean is the score.
        before: of the model as it is, `(documents,)`; None where there is none to compare with.
        why: why there is none; else empty.
    """

    of: Evaluation
    keys: rs.Ints
    after: Floats
    before: Floats | None
    why: str = ""


def scored(one: Evaluation, known: Documents) -> Scored | str:
    """The evaluation with its documents, or the reason why nothing can be said of it."""
    if any(cell not in known.slices for cell in one.cells):
        return "its documents were not kept or cannot be read"
    base, why = _base(one, known)
    rows = known.shared([*one.cells, *base])
    if base and not len(rows):
        base, why = (), "it shares no document with the model as it is"
        rows = known.shared(list(one.cells))
    if not len(rows):
        return "its seeds share no document"
    values = known.of(one.metric, rows)
    good = ~np.isnan(values).any(axis=1)
    if not good.any():
        return f"{one.metric or 'its metric'} is not known for single documents"
    rows, values = rows[good], values[good]
    columns = [_even(values[:, place], _weights(one, known, rows[:, place])) for place in range(rows.shape[1])]
    after = np.column_stack(columns[: len(one.cells)])
    return Scored(of=one, keys=known.keys[rows[:, 0]], after=after, before=columns[-1] if base else None, why=why)


def _base(one: Evaluation, known: Documents) -> tuple[tuple[str, ...], str]:
    if not one.base:
        return (), "the model as it is has no result on it (method none)"
    if one.base not in known.slices:
        return (), "the documents of the model as it is were not kept or cannot be read"
    return (one.base,), ""


def _weights(one: Evaluation, known: Documents, rows: np.ndarray) -> Floats | None:
    weights = known.of(WEIGHT, rows) if one.metric == "bits_per_byte" else None
    return None if weights is None or np.isnan(weights).any() else weights


def _even(values: Floats, weights: Floats | None) -> Floats:
    return rs.per_document(values, weights)


def gains(found: Sequence[Scored], scales: Mapping[str, Scale]) -> pd.DataFrame:
    """One row per setting and task: score, score of the model as it is, gain; a gain is positive where it is better.

    One family of tests (Holm).
    """
    frame = pd.DataFrame([_gain(one, scales[one.of.task].sign) for one in found], columns=[*GAINS])
    return adjusted(frame, ends=("gain_lo", "gain_hi"))


def _gain(one: Scored, sign: float) -> dict[str, Any]:
    of = one.of
    own, gap = (fs.scores(one.after), None) if one.before is None else fs.beside(one.after, one.before, sign=sign)
    row = {name: getattr(of, name) for name in GAINS if hasattr(of, name) and name not in {"seeds", "base"}}
    row |= {"seeds": own.seeds, "n": own.n, "value": own.value, "value_lo": own.interval.lo,
            "value_hi": own.interval.hi, "seed_sd": own.seed_sd}  # fmt: skip
    if one.before is None or gap is None:
        return row | dict.fromkeys(("base", "base_lo", "base_hi", "gain", "gain_lo", "gain_hi", "gain_se", "p"),
                                   math.nan)  # fmt: skip
    before = rs.mean_interval(one.before)
    return row | {
        "base": float(one.before.mean()), "base_lo": before.lo, "base_hi": before.hi, "gain": gap.value,
        "gain_lo": gap.interval.lo, "gain_hi": gap.interval.hi, "gain_se": gap.stderr, "p": gap.p,
    }  # fmt: skip


def adjusted(frame: pd.DataFrame, *, ends: tuple[str, str]) -> pd.DataFrame:
    """The frame with `p_holm` and `separable`; rows without a p-value are no test."""
    known = frame["p"].notna()
    whole = pd.Series(np.nan, index=frame.index)
    whole[known] = stats.holm(list(frame.loc[known, "p"].astype(float)))
    excludes = (frame[ends[0]] > 0) | (frame[ends[1]] < 0)
    return frame.assign(p_holm=whole, separable=((whole < ALPHA) & excludes).astype(bool))


def rivals(found: Sequence[Scored], scales: Mapping[str, Scale]) -> pd.DataFrame:
    """Every pair of recipes of one model with as many examples of one task, on that task: `a - b`, better is positive.

    Seeds that both have are paired: they drew the same examples. Intervals over seeds are Student's. One family of
    tests (Holm).
    """
    groups: dict[tuple[Any, ...], list[Scored]] = {}
    for one in found:
        if one.of.own:
            groups.setdefault((one.of.model, one.of.trained_on, one.of.size, one.of.task), []).append(one)
    rows = [row for own in groups.values() for a, b in combinations(own, 2) if (row := _rival(a, b, scales))]
    return adjusted(pd.DataFrame(rows, columns=[*RIVALS]), ends=("lo", "hi"))


def _rival(a: Scored, b: Scored, scales: Mapping[str, Scale]) -> dict[str, Any] | None:
    sides = together(a, b)
    if sides is None or a.of.entry == b.of.entry:
        return None
    sign, of = scales[a.of.task].sign, a.of
    found = fs.gains(sign * sides[0], sign * sides[1])
    return {"model": of.model, "trained_on": of.trained_on, "size": of.size, "n_train": of.n_train, "task": of.task,
            "a": of.how, "b": b.of.how, "difference": found.value, "lo": found.interval.lo, "hi": found.interval.hi,
            "n": found.n, "seeds": found.seeds, "p": found.p}  # fmt: skip


def together(a: Scored, b: Scored) -> tuple[Floats, Floats] | None:
    """Both on the documents and seeds that they share; the first seed of each where they share none."""
    keys, left, right = np.intersect1d(a.keys, b.keys, return_indices=True)
    if not len(keys):
        return None
    seeds = [seed for seed in a.of.seeds if seed in b.of.seeds]
    ours = [a.of.seeds.index(seed) for seed in seeds] or [0]
    theirs = [b.of.seeds.index(seed) for seed in seeds] or [0]
    return a.after[left][:, ours], b.after[right][:, theirs]


def absent(found: Sequence[tuple[Evaluation, str]]) -> pd.DataFrame:
    """What could not be compared, with the reason."""
    rows = [(one.entry, one.how, one.model, one.trained_on, one.n_train, one.task, why) for one, why in found]
    return pd.DataFrame(rows, columns=[*ABSENT])
