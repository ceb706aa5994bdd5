"""The classification head of transformers on a loaded causal model, and the `lm` of a subject that classifies.

Layer: training; torch and transformers.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, final

import torch
from transformers import AutoModelForSequenceClassification

from harness.records import Unsupported
from harness.scoring.answers import Scored
from harness.training.rows import Collator, prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from harness.records import Progress

_TOKENS = 8192
"""Of one batch, padding included."""


def headed(model: Any, tokenizer: Any, *, labels: int) -> Any:
    """`model` with transformers' classification head of its family in place of the output layer; the body is shared.

    The head is a linear layer without bias, `score`, in float32, drawn from torch's generator with the family's own
    spread. It reads the last token that is not the tokenizer's padding.

    Raises:
        Unsupported: transformers has no such head for this family.
    """
    kinds: Any = AutoModelForSequenceClassification._model_mapping  # noqa: SLF001 - no public name
    config = copy.deepcopy(model.config)
    if type(config) not in kinds:
        raise Unsupported(f"objective=classification: transformers has no classifier for {config.model_type}")
    config.num_labels, config.pad_token_id = labels, tokenizer.pad_token_id
    config.problem_type = "single_label_classification"
    with torch.device("meta"):
        classifier: Any = kinds[type(config)](config)
    setattr(classifier, classifier.base_model_prefix, model.base_model)
    score = classifier.score
    with torch.device(model.device):
        made = torch.nn.Linear(score.in_features, score.out_features, bias=False, dtype=torch.float32)
    torch.nn.init.normal_(made.weight, std=getattr(config, "initializer_range", 0.02))
    classifier.score = _Score(made)
    return classifier.eval()


@final
class _Score(torch.nn.Module):
    """A linear layer in its own dtype, whatever the body's is."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, hidden: Tensor) -> Tensor:
        return self.linear(hidden.to(self.linear.weight.dtype))


@final
class ClassifierLM:
    """A classifier as tasks see a model: the log-likelihood of a label after a prompt is that of its class.

    It stands where `HarnessLM` does, for tasks whose options are the labels it was trained on. Its probabilities over
    all labels add up to one.

    Args:
        model: with a classification head, in evaluation mode.
        tokenizer: as in training.
        labels: answers in the order of the classes.
        context: tokens that the model can attend to.
        batch: rows at a time.
        side: where padding goes.
    """

    def __init__(  # noqa: PLR0913 - a model, and all it takes to ask it
        self, model: Any, tokenizer: Any, *, labels: Sequence[str], context: int, batch: int, side: str = "right"
    ) -> None:
        self.model, self.tokenizer, self.batch = model, tokenizer, batch
        self.labels = tuple(labels)
        self._context = context
        self._numbers = {label.strip(): number for number, label in enumerate(labels)}
        self._collate = Collator.of(getattr(model, "inner", model), tokenizer, side=side, labelled=True)
        self._known: dict[str, tuple[list[float], int]] = {}
        self.computed_tokens = 0

    @property
    def max_length(self) -> int:
        """Tokens that the model can attend to."""
        return self._context

    def configure(
        self, scoring: Any, *, journal: Any = None, full: Callable[[], Any] | None = None, repeated: str = ""
    ) -> None:
        """Begins anew: a classifier has one way to answer, and answers are too quick to be kept."""
        del scoring, journal, full, repeated
        self._known, self.computed_tokens = {}, 0

    def audit(self, progress: Progress) -> None:
        """Nothing: there is no faster layout to compare with."""

    def facts(self) -> dict[str, Any]:
        """How it answered."""
        return {"layout": "classifier", "labels": len(self.labels)} if self._known else {}

    def cautions(self) -> list[str]:
        """Sentences that a reader of the numbers must see."""
        return ["answered by a classification head: its log-likelihoods are those of the labels, not of texts"]

    def score(
        self, requests: Sequence[tuple[str, str]], progress: Progress, *, documents: Sequence[int] | None = None
    ) -> list[Scored]:
        """Log-probability of the class of each (prompt, label), in order.

        Raises:
            Unsupported: a continuation that is no label.
            ValueError: logits that are no numbers.
        """
        del documents
        for _, answer in requests:
            if answer.strip() not in self._numbers:
                raise Unsupported(
                    f"answer {answer!r} is none of the labels this classifier was trained on: use objective=language"
                )
        fresh = [text for text in dict.fromkeys(text for text, _ in requests) if text not in self._known]
        for text, found in zip(fresh, self._answers(fresh, progress), strict=True):
            self._known[text] = found
        return [self._scored(text, self._numbers[answer.strip()]) for text, answer in requests]

    def score_rolling(self, texts: Sequence[str], progress: Progress) -> list[Scored]:
        """Refused.

        Raises:
            Unsupported: always.
        """
        del texts, progress
        raise Unsupported("a classification head does not score texts: use objective=language")

    def generate(self, requests: Sequence[tuple[str, Mapping[str, Any]]], progress: Progress) -> list[Any]:
        """Refused.

        Raises:
            Unsupported: always.
        """
        del requests, progress
        raise Unsupported("a classification head does not generate: use objective=language")

    def _scored(self, text: str, number: int) -> Scored:
        logprobs, tokens = self._known[text]
        return Scored(logprobs[number], logprobs[number] == max(logprobs), 1, tokens, tokens >= self._context)

    @torch.inference_mode()
    def _answers(self, texts: Sequence[str], progress: Progress) -> list[tuple[list[float], int]]:
        rows = prompts(texts, self.tokenizer, limit=self._context)
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
        found: dict[int, tuple[list[float], int]] = {}
        while len(found) < len(rows):
            progress("scoring", len(found), len(rows))
            size = max(1, _TOKENS // len(rows[order[len(found)]]))
            part = order[len(found) : len(found) + size]
            batch = self._collate([{"input_ids": rows[i], "targets": [0]} for i in part])
            batch.pop("labels")
            output = self.model(**{name: value.to(self.model.device) for name, value in batch.items()})
            logprobs = torch.log_softmax(output.logits.double(), dim=-1).tolist()
            self.computed_tokens += sum(len(rows[i]) for i in part)
            found |= {i: (_finite(values), len(rows[i])) for i, values in zip(part, logprobs, strict=True)}
        progress("scoring", len(rows), len(rows))
        return [found[i] for i in range(len(rows))]


def _finite(values: list[float]) -> list[float]:
    if not all(math.isfinite(value) for value in values):
        raise ValueError("the classifier's logits are not finite numbers")
    return values
