"""`harness perturb` as a user runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.perturb import highlighted, joined, main, visible
from harness.perturbations.edits import Edit, Perturbed

if TYPE_CHECKING:
    from conftest import Command

SENTENCE = "The film isn't bad, but I do not know why they received it."


def test_the_command_shows_every_perturbation(harness: Command) -> None:
    """Each that edits is named with its group and count, edits are in brackets, and the others are listed."""
    done = harness("perturb", SENTENCE, "--all", "severity=1")
    assert done.returncode == 0, done.stderr
    assert "common_misspelling  strict, 1 edit at 1 place\n" in done.stdout
    assert "they [received→recieved] it." in done.stdout
    assert "I [do not→don't] know" in done.stdout
    assert "Nothing to edit in this text: " in done.stdout
    assert "gender_swap" in done.stdout.splitlines()[-1]


def test_one_perturbation_with_its_severity_and_seed(capsys: pytest.CaptureFixture[str]) -> None:
    """Only the named ones are shown; the same seed shows the same, another one something else."""
    shown = []
    for seed in (1, 1, 2):
        assert main([SENTENCE, "perturbation=leet,char_swap", "severity=0.8", f"seed={seed}"]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] != shown[2]
    assert shown[0].startswith("char_swap  strict")
    assert "upper_case" not in shown[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([""], "the text is empty"),
        ([" \n"], "the text is empty"),
        ([], "takes one text in quotes, has 0"),
        (["one", "two"], "takes one text in quotes, has 2"),
        (["x", "perturbation=keybord_typo"], "did you mean 'keyboard_typo'?"),
        (["x", "severity=2"], "severity=2 must lie between 0"),
        (["x", "severity=high"], "severity='high' must be a number"),
        (["x", "sevrity=1"], "unknown key 'sevrity': did you mean 'severity'?"),
        (["x", "seed=0.5"], "seed=0.5 must be a whole number"),
    ],
)
def test_bad_input_is_one_line(words: list[str], message: str) -> None:
    """What is wrong and what would be right."""
    with pytest.raises(ValueError, match=message.replace("?", r"\?")) as caught:
        main(words)
    assert "\n" not in str(caught.value)


def test_exit_code_of_bad_input(harness: Command) -> None:
    """A typo is exit code 2 and one line on stderr."""
    done = harness("perturb", "x", "perturbation=keybord_typo")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["🙂", "שלום עולם", "x", "\x1b[31mred", "word " * 10_000, "\ud83d"])
def test_odd_texts_are_shown(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Emoji, right-to-left, one character, escape codes, 50,000 characters: no failure, no raw escape, no flood."""
    assert main([text, "severity=1"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert len(out) < 150_000


def test_what_cannot_be_seen_is_named() -> None:
    """Zero-width characters, tabs and spaces by name, look-alikes by alphabet."""
    result = Perturbed(
        text="", edits=(Edit(1, 1, "", "\u200b"), Edit(2, 2, "", " "), Edit(3, 4, "e", "\u0435")), sites=3
    )
    assert highlighted("alte", result, colours=False).plain == "  a[+⟨ZWSP⟩]l[+␣]t[e→\u0435⟨Cyr⟩]"
    assert visible("a\tb") == "a⟨TAB⟩b"


def test_neighbouring_edits_are_shown_as_one() -> None:
    """Edits that touch are joined; colours leave the brackets out."""
    edits = (Edit(0, 1, "a", "@"), Edit(1, 2, "s", "$"))
    assert [e.new for e in joined(edits)] == ["@$"]
    coloured = highlighted("as", Perturbed(text="@$", edits=edits, sites=2), colours=True)
    assert coloured.plain == "  as@$"
    assert {span.style for span in coloured.spans} == {"red strike", "bold green"}
