"""A task with its listed options in another order; its samples in the order they had.

Layer: tasks; imports lm_eval through its neighbours. Options are shifted round: with clean prompts and as many shifts
as there are other places, every option of every document stands once in every place, so that recall by place compares
the same options. Few-shot examples stay as they are.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any, final

from harness.records import Measurement, Unsupported
from harness.tasks import listed, score
from harness.tasks.change import Change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Sample
    from harness.tasks.load import Loaded
    from harness.tasks.prompts import Document

_KEY = "options_as_shown"
"""Key of a document that says which option each place shows, and the place of the right one."""
_LOOKED_AT = 50


@final
class Shifted(Change):
    """Shows option i + `shift` in place i.

    Args:
        shift: so many places; a document with fewer options is shifted round again.
    """

    def __init__(self, shift: int) -> None:
        self._shift = shift

    def task(self, loaded: Loaded) -> Loaded:
        """The task, with the right answers of shifted documents.

        Raises:
            Unsupported: it lists no options in its prompts, or has too few for this shift.
        """
        task = loaded.task
        if task.OUTPUT_TYPE != "multiple_choice" or task.multiple_input:
            raise Unsupported(f"task {loaded.name}: its answers are not chosen from options: no other order of them")
        if callable(task.config.process_results):
            raise Unsupported(f"task {loaded.name}: its own function scores the answers: no other order of options")
        self._check_documents(loaded)
        original = task.doc_to_target

        def target(document: Mapping[str, Any]) -> Any:
            return document[_KEY]["gold"] if _KEY in document else original(document)

        config = copy.copy(task.config)
        config.doc_to_target = target
        changed = copy.copy(task)
        changed._config = config  # noqa: SLF001 - `config` has no setter
        return dataclasses.replace(loaded, task=changed)

    def document(self, document: Document) -> Document:
        """The document with its options shifted; as it is where one of them speaks of the places of others."""
        task, content = document.loaded.task, document.content
        where = listed.places(task, content)
        size = len(where)
        order = [(place + self._shift) % size for place in range(size)]
        if listed.bound(listed.options(content, where)):
            order = sorted(order)
        if order == sorted(order):
            return dataclasses.replace(document, clean=content)
        shown = listed.arranged(content, where, order)
        gold = _mapped(task.doc_to_target(content), [str(one) for one in task.doc_to_choice(content)], order)
        return dataclasses.replace(document, clean=content, content={**shown, _KEY: {"order": order, "gold": gold}})

    def sample(self, sample: Sample, document: Document) -> Sample:
        """The sample in the clean order of the options; where they stood is in its metrics."""
        before = dataclasses.replace(document, content=document.origin, clean=None)
        options = tuple(str(one) for one in document.loaded.task.doc_to_choice(before.content))
        order = document.content.get(_KEY, {}).get("order") or list(range(len(options)))
        best = max(range(len(options)), key=lambda place: sample.logprobs[place])
        places = sorted(range(len(options)), key=lambda place: order[place])
        gold, right = score.label(before), options_of(options)
        metrics = {"pred_position": float(best), "changed": float(order != sorted(order))}
        if gold in right:
            metrics["gold_position"] = float(places[right.index(gold)])
        return dataclasses.replace(
            sample,
            options=options,
            logprobs=tuple(sample.logprobs[place] for place in places),
            tokens=tuple(sample.tokens[place] for place in places),
            pred=right[order[best]],
            gold=gold,
            metrics={**sample.metrics, **metrics},
        )

    def measurements(self, samples: Sequence[Sample]) -> tuple[Measurement, ...]:
        """The share of documents whose options stood in another order."""
        n = len(samples)
        share = sum(sample.metrics["changed"] for sample in samples) / n if n else 0.0
        return (Measurement(metric="changed", value=share, n=n),)

    def _check_documents(self, loaded: Loaded) -> None:
        documents = loaded.task.task_docs
        step = max(1, len(documents) // _LOOKED_AT)
        sizes = [len(listed.places(loaded.task, documents[place])) for place in range(0, len(documents), step)]
        if not any(sizes):
            raise Unsupported(f"task {loaded.name}: its prompts do not list the options: no other order of them")
        if self._shift >= max(sizes):
            raise Unsupported(
                f"task {loaded.name}: its {max(sizes)} options can be shifted round by 1 to {max(sizes) - 1} places, "
                f"not by {self._shift}: these are all the replicates there are"
            )


def options_of(options: Sequence[str]) -> list[str]:
    """Options as predictions name them: without the white space around them."""
    return [option.strip() for option in options]


def _mapped(gold: Any, options: Sequence[str], order: Sequence[int]) -> Any:
    """The place that shows the right option; of several all their places; anything else as it is."""
    if isinstance(gold, list):
        return [_mapped(one, options, order) for one in gold]
    number = options.index(gold) if isinstance(gold, str) and gold in options else gold
    return order.index(number) if isinstance(number, int) and 0 <= number < len(order) else gold
