"""The requests of one call as flat arrays: distinct rows, the targets of each request, and the answers as they come.

Layer: numpy, no torch.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.scoring.requests import Request

Answer = tuple[float, bool]
"""Log-likelihood in nats, and whether every target is the most likely token."""


@final
class Sheet:
    """Requests, grouped by their row of input tokens.

    Attributes:
        rows: distinct rows `[tokens]` int32.
        members: the requests of each row.
        firsts: the first position of each row that predicts a target `[rows]`.
        scored: targets of all requests.
    """

    def __init__(self, requests: Sequence[Request]) -> None:
        self._requests = requests
        groups: dict[bytes, list[int]] = {}
        for index, request in enumerate(requests):
            groups.setdefault(request.row.tobytes(), []).append(index)
        self.rows = [requests[indices[0]].row for indices in groups.values()]
        self.members = [tuple(indices) for indices in groups.values()]
        sizes = np.asarray([len(request.targets) for request in requests], dtype=np.int64)
        self._ends = np.cumsum(sizes)
        self._starts = self._ends - sizes
        self.scored = int(sizes.sum())
        self._targets = np.concatenate([r.targets for r in requests] or [np.empty(0)]).astype(np.int64)
        self._logprobs = np.full(self.scored, math.nan)
        self._hits = np.zeros(self.scored, dtype=bool)
        self.firsts = np.asarray(
            [len(row) - max(int(sizes[i]) for i in m) for row, m in zip(self.rows, self.members, strict=True)],
            dtype=np.int64,
        )

    def wanted(self, row: int, *, past: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """What positions [past, end) of a row predict: the positions less `past`, and the places of their targets."""
        depths, flat = [], []
        length = len(self.rows[row])
        for index in self.members[row]:
            start, stop = self._starts[index], self._ends[index]
            first = length - (stop - start)
            low, high = max(first, past), min(length, end)
            if low < high:
                depths.append(np.arange(low - past, high - past))
                flat.append(np.arange(start + low - first, start + high - first))
        if not depths:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return np.concatenate(depths), np.concatenate(flat)

    def targets(self, flat: np.ndarray) -> np.ndarray:
        """Token ids at places of the flat array."""
        return self._targets[flat]

    def fill(self, flat: np.ndarray, logprobs: np.ndarray, hits: np.ndarray) -> None:
        """Notes what came out for some targets."""
        self._logprobs[flat], self._hits[flat] = logprobs, hits

    def answers(self, row: int) -> dict[int, Answer]:
        """The answers to all requests of a row whose every target has come out.

        Raises:
            ValueError: if one is not a finite number, naming its request.
        """
        return {index: self._answer(index) for index in self.members[row]}

    def _answer(self, index: int) -> Answer:
        here = slice(self._starts[index], self._ends[index])
        answer = float(self._logprobs[here].sum()), bool(self._hits[here].all())
        return finite(self._requests[index], answer)


def finite(request: Request, answer: Answer) -> Answer:
    """The answer.

    Raises:
        ValueError: if it is not a finite number, naming the request.
    """
    if not math.isfinite(answer[0]):
        raise ValueError(
            f"request {request.label!r}: its log-likelihood is {answer[0]}; the weights hold values that are not "
            "finite, or the dtype overflows (try dtype=float32)"
        )
    return answer


def key(request: Request) -> str:
    """Name of a request by its tokens, the same in every run."""
    content = len(request.targets).to_bytes(4, "little") + request.row.tobytes() + request.targets.tobytes()
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def unique_positions(sheet: Sheet, order: np.ndarray, shared: np.ndarray) -> int:
    """Distinct scored positions: nodes of the radix tree that the output layer has to see at least.

    Args:
        sheet: the requests.
        order: the rows, sorted.
        shared: tokens that each has in common with the one before.
    """
    lengths = np.asarray([len(sheet.rows[row]) for row in order])
    return int((lengths - np.maximum(shared, sheet.firsts[order])).clip(min=0).sum()) if len(order) else 0
