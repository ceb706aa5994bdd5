"""Where in an echoed prompt a continuation begins, and how likely it is.

Layer: models; stdlib only. The boundary is looked for from the end of the prompt, since some servers list a
beginning-of-text token and others do not; by the tokens' own texts, else by the offsets, else not at all: an answer
that cannot be aligned is a missing one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@final
@dataclass(frozen=True, kw_only=True)
class Span:
    """The scored end of a prompt.

    Attributes:
        logprob: sum over its tokens in nats.
        greedy: whether each of them is the likeliest.
        tokens: their number.
        straddles: whether the first of them begins before the boundary.
    """

    logprob: float
    greedy: bool
    tokens: int
    straddles: bool = False


def read(choice: Mapping[str, Any], *, prompt: str, cut: int) -> Span:
    """The last `cut` characters of `prompt` in a choice of a completion with `echo` and `logprobs`.

    Raises:
        ValueError: the prompt is not echoed, has no log-probabilities, or cannot be aligned.
    """
    found: Any = choice.get("logprobs")
    if not isinstance(found, dict) or not found.get("tokens") or not found.get("token_logprobs"):
        raise ValueError("it has no log-probabilities of the prompt")
    texts: list[str] = found["tokens"]
    values: list[float | None] = found["token_logprobs"]
    if not str(choice.get("text", "")).startswith(prompt) or len(texts) != len(values):
        raise ValueError("it does not echo the prompt")
    end = _end(texts, prompt, more=len(choice["text"]) > len(prompt))
    start, straddles = _start(texts[:end], found.get("text_offset") or [], prompt, cut)
    scored = values[start:end]
    if not scored or any(value is None or not math.isfinite(value) for value in scored):
        raise ValueError("a token of the continuation has no log-probability")
    tops: Sequence[Any] = found.get("top_logprobs") or []
    return Span(
        logprob=math.fsum(value for value in scored if value is not None),
        greedy=all(_likeliest(tops, i, values[i]) for i in range(start, end)),
        tokens=end - start,
        straddles=straddles,
    )


def _end(texts: Sequence[str], prompt: str, *, more: bool) -> int:
    """Number of tokens of the prompt: all but the generated one. An end-of-text token may have no text."""
    return len(texts) - 1 if more or not prompt.endswith(texts[-1]) else len(texts)


def _start(texts: Sequence[str], offsets: Sequence[int], prompt: str, cut: int) -> tuple[int, bool]:
    start, joined = len(texts), ""
    while start > 0 and len(joined) < cut:
        start -= 1
        joined = texts[start] + joined
    if joined.endswith(prompt[len(prompt) - cut :]) and prompt.endswith(joined):
        return start, len(joined) > cut
    # A character of several tokens has no text of its own in any of them.
    first = offsets[0] if offsets else 0
    if len(offsets) > len(texts) and offsets[len(texts)] - first != len(prompt):
        offsets = ()
    boundary = first + len(prompt) - cut
    if len(offsets) < len(texts) or not any(offset <= boundary for offset in offsets[: len(texts)]):
        raise ValueError("its tokens cannot be aligned with the prompt")
    start = next((i for i, offset in enumerate(offsets[: len(texts)]) if offset >= boundary), len(texts))
    straddles = start == len(texts) or offsets[start] != boundary
    return (start - 1 if straddles else start), straddles


def _likeliest(tops: Sequence[Any], place: int, value: float | None) -> bool:
    top = tops[place] if place < len(tops) else None
    return bool(top) and value is not None and value >= max(top.values())
