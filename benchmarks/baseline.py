"""The rows that a workload comes down to, and how long the plain reference takes over them.

Layer: the reference of `harness`; lm_eval for its windows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from benchmarks import machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.workloads import Workload

Row = tuple[tuple[int, ...], int]
"""Input tokens, and how many targets there are at their end."""


def rows(workload: Workload, tokenizer: Any, *, context: int) -> list[Row]:
    """The row of every request as it is scored: cut on the left to `context` tokens, texts in windows."""
    if workload.texts:
        return _windows(workload.texts, tokenizer, context=context)
    return [(tuple((before + after)[-context - 1 :][:-1]), len(after)) for _, before, after in workload.items]


def seconds_per_token(model: Any, given: Sequence[Row], *, sample: int) -> float:
    """Seconds per input token of one sequence at a time, on `sample` rows of all lengths; NaN for a sample of 0."""
    from harness.scoring import reference
    from harness.scoring.requests import cut

    if not sample:
        return math.nan
    ranked = sorted(given, key=lambda row: len(row[0]))
    chosen = ranked[:: math.ceil(len(ranked) / sample)]
    seconds = 0.0
    for row, targets in chosen:
        # Any tokens will do as targets: the time does not depend on them.
        start = len(row) + 1 - targets
        request = cut(row[:start], (*row[start:], row[-1]), limit=len(row), label="")
        seconds += machine.timed(lambda request=request: reference.score(model, request))[0]
    return seconds / sum(len(row) for row, _ in chosen)


def _windows(texts: Sequence[str], tokenizer: Any, *, context: int) -> list[Row]:
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    from harness.scoring.requests import Encoder

    encoder = Encoder(tokenizer)
    found = []
    for text in texts:
        windows = get_rolling_token_windows(
            token_list=encoder.encode(text), prefix_token=encoder.prefix, max_seq_len=context, context_len=1
        )
        for before, after in map(make_disjoint_window, windows):
            found.append((tuple((*before, *after)[-context - 1 :][:-1]), len(after)))
    return found
