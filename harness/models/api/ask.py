"""Many requests at once: what is kept is not asked again, the rest is paced, retried, paid for, kept, or ended.

Layer: models; imports openai through `wire`. A request is sent again only where that can help. A request that fails
for good is a missing answer; several in a row, or one that shows that none can succeed, end the whole: what is
answered by then is kept.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from contextlib import suppress
from typing import TYPE_CHECKING, final

from harness.models.api.answers import Missing, Stopped
from harness.models.api.faults import CallError
from harness.models.api.ledger import Account, forecast
from harness.models.api.reply import Reply, read
from harness.models.api.wire import connected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.models.api.ledger import Forecast, Ledger
    from harness.models.api.pacing import Pacer
    from harness.models.api.payload import Ask
    from harness.models.api.spec import ApiSpec
    from harness.models.api.store import Kept
    from harness.models.api.tokens import Tokens
    from harness.models.api.wire import Wire
    from harness.records import Progress

REHEARSED = Missing(kind="failed", reason="not asked: a rehearsal")

FILTERED_TRIES = 2
"""Tries of a request whose answer a content filter withholds."""

_WAIT_FOR_ROOM = 0.02
"""Seconds between two looks at a budget whose last part is held by requests in flight."""


@final
class Asker:
    """Asks one model, as its spec says.

    Args:
        spec: the model's.
        tokens: counts.
        ledger: what may be spent.
        pacer: when the next request may go.
        rehearse: nothing is sent; requests are counted, and their answers are missing.

    Attributes:
        kept: replies that outlive this process; None for none.
        account: what the requests took, for the record of a cell.
        forecasts: what each call was going to take.
    """

    def __init__(self, spec: ApiSpec, *, tokens: Tokens, ledger: Ledger, pacer: Pacer, rehearse: bool = False) -> None:
        self.kept: Kept | None = None
        self.account = Account()
        self.forecasts: list[Forecast] = []
        self._spec, self._tokens, self._ledger, self._pacer = spec, tokens, ledger, pacer
        self._rehearse = rehearse
        self._stop: Stopped | None = None
        self._ended = asyncio.Event()
        self._in_a_row = 0
        self._ever = False

    def ask(self, asks: Sequence[Ask], progress: Progress, *, phase: str) -> list[Reply | Missing]:
        """The reply to each request, in order; equal ones are sent once.

        Raises:
            Stopped: the budget is used up, or the endpoint answers nothing any more.
        """
        distinct = {ask.key: ask for ask in asks}
        found: dict[str, Reply | Missing] = {}
        for key in distinct:
            if (reply := self._known(key)) is not None:
                found[key] = reply
        todo = [ask for key, ask in distinct.items() if key not in found]
        self.account.asked += len(distinct)
        self.account.kept += len(found)
        self.forecasts.append(forecast(self._spec, todo, kept=len(found), how=self._tokens.how))
        if self._rehearse:
            return [found.get(ask.key, REHEARSED) for ask in asks]
        if todo:
            progress(f"{phase}: {self.forecasts[-1].sentence}", len(found), len(distinct))
            began = time.monotonic()
            asyncio.run(self._all(todo, found, _counted(progress, phase, len(distinct))))
            self.account.waited += time.monotonic() - began
        progress(phase, len(found), len(distinct))
        self._check_any(found)
        return [found[ask.key] for ask in asks]

    def _known(self, key: str) -> Reply | None:
        entry = None if self.kept is None else self.kept.text(key)
        if entry is None:
            return None
        reply = Reply.from_json(entry[0])
        self.account.add(key, reply)
        return reply

    async def _all(self, todo: Sequence[Ask], found: dict[str, Reply | Missing], progress: Progress) -> None:
        """Fills `found`. When it is to stop, requests in flight are still waited for: they are paid for."""
        self._stop, self._ended = None, asyncio.Event()
        queue = iter(todo)
        async with connected(self._spec) as wire:
            workers = min(self._spec.pacing.concurrency, len(todo))
            await asyncio.gather(*(self._work(wire, queue, found, progress) for _ in range(workers)))
        if self._stop is not None:
            done = f"{len(found):,} of {len(found) + sum(ask.key not in found for ask in todo):,} requests are answered"
            raise Stopped(
                f"model {self._spec.name}: {self._stop}; {done} and kept, the same command goes on from there",
                budget=self._stop.budget,
            )

    async def _work(
        self, wire: Wire, queue: Iterator[Ask], found: dict[str, Reply | Missing], progress: Progress
    ) -> None:
        for ask in queue:
            if self._stop is not None or not await self._affordable(ask):
                return
            self._ledger.reserve(ask)
            try:
                reply = await self._answered(wire, ask)
            except CallError as error:
                if self._stop is None:
                    self._failed(error)
                if self._stop is not None:
                    return
                found[ask.key] = Missing(kind=error.kind, reason=str(error))
            else:
                self._in_a_row = 0
                found[ask.key] = reply
            finally:
                self._ledger.release(ask)
            progress("", len(found), 0)

    async def _affordable(self, ask: Ask) -> bool:
        """Whether the budget has room for `ask`, once those in flight are settled."""
        while why := self._ledger.refusal(ask):
            if self._stop is not None:
                return False
            if self._ledger.flying == 0:
                self._end(Stopped(why, budget=True))
                return False
            await asyncio.sleep(_WAIT_FOR_ROOM)
        return True

    async def _answered(self, wire: Wire, ask: Ask) -> Reply:
        """The reply to `ask` after as many tries as it takes.

        Raises:
            CallError: there is none.
        """
        filtered = 0
        for attempt in range(1, self._spec.pacing.attempts + 1):
            await self._pacer.turn(ask.prompt_tokens + ask.new)
            try:
                reply = await self._once(wire, ask, attempt)
            except CallError as error:
                self._ledger.unknown += error.billed
                filtered += error.kind == "filtered"
                if attempt == self._spec.pacing.attempts or filtered == FILTERED_TRIES or not self._again(error):
                    raise
                self.account.retries += 1
                await self._rest(self._delay(error, attempt))
                if self._stop is not None:
                    raise
            else:
                self._keep(ask, reply)
                return reply
        raise AssertionError("unreachable: the last try raises")

    async def _rest(self, seconds: float) -> None:
        """Waits, but not for an endpoint that nothing more is asked of."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)

    def _end(self, stop: Stopped) -> None:
        self._stop = stop
        self._ended.set()

    async def _once(self, wire: Wire, ask: Ask, attempt: int) -> Reply:
        self.account.sent += 1
        reply = read(await wire.call(ask.body), ask, self._tokens)
        self._ever = True
        usd = self._ledger.pay(reply.usage)
        self._pacer.settle(ask.prompt_tokens + ask.new, reply.usage.prompt + reply.usage.new)
        return dataclasses.replace(reply, usd=usd, attempts=attempt)

    def _again(self, error: CallError) -> bool:
        # Where requests have succeeded before, a key or a model that is gone may come back: a server restarts.
        hopeless = error.fatal and not self._ever
        patient = error.wait is None or error.wait <= self._spec.pacing.patience
        return (error.retry or error.fatal) and not hopeless and patient and self._stop is None

    def _delay(self, error: CallError, attempt: int) -> float:
        """Seconds until the next try; an endpoint that asks for time, or is down, gets it from all requests."""
        if error.wait is not None:
            self._pacer.hold(error.wait)
            return error.wait
        delay = self._pacer.backoff(attempt)
        if error.status == 0 and not error.billed:
            self._pacer.hold(delay)
        return delay

    def _keep(self, ask: Ask, reply: Reply) -> None:
        self.account.add(ask.key, reply)
        self.account.new_tokens_here += reply.usage.prompt + reply.usage.new
        if self.kept is None:
            return
        try:
            self.kept.add_text(ask.key, reply.to_json(), reply.usage.prompt + reply.usage.new)
        except OSError as error:
            self._end(Stopped(f"replies cannot be kept: {error.strerror}; nothing more is paid for"))

    def _failed(self, error: CallError) -> None:
        """Counts a request that failed for good, and ends the whole where it is one too many."""
        if error.kind == "failed":
            self._in_a_row += 1
        if error.fatal or self._in_a_row >= self._spec.pacing.breaker:
            many = "" if error.fatal else f"{self._in_a_row} requests in a row failed for good: "
            self._end(Stopped(f"{many}{error}"))
            return
        self.account.missing[error.kind] += 1
        self.account.reasons.setdefault(error.kind, str(error))

    def _check_any(self, found: dict[str, Reply | Missing]) -> None:
        missing = [one for one in found.values() if isinstance(one, Missing)]
        if missing and len(missing) == len(found):
            raise Stopped(
                f"model {self._spec.name}: not one of {len(found):,} requests was answered: {missing[0].reason}"
            )


def _counted(progress: Progress, phase: str, total: int) -> Progress:
    return lambda _, done, __: progress(phase, done, total)
