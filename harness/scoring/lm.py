"""The lm-eval model of a subject: what tasks ask, what lm-eval asks, answered by this project's own engines.

Layer: the only module outside `harness.tasks` that imports lm_eval. Token ids, truncation and windows are those of
lm-eval's own Hugging Face backend, so that scores can be compared with published ones.
"""

# ruff: noqa: FBT001, FBT002, ARG002 - the signatures are lm-eval's
from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from lm_eval.api.model import TemplateLM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from harness.generation import engine
from harness.generation.budget import Budget
from harness.generation.options import DEFAULT_NEW, Options, parse
from harness.scoring.answers import Generated, Scored
from harness.scoring.memo import Memo
from harness.scoring.options import Scoring
from harness.scoring.requests import Encoder, Request, cut
from harness.scoring.session import Replies, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lm_eval.api.instance import Instance

    from harness.records import Progress
    from harness.scoring.session import Journal
    from harness.scoring.sheet import Answer

BATCH_TOKENS = 16_384
"""Tokens of keys and values while generating, whatever the number of rows."""

ENCODED = 4096
"""Requests that are turned into tokens at a time: as Python integers, tokens take ten times the memory."""


@final
class HarnessLM(TemplateLM):
    """A causal language model with its tokenizer, as lm-eval's `LM` and with richer answers.

    Args:
        model: a causal language model of transformers, in eval mode on its device.
        tokenizer: its tokenizer. It is not changed.
        batch: rows that generate at a time to begin with; halved when memory runs out.
        context: tokens that the model can attend to.

    Raises:
        ValueError: if the tokenizer has no token to begin a text with, or a number is below 1.
    """

    def __init__(self, model: Any, tokenizer: Any, *, batch: int, context: int) -> None:
        super().__init__()
        if context < 2:  # noqa: PLR2004 - one token of prompt and one to predict
            raise ValueError(f"context={context}, must be at least 2")
        self.model = model
        self.tokenizer = tokenizer
        self._encoder = Encoder(tokenizer)
        self._budget = Budget(rows=batch, tokens=BATCH_TOKENS)
        self._context = context
        self._device = model.device
        self._memo = Memo()
        self.configure(Scoring())

    def configure(
        self,
        scoring: Scoring,
        *,
        journal: Journal | None = None,
        full: Callable[[], Any] | None = None,
        repeated: str = "",
    ) -> None:
        """Scores as `scoring` says from now on, with a new account.

        Args:
            scoring: layout, kernels, modes.
            journal: answers of a run that was broken off; new ones are added.
            full: loads the same model in fp32, for the precision audit.
            repeated: name of a task that is asked in several variations: as long as it is the same, a request is
                scored once.
        """
        self._memo.open(repeated, scoring)
        self._session = Session(self.model, scoring, journal=journal, full=full)
        self._generation = engine.Generation()
        self._replies = None if journal is None else Replies(journal)
        self._fast = scoring.kernels == "auto" and scoring.layout != "reference"
        self._before = self._budget.computed

    def audit(self, progress: Progress) -> None:
        """Runs the precision audit of what was scored since `configure`, where one is asked for; see `facts`."""
        self._session.audit(progress)

    def facts(self) -> dict[str, Any]:
        """What scoring and generation since `configure` took and how they were done, as small JSON values."""
        scored = self._session.account.facts() if self._session.account.requests else {}
        return self._memo.facts() | scored | ({"generation": self._generation.facts()} if self._generation.path else {})

    def cautions(self) -> list[str]:
        """Sentences about scoring and generation since `configure` that a reader of the numbers must see."""
        slower = self._generation.reason
        return [*self._session.cautions, *([f"generated in plain batches: {slower}"] if slower else [])]

    @property
    def batch(self) -> int:
        """Rows now generated at a time."""
        return self._budget.rows

    @property
    def computed_tokens(self) -> int:
        """Tokens that went through the model since `configure`, padding and failed passes not counted."""
        return self._budget.computed - self._before + self._session.account.computed_tokens

    def score(
        self, requests: Sequence[tuple[str, str]], progress: Progress, *, documents: Sequence[int] | None = None
    ) -> list[Scored]:
        """Log-likelihood of each (context, continuation), in order.

        Args:
            requests: pairs of texts.
            progress: told the phase `scoring` and the number of requests answered.
            documents: the document of each request, where documents are decided by their likeliest request.

        Raises:
            ValueError: if a continuation has no tokens or more than the context, or an answer is not finite.
            OutOfMemory: if one row does not fit.
        """

        def asked(at: Sequence[int]) -> list[Scored]:
            numbers = None if documents is None else [documents[i] for i in at]
            return self._scored([requests[i] for i in at], progress, documents=numbers)

        return self._memo.answered(requests, asked)

    def _scored(
        self, requests: Sequence[tuple[str, str]], progress: Progress, *, documents: Sequence[int] | None
    ) -> list[Scored]:
        rows = [
            row for first in range(0, len(requests), ENCODED) for row in self._rows(requests[first : first + ENCODED])
        ]
        answers = self._session.score(rows, progress, documents=documents, options=[option for _, option in requests])
        return [
            Scored(logprob, greedy, len(row.targets), row.prompt_tokens, row.truncated)
            for row, (logprob, greedy) in zip(rows, answers, strict=True)
        ]

    def score_rolling(self, texts: Sequence[str], progress: Progress) -> list[Scored]:
        """Log-likelihood of each whole text, in windows that predict every token once.

        Raises:
            ValueError: if an answer is not finite.
            OutOfMemory: if one row does not fit.
        """
        ids = self._encoder.encode_all(texts)
        windows = {text: self._windows(tokens, label=text) for text, tokens in ids.items()}
        rows = [row for parts in windows.values() for row in parts]
        answers = iter(self._session.score(rows, progress))
        scored = {text: _joined(parts, [next(answers) for _ in parts]) for text, parts in windows.items()}
        return [scored[text] for text in texts]

    def generate(self, requests: Sequence[tuple[str, Mapping[str, Any]]], progress: Progress) -> list[Generated]:
        """Continuation of each (prompt, generation arguments of lm-eval), in order.

        Sampling is seeded by the prompt and the argument `seed`; the n-th equal request of a call is the n-th draw.

        Raises:
            ValueError: for an argument that is not supported, or logits that are not numbers.
            OutOfMemory: if one row does not fit.
        """
        ids = self._encoder.encode_all(prompt for prompt, _ in requests)
        seen: Counter[tuple[str, Options]] = Counter()
        prompts, truncated = [], []
        for prompt, arguments in requests:
            wanted = self._with_end(parse(arguments))
            options = self._fitted(wanted)
            tokens = tuple(ids[prompt] or [self._encoder.prefix])
            kept = tokens[-(self._context - options.new) :]
            draw = seen[prompt, options] if options.temperature > 0 else 0
            seen[prompt, options] += 1
            prompts.append(engine.Prompt(tokens=kept, options=options, draw=draw))
            truncated.append(len(kept) < len(tokens) or options.new < wanted.new)
        replies = engine.generate(
            self.model,
            self.tokenizer,
            prompts,
            self._budget,
            progress,
            journal=self._replies,
            account=self._generation,
            fast=self._fast,
        )
        return [
            Generated(reply.text, reply.tokens, len(prompt.tokens), lost)
            for reply, prompt, lost in zip(replies, prompts, truncated, strict=True)
        ]

    def _rows(self, requests: Sequence[tuple[str, str]]) -> list[Request]:
        pairs = self._encoder.pairs(requests)
        return [
            cut(before, after, limit=self._context, label=context)
            for (before, after), (context, _) in zip(pairs, requests, strict=True)
        ]

    def _windows(self, tokens: list[int], *, label: str) -> list[Request]:
        windows = get_rolling_token_windows(
            token_list=tokens, prefix_token=self._encoder.prefix, max_seq_len=self._context, context_len=1
        )
        return [cut(*make_disjoint_window(window), limit=self._context, label=label) for window in windows]

    def _with_end(self, options: Options) -> Options:
        end = self.tok_decode([self.eot_token_id], skip_special_tokens=False)
        return replace(options, until=(*options.until, end)) if end and end not in options.until else options

    def _fitted(self, options: Options) -> Options:
        """lm-eval refuses an answer as long as the context; half of the context is left to the prompt instead."""
        return options if options.new < self._context else replace(options, new=self._context // 2)

    # From here on: what lm-eval itself calls.

    @property
    def eot_token_id(self) -> int:
        """Token that ends a text."""
        return self._encoder.prefix if self.tokenizer.eos_token_id is None else self.tokenizer.eos_token_id

    @property
    def prefix_token_id(self) -> int:
        """Token that stands in for an empty context."""
        return self._encoder.prefix

    @property
    def max_length(self) -> int:
        """Tokens that the model can attend to."""
        return self._context

    @property
    def max_gen_toks(self) -> int:
        """New tokens where a request names no limit."""
        return DEFAULT_NEW

    @property
    def tokenizer_name(self) -> str:
        """Name of the tokenizer, for lm-eval's caches."""
        return str(self.tokenizer.name_or_path).replace("/", "__")

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Token ids of a text; special tokens as the tokenizer adds them by default, unless told."""
        return self._encoder.encode(string, special=add_special_tokens)

    def tok_decode(self, tokens: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """Text of token ids."""
        return self.tokenizer.decode(tokens, skip_special_tokens=skip_special_tokens)

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Text of a conversation in the tokenizer's own chat format."""
        return self.tokenizer.apply_chat_template(
            chat_history,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
        )

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Answers lm-eval's requests through `score`."""
        answers = self.score(_arguments(requests), _silent)
        return [(answer.logprob, answer.greedy) for answer in answers]

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """Answers lm-eval's requests through `score_rolling`."""
        return [answer.logprob for answer in self.score_rolling([r.args[0] for r in requests], _silent)]

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Answers lm-eval's requests through `generate`."""
        return [answer.text for answer in self.generate(_arguments(requests), _silent)]

    def _loglikelihood_tokens(
        self, requests: list[tuple[tuple[str, str], list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        rows = [cut(before, after, limit=self._context, label=(pair or ("",))[0]) for pair, before, after in requests]
        return self._session.score(rows, _silent)


def _joined(windows: Sequence[Request], answers: Sequence[Answer]) -> Scored:
    return Scored(
        logprob=sum(logprob for logprob, _ in answers),
        greedy=all(greedy for _, greedy in answers),
        tokens=sum(len(window.targets) for window in windows),
        prompt_tokens=sum(window.prompt_tokens for window in windows),
        truncated=False,
    )


def _arguments(requests: Sequence[Instance]) -> list[Any]:
    return [request.args for request in requests]


def _silent(phase: str, done: int, total: int) -> None:
    """No progress: lm-eval calls without a listener."""
