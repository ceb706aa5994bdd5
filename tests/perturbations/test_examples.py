"""What each perturbation does to sentences that people would judge, at full severity."""

from __future__ import annotations

import re

import pytest

from harness.perturb import spec
from harness.perturbations import protect
from harness.perturbations.source import Source


def full(name: str, text: str, *, document: str = "d", **fields: object) -> str:
    """The text after a perturbation at severity 1."""
    return spec(name, {"severity": 1.0, **fields}).apply(text, document=document).text


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("lower_case", "The NASA film, said Bob, is About US.", "the NASA film, said bob, is about US."),
        ("upper_case", "The film is not about us or it.", "THE FILM IS not ABOUT us or it."),
        ("punctuation_strip", "Well, a U.S. film (so good): 3.5 stars!", "Well a U.S. film so good 3.5 stars"),
        ("punctuation_strip", "Is it good?", "Is it good?"),
        ("contraction", "It is late. I do not know what it is.", "It's late. I don't know what it is."),
        ("contraction", "IT IS LATE and you have seen it; I have a dog", "IT'S LATE and you've seen it; I have a dog"),
        ("contraction", "It is not so and I am not sure; we can not.", "It isn't so and I'm not sure; we can't."),
        ("expansion", "It's been so, that's it; I'm sure we can't.", "It's been so, that is it; I am sure we cannot."),
        ("expansion", "it 's a film i do n't like , wo n't see", "it is a film i do not like , will not see"),
        ("expansion", "Bob's dog. Let's go, he'd say, ain't it?", "Bob's dog. Let us go, he'd say, ain't it?"),
        ("gender_swap", "She gave her book to her, herself.", "He gave his book to him, himself."),
        ("gender_swap", "He lost his book; the fault is his.", "She lost her book; the fault is hers."),
        ("gender_swap", "Mr Brown's aunt is the king's actress.", "Ms Brown's uncle is the queen's actor."),
        ("gender_swap", "I saw her and him.", "I saw her and him."),
        ("gender_swap", "They left her alone and sent her home.", "They left her alone and sent her home."),
        ("ocr_noise", "oil", "oil"),
        ("gender_swap", "He admired King Arthur.", "He admired King Arthur."),
        ("dialect", "I was going to eat nothing.", None),
        ("dialect", "We were going to the sea.", "We were going to da sea."),
    ],
)  # fmt: skip
def test_sentences(name: str, text: str, expected: str | None) -> None:
    """Deterministic ones word for word; where a choice is drawn, what is kept."""
    result = full(name, text)
    if expected is not None:
        assert result == expected
    else:
        assert "nothing" in result
        assert re.search(r"wuz (gonna|finna) eat", result)


def test_gender_twice_is_the_text_again() -> None:
    """Counterparts are pairs, but for words with several."""
    text = "He told his sister that the actor was himself a father of boys; she heard him."
    swapped = full("gender_swap", text)
    assert swapped == "She told her brother that the actress was herself a mother of girls; he heard her."
    assert full("gender_swap", swapped) == text


def test_names_are_exchanged_alike_everywhere() -> None:
    """One name becomes one name in all fields of a document, two stay two, and documents differ."""
    leaf = spec("name_swap", {"severity": 1.0})
    query, answer = "Emily met Jamal; Emily's dog liked Jamal.", "Emily"
    found = leaf.apply(query, document="d", field="query").text
    new = leaf.apply(answer, document="d", field="target").text
    assert found.count(new) == 2
    assert "Emily" not in found
    assert "Jamal" not in found
    assert len({leaf.apply(answer, document=str(i)).text for i in range(20)}) > 5


def test_first_letters_stay_up_to_half_severity() -> None:
    """Below, a typing error is within or at the end of a word; above, first letters may change too."""
    text = "several people clearly wanted better stories" * 5
    for document in "abcdef":
        mild = spec("keyboard_typo", {"severity": 0.5}).apply(text, document=document)
        assert all(edit.start and text[edit.start - 1].isalpha() for edit in mild.edits)
    strong = [spec("keyboard_typo", {"severity": 1.0}).apply(text, document=d) for d in "abcdef"]
    assert any(text[edit.start - 1] == " " for result in strong for edit in result.edits)


def test_inner_letters_are_shuffled_and_no_letter_lost() -> None:
    """Swaps and shuffles keep the letters, the first and the last of every word."""
    text = "several people clearly wanted better stories about remarkable machines"
    for name in ("char_swap", "inner_shuffle"):
        result = full(name, text)
        assert result != text
        for old, new in zip(text.split(), result.split(), strict=True):
            assert (old[0], old[-1], sorted(old)) == (new[0], new[-1], sorted(new))


def test_spaces_are_deleted_only_at_high_severity() -> None:
    """Up to 0.7 they are widened; the words stay the same words."""
    text = "several people clearly wanted better stories about remarkable machines " * 4
    mild = spec("whitespace", {"severity": 0.7}).apply(text, document="d").text
    assert mild.split() == text.split()
    assert len(full("whitespace", text).split()) < len(text.split())


def test_synonyms_fit_their_place() -> None:
    """After `an` a vowel follows still; names and labels are left alone; the inflection is kept."""
    for document in map(str, range(30)):
        result = full("synonym", "He found an obligation in a movie about teachers.", document=document)
        assert re.fullmatch(r"He found an \w+ in a \w+ about (teachers|instructors).", result), result
        assert re.search(r"an [aeiou]", result)
    assert full("synonym", "We met Teacher Smith.") == "We met Teacher Smith."
    leaf = spec("synonym", {"severity": 1.0})
    source = Source.of("the teacher left", labels=["instructor"])
    assert all(leaf.apply(source, document=str(d)).text == source.text for d in range(20))


def test_fillers_and_distractors_name_no_label() -> None:
    """A sentence that holds a protected string is not added; sentences stand before a last marker."""
    leaf = spec("distractor", {"severity": 1.0})
    source = Source.of("What is on the shelf?\nAnswer:", labels=["book", "water", "train", "clock"])
    for document in map(str, range(20)):
        added = leaf.apply(source, document=document).text
        assert not re.search(r"\b(book|water|train|clock)\b", added, re.IGNORECASE)
        assert added.startswith("What is on the shelf? ")
        assert added.endswith("\nAnswer:")
    assert re.search(r", (uh|um|well|so|er|ah|hmm|like|actually|you know|\w+)", full("filler", "a film to see " * 20))


def test_protected_strings_survive_everything() -> None:
    """The option that a task protects stands in every perturbed text."""
    text = "The answer is definitely Mount Everest, and they are clearly right."
    source = Source.of(text, protected=protect.strings(text, ["mount everest"]))
    for name in ("keyboard_typo", "homoglyph", "upper_case", "whitespace", "leet", "inner_shuffle"):
        assert "Mount Everest" in spec(name, {"severity": 1.0}).apply(source, document="d").text


def test_the_negator_of_a_tokenised_text_is_not_cut_off() -> None:
    """`is n't` keeps its verb when function words are dropped, and so does a sentence whose verb is `has`."""
    for document in map(str, range(20)):
        assert " is n't " in full("function_word_drop", "the film is n't a good one", document=document)
        assert " has " in full("function_word_drop", "the film has a point", document=document)
