"""Samples and values -> measurements.

Layer: tasks, pure: no lm-eval, no torch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.records import Measurement, Sample
from harness.tasks import metrics
from harness.tasks.protocol_parse import REFUSAL, UNPARSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.tasks.score import Part, Values

    Group = tuple[Values, tuple[Any, ...], str]
    """A metric under a filter, what the documents contribute, and the label of the subset they are."""

CLASSIFICATION = ("acc", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro", "mcc", "majority_share")
"""What every classification task reports beside its own metrics."""


BOUNDED = ("acc", "acc_norm", "acc_bytes", "exact_match")
"""Metrics that are 0 or 1 on a document, so that missing ones bound them."""


def quality(parts: Sequence[Part], *, wanted: Sequence[str], kind: str) -> list[Measurement]:
    """The quality of a subject over all documents, per filter and, for a group, per sub-task.

    Args:
        parts: what came out of each lm-eval task.
        wanted: metrics to keep; the first is the primary one and comes first.
        kind: of the task; classifications get their own statistics.

    A perplexity too large for a float is left out: `overflows` says which.
    """
    estimates = [(values, _estimate(values, items), subset) for values, items, subset in _groups(parts, wanted)]
    found = [_measurement(v, one, subset=subset) for v, one, subset in estimates if not _too_large(v, one)]
    if kind == "classification":
        samples = [sample for part in parts for sample in part.samples]
        have = {m.metric for m in found if not m.subset}
        found += [m for m in classification(samples) if m.subset or m.metric not in have]
    order = {metric: rank for rank, metric in enumerate(wanted)}
    return sorted(found, key=lambda m: (m.subset != "", order.get(m.metric, len(order))))


def overflows(parts: Sequence[Part], *, wanted: Sequence[str]) -> list[str]:
    """The perplexities that are too large for a float: metric, and subset where it is about one."""
    groups = [group for group in _groups(parts, wanted) if group[0].how == "perplexity"]
    return [f"{v.metric} {subset}".rstrip() for v, items, subset in groups if _too_large(v, _estimate(v, items))]


def classification(samples: Sequence[Sample]) -> list[Measurement]:
    """Statistics over predictions, per class, and the confusion matrix."""
    order = tuple(dict.fromkeys(option.strip() for sample in samples for option in sample.options))
    stats = metrics.classification([s.gold for s in samples], [s.pred for s in samples], order)
    n = len(samples)
    values = {**{name: getattr(stats, name) for name in CLASSIFICATION[1:]}, "acc": stats.accuracy.value}
    classes = {name: one for name, one in stats.classes.items() if name not in (UNPARSED, REFUSAL)}
    for metric in ("precision", "recall", "f1"):  # Answers that name no class are no class of their own.
        values[f"{metric}_macro"] = sum(getattr(one, metric) for one in classes.values()) / len(classes)
    found = [
        Measurement(
            metric=name,
            value=values[name],
            n=n,
            stderr=stats.accuracy.stderr if name == "acc" else None,
            higher_is_better=None if name == "majority_share" else True,
        )
        for name in CLASSIFICATION
    ]
    for name, one in classes.items():
        for metric in ("precision", "recall", "f1"):
            value = getattr(one, metric)
            subset = f"class={name}"
            found.append(Measurement(metric=metric, value=value, subset=subset, n=one.support, higher_is_better=True))
    for (gold, pred), count in stats.confusion.items():
        found.append(Measurement(metric="confusion", value=count, subset=f"gold={gold},pred={pred}", n=n))
    return found


def bounds(samples: Sequence[Sample], missing: int, *, wanted: Sequence[str]) -> list[Measurement]:
    """The number of documents without an answer, and between what accuracy over all of them must lie.

    A failed call is no wrong answer: `METRIC_least` counts all missing documents as wrong, `METRIC_most` as right.
    """
    n = len(samples) + missing
    found = [Measurement(metric="missing", value=missing, n=n, higher_is_better=False)]
    for metric in wanted if missing else ():
        values = [sample.metrics.get(metric) for sample in samples]
        if metric not in BOUNDED or None in values:
            continue
        right = sum(value for value in values if value is not None)
        found += [
            Measurement(metric=f"{metric}_least", value=right / n, n=n, higher_is_better=True),
            Measurement(metric=f"{metric}_most", value=(right + missing) / n, n=n, higher_is_better=True),
        ]
    return found


def audited(how: Mapping[str, Any]) -> list[Measurement]:
    """What the precision audit found, where it ran: the largest difference to float32 in nats, and answers it flips."""
    audit = how.get("audit")
    if not audit:
        return []
    n = audit["documents"]
    return [
        Measurement(metric="audit_max_difference", value=audit["max_difference"], n=n, higher_is_better=False),
        Measurement(metric="audit_flips", value=audit["flips"], n=n, higher_is_better=False),
    ]


def unit(metric: str) -> str:
    """The unit of a quality metric.

    >>> unit("acc"), unit("bits_per_byte"), unit("word_perplexity")
    ('1', 'bit/B', 'ppl')
    """
    if metric == "bits_per_byte":
        return "bit/B"
    return "ppl" if metric.endswith("perplexity") else "1"


def _groups(parts: Sequence[Part], wanted: Sequence[str]) -> list[Group]:
    """Every metric over all parts together, then over each part of a group."""
    pooled = [one for metric in wanted for one in _pooled(parts, metric)]
    return [*pooled, *(_subtasks(parts) if len(parts) > 1 else ())]


def _pooled(parts: Sequence[Part], metric: str) -> Iterable[Group]:
    """One metric over the documents of all parts together: the first filter's, then the others' as subsets."""
    groups: dict[str, list[Values]] = {}
    for part in parts:
        for values in part.values:
            if values.metric == metric:
                primary = values.filter == part.values[0].filter
                groups.setdefault("" if primary else f"filter={values.filter}", []).append(values)
    for subset, members in groups.items():
        items = tuple(item for values in members for item in values.items)
        if items:
            yield members[0], items, subset


def _subtasks(parts: Sequence[Part]) -> Iterable[Group]:
    """Every metric of every part of a group, under its first filter."""
    for part in parts:
        for values in part.values:
            if values.items and values.filter == part.values[0].filter:
                yield values, values.items, f"task={part.name}"


def _too_large(values: Values, estimate: metrics.Estimate) -> bool:
    return values.how == "perplexity" and math.isinf(estimate.value)


def _measurement(values: Values, estimate: metrics.Estimate, *, subset: str) -> Measurement:
    return Measurement(
        metric=values.metric,
        value=estimate.value,
        unit=unit(values.metric),
        subset=subset,
        n=estimate.n,
        stderr=estimate.stderr,
        higher_is_better=values.higher,
    )


def _estimate(values: Values, items: Sequence) -> metrics.Estimate:
    if values.how == "mean":
        return metrics.mean([float(item) for item in items])
    if values.how in {"perplexity", "bits"}:
        pairs = [item if isinstance(item, tuple) else (item, 1) for item in items]
        make = metrics.bits if values.how == "bits" else metrics.perplexity
        return make([float(a) for a, _ in pairs], [float(b) for _, b in pairs])
    return metrics.Estimate(value=float(values.aggregate(list(items))), stderr=None, n=len(items))
