"""What tasks ask of an API model, in the words of `harness.scoring.lm.HarnessLM`.

Layer: models; no torch, no lm_eval. An answer that could not be had is a `Missing` in its place.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, final

from harness.generation.options import parse
from harness.models.api import payload
from harness.models.api.answers import Missing
from harness.models.api.ask import Asker
from harness.models.api.ledger import Account, total
from harness.models.api.payload import Ask
from harness.models.api.reply import first_token, replied
from harness.models.api.texts import Texts
from harness.records import Unsupported
from harness.scoring.answers import Scored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.generation.options import Options
    from harness.models.api.answers import FirstToken, Replied
    from harness.models.api.ledger import Forecast, Ledger
    from harness.models.api.pacing import Pacer
    from harness.models.api.payload import Prompt
    from harness.models.api.preflight import Abilities
    from harness.models.api.spec import ApiSpec
    from harness.models.api.store import Kept
    from harness.models.api.tokens import Tokens
    from harness.records import Progress


@final
class ApiLM:
    """An API model that scores and generates.

    Args:
        spec: the model's.
        abilities: what its endpoint gives.
        tokens: counts and cuts.
        ledger: what may be spent.
        pacer: when requests may go.
        rehearse: nothing is sent; see `forecast`.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        spec: ApiSpec,
        abilities: Abilities,
        *,
        tokens: Tokens,
        ledger: Ledger,
        pacer: Pacer,
        rehearse: bool = False,
    ) -> None:
        self.abilities = abilities
        self.store: Kept | None = None
        self._spec, self._tokens, self._ledger = spec, tokens, ledger
        self._texts = Texts(spec, tokens)
        self._asker = Asker(spec, tokens=tokens, ledger=ledger, pacer=pacer, rehearse=rehearse)
        self._cautions: dict[str, int] = {}

    def configure(
        self,
        scoring: Any,
        *,
        journal: Kept | None = None,
        full: Callable[[], Any] | None = None,
        repeated: str = "",
    ) -> None:
        """Begins a new account.

        Args:
            scoring: how a local model scores; of no matter here.
            journal: keeps replies where the model has no store of its own.
            full: of no matter here.
            repeated: of no matter here: equal requests are sent once in any case.
        """
        del scoring, full, repeated
        self._asker.account = Account()
        self._asker.forecasts = []
        self._asker.kept = journal if self.store is None else self.store
        self._cautions = {}

    def audit(self, progress: Progress) -> None:
        """Nothing: there is no other precision to compare with."""

    @property
    def batch(self) -> int:
        """Requests in flight at a time."""
        return self._spec.pacing.concurrency

    @property
    def computed_tokens(self) -> int:
        """Tokens of prompts and answers that this process paid for since `configure`."""
        return self._asker.account.new_tokens_here

    def facts(self) -> dict[str, Any]:
        """What the requests since `configure` took and how they were made, as small JSON values."""
        prices = self._spec.prices
        return {
            "api": {
                "endpoint": self._spec.base_url + self._spec.path,
                "model": self._spec.model,
                "protocols": list(self.abilities.protocols),
                "tokens": self._tokens.how,
                "prices": None if prices is None else asdict(prices),
                "forecast": [asdict(one) for one in self._asker.forecasts],
                "charged_unknown": self._ledger.unknown,
                **self._asker.account.facts(),
            }
        }

    def cautions(self) -> list[str]:
        """Sentences about the answers since `configure` that a reader of the numbers must see."""
        account = self._asker.account
        said = [
            f"{count:,} of {account.asked:,} requests have no answer ({kind}): {account.reasons[kind]}"
            for kind, count in sorted(account.missing.items())
        ]
        for what, found in (("model names", account.models), ("system fingerprints", account.fingerprints)):
            if len(found) > 1:
                listed = ", ".join(f"{name} ({count:,})" for name, count in sorted(found.items()))
                said.append(f"the endpoint changed meanwhile: {what} {listed}")
        return [*said, *(f"{count:,} {text}" for text, count in self._cautions.items())]

    def forecast(self) -> Forecast:
        """What the requests since `configure` were going to take, before they were sent."""
        return total(self._asker.forecasts, how=self._tokens.how)

    def costs(self) -> list[tuple[str, float, str]]:
        """Metric, value and unit of what the answers since `configure` cost; nothing without prices."""
        usd = self._asker.account.usd
        return [] if usd is None else [("cost", usd, "USD")]

    def score(
        self, requests: Sequence[tuple[str, str]], progress: Progress, *, documents: Sequence[int] | None = None
    ) -> list[Scored | Missing]:
        """Log-likelihood of each (context, continuation), in order; by echo.

        Args:
            requests: pairs of texts.
            progress: told the phase `scoring` and the number of requests answered.
            documents: of no matter here.

        Raises:
            Unsupported: the endpoint gives no log-probabilities of a prompt.
            Stopped: the budget is used up, or the endpoint answers nothing any more.
            ValueError: a continuation is empty.
        """
        del documents
        self._need_echo()
        pairs = [self._texts.pair(context, continuation) for context, continuation in requests]
        return self._scored(pairs, progress)

    def score_rolling(self, texts: Sequence[str], progress: Progress) -> list[Scored | Missing]:
        """Log-likelihood of each whole text, in windows that predict every token once.

        Raises:
            Unsupported: the endpoint gives no log-probabilities of a prompt.
            Stopped: the budget is used up, or the endpoint answers nothing any more.
            ValueError: a text is longer than the context, and there is no tokenizer to cut it.
        """
        self._need_echo()
        windows = [self._texts.windows(text) for text in texts]
        answers = iter(self._scored([window for parts in windows for window in parts], progress))
        return [_joined([next(answers) for _ in parts]) for parts in windows]

    def generate(
        self, requests: Sequence[tuple[Prompt, Mapping[str, Any]]], progress: Progress
    ) -> list[Replied | Missing]:
        """Continuation of each (prompt, generation arguments of lm-eval), in order.

        A prompt is a text, or the messages of a conversation. The n-th equal request of a call is the n-th draw, where
        replies are drawn.

        Raises:
            Stopped: the budget is used up, or the endpoint answers nothing any more.
            ValueError: an argument that the API does not have.
        """
        seen: Counter[str] = Counter()
        asks, untils, lost = [], [], []
        for prompt, arguments in requests:
            wanted = parse(arguments)
            options = self._texts.fitted(wanted)
            kept, cut = self._texts.prompt(prompt, options.new)
            drawn = options.temperature > 0 or not self._spec.rules.temperature
            same = f"{payload.text_of(kept)}\0{options}"
            repeat = seen[same] if drawn else 0
            seen[same] += 1
            body = payload.generation(self._spec, kept, options, repeat=repeat)
            asks.append(self._ask(body, payload.text_of(kept), new=options.new, repeat=repeat))
            untils.append(options.until)
            lost.append(cut or options.new < wanted.new)
            self._note_options(options)
        replies = self._asker.ask(asks, progress, phase="generating")
        return [
            reply if isinstance(reply, Missing) else replied(reply, until, truncated=cut)
            for reply, until, cut in zip(replies, untils, lost, strict=True)
        ]

    def first_tokens(self, prompts: Sequence[Prompt], progress: Progress) -> list[FirstToken | Missing]:
        """The likeliest first tokens of the answer to each prompt, in order; see `FirstToken.of`.

        Raises:
            Unsupported: the endpoint gives no log-probabilities of generated tokens.
            Stopped: the budget is used up, or the endpoint answers nothing any more.
        """
        if not self.abilities.top:
            raise Unsupported(self._impossible("letter", "log-probabilities of generated tokens"))
        cut = [self._texts.prompt(prompt, 1) for prompt in prompts]
        asks = [self._ask(payload.first_token(self._spec, kept), payload.text_of(kept), new=1) for kept, _ in cut]
        return [
            reply if isinstance(reply, Missing) else first_token(reply, truncated=lost)
            for reply, (_, lost) in zip(self._asker.ask(asks, progress, phase="scoring"), cut, strict=True)
        ]

    def _need_echo(self) -> None:
        if not self.abilities.echo:
            raise Unsupported(self._impossible("likelihood", "log-probabilities of a given answer"))

    def _impossible(self, protocol: str, needs: str) -> str:
        able = " and ".join(self.abilities.protocols)
        verb = "works" if len(self.abilities.protocols) == 1 else "work"
        why = f" ({self.abilities.why})" if self.abilities.why and protocol == "likelihood" else ""
        return f"{self._spec.name} at {self._spec.host} gives no {needs}, which {protocol} needs{why}; {able} {verb}"

    def _scored(self, pairs: Sequence[tuple[str, str, bool]], progress: Progress) -> list[Scored | Missing]:
        texts = [payload.opened(self._spec, before + after) for before, after, _ in pairs]
        asks = [
            self._ask(payload.echo(self._spec, text), text, new=1, cut=len(after))
            for text, (_, after, _) in zip(texts, pairs, strict=True)
        ]
        found: list[Scored | Missing] = []
        for reply, (_, _, lost) in zip(self._asker.ask(asks, progress, phase="scoring"), pairs, strict=True):
            if isinstance(reply, Missing) or reply.span is None:
                found.append(reply if isinstance(reply, Missing) else Missing(kind="failed", reason="no echo"))
                continue
            span = reply.span
            if span.straddles:
                self._caution("continuations begin within a token; the whole token is scored")
            prompt_tokens = max(0, reply.usage.prompt - span.tokens)
            found.append(Scored(span.logprob, span.greedy, span.tokens, prompt_tokens, lost))
        return found

    def _ask(self, body: dict[str, Any], text: str, *, new: int, repeat: int = 0, cut: int = 0) -> Ask:
        messages = body.get("messages") or []
        return Ask(
            address=self._spec.base_url + self._spec.path,
            body=body,
            repeat=repeat,
            cut=cut,
            prompt=text,
            prompt_tokens=self._tokens.count(text) + payload.MESSAGE_TOKENS * (len(messages) + bool(messages)),
            new=new + (0 if cut else self._spec.rules.headroom),
        )

    def _note_options(self, options: Options) -> None:
        rules = self._spec.rules
        if len(options.until) > rules.stops:
            self._caution("answers were cut here at stop texts that the endpoint does not take, and took longer")
        if options.temperature == 0 and not rules.temperature:
            self._caution("answers are draws: the model takes no temperature")

    def _caution(self, text: str) -> None:
        self._cautions[text] = self._cautions.get(text, 0) + 1


def _joined(windows: Sequence[Scored | Missing]) -> Scored | Missing:
    """A text's windows together; a text with a missing window is missing."""
    parts = [one for one in windows if isinstance(one, Scored)]
    if len(parts) < len(windows):
        return next(one for one in windows if isinstance(one, Missing))
    return Scored(
        logprob=sum(part.logprob for part in parts),
        greedy=all(part.greedy for part in parts),
        tokens=sum(part.tokens for part in parts),
        prompt_tokens=sum(part.prompt_tokens for part in parts),
        truncated=False,
    )
