"""Variations of a task ask many requests again: those are answered once, and nothing else changes."""

from __future__ import annotations

import pytest

from harness.scoring.answers import Scored
from harness.scoring.memo import Memo
from harness.scoring.options import Scoring


def reply(place: int) -> Scored:
    return Scored(-float(place), greedy=False, tokens=1, prompt_tokens=3, truncated=False)


class Asked:
    """Answers places and remembers them."""

    def __init__(self) -> None:
        self.places: list[int] = []

    def __call__(self, places):
        """Answers the requests at these places."""
        self.places += places
        return [reply(place) for place in places]


def test_a_request_is_asked_once_while_the_task_is_the_same() -> None:
    """The second variation only asks what is new; answers come in the order of the requests."""
    memo, first, second = Memo(), Asked(), Asked()
    memo.open("sst2", Scoring())
    memo.answered([("a", "x"), ("a", "y")], first)
    memo.open("sst2", Scoring())
    found = memo.answered([("b", "x"), ("a", "y"), ("a", "x")], second)
    assert second.places == [0]
    assert found == [reply(0), reply(1), reply(0)]
    assert memo.facts() == {"reused": 2}


@pytest.mark.parametrize(
    ("task", "scoring"),
    [("other", Scoring()), ("", Scoring()), ("sst2", Scoring(layout="reference")), ("sst2", Scoring(screened=True)),
     ("sst2", Scoring(precision_audit=3))],
)  # fmt: skip
def test_another_task_or_another_way_of_scoring_starts_anew(task: str, scoring: Scoring) -> None:
    """Nothing is carried over; screened scoring and an audit see every request."""
    memo, asked = Memo(), Asked()
    memo.open("sst2", Scoring())
    memo.answered([("a", "x")], Asked())
    memo.open(task, scoring)
    memo.answered([("a", "x")], asked)
    assert asked.places == [0]
    assert memo.facts() == {}
