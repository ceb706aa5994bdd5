"""Who is compared: ours, and lm-eval's own backend. Both get the same token ids and answer in the same form.

Layer: the engines of `harness`, and lm_eval.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, final

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from harness.scoring.lm import HarnessLM
from harness.scoring.options import Scoring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.workloads import Item

ROWS = 16
"""Rows that ours is told to begin with; it plans by tokens."""

Answer = tuple[float, bool]


@final
class Ours:
    """The engine of this project.

    Args:
        model: the model, a copy of its own on a CPU.
        tokenizer: its tokenizer.
        context: tokens that the model can attend to.
        rows: rows of a batch of generation.
    """

    name = "ours"

    def __init__(self, model: Any, tokenizer: Any, *, context: int, rows: int = ROWS) -> None:
        self.lm = HarnessLM(model, tokenizer, batch=rows, context=context)

    def score(self, items: Sequence[Item]) -> list[Answer]:
        """Log-likelihood and greedy flag of each request."""
        return self.lm._loglikelihood_tokens(list(items))  # noqa: SLF001 - what lm-eval itself calls

    def varied(self, items: Sequence[Item], *, task: str) -> list[Answer]:
        """Log-likelihood and greedy flag of each request, scored as one of several variations of a task."""
        self.lm.configure(Scoring(), repeated=task)
        pairs = [pair for pair, *_ in items]
        return [(answer.logprob, answer.greedy) for answer in self.lm.score(pairs, _silent)]

    def rolling(self, texts: Sequence[str]) -> list[float]:
        """Log-likelihood of each whole text."""
        return self.lm.loglikelihood_rolling(_instances("loglikelihood_rolling", [(text,) for text in texts]))

    def generate(self, prompts: Sequence[str], arguments: dict[str, Any]) -> list[str]:
        """Continuation of each prompt."""
        return self.lm.generate_until(_instances("generate_until", [(prompt, arguments) for prompt in prompts]))

    def by_document(self, documents: Sequence[Sequence[tuple[str, str]]]) -> list[float]:
        """Log-likelihood of each request; the engine is told which belong to one document."""
        pairs = [pair for document in documents for pair in document]
        numbers = [number for number, document in enumerate(documents) for _ in document]
        return [answer.logprob for answer in self.lm.score(pairs, _silent, documents=numbers)]

    def totals(self) -> dict[str, Any]:
        """What the engine says of its work so far."""
        return dict(self.lm.facts())


@final
class Theirs:
    """lm-eval's Hugging Face backend, as it is by default.

    Args:
        model: the model.
        tokenizer: a tokenizer of its own: lm-eval sets its padding.
        context: tokens that the model can attend to.
    """

    name = "lm-eval"

    def __init__(self, model: Any, tokenizer: Any, *, context: int) -> None:

        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        backend: Any = HFLM  # Its constructor is hidden by a wrapper without types.
        self._lm: Any = backend(pretrained=model, tokenizer=tokenizer, batch_size=1, max_length=context)

    @property
    def batch(self) -> int:
        """Rows of a batch."""
        return self._lm.batch_size_per_gpu

    @batch.setter
    def batch(self, rows: int) -> None:
        self._lm.batch_size_per_gpu = rows

    def score(self, items: Sequence[Item]) -> list[Answer]:
        """Log-likelihood and greedy flag of each request."""
        return self._lm._loglikelihood_tokens(list(items), disable_tqdm=True)  # noqa: SLF001 - no public name

    def rolling(self, texts: Sequence[str]) -> list[float]:
        """Log-likelihood of each whole text."""
        instances = _instances("loglikelihood_rolling", [(text,) for text in texts])
        return self._lm.loglikelihood_rolling(instances, disable_tqdm=True)

    def generate(self, prompts: Sequence[str], arguments: dict[str, Any]) -> list[str]:
        """Continuation of each prompt."""
        instances = _instances("generate_until", [(prompt, dict(arguments)) for prompt in prompts])
        return self._lm.generate_until(instances, disable_tqdm=True)


def _silent(phase: str, done: int, total: int) -> None:
    """No progress."""


def _instances(kind: Any, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    return [
        Instance(request_type=kind, doc={}, arguments=given, idx=0, metadata=("bench", index, 1))
        for index, given in enumerate(arguments)
    ]
