"""Word operations of EDA, in the form of the project's perturbations: `(source, severity, rng) -> Perturbed`.

Layer: training, light. They may change the meaning a little, so they augment training texts and test nothing.
Source: Wei and Zou 2019, EDA: Easy Data Augmentation Techniques (EMNLP). There alpha is 0.05 to 0.1; here it is the
severity times a third, so that the usual severity of 0.3 is alpha = 0.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.perturbations.edits import Edit, done
from harness.perturbations.synonyms import synonym

if TYPE_CHECKING:
    from random import Random

    from harness.perturbations.edits import Perturbed
    from harness.perturbations.source import Source

_RATE = 1 / 3


def replace(source: Source, severity: float, rng: Random) -> Perturbed:
    """Some words exchanged for a synonym."""
    return synonym(source, severity, rng)


def delete(source: Source, severity: float, rng: Random) -> Perturbed:
    """Some words left out, with the space before them, but never all."""
    words = source.words
    chosen = [span for span in words if rng.random() < severity * _RATE]
    if len(chosen) == len(words):
        chosen = chosen[1:]
    edits = []
    for start, end in chosen:
        first = start - 1 if start and source.text[start - 1] == " " and source.free(start - 1, end) else start
        edits.append(Edit(first, end, source.text[first:end], ""))
    return done(source, edits, len(words))


def swap(source: Source, severity: float, rng: Random) -> Perturbed:
    """Pairs of words that change places."""
    words, text = list(source.words), source.text
    edits: list[Edit] = []
    rng.shuffle(words)
    pairs = [pair for pair in zip(words[::2], words[1::2], strict=False) if rng.random() < severity * _RATE]
    for first, second in pairs:
        one, other = text[slice(*first)], text[slice(*second)]
        edits += [Edit(*first, one, other), Edit(*second, other, one)]
    return done(source, sorted(e for e in edits if e.old != e.new), len(words) // 2)


def insert(source: Source, severity: float, rng: Random) -> Perturbed:
    """Synonyms of words of the text, put before some other words."""
    words = source.words
    found = [edit.new for edit in synonym(source, 1.0, rng).edits]
    places = [start for start, _ in words if rng.random() < severity * _RATE] if found else []
    edits = [Edit(start, start, "", f"{rng.choice(found)} ") for start in places if source.free(start, start)]
    return done(source, edits, len(words))
