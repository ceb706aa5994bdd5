"""How far each entry's confidence in its options can be trusted, task by task, from their log-likelihoods.

Layer: above `answers` and `calibration`; frames and tables, `figures_calibration` draws them. Only tasks with options,
and only entries whose log-likelihood is known for every one of them.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from harness.analysis import answers, calibration, stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.analysis.derive import Comparison
    from harness.analysis.frame import Study

    Floats = NDArray[np.float64]

KINDS = ("classification", "multiple_choice")
"""Kinds of tasks with options."""

COLUMNS = (
    "entry", "task", "n", "accuracy", "confidence", "ece", "ece_floor", "ece_limit", "p", "p_holm", "brier",
    "brier_stderr", "nll", "nll_stderr", "auroc", "auroc_lo", "auroc_hi", "aurc",
)  # fmt: skip
"""Columns of the frame of tasks."""

BINS = ("entry", "confidence", "accuracy", "lo", "hi", "n")
RISKS = ("entry", "coverage", "risk")
SHARES = ("entry", "from", "to", "share")

POINTS = 100
"""Points of a risk-coverage curve that are kept."""

STEPS = 20
"""Bars of a histogram of confidence."""


@final
@dataclass(frozen=True, kw_only=True)
class Confidence:
    """What the log-likelihoods of options say of each entry, in the order of the leaderboard.

    Attributes:
        tasks: one row per entry and task: `COLUMNS`; `p_holm` is adjusted over the tasks of one entry.
        pooled: tasks that the three frames below take together: those that all of these entries have.
        bins: points of reliability diagrams, groups of equally many documents: `BINS`.
        risks: risk-coverage curves: `RISKS`.
        shares: histograms of confidence: `SHARES`.
    """

    tasks: pd.DataFrame
    pooled: tuple[str, ...]
    bins: pd.DataFrame
    risks: pd.DataFrame
    shares: pd.DataFrame


Known = dict[tuple[str, str], tuple["Floats", "Floats"]]
"""By entry and task, confidence in the likeliest option and whether it is right."""


def measure(study: Study, comparison: Comparison, documents: pa.Table) -> Confidence | None:
    """The confidence of every entry on every task with options; None where no log-likelihoods of options are known.

    Args:
        study: the current records.
        comparison: who is compared on what.
        documents: of the same study.
    """
    parts, rows, known = answers.slices(documents), [], {}
    places = dict(zip(study.cells["cell"], study.cells["study"], strict=True))
    rank = {entry: place for place, entry in enumerate(comparison.entries["entry"])}
    for task in comparison.tasks.loc[comparison.tasks["kind"].isin(KINDS), "task"]:
        scores = comparison.scores[(comparison.scores["task"] == task) & comparison.scores["value"].notna()]
        drawn = np.zeros((0, 0), dtype=np.float32)
        for entry, cell in sorted(scores[["entry", "cell"]].itertuples(index=False), key=lambda row: rank[row.entry]):
            found = options(documents.slice(*parts.get((places[cell], cell), (0, 0))))
            if found is None:
                continue
            drawn = drawn if drawn.shape[1] == len(found[1]) else calibration.luck(len(found[1]))
            row, known[entry, task] = _row(*found, drawn)
            rows.append((entry, task, *row))
    if not rows:
        return None
    frame = pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "p_holm"])
    frame["p_holm"] = frame.groupby("entry")["p"].transform(lambda own: stats.holm(list(own)))
    frame = frame.sort_values("entry", key=lambda names: names.map(rank), kind="stable").reset_index(drop=True)
    return _whole(frame[[*COLUMNS]], known)


def options(own: pa.Table) -> tuple[Floats, NDArray[np.intp]] | None:
    """Log-likelihoods of the options of a cell's documents, `(documents, options)`, and the place of the right one.

    None where a document has fewer than two options, an option no log-likelihood, or no option is the right one.
    """
    if not own.num_rows or not {"options", "logprobs", "gold"} <= set(own.column_names):
        return None
    texts, logs = own["options"].combine_chunks(), own["logprobs"].combine_chunks()
    counts = pc.list_value_length(texts).fill_null(0).to_numpy().astype(np.intp)
    if counts.min() < 2 or not np.array_equal(counts, pc.list_value_length(logs).fill_null(0).to_numpy()):  # noqa: PLR2004
        return None
    values = logs.flatten().to_numpy(zero_copy_only=False).astype(float)
    golds = pc.utf8_trim_whitespace(own["gold"].combine_chunks().fill_null("")).to_numpy(zero_copy_only=False)
    words = pc.utf8_trim_whitespace(texts.flatten()).to_numpy(zero_copy_only=False)
    inside = np.arange(int(counts.max())) < counts[:, None]
    table, right = np.full(inside.shape, -np.inf), np.zeros(inside.shape, dtype=bool)
    table[inside], right[inside] = values, words == np.repeat(golds, counts)
    if np.isnan(table).any() or not np.isfinite(table.max(axis=1)).all() or not right.any(axis=1).all():
        return None
    return table, right.argmax(axis=1)


def _row(
    table: Floats, gold: NDArray[np.intp], drawn: NDArray[np.float32]
) -> tuple[tuple[float, ...], tuple[Floats, Floats]]:
    shares = calibration.probabilities(table)
    sure, right = calibration.confident(shares, gold)
    error, squared = calibration.expected_error(sure, right, drawn=drawn), calibration.brier(sure, right)
    surprise, (area, ends) = calibration.nll(shares, gold), calibration.auroc(sure, right)
    spread = float(surprise.std(ddof=1)) / np.sqrt(len(surprise)) if len(surprise) > 1 else np.nan
    row = (len(gold), float(right.mean()), float(sure.mean()), error.value, error.floor, error.limit, error.p,
           squared.value, squared.stderr, float(surprise.mean()), spread, area, ends.lo, ends.hi,
           calibration.aurc(sure, right))  # fmt: skip
    return row, (sure, right)


def _whole(frame: pd.DataFrame, known: Known) -> Confidence:
    """With the diagrams, of the tasks that all entries have; where there is none, of each entry's own tasks."""
    entries = list(dict.fromkeys(frame["entry"]))
    tasks = [task for task in dict.fromkeys(frame["task"]) if all((entry, task) in known for entry in entries)]
    bins, risks, shares = [], [], []
    for entry in entries:
        own = [known[entry, task] for task in (tasks or frame.loc[frame["entry"] == entry, "task"])]
        sure, right = (np.concatenate([part[i] for part in own]) for i in (0, 1))
        bins += [(entry, one.confidence, one.accuracy, one.interval.lo, one.interval.hi, one.n)
                 for one in calibration.reliability(sure, right)]  # fmt: skip
        covered, risk = calibration.risk_coverage(sure, right)
        kept = np.unique(np.linspace(min(len(sure) - 1, len(sure) // 50), len(sure) - 1, POINTS).astype(int))
        risks += [(entry, float(covered[i]), float(risk[i])) for i in kept]
        counts, edges = np.histogram(sure, bins=STEPS, range=(0, 1))
        shares += [(entry, float(edges[i]), float(edges[i + 1]), count / len(sure)) for i, count in enumerate(counts)]
    return Confidence(
        tasks=frame, pooled=tuple(tasks), bins=pd.DataFrame(bins, columns=[*BINS]),
        risks=pd.DataFrame(risks, columns=[*RISKS]), shares=pd.DataFrame(shares, columns=[*SHARES]),
    )  # fmt: skip
