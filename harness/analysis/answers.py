"""What every entry answered on every task, and on what terms: scores item by item, ready to be paired.

Layer: above `derive` and `pairing`, below `comparisons`, `costs` and `ranking`, which all read the same arrays.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pyarrow as pa

from harness.analysis import pairing
from harness.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from harness.analysis.derive import Comparison
    from harness.analysis.frame import Study

CLUSTER = "cluster"
"""Column of the documents that says which of them belong together, where a task names it."""


@final
@dataclass(frozen=True, kw_only=True)
class Held:
    """What one entry holds of one task, items in the order of their keys.

    Attributes:
        terms: on which it was asked.
        keys: of the items.
        scores: one per item, as they were measured; empty where the metric is not one of single items.
        clusters: label of the cluster of each item; None where every item is its own.
        alike: equal for two entries where nothing at all stands against pairing them.
    """

    terms: pairing.Terms
    keys: NDArray[np.str_]
    scores: NDArray[np.float64]
    clusters: NDArray[np.str_] | None
    alike: str


Answers = dict[str, dict[str, Held]]
"""By task, by entry."""


def held(study: Study, comparison: Comparison, documents: pa.Table, *, clusters: str = "") -> Answers:
    """What every entry that has a score of a task holds of it, tasks and entries in the order of the comparison.

    Args:
        study: the current records.
        comparison: who is compared on what.
        documents: of the same study; their texts are not needed.
        clusters: column of the documents with the cluster of each; empty for `CLUSTER` where there is one. Without one,
            documents of the same content are one cluster: they are copies of one item.

    Raises:
        ValueError: `clusters` is no column of the documents.
    """
    if clusters and clusters not in documents.column_names:
        raise ValueError(f"clusters={clusters!r} is no column of the documents")
    column = clusters or (CLUSTER if CLUSTER in documents.column_names else "")
    names = zip(study.cells["cell"], study.cells["study"], study.cells["file"], strict=True)
    files = {cell: (where, file) for cell, where, file in names}
    folders, parts = {folder.name: folder for folder in study.folders}, slices(documents)
    rank = {entry: place for place, entry in enumerate(comparison.entries["entry"])}
    known = comparison.scores[comparison.scores["value"].notna()]
    found: Answers = {str(task): {} for task in comparison.tasks["task"]}
    for row in sorted(known.itertuples(index=False), key=lambda row: rank[row.entry]):
        where, file = files[row.cell]
        record = Record.from_json((folders[where] / file).read_text(encoding="utf-8"))
        own = documents.slice(*parts.get((where, row.cell), (0, 0)))
        found[str(row.task)][str(row.entry)] = _of(record, own, metric=str(row.metric), clusters=column)
    return found


def slices(documents: pa.Table) -> dict[tuple[str, str], tuple[int, int]]:
    """By study and cell, where in the table its documents begin and how many they are."""
    if not documents.num_rows:
        return {}
    keys = [documents[name].combine_chunks().dictionary_encode() for name in ("study", "cell")]
    codes = np.stack([one.indices.to_numpy() for one in keys])
    starts = np.flatnonzero(np.concatenate([[True], (np.diff(codes, axis=1) != 0).any(axis=0)]))
    ends = [*starts[1:].tolist(), documents.num_rows]
    words = [one.dictionary.to_pylist() for one in keys]
    return {
        (words[0][codes[0, start]], words[1][codes[1, start]]): (start, end - start)
        for start, end in zip(starts.tolist(), ends, strict=True)
    }


def matrix(own: Mapping[str, Held]) -> dict[tuple[str, ...], NDArray[np.float64]]:
    """Scores of the entries that hold the same items on the same terms, `(items, entries)`, by those entries."""
    groups: dict[str, list[str]] = {}
    for entry, one in own.items():
        if len(one.scores):
            groups.setdefault(one.alike, []).append(entry)
    return {tuple(names): np.column_stack([own[name].scores for name in names]) for names in groups.values()}


def _of(record: Record, own: pa.Table, *, metric: str, clusters: str) -> Held:
    name = f"metric:{metric}"
    scores = _numbers(own, name)
    kept = np.flatnonzero(~np.isnan(scores))
    texts = {column: own[column].to_numpy()[kept] for column in ("item_id", "subset", "prompt_hash", clusters)
             if column and column in own.column_names}  # fmt: skip
    keys = np.array(pairing.keys(texts["item_id"], texts.get("subset", ())) if len(kept) else [], dtype=str)
    order = np.argsort(keys, kind="stable")
    prompts = texts.get("prompt_hash", np.full(len(kept), "", dtype=object))
    items = dict(zip(keys.tolist(), prompts.tolist(), strict=True))
    terms = pairing.terms(record, metric=metric, items=items)
    labels = texts[clusters][order].astype(str) if clusters in texts else None
    if labels is None and len(items) < len(keys):
        labels = keys[order]
    return Held(terms=terms, keys=keys[order], scores=scores[kept][order], clusters=labels,
                alike=_digest(terms, keys[order], prompts[order]))  # fmt: skip


def _numbers(own: pa.Table, name: str) -> NDArray[np.float64]:
    if name not in own.column_names:
        return np.full(own.num_rows, np.nan)
    return own[name].cast(pa.float64()).to_numpy().astype(float)


def _digest(terms: pairing.Terms, keys: NDArray[np.str_], prompts: NDArray[np.object_]) -> str:
    """Of metric, settings, items and prompts."""
    said = json.dumps([terms.metric, dict(terms.settings), keys.tolist(), prompts.tolist()], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()
