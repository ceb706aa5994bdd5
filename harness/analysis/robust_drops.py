"""Text perturbations -> frames: drops, severity curves, worst cases.

Layer: above `robust_join` and `robust_stats`, below `robustness`; pure.
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
from harness.analysis.robust_join import TEXT, by_task, common

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.robust_documents import Documents
    from harness.analysis.robust_join import Paired
    from harness.analysis.robust_stats import Floats

ALPHA = 0.05
"""A drop is separable where the adjusted p-value is below this and its interval excludes 0."""

ALL_STRICT = "all strict"
"""In curves the mean over the strict perturbations."""

DROPS = (
    "entry", "model", "task", "metric", "variation", "group", "severity", "replicates", "n", "clean", "perturbed",
    "drop", "drop_lo", "drop_hi", "p", "p_holm", "separable", "pdr", "pdr_lo", "pdr_hi", "pdr_chance", "pdr_chance_lo",
    "pdr_chance_hi", "pdr_chance_why", "chance", "binary", "trials", "right_to_wrong", "wrong_to_right", "flips",
    "consistency", "js", "changed_only_drop", "changed", "applicable", "truncated", "truncated_clean",
    "token_inflation",
)  # fmt: skip
"""Columns of drops."""

CURVES = (
    "entry", "model", "task", "metric", "variation", "group", "pooled", "severity", "n", "value", "lo", "hi", "drop",
    "drop_lo", "drop_hi", "area", "area_lo", "area_hi",
)  # fmt: skip
"""Columns of curves."""

WORST = (
    "entry", "model", "task", "metric", "n", "clean", "clean_lo", "clean_hi", "worst", "worst_lo", "worst_hi", "ratio",
    "ratio_lo", "ratio_hi", "worst_soft", "worst_soft_lo", "worst_soft_hi", "worst_fairness", "worst_fairness_lo",
    "worst_fairness_hi", "cells", "cells_soft", "cells_fairness", "missing",
)  # fmt: skip
"""Columns of worst cases."""


@final
@dataclass(frozen=True, kw_only=True)
class Scale:
    """How the scores of a task are read.

    Attributes:
        higher: whether more is better.
        chance: score of guessing; NaN where none is known.
    """

    higher: bool
    chance: float

    @property
    def sign(self) -> float:
        """What a loss is multiplied by, so that it is positive."""
        return 1.0 if self.higher else -1.0


def labels(one: Paired) -> dict[str, Any]:
    """The columns that say whose row it is."""
    return {"entry": one.of.entry, "model": one.of.model, "task": one.of.task, "metric": one.of.metric,
            "variation": one.of.name}  # fmt: skip


def drops(found: Sequence[Paired], scales: Mapping[str, Scale], known: Documents) -> pd.DataFrame:
    """One row per entry, task, perturbation and severity: `DROPS`."""
    parts = []
    for (_, task), members in by_task(found):
        rows = [_drop(one, scales[task], known) for one in members]
        for row, adjusted in zip(rows, stats.holm([row["p"] for row in rows]), strict=True):
            excludes = row["drop_lo"] > 0 or row["drop_hi"] < 0
            row |= {"p_holm": adjusted, "separable": bool(adjusted < ALPHA and excludes)}
        parts += [row | rates for row, rates in zip(rows, _rates(members, scales[task]), strict=True)]
    return pd.DataFrame(parts, columns=[*DROPS]).astype({"separable": bool, "binary": bool})


def clean_of(one: Paired) -> Floats:
    """Clean scores whose plain mean is the task's score."""
    return rs.per_document(one.clean, None if one.weights is None else one.weights[:, 0])


def varied_of(one: Paired) -> Floats:
    """Varied scores, averaged over the draws, whose plain mean is the task's score."""
    columns = [
        rs.per_document(column, None if one.weights is None else one.weights[:, index + 1])
        for index, column in enumerate(one.varied.T)
    ]
    return columns[0] if len(columns) == 1 else np.mean(columns, axis=0)


def _drop(one: Paired, scale: Scale, known: Documents) -> dict[str, Any]:
    clean, varied = clean_of(one), varied_of(one)
    lost = rs.drop(scale.sign * clean, scale.sign * varied)
    right = rs.binary(one.clean) and rs.binary(one.varied)
    before, after = one.clean[:, None], one.varied
    return {
        **labels(one), "group": one.of.group, "severity": one.of.severity, "replicates": after.shape[1],
        "n": len(clean), "clean": clean.mean(), "perturbed": varied.mean(), "drop": lost.value, "drop_lo": lost.lo,
        "drop_hi": lost.hi, "p": lost.p, "chance": scale.chance, "binary": right, "trials": after.size,
        "right_to_wrong": int((before > after).sum()) if right else 0,
        "wrong_to_right": int((before < after).sum()) if right else 0,
        **_answers(one, known), **_texts(one, scale, known),
    }  # fmt: skip


def _answers(one: Paired, known: Documents) -> dict[str, float]:
    """How the predictions moved."""
    answers = known.answers[one.rows]
    flips = float((answers[:, 1:] != answers[:, :1]).mean()) if (answers >= 0).any() else math.nan
    before, options = known.probabilities(one.rows[:, 0])
    shifts = []
    for rows in one.rows[:, 1:].T:
        after, offered = known.probabilities(rows)
        alike = (options == offered) & (options > 1)
        if alike.any():
            width = min(before.shape[1], after.shape[1])
            shifts.append(rs.shift(before[alike, :width], after[alike, :width]))
    js = float(np.concatenate(shifts).mean()) if shifts else math.nan
    return {"flips": flips, "consistency": 1 - flips, "js": js}


def _texts(one: Paired, scale: Scale, known: Documents) -> dict[str, float]:
    """What became of the texts: shares over all trials, growth in tokens, and the drop where a text changed."""
    varied = one.rows[:, 1:]
    changed = known.of("changed", varied)
    lost = scale.sign * (one.clean[:, None] - one.varied)
    moved = changed == 1
    after, before = known.of("query_tokens", varied), known.of("clean_query_tokens", varied)
    sizes = ~(np.isnan(after) | np.isnan(before))
    total = float(before[sizes].sum())
    return {
        "changed_only_drop": float(lost[moved].mean()) if moved.any() else math.nan, "changed": _share(changed),
        "applicable": _share(known.of("applicable", varied)), "truncated": _share(known.of("truncated", varied)),
        "truncated_clean": _share(known.of("truncated", one.rows[:, 0])),
        "token_inflation": float(after[sizes].sum()) / total if total else math.nan,
    }  # fmt: skip


def _share(values: Floats) -> float:
    held = values[~np.isnan(values)]
    return float(held.mean()) if held.size else math.nan


def _rates(members: Sequence[Paired], scale: Scale) -> list[dict[str, Any]]:
    """Performance drop rates with their intervals; perturbations on the same documents share their resamples."""
    found: list[dict[str, Any]] = [{} for _ in members]
    for own in _alike(members):
        columns = np.column_stack([clean_of(members[own[0]]), *(varied_of(members[index]) for index in own)])
        means, draws = columns.mean(axis=0), rs.resampled(columns)
        why = _suppressed(members[own[0]].clean, scale)
        for place, index in enumerate(own, start=1):
            rate = rs.drop_rate(means[0], means[place], higher=scale.higher)
            ends = rs.ends(rs.drop_rate(draws[:, 0], draws[:, place], higher=scale.higher))
            found[index] = {"pdr": float(rate), "pdr_lo": ends.lo, "pdr_hi": ends.hi, "pdr_chance_why": why}
            if not why:
                above = rs.drop_rate(means[0] - scale.chance, means[place] - scale.chance, higher=True)
                ends = rs.ends(rs.drop_rate(draws[:, 0] - scale.chance, draws[:, place] - scale.chance, higher=True))
                found[index] |= {"pdr_chance": float(above), "pdr_chance_lo": ends.lo, "pdr_chance_hi": ends.hi}
    return found


def _suppressed(clean: Floats, scale: Scale) -> str:
    """Why there is no chance-corrected rate; empty where there is one."""
    if not scale.higher or math.isnan(scale.chance):
        return "no chance level is known"
    low = rs.mean_interval(clean).lo
    return "" if low > scale.chance else "clean accuracy is not above chance"


def _alike(members: Sequence[Paired]) -> list[list[int]]:
    """Numbers of those on the same documents of the same clean cell."""
    groups: dict[tuple[str, bytes], list[int]] = {}
    for index, one in enumerate(members):
        groups.setdefault((one.of.clean, one.keys.tobytes()), []).append(index)
    return list(groups.values())


def curves(found: Sequence[Paired], scales: Mapping[str, Scale]) -> pd.DataFrame:
    """One row per point of a severity curve, clean input included: `CURVES`.

    All curves of an entry on a task are of the documents that all their cells have.
    """
    rows: list[dict[str, Any]] = []
    for (_, task), members in by_task([one for one in found if one.of.severity > 0]):
        keys = common(members)
        if not len(keys):
            continue
        own = [one.at(keys) for one in members]
        columns = np.column_stack([clean_of(own[0]), *(varied_of(one) for one in own)])
        draws = rs.resampled(columns)
        for levels, fixed in _lines(own):
            places = [[0], *(level for _, level in levels)]
            scores, resampled = ([np.mean(table[:, place], axis=1) for place in places] for table in (columns, draws))
            severities = [0.0, *(severity for severity, _ in levels)]
            area = float(rs.area(severities, np.mean(scores, axis=1)))
            ends = rs.ends(rs.area(severities, np.column_stack(resampled)))
            fixed |= {"n": len(keys), "area": area, "area_lo": ends.lo, "area_hi": ends.hi}
            rows += [fixed | point for point in _points(severities, scores, scales[task])]
    return pd.DataFrame(rows, columns=[*CURVES]).astype({"pooled": bool})


Levels = list[tuple[float, list[int]]]


def _lines(own: Sequence[Paired]) -> list[tuple[Levels, dict[str, Any]]]:
    """Each curve: its severities with the columns that are averaged there, and the labels of its rows.

    The last one is of all strict perturbations that were measured at every severity.
    """
    lines: dict[str, list[int]] = {}
    for index, one in enumerate(own):
        lines.setdefault(one.of.name, []).append(index)
    made: list[tuple[Levels, dict[str, Any]]] = []
    for members in lines.values():
        rising = sorted(members, key=lambda index: own[index].of.severity)
        first = own[rising[0]]
        made.append(([(own[index].of.severity, [index + 1]) for index in rising],
                     {**labels(first), "group": first.of.group, "pooled": False}))  # fmt: skip
    strict = [levels for levels, fixed in made if fixed["group"] == TEXT[0]]
    grid = sorted({severity for levels in strict for severity, _ in levels})
    whole = [[place for _, place in levels] for levels in strict if [severity for severity, _ in levels] == grid]
    if whole:
        pooled = [(severity, [place[step][0] for place in whole]) for step, severity in enumerate(grid)]
        made.append((pooled, {**labels(own[0]), "variation": ALL_STRICT, "group": TEXT[0], "pooled": True}))
    return made


def _points(severities: Sequence[float], scores: Sequence[Floats], scale: Scale) -> list[dict[str, Any]]:
    """Score and drop at each severity, with their intervals."""
    rows = []
    for severity, values in zip(severities, scores, strict=True):
        interval, lost = rs.mean_interval(values), rs.drop(scale.sign * scores[0], scale.sign * values)
        lo, hi = (lost.lo, lost.hi) if severity else (0.0, 0.0)
        rows.append({"severity": severity, "value": values.mean(), "lo": interval.lo, "hi": interval.hi,
                     "drop": lost.value, "drop_lo": lo, "drop_hi": hi})  # fmt: skip
    return rows


def worst(found: Sequence[Paired], scales: Mapping[str, Scale]) -> pd.DataFrame:
    """One row per entry and task: the worst case over the cells of each group: `WORST`."""
    rows, strict = [], {}
    for (entry, task), members in by_task(found):
        groups = {name: [one for one in members if one.of.group == name] for name in TEXT}
        row = {**labels(members[0]), **_case(groups[TEXT[0]] or members, scales[task])}
        if not groups[TEXT[0]]:
            row |= dict.fromkeys(("worst", "worst_lo", "worst_hi", "ratio", "ratio_lo", "ratio_hi"), math.nan)
        for name in TEXT[1:]:
            own = _case(groups[name], scales[task]) if groups[name] else {}
            row |= {f"worst_{name}{end}": own.get(f"worst{end}", math.nan) for end in ("", "_lo", "_hi")}
            row[f"cells_{name}"] = sum(len(one.of.cells) for one in groups[name])
        row["cells"] = sum(len(one.of.cells) for one in groups[TEXT[0]])
        strict[entry, task] = {(one.of.name, one.of.severity) for one in groups[TEXT[0]]}
        rows.append(row)
    for row in rows:
        others = set().union(*(cells for (_, task), cells in strict.items() if task == row["task"]))
        row["missing"] = len(others - strict[row["entry"], row["task"]])
    return pd.DataFrame(rows, columns=[*WORST])


def _case(members: Sequence[Paired], scale: Scale) -> dict[str, Any]:
    """Clean score, worst case and their ratio on the documents that all members have."""
    keys = common(members)
    if not len(keys):
        return {"n": 0}
    own = [one.at(keys) for one in members]
    weights = None if own[0].weights is None else own[0].weights[:, 0]
    least = rs.worst(own[0].clean, np.column_stack([one.varied for one in own]), higher=scale.higher)
    columns = np.column_stack([clean_of(own[0]), rs.per_document(least, weights)])
    before, after = (rs.mean_interval(column) for column in columns.T)
    (clean, value), draws = columns.mean(axis=0), rs.resampled(columns)
    ratio, ends = 1 - rs.drop_rate(clean, value, higher=True), rs.ends(
        1 - rs.drop_rate(draws[:, 0], draws[:, 1], higher=True))  # fmt: skip
    return {"n": len(keys), "clean": clean, "clean_lo": before.lo, "clean_hi": before.hi, "worst": value,
            "worst_lo": after.lo, "worst_hi": after.hi, "ratio": float(ratio), "ratio_lo": ends.lo,
            "ratio_hi": ends.hi}  # fmt: skip
