"""What a model is trained on: prompts with their right answers, as the task itself asks them.

Layer: training, light: stdlib only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from harness.training.settings import Training


@final
@dataclass(frozen=True, kw_only=True)
class Example:
    """One document with its right answer.

    Attributes:
        prompt: the context that lm-eval builds without few-shot examples.
        answer: the continuation that is right, with the white space before it (` positive`).
        text: the part of the prompt that the document brings; augmentation edits it alone. Empty: the whole prompt.
        item_id: of the document, where it has one.
    """

    prompt: str
    answer: str
    text: str = ""
    item_id: str = ""

    def __post_init__(self) -> None:
        if not self.answer.strip():
            raise ValueError(f"training example {self.prompt[:60]!r}: its answer is empty")
        if self.text not in self.prompt:
            raise ValueError(f"training example {self.prompt[:60]!r}: its text is no part of its prompt")


@final
@dataclass(frozen=True, kw_only=True)
class Data:
    """A training set with its dev split.

    Attributes:
        name: of the task, for errors.
        train: what is learnt.
        dev: what training is watched on; none of it is learnt.
        labels: every answer there is, in the task's order; empty where answers are free text.
    """

    name: str
    train: tuple[Example, ...]
    dev: tuple[Example, ...] = ()
    labels: tuple[str, ...] = ()

    def check(self, training: Training) -> None:
        """Looks at everything that can be known before training.

        Raises:
            ValueError: one line: too few examples, labels that are not seen, a dev split that is missing.
        """
        if not self.train:
            raise ValueError(f"task {self.name} has no training examples: it needs a training split")
        if training.n_train is not None and training.n_train > len(self.train):
            raise ValueError(f"task {self.name}: n_train={training.n_train}, but it has {len(self.train)} to train on")
        if training.early_stopping and not self.dev:
            raise ValueError(
                f"task {self.name}: early_stopping={training.early_stopping} needs a dev split, which it lacks: "
                "set n_dev to hold examples out of the training split, or early_stopping=0"
            )
        if training.objective == "classification" and not self.labels:
            raise ValueError(f"task {self.name}: objective=classification needs a fixed list of labels: use language")
        self._check_labels()

    def _check_labels(self) -> None:
        if not self.labels:
            return
        if len(set(self.labels)) < 2:  # noqa: PLR2004 - or there is nothing to tell apart
            raise ValueError(f"task {self.name}: labels={list(self.labels)} must be at least two different ones")
        if len(self.train) < len(self.labels):
            raise ValueError(
                f"task {self.name}: {len(self.train)} training examples are fewer than its {len(self.labels)} classes"
            )
        for where, part in (("training", self.train), ("dev", self.dev)):
            strange = next((one.answer for one in part if one.answer not in self.labels), None)
            if strange is not None:
                raise ValueError(f"task {self.name}: {where} answer {strange!r} is none of {_shown(self.labels)}")
        if missing := [label for label in self.labels if label not in self.counts()]:
            raise ValueError(f"task {self.name}: no training example has label {_shown(missing)}: raise n_train")

    def counts(self) -> dict[str, int]:
        """Training examples of each answer."""
        return dict(Counter(one.answer for one in self.train))

    def digest(self) -> str:
        """First 16 hex digits of the hash over everything that is trained or watched on."""
        parts = [[dataclasses.astuple(one) for one in part] for part in (self.train, self.dev)]
        content = json.dumps([*parts, self.labels], ensure_ascii=False)
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _shown(labels: tuple[str, ...] | list[str]) -> str:
    few = [repr(label) for label in labels[:5]]
    return ", ".join(few) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")  # noqa: PLR2004 - few
