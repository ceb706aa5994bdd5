"""Parts of an API model's spec: what a body may hold, what tokens cost, how fast requests go.

Layer: models, light.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from harness.config import one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMITS = ("max_tokens", "max_completion_tokens")
SYSTEM = ("system", "developer", "none")
ECHO = ("auto", "no")

_SECRET = re.compile(r"\b(sk-|hf_|Bearer\s)[\w-]{8,}")


@final
@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a body may hold.

    Attributes:
        limit: name of the field for the most new tokens.
        temperature: whether a temperature may be given. Where not, every reply is a draw.
        seed: whether a seed may be given.
        stops: most stop strings a body may hold; texts are cut at all of them here in any case.
        top_logprobs: most alternatives given for a generated token, 0 for none.
        echo: `auto` asks the server whether it gives log-probabilities of the prompt, `no` is known to have none.
        system: role of instructions; `none` puts them before the user's first message.
        stream: whether replies may be streamed, which tells the time to the first token.
        headroom: tokens that a model may think before it answers, on top of what the answer may have.
        prefix: text that stands for the beginning of a document, where a request has no context.
        opening: text put before every prompt of /completions that does not begin with it: a beginning-of-text token
            that the server needs and does not add (llama-cpp-python's echo is a token off without one).
        extra: further fields of every body.
    """

    limit: str = "max_tokens"
    temperature: bool = True
    seed: bool = True
    stops: int = 4
    top_logprobs: int = 0
    echo: str = "auto"
    system: str = "system"
    stream: bool = True
    headroom: int = 0
    prefix: str = ""
    opening: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        one_of(self.limit, LIMITS, field="rules.limit")
        one_of(self.echo, ECHO, field="rules.echo")
        one_of(self.system, SYSTEM, field="rules.system")
        for name in ("prefix", "opening"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(f"rules.{name}={getattr(self, name)!r} must be a text")
        for name in ("temperature", "seed", "stream"):
            if type(getattr(self, name)) is not bool:
                raise ValueError(f"rules.{name}={getattr(self, name)!r} must be true or false")
        for name in ("stops", "top_logprobs", "headroom"):
            whole(getattr(self, name), least=0, field=f"rules.{name}")
        if secret := _SECRET.search(repr(dict(self.extra))):
            raise ValueError(f"rules.extra holds what looks like a key ({secret[1]}…): keys come from the environment")


@final
@dataclass(frozen=True, kw_only=True)
class Prices:
    """US dollars per million tokens.

    Attributes:
        input: of the prompt.
        output: of what is generated, thinking included.
        cached: of the part of a prompt that the endpoint had in its cache; None: as `input`.
        date: the day they were looked up, as in `2025-11-01`.
        source: where.
    """

    input: float
    output: float
    cached: float | None = None
    date: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("input", "output", "cached"):
            value = getattr(self, name)
            if not (value is None and name == "cached") and not number(value, least=0):
                raise ValueError(f"prices.{name}={value!r} must be US dollars per million tokens, at least 0")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", str(self.date)):
            raise ValueError(f"prices.date={self.date!r}: a price needs the day it was looked up, as in 2025-11-01")

    def usd(self, *, prompt: int, new: int, cached: int = 0) -> float:
        """Cost of a request: `prompt` tokens of which `cached` came from the endpoint's cache, and `new` tokens."""
        cheap = self.input if self.cached is None else self.cached
        return ((prompt - cached) * self.input + cached * cheap + new * self.output) / 1e6


@final
@dataclass(frozen=True, kw_only=True)
class Pacing:
    """How fast, how patiently. None of it changes an answer.

    Attributes:
        concurrency: requests in flight at a time.
        requests_per_minute: None for no limit.
        tokens_per_minute: prompt and new tokens together; None for no limit.
        timeout: seconds until a request is given up, streaming included.
        attempts: tries of one request.
        backoff: seconds before the second try; doubled for each one after, with jitter.
        longest: longest of these waits in seconds.
        patience: longest Retry-After in seconds that is waited for.
        breaker: requests in a row that fail for good before the cell is ended.
    """

    concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout: float = 120.0
    attempts: int = 8
    backoff: float = 1.0
    longest: float = 60.0
    patience: float = 600.0
    breaker: int = 5

    def __post_init__(self) -> None:
        for name in ("concurrency", "attempts", "breaker"):
            whole(getattr(self, name), least=1, field=f"pacing.{name}")
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and (not number(value, least=0) or value == 0):
                raise ValueError(f"pacing.{name}={value!r} must be a number above 0, or null for no limit")
        for name in ("timeout", "backoff", "longest", "patience"):
            if not number(getattr(self, name), least=0) or getattr(self, name) == 0:
                raise ValueError(f"pacing.{name}={getattr(self, name)!r} must be seconds above 0")


def number(value: Any, *, least: float) -> bool:
    """Whether `value` is a finite number of at least `least`."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value < float("inf")


def whole(value: Any, *, least: int, field: str) -> None:
    """Checks a whole number.

    Raises:
        ValueError: it is none, or below `least`.
    """
    if type(value) is not int or value < least:
        raise ValueError(f"{field}={value!r} must be a whole number of at least {least}")
