"""Variants of the prompt -> frames: spread beside what chance alone gives, points, positions of options.

Layer: above `robust_join` and `robust_stats`, below `robustness`; pure. The clean prompt counts as one of the variants.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.analysis import robust_stats as rs
from harness.analysis import stats
from harness.analysis.robust_drops import ALPHA, clean_of, labels
from harness.analysis.robust_join import by_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.robust_documents import Documents
    from harness.analysis.robust_join import Paired
    from harness.analysis.robust_stats import Floats

PROMPTS = (
    "entry", "model", "task", "metric", "variation", "variants", "n", "clean", "mean", "min", "max", "median", "q05",
    "q95", "sd", "spread", "spread_lo", "spread_hi", "spread_noise", "spread_noise_hi", "p", "p_holm", "separable",
    "consistency", "recall_sd",
)  # fmt: skip
"""Columns of prompts."""

POINTS = ("entry", "model", "task", "metric", "variation", "replicate", "clean", "label", "n", "value", "lo", "hi")
"""Columns of prompt points."""

POSITIONS = ("entry", "model", "task", "position", "n", "recall", "lo", "hi", "chosen")
"""Columns of positions."""

ORDER = "option_order"
"""The kind of variant that moves options."""


def prompts(found: Sequence[Paired], known: Documents, seen: pd.DataFrame) -> pd.DataFrame:
    """One row per entry, task and kind of variant: `PROMPTS`.

    Args:
        found: the prompt variants beside their clean cells.
        known: for the predictions.
        seen: positions, as `positions` makes them.
    """
    parts = []
    for _, members in by_task(found):
        rows = [_row(one, known, seen) for one in members]
        for row, adjusted in zip(rows, stats.holm([row["p"] for row in rows]), strict=True):
            row |= {"p_holm": adjusted, "separable": adjusted < ALPHA}
        parts += rows
    return pd.DataFrame(parts, columns=[*PROMPTS]).astype({"separable": bool})


def _scores(one: Paired) -> Floats:
    """Scores of the clean prompt and of each variant, whose plain means are the task's scores."""
    weights = one.weights
    columns = [rs.per_document(column, None if weights is None else weights[:, index + 1])
               for index, column in enumerate(one.varied.T)]  # fmt: skip
    return np.column_stack([clean_of(one), *columns])


def _row(one: Paired, known: Documents, seen: pd.DataFrame) -> dict[str, Any]:
    scores = _scores(one)
    means = scores.mean(axis=0)
    spread, ends = float(np.ptp(means)), rs.ends(np.ptp(rs.resampled(scores), axis=1))
    equal = rs.equal_spreads(scores)
    answers = known.answers[one.rows]
    low, middle, high = np.quantile(means, (0.05, 0.5, 0.95))
    recalls = seen[(seen["entry"] == one.of.entry) & (seen["task"] == one.of.task)]["recall"]
    return {
        **labels(one), "variants": len(means), "n": len(scores), "clean": means[0], "mean": means.mean(),
        "min": means.min(), "max": means.max(), "median": middle, "q05": low, "q95": high, "sd": means.std(ddof=1),
        "spread": spread, "spread_lo": ends.lo, "spread_hi": ends.hi, "spread_noise": equal.mean(),
        "spread_noise_hi": np.quantile(equal, 0.95), "p": _share_above(equal, spread),
        "consistency": rs.consistency(answers) if (answers >= 0).any() else math.nan,
        "recall_sd": recalls.std(ddof=0) if one.of.name == ORDER and len(recalls) > 1 else math.nan,
    }  # fmt: skip


def _share_above(equal: Floats, spread: float) -> float:
    """p-value of a permutation test, the observed order counted as one of the permutations."""
    return float(((equal >= spread - 1e-12).sum() + 1) / (len(equal) + 1))


def points(found: Sequence[Paired]) -> pd.DataFrame:
    """One row per variant, the clean prompt included: `POINTS`."""
    rows = []
    for one in found:
        names = [(-1, ""), *zip(one.of.replicates, one.of.labels, strict=True)]
        for (replicate, label), values in zip(names, _scores(one).T, strict=True):
            ends = rs.mean_interval(values)
            rows.append({**labels(one), "replicate": replicate, "clean": replicate < 0, "label": label,
                         "n": len(values), "value": values.mean(), "lo": ends.lo, "hi": ends.hi})  # fmt: skip
    return pd.DataFrame(rows, columns=[*POINTS]).astype({"clean": bool})


def positions(found: Sequence[Paired], known: Documents) -> pd.DataFrame:
    """Of option orders the recall of the right option by the position where it was shown: `POSITIONS`.

    Source:
        Zheng et al. (2024), ICLR, arXiv 2309.03882: standard deviation of recalls over positions.
    """
    rows = []
    for one in found:
        if one.of.name != ORDER:
            continue
        gold, pred = _shown(one, known)
        for position in sorted({int(place) for place in gold[gold >= 0]}):
            here = pred[gold == position]
            ends = stats.wilson(int((here == position).sum()), len(here))
            rows.append({**labels(one), "position": position, "n": len(here), "recall": (here == position).mean(),
                         "lo": ends.lo, "hi": ends.hi, "chosen": (pred == position).mean()})  # fmt: skip
    return pd.DataFrame(rows, columns=[*POSITIONS])


def _shown(one: Paired, known: Documents) -> tuple[Floats, Floats]:
    """Positions of the right and of the predicted option, of every trial where both are known, the clean one too."""
    varied = one.rows[:, 1:].ravel()
    gold, pred = known.of("gold_position", varied), known.of("pred_position", varied)
    clean = known.table.take(one.rows[:, 0]).select(["gold", "pred", "options"]).to_pylist()
    places = [[_place(row["options"], row[name]) for row in clean] for name in ("gold", "pred")]
    gold, pred = (np.concatenate([found, own]) for found, own in zip((gold, pred), places, strict=True))
    good = ~(np.isnan(gold) | np.isnan(pred))
    return gold[good], pred[good]


def _place(options: Sequence[str], answer: str) -> float:
    """Where the answer stands among the options; NaN where it does not, or twice."""
    found = [index for index, option in enumerate(options or ()) if option.strip() == answer.strip()]
    return float(found[0]) if len(found) == 1 else math.nan
