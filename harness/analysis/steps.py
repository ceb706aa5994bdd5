"""Single decode steps -> the line over the context, the dots it is drawn through, and quantiles.

Layer: above `points` and `timing`; `efficiency` says what the columns mean.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd

from harness.analysis import timing
from harness.analysis.points import AXES, KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

HEADS = ("entry", "model", "control", "device", "probe", "kind", "batch")
"""Columns that say of what a fitted line is."""

FITS = (*HEADS, "a", "a_lo", "a_hi", "b", "b_lo", "b_hi", "n", "context_lo", "context_hi", "replicates", "repeats")
"""Columns of the frame of lines."""

STEPS = (*HEADS, "prompt", "context", "itl", "lo", "hi", "n")
"""Columns of the frame of steps around a context."""

QUANTILES = (*KEYS, "quantile", "value", "lo", "hi", "n")
"""Columns of the frame of quantiles."""

LEAST_STEPS = {0.5: 1, 0.9: 29, 0.99: 300}
"""Pooled steps below which a quantile is not given: fewer hardly ever reach beyond it."""

CHUNK = 4
"""Steps whose median counts as one value of a line, so that a single slow step does not bend it."""

CHUNKS = 16
"""Most values of a line from one point."""


@final
@dataclass(frozen=True, kw_only=True)
class _Curve:
    """The steps of one process: seconds `(repeats, steps)`, the context of each step, and where chunks begin."""

    place: int
    gaps: NDArray[np.float64]
    contexts: NDArray[np.float64]

    @property
    def chunks(self) -> list[NDArray[np.intp]]:
        steps = self.gaps.shape[1]
        return np.array_split(np.arange(steps), min(CHUNKS, max(1, steps // CHUNK)))

    @property
    def reduced(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean context `(chunks,)` and median seconds `(repeats, chunks)` of every chunk."""
        chunks = self.chunks
        seconds = np.stack([np.median(self.gaps[:, chunk], axis=1) for chunk in chunks], axis=1)
        return np.array([self.contexts[chunk].mean() for chunk in chunks]), seconds


def frames(cells: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Lines, steps and quantiles of every probe that kept its steps.

    Args:
        cells: of probes, as `points.probes` makes them.
    """
    curves = [curve for row in cells.itertuples(index=False) if (curve := _curve(row)) is not None]
    places = cells.drop_duplicates("place").set_index("place")
    by_place: dict[int, list[_Curve]] = {}
    for curve in curves:
        by_place.setdefault(curve.place, []).append(curve)
    heads = places.loc[list(by_place), list(KEYS)] if by_place else places[list(KEYS)][:0]
    return (
        _whole(_fits(heads, by_place), FITS, axes=("batch",)),
        _whole(_steps(heads, by_place), STEPS, axes=("batch", "prompt")),
        _whole(_quantiles(heads, by_place), QUANTILES, axes=AXES),
    )


def _curve(row: Any) -> _Curve | None:
    steps = row.probe_facts.get("steps") if row.status == "ok" else None
    repeats: Sequence[Sequence[float]] = steps.get("itl") or () if isinstance(steps, Mapping) else ()
    length = min(map(len, repeats), default=0)
    if not length or pd.isna(row.prompt):
        return None
    gaps = np.array([repeat[:length] for repeat in repeats], dtype=float)
    return _Curve(place=row.place, gaps=gaps, contexts=row.prompt + 1.0 + np.arange(length))


def _fits(heads: pd.DataFrame, curves: dict[int, list[_Curve]]) -> Iterator[tuple[Any, ...]]:
    for key, group in heads.groupby(list(HEADS), dropna=False, sort=False):
        points = [_equal(curves[place]) for place in group.index]
        found = timing.line([[curve.reduced for curve in processes] for processes in points])
        if np.isnan(found[:, 0]).any():
            continue
        every = [curve for processes in points for curve in processes]
        contexts = np.concatenate([curve.contexts for curve in every])
        yield (*key, *found[0], *found[1], sum(curve.gaps.size for curve in every), contexts.min(), contexts.max(),
               max(map(len, points)), sum(len(curve.gaps) for curve in every))  # fmt: skip


def _equal(processes: list[_Curve]) -> list[_Curve]:
    """The processes that took as many steps as the first."""
    return [curve for curve in processes if curve.gaps.shape[1] == processes[0].gaps.shape[1]]


def _steps(heads: pd.DataFrame, curves: dict[int, list[_Curve]]) -> Iterator[tuple[Any, ...]]:
    for place, key in zip(heads.index, heads[[*HEADS, "prompt"]].itertuples(index=False, name=None), strict=True):
        processes = _equal(curves[place])
        for chunk in processes[0].chunks:
            values = np.concatenate([curve.gaps[:, chunk].ravel() for curve in processes])
            lo, middle, hi = np.quantile(values, (0.25, 0.5, 0.75))
            yield (*key, processes[0].contexts[chunk].mean(), middle, lo, hi, values.size)


def _quantiles(heads: pd.DataFrame, curves: dict[int, list[_Curve]]) -> Iterator[tuple[Any, ...]]:
    for place, key in zip(heads.index, heads.itertuples(index=False, name=None), strict=True):
        values = np.concatenate([curve.gaps.ravel() for curve in curves[place]])
        for q, least in LEAST_STEPS.items():
            if values.size >= least:
                yield (*key, q, *timing.quantile(values, q), values.size)


def _whole(rows: Iterator[tuple[Any, ...]], columns: Sequence[str], *, axes: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(columns)).astype(dict.fromkeys(axes, "Int64") | {"control": "bool"})
