"""Every pair of entries on every task: paired where it may be, judged as one family, refused with the reason elsewhere.

Layer: above `derive`, `pairing` and `equivalence`. The frame is the table `comparisons` of the tidy data.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd

from harness.analysis import equivalence, pairing
from harness.analysis.difference import difference
from harness.analysis.equivalence import Claim, Verdict
from harness.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from harness.analysis.derive import Comparison
    from harness.analysis.frame import Study

FAMILY = "all pairs on all tasks"
"""What is adjusted together."""

COLUMNS = (
    "a", "b", "task", "metric", "diff", "se", "ci_lo", "ci_hi", "rho", "n", "n_clusters", "only_a", "only_b", "p_raw",
    "p_holm", "p_tost", "p_tost_holm", "family", "tests", "mde80", "required_n", "margin", "verdict", "negligible",
    "method",
)  # fmt: skip
"""Columns of the frame."""


@final
@dataclass(frozen=True, kw_only=True)
class Judged:
    """What the comparison of every two entries says.

    Attributes:
        verdicts: one per pair and task that could be paired, in the order of the leaderboard.
        frame: the same as `COLUMNS`.
        refused: one row per pair and task that could not: `a, b, task, reason`.
    """

    verdicts: tuple[Verdict, ...]
    frame: pd.DataFrame
    refused: pd.DataFrame


@final
@dataclass(frozen=True, kw_only=True)
class _Held:
    """What one entry holds of one task."""

    terms: pairing.Terms
    keys: NDArray[np.str_]
    scores: NDArray[np.float64]
    clusters: NDArray[np.str_] | None


def judged(
    study: Study, comparison: Comparison, documents: pa.Table, *,
    margin: float = equivalence.MARGIN, clusters: str = "",
) -> Judged:  # fmt: skip
    """Judges every pair of entries on every task.

    Args:
        study: for the terms on which each cell was measured.
        comparison: who is compared on what.
        documents: of the same study; their texts are not needed.
        margin: difference that does not matter, in the unit of each metric.
        clusters: column of `documents` with the cluster of each; empty for independent documents.

    Raises:
        ValueError: `clusters` is no column of the documents.

    Source:
        Miller (2024), arXiv 2411.00640; `difference`, `equivalence` and `pairing` name the rest.
    """
    if clusters and clusters not in documents.column_names:
        raise ValueError(f"clusters={clusters!r} is no column of the documents")
    kept = [n for n in documents.column_names if n.startswith("metric:")]
    columns = [*{"cell", "item_id", "subset", "prompt_hash", clusters} & set(documents.column_names), *kept]
    by_cell = dict(list(documents.select(columns).to_pandas().groupby("cell", sort=False)))
    claims: list[Claim] = []
    metrics: list[str] = []
    refused: list[tuple[str, str, str, str]] = []
    for task in comparison.tasks.itertuples(index=False):
        held = _held(study, comparison, by_cell, task=str(task.task), clusters=clusters)
        sign = 1.0 if task.higher else -1.0
        for a, b in itertools.combinations([e for e in comparison.entries["entry"] if e in held], 2):
            why = _refusals(held[a], held[b])
            if why:
                refused.append((a, b, str(task.task), "; ".join(why)))
                continue
            claims.append(_claim((a, b, str(task.task)), held[a], held[b], sign=sign))
            metrics.append(str(task.metric))
    verdicts = equivalence.judge(claims, family=FAMILY, margin=margin)
    rows = [_row(verdict, metric) for verdict, metric in zip(verdicts, metrics, strict=True)]
    return Judged(
        verdicts=tuple(verdicts),
        frame=pd.DataFrame(rows, columns=list(COLUMNS)),
        refused=pd.DataFrame(refused, columns=["a", "b", "task", "reason"]),
    )


def _held(
    study: Study, comparison: Comparison, by_cell: Mapping[str, pd.DataFrame], *, task: str, clusters: str
) -> dict[str, _Held]:
    """What every entry that has a score of a task holds of it."""
    chosen = comparison.scores[(comparison.scores["task"] == task) & comparison.scores["value"].notna()]
    files = dict(zip(study.cells["cell"], zip(study.cells["study"], study.cells["file"], strict=True), strict=True))
    folders = {folder.name: folder for folder in study.folders}
    found = {}
    for row in chosen.itertuples(index=False):
        where, file = files[row.cell]
        record = Record.from_json((folders[where] / file).read_text(encoding="utf-8"))
        own = by_cell.get(row.cell, pd.DataFrame(columns=["item_id", "prompt_hash"]))
        found[str(row.entry)] = _of(record, own, metric=str(row.metric), clusters=clusters)
    return found


def _of(record: Record, own: pd.DataFrame, *, metric: str, clusters: str) -> _Held:
    column = f"metric:{metric}"
    rows = own.dropna(subset=[column]) if column in own else own.iloc[:0]
    keys = pairing.keys(rows["item_id"].tolist(), rows["subset"].tolist() if "subset" in rows else ())
    order = np.argsort(np.array(keys, dtype=str), kind="stable")
    terms = pairing.terms(record, metric=metric, items=dict(zip(keys, rows["prompt_hash"], strict=True)))
    scores = rows[column].to_numpy(dtype=float) if column in rows else np.zeros(0)
    labels = rows[clusters].astype(str).to_numpy()[order] if clusters else None
    return _Held(terms=terms, keys=np.array(keys, dtype=str)[order], scores=scores[order], clusters=labels)


def _refusals(a: _Held, b: _Held) -> list[str]:
    found = pairing.refusals(a.terms, b.terms)
    if not found and not np.array_equal(a.keys, b.keys):
        twice = pairing.repeated([*map(str, a.keys)]) or pairing.repeated([*map(str, b.keys)])
        found = [f"documents occur a different number of times ({', '.join(twice[: pairing.NAMED])})"]
    return found


def _claim(names: tuple[str, str, str], one: _Held, other: _Held, *, sign: float) -> Claim:
    a, b, task = names
    found = difference(sign * one.scores, sign * other.scores, one.clusters)
    return Claim(a=a, b=b, about=task, difference=found)


def _row(verdict: Verdict, metric: str) -> tuple[object, ...]:
    claim, found = verdict.claim, verdict.claim.difference
    return (
        claim.a, claim.b, claim.about, metric, found.value, found.stderr, found.interval.lo, found.interval.hi,
        found.correlation, found.n, found.clusters, found.only_a, found.only_b, found.p, verdict.p_holm,
        verdict.p_equivalence, verdict.p_equivalence_holm, verdict.family, verdict.tests, found.detectable,
        verdict.required, verdict.margin, str(verdict.word), verdict.negligible, found.method,
    )  # fmt: skip
