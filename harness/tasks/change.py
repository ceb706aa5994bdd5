"""What a variation does to a task, its documents and its samples: nothing, unless a class below says otherwise.

Layer: tasks. `run` calls the methods in this order: `task` for each lm-eval task, `document` for each document,
`examples` while its prompt is built, `sample` and `measurements` when it is answered.
"""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Measurement, Sample
    from harness.tasks.load import Loaded
    from harness.tasks.prompts import Document


class Change(ABC):  # noqa: B024 - every method has a default; what is made of it is a final class
    """A change of a task. Documents keep their `item_id`, so that answers stay paired with those without it."""

    def task(self, loaded: Loaded) -> Loaded:
        """The task as it is to be asked: with another template, for example.

        Raises:
            Unsupported: one line: what this task lacks for it.
        """
        return loaded

    def document(self, document: Document) -> Document:
        """The document as it is to be asked; `clean` of the result is the content before."""
        return document

    def examples(self, document: Document, chosen: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """The few-shot examples that stand before `document`; `chosen` were drawn for it."""
        del document
        return chosen

    def seed_of_examples(self, seed: int) -> int:
        """The seed that the few-shot examples are drawn from."""
        return seed

    def sample(self, sample: Sample, document: Document) -> Sample:
        """The sample as it is kept: with further metrics, or in the terms of the document before the change."""
        del document
        return sample

    def measurements(self, samples: Sequence[Sample]) -> tuple[Measurement, ...]:
        """Further numbers of the cell, from the samples that `sample` gave."""
        del samples
        return ()

    def cautions(self) -> tuple[str, ...]:
        """Sentences that a reader of the numbers must see."""
        return ()


@final
class Unchanged(Change):
    """The task as it is."""
