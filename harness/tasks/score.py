"""Answers -> samples and per-document values, by lm-eval's own filters and rules.

Layer: tasks; talks to lm-eval task objects. lm-eval's aggregation over documents and its bootstrap are not used where a
closed form exists.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from lm_eval.api import metrics as theirs

from harness.records import Sample
from harness.tasks import metric_names, text
from harness.tasks.prompts import Document, prompt_hash

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

    from harness.tasks.load import Loaded

_KNOWN: dict[Any, str] = {
    theirs.mean: "mean",
    theirs.perplexity: "perplexity",
    theirs.weighted_perplexity: "perplexity",
    theirs.bits_per_byte: "bits",
}


@final
@dataclass(frozen=True, kw_only=True)
class Asked:
    """A document with its requests and their answers.

    Attributes:
        document: what was asked about.
        instances: lm-eval's requests, their responses filled in.
        answers: per request, one or more answers of the model.
    """

    document: Document
    instances: Sequence[Instance]
    answers: Sequence[Sequence[Any]]


@final
@dataclass(frozen=True, kw_only=True)
class Values:
    """One metric over the documents of one task, under one filter.

    Attributes:
        metric: name without the filter.
        filter: lm-eval's name of the filter.
        items: what each document contributes: a number, or what `aggregate` wants.
        how: `mean`, `perplexity` or `bits` where we know the closed form, else `other`.
        aggregate: lm-eval's function over items; used where `how` is `other`.
        higher: whether higher is better, None where the task does not say.
    """

    metric: str
    filter: str
    items: tuple[Any, ...]
    how: str
    aggregate: Callable[[list[Any]], float]
    higher: bool | None


@final
@dataclass(frozen=True, kw_only=True)
class Part:
    """What came out of one lm-eval task.

    Attributes:
        name: of the task.
        samples: one per document.
        values: every metric under every filter, the first filter first.
    """

    name: str
    samples: tuple[Sample, ...]
    values: tuple[Values, ...]


def names_of_metrics(loaded: Loaded) -> set[str]:
    """Metrics that can be asked of a task before it is run: lm-eval's, and ours where it generates text."""
    return metric_names.with_text(loaded.task.aggregation(), str(loaded.task.OUTPUT_TYPE))


def label(document: Document) -> str:
    """The right answer as text: what a subset is stratified by, and the gold of a sample."""
    return " | ".join(references(document))


def references(document: Document) -> tuple[str, ...]:
    """The acceptable answers as texts; empty for texts that are only scored."""
    task, content = document.loaded.task, document.content
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        return ()
    gold = task.doc_to_text(content) if task.multiple_input else task.doc_to_target(content)
    options = task.doc_to_choice(content) if task.config.doc_to_choice is not None else []
    texts = [
        options[one] if options and isinstance(one, int) and 0 <= one < len(options) else one
        for one in (gold if isinstance(gold, list) else [gold])
    ]
    return tuple(str(one).strip() for one in texts)


def score(loaded: Loaded, asked: Sequence[Asked], *, subset: str, wanted: Sequence[str]) -> Part:
    """Filters the answers and scores every document.

    Args:
        loaded: the task.
        asked: its documents with their answers.
        subset: label of the task within a group, else empty.
        wanted: metrics to keep.
    """
    task = loaded.task
    for ensemble in task._filters:  # noqa: SLF001 - `apply_filters` wants requests it built itself
        ensemble.apply([instance for one in asked for instance in one.instances])
    names = [ensemble.name for ensemble in task._filters]  # noqa: SLF001
    expected = tuple(references(one.document) for one in asked)
    rows = {name: [_results(task, one, name) for one in asked] for name in names}
    if task.OUTPUT_TYPE == "generate_until":
        for name in names:
            _add_text(rows[name], [_text(one, name) for one in asked], expected, wanted)
    values = tuple(_values(task, metric, name, rows[name]) for name in names for metric in wanted)
    samples = tuple(
        _sample(one, names[0], subset=subset, results=result, wanted=wanted)
        for one, result in zip(asked, rows[names[0]], strict=True)
    )
    return Part(name=loaded.name, samples=samples, values=values)


def _results(task: Any, one: Asked, name: str) -> dict[str, Any]:
    responses = [instance.filtered_resps[name] for instance in one.instances]
    # Bits of a perturbed text are counted per byte of the clean one: noise must not pay by making the text longer.
    rolling = task.OUTPUT_TYPE == "loglikelihood_rolling"
    return dict(task.process_results(one.document.origin if rolling else one.document.content, responses))


def _text(one: Asked, name: str) -> str:
    """The generated answer after the filter; a filter that keeps several gives the first."""
    response = one.instances[0].filtered_resps[name]
    return str(response[0] if isinstance(response, list | tuple) and response else response)


def _add_text(
    rows: list[dict[str, Any]], answers: list[str], expected: Sequence[Sequence[str]], wanted: Sequence[str]
) -> None:
    """Our text metrics, where the task does not have one of that name itself."""
    for row, answer, options in zip(rows, answers, expected, strict=True):
        for metric in wanted:
            if metric in text.PER_DOCUMENT and metric not in row:
                row[metric] = text.score(metric, answer, options)
            elif metric in text.CORPUS and metric not in row:
                row[metric] = (tuple(options), answer)


def _values(task: Any, metric: str, name: str, rows: list[dict[str, Any]]) -> Values:
    items = tuple(row[metric] for row in rows if row.get(metric) is not None)
    aggregate = task.aggregation().get(metric)
    higher = task.higher_is_better().get(metric)
    if aggregate is None:
        higher = True if higher is None else higher
        corpus = metric in text.CORPUS
        how, aggregate = ("other", _corpus(metric)) if corpus else ("mean", theirs.mean)
    else:
        how = _KNOWN.get(aggregate, "other")
    return Values(metric=metric, filter=name, items=items, how=how, aggregate=aggregate, higher=higher)


def _corpus(metric: str) -> Callable[[list[Any]], float]:
    return lambda items: text.corpus(metric, [answer for _, answer in items], [options for options, _ in items])


def _sample(one: Asked, name: str, *, subset: str, results: Mapping[str, Any], wanted: Sequence[str]) -> Sample:
    task, document = one.document.loaded.task, one.document
    first = [answers[0] for answers in one.answers]
    scored = task.OUTPUT_TYPE != "generate_until"
    options = _options(task, document) if scored else ()
    shown = first[: len(options)] if options else first
    prompt = one.instances[0].args[0]
    pred = _prediction(task, options, shown) if scored else _text(one, name)
    right = {"acc": float(pred in references(document))} if task.OUTPUT_TYPE == "multiple_choice" else {}
    return Sample(
        item_id=document.item_id,
        index=document.index,
        subset=subset,
        prompt_hash=prompt_hash(one.instances),
        prompt=prompt if isinstance(prompt, str) else str(prompt),
        gold=label(document),
        pred=pred,
        options=options,
        logprobs=tuple(float(answer.logprob) for answer in shown) if scored else (),
        tokens=tuple(int(answer.tokens) for answer in shown),
        truncated=any(answer.truncated for answers in one.answers for answer in answers),
        metrics=right | _numbers(results, wanted),
    )


def _options(task: Any, document: Document) -> tuple[str, ...]:
    if task.OUTPUT_TYPE == "multiple_choice":
        return tuple(str(option) for option in task.doc_to_choice(document.content))
    return (label(document),) if task.OUTPUT_TYPE == "loglikelihood" else ()


def _prediction(task: Any, options: Sequence[str], answers: Sequence[Any]) -> str:
    """The likeliest option; for a single continuation itself if it is what the model would say, else empty."""
    if task.OUTPUT_TYPE == "multiple_choice":
        best = max(range(len(options)), key=lambda i: answers[i].logprob)
        return options[best].strip()
    return options[0] if options and answers[0].greedy else ""


def _numbers(results: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, float]:
    """Metrics that are defined on one document; for (log-likelihood, size) pairs also the size they are weighted by."""
    found: dict[str, float] = {}
    for metric in wanted:
        value = results.get(metric)
        if metric == "bits_per_byte" and isinstance(value, tuple) and value[1]:
            found |= {metric: -float(value[0]) / float(value[1]) / math.log(2), "bytes": float(value[1])}
        elif metric == "word_perplexity" and isinstance(value, tuple):
            found["words"] = float(value[1])
        elif metric != "perplexity" and not isinstance(value, tuple | list | Mapping) and value is not None:
            found[metric] = float(value)
    return found
