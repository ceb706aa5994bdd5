"""The documents of a study as arrays, sorted by cell and document, so that cells can be laid side by side.

Layer: above `frame`, below `robust_join`.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from harness.analysis.robust_stats import Floats, Ints

COLUMNS = frozenset({"cell", "item_id", "pred", "gold", "options", "logprobs", "truncated"})
"""What is read of a document, beside its metrics."""


@final
@dataclass(frozen=True, kw_only=True)
class Documents:
    """Every document of a study, sorted by cell and document.

    Attributes:
        slices: of each cell, where its documents stand.
        keys: a number for each document, the same in all cells.
        table: the columns that are text or lists, in the same order.
        numbers: metrics and `truncated`.
        answers: a number for each prediction; -1 for none. Where there are options it is the option's place, since a
            variation may word the options anew.
    """

    slices: Mapping[str, slice]
    keys: Ints
    table: pa.Table
    numbers: Mapping[str, Floats]
    answers: Ints

    def shared(self, cells: Sequence[str]) -> NDArray[np.intp]:
        """Where the documents that all cells have stand: `(documents, cells)`; no row where there is none."""
        if not cells or any(cell not in self.slices for cell in cells):
            return np.zeros((0, len(cells)), dtype=np.intp)
        held = [self.keys[self.slices[cell]] for cell in cells]
        if all(np.array_equal(held[0], other) for other in held[1:]):
            inside = [np.arange(len(held[0]))] * len(held)
        else:
            common = reduce(np.intersect1d, held)
            inside = [np.searchsorted(own, common) for own in held]
        return np.column_stack([self.slices[cell].start + own for cell, own in zip(cells, inside, strict=True)])

    def of(self, name: str, rows: NDArray[np.intp]) -> Floats:
        """A metric of the documents at `rows`; gaps where it was not measured."""
        found = self.numbers.get(name)
        return np.full(rows.shape, np.nan) if found is None else found[rows]

    def probabilities(self, rows: NDArray[np.intp]) -> tuple[Floats, Ints]:
        """Softmax of the options' log-likelihoods, padded with 0 to the longest, and the number of options."""
        offsets, flat = self._options()
        counts = np.diff(offsets)[rows]
        width = int(counts.max(initial=0))
        if width < 2 or not len(flat):  # noqa: PLR2004 - one option is none to choose from
            return np.zeros((len(rows), 0)), counts
        places = offsets[rows][:, None] + np.arange(width)
        inside = np.arange(width) < counts[:, None]
        logs = np.where(inside, flat[np.minimum(places, len(flat) - 1)], -np.inf)
        top = logs.max(axis=1, keepdims=True, initial=-np.finfo(float).max)
        weights = np.exp(logs - top)
        return weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny), counts

    def _options(self) -> tuple[Ints, Floats]:
        lists = self.table["logprobs"].chunk(0)
        flat = lists.values  # noqa: PD011 - of an Arrow list; `flatten` would leave empty ones out of the offsets
        return lists.offsets.to_numpy(), flat.to_numpy(zero_copy_only=False)


def documents(table: pa.Table) -> Documents:
    """The documents of a study as arrays; a document that occurs twice in a cell is told apart by its count."""
    kept = [name for name in table.column_names if name in COLUMNS or name.startswith("metric:")]
    table = table.select(kept)
    codes, cells = pd.factorize(table["cell"].to_numpy(zero_copy_only=False))
    items, _ = pd.factorize(table["item_id"].to_numpy(zero_copy_only=False))
    again = pd.DataFrame({"cell": codes, "item": items}).groupby(["cell", "item"]).cumcount().to_numpy()
    keys = items.astype(np.int64) * (int(again.max(initial=0)) + 1) + again
    order = np.lexsort((keys, codes))
    bounds = np.searchsorted(codes[order], np.arange(len(cells) + 1))
    table = table.take(pa.array(order)).combine_chunks()
    names = [name for name in kept if name.startswith("metric:")]
    numbers = {name.removeprefix("metric:"): _floats(table[name]) for name in names}
    if "truncated" in kept:
        numbers["truncated"] = _floats(table["truncated"].cast(pa.float64()))
    return Documents(
        slices={str(cell): slice(int(bounds[i]), int(bounds[i + 1])) for i, cell in enumerate(cells)},
        keys=keys[order], table=table, numbers=numbers,
        answers=_answers(table),
    )  # fmt: skip


def _answers(table: pa.Table) -> Ints:
    """A number for each prediction: the place of the option, a number of its own for another text, -1 for none."""
    if "pred" not in table.column_names:
        return np.full(table.num_rows, -1, dtype=np.int64)
    texts = table["pred"].to_numpy(zero_copy_only=False)
    codes, words = pd.factorize(texts)
    answers = np.where(np.isin(codes, np.flatnonzero(words == "")), -1, codes + table.num_rows).astype(np.int64)
    offered = table["options"].to_pylist() if "options" in table.column_names else ()
    for row, options in enumerate(offered):
        stripped = [option.strip() for option in options or ()]
        if len(stripped) > 1 and texts[row] in stripped:
            answers[row] = stripped.index(texts[row])
    return answers


def _floats(column: pa.ChunkedArray) -> Floats:
    return column.to_numpy(zero_copy_only=False).astype(float)
