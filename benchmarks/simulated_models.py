"""Simulated studies of several models: calibration, ranks, sizes, trade-offs, varied input, times.

Layer: above `simulation`.
"""

# ruff: noqa: PLR2004 - sizes and effects of simulated studies are literals
from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.simulation import Rng, Scenario, alarm, cover, graded, holds, outcomes
from harness.analysis import bootstrap, calibration, means, ranks, scaling, stats, timing, tradeoff
from harness.analysis import robust_stats as rs
from harness.analysis.stats import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALPHA = 0.05


def _asked(rng: Rng, n: int) -> tuple[Floats, NDArray[np.intp]]:
    """A model that is right as often as it says, on `n` documents with four options."""
    shares = calibration.probabilities(rng.normal(0, 1.2, (n, 4)))
    return shares, np.minimum((rng.random(n)[:, None] > shares.cumsum(axis=1)).sum(axis=1), 3)


@lru_cache(maxsize=1)
def _truth() -> tuple[float, float, float, float]:
    """What a very large sample shows: AUROC, Brier score, Brier score of all options, surprise."""
    shares, gold = _asked(np.random.default_rng(1), 150_000)
    sure, right = calibration.confident(shares, gold)
    return (
        calibration.auroc(sure, right)[0], calibration.brier(sure, right).value,
        float(calibration.options_brier(shares, gold).mean()), float(calibration.nll(shares, gold).mean()),
    )  # fmt: skip


def _calibrated(rng: Rng) -> Sequence[Any]:
    shares, gold = _asked(rng, 150)
    sure, right = calibration.confident(shares, gold)
    score, (rank, square, options, surprise) = calibration.brier(sure, right), _truth()
    bins = calibration.reliability(sure, right, bins=5)
    return (
        calibration.expected_error(sure[:100], right[:100]).p < ALPHA,
        holds(calibration.auroc(sure, right)[1], rank), holds(stats.normal(score.value, score.stderr), square),
        holds(means.mean(calibration.options_brier(shares, gold)).interval, options),
        holds(means.mean(calibration.nll(shares, gold)).interval, surprise),
        np.mean([holds(one.interval, one.confidence) for one in bins]),
    )  # fmt: skip


def _ranked(rng: Rng, *, tasks: int, models: int) -> Sequence[Any]:
    found = ranks.friedman(rng.normal(size=(tasks, models)))
    return found.p < ALPHA, np.ptp(found.means) >= found.critical


def _wins(rng: Rng) -> Sequence[Any]:
    skills = np.array([0.0, 0.1, 0.2, 0.8])
    truth = ranks.win_rates(skills[None])
    tasks = [(rng.random((150, 4)) < 0.4 + skills / 4 + rng.normal(0, 0.1, (150, 1))).astype(float) for _ in "abcd"]
    drawn = [bootstrap.joint(task, draws=400, seed=seed) for seed, task in enumerate(tasks)]
    lo, hi = ranks.win_rate_intervals(np.array([task.mean(axis=0) for task in tasks]), drawn)
    return ((lo <= truth) & (truth <= hi),)


def _sizes(rng: Rng) -> Sequence[Any]:
    sizes = np.array([1e6, 4e6, 2e7, 9e7])
    found = scaling.fit(sizes, 0.1 + 0.05 * np.log10(sizes) + rng.normal(0, 0.03, 4))
    flat = scaling.fit(sizes, rng.normal(0, 0.03, 4))
    _, lo, hi = found.at([3e6])
    return flat.p < ALPHA, holds(found.interval, 0.05), lo[0] <= 0.1 + 0.05 * math.log10(3e6) <= hi[0]


def _quality_ties(rng: Rng, *, rivals: int) -> Sequence[Any]:
    """A model that costs most and is better by next to nothing."""
    easy, shared = rng.random((150, 1)), rng.random((150, rivals + 1)) < 0.6
    scores = (np.where(shared, easy, rng.random((150, rivals + 1))) < 0.6).astype(float)
    cost = np.array([2.0, *np.ones(rivals)])
    found = tradeoff.standings(scores.mean(axis=0), cost, qualities=bootstrap.joint(scores, draws=499))
    return (found[0].dominated,)


def _cost_ties(rng: Rng, *, rivals: int) -> Sequence[Any]:
    """A model that is worst and cheaper by next to nothing, where costs are measured with noise."""
    quality = np.array([0.2, *np.full(rivals, 0.8)])
    cost = 1 + 0.05 * rng.standard_normal(rivals + 1)
    costs = tradeoff.normal(cost, np.full(rivals + 1, 0.05), draws=499, seed=int(rng.integers(2**31)))
    return (tradeoff.standings(quality, cost, qualities=np.tile(quality, (499, 1)), costs=costs)[0].dominated,)


def _varied(rng: Rng) -> Sequence[Any]:
    """120 documents of which the varied input loses 15 % and wins 5 %, and a variation that changes nothing."""
    clean, luck = (rng.random(120) < 0.6).astype(float), rng.random((2, 120))
    varied = np.where(clean == 1, luck[0] >= 0.25, luck[0] < 0.125).astype(float)
    same = np.where(clean == 1, luck[1] >= 0.1, luck[1] < 0.15).astype(float)
    lost, none = rs.drop(clean, varied), rs.drop(clean, same)
    draws = rs.resampled(np.column_stack([clean, varied]))[:2000]
    share = rs.ends(rs.drop_rate(draws[:, 0], draws[:, 1], higher=True))
    under = rs.ends(rs.area((0.0, 0.5), draws))
    return (
        none.p < ALPHA, lost.lo <= 0.1 <= lost.hi, holds(share, 1 / 6), holds(under, 11 / 12),
    )  # fmt: skip


def _weighted(rng: Rng) -> Sequence[Any]:
    """Bits per byte: documents weigh as many bytes as they have, and long ones are easier."""
    size = rng.gamma(3, 100, 120)
    bits = 2 - size / 1000 + rng.normal(0, 0.3, 120)
    truth = 2 - 400 / 1000  # a byte lies in a document of mean size 400
    return (holds(rs.mean_interval(rs.per_document(bits, size)), truth),)


def _prompts(rng: Rng) -> Sequence[Any]:
    """Five prompts that are equally good, on 80 documents."""
    easy = rng.random((80, 1))
    scores = (np.where(rng.random((80, 5)) < 0.7, easy, rng.random((80, 5))) < 0.6).astype(float)
    equal = rs.equal_spreads(scores)
    spread = float(np.ptp(scores.mean(axis=0)))
    return (((equal >= spread - 1e-12).sum() + 1) / (len(equal) + 1) < ALPHA,)


def _twice(rng: Rng, *, blocks: int) -> Sequence[Any]:
    """One model measured twice: processes differ by 4 %, five repeats within them by 0.3 %."""
    shifts = 1 + 0.04 * rng.standard_normal((2, blocks, 1))
    a, b = shifts * (1 + 0.003 * rng.standard_normal((2, blocks, 5)))
    _, lo, hi, _ = timing.ratios([(dict(enumerate(a)), dict(enumerate(b)))])[0][0]
    ratio = timing.ratios([(dict(enumerate(a)), dict(enumerate(b)))])[0][0]
    return timing.verdict(*ratio[:3], floor=timing.CALLED) != "no difference shown", lo <= 1 <= hi


def _processes(rng: Rng, *, processes: int) -> Sequence[Any]:
    """A hundred times processes that differ by 5 %, ten repeats within them by 2 %."""
    shifts = 1 + 0.05 * rng.standard_normal((100, processes, 1))
    found = timing.pooled([list(one) for one in shifts * (1 + 0.02 * rng.standard_normal((100, processes, 10)))])
    return (float(np.mean((found[:, 1] <= 1) & (found[:, 2] >= 1))),)


def _tails(rng: Rng) -> Sequence[Any]:
    """Quantiles of 400 skewed gaps between tokens."""
    values = rng.gamma(4, 1, 400)
    truths = {0.5: 3.672061, 0.9: 6.680783, 0.99: 10.045118}
    found = [(timing.quantile(values, q), truth) for q, truth in truths.items()]
    return tuple(holds(Interval(lo, hi), truth) for (_, lo, hi), truth in found)


def _naive(rng: Rng) -> Sequence[Any]:
    """What the plain tests do where they are allowed: equal models, right or wrong and graded, of 30 items."""
    return tuple(stats.paired(a.tolist(), b.tolist()).p < ALPHA for a, b in (outcomes(rng, 30), graded(rng, 30)))


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(name="models that know what they know", once=_calibrated, runs=150, checks=(
        alarm("calibration error"), cover("AUROC, DeLong"), cover("Brier score"), cover("Brier score, all options"),
        cover("surprise"), cover("reliability, Wilson"),
    )),
    *(
        Scenario(name=f"{models} equal models on {tasks} tasks", once=partial(_ranked, tasks=tasks, models=models),
                 runs=400, checks=(alarm("Friedman"), alarm("Nemenyi, best and worst")))
        for tasks, models in ((10, 3), (12, 8))
    ),
    Scenario(name="four close models", once=_wins, runs=60, checks=(cover("mean win rate"),)),
    Scenario(name="lines through four sizes", once=_sizes, runs=400,
             checks=(alarm("no slope"), cover("slope"), cover("band"))),
    *(
        Scenario(name=f"dearest of {rivals + 1}, equally good", once=partial(_quality_ties, rivals=rivals), runs=100,
                 checks=(alarm("dominated, exact costs"),))
        for rivals in (1, 8)
    ),
    *(
        Scenario(name=f"worst of {rivals + 1}, equally dear", once=partial(_cost_ties, rivals=rivals),
                 checks=(alarm("dominated, measured costs"),))
        for rivals in (1, 4)
    ),
    Scenario(name="varied input, 120 documents", once=_varied, runs=60, checks=(
        alarm("drop, McNemar"), cover("drop"), cover("drop rate"), cover("area under severity"),
    )),
    Scenario(name="bits per byte, 120 documents", once=_weighted, checks=(cover("weighted mean"),)),
    Scenario(name="five equal prompts", once=_prompts, runs=100, checks=(alarm("spread of prompts"),)),
    Scenario(name="plain paired tests, 30 items", once=_naive, checks=(alarm("McNemar"), alarm("t"))),
    *(
        Scenario(name=f"a model against itself, {blocks} blocks", once=partial(_twice, blocks=blocks),
                 checks=(alarm("called faster or slower"), cover("ratio, Student")))
        for blocks in (2, 3, 5, 10)
    ),
    *(
        Scenario(name=f"a time in {processes} processes", once=partial(_processes, processes=processes), runs=100,
                 batch=100, checks=(cover("two-stage bootstrap of the median", least=least),))
        for processes, least in ((5, 0.85), (10, 0.88), (20, 0.9))
    ),
    Scenario(name="gaps between tokens", once=_tails,
             checks=(cover("median"), cover("quantile 0.9"), cover("quantile 0.99"))),
)  # fmt: skip
"""All of them."""
