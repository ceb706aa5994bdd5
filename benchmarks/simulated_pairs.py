"""Simulated studies of two models: differences, means, bootstrap, equivalence, families, power.

Layer: above `simulation`.
"""

# ruff: noqa: PLR2004 - sizes and effects of simulated studies are literals
from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.simulation import (
    Check,
    Kind,
    Rng,
    Scenario,
    alarm,
    clustered,
    cover,
    graded,
    holds,
    outcomes,
)
from harness.analysis import bootstrap, equivalence, means, power, robust_stats, stats
from harness.analysis.difference import difference, macro
from harness.analysis.equivalence import Claim, Word
from harness.analysis.stats import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

ALPHA = 0.05


def _right_or_wrong(rng: Rng, *, n: int) -> Sequence[Any]:
    a, b = outcomes(rng, n)
    found = difference(a, b)
    flipped = bootstrap.sign_flip(a - b, draws=999)
    return (
        found.p < ALPHA, flipped < ALPHA, holds(found.interval, 0),
        n < bootstrap.LEAST or holds(bootstrap.bca(a - b, draws=999), 0),
    )  # fmt: skip


def _graded(rng: Rng, *, n: int) -> Sequence[Any]:
    a, b = graded(rng, n)
    found = difference(a, b)
    return found.p < ALPHA, holds(found.interval, 0), holds(means.mean(a).interval, 4)


def _resampled(rng: Rng, *, n: int) -> Sequence[Any]:
    a, b = graded(rng, n)
    return bootstrap.sign_flip(a - b, draws=499) < ALPHA, holds(bootstrap.bca(a - b, draws=999), 0)


def _clustered(rng: Rng, *, groups: int, binary: bool) -> Sequence[Any]:
    a, b, labels = clustered(rng, groups, binary=binary)
    found = difference(a, b, labels.tolist())
    single = holds(means.mean(a, labels.tolist()).interval, 0.5 if binary else 0.0)
    told = found.p < ALPHA, holds(found.interval, 0), single
    few = groups < bootstrap.LEAST  # of which no bootstrap interval is given
    return told if few else (*told, holds(bootstrap.bca(a - b, clusters=labels, draws=499), 0))


def _strata(rng: Rng) -> Sequence[Any]:
    """Three strata of unequal sizes whose means lie apart: only what varies within them is noise."""
    sizes, centres = np.array([40, 30, 20]), np.array([0.0, 1.0, 3.0])
    labels = np.repeat(np.arange(3), sizes)
    values = centres[labels] + rng.normal(0, 1, len(labels))
    truth = float((sizes * centres).sum() / sizes.sum())
    return (holds(bootstrap.bca(values, strata=labels, draws=999), truth),)


def _joint(rng: Rng) -> Sequence[Any]:
    a, b = outcomes(rng, 150, gap=0.1)
    lo, hi = bootstrap.percentiles(bootstrap.joint(np.column_stack([a, b, a - b]), draws=999))
    return tuple(holds(Interval(lo[i], hi[i]), truth) for i, truth in enumerate((0.6, 0.5, 0.1)))


def _at_the_margin(rng: Rng, *, n: int) -> Sequence[Any]:
    right = difference(*outcomes(rng, n, gap=0.08))
    score = difference(rng.normal(0.08, 0.5, n), np.zeros(n))
    groups = np.repeat(np.arange(n // 5), 5)
    alike = rng.normal(0.08, 0.3, n // 5)[groups] + rng.normal(0, 0.3, len(groups))
    shared = difference(alike, np.zeros(len(groups)), groups.tolist())
    return tuple(equivalence.tost(found, 0.08) < ALPHA for found in (right, score, shared))


def _family(rng: Rng) -> Sequence[Any]:
    """Ten comparisons of equal models, and ten of models that differ by the margin."""
    equal = [difference(*graded(rng, 50)) for _ in range(10)]
    apart = [difference(rng.normal(0.2, 0.5, 120), np.zeros(120)) for _ in range(10)]
    words = {verdict.word for verdict in equivalence.judge(_claims(equal), family="ten")}
    alike = {verdict.word for verdict in equivalence.judge(_claims(apart), family="ten", margin=0.2)}
    return bool(words & {Word.BETTER, Word.WORSE}), Word.EQUIVALENT in alike


def _claims(found: Sequence[Any]) -> list[Claim]:
    return [Claim(a="a", b="b", about=str(place), difference=one) for place, one in enumerate(found)]


def _rates(rng: Rng) -> Sequence[Any]:
    """Rates near their end, two of them on other items, chance put at 0, the mean over tasks."""
    x, y = (rng.random(80) < 0.9).astype(float), (rng.random(60) < 0.8).astype(float)
    tasks = [means.mean((rng.random(100) < p).astype(float)) for p in (0.2, 0.5, 0.8)]
    whole = means.macro([t.value for t in tasks], [t.stderr for t in tasks])
    wilson = stats.wilson(float(x.sum()), 80)
    above = means.chance_corrected(float(x.mean()), wilson, chance=0.25)[1]
    return (
        holds(wilson, 0.9), holds(above, 0.65 / 0.75), holds(robust_stats.independent(x, y), 0.1),
        holds(robust_stats.independent(rng.gamma(4, 1, 60), rng.gamma(4, 0.5, 40)), 2), holds(whole.interval, 0.5),
    )  # fmt: skip


def _detectable(rng: Rng) -> Sequence[Any]:
    """The difference that the formula names, and the number of items that it asks for."""
    gap = power.detectable(1.0, 200)
    items = power.required(0.3, 1.0)
    found = difference(rng.normal(gap, 1, 200), np.zeros(200)), difference(rng.normal(0.3, 1, items), np.zeros(items))
    return tuple(one.p < ALPHA for one in found)


def _macro(rng: Rng) -> Sequence[Any]:
    """Two equal models on five tasks, two of them graded: the paired difference of their means over tasks."""
    tasks = [difference(*outcomes(rng, 80)) for _ in range(3)] + [difference(*graded(rng, 60)) for _ in range(2)]
    whole = macro(tasks, [0.5, 0.75, 1.0, 4.0, 4.0])
    return whole.p < ALPHA, holds(whole.interval, 0)


PAIRS = ("McNemar exact", "sign-flip", "Agresti-Min", "BCa")

SCENARIOS: tuple[Scenario, ...] = (
    *(
        Scenario(
            name=f"right or wrong, {n} items", once=partial(_right_or_wrong, n=n),
            checks=(alarm(PAIRS[0]), alarm(PAIRS[1]), cover(PAIRS[2]), cover(PAIRS[3])),
        )
        for n in (40, 250)
    ),
    *(
        Scenario(
            name=f"skewed scores, {n} items", once=partial(_graded, n=n), runs=400,
            checks=(alarm("paired t"), cover("paired t"), cover("Student, one mean")),
        )
        for n in (40, 90)
    ),
    *(
        Scenario(
            name=f"skewed scores resampled, {n} items", once=partial(_resampled, n=n), runs=60,
            checks=(alarm("sign-flip"), cover("BCa")),
        )
        for n in (40, 90)
    ),
    *(
        Scenario(
            name=f"{groups} clusters, {'right or wrong' if binary else 'graded'}",
            once=partial(_clustered, groups=groups, binary=binary), runs=100,
            checks=(
                alarm("clustered t" if groups >= 40 else "clustered sign-flip"), cover("clustered t"),
                cover(f"one mean, {'Wilson' if binary else 'Student'} (clustered)"),
                *([cover("BCa (clustered)")] if groups >= bootstrap.LEAST else []),
            ),
        )
        for groups in (12, 45) for binary in (True, False)
    ),
    Scenario(name="three strata", once=_strata, runs=40, checks=(cover("BCa (stratified)"),)),
    Scenario(name="joint draws of two models, 150 items", once=_joint, runs=60,
             checks=(cover("percentile, a"), cover("percentile, b"), cover("percentile, a - b"))),
    *(
        Scenario(
            name=f"apart by the margin, {n} items", once=partial(_at_the_margin, n=n),
            checks=(alarm("TOST, right or wrong"), alarm("TOST, graded"), alarm("TOST, clustered")),
        )
        for n in (300, 1000)
    ),
    Scenario(name="a family of ten comparisons", once=_family, runs=60,
             checks=(alarm("Holm: any better or worse"), alarm("Holm: any equivalent"))),
    Scenario(name="rates", once=_rates, checks=(
        cover("Wilson"), cover("Wilson, chance-corrected"), cover("Newcombe, other items"), cover("Welch, other items"),
        cover("macro mean"),
    )),
    Scenario(name="mean over five tasks", once=_macro,
             checks=(alarm("paired, over tasks"), cover("paired, over tasks"))),
    Scenario(name="differences of the detectable size", once=_detectable, checks=(
        Check(what="detectable with 200 items", kind=Kind.POWER), Check(what="with required items", kind=Kind.POWER),
    )),
)  # fmt: skip
"""All of them."""
