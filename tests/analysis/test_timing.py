"""Statistics of timings: nominal coverage on simulated two-level data, known ranks, verdicts that need both rules."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from harness.analysis import timing


def two_level(rng: np.random.Generator, *, groups: int, processes: int, repeats: int) -> list[list[np.ndarray]]:
    """Times around 1: processes differ by 5 %, repeats within them by 2 %."""
    shifts = 1 + 0.05 * rng.standard_normal((groups, processes, 1))
    values = shifts * (1 + 0.02 * rng.standard_normal((groups, processes, repeats)))
    return [list(group) for group in values]


def twice(  # noqa: PLR0913 - every number is a condition of the simulation
    seed: int, *, number: int, blocks: int, points: int = 1, level: float = 1.0, shared: bool = True
) -> list[tuple[dict[int, np.ndarray], dict[int, np.ndarray]]]:
    """One model measured twice at several points: processes differ by 4 %, five repeats within them by 0.3 %.

    Points of one of the `number` families stand side by side, and share their processes where `shared` says so.
    """
    rng = np.random.default_rng(seed)
    shifts = 1 + 0.04 * rng.standard_normal((2, number, 1 if shared else points, blocks, 1))
    values = shifts * (1 + 0.003 * rng.standard_normal((2, number, points, blocks, 5)))
    a, b = values.reshape(2, number * points, blocks, 5)
    return [(dict(enumerate(level * x)), dict(enumerate(y))) for x, y in zip(a, b, strict=True)]


def called(found: np.ndarray, floor: float = timing.CALLED) -> float:
    """Share of the ratios that are called faster or slower."""
    return float(np.mean([timing.verdict(*row[:3], floor=floor) != "no difference shown" for row in found]))


def covered(found: np.ndarray, truth: float = 1.0) -> float:
    """Share of the intervals that hold the truth."""
    return float(((found[:, 1] <= truth) & (truth <= found[:, 2])).mean())


@pytest.mark.parametrize(("processes", "least"), [(5, 0.88), (10, 0.90)])
def test_two_stage_interval_covers_and_the_naive_one_does_not(processes: int, least: float) -> None:
    """Processes are the unit of replication: repeats pooled as if independent give far too narrow an interval."""
    groups = two_level(np.random.default_rng(1), groups=300, processes=processes, repeats=10)
    staged = timing.pooled(groups)
    naive = timing.pooled([[np.concatenate(group)] for group in groups])
    assert least <= covered(staged) <= 1
    assert covered(naive) < covered(staged) - 0.2


def test_one_process_has_the_interval_of_its_repeats() -> None:
    """Five repeats reach from the smallest to the largest; two repeats have no interval; an outlier moves no centre."""
    values = np.array([1.0, 1.1, 1.2, 1.3, 9.0])
    found = timing.pooled([[values], [values[:2]], [values[[0]], values[[1]], values[[2]]]])
    assert found[0].tolist() == [1.2, 1.0, 9.0]
    assert np.isnan(found[1, 1:]).all()
    assert found[2, 0] == 1.1
    assert np.isfinite(found[2, 1:]).all()


def test_intervals_agree_with_a_plain_bootstrap() -> None:
    """The shared draws of ranks say what resampling the values themselves says, for odd and even numbers of repeats."""
    rng = np.random.default_rng(3)
    for repeats in (6, 7):
        group = two_level(rng, groups=1, processes=4, repeats=repeats)[0]
        chosen = rng.integers(0, 4, (20_000, 4))
        within = rng.integers(0, repeats, (20_000, 4, repeats))
        plain = np.median(np.median(np.array(group)[chosen[..., None], within], axis=-1), axis=-1)
        lo, hi = np.quantile(plain, (0.025, 0.975))
        assert timing.pooled([group])[0, 1:] == pytest.approx((lo, hi), rel=0.004)


def test_paired_ratios_cancel_what_blocks_share() -> None:
    """Blocks that are slow for both sides do not widen the ratio; a true ratio is covered, alone and in a family."""
    rng = np.random.default_rng(4)
    pairs = []
    for _ in range(200):
        block = np.exp(0.3 * rng.standard_normal((6, 1)))
        a, b = (block * level * (1 + 0.02 * rng.standard_normal((6, 8))) for level in (1.2, 1.0))
        pairs.append((dict(enumerate(a)), dict(enumerate(b))))
    each, whole = timing.ratios(pairs, [index // 20 for index in range(200)])
    assert 0.92 <= covered(each, 1.2) <= 0.98
    assert (each[:, 2] - each[:, 1]).max() < 0.12
    assert covered(whole, 1.2) >= 0.8
    assert (whole[:, 2] - whole[:, 1]).mean() < (each[:, 2] - each[:, 1]).mean() / 3


@pytest.mark.parametrize("blocks", [2, 3, 5, 10])
def test_a_model_against_itself_is_rarely_called(blocks: int) -> None:
    """Few blocks do not make a verdict cheap: at most 7 % of A/A pairs are called at the least floor, about 5 % are."""
    each, _ = timing.ratios(twice(8, number=1500, blocks=blocks))
    assert called(each) <= 0.07
    assert 0.93 <= covered(each) <= 0.97
    assert set(each[:, 3]) == {blocks}


@pytest.mark.parametrize("shared", [True, False])
def test_points_of_one_process_count_once(*, shared: bool) -> None:
    """Six points that share a process are no six witnesses: their common row errs as rarely as one point's."""
    for blocks in (2, 3, 5):
        pairs = twice(9, number=500, blocks=blocks, points=6, shared=shared)
        _, whole = timing.ratios(pairs, [index // 6 for index in range(len(pairs))])
        assert called(whole) <= 0.07
        assert covered(whole) >= 0.93


def test_true_differences_are_still_called() -> None:
    """A fifth is seen in five blocks of noisy processes, a tenth in most studies of ten."""
    assert called(timing.ratios(twice(10, number=300, blocks=5, level=1.2))[0]) > 0.95
    assert called(timing.ratios(twice(11, number=300, blocks=10, level=1.1))[0]) > 0.95


def test_one_block_has_no_interval_and_no_verdict() -> None:
    """However many repeats and points it has."""
    pairs = twice(12, number=1, blocks=1, points=6, level=3.0)
    each, whole = timing.ratios(pairs, [0] * 6)
    for found in (each, whole):
        assert np.isnan(found[:, 1:3]).all()
        assert found[:, 0] == pytest.approx(3, rel=0.2)
        assert called(found) == 0


def test_a_family_counts_the_blocks_that_all_of_its_points_have() -> None:
    """A point that lost a block takes it from the whole; without a common block there is a ratio and no interval."""
    (a, b), (c, d) = twice(13, number=1, blocks=3, points=2)
    lost = ({block: c[block] for block in (1, 2)}, d)
    alone = ({0: a[0]}, {0: b[0]})
    _, whole = timing.ratios([(a, b), lost, alone, lost], [0, 0, 1, 1])
    logs = [np.mean([np.log(np.median(x[i]) / np.median(y[i])) for x, y in ((a, b), (c, d))]) for i in (1, 2)]
    assert whole[0, 0] == pytest.approx(np.exp(np.mean(logs)))
    assert list(whole[:, 3]) == [2, 0]
    assert np.isfinite(whole[1, 0])
    assert np.isnan(whole[1, 1:3]).all()


def test_intervals_of_ratios_are_students() -> None:
    """The ends are those of the textbook, for few blocks and for many."""
    for blocks in (2, 3, 7, 40):
        pairs = twice(14, number=1, blocks=blocks)
        logs = [np.log(np.median(pairs[0][0][i]) / np.median(pairs[0][1][i])) for i in range(blocks)]
        ends = scipy_stats.t.interval(0.95, blocks - 1, np.mean(logs), scipy_stats.sem(logs))
        assert timing.ratios(pairs)[0][0, 1:3] == pytest.approx(np.exp(ends), rel=1e-9)


def test_a_control_covers_one_and_calls_nothing() -> None:
    """The same model twice: the interval over all points holds 1, and no point is called faster or slower."""
    both = twice(5, number=1, blocks=5, points=40, shared=False)
    each, whole = timing.ratios(both, [0] * 40)
    floor = timing.noise_floor(each)
    assert whole[0, 1] <= 1 <= whole[0, 2]
    assert 0.05 < floor < 0.2
    assert called(each, floor) <= 0.05


@pytest.mark.parametrize(
    ("ratio", "floor", "expected"),
    [
        ((0.90, 0.88, 0.93), 0.02, "faster"),
        ((1.10, 1.08, 1.13), 0.05, "slower"),
        ((0.90, 0.80, 1.01), 0.0, "no difference shown"),
        ((0.985, 0.98, 0.99), 0.0, "no difference shown"),
        ((0.90, 0.88, 0.93), 0.12, "no difference shown"),
        ((0.50, float("nan"), float("nan")), 0.02, "no difference shown"),
        ((0.50, 0.49, 0.51), float("nan"), "no difference shown"),
    ],
)
def test_a_difference_needs_the_interval_and_the_floor(
    ratio: tuple[float, float, float], floor: float, expected: str
) -> None:
    """Either alone is not enough, 2 % is the least that is ever called, and an unknown floor calls nothing."""
    assert timing.verdict(*ratio, floor=floor) == expected


@pytest.mark.parametrize("n", [1, 5, 10, 29, 36, 100, 299, 300, 1000])
@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_ranks_are_those_of_the_binomial(n: int, q: float) -> None:
    """The ends err with at most 2.5 % each and are the innermost that do; the last value stands in within 5 %."""
    lo, hi = timing.ranks(n, q)
    below = scipy_stats.binom(n, q)
    if lo is None:
        assert below.cdf(0) > 0.025
    else:
        assert below.cdf(lo - 1) <= 0.025 < below.cdf(lo)
    if hi is None:
        assert 1 - q**n < 0.95
    elif hi < n:
        assert below.cdf(hi - 2) < 0.975 <= below.cdf(hi - 1)
    else:
        assert 1 - q**n >= 0.95


def test_a_line_is_found_with_its_interval() -> None:
    """Intercept and slope are covered, one wild repeat bends nothing, and two positions are no line."""
    rng = np.random.default_rng(6)
    points = []
    for start in (32.0, 128.0, 512.0):
        at = start + np.arange(0, 32, 4.0)
        points.append([(at, (1e-3 + 2e-6 * at) * (1 + 0.01 * rng.standard_normal((5, at.size)))) for _ in range(3)])
    points[0][0][1][0] *= 10
    level, slope = timing.line(points)
    assert level[1] <= 1e-3 <= level[2]
    assert slope[1] <= 2e-6 <= slope[2]
    assert slope[0] == pytest.approx(2e-6, rel=0.03)
    assert np.isnan(timing.line([[(np.array([1.0, 2.0]), np.ones((5, 2)))]])).all()


def test_noise_is_named() -> None:
    """Quiet values have no flag; spread repeats and processes that disagree have one each."""
    rng = np.random.default_rng(7)
    quiet = [1 + 0.01 * rng.standard_normal(10) for _ in range(4)]
    spread = [1 + 0.2 * rng.standard_normal(10) for _ in range(4)]
    apart = [process * level for process, level in zip(quiet, (0.8, 1.0, 1.0, 1.2), strict=True)]
    found = timing.noise([quiet, spread, apart, [np.ones(2)]])
    assert found[0] == found[3] == ()
    assert "repeats differ" in found[1][0]
    assert found[2][0].startswith("processes differ")
