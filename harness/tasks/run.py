"""A task from its files to its outcome.

Layer: tasks; imports lm_eval through its neighbours.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.models.api.answers import Missing
from harness.records import Measurement, Outcome, Progress
from harness.tasks import checks, documents, measure, metric_names, protocol_chat, protocol_score, score
from harness.tasks.answer import answered
from harness.tasks.cautions import bounded, cautions, overflowed
from harness.tasks.change import Change, Unchanged
from harness.tasks.load import Loaded, load
from harness.tasks.measure import CLASSIFICATION, overflows, quality
from harness.tasks.prompts import Document, Prompter
from harness.tasks.protocol import Lettered
from harness.tasks.templates import compiled_once

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lm_eval.api.instance import Instance

    from harness.models.api.ledger import Forecast
    from harness.models.subject import Subject
    from harness.records import Sample
    from harness.tasks.spec import Task


_NAMED = 3
"""Data sets of a group that the facts name one by one."""

_DECIDED = frozenset({"acc", "acc_norm", "acc_bytes", "f1", "mcc", *CLASSIFICATION})
"""Metrics of a multiple choice that depend on nothing but which option is the likeliest, by itself or per length."""


def run(spec: Task, subject: Subject, progress: Progress, *, change: Change | None = None) -> Outcome:
    """Everything `Task.run` promises.

    Args:
        spec: the task.
        subject: who is asked.
        progress: told how far it is.
        change: what a variation does to the task; None: nothing.

    Raises:
        ValueError: one line: data, templates, shots or metrics do not fit.
        Unsupported: one line: the task lacks what the variation changes.
    """
    varied, change = change is not None, change or Unchanged()  # Of the limit, the clean cell says enough.
    with compiled_once():
        form = _prepared(spec, subject, progress, change)
        every_one, cost = _ask(form, subject, progress)
        asked = [one for one in every_one if not _lacks(one)]
        if not asked:
            raise ValueError(f"task {spec.name}: no document has all its answers: {_reason(every_one)}")
        scored = _told([one for one in form.scored(asked) if one.samples], asked, change)
    missing = len(every_one) - len(asked)
    samples = tuple(sample for one in scored for sample in one.samples)
    found = [*quality(scored, wanted=spec.metrics, kind=spec.kind), *form.measurements(samples)]
    available = len(form.chosen) - missing if varied else len(form.every) - missing
    lost = measure.bounds(samples, missing, wanted=spec.metrics) if subject.model is None or missing else []
    how = subject.lm.facts()
    return Outcome(
        measurements=(*found, *change.measurements(samples), *lost, *cost, *measure.audited(how)),
        samples=samples,
        warnings=(
            *overflowed(overflows(scored, wanted=spec.metrics)),
            *cautions(samples, found, kind=spec.kind, chance=spec.chance, available=available),
            *(protocol_score.cautions(samples) if form.lettered else ()),
            *bounded(lost, documents=len(every_one)),
            *subject.lm.cautions(),
            *change.cautions(),
        ),
        facts={**_facts(form, subject), "scoring": how},
    )


@final
@dataclass(frozen=True, kw_only=True)
class _Form:
    """A task as it is asked of one subject.

    Attributes:
        spec: the task.
        parts: the lm-eval tasks behind it, as the variation has them.
        wanted: metrics of `parts` that are kept.
        every: all documents.
        chosen: those that are asked, as the variation has them.
        prompters: of each part.
        lettered: of each part, where its options are listed behind letters; else empty.
        chat: what becomes of prompts, in words.
        tokenizer: whose template makes conversations of them; None where none does.
        first_tokens: whether an API is asked for the first token of each answer only.
    """

    spec: Task
    parts: tuple[Loaded, ...]
    wanted: Sequence[str]
    every: Sequence[Document]
    chosen: Sequence[Document]
    prompters: Mapping[str, Prompter]
    lettered: Mapping[str, Lettered]
    chat: str
    tokenizer: Any
    first_tokens: bool

    def requests(self, progress: Progress) -> list[list[Instance]]:
        """The requests of every document, in order."""
        shown = [self.lettered[d.loaded.name].document(d) if self.lettered else d for d in self.chosen]
        found = _requests(self.prompters, shown, progress)
        if self.tokenizer is not None:
            protocol_chat.templated((instance for group in found for instance in group), self.tokenizer)
        return found

    def scored(self, asked: Sequence[score.Asked]) -> list[score.Part]:
        """What came of each part."""
        grouped = len(self.parts) > 1
        if self.lettered:
            return [protocol_score.part(one, asked, name=name, grouped=grouped) for name, one in self.lettered.items()]
        return [part(loaded, asked, grouped=grouped, wanted=self.wanted) for loaded in self.parts]

    def measurements(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Numbers that only a protocol with letters has."""
        if not self.lettered:
            return []
        return protocol_score.measurements(samples, generated=self.spec.protocol == "generate")


def _prepared(spec: Task, subject: Subject, progress: Progress, change: Change) -> _Form:
    chat = protocol_chat.settle(spec, subject)
    parts = tuple(change.task(loaded) for loaded in load(spec, progress))
    asks = {} if spec.protocol == "likelihood" else {one.name: Lettered(one, spec, change) for one in parts}
    every = [document for loaded in parts for document in documents_of(loaded)]
    shown = {one.name: asks[one.name].task() if asks else one for one in parts}
    lm: Any = subject.lm
    return _Form(
        spec=spec,
        parts=parts,
        wanted=[] if asks else wanted_metrics(spec, parts),
        every=every,
        chosen=[change.document(document) for document in subset(spec, every)],
        prompters={name: Prompter(loaded, spec, change) for name, loaded in shown.items()},
        lettered=asks,
        chat=chat,
        tokenizer=subject.tokenizer if chat.startswith("on") and subject.tokenizer is not None else None,
        first_tokens=spec.protocol == "letter" and hasattr(lm, "first_tokens") and not _by_echo(lm),
    )


def _by_echo(lm: Any) -> bool:
    """Whether an API gives log-probabilities of a prompt but none of what it generates."""
    return lm.abilities.echo and not lm.abilities.top


def _requests(
    prompters: Mapping[str, Prompter], chosen: Sequence[Document], progress: Progress
) -> list[list[Instance]]:
    """The requests of every document, in order; told about a hundred times at most."""
    step = max(1, len(chosen) // 100)
    requests: list[list[Instance]] = []
    for done, document in enumerate(chosen):
        if done % step == 0:
            progress("building prompts", done, len(chosen))
        requests.append(prompters[document.loaded.name].requests(document))
    return requests


def _decided(
    parts: Sequence[Loaded], requests: Sequence[Sequence[Instance]], *, wanted: Sequence[str]
) -> list[int] | None:
    """For each request the number of its document, where all that counts is the likeliest one among them; else None."""
    choices = all(loaded.task.OUTPUT_TYPE == "multiple_choice" for loaded in parts)
    # For mutual information lm-eval asks for every option a second time, without the question.
    plain = all("acc_mutual_info" not in score.names_of_metrics(loaded) for loaded in parts)
    if not (choices and plain and _DECIDED.issuperset(wanted)):
        return None
    return [number for number, group in enumerate(requests) for _ in group]


def rehearse(spec: Task, subject: Any) -> Forecast:
    """What asking an API would take: every request is made, and none is sent.

    Args:
        spec: the task, as it is without variations.
        subject: from `harness.models.api.subject.rehearse`.

    Raises:
        ValueError: as `Task.run`.
        Unsupported: the model or the task does not have this protocol.
    """
    with compiled_once():
        _ask(_prepared(spec, subject, _silent, Unchanged()), subject, _silent)
    return subject.lm.forecast()


def _ask(form: _Form, subject: Subject, progress: Progress) -> tuple[list[score.Asked], list[Measurement]]:
    """Every document with its answers, and what they took."""
    requests = form.requests(progress)
    decided = None if form.lettered else _decided(form.parts, requests, wanted=form.spec.metrics)
    answers, cost = answered(requests, subject, progress, decided=decided, letters=form.first_tokens)
    asked = [
        score.Asked(document=document, instances=group, answers=found)
        for document, group, found in zip(form.chosen, requests, answers, strict=True)
    ]
    return asked, cost


def _silent(phase: str, done: int, total: int) -> None:
    del phase, done, total


def _lacks(one: score.Asked) -> bool:
    return any(isinstance(answer, Missing) for answers in one.answers for answer in answers)


def _reason(asked: Sequence[score.Asked]) -> str:
    answers = (answer for one in asked for group in one.answers for answer in group)
    return next((answer.reason for answer in answers if isinstance(answer, Missing)), "there is none")


def wanted_metrics(spec: Task, parts: Sequence[Loaded]) -> list[str]:
    """The metrics lm-eval or the text metrics give per document; those of a classification come from its samples."""
    known = set.intersection(*(score.names_of_metrics(loaded) for loaded in parts))
    ours = set(CLASSIFICATION) if spec.kind == "classification" else set()
    metric_names.check(spec, known)
    return [metric for metric in spec.metrics if metric in known and (metric == "acc" or metric not in ours)]


def documents_of(loaded: Loaded) -> list[Document]:
    """Every document of a task, in its order."""
    contents: list[Any] = list(loaded.task.task_docs)
    keys = documents.item_ids(contents)
    return [
        Document(loaded=loaded, index=index, content=content, item_id=key)
        for index, (content, key) in enumerate(zip(contents, keys, strict=True))
    ]


def subset(spec: Task, every: Sequence[Document]) -> list[Document]:
    """The documents that are asked under the task's limit, in their order."""
    if spec.limit is None or spec.limit >= len(every):
        return list(every)
    strata = [
        (document.loaded.name, score.label(document) if spec.kind == "classification" else "") for document in every
    ]
    chosen = documents.subset([d.item_id for d in every], limit=spec.limit, seed=spec.seed, strata=strata)
    return [every[position] for position in chosen]


def part(loaded: Loaded, asked: Sequence[score.Asked], *, grouped: bool, wanted: Sequence[str]) -> score.Part:
    """What came of the documents of one of the tasks."""
    own = [one for one in asked if one.document.loaded is loaded]
    if not own:
        return score.Part(name=loaded.name, samples=(), values=())
    return score.score(loaded, own, subset=loaded.name if grouped else "", wanted=wanted)


def _told(scored: Sequence[score.Part], asked: Sequence[score.Asked], change: Change) -> list[score.Part]:
    """The parts with their samples as `change` has them kept."""
    documents = {(one.document.loaded.name, one.document.item_id): one.document for one in asked}
    return [
        dataclasses.replace(
            part, samples=tuple(change.sample(sample, documents[part.name, sample.item_id]) for sample in part.samples)
        )
        for part in scored
    ]


def _facts(form: _Form, subject: Subject) -> dict[str, Any]:
    """What was in force; of a group's many tasks the distinct values."""
    spec, parts = form.spec, form.parts
    versions = sorted({str(loaded.task.VERSION) for loaded in parts})
    splits = sorted({checks.eval_split(vars(loaded.task.config)) or "its own" for loaded in parts})
    data = sorted({loaded.data for loaded in parts})
    return {
        "lm_eval": importlib.metadata.version("lm_eval"),
        "tasks": len(parts),
        "version": ", ".join(versions),
        "split": ", ".join(splits),
        "dataset": ", ".join(data[:_NAMED]) + (f" and {len(data) - _NAMED} more" if len(data) > _NAMED else ""),
        "limit": spec.limit,
        "shots": spec.shots,
        "seed": spec.seed,
        "batch": subject.lm.batch,
        "documents": len(form.chosen),
        "available": len(form.every),
        "fewshot": ", ".join(sorted({prompter.how for prompter in form.prompters.values()})),
        "protocol": spec.protocol,
        "chat": form.chat,
    }
