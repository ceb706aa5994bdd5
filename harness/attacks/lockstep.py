"""Drives the searches of all documents side by side, one question of each at a time.

The model gets large batches, and yet every search finds what it would find alone: each has its own budget, and no
reply depends on another search.

Layer: attacks, pure.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from harness.attacks.search import Answer, Found, Pairs, Texts, search
from harness.attacks.victim import Query, Slope, Words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.attacks.search import Search
    from harness.attacks.spec import Attack
    from harness.attacks.target import Target
    from harness.attacks.victim import Likeness, Victim, WhiteBox
    from harness.records import Progress

    Asked = Mapping[int, Any]
    """Document -> what its search asks."""


@final
@dataclass(kw_only=True)
class _Account:
    """What one document has cost: each text once, each gradient once."""

    budget: int
    known: dict[Query, Answer] = field(default_factory=dict[Query, Answer])
    spent: int = 0

    def pay(self) -> bool:
        """Takes one evaluation from the budget, if there is one."""
        if self.spent >= self.budget:
            return False
        self.spent += 1
        return True


@final
@dataclass(frozen=True, kw_only=True)
class Powers:
    """Whom the searches may ask.

    Attributes:
        victim: the classifier.
        white: its gradient and vocabulary, where it is open.
        likeness: measure of similarity, where one is wanted.
    """

    victim: Victim
    white: WhiteBox | None = None
    likeness: Likeness | None = None


def attack_all(targets: Sequence[Target], attack: Attack, powers: Powers, progress: Progress) -> list[Found]:
    """What the search of `attack` finds on every document, in order.

    Args:
        targets: the documents.
        attack: how to search.
        powers: whom to ask.
        progress: told the phase `attacking` and the number of documents done.
    """
    searches = [search(target, attack) for target in targets]
    accounts = [_Account(budget=target.budget) for target in targets]
    found: dict[int, Found] = {}
    replies: dict[int, Any] = dict.fromkeys(range(len(targets)))
    while replies:
        asked: dict[int, Any] = {}
        for i, reply in replies.items():
            step = _next(searches[i], reply)
            if isinstance(step, Found):
                found[i] = dataclasses.replace(step, queries=accounts[i].spent)
                accounts[i].known.clear()
            else:
                asked[i] = step
        progress("attacking", len(found), len(targets))
        replies = {**_texts(asked, targets, accounts, powers), **_pairs(asked, targets, powers)}
        replies |= _slopes(asked, targets, accounts, powers)
    return [found[i] for i in range(len(targets))]


def _next(one: Search, reply: Any) -> Texts | Pairs | Slope | Words | Found:
    try:
        return one.send(reply)
    except StopIteration as end:
        return end.value


def _texts(
    asked: Asked, targets: Sequence[Target], accounts: Sequence[_Account], powers: Powers
) -> dict[int, list[Answer | None]]:
    """Verdicts, of all searches in one call; a text that a search asks for again is not paid for again."""
    steps = {i: step for i, step in asked.items() if isinstance(step, Texts)}
    new: dict[tuple[int, Query], int] = {}
    for i, step in steps.items():
        for query in step.queries:
            fresh = query not in accounts[i].known and (i, query) not in new
            if fresh and powers.victim.keeps(targets[i].number, query) and accounts[i].pay():
                new[i, query] = accounts[i].spent
    verdicts = powers.victim.judge([(targets[i].number, query) for i, query in new]) if new else []
    for ((i, query), number), verdict in zip(new.items(), verdicts, strict=True):
        accounts[i].known[query] = Answer(verdict, number)
    return {i: [accounts[i].known.get(query) for query in step.queries] for i, step in steps.items()}


def _pairs(asked: Asked, targets: Sequence[Target], powers: Powers) -> dict[int, list[float]]:
    """Similarities to the clean texts, of all searches in one call."""
    steps = {i: step for i, step in asked.items() if isinstance(step, Pairs)}
    if not steps:
        return {}
    assert powers.likeness is not None
    pairs = [(_joined(targets[i].texts), _joined(query)) for i, step in steps.items() for query in step.queries]
    alike = iter(powers.likeness.alike(pairs))
    return {i: [next(alike) for _ in step.queries] for i, step in steps.items()}


def _slopes(
    asked: Asked, targets: Sequence[Target], accounts: Sequence[_Account], powers: Powers
) -> dict[int, list[tuple[int, str]]]:
    """Flips, one document after another; each gradient is paid for like an evaluation, random words are free."""
    steps = {i: step for i, step in asked.items() if isinstance(step, Slope | Words)}
    replies: dict[int, list[tuple[int, str]]] = {}
    for i, step in steps.items():
        assert powers.white is not None
        if isinstance(step, Words):
            replies[i] = powers.white.words(targets[i].number, step)
        else:
            replies[i] = powers.white.flips(targets[i].number, step) if accounts[i].pay() else []
    return replies


def _joined(query: Query) -> str:
    return "\n".join(query)
