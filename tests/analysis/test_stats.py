"""Intervals and tests against scipy and against what must hold for all numbers."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness.analysis import derive, palette, sheet, stats, wording


@pytest.mark.parametrize("module", [stats, wording, palette, sheet, derive], ids=lambda m: m.__name__)
def test_examples_in_docstrings_hold(module: object) -> None:
    """Every example in a docstring gives what it says."""
    assert doctest.testmod(module).failed == 0  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 250), (250, 250), (3, 10), (125, 250), (9999, 10042)])
def test_wilson_agrees_with_scipy(k: int, n: int) -> None:
    """The Wilson interval is scipy's."""
    expected = scipy_stats.binomtest(k, n).proportion_ci(method="wilson")
    found = stats.wilson(k, n)
    assert (found.lo, found.hi) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_rate_and_stays_inside_the_unit_interval(case: tuple[int, int]) -> None:
    """0 <= lo <= rate <= hi <= 1, for every rate."""
    found = stats.wilson(*case)
    assert 0 <= found.lo <= case[0] / case[1] <= found.hi <= 1


@pytest.mark.parametrize(("k", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_rate(k: int, n: int) -> None:
    """A rate needs items, and no more successes than items."""
    with pytest.raises(ValueError, match="is not a rate"):
        stats.wilson(k, n)


@given(st.floats(0, 40), st.integers(1, 1200))
def test_student_agrees_with_scipy(t: float, df: int) -> None:
    """Student's two-sided p-value is scipy's; beyond 1000 degrees of freedom the normal one is close enough."""
    expected = 2 * scipy_stats.t.sf(t, df)
    assert stats.student_p(t, df) == pytest.approx(expected, abs=1e-9 if df <= 1000 else 1e-3)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_agrees_with_the_exact_binomial(a: int, b: int) -> None:
    """McNemar's exact p-value is the two-sided binomial one, symmetric in its arguments."""
    expected = scipy_stats.binomtest(a, a + b, 0.5).pvalue if a + b else 1.0
    assert stats.mcnemar(a, b) == pytest.approx(expected, abs=1e-9)
    assert stats.mcnemar(a, b) == stats.mcnemar(b, a)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_a_p_value_and_keeps_the_order(ps: list[float]) -> None:
    """Adjusted p-values are at least the raw ones, at most 1, and in the same order."""
    adjusted = stats.holm(ps)
    assert all(p <= q <= 1 for p, q in zip(ps, adjusted, strict=True))
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_paired_agrees_with_scipy_on_graded_scores() -> None:
    """On scores that are not right-or-wrong the p-value is that of the paired t-test."""
    rng = np.random.default_rng(3)
    a = rng.normal(2, 1, 80)
    b = a + rng.normal(0.1, 0.5, 80)
    found = stats.paired(list(a), list(b))
    assert found.p == pytest.approx(scipy_stats.ttest_rel(a, b).pvalue, abs=1e-9)
    assert found.correlation == pytest.approx(np.corrcoef(a, b)[0, 1])
    identity = math.sqrt(a.var(ddof=1) + b.var(ddof=1) - 2 * found.correlation * a.std(ddof=1) * b.std(ddof=1))
    assert found.stderr == pytest.approx(identity / math.sqrt(80))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_paired_is_antisymmetric(items: list[tuple[bool, bool]]) -> None:
    """Swapping the models turns the difference round and leaves everything else."""
    a, b = [float(x) for x, _ in items], [float(y) for _, y in items]
    there, back = stats.paired(a, b), stats.paired(b, a)
    assert there.difference == -back.difference
    assert (there.p, there.n, there.only_a) == (back.p, back.n, back.only_b)
    assert 0 <= there.p <= 1


def test_paired_refuses_unequal_items() -> None:
    """Scores of different items are never compared."""
    with pytest.raises(ValueError, match="same items"):
        stats.paired([1.0], [1.0, 0.0])


def test_identical_models_are_not_separable() -> None:
    """A model against itself: no difference, p = 1."""
    found = stats.paired([0.3, 0.9, 0.4], [0.3, 0.9, 0.4])
    assert (found.difference, found.p) == (0.0, 1.0)


def test_the_test_rarely_cries_wolf() -> None:
    """Between equal models, fewer than 7 % of tests at 5 % say otherwise."""
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(300):
        easy = rng.random(120)
        a, b = (rng.random(120) < easy).astype(float), (rng.random(120) < easy).astype(float)
        alarms += stats.paired(list(a), list(b)).p < 0.05
    assert alarms / 300 < 0.07
