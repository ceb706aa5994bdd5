"""Workloads without any data: the lengths and the sharing of the real prompts, filled with random words.

Layer: no torch. The figures in `SHAPES` were counted on 200 documents of each real workload with GPT-2's tokenizer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from benchmarks.workloads import Workload, of_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

Quartiles = tuple[int, int, int, int, int]
"""Least, lower quartile, median, upper quartile, most."""


@final
@dataclass(frozen=True, kw_only=True)
class Shape:
    """Lengths of a workload in tokens.

    Attributes:
        prefix: beginning that all documents share, as the examples of a few-shot prompt.
        context: what follows in one document, before the answers.
        answer: one answer.
        shared: beginning of an answer that another answer of the document has too.
        answers: answers of a document.
    """

    prefix: int
    context: Quartiles
    answer: Quartiles
    shared: Quartiles
    answers: int


_ARC = {"context": (4, 13, 21, 29, 151), "answer": (1, 2, 3, 6, 17), "shared": (0, 0, 0, 1, 7), "answers": 4}
_ONE = {"answer": (1, 1, 1, 1, 1), "shared": (0, 0, 0, 0, 0)}

SHAPES = {
    "hellaswag": Shape(
        prefix=0, context=(9, 27, 52, 64, 93), answer=(5, 14, 29, 41, 78), shared=(0, 0, 0, 1, 6), answers=4
    ),
    "piqa": Shape(
        prefix=2, context=(1, 6, 9, 11, 24), answer=(4, 10, 16, 30, 141), shared=(1, 2, 5, 10, 79), answers=2
    ),
    "arc0": Shape(prefix=2, **_ARC),
    "arc10": Shape(prefix=241, **_ARC),
    "mmlu": Shape(prefix=295, context=(25, 43, 51, 66, 177), answers=4, **_ONE),
    "boolq": Shape(prefix=3, context=(29, 86, 125, 165, 723), answers=2, **_ONE),
    "blimp": Shape(prefix=0, context=(0, 0, 0, 0, 0), answer=(4, 7, 9, 10, 21), shared=(0, 2, 4, 5, 10), answers=2),
    "paradigm": Shape(prefix=0, context=(0, 0, 0, 0, 0), answer=(4, 5, 6, 7, 10), shared=(2, 3, 4, 5, 8), answers=2),
}
ROLLING: Quartiles = (182, 551, 999, 1694, 2609)


def load(name: str, documents: int, tokenizer: Any, *, context: int) -> Workload:
    """A workload of invented words with the lengths of the real one; the same for every call.

    Args:
        name: a key of `SHAPES`, or `rolling`.
        documents: how many.
        tokenizer: of `vocabulary.invented`.
        context: tokens that the model can attend to; longer lengths are cut.
    """
    draw = random.Random(name)  # noqa: S311 - no secret
    words = [token for token in tokenizer.get_vocab() if token.isalpha()]
    words.sort()
    if name == "rolling":
        texts = tuple(_text(words, _length(ROLLING, draw), draw) for _ in range(documents))
        return Workload(name=name, texts=texts, source="synthetic")
    shape = SHAPES[name]
    prefix = _text(words, min(shape.prefix, context // 2), draw)
    pairs = [_document(shape, prefix, words, draw, room=context // 4) for _ in range(documents)]
    return of_pairs(name, pairs, tokenizer, source="synthetic")


def _document(
    shape: Shape, prefix: str, words: Sequence[str], draw: random.Random, *, room: int
) -> list[tuple[str, str]]:
    body = _text(words, min(room, _length(shape.context, draw)), draw)
    begin = " ".join(part for part in (prefix, body) if part)
    start = _text(words, _length(shape.shared, draw), draw)
    answers: dict[str, None] = {}
    while len(answers) < shape.answers:
        length = min(room, _length(shape.answer, draw))
        common = start.split()[: length - 1]
        answers[" ".join([*common, _text(words, length - len(common), draw)])] = None
    return [(begin, f" {answer}" if begin else answer) for answer in answers]


def _text(words: Sequence[str], length: int, draw: random.Random) -> str:
    return " ".join(draw.choices(words, k=length))


def _length(quartiles: Quartiles, draw: random.Random) -> int:
    """A length whose distribution has the given quartiles: even between one and the next."""
    quarter, within = divmod(draw.random() * 4, 1)
    low, high = quartiles[int(quarter)], quartiles[int(quarter) + 1]
    return round(low + (high - low) * within)
