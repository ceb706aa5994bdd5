"""Replies in slots: a row that is finished makes room for the next prompt at once.

Layer: torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from harness.generation.rows import extend
from harness.generation.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from harness.forward.body import Body
    from harness.generation.ledger import Ledger
    from harness.generation.parity import Parity
    from harness.generation.prompts import Generation, Prompt
    from harness.generation.rows import Row

_SHARED = 32
"""Tokens that all prompts must have in common before they are read apart."""
_TOGETHER = 4096
"""Padded prompt tokens read in one call; more gains nothing and takes memory."""
_PADDING = 1.25
"""Padded prompt tokens per real one in a call."""
_REFILL = 8
"""Slots are refilled when this part of them is free: a call that reads one short prompt alone costs as much as one
that reads several."""


def beginning(prompts: Sequence[Prompt]) -> tuple[int, ...]:
    """Tokens that all of several prompts begin with, at least one token short of each; empty if they are few."""
    first, last = min(p.tokens for p in prompts), max(p.tokens for p in prompts)
    limit = min(len(p.tokens) for p in prompts) - 1
    count = next((i for i in range(limit) if first[i] != last[i]), limit)
    return first[:count] if len(prompts) > 1 and count >= _SHARED else ()


@final
class Flight:
    """Decodes what waits in a ledger, `slots` rows at a time.

    Args:
        body: the model.
        ledger: what to do; takes what is done.
        make: begins a row.
        slots: rows at a time.
        account: takes notes.
    """

    def __init__(
        self, body: Body, ledger: Ledger, *, make: Callable[[Prompt], Row], slots: int, account: Generation
    ) -> None:
        self._make = make
        self._ledger = ledger
        self._account = account
        self._size = slots
        self._waiting = ledger.waiting()
        self._rows: list[Row] = []
        shared = beginning(self._waiting)
        capacity = max(len(p.tokens) + p.options.new for p in self._waiting)
        self._slots = Slots(body, slots=slots, capacity=capacity, shared=shared)
        self._shared = self._unpaid = len(shared)
        account.prefilled += len(shared)

    def run(self, parity: Parity | None) -> None:
        """Until nothing waits, or until the comparison with the model fails; nothing has been handed in then."""
        while self._waiting or self._rows:
            rows, logits = self._read() if self._ready() else self._step()
            extend(rows, logits)
            if parity is not None:
                parity.watch(rows, logits)
                if parity.difference is not None and not parity.agrees:
                    return
            self._land()

    def _ready(self) -> bool:
        wanted = min(len(self._waiting), max(1, self._size // _REFILL))
        return bool(self._waiting) and (not self._rows or self._slots.free >= wanted)

    def _read(self) -> tuple[list[Row], Tensor]:
        """Prompts of about one length, as many as there is room for."""
        count, real = 0, 0
        width = len(self._waiting[0].tokens) - self._shared
        for prompt in self._waiting[: self._slots.free]:
            size = len(prompt.tokens) - self._shared
            width = max(width, size)
            padded = width * (count + 1)
            if count and (padded > _TOGETHER or padded > _PADDING * (real + size)):
                break
            count, real = count + 1, real + size
        rows = [self._make(prompt) for prompt in self._waiting[:count]]
        del self._waiting[:count]
        self._rows += rows
        self._account.prefilled += real
        return rows, self._slots.admit([row.prompt.tokens for row in rows])

    def _step(self) -> tuple[list[Row], Tensor]:
        self._account.step(len(self._rows), slots=self._size)
        return list(self._rows), self._slots.step([row.tokens[-1] for row in self._rows])

    def _land(self) -> None:
        """Hands in what is finished; the last row takes the place of each."""
        for i in reversed(range(len(self._rows))):
            if self._rows[i].finished:
                row = self._rows[i]
                self._ledger.finish(row.prompt, row.reply(), shared=self._shared)
                self._ledger.count(self._unpaid)
                self._unpaid = 0
                self._slots.drop(i)
                self._rows[i] = self._rows[-1]
                self._rows.pop()
        self._ledger.report(sum(len(row.tokens) for row in self._rows))
