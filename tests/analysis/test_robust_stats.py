"""Numbers of robustness against brute force, against simulation, and at their edges."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.analysis import robust_stats as rs

few = settings(max_examples=25)

RIGHT = arrays.arrays(float, st.tuples(st.integers(2, 25), st.integers(1, 5)), elements=st.sampled_from([0.0, 1.0]))
SCORES = arrays.arrays(float, st.tuples(st.integers(2, 12), st.integers(2, 4)), elements=st.floats(0, 1, width=16))


def coupled(rng: np.random.Generator, n: int, *, lost: float, won: float) -> tuple[np.ndarray, np.ndarray]:
    """Right-or-wrong scores of clean and varied input: `lost` turn wrong, `won` turn right."""
    fate = rng.random(n)
    clean = np.where(fate < lost, 1.0, np.where(fate < lost + won, 0.0, rng.integers(0, 2, n)))
    varied = np.where(fate < lost, 0.0, np.where(fate < lost + won, 1.0, clean))
    return clean, varied


@few
@given(RIGHT)
def test_worst_case_is_the_worst_of_each_document(scores: np.ndarray) -> None:
    """Against a loop over documents and cells, for higher and for lower is better."""
    clean, varied = scores[:, 0], scores[:, 1:]
    least = [min(float(c), *map(float, row)) if row.size else float(c) for c, row in zip(clean, varied, strict=True)]
    most = [max(float(c), *map(float, row)) if row.size else float(c) for c, row in zip(clean, varied, strict=True)]
    assert rs.worst(clean, varied, higher=True).tolist() == least
    assert rs.worst(clean, varied, higher=False).tolist() == most


@few
@given(SCORES)
def test_drop_rate_is_one_minus_the_ratio_of_sums(scores: np.ndarray) -> None:
    """As the definition says; not defined, and not 0, where the clean score is 0."""
    before, after = float(scores[:, 0].mean()), float(scores[:, 1].mean())
    found = float(rs.drop_rate(before, after, higher=True))
    assert math.isnan(found) if before == 0 else found == pytest.approx(1 - after / before)
    assert math.isnan(found) or float(rs.drop_rate(before, after, higher=False)) == pytest.approx(-found)


@few
@given(SCORES)
def test_shift_is_the_divergence_by_its_definition(scores: np.ndarray) -> None:
    """Against entropies: H(m) - (H(p) + H(q)) / 2; alike 0, symmetric, never beyond 1."""
    p, q = (part / part.sum(axis=1, keepdims=True) for part in (scores + 0.01, scores[::-1] + 0.01))
    middle = (p + q) / 2
    entropies = [-(x * np.log2(x)).sum(axis=1) for x in (middle, p, q)]
    found = rs.shift(p, q)
    assert found == pytest.approx(entropies[0] - (entropies[1] + entropies[2]) / 2, abs=1e-9)
    assert found == pytest.approx(rs.shift(q, p), abs=1e-12)
    assert rs.shift(p, p) == pytest.approx(0, abs=1e-12)
    assert found.max() <= 1


def test_disjoint_distributions_shift_by_one_bit() -> None:
    """Certain of one option, then of another."""
    assert rs.shift(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).tolist() == [1.0]


@few
@given(st.lists(st.floats(0.015625, 1, width=16), min_size=1, max_size=5, unique=True), st.floats(0.1, 1))
def test_area_of_a_flat_curve_is_one(steps: list[float], level: float) -> None:
    """Nothing is lost; a curve that falls straight to 0 has half; no clean score, no area."""
    grid = [0.0, *sorted(steps)]
    flat, falling = np.full(len(grid), level), level * (1 - np.array(grid) / grid[-1])
    assert float(rs.area(grid, flat)) == pytest.approx(1)
    assert float(rs.area(grid, falling)) == pytest.approx(0.5)
    assert math.isnan(float(rs.area(grid, np.zeros(len(grid)))))
    assert float(rs.area(grid, falling)) == pytest.approx(np.trapezoid(falling, grid) / (level * grid[-1]))


@few
@given(arrays.arrays(np.int64, st.tuples(st.integers(1, 8), st.integers(2, 5)), elements=st.integers(0, 2)))
def test_consistency_is_the_share_of_agreeing_pairs(answers: np.ndarray) -> None:
    """Against a loop over documents and unordered pairs of variants."""
    pairs = list(itertools.combinations(range(answers.shape[1]), 2))
    agreeing = sum(int(row[i] == row[j]) for row in answers for i, j in pairs)
    assert rs.consistency(answers) == pytest.approx(agreeing / (len(answers) * len(pairs)))


@few
@given(RIGHT)
def test_the_interval_of_a_drop_holds_it_and_is_never_empty(scores: np.ndarray) -> None:
    """Also where no outcome changed; and the drop of a to b is minus that of b to a."""
    clean, varied = scores[:, 0], scores[:, -1]
    found, back = rs.drop(clean, varied), rs.drop(varied, clean)
    assert found.lo <= found.value <= found.hi
    assert found.hi > found.lo
    assert (back.value, back.lo, back.hi, back.p) == pytest.approx((-found.value, -found.hi, -found.lo, found.p))


@pytest.mark.parametrize(("lost", "won"), [(0.03, 0.03), (0.1, 0.1), (0.2, 0.02), (0.0, 0.0)])
def test_intervals_of_drops_cover(lost: float, won: float) -> None:
    """Of 400 simulated studies of 80 documents at least 93 % hold the true drop, also where few outcomes change."""
    rng = np.random.default_rng(3)
    made = [rs.drop(*coupled(rng, 80, lost=lost, won=won)) for _ in range(400)]
    assert np.mean([one.lo <= lost - won <= one.hi for one in made]) >= 0.93


def test_no_drop_is_seldom_called_one() -> None:
    """Without a true drop the exact test is below 5 % in at most 6 % of 400 simulated studies."""
    rng = np.random.default_rng(4)
    found = [rs.drop(*coupled(rng, 100, lost=0.1, won=0.1)).p for _ in range(400)]
    assert np.mean(np.array(found) < 0.05) <= 0.06


def test_bootstrap_of_a_mean_is_as_wide_as_theory() -> None:
    """Standard deviation of resampled means against s / sqrt(n); two columns share their documents."""
    values = np.random.default_rng(5).random(50)
    draws = rs.resampled(np.column_stack([values, 1 - values]))
    assert draws.shape == (rs.DRAWS, 2)
    assert draws[:, 0].std() == pytest.approx(values.std() / math.sqrt(50), rel=0.03)
    assert draws.sum(axis=1) == pytest.approx(1)


def test_intervals_of_drop_rates_cover() -> None:
    """Of 100 simulated studies at least 90 % hold the true rate: the bootstrap is of the ratio, not of its parts."""
    rng, held = np.random.default_rng(6), 0
    truth = 0.15 / (0.15 + 0.85 / 2)
    for _ in range(100):
        clean, varied = coupled(rng, 120, lost=0.15, won=0.0)
        draws = rs.resampled(np.column_stack([clean, varied]))
        ends = rs.ends(rs.drop_rate(draws[:, 0], draws[:, 1], higher=True))
        held += ends.lo <= truth <= ends.hi
    assert held >= 90


def test_equal_variants_have_no_spread_beyond_noise() -> None:
    """Under equality the test's p-values are spread evenly; a variant that is worse is found."""
    rng, found, scores = np.random.default_rng(7), [], np.zeros((40, 5))
    for _ in range(50):
        right = (rng.random((40, 1)) < 0.6).astype(float)
        scores = np.where(rng.random((40, 5)) < 0.2, 1 - right, right)
        found.append((rs.equal_spreads(scores) >= np.ptp(scores.mean(axis=0)) - 1e-12).mean())
    assert np.mean(np.array(found) < 0.05) <= 0.12
    assert 0.35 < np.mean(found) < 0.75
    scores[:, 0] = 0.0
    assert (rs.equal_spreads(scores) >= np.ptp(scores.mean(axis=0))).mean() < 0.01


def test_permuting_keeps_every_document_and_its_outcomes() -> None:
    """Documents that all variants answer alike add nothing: the spread of one that differs is exact."""
    scores = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    assert set(rs.equal_spreads(scores)) == {0.25}
    assert not rs.equal_spreads(np.ones((3, 4))).any()


def test_weighted_documents_have_the_mean_of_the_ratio_of_sums() -> None:
    """Bits per byte: sums of bits over sums of bytes; the error is that of resampling the sums."""
    rng = np.random.default_rng(8)
    size, rate = rng.integers(10, 500, 80).astype(float), rng.normal(2, 0.4, 80)
    linear = rs.per_document(rate, size)
    assert linear.mean() == pytest.approx((rate * size).sum() / size.sum())
    sums = rs.resampled(np.column_stack([rate * size, size]))
    assert linear.std(ddof=1) / math.sqrt(80) == pytest.approx((sums[:, 0] / sums[:, 1]).std(), rel=0.05)


def test_newcombe_agrees_with_its_paper() -> None:
    """Example of Newcombe (1998), table II, method 10: 56/70 against 48/80."""
    first, second = np.repeat([1.0, 0.0], [56, 14]), np.repeat([1.0, 0.0], [48, 32])
    found = rs.independent(first, second)
    assert (found.lo, found.hi) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_models_on_one_line_have_no_effective_robustness() -> None:
    """Logits on a line: nothing beyond it; one model above the line is above by what it was lifted."""
    inside = np.array([0.6, 0.7, 0.8, 0.85, 0.9])
    logits = 0.8 * np.log(inside / (1 - inside)) - 0.3
    outside = 1 / (1 + np.exp(-logits))
    assert rs.effective(inside, outside) == pytest.approx(0, abs=1e-12)
    lifted = outside + np.array([0, 0, 0.1, 0, 0])
    assert rs.effective(inside, lifted).argmax() == 2
    assert np.isnan(rs.effective(np.full(5, 0.7), outside)).all()


@pytest.mark.parametrize(("df", "expected"), [(1, 12.706), (5, 2.5706), (30, 2.0423), (5000, 1.96)])
def test_student(df: int, expected: float) -> None:
    """Tabled quantiles."""
    assert rs.student(df) == pytest.approx(expected, abs=1e-3)


def test_one_document_has_no_interval() -> None:
    """Of other than right-or-wrong scores; of a right answer Wilson's."""
    assert math.isnan(rs.mean_interval(np.array([0.5])).lo)
    assert rs.mean_interval(np.array([1.0])).lo == pytest.approx(0.2065, abs=1e-4)
    assert math.isnan(rs.drop(np.array([0.5]), np.array([0.25])).lo)
