"""Statistics of timings on plain arrays: intervals, paired ratios, a line, quantiles, flags of noise.

Layer: above `stats` and `resample`; numpy and the standard library only. A *process* is what is replicated: an array of
the raw repeats of one fresh process. A *group* is the processes of one thing. A *block* is what was measured at one
time: one process of everything. The seed is fixed: the same values give the same intervals.
"""

# ruff: noqa: PLR2004 - small counts and thresholds are clearer as they are
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis import resample, stats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Group = Sequence[Floats]
    Blocks = Mapping[int, Floats]
    Sizes = tuple[int, ...]

SEED = 20_260
"""Seed of all resampling."""

LEAST = 3
"""Raw values below which no interval is given."""

CALLED = 0.02
"""Smallest relative difference of times that is ever called one."""


def pooled(groups: Sequence[Group]) -> Floats:
    """Centre and 95 % interval of every group, `(groups, 3)`: the median of its processes' medians.

    Two-stage percentile bootstrap: processes are drawn with replacement, then repeats within each drawn process. With
    one process the interval is of its repeats only. No interval (NaN) under `LEAST` raw values.

    Source:
        Davison and Hinkley (1997), Bootstrap Methods and their Application, section 3.8; Kalibera and Jones (2013),
        Rigorous Benchmarking in Reasonable Time, ISMM, for processes as the unit of replication.
    """
    found = np.full((len(groups), 3), np.nan)
    for sizes, members in resample.alike(groups).items():
        slots, counts = resample.distinct(resample.draws(sizes, np.random.default_rng(SEED)))
        for part in resample.parts(members, slots):
            values = resample.stacked([groups[index] for index in part])
            found[part, 0] = np.median(resample.medians(values, sizes), axis=1)
            if sum(sizes) >= LEAST:
                middle = resample.middle([resample.drawn(values, places) for places in slots])
                found[part, 1:] = resample.ends(middle, counts)
    return found


def ratios(pairs: Sequence[tuple[Blocks, Blocks]], families: Sequence[int] = ()) -> tuple[Floats, Floats]:
    """Ratios `a / b` of paired processes and of families of pairs: ratio, 95 % interval, blocks; `(n, 4)` each.

    A ratio is the geometric mean, over the blocks that both sides have, of the ratios of the processes' medians. Its
    interval is Student's over the logarithms of the blocks' ratios: the block is the unit, so that one block has no
    interval, and what repeats differ by is in what blocks differ by.

    The pairs of a family share their blocks, and may share their processes: the logarithms of a block are averaged
    over the pairs first. Only blocks that all pairs of the family have count; without one the ratio is the mean of
    the pairs', with no interval and 0 blocks.

    Args:
        pairs: for both sides the raw positive values by block, one block in common at least.
        families: for every pair the number of its family, from 0; empty for none.

    Source:
        Kalibera and Jones (2013), Rigorous Benchmarking in Reasonable Time, ISMM, for processes as the unit of
        replication; Fleming and Wallace (1986), CACM 29:218, for the geometric mean.
    """
    logs = _block_logs(pairs)
    each = _student([list(own.values()) for own in logs])
    members: list[list[int]] = [[] for _ in range(max(families, default=-1) + 1)]
    for index, family in enumerate(families):
        members[family].append(index)
    whole = _student([_jointly([logs[index] for index in own]) for own in members])
    for family, own in enumerate(members):
        if not whole[family, 3]:
            whole[family, 0] = np.exp(np.log(each[own, 0]).mean())
    return each, whole


def line(points: Sequence[Sequence[tuple[Floats, Floats]]]) -> Floats:
    """Intercept and slope of a straight line through curves, each with its 95 % interval, `(2, 3)`.

    A process counts with its median repeat (by total); the processes of a point are averaged, and all positions of all
    points weigh alike in one least-squares fit. The bootstrap draws processes within each point, then repeats within
    each process.

    Args:
        points: for every point its processes, each as positions `(m,)` and values `(repeats, m)`; all processes of a
            point have the same positions.

    Returns:
        NaN where there are fewer than three positions.
    """
    positions = np.concatenate([processes[0][0] for processes in points])
    if np.unique(positions).size < 3:
        return np.full((2, 3), np.nan)
    centre = float(positions.mean())
    spread = float(((positions - centre) ** 2).sum())
    rng = np.random.default_rng(SEED)
    sums = np.zeros((2, resample.DRAWS + 1))  # total and slope; the first column is the estimate itself
    for processes in points:
        rows, sizes = _weighed(processes, (processes[0][0] - centre) / spread)
        sums[:, 0] += np.mean([resample.drawn(rows, place)[:, 0] for place in _middles(sizes)], axis=0)
        for place in resample.draws(sizes, rng):
            sums[:, 1:] += resample.drawn(rows, place) / len(sizes)
    fitted = np.stack([sums[0] / positions.size - sums[1] * centre, sums[1]])
    enough = sum(len(values) for processes in points for _, values in processes) >= LEAST
    return np.column_stack([fitted[:, 0], resample.ends(fitted[:, 1:]) if enough else np.full((2, 2), np.nan)])


def quantile(values: Floats, q: float) -> tuple[float, float, float]:
    """Quantile `q` of a sample with the ends of its 95 % interval; an end that no rank reaches is NaN.

    Source:
        David and Nagaraja (2003), Order Statistics, section 7.1.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    lo, hi = (np.nan if rank is None else float(ordered[rank - 1]) for rank in ranks(ordered.size, q))
    return float(np.quantile(ordered, q)), lo, hi


def ranks(n: int, q: float) -> tuple[int | None, int | None]:
    """Ranks, from 1, of the two values of a sample of `n` that enclose its quantile `q` with 95 % confidence; exact.

    Each end errs with at most 2.5 %; where no value is that high, the largest one stands if it errs with at most 5 %,
    which takes 299 values for the 99th percentile.

    >>> ranks(10, 0.5), ranks(298, 0.99)[1], ranks(299, 0.99)[1]
    ((2, 9), None, 299)
    """
    below = _binomial(n, q)[:n]
    lo = int(np.searchsorted(below, 0.025, side="right"))
    hi = int(np.searchsorted(below, 0.975, side="left")) + 1
    last = n if n and 1 - q**n >= 0.95 else None
    return lo or None, hi if hi <= n else last


def noise(groups: Sequence[Group]) -> list[tuple[str, ...]]:
    """Why the raw values of each group are noisy, in words; nothing is said under `LEAST` values.

    Of the values over their process's median: an interquartile range above 10 % (the threshold of
    torch.utils.benchmark), or a median absolute deviation above 5 %. Of the processes: medians that vary more than
    twice as much as the repeats within them, and by more than `CALLED`.
    """
    found: list[tuple[str, ...]] = [()] * len(groups)
    for sizes, members in resample.alike(groups).items():
        if sum(sizes) < LEAST:
            continue
        values = resample.stacked([groups[index] for index in members])
        centres = resample.medians(values, sizes)
        relative = values / np.where(centres == 0, 1.0, np.abs(centres)).repeat(sizes, axis=1)
        quartiles = np.quantile(relative, (0.25, 0.75), axis=1)
        deviations = np.abs(relative - np.median(relative, axis=1, keepdims=True))
        between, within = _variations(values, centres, sizes)
        measured = np.column_stack([quartiles[1] - quartiles[0], np.median(deviations, axis=1), between, within])
        for index, row in zip(members, measured, strict=True):
            found[index] = _flags(*map(float, row))
    return found


def verdict(ratio: float, lo: float, hi: float, *, floor: float) -> str:
    """What a ratio of times allows to say: `faster`, `slower` or `no difference shown`.

    A difference is called only where the interval excludes 1, and the ratio is farther from 1 than `CALLED` and than
    the noise floor. Nothing is called without an interval, nor where the floor is not known (NaN).
    """
    if math.isnan(floor) or not (lo > 1 or hi < 1) or abs(ratio - 1) <= max(CALLED, floor):
        return "no difference shown"
    return "faster" if ratio < 1 else "slower"


def noise_floor(found: Floats) -> float:
    """The difference that two runs of the same model stay within on 19 of 20 points, as a fraction.

    Of every point of an A/A control it takes half of the ratio's interval, or the ratio's distance from 1 where that is
    larger or there is no interval; of these, the 95th percentile. With few blocks it is wide, as the intervals are.

    Args:
        found: ratios of the control with their intervals, as of `ratios`.
    """
    half = (found[:, 2] - found[:, 1]) / 2
    return float(np.quantile(np.fmax(half, np.abs(found[:, 0] - 1)), 0.95))


def _block_logs(pairs: Sequence[tuple[Blocks, Blocks]]) -> list[dict[int, float]]:
    """By common block the logarithm of the ratio of the two medians."""
    common = [sorted(a.keys() & b.keys()) for a, b in pairs]
    processes = [side[block] for pair, blocks in zip(pairs, common, strict=True) for side in pair for block in blocks]
    centres = np.zeros(len(processes))
    for (size,), members in resample.alike([[process] for process in processes]).items():
        values = resample.stacked([[processes[index]] for index in members])
        centres[members] = np.log(resample.medians(values, (size,))[:, 0])
    ends = 2 * np.cumsum([len(blocks) for blocks in common], dtype=int)
    return (
        [
            dict(zip(blocks, (own[: len(blocks)] - own[len(blocks) :]).tolist(), strict=True))
            for blocks, own in zip(common, np.split(centres, ends[:-1]), strict=True)
        ]
        if pairs
        else []
    )


def _jointly(logs: Sequence[Mapping[int, float]]) -> list[float]:
    """Mean over several pairs in every block that all of them have."""
    common = sorted(set.intersection(*(set(own) for own in logs)))
    return np.array([[own[block] for block in common] for own in logs]).mean(axis=0).tolist()


def _student(samples: Sequence[Sequence[float]]) -> Floats:
    """Of samples of logarithms the geometric mean, its 95 % interval by Student's t, and the size; `(samples, 4)`."""
    found = np.full((len(samples), 4), np.nan)
    sizes = np.array([len(sample) for sample in samples], dtype=int)
    found[:, 3] = sizes
    for n in (int(n) for n in np.unique(sizes) if n):
        own = np.flatnonzero(sizes == n)
        values = np.array([sample for sample in samples if len(sample) == n])
        found[own, 0] = values.mean(axis=1)
        if n > 1:
            half = _t_quantile(n - 1) * values.std(axis=1, ddof=1) / math.sqrt(n)
            found[own, 1:3] = np.column_stack([found[own, 0] - half, found[own, 0] + half])
    found[:, :3] = np.exp(found[:, :3])
    return found


def _t_quantile(df: int) -> float:
    """The 97.5th percentile of Student's t, by bisection of its p-value; 12.7 for one degree of freedom."""
    lo, hi = 1.0, 13.0
    for _ in range(50):
        middle = (lo + hi) / 2
        lo, hi = (middle, hi) if stats.student_p(middle, df) > 0.05 else (lo, middle)
    return lo


def _weighed(processes: Sequence[tuple[Floats, Floats]], weights: Floats) -> tuple[Floats, Sizes]:
    """Total and weighted total of every repeat, `(2, repeats)`, each process's repeats in the order of their totals."""
    columns: list[Floats] = []
    for _, values in processes:
        both = np.stack([values.sum(axis=1), values @ weights])
        columns.append(both[:, np.argsort(both[0], kind="stable")])
    return np.concatenate(columns, axis=1), tuple(len(values) for _, values in processes)


def _middles(sizes: Sizes) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Where the middle repeats of each process stand."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return [
        (np.array([start + (n - 1) // 2]), np.array([start + n // 2])) for start, n in zip(starts, sizes, strict=True)
    ]


def _binomial(n: int, q: float) -> Floats:
    """`P(X <= k)` for k in 0..n of a binomial number of n trials with chance q."""
    k = np.arange(n + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    return np.cumsum(np.exp(logs[n] - logs[k] - logs[n - k] + k * np.log(q) + (n - k) * np.log1p(-q)))


def _variations(values: Floats, centres: Floats, sizes: Sizes) -> tuple[Floats, Floats]:
    """Coefficients of variation between processes, and within them; 0 between fewer than three."""
    mean = np.abs(centres.mean(axis=1))
    mean = np.where(mean == 0, 1.0, mean)
    between = centres.std(axis=1, ddof=1) / mean if len(sizes) >= 3 else np.zeros(len(values))
    residual = values - centres.repeat(sizes, axis=1)
    within = np.sqrt((residual**2).sum(axis=1) / max(sum(sizes) - len(sizes), 1)) / mean
    return between, within


def _flags(quartiles: float, deviation: float, between: float, within: float) -> tuple[str, ...]:
    words = []
    if quartiles > 0.10:
        words.append(f"repeats differ: interquartile range {100 * quartiles:.0f} % of the median")
    elif deviation > 0.05:
        words.append(f"repeats differ: median deviation {100 * deviation:.0f} % of the median")
    if between > max(CALLED, 2 * within):
        words.append(f"processes differ: {100 * between:.0f} % between them, {100 * within:.1f} % within")
    return tuple(words)
