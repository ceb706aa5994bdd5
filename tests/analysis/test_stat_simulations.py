"""What every test and interval does over many simulated studies: at most 7 % false alarms, at least 93 % coverage.

The nominal figures are 5 % and 95 %; the seeds are fixed, so that a failure is a change of the code, never bad luck.
`python -m benchmarks.statistics` prints the same rates over more studies.
"""

from __future__ import annotations

import importlib
import inspect

import numpy as np
import pytest

from benchmarks import statistics
from benchmarks.simulation import Scenario, alarm, clustered, cover, outcomes, rates, settled
from harness.analysis import bootstrap, equivalence
from harness.analysis.difference import difference

MODULES = ("means", "difference", "bootstrap", "equivalence", "calibration", "ranks", "scaling", "tradeoff", "power")
NO_ERROR_RATE = frozenset({
    "items", "clustered", "of_counts", "normal", "padded", "probabilities", "confident", "risk_coverage", "aurc",
    "temperature", "chi_square_p", "studentised_range", "win_rates", "factor", "luck", "mean_ranks", "seen_from",
    "hypervolume",
})  # fmt: skip
"""Public functions that neither test nor enclose anything: sums, transformations, distributions, point estimates."""


every = pytest.mark.parametrize("scenario", statistics.SCENARIOS, ids=lambda one: one.name)


@every
def test_rates_are_not_far_from_what_is_promised(scenario: Scenario) -> None:
    """Every test and interval of one kind of study, over so few studies that only a gross fault shows."""
    assert [statistics.line(one) for one in rates(scenario) if not one.plausible] == []


@pytest.mark.slow
@every
def test_rates_are_what_is_promised(scenario: Scenario) -> None:
    """The same over 2,000 studies or more: at most 7 % false alarms, at least 93 % coverage."""
    assert [statistics.line(one) for one in settled(scenario, runs=2000) if not one.kept] == []


def test_a_fault_would_show() -> None:
    """Few studies are enough to tell an interval of 80 % from one of 95 %, and an error of 20 % from one of 5 %."""

    def once(rng: np.random.Generator) -> tuple[bool, bool]:
        return rng.random() < 0.8, rng.random() < 0.2

    wrong = Scenario(name="a fault", once=once, checks=(cover("too narrow"), alarm("too eager")))
    assert [one.plausible for one in rates(wrong)] == [False, False]


@pytest.mark.parametrize("name", MODULES)
def test_every_test_and_interval_is_simulated(name: str) -> None:
    """No public function of the statistics that tests or encloses something is missing among the scenarios."""
    module = importlib.import_module(f"harness.analysis.{name}")
    public = {key for key, one in vars(module).items()
              if inspect.isfunction(one) and one.__module__ == module.__name__ and not key.startswith("_")}  # fmt: skip
    simulated = "".join(
        inspect.getsource(importlib.import_module(f"benchmarks.{one}"))
        for one in ("simulated_pairs", "simulated_models")
    )
    assert {key for key in public - NO_ERROR_RATE if f"{key}(" not in simulated} == set()


@pytest.mark.parametrize("binary", [True, False], ids=["right or wrong", "graded"])
def test_taking_clustered_items_for_independent_is_wrong(*, binary: bool) -> None:
    """What the clustered test is for: the plain one sees differences of equal models far too often."""
    rng = np.random.default_rng(45)
    drawn = [clustered(rng, 45, binary=binary) for _ in range(100)]
    assert np.mean([difference(a, b).p < 0.05 for a, b, _ in drawn]) > 0.1


def test_strata_make_an_interval_narrower() -> None:
    """What strata differ by is no noise."""
    labels = np.repeat(np.arange(3), 30)
    values = 2.0 * labels + np.random.default_rng(4).normal(0, 1, 90)
    layered, plain = (bootstrap.bca(values, strata=given, draws=999) for given in (labels, None))
    assert layered.half < 0.7 * plain.half


def test_equal_models_are_found_equivalent_where_there_are_enough_items() -> None:
    """With many items equal models are equivalent, with few the verdict is inconclusive; never equal by default."""
    rng = np.random.default_rng(5)

    def word(n: int) -> equivalence.Word:
        claim = equivalence.Claim(a="a", b="b", about="task", difference=difference(*outcomes(rng, n)))
        return equivalence.judge([claim], family="one", margin=0.05)[0].word

    assert np.mean([word(4000) is equivalence.Word.EQUIVALENT for _ in range(40)]) > 0.85
    assert np.mean([word(40) is equivalence.Word.INCONCLUSIVE for _ in range(40)]) > 0.85
