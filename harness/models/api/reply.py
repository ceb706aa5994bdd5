"""A reply as plain data -> text, usage, log-probabilities: what is kept of it.

Layer: models.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from harness.models.api import echo
from harness.models.api.answers import FirstToken, Replied
from harness.models.api.faults import CallError, malformed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.models.api.payload import Ask
    from harness.models.api.tokens import Tokens
    from harness.models.api.wire import Heard


@final
@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of one request.

    Attributes:
        prompt: of the prompt.
        new: generated, thinking included.
        cached: of the prompt, from the endpoint's cache.
        thought: of the new ones, spent on thinking.
        counted: by the endpoint; else estimated here.
    """

    prompt: int
    new: int
    cached: int = 0
    thought: int = 0
    counted: bool = True


@final
@dataclass(frozen=True, kw_only=True)
class Reply:
    """What is kept of a reply: no prompt, no key.

    Attributes:
        text: as generated.
        finish: why it ended.
        refusal: in the endpoint's own field for it.
        model: the name the endpoint gives.
        fingerprint: of the endpoint's system.
        usage: tokens.
        usd: cost at the prices of the day.
        top: log-probabilities of the likeliest first tokens.
        span: the scored end of the prompt.
        seconds: from sending to the end.
        first: from sending to the first token; None where it was not streamed.
        attempts: tries it took.
    """

    text: str
    usage: Usage
    finish: str = "stop"
    refusal: str = ""
    model: str = ""
    fingerprint: str = ""
    usd: float | None = None
    top: Mapping[str, float] = field(default_factory=dict[str, float])
    span: echo.Span | None = None
    seconds: float = 0.0
    first: float | None = None
    attempts: int = 1

    def to_json(self) -> str:
        """The reply as JSON."""
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Reply:
        """What `to_json` wrote.

        Raises:
            ValueError: it is not a whole reply.
        """
        try:
            data = json.loads(text)
            span = data.pop("span")
            span = None if span is None else echo.Span(**span)
            return cls(**{**data, "usage": Usage(**data["usage"]), "span": span})
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a whole reply: {error}") from None


def read(heard: Heard, ask: Ask, tokens: Tokens) -> Reply:
    """The reply to `ask`.

    Raises:
        CallError: nothing to be read, or the endpoint would not answer.
    """
    try:
        choice = heard.data["choices"][0]
        finish = str(choice.get("finish_reason") or "")
        said = choice["message"] if "message" in choice else {"content": choice["text"]}
        text, refusal = said.get("content"), said.get("refusal") or ""
    except (KeyError, IndexError, TypeError, AttributeError):
        raise malformed("it has no choice") from None
    if finish == "content_filter":
        # Filters are no functions of the text: once more, and then it is the endpoint's answer.
        raise CallError("the endpoint's content filter withholds the answer", kind="filtered", retry=True)
    if text is None and not refusal:
        if finish != "length":
            raise malformed("its content is null")
        text = ""  # All its tokens went into thinking.
    return Reply(
        text="" if ask.cut else str(text or ""),  # An echo is the prompt, which is not kept.
        usage=_usage(heard.data.get("usage"), ask, str(text or ""), tokens),
        finish=finish or "stop",
        refusal=str(refusal),
        model=str(heard.data.get("model") or ""),
        fingerprint=str(heard.data.get("system_fingerprint") or ""),
        top=_top(choice),
        span=_span(choice, ask) if ask.cut else None,
        seconds=round(heard.seconds, 4),
        first=None if heard.first is None else round(heard.first, 4),
    )


def replied(reply: Reply, until: Sequence[str], *, truncated: bool) -> Replied:
    """The answer to a task: the text before the first of `until`."""
    places = [place for stop in until if (place := reply.text.find(stop)) >= 0]
    return Replied(
        text=reply.text[: min(places)] if places else reply.text,
        tokens=reply.usage.new,
        prompt_tokens=reply.usage.prompt,
        truncated=truncated,
        finish=reply.finish,
        refusal=reply.refusal,
        seconds=reply.seconds,
        first_seconds=reply.first,
        attempts=reply.attempts,
    )


def first_token(reply: Reply, *, truncated: bool) -> FirstToken:
    """The answer to a task that asks for no more than the first token."""
    return FirstToken(
        logprobs=reply.top,
        text=reply.text,
        tokens=reply.usage.new,
        prompt_tokens=reply.usage.prompt,
        truncated=truncated,
    )


def _span(choice: Mapping[str, Any], ask: Ask) -> echo.Span:
    try:
        return echo.read(choice, prompt=ask.prompt, cut=ask.cut)
    except (ValueError, TypeError) as error:
        raise CallError(f"the echo cannot be read: {error}") from None


def _usage(given: Any, ask: Ask, text: str, tokens: Tokens) -> Usage:
    if not isinstance(given, dict) or type(given.get("prompt_tokens")) is not int:
        return Usage(prompt=ask.prompt_tokens, new=tokens.count(text), counted=False)
    cached = (given.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    thought = (given.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    new = given.get("completion_tokens") or 0
    return Usage(prompt=given["prompt_tokens"], new=int(new), cached=int(cached), thought=int(thought))


def _top(choice: Mapping[str, Any]) -> dict[str, float]:
    """Log-probabilities of the first token, in either shape; empty where there are none."""
    found = choice.get("logprobs")
    if not isinstance(found, dict):
        return {}
    content, tops = found.get("content"), found.get("top_logprobs")
    try:
        if content:
            return {one["token"]: float(one["logprob"]) for one in content[0]["top_logprobs"]}
        return {str(token): float(value) for token, value in tops[0].items()} if tops and tops[0] else {}
    except (KeyError, TypeError, AttributeError, IndexError):
        raise malformed("its log-probabilities have an unknown shape") from None
