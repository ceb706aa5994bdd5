"""When a row of generated tokens is finished, and the text it stands for.

Layer: pure Python over a tokenizer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Sequence

_SLACK = 4
_UNFINISHED = "\ufffd"


@final
class Stops:
    """Stop strings and end tokens of a row.

    Stopping is only a matter of cost: the text is cut at the first stop string however many tokens follow. A stop
    string has at most as many tokens as bytes, since a token has at least one. So the text of as many last tokens is
    searched, and of a few more: back to a place where no character was cut in two, as long as there is one near, since
    some tokenizers lose a whole run of bytes to one broken character. What is found is confirmed on the whole text.
    Each token costs the same, however long the row is.

    Args:
        tokenizer: turns tokens into text.
        until: stop strings, none of them empty.
        ends: tokens that end a row.
    """

    def __init__(self, tokenizer: Any, *, until: Sequence[str], ends: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self._until = tuple(until)
        self._ends = ends
        self._window = max((len(stop.encode()) for stop in until), default=0) + _SLACK
        self._whole = [0]

    def finished(self, tokens: Sequence[int]) -> bool:
        """Whether nothing after `tokens` can change the text. Is asked after each token of one row, in order."""
        if tokens[-1] in self._ends:
            return True
        if not self._until:
            return False
        tail = self._decode(tokens[self._begin(len(tokens)) :])
        if not tail.endswith(_UNFINISHED):
            self._whole.append(len(tokens))
        return self._hit(tail) and self._hit(self._decode(tokens))

    def text(self, tokens: Sequence[int]) -> str:
        """Text of `tokens` without special tokens, up to the first stop string.

        Source: lm_eval/models/utils.py, `postprocess_generated_text`.
        """
        text = self._tokenizer.decode(tokens, skip_special_tokens=True)
        for stop in self._until:
            text = text.split(stop)[0]
        return text

    def _begin(self, count: int) -> int:
        """Where the searched tokens begin: at the last whole character before the window, unless that is far."""
        latest = count - self._window
        while len(self._whole) > 1 and self._whole[1] <= latest:
            del self._whole[0]
        return max(self._whole[0], latest - 4 * self._window)

    def _decode(self, tokens: Sequence[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=False)

    def _hit(self, text: str) -> bool:
        return any(stop in text for stop in self._until)
