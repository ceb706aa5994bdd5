"""The time a run may take: what is understood, what is refused, and what the pace so far says of what is left."""

from __future__ import annotations

import pytest

from harness.budget import Budget, Pace
from harness.config import ConfigError


@pytest.mark.parametrize(
    ("given", "seconds", "text"),
    [(90, 90.0, "90s"), (1.5, 1.5, "1.5s"), ("90s", 90.0, "90s"), ("20m", 1200.0, "20m"), ("0.5 h", 1800.0, "0.5h")],
)
def test_a_budget_is_seconds_minutes_or_hours(given: object, seconds: float, text: str) -> None:
    """A bare number is seconds."""
    assert Budget.parse(given) == Budget(seconds=seconds, text=text)


def test_no_budget_is_no_bound() -> None:
    """`budget: null` lets a run take as long as it takes."""
    assert Budget.parse(None) is None


@pytest.mark.parametrize("given", [0, -5, "0m", "soon", "20 min", "1h30m", True, "", [20], float("nan"), float("inf")])
def test_a_senseless_budget_is_one_line(given: object) -> None:
    """The value, and what would be right."""
    with pytest.raises(ConfigError, match=r"^budget=.* is not a valid value: seconds above 0, a time such as 90s"):
        Budget.parse(given)


def test_the_estimate_takes_the_nearest_that_was_seen() -> None:
    """The same model and probe, else the same probe, else the longest of all; nothing at the beginning."""
    pace = Pace()
    assert pace.estimate("a", "decode", cells=1) == 0.0
    pace.note("a", "decode", cells=1, seconds=2.0)
    pace.note("b", "decode", cells=1, seconds=5.0)
    pace.note("a", "load", cells=1, seconds=9.0)
    assert pace.estimate("a", "decode", cells=1) == 2.0
    assert pace.estimate("c", "decode", cells=1) == 3.5
    assert pace.estimate("c", "score", cells=1) == 9.0


def test_one_slow_cell_does_not_end_a_run() -> None:
    """A cell that was held up, waiting for another run's say, counts for little."""
    pace = Pace()
    for seconds in (2.0, 600.0, 3.0):
        pace.note("a", "decode", cells=1, seconds=seconds)
    assert pace.estimate("a", "decode", cells=1) == 3.0


def test_cells_that_share_a_process_are_estimated_by_their_number() -> None:
    """Four cells took eight seconds: two will take four."""
    pace = Pace()
    pace.note("a", "decode", cells=4, seconds=8.0)
    assert pace.estimate("a", "decode", cells=2) == 4.0
