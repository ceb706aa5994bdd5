"""Every pair of entries on every task: paired where it may be, judged as one family, refused with the reason elsewhere.

Layer: above `answers` and `equivalence`. Everything that a report says of two entries comes from here. The frame is the
table `comparisons` of the tidy data.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false
from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd

from harness.analysis import answers, equivalence, pairing
from harness.analysis import difference as paired
from harness.analysis.equivalence import MARGIN, Claim, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from harness.analysis.answers import Answers, Held
    from harness.analysis.derive import Comparison
    from harness.analysis.difference import Difference
    from harness.analysis.frame import Study

FAMILY = "all pairs on all tasks"
"""What is adjusted together."""

MEANS = "all pairs on the mean"
"""What is adjusted together on the mean over tasks."""

MEAN = "mean over tasks"
"""What stands for the task where a comparison is of the means over tasks."""

COLUMNS = (
    "a", "b", "task", "metric", "diff", "se", "ci_lo", "ci_hi", "rho", "n", "n_clusters", "only_a", "only_b", "p_raw",
    "p_holm", "p_tost", "p_tost_holm", "family", "tests", "mde80", "required_n", "margin", "verdict", "negligible",
    "method",
)  # fmt: skip
"""Columns of the frames."""

REFUSED = ("a", "b", "task", "reason")
"""Columns of the frame of what may not be paired."""


@final
@dataclass(frozen=True, kw_only=True)
class Judged:
    """What the comparison of every two entries says, `a` above `b` in the leaderboard.

    Attributes:
        verdicts: one per pair and task that could be paired.
        frame: the same as `COLUMNS`.
        refused: one row per pair and task that could not: `REFUSED`.
        mean_verdicts: one per pair that could be paired on every task that counts, on the mean corrected for chance.
        means: the same as `COLUMNS`; the task is `MEAN`.
        margin: what counts as equivalent.
        answers: what all this was read from.
    """

    verdicts: tuple[Verdict, ...]
    frame: pd.DataFrame
    refused: pd.DataFrame
    mean_verdicts: tuple[Verdict, ...]
    means: pd.DataFrame
    margin: float
    answers: Answers


def judged(
    study: Study, comparison: Comparison, documents: pa.Table, *,
    margin: float = MARGIN, clusters: str = "",
) -> Judged:  # fmt: skip
    """A verdict on every pair of entries on every task where both were asked alike, and on their means.

    Args:
        study: the current records, for the terms on which each cell was measured.
        comparison: who is compared on what.
        documents: of the same study; their texts are not needed.
        margin: difference that does not matter, in the unit of each metric; of the mean, as a fraction of its span.
        clusters: column of `documents` with the cluster of each; see `answers.held`.

    Raises:
        ValueError: `clusters` is no column of the documents, or the margin is not positive.

    Source:
        Miller (2024), arXiv 2411.00640; `difference`, `equivalence` and `pairing` name the rest.
    """
    held = answers.held(study, comparison, documents, clusters=clusters)
    claims: list[Claim] = []
    refused: list[tuple[str, str, str, str]] = []
    for task in comparison.tasks.itertuples(index=False):
        found, left_out = of_task(str(task.task), held[str(task.task)], higher=bool(task.higher))
        claims += found
        refused += left_out
    verdicts = equivalence.judge(claims, family=FAMILY, margin=margin)
    overall = equivalence.judge(on_means(claims, comparison), family=MEANS, margin=margin)
    metrics = {str(task): str(metric) for task, metric in comparison.tasks[["task", "metric"]].itertuples(index=False)}
    return Judged(
        verdicts=tuple(verdicts), frame=framed(verdicts, metrics), refused=pd.DataFrame(refused, columns=[*REFUSED]),
        mean_verdicts=tuple(overall), means=framed(overall, {}), margin=margin, answers=held,
    )  # fmt: skip


def of_task(task: str, own: Mapping[str, Held], *, higher: bool) -> tuple[list[Claim], list[tuple[str, str, str, str]]]:
    """The difference of every pair on one task, positive where the first is better, and who may not be paired, and why.

    Args:
        task: its label.
        own: what each entry holds of it.
        higher: whether more is better.
    """
    claims, refused = [], []
    rights = {entry: np.count_nonzero(one.scores) for entry, one in own.items() if _right_or_wrong(one)}
    for a, b in itertools.combinations(own, 2):
        if why := _refusals(own[a], own[b]):
            refused.append((a, b, task, "; ".join(why)))
            continue
        found = _counted(own, rights, a, b) if higher and a in rights and b in rights else None
        sign = 1.0 if higher else -1.0
        found = found or paired.difference(sign * own[a].scores, sign * own[b].scores, own[a].clusters)
        claims.append(Claim(a=a, b=b, about=task, difference=found))
    return claims, refused


def on_means(claims: Iterable[Claim], comparison: Comparison) -> list[Claim]:
    """The difference of the mean, corrected for chance, of every pair that was compared on every task that counts."""
    counted = comparison.tasks[comparison.tasks["counted"]]
    spans = {str(task): 1 - chance for task, chance in counted[["task", "chance"]].itertuples(index=False)}
    pairs: dict[tuple[str, str], list[Claim]] = {}
    for claim in claims:
        if claim.about in spans and np.isfinite(claim.difference.stderr):
            pairs.setdefault((claim.a, claim.b), []).append(claim)
    rank = {entry: place for place, entry in enumerate(comparison.entries["entry"])}
    return [
        Claim(a=a, b=b, about=MEAN, difference=_macro(own, spans))
        for (a, b), own in sorted(pairs.items(), key=lambda pair: (rank[pair[0][0]], rank[pair[0][1]]))
        if len(own) == len(spans)
    ]


def framed(verdicts: Sequence[Verdict], metrics: Mapping[str, str]) -> pd.DataFrame:
    """Verdicts as rows of `COLUMNS`."""
    rows = [_row(verdict, metrics.get(verdict.claim.about, "")) for verdict in verdicts]
    return pd.DataFrame(rows, columns=[*COLUMNS])


def _macro(own: Sequence[Claim], spans: Mapping[str, float]) -> Difference:
    return paired.macro([claim.difference for claim in own], [spans[claim.about] for claim in own])


def _right_or_wrong(one: Held) -> bool:
    """Whether the scores are right or wrong on items of their own: then four counts say all."""
    return one.clusters is None and len(one.scores) > 0 and bool(((one.scores == 0) | (one.scores == 1)).all())


def _counted(own: Mapping[str, Held], rights: Mapping[str, int], a: str, b: str) -> Difference:
    both = int(own[a].scores @ own[b].scores)
    only_a, only_b = int(rights[a]) - both, int(rights[b]) - both
    return paired.of_counts(both, only_a, only_b, len(own[a].scores) - both - only_a - only_b)


def _refusals(a: Held, b: Held) -> list[str]:
    if a.alike == b.alike and len(a.keys):
        return []
    found = pairing.refusals(a.terms, b.terms)
    if not found and not np.array_equal(a.keys, b.keys):
        twice = pairing.repeated([*map(str, a.keys)]) or pairing.repeated([*map(str, b.keys)])
        found = [f"documents occur a different number of times ({', '.join(twice[: pairing.NAMED])})"]
    return found


def _row(verdict: Verdict, metric: str) -> tuple[object, ...]:
    claim, found = verdict.claim, verdict.claim.difference
    return (
        claim.a, claim.b, claim.about, metric, found.value, found.stderr, found.interval.lo, found.interval.hi,
        found.correlation, found.n, found.clusters, found.only_a, found.only_b, found.p, verdict.p_holm,
        verdict.p_equivalence, verdict.p_equivalence_holm, verdict.family, verdict.tests, found.detectable,
        verdict.required, verdict.margin, str(verdict.word), verdict.negligible, found.method,
    )  # fmt: skip
