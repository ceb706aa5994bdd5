"""What is found to be kept in a text, and what of it a perturbation may touch."""

from __future__ import annotations

import pytest

from harness.perturbations import negation, protect
from harness.perturbations.source import Source

NEGATORS = frozenset({"not", "never", "without", "nothing"})


def found(text: str, spans: list[protect.Span]) -> list[str]:
    """The protected strings."""
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it cost $1,000.50, not 3rd-hand", ["$1,000.50", "3rd"]),
        ("10:30 on B2B, 50% of the 1990s.", ["10:30", "B2B", "50%", "1990s"]),
        ("no digits here", []),
        ("2,4 and 6.", ["2,4", "6"]),
    ],
)
def test_numbers(text: str, expected: list[str]) -> None:
    """Numbers with their sign, separators and letters; not the full stop after them."""
    assert found(text, protect.numbers(text)) == expected


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("urls", "see https://a.b/c?d=1 or me@site.org, @you #tag SPACE.com.", 5),
        ("urls", "an end. A start, e.g. this", 0),
        ("code", "run `x = 1` in <b>bold</b>, <<48/2=24>>, {{slot}} and $x_1 = y$", 6),
        ("code", "$5 and 3 < 4", 0),
        ("markers", "Question: why?\nA. so\n(b) or\nAnswer:", 4),
        ("markers", "[header] How to [step] begin", 2),
        ("markers", "A man: he said it", 1),
        ("markers", "It was late at night: he left", 0),
        ("negations", "No, it isn't; cannot, never-ending nonsense without nothing", 6),
    ],
)
def test_other_spans(kind: str, text: str, expected: int) -> None:
    """Addresses, code, markers and negators are found, and their look-alikes are not."""
    spans = getattr(protect, kind)(text)
    assert len(spans) == expected, found(text, spans)


def test_strings_are_whole_and_of_any_case() -> None:
    """Options and gold answers are found as whole words, wherever they stand."""
    text = "Paris, parish and PARIS; C++ or C"
    assert found(text, protect.strings(text, ["paris", "C++", " "])) == ["Paris", "PARIS", "C++"]


def test_a_span_outside_of_the_text_is_refused() -> None:
    """Offsets of another text are a fault of the caller, told in one line."""
    with pytest.raises(ValueError, match=r"span \(2, 9\) does not lie in a text of 4 characters"):
        Source.of("text", protected=[(2, 9)])


def test_words_leave_out_what_is_kept() -> None:
    """Neither negators nor number words, protected strings, words with digits or apostrophes, nor other alphabets."""
    text = "A cafe\u0301 don't B2B три not three Paris plain " + "a" * 60
    source = Source.of(text, protected=protect.strings(text, ["Paris"]))
    assert [text[s:e] for s, e in source.words] == ["A", "plain"]


def test_tail_is_before_trailing_markers() -> None:
    """What is appended stands before a last `Answer:`, and never within a protected span."""
    text = "Question: why?\nAnswer: "
    assert Source.of(text).tail() == text.index("\n")
    assert Source.of("the end ", protected=[(0, 8)]).tail() == 8


@pytest.mark.parametrize(
    ("test", "word", "expected"),
    [
        (negation.deleting, "noooot", True),
        (negation.deleting, "knot", False),
        (negation.inserting, "nt", True),
        (negation.inserting, "it", False),
        (negation.reordering, "nveer", True),
        (negation.reordering, "nerve", False),
        (negation.containing, "knots", True),
        (negation.containing, "good", False),
    ],
)
def test_words_that_could_become_a_negator(test, word: str, expected: bool) -> None:  # noqa: FBT001 - a table
    """By what some set of edits of a kind could make of them."""
    assert test(word, NEGATORS) is expected
