"""Texts of requests, made to fit the model's context.

Layer: models, light.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, final

from harness.models.api.payload import MESSAGE_TOKENS

if TYPE_CHECKING:
    from harness.generation.options import Options
    from harness.models.api.payload import Prompt
    from harness.models.api.spec import ApiSpec
    from harness.models.api.tokens import Tokens

_WORD = 16
"""Tokens that are left to the word a window is scored after."""


@final
class Texts:
    """Cuts texts for the model of `spec`; without a tokenizer nothing is cut, and the endpoint has to refuse."""

    def __init__(self, spec: ApiSpec, tokens: Tokens) -> None:
        self._spec, self._tokens = spec, tokens
        # What an opening takes, if it takes anything, is no room for a text.
        self._context = None if spec.context is None else spec.context - tokens.count(spec.rules.opening)

    def pair(self, context: str, continuation: str) -> tuple[str, str, bool]:
        """Texts before and after the boundary, and whether the first was cut to fit.

        A context's trailing white space moves to the continuation, as in lm-eval; an empty one becomes the prefix.

        Raises:
            ValueError: the continuation is empty, or there is nothing to score it after.
        """
        if not continuation:
            raise ValueError(f"request {context[:80]!r}: its continuation is empty, at least one token is needed")
        kept = context.rstrip()
        after = context[len(kept) :] + continuation
        if not kept:
            return self._prefix(after), after, False
        if self._context is None:
            return kept, after, False
        room = self._context - 1 - self._tokens.count(after)
        before, lost = self._tokens.tail(kept, max(1, room))
        return before, after, lost

    def windows(self, text: str) -> list[tuple[str, str, bool]]:
        """A text as pairs that predict each of its characters once; every window but the first has a word before it."""
        prefix = self._prefix(text)
        limit = (self._context or 0) - 2
        if self._context is None or not self._tokens.exact or self._tokens.count(text) <= limit:
            return [(prefix, text, False)] if text else []
        pieces = self._tokens.pieces(text, max(1, limit - _WORD))
        return [(text[before:start] if start else prefix, text[start:end], False) for before, start, end in pieces]

    def prompt(self, prompt: Prompt, new: int) -> tuple[Prompt, bool]:
        """A text cut on the left to what an answer of `new` tokens leaves it; conversations are left as they are."""
        if not isinstance(prompt, str) or self._context is None:
            return prompt, False
        room = self._context - new - self._spec.rules.headroom - 2 * MESSAGE_TOKENS
        return self._tokens.tail(prompt, max(1, room))

    def fitted(self, options: Options) -> Options:
        """Options whose answer is no longer than the endpoint and half of the context allow."""
        limits = [self._spec.max_output, None if self._spec.context is None else self._spec.context // 2]
        most = min((limit for limit in limits if limit is not None), default=options.new)
        return replace(options, new=most) if options.new > most else options

    def _prefix(self, after: str) -> str:
        if not self._spec.rules.prefix:
            raise ValueError(
                f"request {after[:80]!r} has no context to score it in: model.rules.prefix must say with what a "
                "document begins, as in <|endoftext|>"
            )
        return self._spec.rules.prefix
