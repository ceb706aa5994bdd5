"""The grammar of free answers: what names an option, what declines, and what is neither."""

from __future__ import annotations

import pytest

from harness.tasks.protocol_parse import Choice, parse

LETTERS, TEXTS = ("A", "B", "C"), ("the dog", "the cat", "a bird")


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ("B", 1),
        (" B\nReview: more", 1),
        ("(C)", 2),
        ("[A] since it barks", 0),
        ("**B**", 1),
        ("B. the cat", 1),
        ("B) because it purrs", 1),
        ("B: The Cat.", 1),
        ("B the cat", 1),
        ("the cat", 1),
        ('"The cat!"', 1),
        ("The answer is C.", 2),
        ("It purrs, so the correct option is (B).", 1),
        ("Let me think.\n\nAnswer: A", 0),
        ("The answer is B. Yes, the answer is B.", 1),
    ],
)
def test_an_answer_that_follows_the_grammar_is_read(answer: str, place: int) -> None:
    """Letters, letters with their text, texts, and stated answers."""
    assert parse(answer, LETTERS, TEXTS) == Choice(place)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "A dog barks at night",
        "D",
        "b",
        "AB",
        "A. the cat",
        "the dog or the cat",
        "The answer is A. No, the answer is B.",
        "The answer is Amsterdam",
        "It could be A or B",
    ],
)
def test_what_names_no_option_is_unparsed_and_never_guessed(answer: str) -> None:
    """Letters in sentences, unknown letters, contradictions."""
    assert parse(answer, LETTERS, TEXTS) == Choice(None)


@pytest.mark.parametrize(
    "answer", ["I'm sorry, but I can't help with that.", "I\u2019m unable to choose.", "Sorry, no."]
)
def test_an_answer_that_declines_is_a_refusal(answer: str) -> None:
    """By its opening words."""
    assert parse(answer, LETTERS, TEXTS) == Choice(None, refusal=True)


def test_the_endpoints_own_word_for_a_refusal_counts() -> None:
    """Whatever the text says."""
    assert parse("B", LETTERS, TEXTS, refusal="I cannot answer.") == Choice(None, refusal=True)


def test_options_of_equal_text_are_told_apart_by_letter_only() -> None:
    """A text that two options share names neither."""
    assert parse("same", ("A", "B"), ("same", "same")).place is None
    assert parse("B. same", ("A", "B"), ("same", "other")).place is None
