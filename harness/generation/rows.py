"""One reply in the making: its tokens, its random numbers and its stop strings.

Layer: torch, for the random numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from harness.generation.prompts import Reply
from harness.generation.sampling import NOT_A_NUMBER, choose, stream
from harness.generation.stops import Stops

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from harness.generation.prompts import Prompt

_SHOWN = 60


@final
class Row:
    """Tokens generated for one prompt so far.

    Attributes:
        prompt: what it replies to.
        tokens: new tokens.
        finished: whether the reply is complete.
    """

    def __init__(self, prompt: Prompt, *, tokenizer: Any, ends: frozenset[int]) -> None:
        self.prompt = prompt
        self.tokens: list[int] = []
        self.finished = False
        self.stream = stream(prompt.tokens, seed=prompt.options.seed, draw=prompt.draw)
        self._tokenizer = tokenizer
        self._stops = Stops(tokenizer, until=prompt.options.until, ends=ends)

    def append(self, token: int) -> None:
        """Adds a token.

        Raises:
            ValueError: if there is none, since the logits were not numbers.
        """
        if token == NOT_A_NUMBER:
            raise ValueError(
                f"generation: the model's logits are not numbers after {self._ending()!r}; its weights or its dtype "
                "are at fault"
            )
        self.tokens.append(token)
        self.finished = self._stops.finished(self.tokens) or len(self.tokens) == self.prompt.options.new

    def reply(self) -> Reply:
        """Text and number of the tokens."""
        return Reply(text=self._stops.text(self.tokens), tokens=len(self.tokens))

    def _ending(self) -> str:
        text = self._tokenizer.decode([*self.prompt.tokens, *self.tokens])
        return text if len(text) <= _SHOWN else f"…{text[-_SHOWN:]}"


def extend(rows: Sequence[Row], logits: Tensor) -> None:
    """Adds to each row the token that its logits `[rows, vocabulary]` and its options lead to.

    Raises:
        ValueError: if logits are not numbers, with the end of the first prompt concerned.
    """
    tokens = choose(logits, [row.prompt.options for row in rows], [row.stream for row in rows])
    for row, token in zip(rows, tokens, strict=True):
        row.append(token)


def ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end an answer: the tokenizer's, and those of the model's generation config."""
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [*listed, tokenizer.eos_token_id] if token is not None)
