"""Texts -> token rows to score: the ids that lm-eval's own Hugging Face backend produces, for every tokenizer.

Layer: numpy, no torch. The engine sees nothing but `Request`s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """One row of tokens and what is scored at its end.

    Tokens are arrays of int32: as Python integers the prompts of MMLU would take gigabytes.

    Attributes:
        row: input tokens `[tokens]`; the last target is not among them.
        targets: the tokens to score: the last `len(targets)` positions of `row` predict them.
        truncated: whether tokens were lost on the left.
        label: the start of the context, to name the request in errors.
    """

    row: np.ndarray
    targets: np.ndarray
    truncated: bool
    label: str

    @property
    def prompt_tokens(self) -> int:
        """Tokens conditioned on."""
        return len(self.row) + 1 - len(self.targets)


def cut(context: Sequence[int], continuation: Sequence[int], *, limit: int, label: str) -> Request:
    """The request that scores `continuation` after `context`, cut on the left to `limit` input tokens.

    Raises:
        ValueError: if there is nothing to score, or if the continuation alone is longer than `limit`.

    Source: lm_eval/models/huggingface.py, `HFLM._loglikelihood_tokens`.
    """
    label = label[:80]
    if not continuation:
        raise ValueError(f"request {label!r}: its continuation is empty, at least one token is needed to score")
    if len(continuation) > limit:
        raise ValueError(
            f"request {label!r}: its continuation has {len(continuation)} tokens, the model's context holds {limit}"
        )
    tokens = np.asarray((*context, *continuation)[-(limit + 1) :], dtype=np.int32)
    lost = len(context) + len(continuation) > limit + 1
    return Request(row=tokens[:-1], targets=tokens[-len(continuation) :], truncated=lost, label=label)


@final
class Encoder:
    """Texts -> token ids with one tokenizer.

    Attributes:
        prefix: the token that stands in for an empty context: beginning of sequence, else end of sequence.
    """

    def __init__(self, tokenizer: Any) -> None:
        prefix = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        if prefix is None:
            raise ValueError("the tokenizer has neither a beginning-of-sequence nor an end-of-sequence token: set one")
        self.prefix: int = prefix
        self._tokenizer = tokenizer
        self._prefix_text: str = tokenizer.decode([prefix])

    def encode(self, text: str, *, special: bool | None = None) -> list[int]:
        """Token ids of `text`.

        Args:
            text: any string.
            special: whether the tokenizer adds its special tokens. None: as it does by default, unless the text
                already begins with the prefix token.
        """
        return self.encode_all([text], special=special)[text]

    def encode_all(self, texts: Iterable[str], *, special: bool | None = None) -> dict[str, list[int]]:
        """Token ids of every distinct text."""
        plain, bare = [], []
        for text in dict.fromkeys(texts):
            begun = special is None and text.startswith(self._prefix_text)
            (bare if begun else plain).append(text)
        options = {} if special is None else {"add_special_tokens": special}
        return self._batch(plain, options) | self._batch(bare, {"add_special_tokens": False})

    def pairs(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
        """Tokens of each (context, continuation).

        A context's trailing white space moves to the continuation; both are encoded as one text and cut where the
        context alone ends. A context without tokens becomes the prefix token.

        Source: lm_eval/api/model.py, `TemplateLM.loglikelihood` and `_encode_pair`.
        """
        moved = [_move_space(context, continuation) for context, continuation in pairs]
        joint = self.encode_all(
            text for (c, k), pair in zip(moved, pairs, strict=True) if pair[0] for text in (c, c + k)
        )
        alone = self.encode_all((k for context, k in pairs if not context), special=False)
        found = []
        for (context, continuation), pair in zip(moved, pairs, strict=True):
            if pair[0]:
                before = joint[context]
                after = joint[context + continuation][len(before) :]
            else:
                before, after = [], alone[continuation]
            found.append((before, after) if before else self._without_context(after))
        return found

    def _without_context(self, tokens: list[int]) -> tuple[list[int], list[int]]:
        return (tokens[:1], tokens[1:]) if tokens[:1] == [self.prefix] else ([self.prefix], tokens)

    def _batch(self, texts: list[str], options: Mapping[str, bool]) -> dict[str, list[int]]:
        if not texts:
            return {}
        try:
            encoded = self._tokenizer(texts, return_attention_mask=False, verbose=False, **options)
        except (TypeError, UnicodeError):
            # The tokenizer takes all texts at once and does not say which one it is about.
            raise ValueError(self._culprit(texts)) from None
        return dict(zip(texts, encoded["input_ids"], strict=True))

    def _culprit(self, texts: Sequence[str]) -> str:
        for text in texts:
            try:
                self._tokenizer(text, verbose=False)
            except (TypeError, UnicodeError):
                shown = text[:80].encode("ascii", "backslashreplace").decode()
                return f"request {shown!r} cannot be tokenised: is it valid Unicode, without halves of surrogate pairs?"
        return f"the tokenizer refuses one of {len(texts)} texts, but none of them alone"


def _move_space(context: str, continuation: str) -> tuple[str, str]:
    kept = context.rstrip()
    return kept, context[len(kept) :] + continuation
