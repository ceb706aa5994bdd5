"""Scoring as the user configured it: the engine, and what is laid over it (screening, audit), with one account of all.

Layer: torch, no lm_eval.
"""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING, Any, Protocol, final

import torch

from harness.generation.prompts import Reply
from harness.scoring import audit, engine, screen
from harness.scoring.account import Account
from harness.scoring.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.generation.prompts import Prompt
    from harness.records import Progress
    from harness.scoring.options import Scoring
    from harness.scoring.requests import Request
    from harness.scoring.sheet import Answer


class Journal(engine.Journal, Protocol):
    """Answers and texts that outlive this process (`harness.journal`)."""

    def text(self, key: str) -> tuple[str, int] | None:
        """The text and tokens of an earlier run, if it got that far."""
        ...

    def add_text(self, key: str, text: str, tokens: int) -> None:
        """Keeps a text."""
        ...


@final
class Replies:
    """A journal as generation sees it: replies by prompt, options and draw."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def known(self, prompt: Prompt) -> Reply | None:
        """The reply to `prompt` that is kept, if any."""
        found = self._journal.text(_name(prompt))
        return None if found is None else Reply(text=found[0], tokens=found[1])

    def add(self, prompt: Prompt, reply: Reply) -> None:
        """Keeps a reply."""
        self._journal.add_text(_name(prompt), reply.text, reply.tokens)


def _name(prompt: Prompt) -> str:
    return hashlib.blake2b(repr(prompt).encode(), digest_size=16).hexdigest()


@final
class Session:
    """Answers of one model to the requests of one task.

    Args:
        model: a causal language model in eval mode.
        scoring: what the user asks for.
        journal: answers of a run that was broken off.
        full: loads the same model in fp32; needed for an audit of a model in another dtype.

    Attributes:
        account: what it took.
    """

    def __init__(
        self, model: Any, scoring: Scoring, *, journal: Journal | None = None, full: Callable[[], Any] | None = None
    ) -> None:
        self.account = Account()
        self._model, self._scoring, self._journal, self._full = model, scoring, journal, full
        self._engine = Engine(model, scoring, self.account)
        self._lower = Account()
        self._low: Engine | None = None
        self._cautions: list[str] = []
        self._audited: list[tuple[Request, Answer, int]] = []

    @property
    def cautions(self) -> list[str]:
        """Sentences that a reader of the numbers must see."""
        account = self.account
        said = list(self._cautions)
        if account.reason:
            said.append(f"scored with layout {account.layout}, kernels {account.kernels}: {account.reason}")
        return said

    def score(
        self,
        requests: Sequence[Request],
        progress: Progress,
        *,
        documents: Sequence[int] | None = None,
        options: Sequence[str] = (),
    ) -> list[Answer]:
        """Log-likelihood and greedy flag of every request, in order.

        Args:
            requests: what to score.
            progress: a listener.
            documents: the document of each request, where documents are decided by their likeliest request.
            options: the text of each request's answer; needed with `documents`.

        Raises:
            OutOfMemory: if the smallest pass does not fit.
            ValueError: if a log-likelihood is not a finite number.
        """
        if self._scoring.screened and documents is not None and _comparable(requests, documents):
            answers = self._screened(requests, progress, documents, options)
        else:
            answers = self._engine.score(requests, progress, self._journal)
            if self._scoring.screened:
                self._cautions.append(
                    "not screened: only the options of a multiple choice can be; all in full precision"
                )
        if self._scoring.precision_audit:
            places = list(range(len(requests))) if documents is None else list(documents)
            chosen = audit.sample(places, self._scoring.precision_audit)
            self._audited += [(requests[i], answers[i], places[i]) for i in chosen]
        return answers

    def audit(self, progress: Progress) -> None:
        """Re-scores in fp32 the sample of all answers so far that the user asked for; apart from scoring, to be timed.

        Raises:
            OutOfMemory: if the fp32 model or one sequence does not fit.
        """
        if self._audited:
            model = self._model if _dtype(self._model) == torch.float32 or self._full is None else self._full()
            requests, answers, documents = zip(*self._audited, strict=True)
            self.account.notes["audit"] = audit.audit(model, requests, answers, documents, progress)

    def _screened(
        self, requests: Sequence[Request], progress: Progress, documents: Sequence[int], options: Sequence[str]
    ) -> list[Answer]:
        first, before = self._lower, copy.copy(self._lower)
        self._low = self._low or Engine(_low(self._model), self._scoring, first)
        low = self._low.score(requests, progress)

        def rescore(members: Sequence[int]) -> Mapping[int, Answer]:
            found = self._engine.score([requests[i] for i in members], _renamed(progress), self._journal)
            return dict(zip(members, found, strict=True))

        described = [
            screen.Option(document=document, text=text, tokens=len(request.targets))
            for request, document, text in zip(requests, documents, options, strict=True)
        ]
        screened = screen.screen(low, described, rescore)
        self.account.notes["screened"] = {
            **screened.facts(),
            "seconds_in_bfloat16": first.seconds - before.seconds,
            "difference": first.difference,
        }
        self.account.requests, self.account.unique_tokens = len(requests), first.unique_tokens - before.unique_tokens
        self.account.computed_tokens += first.computed_tokens - before.computed_tokens
        self.account.padded_tokens += first.padded_tokens - before.padded_tokens
        self.account.passes += first.passes - before.passes
        share = 1 - screened.rescored_documents / max(1, screened.documents)
        self._cautions.append(
            f"screened: log-likelihoods of {share:.0%} of the documents are those of bfloat16; the difference of two "
            f"options is off by {screened.error:.2g} nat at most where measured, and every decision closer than twice "
            "that, in proportion to the root of the options' length, was taken in full precision"
        )
        return screened.answers


def _low(model: Any) -> Any:
    return model if _dtype(model).itemsize < torch.float32.itemsize else copy.deepcopy(model).to(torch.bfloat16)


def _dtype(model: Any) -> torch.dtype:
    return next(p.dtype for p in model.parameters() if p.is_floating_point())


def _comparable(requests: Sequence[Request], documents: Sequence[int]) -> bool:
    """Whether each document is decided by its requests alone: some also compare with answers without a prompt."""
    bare: dict[int, set[bool]] = {}
    for request, document in zip(requests, documents, strict=True):
        bare.setdefault(document, set()).add(request.prompt_tokens <= 1)
    return all(len(kinds) == 1 for kinds in bare.values())


def _renamed(progress: Progress) -> Progress:
    return lambda _, done, total: progress("scoring in full precision", done, total)
