"""When a row of generated tokens is finished, and the text it stands for.

Layer: pure Python over a tokenizer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Sequence

_SLACK = 4


@final
class Stops:
    """Stop strings and end tokens of one batch.

    Stopping is only a matter of cost: the text is cut at the first stop string however many tokens follow. A stop
    string is looked for in the text of the last tokens, as many as it has bytes and a few more, since it may begin in
    the middle of one token and a token has at least one byte; then confirmed on the whole text, since a cut through
    a multi-byte character can look like another.
    """

    def __init__(self, tokenizer: Any, *, until: Sequence[str], ends: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self._until = tuple(until)
        self._ends = ends
        self._window = max((len(stop.encode()) for stop in until), default=0) + _SLACK

    def finished(self, tokens: Sequence[int]) -> bool:
        """Whether nothing after `tokens` can change the text."""
        if tokens[-1] in self._ends:
            return True
        if not self._until or not self._hit(tokens[-self._window :]):
            return False
        return self._hit(tokens)

    def text(self, tokens: Sequence[int]) -> str:
        """Text of `tokens` without special tokens, up to the first stop string.

        Source: lm_eval/models/utils.py, `postprocess_generated_text`.
        """
        text = self._tokenizer.decode(tokens, skip_special_tokens=True)
        for stop in self._until:
            text = text.split(stop)[0]
        return text

    def _hit(self, tokens: Sequence[int]) -> bool:
        text = self._tokenizer.decode(tokens, skip_special_tokens=False)
        return any(stop in text for stop in self._until)
