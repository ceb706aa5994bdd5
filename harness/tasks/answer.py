"""Requests -> answers of a subject's language model.

Layer: tasks. Requests of one kind go to the model in one call, so that it can sort and batch them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lm_eval.api.instance import Instance

    from harness.records import Progress
    from harness.scoring.answers import Generated, Scored


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
