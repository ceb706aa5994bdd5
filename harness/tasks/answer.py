"""Requests -> answers of a subject's language model, and what they took.

Layer: tasks. Requests of one kind go to the model in one call, so that it can sort and batch them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.models.api.answers import Missing
from harness.records import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lm_eval.api.instance import Instance

    from harness.records import Progress
    from harness.scoring.answers import Generated, Scored


@final
@dataclass(frozen=True)
class Took:
    """What answering took: from the first request to the last answer; loading and scoring answers are not in it.

    Attributes:
        seconds: of it.
        host_bytes: peak of this process; None for a model that is not in it.
        device_bytes: peak of its GPUs; None where it has none.
    """

    seconds: float
    host_bytes: int | None = None
    device_bytes: int | None = None


def answered(
    requests: Sequence[Sequence[Instance]],
    subject: Any,
    progress: Progress,
    *,
    decided: Sequence[int] | None,
    letters: bool = False,
) -> tuple[list[list[list[Any]]], list[Measurement]]:
    """For each document the answers to each of its requests, and what they took.

    Args:
        requests: of each document.
        subject: who is asked.
        progress: told how far it is.
        decided: as `documents` of `answer`.
        letters: the requests of a document are about the first token of its answer, which is asked of an API at once;
            such a document has one answer instead of one for each request.
    """
    before = subject.lm.computed_tokens

    def ask() -> list[list[list[Any]]]:
        if letters:
            return _first_tokens(requests, subject.lm, progress)
        return _grouped(requests, subject.lm, progress, decided=decided)

    answers, took = _timed(ask, subject)
    computed = subject.lm.computed_tokens - before
    subject.lm.audit(progress)
    return answers, [*_cost(answers, computed, took), *_charged(subject.lm)]


def _grouped(
    requests: Sequence[Sequence[Instance]], lm: Any, progress: Progress, *, decided: Sequence[int] | None = None
) -> list[list[list[Any]]]:
    flat = [instance for group in requests for instance in group]
    replies = iter(answer(flat, lm, progress, documents=decided))
    return [[next(replies) for _ in group] for group in requests]


def _first_tokens(requests: Sequence[Sequence[Instance]], lm: Any, progress: Progress) -> list[list[list[Any]]]:
    """By the likeliest first tokens; where a letter is not among them and the API echoes prompts, letter by letter."""
    prompts: list[Any] = [group[0].args[0] for group in requests]
    found = [[[first]] for first in lm.first_tokens(prompts, progress)]
    lacking = [place for place, group in enumerate(requests) if _lacks_a_letter(found[place][0][0], group)]
    if lm.abilities.echo and lacking:
        rest = _grouped([requests[place] for place in lacking], lm, progress)
        for place, answers in zip(lacking, rest, strict=True):
            found[place] = answers
    return found


def _lacks_a_letter(first: Any, group: Sequence[Instance]) -> bool:
    letters = [str(instance.args[-1]).strip() for instance in group]
    return not isinstance(first, Missing) and None in first.of(letters)


def _timed(call: Callable[[], list[list[list[Any]]]], subject: Any) -> tuple[list[list[list[Any]]], Took]:
    """The result of `call`, with what it took. A model behind an API has no device here, and needs no torch."""
    if subject.model is None:
        began = time.perf_counter()
        found = call()
        return found, Took(time.perf_counter() - began)
    from harness.meters import places
    from harness.meters.clock import Stopwatch
    from harness.meters.memory import Peak

    where = places.devices(subject.device.kind, subject.model)
    with Peak(where) as peak, Stopwatch(where) as watch:
        found = call()
    return found, Took(watch.seconds, peak.host_bytes, peak.device_bytes)


def _cost(answers: Sequence[Sequence[Sequence[Any]]], computed: int, took: Took) -> list[Measurement]:
    """What answering took, as measurements.

    `prompt_tokens` and `generated_tokens` are those of every request; `computed_tokens` those that went through the
    model, where equal rows went once. `throughput` is computed tokens per second.
    """
    flat = [one for document in answers for group in document for one in group]
    prompt = sum(one.prompt_tokens for one in flat)
    generated = sum(one.tokens for one in flat if hasattr(one, "text"))
    found = [
        Measurement(metric="seconds", value=took.seconds, unit="s", higher_is_better=False),
        Measurement(metric="requests", value=len(flat)),
        Measurement(metric="prompt_tokens", value=prompt, unit="tok"),
        Measurement(metric="generated_tokens", value=generated, unit="tok"),
        Measurement(metric="computed_tokens", value=computed, unit="tok"),
        Measurement(metric="throughput", value=computed / took.seconds, unit="tok/s", higher_is_better=True),
    ]
    for metric, value in (("peak_host_bytes", took.host_bytes), ("peak_device_bytes", took.device_bytes)):
        if value is not None:
            found.append(Measurement(metric=metric, value=value, unit="B", higher_is_better=False))
    return found


def _charged(lm: Any) -> list[Measurement]:
    """What an API charges; a local model has no such costs."""
    costs = lm.costs() if hasattr(lm, "costs") else []
    return [Measurement(metric=name, value=value, unit=unit) for name, value, unit in costs]


def answer(
    instances: Sequence[Instance], lm: Any, progress: Progress, *, documents: Sequence[int] | None = None
) -> list[list[Scored | Generated]]:
    """The answers to each request: one, or as many as its task wants repeats. They are also put into the requests.

    Args:
        instances: what is asked.
        lm: the model.
        progress: told how far it is.
        documents: for each request the document it belongs to, where nothing counts but which of a document's
            requests is the likeliest; else None.

    Raises:
        ValueError: requests with images or sound, or of an unknown kind.
    """
    ask = {"loglikelihood": lm.score, "loglikelihood_rolling": lm.score_rolling, "generate_until": lm.generate}
    answers: list[list[Scored | Generated]] = [[] for _ in instances]
    for kind, call in ask.items():
        places = [i for i, one in enumerate(instances) if one.request_type == kind for _ in range(one.repeats or 1)]
        if not places:
            continue
        options = {} if documents is None else {"documents": [documents[i] for i in places]}
        found = call([_arguments(instances[i]) for i in places], progress, **options)
        for place, one in zip(places, found, strict=True):
            answers[place].append(one)
    for instance, found in zip(instances, answers, strict=True):
        if not found:
            raise ValueError(f"task {instance.task_name}: requests of kind {instance.request_type} are not supported")
        if not any(isinstance(one, Missing) for one in found):
            instance.resps = [_response(one, instance.request_type) for one in found]
    return answers


def _arguments(instance: Instance) -> Any:
    """What the model is asked: (context, continuation), a text, or (prompt, generation arguments)."""
    arguments = instance.args
    if len(arguments) != (1 if instance.request_type == "loglikelihood_rolling" else 2):
        raise ValueError(f"task {instance.task_name}: images and sound are not supported")
    return arguments[0] if len(arguments) == 1 else arguments


def _response(found: Any, kind: str) -> Any:
    """An answer in the form lm-eval's tasks expect."""
    if kind == "generate_until":
        return found.text
    return found.logprob if kind == "loglikelihood_rolling" else (found.logprob, found.greedy)
