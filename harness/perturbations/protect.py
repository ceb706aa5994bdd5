"""Spans of a text that are never edited, found from the text alone: numbers, URLs, code, format markers, negations.

What a task must keep besides (its options, its gold answer) is found by `strings`. Spans are half-open offsets. Every
pattern is linear in the length of the text.

Layer: bottom of `perturbations`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.perturbations import tables

if TYPE_CHECKING:
    from collections.abc import Iterable

Span = tuple[int, int]

_DIGITS = re.compile(r"\d\w*(?:[.,:/'\u2019-]\d\w*)*%?")
_BEFORE_NUMBER = "$€£¥#+-"
_URL = re.compile(
    r"(?:https?://|www\.)\S+|[\w.+-]{1,64}@[\w.-]+|(?<![\w@#])[@#]\w+"
    r"|\b\w{1,64}\.(?:com|org|net|edu|gov|io|co|uk|de|fr|html?|txt|py|pdf)\b",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"\.[a-zA-Z]")
_URL_HINTS = ("://", "www.", "WWW.", "@", "#")
_CODE = re.compile(
    r"```.*?```|`[^`\n]{1,500}`|<<[^<>\n]{1,200}>>|</?[A-Za-z][^<>\n]{0,200}>"
    r"|\{\{[^{}\n]{1,200}\}\}|\$[^$\s][^$\n]{0,100}[\\^_=][^$\n]{0,100}\$",
    re.DOTALL,
)
_CODE_HINTS = ("`", "<", "{{", "$")
_MARKER = re.compile(
    r"^[ \t]*[A-Z][A-Za-z]{0,20}(?: [A-Za-z]{1,20}){0,2}:"
    r"|\b(?:Question|Answer|Passage|Context|Premise|Hypothesis|Sentence|Review|Sentiment|Label|Options?|Choices?):"
    r"|\[[A-Za-z_]{1,20}\]",
    re.MULTILINE,
)
_OPTION = re.compile(r"^[ \t]*\(?[A-Za-z][.)](?=[ \t])", re.MULTILINE)
_WORD = re.compile(r"(?<![\w'\u2019])[A-Za-z]+(?:['\u2019][A-Za-z]+)*(?!\w)")


def numbers(text: str) -> list[Span]:
    """Numbers in digits with what belongs to them: `$1,000.50`, `3rd`, `10:30`, `50%`, `B2B`.

    >>> numbers("it cost $1,000.50 in the 1990s")
    [(8, 17), (25, 30)]
    """
    found: list[Span] = []
    floor = 0
    for match in _DIGITS.finditer(text):
        start, end = match.span()
        while start > floor and (text[start - 1].isalnum() or text[start - 1] == "_"):
            start -= 1
        if start > floor and text[start - 1] in _BEFORE_NUMBER:
            start -= 1
        found.append((start, end))
        floor = end
    return found


def urls(text: str) -> list[Span]:
    """Addresses: URLs, e-mail, file and domain names, `@handles` and `#tags`."""
    if not _DOTTED.search(text) and not any(hint in text for hint in _URL_HINTS):
        return []
    return [m.span() for m in _URL.finditer(text)]


def code(text: str) -> list[Span]:
    """Code and markup: in backticks, `<tags>`, `<<48/2=24>>`, `{{slots}}`, `$formulas$`."""
    return [m.span() for m in _CODE.finditer(text)] if any(hint in text for hint in _CODE_HINTS) else []


def markers(text: str) -> list[Span]:
    """What gives a prompt its form: `Question:`, `Answer:` and their like, `A.` or `(b)` before an option, `[step]`."""
    found = [m.span() for m in _MARKER.finditer(text)] if ":" in text or "[" in text else []
    if "\n" in text:
        return found + [m.span() for m in _OPTION.finditer(text)]
    first = _OPTION.match(text)
    return [*found, first.span()] if first else found


def negations(text: str, *, language: str = "en") -> list[Span]:
    """Negators: not, no, never, without, n't ... also words such as `don't`.

    >>> negations("No, it isn't.")
    [(0, 2), (7, 12)]
    """
    known = tables.words(language, "negators")
    return [m.span() for m in _WORD.finditer(text) if is_negation(m[0].lower(), known)]


def is_negation(word: str, negators: frozenset[str]) -> bool:
    """Whether a lower-case word negates."""
    return word in negators or word.endswith(("n't", "n\u2019t"))


def strings(text: str, values: Iterable[str]) -> list[Span]:
    """Every whole occurrence of the given strings, whatever their case: options, labels, gold answers.

    >>> strings("Paris, or parish?", ["paris"])
    [(0, 5)]
    """
    patterns = (_whole(value) for value in dict.fromkeys(values) if value.strip())
    return merged(m.span() for pattern in patterns for m in pattern.finditer(text))


def _whole(value: str) -> re.Pattern[str]:
    value = value.strip()
    before = r"(?<!\w)" if re.match(r"\w", value[0]) else ""
    after = r"(?!\w)" if re.match(r"\w", value[-1]) else ""
    return re.compile(before + re.escape(value) + after, re.IGNORECASE)


def plain(text: str) -> list[Span]:
    """All that is protected in every text but its negations: numbers, URLs, code and format markers."""
    found = [*numbers(text), *urls(text), *code(text), *markers(text)]
    return merged(found) if found else found


def merged(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that overlap or touch made one, empty ones left out."""
    joined: list[Span] = []
    for start, end in sorted(s for s in spans if s[0] < s[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
