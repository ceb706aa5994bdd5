"""Tokens and money of one model: what was spent, what may still be, and what requests will take at most.

Layer: models; stdlib only. A request is only sent if the budget holds the most that it can cost, beside the most that
those in flight can: a budget is never exceeded by what the endpoint counts.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.models.api.payload import Ask
    from harness.models.api.reply import Reply, Usage
    from harness.models.api.spec import ApiSpec

_MILLION = 1e6
ESTIMATE = 1.5
"""A count that is only an estimate may be so many times too low."""


@final
@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What requests will take, before the first of them is sent.

    Attributes:
        requests: to be sent.
        kept: already answered, and not sent.
        prompt_tokens: of the prompts.
        new_tokens: at most.
        usd_least: if nothing is generated; None without prices.
        usd_most: if every answer is as long as it may be; None without prices.
        minutes: at least, by the limits of pacing; 0 without limits.
        how: what counted the tokens.
    """

    requests: int
    kept: int
    prompt_tokens: int
    new_tokens: int
    usd_least: float | None
    usd_most: float | None
    minutes: float
    how: str

    @property
    def sentence(self) -> str:
        """For people."""
        money = "" if self.usd_most is None else f", {self.usd_least:,.2f} to {self.usd_most:,.2f} USD"
        return (
            f"{self.requests:,} requests, {self.prompt_tokens:,} prompt tokens and at most {self.new_tokens:,} new ones"
            f"{money}; tokens by {self.how}"
        )


def forecast(spec: ApiSpec, asks: Sequence[Ask], *, kept: int, how: str) -> Forecast:
    """What `asks` will take.

    Args:
        spec: the model's.
        asks: what is to be sent.
        kept: number of requests that are answered already.
        how: what counted the tokens.
    """
    prompt, new = sum(ask.prompt_tokens for ask in asks), sum(ask.new for ask in asks)
    pacing, prices = spec.pacing, spec.prices
    minutes = [len(asks) / pacing.requests_per_minute] if pacing.requests_per_minute else []
    minutes += [prompt / pacing.tokens_per_minute] if pacing.tokens_per_minute else []
    return Forecast(
        requests=len(asks),
        kept=kept,
        prompt_tokens=prompt,
        new_tokens=new,
        usd_least=None if prices is None else prices.usd(prompt=prompt, new=0),
        usd_most=None if prices is None else prices.usd(prompt=prompt, new=new),
        minutes=max(minutes, default=0.0),
        how=how,
    )


def total(forecasts: Sequence[Forecast], *, how: str) -> Forecast:
    """Several forecasts together; `how` says what counted."""
    money = [(f.usd_least, f.usd_most) for f in forecasts if f.usd_least is not None and f.usd_most is not None]
    priced = len(money) == len(forecasts)
    return Forecast(
        requests=sum(f.requests for f in forecasts),
        kept=sum(f.kept for f in forecasts),
        prompt_tokens=sum(f.prompt_tokens for f in forecasts),
        new_tokens=sum(f.new_tokens for f in forecasts),
        usd_least=sum(least for least, _ in money) if priced else None,
        usd_most=sum(most for _, most in money) if priced else None,
        minutes=sum(f.minutes for f in forecasts),
        how=how,
    )


@final
class Ledger:
    """What this process spends, on top of what the study had spent before.

    Args:
        spec: prices and budgets.
        before: US dollars and tokens spent by earlier runs of the study.
        exact: whether prompts are counted by the model's own tokenizer.

    Attributes:
        usd: spent here.
        tokens: used here.
        flying: requests sent and not settled.
        unknown: requests that failed, but may have been charged for.
    """

    def __init__(self, spec: ApiSpec, *, before: tuple[float, int] = (0.0, 0), exact: bool = False) -> None:
        self.usd, self.tokens, self.flying, self.unknown = 0.0, 0, 0, 0
        self._spec, self._before, self._margin = spec, before, 1.0 if exact else ESTIMATE
        self._held_usd, self._held_tokens = 0.0, 0

    def refusal(self, ask: Ask) -> str:
        """Why `ask` may not be sent; empty if it may."""
        usd, tokens = self._most(ask)
        spec, (usd_before, tokens_before) = self._spec, self._before
        spent = usd_before + self.usd
        if spec.budget_usd is not None and spent + self._held_usd + usd > spec.budget_usd:
            return f"the budget of {spec.budget_usd:g} USD is used up ({spent:.4f} USD spent); raise model.budget_usd"
        used = tokens_before + self.tokens
        if spec.budget_tokens is not None and used + self._held_tokens + tokens > spec.budget_tokens:
            return f"the budget of {spec.budget_tokens:,} tokens is used up ({used:,} used); raise model.budget_tokens"
        return ""

    def reserve(self, ask: Ask) -> None:
        """Holds back the most that `ask` can cost."""
        usd, tokens = self._most(ask)
        self._held_usd += usd
        self._held_tokens += tokens
        self.flying += 1

    def release(self, ask: Ask) -> None:
        """The request is over."""
        usd, tokens = self._most(ask)
        self._held_usd -= usd
        self._held_tokens -= tokens
        self.flying -= 1

    def pay(self, usage: Usage) -> float | None:
        """Adds a reply; returns its cost in US dollars, None without prices."""
        self.tokens += usage.prompt + usage.new
        prices = self._spec.prices
        if prices is None:
            return None
        usd = prices.usd(prompt=usage.prompt, new=usage.new, cached=usage.cached)
        self.usd += usd
        return usd

    def _most(self, ask: Ask) -> tuple[float, int]:
        prompt, prices = round(ask.prompt_tokens * self._margin), self._spec.prices
        return (0.0 if prices is None else prices.usd(prompt=prompt, new=ask.new)), prompt + ask.new


@final
class Account:
    """What the requests of one cell took, kept replies included, for the cell's record."""

    def __init__(self) -> None:
        self.asked = self.kept = self.sent = self.retries = 0
        self.missing: Counter[str] = Counter()
        self.reasons: dict[str, str] = {}
        self.straddles = 0
        self.new_tokens_here = 0
        self.waited = 0.0
        self._replies: dict[str, Reply] = {}

    def add(self, key: str, reply: Reply) -> None:
        """Counts a reply once."""
        self._replies[key] = reply

    @property
    def usd(self) -> float | None:
        """Cost of all replies, at the prices of the days they were paid; None where a price is missing."""
        found = [reply.usd for reply in self._replies.values() if reply.usd is not None]
        return sum(found) if found and len(found) == len(self._replies) else None

    @property
    def models(self) -> dict[str, int]:
        """Names the endpoint gave, and how often."""
        return dict(Counter(reply.model for reply in self._replies.values() if reply.model))

    @property
    def fingerprints(self) -> dict[str, int]:
        """System fingerprints, and how often."""
        return dict(Counter(reply.fingerprint for reply in self._replies.values() if reply.fingerprint))

    def facts(self) -> dict[str, Any]:
        """Everything, as small JSON values."""
        replies = list(self._replies.values())
        streamed = [reply for reply in replies if reply.first is not None and reply.usage.new > 1]
        usages = [reply.usage for reply in replies]
        return {
            "requests": {
                "asked": self.asked, "kept": self.kept, "sent": self.sent, "retries": self.retries,
                "missing": dict(self.missing), "reasons": dict(self.reasons),
            },
            "models": self.models,
            "fingerprints": self.fingerprints,
            "usage": {
                "prompt_tokens": sum(u.prompt for u in usages), "new_tokens": sum(u.new for u in usages),
                "cached_tokens": sum(u.cached for u in usages), "thought_tokens": sum(u.thought for u in usages),
                "estimated": sum(not u.counted for u in usages),
            },
            "usd": self.usd,
            "seconds": quantiles([reply.seconds for reply in replies]),
            "first_token_seconds": quantiles([reply.first for reply in streamed if reply.first is not None]),
            "tokens_per_second": quantiles([
                (reply.usage.new - 1) / (reply.seconds - reply.first)
                for reply in streamed
                if reply.first is not None and reply.seconds > reply.first
            ]),
            "requests_per_minute": round(60 * self.sent / self.waited, 2) if self.waited else None,
        }  # fmt: skip


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Median, 90th and 99th percentile; nothing where there are no values."""
    if not values:
        return {}
    cuts = statistics.quantiles(values, n=100, method="inclusive") if len(values) > 1 else [values[0]] * 99
    return {"p50": round(cuts[49], 4), "p90": round(cuts[89], 4), "p99": round(cuts[98], 4), "n": len(values)}
