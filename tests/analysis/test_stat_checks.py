"""The statistics against scipy, statsmodels and hand-made cases, and what they refuse."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from scipy import stats as theirs

from harness.analysis import (
    bootstrap,
    calibration,
    difference,
    equivalence,
    means,
    pairing,
    power,
    ranks,
    scaling,
    stats,
    tradeoff,
)
from harness.config import ConfigError

RNG = np.random.default_rng(4)


@pytest.mark.parametrize("module", [means, power, tradeoff, difference], ids=lambda m: m.__name__)
def test_examples_in_docstrings_hold(module: object) -> None:
    """Every example in a docstring gives what it says."""
    assert doctest.testmod(module).failed == 0  # pyright: ignore[reportArgumentType]


def test_clusters_of_one_give_the_plain_error_and_equal_ones_the_formula() -> None:
    """The clustered error is the plain one for single items, and Miller's with G / (G - 1) for clusters of one size."""
    x = RNG.normal(size=60)
    assert means.mean(x, np.arange(60)).stderr == pytest.approx(x.std(ddof=1) / math.sqrt(60))
    labels = np.repeat(np.arange(12), 5)
    formula = math.sqrt(sum((x[labels == g] - x.mean()).sum() ** 2 for g in range(12)) * 12 / 11) / 60
    assert means.mean(x, labels).stderr == pytest.approx(formula)
    copies = np.repeat(x[:12], 5)
    assert means.mean(copies, labels).stderr == pytest.approx(x[:12].std(ddof=1) / math.sqrt(12))


def test_the_clustered_error_is_that_of_statsmodels() -> None:
    """On clusters of one size: ordinary least squares on a constant with clustered errors."""
    models = pytest.importorskip("statsmodels.api", reason="statsmodels is not installed (test extra)")
    x, labels = RNG.normal(size=60), np.repeat(np.arange(12), 5)
    fitted = models.OLS(x, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": labels})
    assert means.mean(x, labels).stderr == pytest.approx(float(fitted.bse[0]), rel=1e-9)


def test_holm_mcnemar_wilson_and_power_are_those_of_statsmodels() -> None:
    """Four cross-checks of one package."""
    pytest.importorskip("statsmodels", reason="statsmodels is not installed (test extra)")
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.power import NormalIndPower
    from statsmodels.stats.proportion import proportion_confint
    from statsmodels.stats.weightstats import DescrStatsW

    ps = list(RNG.random(9) / 5)
    assert stats.holm(ps) == pytest.approx(list(multipletests(ps, method="holm")[1]))
    assert stats.mcnemar(7, 19) == pytest.approx(mcnemar([[40, 7], [19, 34]], exact=True).pvalue)
    ends = proportion_confint(13, 40, method="wilson")
    assert (stats.wilson(13, 40).lo, stats.wilson(13, 40).hi) == pytest.approx(ends)
    n = NormalIndPower(ddof=0).solve_power(effect_size=0.2, alpha=0.05, power=0.8, ratio=0)
    assert power.required(0.2, 1.0) == math.ceil(n)
    a, b = RNG.normal(0.1, 1, 50), RNG.normal(0, 1, 50)
    tested = DescrStatsW(a - b).ttost_mean(-0.6, 0.6)
    assert equivalence.tost(difference.difference(a, b), 0.6) == pytest.approx(tested[0], abs=1e-9)


def test_graded_pairs_are_scipy_s() -> None:
    """Test and interval of a paired difference are those of the paired t-test."""
    a = RNG.normal(2, 1, 40)
    b = a + RNG.normal(0.2, 0.5, 40)
    found, expected = difference.difference(a, b), theirs.ttest_rel(a, b)
    ends = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, abs=1e-9)
    assert (found.interval.lo, found.interval.hi) == pytest.approx((ends.low, ends.high), abs=1e-7)
    one_sided = theirs.ttest_1samp(a - b, 0.6, alternative="less").pvalue
    assert 1 - found.tail(0.6) == pytest.approx(one_sided, abs=1e-9)


def test_the_correlation_is_stated_and_explains_the_error() -> None:
    """SE² of the difference = SE_A² + SE_B² - 2 rho SE_A SE_B."""
    a, b = RNG.normal(0, 1, 300), RNG.normal(0, 2, 300)
    b = b + a
    found = difference.difference(a, b)
    x, y = means.mean(a).stderr, means.mean(b).stderr
    assert found.correlation == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert found.stderr**2 == pytest.approx(x * x + y * y - 2 * found.correlation * x * y)


def test_sign_flips_agree_with_scipy_and_with_mcnemar() -> None:
    """The permutation p-value is scipy's to simulation error; on right-or-wrong scores it is the exact binomial one."""
    d = RNG.normal(0.3, 1, 40)
    expected = theirs.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=9999, random_state=1)
    assert bootstrap.sign_flip(d) == pytest.approx(expected.pvalue, abs=0.015)
    right = np.array([1.0] * 15 + [-1.0] * 5 + [0.0] * 80)
    assert bootstrap.sign_flip(right) == pytest.approx(stats.mcnemar(15, 5), abs=0.008)
    assert bootstrap.sign_flip(np.zeros(30)) == 1.0


def test_bca_is_scipy_s_but_for_its_wider_tails() -> None:
    """With many items the interval is scipy's BCa interval to simulation error; clusters of one change nothing."""
    x = RNG.exponential(1, 400)
    ends = theirs.bootstrap((x,), np.mean, n_resamples=5000, method="BCa", random_state=1).confidence_interval
    found = bootstrap.bca(x)
    assert (found.lo, found.hi) == pytest.approx((ends.low, ends.high), abs=0.01)
    same = bootstrap.bca(x, clusters=np.arange(400))
    assert (same.lo, same.hi) == (found.lo, found.hi)
    assert bootstrap.bca(x) == found


def test_strata_narrow_the_bootstrap_and_must_hold_whole_clusters() -> None:
    """Between strata nothing varies; a cluster in two strata is refused, and so are few units."""
    layer = np.repeat([0, 1], 100)
    x = layer * 10.0 + RNG.normal(size=200)
    assert bootstrap.bca(x, strata=layer).half < bootstrap.bca(x).half / 3
    with pytest.raises(ValueError, match="two strata"):
        bootstrap.bca(x, clusters=np.arange(200) // 3, strata=layer)
    assert math.isnan(bootstrap.bca(x[: bootstrap.LEAST - 1]).lo)


def test_joint_draws_keep_pairs_paired() -> None:
    """Two equal models are equal in every draw, and draws of clusters vary more than draws of items."""
    x = np.repeat(RNG.normal(size=30), 6)
    drawn = bootstrap.joint(np.column_stack([x, x]), draws=400)
    assert np.allclose(drawn[:, 0], drawn[:, 1])
    assert bootstrap.joint(x[:, None], clusters=np.arange(180) // 6, draws=400).std() > 1.8 * drawn[:, 0].std()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: means.mean([]), "one score per item"),
        (lambda: means.mean([1.0, math.nan]), "1 of 2 scores"),
        (lambda: means.mean([1.0, 0.0], ["a"]), "1 cluster labels for 2 items"),
        (lambda: means.macro([1.0, math.nan], [0.1, 0.1]), "every task"),
        (lambda: difference.difference([1.0], [1.0, 0.0]), "same items"),
        (lambda: power.required(0, 1), "difference of 0"),
        (lambda: equivalence.judge([], family="f") or equivalence.tost(difference.difference([1], [0]), 0), "margin=0"),
        (lambda: scaling.fit([1e6, 2e6, 4e6], [0.1, 0.2, 0.3]), "3 sizes: a line needs at least 4"),
        (lambda: ranks.friedman(np.zeros((9, 4))), "no ranks over 9 tasks: they are tested from 10"),
        (lambda: ranks.friedman(np.zeros((12, 2))), "no ranks of 2 models"),
        (lambda: ranks.friedman(np.full((12, 3), math.nan)), "36 scores are missing"),
        (lambda: tradeoff.standings([1.0], [math.nan], qualities=np.ones((5, 1))), "leave it out"),
        (lambda: calibration.padded([[], [-1.0]]), "finite log-likelihood"),
    ],
)
def test_what_cannot_be_said_is_refused_with_the_reason(call: object, message: str) -> None:
    """Every refusal says what is missing."""
    with pytest.raises(ValueError, match=message):
        call()  # pyright: ignore[reportCallIssue]


def test_hostile_cases_have_a_verdict() -> None:
    """One item, identical models, all right, one cluster: nothing is better, nothing fails."""
    cases = [
        difference.difference([1], [1]), difference.difference([0.3], [0.4]), difference.difference([1] * 9, [1] * 9),
        difference.difference([0.5] * 9, [0.5] * 9), difference.difference([0.1, 0.2], [0.3, 0.1], ["x", "x"]),
    ]  # fmt: skip
    claims = [equivalence.Claim(a="a", b="b", about="t", difference=one) for one in cases]
    verdicts = equivalence.judge(claims, family="odd")
    assert all(v.word in {equivalence.Word.INCONCLUSIVE, equivalence.Word.EQUIVALENT} for v in verdicts)
    assert all("Holm p" in v.evidence for v in verdicts)


def test_a_verdict_carries_its_evidence() -> None:
    """Better, worse, equivalent and inconclusive, each with the numbers that it rests on."""
    rng = np.random.default_rng(1)
    base = (rng.random(3000) < 0.5).astype(float)
    better = np.maximum(base, rng.random(3000) < 0.2)
    alike = np.where(np.arange(3000) < 4, 1 - base, base)
    few = (rng.random(30) < 0.5).astype(float)
    pairs = [(better, base), (base, better), (alike, base), (few, np.roll(few, 1))]
    claims = [equivalence.Claim(a="a", b="b", about="t", difference=difference.difference(*pair)) for pair in pairs]
    verdicts = equivalence.judge(claims, family="four")
    assert [str(v.word) for v in verdicts] == ["better", "worse", "equivalent", "inconclusive"]
    assert "TOST within ±0.01" in verdicts[2].evidence
    assert "would mostly not show" in verdicts[3].evidence
    assert verdicts[3].required is not None
    assert verdicts[3].required > 1000


def test_friedman_and_nemenyi_are_scipy_s() -> None:
    """The statistic with ties, its p-value, and the critical difference from the studentised range."""
    scores = np.round(RNG.random((12, 5)), 1)
    found = ranks.friedman(scores)
    expected = theirs.friedmanchisquare(*scores.T)
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    for models in (2, 5, 20):
        quantile = float(theirs.studentized_range.ppf(0.95, models, np.inf))
        assert ranks.studentised_range(models) == pytest.approx(quantile, abs=2e-3)
    assert ranks.chi_square_p(7.3, 4) == pytest.approx(theirs.chi2.sf(7.3, 4))
    clear = ranks.friedman(np.arange(4) + RNG.random((15, 4)) / 9)
    assert clear.means == (4.0, 3.0, 2.0, 1.0)
    assert clear.groups[0][0] == 3
    assert all(len(group) < 4 for group in clear.groups)


def test_win_rates_count_ties_half_and_leave_gaps_out() -> None:
    """HELM's mean win rate on a table that can be counted by hand."""
    scores = np.array([[0.9, 0.5, 0.5], [0.2, 0.4, math.nan]])
    assert ranks.win_rates(scores) == pytest.approx([0.5, 0.625, 0.25])


def test_the_line_is_scipy_s() -> None:
    """Slope, its p-value and its interval are those of linear regression."""
    sizes = np.array([1e6, 3e6, 1e7, 4e7, 9e7])
    y = 0.1 * np.log10(sizes) + RNG.normal(0, 0.02, 5)
    found, expected = scaling.fit(sizes, y), theirs.linregress(np.log10(sizes), y)
    half = float(theirs.t.ppf(0.975, 3)) * expected.stderr
    assert (found.slope, found.p) == pytest.approx((expected.slope, expected.pvalue), abs=1e-9)
    assert found.interval.half == pytest.approx(half, abs=1e-6)


def test_dominated_is_said_only_where_noise_does_not_blur_it() -> None:
    """A clearly worse and dearer point is dominated; one that is worse by a hair is not; the same model dearer is."""
    quality, cost = np.array([0.8, 0.6, 0.799, 0.8]), np.array([1.0, 2.0, 1.1, 3.0])
    drawn = tradeoff.normal(quality, [0.01, 0.01, 0.01, 0.0], draws=2000)
    drawn[:, 3] = drawn[:, 0]
    found = tradeoff.standings(quality, cost, qualities=drawn)
    assert [one.front for one in found] == [True, False, False, False]
    assert [one.dominated for one in found] == [False, True, False, True]
    assert found[1].rival in {0, 2}
    assert found[2].rival == 0


def test_calibration_numbers_by_hand() -> None:
    """Softmax, confidence, surprise, Brier scores with their parts, and the area under the risk-coverage curve."""
    table = calibration.padded([[0.0, 0.0], [math.log(3), 0.0, -math.inf]])
    shares = calibration.probabilities(table)
    gold = np.array([0, 1])
    assert shares[1, :3] == pytest.approx([0.75, 0.25, 0.0])
    assert calibration.nll(shares, gold) == pytest.approx([math.log(2), math.log(4)])
    assert calibration.options_brier(shares, gold) == pytest.approx([0.5, 2 * 0.75**2])
    sure, right = RNG.random(500), (RNG.random(500) < 0.6).astype(float)
    score = calibration.brier(sure, right)
    assert score.value == pytest.approx(float(((sure - right) ** 2).mean()))
    assert score.reliability >= 0
    assert score.uncertainty == pytest.approx(float(right.mean() * (1 - right.mean())))
    assert calibration.aurc(np.array([0.9, 0.8, 0.7]), np.array([1.0, 0.0, 1.0])) == pytest.approx(
        (0 + 1 / 2 + 1 / 3) / 3
    )
    assert calibration.aurc(np.full(4, 0.5), np.array([1.0, 0.0, 1.0, 0.0])) == pytest.approx(0.5)


def test_auroc_is_the_rank_statistic() -> None:
    """AUROC of confidence is Mann and Whitney's statistic, ties counted half."""
    sure = np.round(RNG.random(200), 1)
    right = (RNG.random(200) < 0.3 + 0.4 * sure).astype(float)
    expected = theirs.mannwhitneyu(sure[right == 1], sure[right == 0]).statistic / (right.sum() * (1 - right).sum())
    value, interval = calibration.auroc(sure, right)
    assert value == pytest.approx(float(expected))
    assert interval.lo < value < interval.hi
    assert math.isnan(calibration.auroc(sure, np.ones(200))[0])


def test_temperature_undoes_overconfidence_and_error_tells_it() -> None:
    """Log-likelihoods that are three times too sharp: the error is found, and a third of them are calibrated."""
    rng = np.random.default_rng(2)
    honest = rng.normal(0, 1, (2000, 3))
    gold = np.minimum((rng.random(2000)[:, None] > calibration.probabilities(honest).cumsum(axis=1)).sum(axis=1), 2)
    dev, rest = np.arange(1000), np.arange(1000, 2000)
    found = calibration.temperature(3 * honest[dev], gold[dev])
    assert found == pytest.approx(3, rel=0.2)
    shares = [calibration.probabilities(3 * honest[rest], temperature=t) for t in (1.0, found)]
    errors = [calibration.expected_error(*calibration.confident(one, gold[rest])) for one in shares]
    assert errors[0].p < 0.01 < errors[1].p
    assert errors[0].value > errors[0].limit > errors[0].floor > 0
    bins = calibration.reliability(*calibration.confident(calibration.probabilities(honest), gold))
    assert sum(b.n for b in bins) == 2000
    assert len(bins) == calibration.BINS


def terms(**changes: object) -> pairing.Terms:
    """Terms of a task with changes."""
    items = changes.pop("items", {"a": "p1", "b": "p2", "c": "p3"})
    settings = {"limit": 100, "shots": 0, "version of the task": "1.0", **changes}
    return pairing.Terms(label="m · t", metric="acc", items=items, settings=settings)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (terms(limit=250), "limit differs: 100 and 250"),
        (terms(**{"version of the task": "2.0"}), "version of the task differs: 1.0 and 2.0"),
        (terms(items={"a": "p1", "b": "p2", "d": "p4"}), "documents differ: 2 shared, 1 only in the first, 1 only in"),
        (terms(items={"a": "p1", "b": "x", "c": "p3"}), r"prompts differ on 1 of 3 shared documents \(b\)"),
        (terms(items={}), "no documents were kept of m · t"),
    ],
)
def test_pairing_refuses_and_says_which(other: pairing.Terms, reason: str) -> None:
    """Different documents, prompts, limits or versions are named."""
    with pytest.raises(ConfigError, match=reason):
        pairing.check(terms(), other)


def test_what_is_not_known_is_not_held_against_a_result() -> None:
    """Terms that only one side knows, and prompts without a hash, do not prevent pairing."""
    bare = pairing.Terms(label="old", metric="acc", items={"a": "", "b": "p2", "c": ""}, settings={"shots": 0})
    assert pairing.refusals(terms(), bare) == []
