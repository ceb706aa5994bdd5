"""Numbers from answers: accuracies, classification statistics, intervals, perplexities.

Layer: tasks, pure. Stdlib only; no lm-eval, no bootstrap: standard errors are closed forms or None.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Sequence


@final
@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its standard error, None where no closed form is at hand.

    Attributes:
        value: the estimate.
        stderr: its standard error.
        n: documents behind it.
    """

    value: float
    stderr: float | None
    n: int


def mean(values: Sequence[float]) -> Estimate:
    """The mean, with the standard error from the sample variance.

    Source: lm_eval/api/metrics.py, `mean_stderr`.

    >>> mean([0.0, 1.0, 1.0, 0.0]).value
    0.5
    """
    n = len(values)
    average = math.fsum(values) / n
    if n <= 1:
        return Estimate(value=average, stderr=None, n=n)
    variance = math.fsum((value - average) ** 2 for value in values) / (n - 1)
    return Estimate(value=average, stderr=math.sqrt(variance / n), n=n)


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Estimate:
    """Sum over sum, as in log-likelihood per byte; the standard error by linearisation, documents being independent.

    Source: the ratio estimator of survey sampling, Cochran, Sampling Techniques, section 6.3.
    """
    n = len(numerators)
    total = math.fsum(denominators)
    value = math.fsum(numerators) / total
    if n <= 1:
        return Estimate(value=value, stderr=None, n=n)
    squares = math.fsum((a - value * b) ** 2 for a, b in zip(numerators, denominators, strict=True))
    return Estimate(value=value, stderr=math.sqrt(squares * n / (n - 1)) / total, n=n)


def bits(logprobs: Sequence[float], sizes: Sequence[float]) -> Estimate:
    """Bits per unit of size: minus the sum of log-likelihoods in nats over the sum of sizes, over ln 2.

    Source: lm_eval/api/metrics.py, `bits_per_byte`.
    """
    nats = ratio(logprobs, sizes)
    stderr = None if nats.stderr is None else nats.stderr / math.log(2)
    return Estimate(value=-nats.value / math.log(2), stderr=stderr, n=nats.n)


def perplexity(logprobs: Sequence[float], sizes: Sequence[float]) -> Estimate:
    """The exponential of minus the log-likelihood per unit of size; the standard error by the delta method.

    Infinite where it exceeds the largest float (an exponent above 709); the standard error is None where it does.

    Source: lm_eval/api/metrics.py, `weighted_perplexity`; with all sizes 1, `perplexity`.
    """
    nats = ratio(logprobs, sizes)
    try:
        value = math.exp(-nats.value)
    except OverflowError:
        return Estimate(value=math.inf, stderr=None, n=nats.n)
    stderr = None if nats.stderr is None else value * nats.stderr
    return Estimate(value=value, stderr=stderr if stderr is not None and math.isfinite(stderr) else None, n=nats.n)


def wilson(successes: float, n: int, *, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a proportion, 95 % by default.

    Source: Wilson 1927; Brown, Cai and DasGupta 2001, section 3.1.1.

    >>> [round(bound, 3) for bound in wilson(50, 100)]
    [0.404, 0.596]
    """
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


@final
@dataclass(frozen=True, kw_only=True)
class PerClass:
    """Statistics of one label; 0 where the denominator is 0."""

    precision: float
    recall: float
    f1: float
    support: int


@final
@dataclass(frozen=True, kw_only=True)
class Classification:
    """Statistics of a classification over the labels that occur as gold or prediction.

    Attributes:
        classes: per label.
        confusion: (gold, prediction) -> count, zeros included.
        accuracy: share of right answers.
        balanced_accuracy: mean recall over the labels that occur as gold.
        precision_macro: mean over labels; as are `recall_macro` and `f1_macro`.
        mcc: Matthews correlation, for any number of labels; 0 where it is undefined.
        majority_share: share of the most frequent prediction.

    Source: scikit-learn's definitions (`zero_division=0`); MCC after Gorodkin 2004.
    """

    classes: dict[str, PerClass]
    confusion: dict[tuple[str, str], int]
    accuracy: Estimate
    balanced_accuracy: float
    precision_macro: float
    recall_macro: float
    f1_macro: float
    mcc: float
    majority_share: float


def classification(gold: Sequence[str], pred: Sequence[str], labels: Sequence[str] = ()) -> Classification:
    """The statistics of predictions; `labels` only sets the order of labels that occur."""
    occurring = set(gold) | set(pred)
    order = [label for label in labels if label in occurring]
    order += sorted(occurring - set(order))
    counts = Counter(zip(gold, pred, strict=True))
    confusion = {(g, p): counts[g, p] for g in order for p in order}
    classes = {label: _per_class(label, order, confusion) for label in order}
    present = [stats.recall for stats in classes.values() if stats.support]
    return Classification(
        classes=classes,
        confusion=confusion,
        accuracy=mean([float(g == p) for g, p in zip(gold, pred, strict=True)]),
        balanced_accuracy=sum(present) / len(present),
        precision_macro=sum(stats.precision for stats in classes.values()) / len(classes),
        recall_macro=sum(stats.recall for stats in classes.values()) / len(classes),
        f1_macro=sum(stats.f1 for stats in classes.values()) / len(classes),
        mcc=matthews(order, confusion),
        majority_share=majority(pred)[1],
    )


def matthews(labels: Sequence[str], confusion: dict[tuple[str, str], int]) -> float:
    """Matthews correlation of a confusion matrix; 0 where gold or prediction has one value only."""
    gold = {label: sum(confusion[label, p] for p in labels) for label in labels}
    pred = {label: sum(confusion[g, label] for g in labels) for label in labels}
    n = sum(gold.values())
    right = sum(confusion[label, label] for label in labels)
    covariance = right * n - sum(gold[label] * pred[label] for label in labels)
    spread = (n * n - sum(v * v for v in pred.values())) * (n * n - sum(v * v for v in gold.values()))
    return covariance / math.sqrt(spread) if spread else 0.0


def majority(answers: Sequence[str]) -> tuple[str, float]:
    """The most frequent answer and its share; the first to occur wins a tie.

    >>> majority(["a", "b", "a", "a"])
    ('a', 0.75)
    """
    answer, count = Counter(answers).most_common(1)[0]
    return answer, count / len(answers)


def _per_class(label: str, labels: Sequence[str], confusion: dict[tuple[str, str], int]) -> PerClass:
    right = confusion[label, label]
    support = sum(confusion[label, p] for p in labels)
    predicted = sum(confusion[g, label] for g in labels)
    return PerClass(
        precision=right / predicted if predicted else 0.0,
        recall=right / support if support else 0.0,
        f1=2 * right / (support + predicted) if support + predicted else 0.0,
        support=support,
    )
