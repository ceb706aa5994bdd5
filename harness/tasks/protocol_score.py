"""Answers under the protocols `letter` and `generate` -> samples in the clean order of the options, and their numbers.

Layer: tasks; talks to lm-eval task objects. What names no option is wrong, and counted for itself: `unparsed`,
`refusal`. Right is what `harness.tasks.score` calls right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from lm_eval.api import metrics as theirs

from harness.models.api.answers import FirstToken
from harness.records import Measurement, Sample
from harness.tasks import score
from harness.tasks.prompts import prompt_hash
from harness.tasks.protocol_parse import REFUSAL, UNPARSED, Choice, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.tasks.protocol import Lettered, Listing


@final
@dataclass(frozen=True, kw_only=True)
class Read:
    """What one answer says.

    Attributes:
        choice: the place that is chosen.
        logprobs: of the letters, by place; empty for a free answer. Of a letter that an API does not give, an upper
            bound: the least of those that it gives.
    """

    choice: Choice
    logprobs: tuple[float, ...] = ()


def part(lettered: Lettered, asked: Sequence[score.Asked], *, name: str, grouped: bool) -> score.Part:
    """What came of the documents of one task.

    Args:
        lettered: the task.
        asked: documents of all tasks with their answers; none of them missing.
        name: of the task.
        grouped: whether it is one of several.
    """
    own = [one for one in asked if one.document.loaded.name == name]
    samples = tuple(_sample(lettered, one, subset=name if grouped else "") for one in own)
    if not samples:
        return score.Part(name=name, samples=(), values=())
    right = tuple(sample.metrics["acc"] for sample in samples)
    values = score.Values(metric="acc", filter="none", items=right, how="mean", aggregate=theirs.mean, higher=True)
    return score.Part(name=name, samples=samples, values=(values,))


def read(listing: Listing, answers: Sequence[Any]) -> Read:
    """The place that the answers to one document choose.

    Args:
        listing: how the options were shown.
        answers: one `Scored` for each letter, or one first token, or one generated text.
    """
    first = answers[0]
    if isinstance(first, FirstToken):
        found = first.of(listing.letters)
        if all(value is None for value in found):
            return Read(choice=Choice(None))
        logprobs = tuple(first.bound if value is None else value for value in found)
        best = max((p for p, value in enumerate(found) if value is not None), key=lambda place: logprobs[place])
        return Read(choice=Choice(best), logprobs=logprobs)
    if hasattr(first, "text"):
        refusal = getattr(first, "refusal", "")
        return Read(choice=parse(first.text, listing.letters, listing.texts, refusal=refusal))
    logprobs = tuple(float(answer.logprob) for answer in answers)
    return Read(choice=Choice(max(range(len(logprobs)), key=lambda place: logprobs[place])), logprobs=logprobs)


def measurements(samples: Sequence[Sample], *, generated: bool) -> list[Measurement]:
    """What only these protocols have: answers that name no option, and recall and share of the answers by place."""
    n = len(samples)
    if not n:
        return []
    found = [Measurement(metric="unparsed", value=_mean(samples, "unparsed"), n=n, higher_is_better=False)]
    if generated:
        found.append(Measurement(metric="refusal", value=_mean(samples, "refusal"), n=n, higher_is_better=False))
    parsed = [sample for sample in samples if "pred_position" in sample.metrics]
    if parsed and len(parsed) < n:
        right = _mean(parsed, "acc")
        found.append(Measurement(metric="acc_parsed", value=right, n=len(parsed), higher_is_better=True))
    places = sorted({int(sample.metrics["gold_position"]) for sample in samples if "gold_position" in sample.metrics})
    for place in places:
        here = [sample for sample in samples if sample.metrics.get("gold_position") == place]
        chosen = sum(sample.metrics.get("pred_position") == place for sample in samples) / n
        subset = f"position={chr(ord('A') + place)}"
        found.append(
            Measurement(metric="recall", value=_mean(here, "acc"), subset=subset, n=len(here), higher_is_better=True)
        )
        found.append(Measurement(metric="chosen", value=chosen, subset=subset, n=n))
    return found


def cautions(samples: Sequence[Sample]) -> tuple[str, ...]:
    """What a reader must know of answers that name no option."""
    n = len(samples)
    counts = {what: round(sum(sample.metrics.get(what, 0.0) for sample in samples)) for what in ("unparsed", "refusal")}
    said = {
        "unparsed": "answers name no option: they count as wrong, and acc_parsed is over the others",
        "refusal": "answers decline to choose: they count as wrong, and acc_parsed is over the others",
    }
    return tuple(f"{count} of {n} {said[what]}." for what, count in counts.items() if count)


def _sample(lettered: Lettered, one: score.Asked, *, subset: str) -> Sample:
    document = one.document
    listing = lettered.listing(lettered.document(document).content)
    answers = [found[0] for found in one.answers]
    found = read(listing, answers)
    # Options, and what is right, are those of the task before they were shown in another order.
    options = tuple(str(option) for option in document.loaded.task.doc_to_choice(document.content))
    right, place = score.references(document), found.choice.place
    pred = _said(found.choice) if place is None else options[listing.order[place]].strip()
    tokens = tuple(int(answer.tokens) for answer in answers)
    placed = [listing.order.index(number) for number in range(len(options))]
    metrics = {
        "acc": float(place is not None and pred in right),
        "unparsed": float(place is None and not found.choice.refusal),
        "refusal": float(found.choice.refusal),
        **_positions(options, right, placed, place),
    }
    return Sample(
        item_id=document.item_id,
        index=document.index,
        subset=subset,
        prompt_hash=prompt_hash(one.instances),
        prompt=str(one.instances[0].args[0]),
        gold=score.label(document),
        pred=pred,
        options=options,
        logprobs=tuple(found.logprobs[where] for where in placed) if found.logprobs else (),
        tokens=tuple(tokens[where] for where in placed) if len(tokens) == len(options) else tokens,
        truncated=any(answer.truncated for answer in answers),
        metrics=metrics,
    )


def _said(choice: Choice) -> str:
    return REFUSAL if choice.refusal else UNPARSED


def _positions(
    options: Sequence[str], right: Sequence[str], placed: Sequence[int], place: int | None
) -> dict[str, float]:
    gold = [placed[number] for number, option in enumerate(options) if option.strip() in right]
    found = {"gold_position": float(gold[0])} if len(gold) == 1 else {}
    return found | ({} if place is None else {"pred_position": float(place)})


def _mean(samples: Sequence[Sample], metric: str) -> float:
    return math.fsum(sample.metrics[metric] for sample in samples) / len(samples)
