"""Our statistics against scikit-learn, sacrebleu, rouge_score and lm-eval."""

from __future__ import annotations

import math

import pytest
import sacrebleu
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.tasks import metrics, text

LABELS = st.sampled_from(["neg", "pos", "neutral"])


@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=40))
def test_classification_is_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    """Accuracy, balanced accuracy, macro and per-class scores, MCC and the confusion matrix agree."""
    gold, pred = [g for g, _ in pairs], [p for _, p in pairs]
    ours = metrics.classification(gold, pred)
    labels = sorted(set(gold) | set(pred))
    table = sk.confusion_matrix(gold, pred, labels=labels)
    each = sk.precision_recall_fscore_support(gold, pred, labels=labels, zero_division=0)
    macro = sk.precision_recall_fscore_support(gold, pred, average="macro", zero_division=0)
    recalls = [r for r, n in zip(each[1], each[3], strict=True) if n]
    assert ours.accuracy.value == pytest.approx(sk.accuracy_score(gold, pred))
    assert ours.balanced_accuracy == pytest.approx(sum(recalls) / len(recalls))
    assert (ours.precision_macro, ours.recall_macro, ours.f1_macro) == pytest.approx(macro[:3])
    assert ours.mcc == pytest.approx(sk.matthews_corrcoef(gold, pred), abs=1e-12)
    for i, label in enumerate(labels):
        one = ours.classes[label]
        assert (one.precision, one.recall, one.f1, one.support) == pytest.approx([column[i] for column in each])
        assert [ours.confusion[label, other] for other in labels] == list(table[i])


@given(st.lists(st.tuples(st.floats(-90, -0.1), st.integers(1, 500)), min_size=2, max_size=30))
def test_bits_and_perplexity_are_lm_evals(pairs: list[tuple[float, int]]) -> None:
    """Values agree with lm-eval's aggregations; the error of a ratio with equal sizes is that of a mean."""
    from lm_eval.api import metrics as theirs

    logprobs, sizes = [a for a, _ in pairs], [b for _, b in pairs]
    assert metrics.bits(logprobs, sizes).value == pytest.approx(theirs.bits_per_byte(pairs))
    assert metrics.perplexity(logprobs, sizes).value == pytest.approx(theirs.weighted_perplexity(pairs), rel=1e-9)
    same = metrics.ratio(logprobs, [1.0] * len(logprobs))
    assert same.stderr == pytest.approx(metrics.mean(logprobs).stderr, abs=1e-9)
    assert metrics.mean(logprobs).stderr == pytest.approx(theirs.mean_stderr(logprobs), abs=1e-9)


def test_a_perplexity_beyond_floats_is_infinite() -> None:
    """Neither clipped nor an error; a standard error that is too large is none."""
    assert metrics.perplexity([-800.0, -900.0], [1, 1]) == metrics.Estimate(value=math.inf, stderr=None, n=2)
    large = metrics.perplexity([-708.0, -1.0, -1416.0], [1, 1, 1])
    assert (large.value > 1e307, large.stderr) == (True, None)


@given(st.integers(1, 200), st.data())
def test_wilson_holds_the_share(n: int, data: st.DataObject) -> None:
    """The interval lies in 0..1 and holds the observed share."""
    successes = data.draw(st.integers(0, n))
    low, high = metrics.wilson(successes, n)
    assert 0 <= low <= successes / n + 1e-12
    assert successes / n - 1e-12 <= high <= 1


@pytest.mark.parametrize(
    ("answer", "reference", "f1"),
    [("The red house", "red house.", 1.0), ("a cat", "dog", 0.0), ("", "dog", 0.0), ("我喜欢猫", "我喜欢狗", 0.75)],
)
def test_token_f1(answer: str, reference: str, f1: float) -> None:
    """Case, punctuation and articles do not count; Chinese is compared by characters."""
    assert text.token_f1(answer, reference) == pytest.approx(f1)


def test_rouge_counts_characters_of_chinese() -> None:
    """rouge_score alone would drop every Chinese character; English is scored as rouge_score does."""
    assert text.rouge("rouge1", "我喜欢猫", "我喜欢狗") == pytest.approx(0.75)
    assert text.rouge("rougeL", "the cats sat", "a cat sat") == pytest.approx(2 / 3)


def test_corpus_scores_take_several_references() -> None:
    """BLEU and chrF are sacrebleu's; documents may have different numbers of references."""
    answers, references = ["the cat sat on the mat", "hello there"], [["the cat sat on the mat"], ["hi", "hello there"]]
    assert text.corpus("bleu", answers, references) == pytest.approx(100)
    one = [["the cat is on the mat", "hi there"]]
    expected = sacrebleu.corpus_chrf(answers, one).score
    assert text.corpus("chrf", answers, [[r] for r in one[0]]) == pytest.approx(expected)
    assert not math.isnan(text.corpus("bleu", ["", ""], references))
