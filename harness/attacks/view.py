"""A task and a subject as a classifier: the options' scores by the task's own rule, for any text in a document's place.

Layer: attacks; above `tasks`, imports lm_eval through it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.attacks.victim import Query, Verdict, Victim
from harness.records import Unsupported
from harness.tasks import fields, run, score
from harness.tasks.load import load
from harness.tasks.prompts import Prompter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lm_eval.api.instance import Instance

    from harness.perturbations.source import Source
    from harness.records import Progress, Sample
    from harness.tasks.load import Loaded
    from harness.tasks.prompts import Document
    from harness.tasks.spec import Task

RULES = ("acc", "acc_norm", "acc_bytes")
"""How options are compared: by log-likelihood, or by that per letter or byte of the option."""


@final
@dataclass(frozen=True, kw_only=True)
class Item:
    """A document of a task, with what does not change under attack.

    Attributes:
        document: as the data set has it.
        names: fields that may be edited.
        options: texts of the options.
        gold: right options.
        weights: what each option's log-likelihood is multiplied by.
    """

    document: Document
    names: tuple[str, ...]
    options: tuple[str, ...]
    gold: frozenset[int]
    weights: tuple[float, ...]

    @property
    def texts(self) -> Query:
        """The texts that may be edited, as they are."""
        return tuple(self.document.content[name] for name in self.names)


@final
class TaskView(Victim):
    """A subject as the classifier of a task's documents.

    Attributes:
        items: the documents.
        available: documents of the task before the limit.
        rule: one of `RULES`: that of the task's primary metric; `acc` where that is none of them.
        parts: the lm-eval tasks.
    """

    def __init__(self, spec: Task, lm: Any, progress: Progress) -> None:
        """Loads the task.

        Raises:
            ValueError: as `Task.run`.
            Unsupported: it has no options, or none of its texts shows in the query.
        """
        self._spec, self._lm = spec, lm
        self.parts = load(spec, progress)
        for loaded in self.parts:
            _check(loaded)
        self.rule = spec.metrics[0] if spec.metrics[0] in RULES else "acc"
        every = [document for loaded in self.parts for document in run.documents_of(loaded)]
        self.available = len(every)
        chosen = run.subset(spec, every)  # the very documents that the clean cell has
        self._prompters = {loaded.name: Prompter(loaded, spec) for loaded in self.parts}
        names = {loaded.name: _names(loaded) for loaded in self.parts}
        self.items = tuple(_item(document, names[document.loaded.name], self.rule) for document in chosen)

    def judge(self, queries: Sequence[tuple[int, Query]]) -> list[Verdict]:
        """The verdicts, all requests in one call of the model."""
        groups = [[instance.args for instance in self._instances(number, query)] for number, query in queries]
        answers = iter(self._lm.score([pair for group in groups for pair in group], _silent))
        return [
            self._verdict(number, tuple(next(answers) for _ in group))
            for (number, _), group in zip(queries, groups, strict=True)
        ]

    def keeps(self, document: int, query: Query) -> bool:
        """Whether options and right answer stay the same."""
        item = self.items[document]
        if query == item.texts:
            return True
        return fields.kept(item.document.loaded, item.document.content, self._content(document, query))

    def sources(self, number: int, language: str) -> list[Source]:
        """The texts of a document that may be edited, with what its task protects."""
        item, data = self.items[number], self._spec.data
        content, loaded = item.document.content, item.document.loaded
        return [
            fields.source(
                loaded, content, name, language=language,
                literals=data.literals() if data is not None and name == "prompt" else (),
            )
            for name in item.names
        ]  # fmt: skip

    def requests(self, number: int, query: Query) -> list[tuple[str, str]]:
        """(context, option) as the model is given them, one for each option."""
        instances = self._instances(number, query)[: len(self.items[number].options)]
        arguments: list[Any] = [instance.args for instance in instances]
        return [(context, option) for context, option in arguments]

    def samples(self, ends: Sequence[tuple[int, Query, Verdict]]) -> list[Sample]:
        """The samples of documents with these texts and verdicts, in order, by lm-eval's own rules.

        The prediction is that of `rule`.
        """
        asked = [self._asked(*end) for end in ends]
        wanted = run.wanted_metrics(self._spec, self.parts)
        found: dict[tuple[str, str], Sample] = {}
        for loaded in self.parts:
            part = run.part(loaded, asked, grouped=len(self.parts) > 1, wanted=wanted)
            found |= {(loaded.name, sample.item_id): sample for sample in part.samples}
        return [self._predicted(found, self.items[number], verdict) for number, _, verdict in ends]

    def _predicted(self, found: Mapping[tuple[str, str], Sample], item: Item, verdict: Verdict) -> Sample:
        sample = found[item.document.loaded.name, item.document.item_id]
        return dataclasses.replace(sample, pred=item.options[verdict.best].strip())

    def _asked(self, number: int, query: Query, verdict: Verdict) -> score.Asked:
        instances = self._instances(number, query)
        for instance, one in zip(instances, verdict.answers, strict=True):
            instance.resps = [(one.logprob, one.greedy)]
        document = self._document(number, query)
        return score.Asked(document=document, instances=instances, answers=[[one] for one in verdict.answers])

    def _instances(self, number: int, query: Query) -> list[Instance]:
        return self._prompters[self.items[number].document.loaded.name].requests(self._document(number, query))

    def _document(self, number: int, query: Query) -> Document:
        """The document with other texts; few-shot examples are still drawn for the clean one."""
        document = self.items[number].document
        if query == self.items[number].texts:
            return document
        return dataclasses.replace(document, content=self._content(number, query), clean=document.content)

    def _content(self, number: int, query: Query) -> dict[str, Any]:
        item = self.items[number]
        return {**item.document.content, **dict(zip(item.names, query, strict=True))}

    def _verdict(self, number: int, answers: tuple[Any, ...]) -> Verdict:
        weights = self.items[number].weights
        scores = tuple(weight * answer.logprob for weight, answer in zip(weights, answers, strict=False))
        return Verdict(scores=scores, answers=answers)


def _check(loaded: Loaded) -> None:
    task = loaded.task
    if task.OUTPUT_TYPE != "multiple_choice":
        raise Unsupported(
            f"task {loaded.name}: it has no options to choose from (its answers are {task.OUTPUT_TYPE}), so there is "
            "no answer that an attack could flip"
        )
    if callable(task.config.process_results):
        raise Unsupported(f"task {loaded.name}: a function of its own decides what is right, which no attack knows")


def _names(loaded: Loaded) -> tuple[str, ...]:
    contents: list[Any] = list(loaded.task.task_docs)
    return fields.query_fields(loaded, contents)


def _item(document: Document, names: Sequence[str], rule: str) -> Item:
    content = document.content
    options = tuple(str(option) for option in document.loaded.task.doc_to_choice(content))
    own = tuple(name for name in names if isinstance(content.get(name), str))
    gold = _gold(document, options)
    return Item(document=document, names=own, options=options, gold=gold, weights=_weights(options, rule))


def _gold(document: Document, options: Sequence[str]) -> frozenset[int]:
    """Numbers of the right options.

    Source: lm_eval/api/task.py, `ConfigurableTask.process_results`.
    """
    task, content = document.loaded.task, document.content
    found: Any = task.doc_to_text(content) if task.multiple_input else task.doc_to_target(content)
    numbers = [
        options.index(one) if isinstance(one, str) and one in options else one
        for one in (found if isinstance(found, list) else [found])
    ]
    return frozenset(one for one in numbers if isinstance(one, int) and 0 <= one < len(options))


def _weights(options: Sequence[str], rule: str) -> tuple[float, ...]:
    """What makes log-likelihoods comparable, as lm-eval's metrics `acc`, `acc_norm` and `acc_bytes` do."""
    lengths: Mapping[str, list[int]] = {
        "acc": [1 for _ in options],
        "acc_norm": [len(option) for option in options],
        "acc_bytes": [len(option.encode()) for option in options],
    }
    return tuple(1 / max(1, length) for length in lengths[rule])


def _silent(phase: str, done: int, total: int) -> None:
    """The searches say how far they are."""
    del phase, done, total
