"""What a reader must be told about the numbers of a task, in one sentence each.

Layer: tasks, pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.tasks import metrics
from harness.tasks.protocol_parse import REFUSAL, UNPARSED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Measurement, Sample

DOMINANT = 0.9
"""Share of the predictions above which one answer is called out."""

_SHOWN = 40
_ACCURACIES = ("acc", "acc_norm", "exact_match")


def cautions(
    samples: Sequence[Sample], found: Sequence[Measurement], *, kind: str, chance: float | None, available: int
) -> tuple[str, ...]:
    """The sentences that apply.

    Args:
        samples: the scored documents.
        found: the measurements, the primary one first.
        kind: of the task.
        chance: accuracy of guessing; None: one over the number of options.
        available: documents of the task before the limit.
    """
    sentences = [
        *_at_chance(samples, found, chance),
        *_one_answer(samples, kind),
        *truncated(samples),
    ]
    if len(samples) < available:
        sentences.append(f"Scored {len(samples)} of {available} documents: a limit is in force.")
    return tuple(sentences)


def overflowed(names: Sequence[str]) -> tuple[str, ...]:
    """One sentence for each perplexity that is too large for a float."""
    return tuple(f"{name} is left out: it is too large for a number." for name in names)


def bounded(found: Sequence[Measurement], *, documents: int) -> tuple[str, ...]:
    """One sentence where documents have no answer: what the accuracy over all of them is at least and at most."""
    values = {one.metric: one.value for one in found}
    missing = round(values.get("missing", 0))
    if not missing:
        return ()
    names = [name.removesuffix("_least") for name in values if name.endswith("_least")]
    between = [f"{name} lies between {values[f'{name}_least']:.3f} and {values[f'{name}_most']:.3f}" for name in names]
    over = f"; over all of them {', '.join(between)}" if between else ""
    return (f"{missing} of {documents} documents have no answer and are left out{over}.",)


def guessing(samples: Sequence[Sample]) -> float | None:
    """Expected accuracy of guessing among the options; None where there is nothing to choose from."""
    counts = [len(sample.options) for sample in samples]
    return sum(1 / count for count in counts) / len(counts) if counts and min(counts) > 1 else None


def _at_chance(samples: Sequence[Sample], found: Sequence[Measurement], chance: float | None) -> list[str]:
    accuracy = next((m for m in found if m.metric in _ACCURACIES and not m.subset), None)
    level = guessing(samples) if chance is None else chance
    if accuracy is None or level is None or level <= 0:
        return []
    low, high = metrics.wilson(accuracy.value * accuracy.n, accuracy.n)
    if not low <= level <= high:
        return []
    return [
        (
            f"{accuracy.metric} {accuracy.value:.3f} cannot be told from guessing ({level:.3f}): "
            f"its 95 % interval is {low:.3f} to {high:.3f} over {accuracy.n} documents."
        )
    ]


def _one_answer(samples: Sequence[Sample], kind: str) -> list[str]:
    """One prediction nearly always, where the right answers vary more. Options are told apart by position."""
    if kind == "language_modelling" or len(samples) <= 1:
        return []
    by_position = kind == "multiple_choice" and all(sample.options for sample in samples)
    pred = [_position(s, s.pred) if by_position else s.pred for s in samples]
    gold = [_position(s, s.gold) if by_position else s.gold for s in samples]
    answer, share = metrics.majority(pred)
    if answer in (UNPARSED, REFUSAL):  # These have a sentence of their own.
        return []
    if share <= DOMINANT or gold.count(answer) / len(gold) > DOMINANT:
        return []
    shown = answer if len(answer) <= _SHOWN else answer[: _SHOWN - 1] + "…"
    return [f"One answer ({shown!r}) takes {share:.0%} of the predictions."]


def _position(sample: Sample, answer: str) -> str:
    stripped = [option.strip() for option in sample.options]
    return f"option {stripped.index(answer) + 1}" if answer in stripped else answer


def truncated(samples: Sequence[Sample]) -> list[str]:
    """The sentence about prompts that were cut, where some were."""
    count = sum(sample.truncated for sample in samples)
    if not count:
        return []
    return [
        f"{count} of {len(samples)} prompts were cut on the left, or answers shortened, to fit the model's context."
    ]
