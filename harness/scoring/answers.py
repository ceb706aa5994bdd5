"""What a language model answers to one request.

Layer: beside `records`; stdlib only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Scored:
    """Log-likelihood of a continuation, or of a whole text, in nats.

    Attributes:
        logprob: sum over the scored tokens.
        greedy: whether every scored token is the most likely one.
        tokens: tokens scored.
        prompt_tokens: tokens conditioned on and not scored, after truncation. For a whole text: over all its windows.
        truncated: whether tokens were lost on the left because the model's context is shorter.
    """

    logprob: float
    greedy: bool
    tokens: int
    prompt_tokens: int
    truncated: bool


@final
@dataclass(frozen=True)
class Generated:
    """Text that a model continued a prompt with.

    Attributes:
        text: what comes before the first stop string.
        tokens: tokens generated, with those of the stop string or end token.
        prompt_tokens: tokens of the prompt after truncation.
        truncated: whether the prompt lost tokens on the left, or the answer's length limit had to be lowered, because
            the model's context is shorter.
    """

    text: str
    tokens: int
    prompt_tokens: int
    truncated: bool
