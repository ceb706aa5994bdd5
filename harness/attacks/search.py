"""The searches: each is a generator for one document that asks for what it needs and returns what it found.

A search yields `Texts`, `Pairs`, a `Slope` or `Words`, and is sent the reply. Whoever drives it (`lockstep`) may drive
many side by side; what a search finds does not depend on that.

Layer: attacks, pure.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.attacks.candidates import Candidate
from harness.attacks.target import Chosen
from harness.attacks.victim import Query, Slope, Verdict, Words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from harness.attacks.spec import Attack
    from harness.attacks.target import Target

_DRAWS = 4
"""A random search gives up after so many draws for each evaluation it may spend: texts that it knows cost nothing."""


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, and which of the document's evaluations it was, from 1."""

    verdict: Verdict
    query: int


@final
@dataclass(frozen=True, slots=True)
class Texts:
    """Asks for an `Answer` to each; None where the budget is spent or the text would change the document's answer."""

    queries: tuple[Query, ...]


@final
@dataclass(frozen=True, slots=True)
class Pairs:
    """Asks how alike each is to the clean texts; costs nothing."""

    queries: tuple[Query, ...]


Search = Generator[Texts | Pairs | Slope | Words, Any, "Found"]
Tried = tuple[Chosen, Answer]


@final
@dataclass(frozen=True, kw_only=True)
class Found:
    """How a search ended.

    Attributes:
        clean: the verdict on the document as it is.
        verdict: on the text in the end: the adversarial example, or where there is none the text that came closest.
        chosen: the edits of that text.
        attacked: whether the clean verdict was right: other documents are left alone.
        success: whether the verdict is wrong in the end.
        success_query: the evaluation that first was wrong; 0 where none was.
        queries: evaluations in all.
        similarity: of the text in the end to the clean one; None where it is not measured.
    """

    clean: Verdict
    verdict: Verdict
    chosen: Chosen
    attacked: bool
    success: bool = False
    success_query: int = 0
    queries: int = 0
    similarity: float | None = None


def search(target: Target, attack: Attack) -> Search:
    """The search of `attack` on one document. Its first question is the clean text."""
    clean: Answer = (yield Texts((target.texts,)))[0]
    start: Tried = ({}, clean)
    if clean.verdict.best not in target.gold:
        return Found(clean=clean.verdict, verdict=clean.verdict, chosen={}, attacked=False)
    found = [start]
    if target.most:
        found = yield from {"greedy": _greedy, "random": _random, "hotflip": _hotflip}[attack.search](
            target, attack, start
        )
    chosen, answer = _closest(target, found)
    won = _wins(target, found)
    alike = (yield Pairs((target.text(chosen),)))[0] if attack.similarity is not None else None
    return Found(
        clean=clean.verdict,
        verdict=answer.verdict,
        chosen=chosen,
        attacked=True,
        success=bool(won),
        success_query=min((one.query for _, one in won), default=0),
        similarity=alike,
    )


def _greedy(target: Target, attack: Attack, start: Tried) -> Generator[Texts | Pairs, Any, list[Tried]]:
    """Words in the order of their importance, for each the best of its candidates, if it does any harm.

    Source: Jin et al. 2020 (TextFooler), algorithm 1; Li et al. 2019 (TextBugger).
    """
    best = start
    for number in (yield from _by_importance(target, start[1])):
        chosen = best[0]
        if len(chosen) == target.most:
            break
        options = [{**chosen, number: candidate} for candidate in target.sites[number].candidates]
        found = yield from _tried(target, attack, options)
        if _wins(target, found):
            return found
        best = _closest(target, [best, *found])
    return [best]


def _by_importance(target: Target, clean: Answer) -> Generator[Texts, Any, list[int]]:
    """Words that may change, first those whose deletion lowers the margin most.

    Deletion, not an unknown token in the word's place: GPT's vocabularies have none. Where the budget does not do for
    all words, a random draw of them is ranked, so that something is left for the attack.

    Source: Jin et al. 2020, equation 2.
    """
    numbers = range(len(target.sites))
    if len(numbers) > target.rankable:
        numbers = sorted(target.rng().sample(numbers, target.rankable))
    answers: list[Answer | None] = yield Texts(tuple(target.without(number) for number in numbers))
    margin = clean.verdict.margin(target.gold)
    drops = {
        number: margin - answer.verdict.margin(target.gold)
        for number, answer in zip(numbers, answers, strict=True)
        if answer is not None
    }
    return sorted(drops, key=lambda number: -drops[number])


def _random(target: Target, attack: Attack, start: Tried) -> Generator[Texts | Pairs | Words, Any, list[Tried]]:
    """Random edits of as many random words as the limits allow, until one text wins or the budget is spent."""
    rng, best = target.rng(), start
    options = yield from _options(target, attack, start)
    for _ in range(1 + _DRAWS * target.budget // attack.tries):
        draws = [_draw(options, target.most, attack.distance, rng) for _ in range(attack.tries)]
        if attack.similarity is not None:
            draws = yield from _shortened(target, draws, attack.similarity)
        found = yield from _answered(target, draws)
        if _wins(target, found):
            return found
        best = _closest(target, [best, *found])
        if any(answer.query == target.budget for _, answer in found):
            break
    return [best]


def _options(target: Target, attack: Attack, start: Tried) -> Generator[Words, Any, list[Sequence[Candidate]]]:
    """What each word may become."""
    if attack.candidates != "tokens":
        return [site.candidates for site in target.sites]
    options: list[list[Candidate]] = [[] for _ in target.sites]
    flips: list[tuple[int, str]] = yield Words(slope=_slope(target, attack, start), seed=target.seed)
    for number, word in flips:
        options[number].append(Candidate(word))
    return [*options]


def _draw(options: Sequence[Sequence[Candidate]], most: int, distance: int, rng: Random) -> Chosen:
    """Random words in random order, each with a random candidate, until `most` or the distance is reached."""
    chosen: dict[int, Candidate] = {}
    for number in rng.sample(range(len(options)), len(options)):
        fit = [candidate for candidate in options[number] if candidate.distance <= distance]
        if fit:
            chosen[number] = rng.choice(fit)
            distance -= chosen[number].distance
        if len(chosen) == most:
            break
    return chosen


def _shortened(target: Target, draws: Sequence[Chosen], least: float) -> Generator[Pairs, Any, list[Chosen]]:
    """Of each draw its first words, as many as leave the text similar enough, found by halving; none is left out."""
    good, bad = [0 for _ in draws], [len(draw) + 1 for draw in draws]
    while unsettled := [i for i in range(len(draws)) if bad[i] - good[i] > 1]:
        # The whole draw first: most often it will do.
        whole = {i: bad[i] > len(draws[i]) for i in unsettled}
        sizes = {i: len(draws[i]) if whole[i] else (good[i] + bad[i]) // 2 for i in unsettled}
        alike: list[float] = yield Pairs(tuple(target.text(_first(draws[i], size)) for i, size in sizes.items()))
        for (i, size), one in zip(sizes.items(), alike, strict=True):
            (good if one >= least else bad)[i] = size
    return [_first(draw, size) for draw, size in zip(draws, good, strict=True) if size]


def _first(chosen: Chosen, size: int) -> Chosen:
    return dict(list(chosen.items())[:size])


def _hotflip(target: Target, attack: Attack, start: Tried) -> Generator[Texts | Pairs | Slope, Any, list[Tried]]:
    """The word flips of the steepest slope, evaluated exactly; the best is taken and the slope looked at again.

    Source: Ebrahimi et al. 2018 (HotFlip), sections 3 and 5, greedily in place of their beam.
    """
    best = start
    while len(best[0]) < target.most:
        flips: list[tuple[int, str]] = yield _slope(target, attack, best)
        options = [{**best[0], number: Candidate(word)} for number, word in flips]
        found = yield from _tried(target, attack, options)
        if _wins(target, found):
            return found
        closest = _closest(target, [best, *found])
        if closest is best:
            break
        best = closest
    return [best]


def _slope(target: Target, attack: Attack, at: Tried) -> Slope:
    """The question which words that are not yet chosen might be flipped, and how."""
    chosen, answer = at
    return Slope(
        query=target.text(chosen),
        places={number: target.word(number) for number in range(len(target.sites)) if number not in chosen},
        render=lambda number, word: target.text({**chosen, number: Candidate(word)}),
        verdict=answer.verdict,
        gold=target.gold,
        forbidden=target.forbidden,
        most=attack.tries,
    )


def _tried(target: Target, attack: Attack, options: Sequence[Chosen]) -> Generator[Texts | Pairs, Any, list[Tried]]:
    """The options that keep the constraints, with their answers, as far as the budget goes."""
    fit = [chosen for chosen in options if target.distance(chosen) <= attack.distance]
    if attack.similarity is not None and fit:
        alike: list[float] = yield Pairs(tuple(target.text(chosen) for chosen in fit))
        kept = [i for i, one in enumerate(alike) if one >= attack.similarity]
        fit = [fit[i] for i in kept]
    return (yield from _answered(target, fit))


def _answered(target: Target, options: Sequence[Chosen]) -> Generator[Texts, Any, list[Tried]]:
    """The options with their answers, as far as the budget goes."""
    texts = tuple(target.text(chosen) for chosen in options)
    answers: list[Answer | None] = (yield Texts(texts)) if texts else []
    return [(chosen, answer) for chosen, answer in zip(options, answers, strict=True) if answer is not None]


def _wins(target: Target, found: Sequence[Tried]) -> list[Tried]:
    return [one for one in found if one[1].verdict.best not in target.gold]


def _closest(target: Target, found: Sequence[Tried]) -> Tried:
    """The first that wins by most, or else that comes closest to it."""
    return min(found, key=lambda one: (one[1].verdict.best in target.gold, one[1].verdict.margin(target.gold)))
