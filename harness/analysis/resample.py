"""Two-stage resampling of many groups at once: which values stand in the middle of what was drawn.

Layer: below `timing`; numpy only. A *process* is an array of raw repeats, a *group* the processes of one thing. Groups
of one shape share their draws, so a thousand groups cost one set of draws and a lookup each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Group = Sequence[Floats]
    Sizes = tuple[int, ...]
    Places = tuple[NDArray[np.intp], NDArray[np.intp]]

DRAWS = 10_000
"""Resamples behind every bootstrap interval."""

HELD = 200_000
"""Resampled numbers that are held at a time: what fits a processor's cache is ten times faster than what does not."""


def alike(groups: Sequence[Group]) -> Mapping[Sizes, list[int]]:
    """Numbers of the groups by their shape: the repeats of each process."""
    found: dict[Sizes, list[int]] = {}
    for index, group in enumerate(groups):
        found.setdefault(tuple(len(process) for process in group), []).append(index)
    return found


def parts(members: list[int], slots: Sequence[Places]) -> Iterator[list[int]]:
    """The members in parts whose draws fit in memory."""
    step = max(1, HELD // (len(slots) * len(slots[0][0])))
    return (members[start : start + step] for start in range(0, len(members), step))


def stacked(groups: Sequence[Group]) -> Floats:
    """Groups of one shape as rows: the sorted repeats of each process, one process after the other."""
    return np.array([np.concatenate([np.sort(process) for process in group]) for group in groups])


def draws(sizes: Sizes, rng: np.random.Generator) -> list[Places]:
    """For each slot of a resampled group, where in a row the two middle values of what was drawn stand."""
    return [_places(sizes, rng.integers(0, len(sizes), DRAWS), rng) for _ in sizes]


def distinct(slots: Sequence[Places]) -> tuple[list[Places], NDArray[np.intp] | None]:
    """The draws without those that differ only in the order of their slots, and how often each came up.

    Few small processes have few different resamples; where there are many, the draws as they are and None.
    """
    base = 1 + max(int(high.max()) for _, high in slots)
    codes = np.sort(np.stack([low * base + high for low, high in slots]), axis=0)
    kept, counts = np.unique(codes, axis=1, return_counts=True)
    if len(counts) > DRAWS // 4:
        return list(slots), None
    return [(code // base, code % base) for code in kept], counts


def drawn(values: Floats, places: Places) -> Floats:
    """Medians of the drawn repeats, `(groups, DRAWS)`, from rows of `stacked` groups."""
    low, high = places
    return values[:, low] if np.array_equal(low, high) else (values[:, low] + values[:, high]) / 2


def medians(values: Floats, sizes: Sizes) -> Floats:
    """Medians of the processes in rows of `stacked` groups, `(groups, processes)`."""
    cuts = np.cumsum(sizes)[:-1]
    return np.stack([np.median(part, axis=1) for part in np.split(values, cuts, axis=1)], axis=1)


def middle(slots: Sequence[Floats]) -> Floats:
    """Elementwise median of several arrays, by odd-even transposition: faster than sorting many short rows."""
    rows = list(slots)
    for turn in range(len(rows)):
        for index in range(turn % 2, len(rows) - 1, 2):
            low, high = rows[index], rows[index + 1]
            rows[index], rows[index + 1] = np.minimum(low, high), np.maximum(low, high)
    return rows[0] if len(rows) == 1 else (rows[(len(rows) - 1) // 2] + rows[len(rows) // 2]) / 2


def ends(resampled: Floats, counts: NDArray[np.intp] | None = None) -> Floats:
    """The 2.5th and the 97.5th percentile of resampled numbers, `(groups, 2)`; each counts as often as it came up."""
    if counts is None:
        return np.quantile(resampled, (0.025, 0.975), axis=1).T
    order = np.argsort(resampled, axis=1)
    share = np.cumsum(counts[order], axis=1) / counts.sum()
    places = np.stack([(share < tail).sum(axis=1) for tail in (0.025, 0.975)], axis=1)
    return np.take_along_axis(resampled, np.take_along_axis(order, places, axis=1), axis=1)


def _places(sizes: Sizes, chosen: NDArray[np.intp], rng: np.random.Generator) -> Places:
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    low, high = np.zeros_like(chosen), np.zeros_like(chosen)
    for n in sorted(set(sizes)):
        here = np.asarray(sizes)[chosen] == n
        low[here], high[here] = _middle_ranks(n, int(here.sum()), rng)
    return starts[chosen] + low, starts[chosen] + high


def _middle_ranks(n: int, number: int, rng: np.random.Generator) -> Places:
    """Ranks, from 0, of the lower and the upper middle value of `n` values drawn from `n` with replacement.

    The k-th smallest of n uniform numbers is Beta(k, n - k + 1); the next one is the smallest of the n - k above it.
    """
    k = (n + 1) // 2
    low = rng.beta(k, n - k + 1, number)
    high = low if n % 2 else 1 - (1 - low) * rng.random(number) ** (1 / (n - k))
    return np.minimum((n * low).astype(np.intp), n - 1), np.minimum((n * high).astype(np.intp), n - 1)
