"""What text generation is asked, what it answers, and what it notes down on the way.

Layer: stdlib only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, final

if TYPE_CHECKING:
    from harness.generation.options import Options


@final
@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt as tokens, with the options it is decoded by.

    Attributes:
        tokens: at least one token.
        options: its `new` fits into the model's context together with `tokens`.
        draw: which of several draws of the same prompt this is.
    """

    tokens: tuple[int, ...]
    options: Options
    draw: int = 0


@final
@dataclass(frozen=True, kw_only=True)
class Reply:
    """Generated text and the number of tokens it took, with the stop string's or end token's."""

    text: str
    tokens: int


class Journal(Protocol):
    """Where finished replies are kept, so that an interrupted run goes on where it stopped."""

    def known(self, prompt: Prompt) -> Reply | None:
        """The reply to `prompt` that is kept, if any."""
        ...

    def add(self, prompt: Prompt, reply: Reply) -> None:
        """Keeps a reply, at once."""
        ...


@final
class Generation:
    """How a model's replies were computed. One account serves all calls for one model; each call adds to it.

    Attributes:
        path: `slots`, or the slower `batches` or `plain`; empty before the first call.
        reason: why it is not `slots`; empty where it is.
        difference: largest difference of a probability or of a chosen token's log-probability between the slots and
            the model without a cache, on one real prompt; None where it was not compared. It is compared once per
            account.
        steps: calls of the model with one token a row.
        prefilled: prompt tokens read, a shared beginning once.
        active: rows summed over the steps.
        offered: slots summed over the steps.
    """

    def __init__(self) -> None:
        self.path = ""
        self.reason = ""
        self.difference: float | None = None
        self.steps = 0
        self.prefilled = 0
        self.active = 0
        self.offered = 0

    @property
    def occupancy(self) -> float:
        """Share of the slots that held a row, over all steps; 1 before the first."""
        return self.active / self.offered if self.offered else 1.0

    def facts(self) -> dict[str, Any]:
        """What the account says, as small JSON values."""
        return {
            "path": self.path,
            "reason": self.reason,
            "difference": self.difference,
            "steps": self.steps,
            "prefilled": self.prefilled,
            "occupancy": round(self.occupancy, 4),
        }

    def step(self, rows: int, *, slots: int) -> None:
        """Notes one step of `rows` rows where `slots` were to be had."""
        self.steps += 1
        self.active += rows
        self.offered += slots
