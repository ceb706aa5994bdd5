"""When the next request may go: requests and tokens a minute, evenly spaced, and pauses that hold everybody.

Layer: models; stdlib only. Time is that of the event loop.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from harness.models.api.rules import Pacing

_MINUTE = 60.0


@final
class Pacer:
    """Hands out the moments at which requests may start, in the order they ask.

    A limit of N a minute is one every 60/N seconds: limits are enforced over shorter times than a minute, too. Tokens
    are those that a request may use at most, put right when it is done.
    """

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._request_at = self._token_at = self._hold_until = 0.0
        self._random = random.Random()  # noqa: S311 - jitter is no secret

    async def turn(self, tokens: int) -> None:
        """Waits until a request of `tokens` tokens may start."""
        start = self._reserve(tokens)
        while (wait := max(start, self._hold_until) - _now()) > 0:  # noqa: ASYNC110 - time passes, nothing happens
            await asyncio.sleep(wait)

    def settle(self, asked: int, used: int) -> None:
        """Gives back tokens that were reserved and not used."""
        if self._pacing.tokens_per_minute:
            self._token_at -= max(0, asked - used) * _MINUTE / self._pacing.tokens_per_minute

    def hold(self, seconds: float) -> None:
        """Nobody starts within the next `seconds`: the endpoint asks for it, or is down."""
        self._hold_until = max(self._hold_until, _now() + seconds)

    def backoff(self, attempt: int) -> float:
        """Seconds before the try after `attempt` (1 for the first), with jitter: half of it is drawn."""
        longest = min(self._pacing.longest, self._pacing.backoff * 2.0 ** min(attempt - 1, 30))
        return longest * (0.5 + 0.5 * self._random.random())

    def _reserve(self, tokens: int) -> float:
        """The first moment that keeps both limits; what follows has to wait behind it."""
        pacing, now = self._pacing, _now()
        start = max(now, self._request_at, self._token_at)
        if pacing.requests_per_minute:
            self._request_at = start + _MINUTE / pacing.requests_per_minute
        if pacing.tokens_per_minute:
            self._token_at = start + tokens * _MINUTE / pacing.tokens_per_minute
        return start


def _now() -> float:
    return asyncio.get_running_loop().time()
