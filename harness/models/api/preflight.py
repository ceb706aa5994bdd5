"""Before anything is spent: whether the key and the model's name are right, and which protocols the endpoint allows.

Layer: models. It takes up to four requests of a few tokens.
"""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.config import ConfigError, nearest
from harness.models.api import payload
from harness.models.api.answers import Stopped
from harness.models.api.faults import CallError
from harness.models.api.payload import Ask
from harness.models.api.reply import Reply, read
from harness.models.api.wire import connected

if TYPE_CHECKING:
    from harness.models.api.ledger import Ledger
    from harness.models.api.pacing import Pacer
    from harness.models.api.spec import ApiSpec
    from harness.models.api.tokens import Tokens
    from harness.models.api.wire import Wire

TEXT = "The capital of France is the city of"
TOLERANCE = 0.3
"""Nats by which a token's log-probability may differ as an answer and as part of a prompt."""

TRIES = 3
LONGEST_WAIT = 20.0


@final
@dataclass(frozen=True, kw_only=True)
class Abilities:
    """What an endpoint gives for a model.

    Attributes:
        echo: whether it gives log-probabilities of a prompt, in the right places.
        top: alternatives it gives for the first token of an answer.
        why: why it has no `echo`.
        model: the name it gives.
        fingerprint: of its system.
    """

    echo: bool
    top: int
    why: str
    model: str
    fingerprint: str

    @property
    def protocols(self) -> tuple[str, ...]:
        """Protocols that work, the most telling first."""
        return (*(["likelihood"] if self.echo else []), *(["letter"] if self.echo or self.top else []), "generate")

    @property
    def sentence(self) -> str:
        """What follows, for people."""
        if self.echo:
            return "prompt log-probabilities by echo: likelihood, letter and generate work"
        if self.top:
            return f"{self.top} log-probabilities of generated tokens only: letter and generate work ({self.why})"
        return f"no log-probabilities: only generate works ({self.why})"


@final
@dataclass(frozen=True, kw_only=True)
class Cleared:
    """What came of a preflight.

    Attributes:
        spec: with the model's name settled.
        abilities: of its endpoint.
        paid: what its requests took: usage and cost, without what was said.
    """

    spec: ApiSpec
    abilities: Abilities
    paid: tuple[Reply, ...]


def preflight(spec: ApiSpec, *, tokens: Tokens, ledger: Ledger, pacer: Pacer) -> Cleared:
    """The model's name, settled, and what its endpoint is able to.

    Raises:
        ConfigError: one line: the key, the name or the address is wrong.
        Stopped: the budget is used up.
    """
    return asyncio.run(_Flight(spec, tokens, ledger, pacer).run())


@final
class _Flight:
    def __init__(self, spec: ApiSpec, tokens: Tokens, ledger: Ledger, pacer: Pacer) -> None:
        self._spec, self._tokens, self._ledger, self._pacer = spec, tokens, ledger, pacer
        self._paid: list[Reply] = []

    async def run(self) -> Cleared:
        async with connected(self._spec) as wire:
            try:
                if self._spec.model == "auto":
                    self._spec = dataclasses.replace(self._spec, model=await self._only(wire))
                first, top = await self._first(wire)
            except CallError as error:
                raise ConfigError(await self._explained(wire, error)) from None
            echoes, why = await self._echoes(wire)
            # What the reply has of it decides, whatever was asked for.
            found = Abilities(echo=echoes, top=top, why=why, model=first.model, fingerprint=first.fingerprint)
            return Cleared(spec=self._spec, abilities=found, paid=tuple(self._paid))

    async def _first(self, wire: Wire) -> tuple[Reply, int]:
        body = payload.first_token(self._spec, TEXT)
        try:
            reply = await self._asked(wire, body)
        except CallError as error:
            # Some servers answer a wish for log-probabilities that they do not have with an error of their own.
            if error.fatal or "logprobs" not in body:
                raise
            body = {key: value for key, value in body.items() if key not in ("logprobs", "top_logprobs")}
            reply = await self._asked(wire, body)
        return reply, len(reply.top)

    async def _echoes(self, wire: Wire) -> tuple[bool, str]:
        """Whether prompts are echoed with log-probabilities that belong to their tokens, or why not."""
        if self._spec.endpoint == "chat":
            return False, "a chat endpoint does not say how likely a given answer is"
        if self._spec.rules.echo == "no":
            return False, f"{self._spec.model} is known to give none of a prompt"
        try:
            why = await self._misplaced(wire)
        except CallError as error:
            why = str(error)
        return not why, why

    async def _misplaced(self, wire: Wire) -> str:
        """How a token's log-probability differs as an answer and as part of a prompt; empty where it does not.

        Servers have been seen that give each token the value of its neighbour.

        Raises:
            CallError: prompts are not echoed.
        """
        text = payload.opened(self._spec, TEXT)
        await self._asked(wire, payload.echo(self._spec, text), prompt=text, cut=len(" city of"))
        alone = await self._asked(wire, {**payload.first_token(self._spec, TEXT), "logprobs": 1})
        said, logprob = alone.text, max(alone.top.values(), default=None)
        if logprob is None or not said.strip():
            return ""
        longer = text + said
        after = await self._asked(wire, payload.echo(self._spec, longer), prompt=longer, cut=len(said))
        if after.span is None or after.span.straddles or after.span.tokens != 1:
            return ""
        if abs(after.span.logprob - logprob) <= TOLERANCE:
            return ""
        return (
            f"the log-probabilities of a prompt do not belong to its tokens: {said!r} has {logprob:.2f} nat as an "
            f"answer and {after.span.logprob:.2f} in the prompt; where the server adds no beginning-of-text token, "
            "model.rules.opening with that token's text may mend it"
        )

    async def _asked(self, wire: Wire, body: dict[str, Any], *, prompt: str = TEXT, cut: int = 0) -> Reply:
        count = self._tokens.count(prompt) + payload.MESSAGE_TOKENS
        ask = Ask(address="", body=body, cut=cut, prompt=prompt, prompt_tokens=count, new=1 + self._spec.rules.headroom)
        if why := self._ledger.refusal(ask):
            raise Stopped(f"model {self._spec.name}: {why}; the same command goes on from there", budget=True)
        for attempt in range(1, TRIES + 1):
            await self._pacer.turn(ask.prompt_tokens + ask.new)
            try:
                reply = read(await wire.call(body), ask, self._tokens)
            except CallError as error:
                wait = self._pacer.backoff(attempt) if error.wait is None else error.wait
                if not error.retry or attempt == TRIES or wait > LONGEST_WAIT:
                    raise
                await asyncio.sleep(wait)
            else:
                usd = self._ledger.pay(reply.usage)
                self._paid.append(Reply(text="", usage=reply.usage, usd=usd, model=reply.model))
                return reply
        raise AssertionError("unreachable: the last try raises")

    async def _only(self, wire: Wire) -> str:
        names = await wire.models()
        if len(names) != 1:
            listed = f"lists {len(names)} models ({', '.join(names[:5])})" if names else "lists no model"
            raise ConfigError(f"model {self._spec.name}: {self._spec.host} {listed}: name one with model.model=")
        return names[0]

    async def _explained(self, wire: Wire, error: CallError) -> str:
        line = f"model {self._spec.name}: {error}"
        if error.status == 404:  # noqa: PLR2004 - HTTP
            if names := await _listed(wire):
                return f"{line}: {nearest(self._spec.model, names)}"
            return f"{line}; is model.base_url={self._spec.base_url} right? Most end in /v1"
        if error.status == 0 and "reached" in str(error):
            return f"{line}; is the server running, and model.base_url={self._spec.base_url} right?"
        return line


async def _listed(wire: Wire) -> list[str]:
    """Names of the models that a server lists; none where it does not say."""
    try:
        return await wire.models()
    except CallError:
        return []
