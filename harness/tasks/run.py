"""A task from its files to its outcome.

Layer: tasks; imports lm_eval through its neighbours.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
from typing import TYPE_CHECKING, Any

from harness.meters import places
from harness.meters.clock import Stopwatch
from harness.meters.memory import Peak
from harness.records import Measurement, Outcome, Progress
from harness.tasks import checks, documents, metric_names, score
from harness.tasks.answer import answer
from harness.tasks.cautions import cautions, overflowed
from harness.tasks.change import Change, Unchanged
from harness.tasks.load import Loaded, load
from harness.tasks.measure import CLASSIFICATION, overflows, quality
from harness.tasks.prompts import Document, Prompter
from harness.tasks.templates import compiled_once

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lm_eval.api.instance import Instance

    from harness.models.subject import Subject
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
        parts = tuple(change.task(loaded) for loaded in load(spec, progress))
        wanted = wanted_metrics(spec, parts)
        every = [document for loaded in parts for document in documents_of(loaded)]
        chosen = [change.document(document) for document in subset(spec, every)]
        prompters = {loaded.name: Prompter(loaded, spec, change) for loaded in parts}
        requests = _requests(prompters, chosen, progress)
        answers, cost = _answered(requests, subject, progress, decided=_decided(parts, requests, wanted=spec.metrics))
        asked = _asked(chosen, requests, answers)
        scored = [part(loaded, asked, grouped=len(parts) > 1, wanted=wanted) for loaded in parts]
    scored = _told([part for part in scored if part.samples], asked, change)
    samples = tuple(sample for part in scored for sample in part.samples)
    found = quality(scored, wanted=spec.metrics, kind=spec.kind)
    how = subject.lm.facts()
    return Outcome(
        measurements=(*found, *change.measurements(samples), *cost, *_audited(how)),
        samples=samples,
        warnings=(
            *overflowed(overflows(scored, wanted=spec.metrics)),
            *cautions(samples, found, kind=spec.kind, chance=spec.chance, available=len(chosen if varied else every)),
            *subject.lm.cautions(),
            *change.cautions(),
        ),
        facts={
            **_facts(spec, parts, subject),
            "documents": len(chosen),
            "available": len(every),
            "fewshot": ", ".join(sorted({prompter.how for prompter in prompters.values()})),
            "scoring": how,
        },
    )


def _answered(
    requests: Sequence[Sequence[Instance]], subject: Subject, progress: Progress, *, decided: Sequence[int] | None
) -> tuple[list[list[Any]], list[Measurement]]:
    """The answers to all requests, and what they took."""
    flat = [instance for group in requests for instance in group]
    before = subject.lm.computed_tokens
    where = places.devices(subject.device.kind, subject.model)
    with Peak(where) as peak, Stopwatch(where) as watch:
        answers = answer(flat, subject.lm, progress, documents=decided)
    computed = subject.lm.computed_tokens - before
    subject.lm.audit(progress)
    return answers, _cost(answers, computed, watch, peak)


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


def _asked(
    chosen: Sequence[Document], requests: Sequence[Sequence[Instance]], answers: Sequence[Sequence[Any]]
) -> list[score.Asked]:
    replies = iter(answers)
    return [
        score.Asked(document=document, instances=group, answers=[next(replies) for _ in group])
        for document, group in zip(chosen, requests, strict=True)
    ]


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


def _cost(answers: Sequence[Sequence[Any]], computed: int, watch: Stopwatch, peak: Peak) -> list[Measurement]:
    """What answering took, from the first request to the last answer: loading and scoring answers are not in it.

    `prompt_tokens` and `generated_tokens` are those of every request; `computed_tokens` those that went through the
    model, where equal rows went once. `throughput` is computed tokens per second.
    """
    flat = [one for group in answers for one in group]
    prompt = sum(one.prompt_tokens for one in flat)
    generated = sum(one.tokens for one in flat if hasattr(one, "text"))
    found = [
        Measurement(metric="seconds", value=watch.seconds, unit="s", higher_is_better=False),
        Measurement(metric="requests", value=len(flat)),
        Measurement(metric="prompt_tokens", value=prompt, unit="tok"),
        Measurement(metric="generated_tokens", value=generated, unit="tok"),
        Measurement(metric="computed_tokens", value=computed, unit="tok"),
        Measurement(metric="throughput", value=computed / watch.seconds, unit="tok/s", higher_is_better=True),
        Measurement(metric="peak_host_bytes", value=peak.host_bytes, unit="B", higher_is_better=False),
    ]
    if peak.device_bytes is not None:
        found.append(Measurement(metric="peak_device_bytes", value=peak.device_bytes, unit="B", higher_is_better=False))
    return found


def _audited(how: Mapping[str, Any]) -> list[Measurement]:
    """What the precision audit found, where it ran: the largest difference to float32 in nats, and answers it flips."""
    audit = how.get("audit")
    if not audit:
        return []
    n = audit["documents"]
    return [
        Measurement(metric="audit_max_difference", value=audit["max_difference"], n=n, higher_is_better=False),
        Measurement(metric="audit_flips", value=audit["flips"], n=n, higher_is_better=False),
    ]


def _facts(spec: Task, parts: Sequence[Loaded], subject: Subject) -> dict[str, Any]:
    """What was in force; of a group's many tasks the distinct values."""
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
    }
