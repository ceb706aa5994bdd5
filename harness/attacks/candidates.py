"""What a word may become: a typing error within it, or a synonym.

Never touched are protected spans, labels, negators and numbers (`Source.words` leaves them out), and stop words; no
candidate is one of those, or another word that the tables know.

Layer: attacks, above `perturbations`; pure.
"""

from __future__ import annotations

from functools import cache
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, NamedTuple

from harness.perturbations import tables
from harness.perturbations.edits import like
from harness.perturbations.synonyms import fitting, is_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from harness.perturbations.protect import Span
    from harness.perturbations.source import Source

SHORTEST = 3
"""Letters of a word that typing errors may hit."""

_MEANT = frozenset(
    {"bad", "best", "better", "day", "days", "enough", "first", "good", "great", "last", "little", "long", "man", "men"}
    | {"new", "old", "people", "person", "thing", "things", "time", "times", "woman", "women", "worse", "worst", "year"}
    | {"years"}
)
"""Stop words of the synonyms that carry meaning: a typing error in them is as good as in any other word."""


class Candidate(NamedTuple):
    """What a word may become, and how many Levenshtein edits away that is (0 where it is another word altogether)."""

    word: str
    distance: int = 0


def of(source: Source, kind: str, most: int, rng: Random) -> Iterator[tuple[Span, tuple[Candidate, ...]]]:
    """The words that may change, in order, each with its candidates.

    Args:
        source: a text with what its task protects.
        kind: `characters`, `synonyms` or `tokens`; for tokens no candidates are given, the model's gradient has them.
        most: candidates of one word.
        rng: chooses among typing errors.
    """
    for start, end in source.words:
        word = source.text[start:end]
        if kind == "tokens":
            if word.lower() not in stop_words(source.language) and len(word) >= SHORTEST:
                yield (start, end), ()
        elif found := characters(source, word, most, rng) if kind == "characters" else synonyms(source, (start, end)):
            yield (start, end), found[:most]


def characters(source: Source, word: str, most: int, rng: Random) -> tuple[Candidate, ...]:
    """One typing error each: neighbours swapped, a key beside the right one, a letter less, a letter more.

    First and last letter stay where they are: readers lean on them. All four kinds take turns.

    Source: Gao et al. 2018 (DeepWordBug), section 3.3; letters are those a finger would hit, as in `letters`.
    """
    if len(word) < SHORTEST or word.lower() in stop_words(source.language):
        return ()
    kinds = (_swapped(word), _beside(word, source.language), _shorter(word), _longer(word, source.language))
    drawn: list[list[Candidate]] = []
    for kind in kinds:
        fit = [c for c in dict.fromkeys(kind) if not _is_word(c.word, word, source)]
        rng.shuffle(fit)
        drawn.append(fit)
    turns = chain.from_iterable(zip_longest(*drawn))
    unique = {candidate.word: candidate for candidate in turns if candidate is not None}
    return tuple(unique.values())[:most]


def synonyms(source: Source, span: Span) -> tuple[Candidate, ...]:
    """Synonyms of WordNet's shipped table: frequent, of one part of speech, of a first sense, in the same inflection.

    Source: Ren et al. 2019 (PWWS), for the candidate set; Morris et al. 2020, for its limits (`wordnet`).
    """
    word = source.text[span[0] : span[1]]
    near = tables.synonyms(source.language).get(word.lower())
    if not near or is_name(source.text, span):
        return ()
    return tuple(Candidate(like(word, other)) for other in dict.fromkeys(fitting(source, span, near)))


def _swapped(word: str) -> list[Candidate]:
    places = [i for i in range(1, len(word) - 2) if word[i] != word[i + 1]]
    return [Candidate(word[:i] + word[i + 1] + word[i] + word[i + 2 :], 2) for i in places]


def _beside(word: str, language: str) -> list[Candidate]:
    keys = tables.either_case(language, "keyboard")
    return [
        Candidate(word[:i] + key + word[i + 1 :], 1) for i in range(1, len(word) - 1) for key in keys.get(word[i], ())
    ]


def _shorter(word: str) -> list[Candidate]:
    return [Candidate(word[:i] + word[i + 1 :], 1) for i in range(1, len(word) - 1)]


def _longer(word: str, language: str) -> list[Candidate]:
    keys = tables.either_case(language, "keyboard")
    return [
        Candidate(word[:i] + key + word[i:], 1)
        for i in range(1, len(word))
        for key in (word[i - 1], *keys.get(word[i - 1], ()))
    ]


def _is_word(made: str, word: str, source: Source) -> bool:
    """Whether an error made another word: a label, a negator, or one that the tables know."""
    lower = made.lower()
    return lower == word.lower() or lower in source.targets or lower in known(source.language)


@cache
def known(language: str) -> frozenset[str]:
    """Lower-case words of the tables: a few thousand, so that a rare error still makes a word (`cold` -> `cod`)."""
    near = tables.synonyms(language)
    named = (tables.words(language, name) for name in ("stop_words", "numbers", "negators", "ocr_real"))
    return frozenset(near).union(*near.values(), *named, tables.choices(language, "misspellings"))


@cache
def stop_words(language: str) -> frozenset[str]:
    """Words without a meaning of their own, which no attack touches.

    Source: the constraint StopwordModification of TextAttack, Morris et al. 2020.
    """
    return tables.words(language, "stop_words") - _MEANT
