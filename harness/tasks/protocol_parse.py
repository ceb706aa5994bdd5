"""What a free answer chooses among lettered options: the grammar of the protocol `generate`.

An answer is read by the first of these rules that applies; case matters for letters only. LETTER is the label of an
option of the document, as in `B`, and TEXT an option's text; marks of emphasis (`*`, `_`, backticks) are passed over.

1. The first line that is not empty is `LETTER`, `(LETTER)` or `[LETTER]`, alone or before one of `. ) ] : , ; -` and
   anything else. If what follows is the TEXT of another option, the answer contradicts itself: unparsed.
2. That line is `LETTER TEXT` of one option, or the TEXT of exactly one option, but for case, quotation marks and a
   final `.` or `!`.
3. Somewhere stands `answer is LETTER`, `answer: LETTER`, or the same with `option` or `choice` for `answer`, the
   letter written as in rule 1; all such places name the same letter.

Anything else is a refusal if it begins with one of `REFUSALS`, and unparsed if not. A letter within a sentence, as in
"A dog barks", is no answer. Nothing is guessed.

Layer: tasks, pure: stdlib only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Sequence

UNPARSED, REFUSAL = "(unparsed)", "(refusal)"
"""Predictions of documents whose answer names no option."""

REFUSALS = (
    "i cannot", "i can't", "i can not", "i'm sorry", "i am sorry", "sorry,", "sorry.", "i'm unable", "i am unable",
    "i'm not able", "i am not able", "i won't", "i will not", "i refuse", "i must decline", "i apologi",
    "as a language model", "unfortunately, i can",
)  # fmt: skip
"""How refusals begin, in lower case and with straight apostrophes."""

_EMPHASIS = re.compile(r"[*_`]+")
_QUOTES = "\"'\u201c\u201d\u2018\u2019 \t"


@final
@dataclass(frozen=True)
class Choice:
    """What an answer chooses.

    Attributes:
        place: of the option, counted from 0 in the order that was shown; None for none.
        refusal: whether the answer declines to choose.
    """

    place: int | None
    refusal: bool = False


def parse(answer: str, letters: Sequence[str], texts: Sequence[str], *, refusal: str = "") -> Choice:
    """The option that an answer names.

    Args:
        answer: what the model said.
        letters: labels of the options.
        texts: the options, in the same order.
        refusal: what the endpoint says in its own field for refusals.

    >>> parse("B. negative", ["A", "B"], ["positive", "negative"]).place
    1
    >>> parse("A dog barks", ["A", "B"], ["positive", "negative"]).place is None
    True
    """
    if refusal:
        return Choice(None, refusal=True)
    plain = _EMPHASIS.sub("", answer).strip()
    line = plain.split("\n", 1)[0].strip()
    place, settled = _labelled(line, letters, texts)
    if not settled:
        place = _by_text(line, texts)
    if place is None and not settled:
        place = _stated(plain, letters)
    if place is not None:
        return Choice(place)
    opening = plain.lower().replace("\u2019", "'")
    return Choice(None, refusal=opening.startswith(REFUSALS))


def _labelled(line: str, letters: Sequence[str], texts: Sequence[str]) -> tuple[int | None, bool]:
    """Rule 1, and the letter of rule 2: the place, and whether a rule applied."""
    label = "|".join(re.escape(letter) for letter in sorted(letters, key=len, reverse=True))
    match = re.match(rf"(?:\((?P<a>{label})\)|\[(?P<b>{label})\]|(?P<c>{label})(?=$|[.)\]:,;\-\s]))(?P<rest>.*)$", line)
    if match is None:
        return None, False
    place = list(letters).index(match["a"] or match["b"] or match["c"])
    rest = match["rest"]
    other = _by_text(rest.lstrip(" .)]:,;-\t"), texts) if rest.strip() else None
    if other is not None:
        return (place if other == place else None), True
    plain = not rest.strip() or rest[0] in ".)]:,;-" or match["c"] is None
    return (place, True) if plain else (None, False)


def _by_text(line: str, texts: Sequence[str]) -> int | None:
    """Rule 2."""
    said = _bare(line)
    found = [place for place, text in enumerate(texts) if said and _bare(text) == said]
    return found[0] if len(found) == 1 else None


def _stated(text: str, letters: Sequence[str]) -> int | None:
    """Rule 3."""
    label = "|".join(re.escape(letter) for letter in sorted(letters, key=len, reverse=True))
    lead = r"(?i:\b(?:answer|option|choice)(?:\s+is\b\s*:?|\s*:)\s*)"
    found = re.findall(rf"{lead}(?:\(({label})\)|\[({label})\]|({label})(?=$|[.)\]:,;\-]|\s*$|\s*\n))", text)
    named = {"".join(groups) for groups in found}
    return list(letters).index(named.pop()) if len(named) == 1 else None


def _bare(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip(_QUOTES).rstrip(".!").strip(_QUOTES).casefold()
