"""What an API model answers to one request, beside `harness.scoring.answers.Scored`.

Layer: beside `records`; stdlib only. A `Missing` has no text and no log-probability: whoever does not expect it fails
loudly instead of counting a failed call as a wrong answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MISSING = ("failed", "filtered", "too_long")


@final
class Stopped(ValueError):  # noqa: N818 - it is an outcome: the budget's end is no error
    """The requests were ended before all were answered; what is answered is kept. One line says why.

    Attributes:
        budget: whether money or tokens ran out, which is no failure.
    """

    def __init__(self, why: str, *, budget: bool = False) -> None:
        super().__init__(why)
        self.budget = budget


@final
@dataclass(frozen=True, kw_only=True)
class Replied:
    """Text that a model continued a prompt with: the attributes of `Generated`, and what only an API tells.

    Attributes:
        text: what comes before the first stop string.
        tokens: new tokens, thinking included.
        prompt_tokens: tokens of the prompt.
        truncated: whether the prompt was cut on the left, or the answer's limit lowered.
        finish: `stop`, `length` or what else the endpoint says.
        refusal: what a model that refuses says, in the endpoint's own field for it; else empty.
        seconds: from sending to the last token.
        first_seconds: from sending to the first token; None where the reply was not streamed.
        attempts: tries it took.
    """

    text: str
    tokens: int
    prompt_tokens: int
    truncated: bool
    finish: str = "stop"
    refusal: str = ""
    seconds: float = 0.0
    first_seconds: float | None = None
    attempts: int = 1


@final
@dataclass(frozen=True, kw_only=True)
class FirstToken:
    """The likeliest first tokens of an answer.

    Attributes:
        logprobs: log-probability in nats by token text, of as many as the endpoint gives.
        text: the token that was generated.
        tokens: new tokens.
        prompt_tokens: tokens of the prompt.
        truncated: whether the prompt was cut on the left.
    """

    logprobs: Mapping[str, float] = field(default_factory=dict)
    text: str = ""
    tokens: int = 0
    prompt_tokens: int = 0
    truncated: bool = False

    @property
    def bound(self) -> float:
        """Log-probability that no token beyond those given exceeds; minus infinity where none are given."""
        return min(self.logprobs.values(), default=-math.inf)

    def of(self, letters: Sequence[str]) -> list[float | None]:
        """Log-probability of each letter, its spellings with white space together; None where it is not given.

        >>> FirstToken(logprobs={"A": -1.0, " B": -2.0}).of(["A", "B", "C"])
        [-1.0, -2.0, None]
        """
        found: list[float | None] = []
        for letter in letters:
            parts = [value for token, value in self.logprobs.items() if token.strip() == letter]
            found.append(_sum(parts) if parts else None)
        return found


@final
@dataclass(frozen=True, kw_only=True)
class Missing:
    """An answer that there is none of: a request that failed for good, or that the endpoint would not answer.

    Attributes:
        kind: `failed`, `filtered` by the endpoint's own rules, or `too_long` for the model.
        reason: one line.
        tokens: 0.
        prompt_tokens: 0.
        truncated: False.
    """

    kind: str
    reason: str
    tokens: int = 0
    prompt_tokens: int = 0
    truncated: bool = False


def _sum(logprobs: Sequence[float]) -> float:
    top = max(logprobs)
    return top if len(logprobs) == 1 else top + math.log(sum(math.exp(value - top) for value in logprobs))
