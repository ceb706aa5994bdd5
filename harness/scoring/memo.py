"""Answers that a model has given before, by request: variations of a task ask many of them again, word for word.

Layer: scoring.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.scoring.answers import Scored
    from harness.scoring.options import Scoring

_MOST = 200_000
"""Answers that are kept; then no more are. They take about 300 bytes each."""


@final
class Memo:
    """Answers by request, for as long as one task is asked in one way. At first it keeps none.

    Attributes:
        reused: requests that were answered from it since it was opened.
    """

    def __init__(self) -> None:
        self._open_for: tuple[str, Scoring] | None = None
        self._known: dict[bytes, Scored] = {}
        self.reused = 0

    def open(self, task: str, scoring: Scoring) -> None:
        """Keeps answers from now on, those of before if they are of the same task, scored in the same way.

        Args:
            task: its name; empty: no answer is kept.
            scoring: how. Screened scoring and an audit are to see every request: no answer is kept.
        """
        key = None if not task or scoring.screened or scoring.precision_audit else (task, scoring)
        if key != self._open_for:
            self._known = {}
        self._open_for, self.reused = key, 0

    def facts(self) -> dict[str, int]:
        """`reused`, where it is not 0."""
        return {"reused": self.reused} if self.reused else {}

    def answered(self, requests: Sequence[Any], ask: Callable[[Sequence[int]], list[Scored]]) -> list[Scored]:
        """The answer to each request, in order.

        Args:
            requests: anything whose `repr` tells it from all others.
            ask: answers the requests at these places.
        """
        if self._open_for is None:
            return ask(range(len(requests)))
        keys = [
            hashlib.blake2b(repr(one).encode("utf-8", "surrogatepass"), digest_size=16).digest() for one in requests
        ]
        new = [place for place, key in enumerate(keys) if key not in self._known]
        found = dict(zip(new, ask(new), strict=True)) if new else {}
        answers = [found[place] if place in found else self._known[key] for place, key in enumerate(keys)]
        self.reused += len(requests) - len(new)
        for place in new[: max(0, _MOST - len(self._known))]:
            self._known[keys[place]] = found[place]
        return answers
