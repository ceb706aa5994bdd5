"""Searches against classifiers whose weak spot is known."""

from __future__ import annotations

import random

import pytest

from harness.attacks.victim import Likeness, Verdict

BLACK = [("greedy", "characters"), ("random", "characters"), ("greedy", "synonyms"), ("random", "synonyms")]
SYNONYMS = "actually the achievement was absolutely abruptly accomplished and the affection adorned the adjacent scene"


def many(planted, n, *, length=14, bias=0.5):
    """Documents of neutral and weighted words, and the classifier that knows the weights."""
    rng = random.Random(0)
    weights = {word: rng.gauss(0, 1) for word in (planted.NEUTRAL + " " + SYNONYMS).split()}
    texts = [" ".join(rng.choices(sorted(weights), k=length)) for _ in range(n)]
    return texts, planted.BagOfWords(weights, bias=bias)


def test_a_verdict_is_the_highest_score():
    """The first of equals; the margin is negative where a wrong option wins; probabilities keep the order."""
    verdict = Verdict(scores=(-900.0, -898.0, -898.0))
    assert verdict.best == 1
    assert verdict.margin(frozenset({1})) == 0
    assert verdict.margin(frozenset({0})) == -2
    assert verdict.margin(frozenset({1, 2})) == 2
    assert sum(verdict.probabilities) == pytest.approx(1)
    assert verdict.probabilities[1] > verdict.probabilities[0]


@pytest.mark.parametrize("search", ["greedy", "random"])
def test_the_planted_word_is_found(planted, search):
    """One word decides; the attack edits it, the greedy one no other."""
    text = "The plot and the zebra of the story, the camera and the music in every scene."
    game = planted.Game([text], planted.BagOfWords({"zebra": 3.0}, bias=-1.0), search=search)
    found = game.play()[0]
    assert found.success
    edits = game.targets[0].edits(found.chosen)[0]
    assert "zebra" in [edit.old for edit in edits]
    assert len(edits) == 1 or search == "random"
    assert found.verdict.best == 0
    assert found.clean.best == 1


@pytest.mark.parametrize(("search", "candidates"), BLACK)
def test_queries_are_counted_exactly(planted, search, candidates):
    """A document's queries are the distinct texts that the classifier saw, none twice, within its budget."""
    texts, victim = many(planted, 12)
    game = planted.Game(texts, victim, search=search, candidates=candidates, query_budget=60)
    found = game.play()
    assert len(set(victim.asked)) == len(victim.asked)
    for number, one in enumerate(found):
        assert one.queries == sum(document == number for document, _ in victim.asked)
        assert one.queries <= game.targets[number].budget <= 60
        assert bool(one.success_query) is one.success
        assert one.success_query <= one.queries
        won = [query for document, query in victim.asked if document == number][one.success_query - 1]
        if one.success:
            assert victim.total(won) + victim.bias <= 0


@pytest.mark.parametrize(("search", "candidates"), BLACK)
def test_a_constant_classifier_cannot_be_attacked(planted, search, candidates):
    """No success on a classifier that does not read, and none on documents that were wrong before."""
    texts, _ = many(planted, 5)
    right = planted.Game(texts, planted.BagOfWords({}, bias=1.0), search=search, candidates=candidates).play()
    assert not any(one.success for one in right)
    assert all(one.attacked for one in right)
    wrong = planted.Game(texts, planted.BagOfWords({}, bias=-1.0), search=search, candidates=candidates).play()
    assert [(one.attacked, one.success, one.queries, one.chosen) for one in wrong] == [(False, False, 1, {})] * 5


@pytest.mark.parametrize(("search", "candidates"), BLACK)
def test_protected_words_are_never_touched(planted, search, candidates):
    """Whatever the classifier is shown holds the protected span, the labels, the negators and the numbers."""
    text = "It is not actually positive: the Achievement was hardly adorned in 1999, never abruptly, no scene was dull."
    at = text.index("Achievement")
    victim = planted.BagOfWords({"positive": 9.0, "not": 9.0, "achievement": 9.0, "abruptly": 0.1}, bias=0.0)
    span = (at, at + len("Achievement"))
    game = planted.Game([text], victim, search=search, candidates=candidates, severity=1.0, protected=[span])
    game.play()
    kept = ["not", "positive", "Achievement", "hardly", "1999", "never", "no", "dull"]
    assert len(victim.asked) > 1
    for _, (shown,) in victim.asked:
        words = shown.replace(":", "").replace(",", "").replace(".", "").split()
        assert [word for word in words if word in kept] == kept
        assert not {"negative"} & set(words)


def test_the_greedy_search_finds_at_least_what_random_edits_find(planted):
    """Under equal budgets of words and queries."""
    texts, victim = many(planted, 20, length=40, bias=2.0)
    games = [planted.Game(texts, victim, search=search, severity=0.12) for search in ("greedy", "random")]
    assert [t.budget for t in games[0].targets] == [t.budget for t in games[1].targets]
    assert [t.sites for t in games[0].targets] == [t.sites for t in games[1].targets]
    greedy, blind = (sum(one.success for one in game.play()) for game in games)
    assert greedy > blind


@pytest.mark.parametrize(("search", "candidates"), BLACK)
def test_searches_side_by_side_find_what_each_finds_alone(planted, search, candidates):
    """In one batch, one at a time, and again: the same finds; another seed makes other choices."""
    texts, victim = many(planted, 10)
    game = planted.Game(texts, victim, search=search, candidates=candidates)
    together = game.play()
    assert together == game.play()
    assert together == [found for one in game.targets for found in game.play([one])]
    other = planted.Game(texts, victim, search=search, candidates="characters", seed=1)
    assert [t.sites for t in other.targets] != [t.sites for t in game.targets]


def test_a_smaller_budget_ends_the_same_search_earlier(planted):
    """What is found within a budget is what the whole search finds by that number of queries."""
    texts, victim = many(planted, 20)
    whole = planted.Game(texts, victim).play()
    assert any(one.success for one in whole)
    for budget in (30, 36, 45):
        found = planted.Game(texts, victim, query_budget=budget).play()
        assert [one.success for one in found] == [0 < one.success_query <= budget for one in whole]


@pytest.mark.parametrize(("search", "candidates"), BLACK)
def test_limits_hold(planted, search, candidates):
    """At most the share of words, and for typing errors the Levenshtein distance."""
    texts, victim = many(planted, 20)
    game = planted.Game(texts, victim, search=search, candidates=candidates, severity=0.2, distance=2)
    for one, found in zip(game.targets, game.play(), strict=True):
        assert len(found.chosen) <= 0.2 * one.words
        assert candidates == "synonyms" or levenshtein(one.texts[0], one.text(found.chosen)[0]) <= 2


def test_long_texts_leave_queries_for_the_attack(planted):
    """A text with more words than the budget is ranked over a part of them, and still attacked."""
    words = [f"{a}{b}{c}ar" for a in "bdfg" for b in "aeiou" for c in "klmnprst"]
    victim = planted.BagOfWords(dict.fromkeys(words, 0.01), bias=-1.595)
    found = planted.Game([" ".join(words)], victim, query_budget=40).play()[0]
    assert found.success
    assert found.queries <= 40


@pytest.mark.parametrize("candidates", ["characters", "synonyms"])
def test_the_control_spends_its_budget_on_long_texts(planted, candidates):
    """Where the limits bind, random edits go as far as they allow, each time, until the queries are spent."""
    texts, _ = many(planted, 3, length=150)
    victim = planted.BagOfWords({}, bias=1.0)
    game = planted.Game(texts, victim, search="random", candidates=candidates, severity=0.3)
    for number, (one, found) in enumerate(zip(game.targets, game.play(), strict=True)):
        assert found.queries >= 0.9 * one.budget
        shown = [query[0] for document, query in victim.asked if document == number]
        changed = [changes(shown[0], text) for text in shown[1:]]
        if candidates == "synonyms":
            assert {len(edited) for edited in changed} == {one.most}
        else:
            assert one.most > 30
            assert {sum(edited) for edited in changed} <= {29, 30}


def test_the_control_edits_as_much_as_stays_similar(planted):
    """A text that is not similar enough loses words until it is."""
    texts, _ = many(planted, 3, length=60)
    victim = planted.BagOfWords({}, bias=1.0)
    limits = {"search": "random", "candidates": "synonyms", "severity": 0.5, "similarity": 0.9}
    game = planted.Game(texts, victim, likeness=SameWords(), **limits)
    for number, (one, found) in enumerate(zip(game.targets, game.play(), strict=True)):
        assert one.most > 6
        assert found.queries >= 0.9 * one.budget
        shown = [query[0] for document, query in victim.asked if document == number]
        assert {len(changes(shown[0], text)) for text in shown[1:]} == {6}


@pytest.mark.parametrize("severity", [0.1, 0.3])
def test_all_words_are_ranked_where_the_budget_does(planted, severity):
    """A document that needs less than `query_budget` is searched as a whole, however few words may change."""
    texts, _ = many(planted, 5, length=30)
    victim = planted.BagOfWords({}, bias=1.0)
    game = planted.Game(texts, victim, severity=severity)
    game.play()
    for number, one in enumerate(game.targets):
        assert one.budget < game.attack.query_budget
        shown = {query for document, query in victim.asked if document == number}
        assert {one.without(site) for site in range(len(one.sites))} <= shown


class SameWords(Likeness):
    """Share of words that stayed."""

    def alike(self, pairs):
        """The share for each pair."""
        return [1 - len(changes(a, b)) / len(a.split()) for a, b in pairs]


class Letters(Likeness):
    """Share of equal letters in equal places."""

    def alike(self, pairs):
        """The share for each pair."""
        return [sum(a == b for a, b in zip(*pair, strict=False)) / max(map(len, pair)) for pair in pairs]


@pytest.mark.parametrize("search", ["greedy", "random"])
def test_unlike_texts_are_refused_before_the_classifier_sees_them(planted, search):
    """Every candidate keeps the similarity, and it is told of the one in the end."""
    texts, victim = many(planted, 10)
    game = planted.Game(texts, victim, search=search, candidates="synonyms", similarity=0.8, likeness=Letters())
    found = game.play()
    for one, result in zip(game.targets, found, strict=True):
        if result.attacked:
            assert result.similarity == Letters().alike([(one.texts[0], one.text(result.chosen)[0])])[0] >= 0.8
    free = planted.Game(texts, victim, search=search, candidates="synonyms").play()
    assert sum(one.success for one in found) < sum(one.success for one in free)


def changes(before, after):
    """Levenshtein edits of each word that changed."""
    pairs = zip(before.split(), after.split(), strict=True)
    return [levenshtein(a, b) for a, b in pairs if a != b]


def levenshtein(a, b):
    """The number of letters to change, add or drop."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]
