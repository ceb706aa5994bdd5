"""Agreement of generated text with references: token F1, BLEU, chrF, ROUGE.

Layer: tasks, pure. Every reference counts; the best one wins where a metric is defined on one pair.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PER_DOCUMENT = ("f1", "rouge1", "rouge2", "rougeL")
"""Metrics defined on one document."""

CORPUS = ("bleu", "chrf")
"""Metrics defined on all documents together; 0 to 100, as sacrebleu and lm-eval give them."""

_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")


def score(metric: str, answer: str, references: Sequence[str]) -> float:
    """One of `PER_DOCUMENT`, in 0..1: the best over the references."""
    if metric == "f1":
        return max(token_f1(answer, reference) for reference in references)
    return max(rouge(metric, answer, reference) for reference in references)


def corpus(metric: str, answers: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """One of `CORPUS` over all documents, in 0..100.

    Source: sacrebleu, defaults (`corpus_bleu` with tokeniser 13a, `corpus_chrf`); for Chinese, Japanese or Korean
    references BLEU is counted on characters.
    """
    import sacrebleu

    width = max(len(options) for options in references)
    streams = [[options[i] if i < len(options) else None for options in references] for i in range(width)]
    if metric == "chrf":
        return float(sacrebleu.corpus_chrf(list(answers), streams).score)  # pyright: ignore[reportArgumentType]
    tokenizer = "char" if any(has_cjk(options[0]) for options in references) else "13a"
    return float(sacrebleu.corpus_bleu(list(answers), streams, tokenize=tokenizer).score)  # pyright: ignore[reportArgumentType]


def token_f1(answer: str, reference: str) -> float:
    """Harmonic mean of precision and recall of words, without case, punctuation and articles.

    Source: the SQuAD v1.1 evaluation script; characters instead of words for Chinese, Japanese and Korean.

    >>> token_f1("the red house", "A house.")
    0.6666666666666666
    """
    found, wanted = _words(answer, reference), _words(reference, reference)
    if not found or not wanted:
        return float(found == wanted)
    shared = sum((Counter(found) & Counter(wanted)).values())
    return 2 * shared / (len(found) + len(wanted))


def rouge(metric: str, answer: str, reference: str) -> float:
    """F-measure of `rouge1`, `rouge2` or `rougeL`, in 0..1, with stemming.

    Source: rouge_score. Its tokeniser drops everything but a-z and 0-9, so that a Chinese answer would always score 0:
    a reference with Chinese, Japanese or Korean characters is compared character by character.
    """
    from rouge_score import rouge_scorer

    if has_cjk(reference):
        scorer = rouge_scorer.RougeScorer([metric], tokenizer=_Characters())
    else:
        scorer = rouge_scorer.RougeScorer([metric], use_stemmer=True)
    return float(scorer.score(reference, answer)[metric].fmeasure)


def has_cjk(text: str) -> bool:
    """Whether `text` holds a Chinese, Japanese or Korean character.

    >>> has_cjk("你好"), has_cjk("hallo")
    (True, False)
    """
    return _CJK.search(text) is not None


def characters(text: str) -> list[str]:
    """CJK characters one by one, other runs of letters and digits whole, in lower case.

    >>> characters("GPT 很好。")
    ['gpt', '很', '好']
    """
    spaced = _CJK.sub(lambda match: f" {match[0]} ", text.lower())
    return re.findall(r"\w+", spaced)


class _Characters:
    """The tokeniser protocol of rouge_score, by `characters`."""

    def tokenize(self, text: str) -> list[str]:
        return characters(text)


def _words(text: str, reference: str) -> list[str]:
    if has_cjk(reference):
        return characters(text)
    bare = "".join(c for c in text.lower() if c not in string.punctuation)
    return [word for word in bare.split() if word not in {"a", "an", "the"}]
