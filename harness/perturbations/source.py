"""A text, and what of it may be edited: the one thing every perturbation is given.

Layer: `perturbations`, above `protect` and `tables`.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Self, final

from harness.perturbations import protect, tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.perturbations.protect import Span

LONGEST = 40
"""Runs of more letters are no words: base64, sequences of amino acids."""
_TOKEN = re.compile(r"\w+(?:['\u2019]\w+)*")
_STEM = re.compile(r"(?<!\w)(?<![A-Za-z]['\u2019])[A-Za-z]++(?!\w)")
_NEXT = re.compile(r"[ \t]([A-Za-z]+(?:['\u2019][A-Za-z]+)*)")
_GAP = re.compile(r" (?=\S)")


@final
@dataclass(frozen=True, kw_only=True)
class Source:
    """A text and its protected spans. Build it by `of`; several perturbations may share one.

    Attributes:
        text: the whole field.
        spans: protected half-open spans, sorted, apart from each other; no edit touches them.
        targets: lower-case words that edits neither touch nor make: negators, and the task's labels.
        language: whose tables are used.
        open: whether something goes on from the text's end, where therefore nothing may be added.
    """

    text: str
    spans: tuple[Span, ...]
    targets: frozenset[str]
    language: str = "en"
    open: bool = False

    @classmethod
    def of(cls, text: str, *, protected: Iterable[Span] = (), labels: Iterable[str] = (), language: str = "en") -> Self:
        """A text whose numbers, URLs, code and format markers are protected, and `protected` besides.

        Args:
            text: the field to edit.
            protected: further spans: options, gold answers, demonstrations (`protect.strings` finds them).
            labels: words that must be neither touched nor made.
            language: whose tables are used.

        Raises:
            ValueError: a protected span that does not lie in the text.
        """
        spans = protect.plain(text)
        if own := list(protected):
            bad = next((s for s in own if not 0 <= s[0] <= s[1] <= len(text)), None)
            if bad:
                raise ValueError(f"protected span {bad} does not lie in a text of {len(text)} characters")
            spans = protect.merged([*spans, *own])
        targets = tables.words(language, "negators")
        if names := frozenset(w.lower() for w in labels):
            spans = protect.merged([*spans, *protect.strings(text, names)])
            targets |= names
        return cls(text=text, spans=tuple(spans), targets=targets, language=language)

    @cached_property
    def _ends(self) -> list[int]:
        return [end for _, end in self.spans]

    @cached_property
    def _starts(self) -> list[int]:
        return [start for start, _ in self.words]

    def free(self, start: int, end: int) -> bool:
        """Whether an edit of text[start:end] (or, if empty, an insertion there) touches no protected span."""
        if not self.spans:
            return True
        index = bisect_right(self._ends, start)
        return index == len(self.spans) or self.spans[index][0] >= end

    @cached_property
    def words(self) -> list[Span]:
        """Words of Latin letters alone that may be edited: not protected, no negator, no number word.

        Left out are words of more than `LONGEST` letters, those with an apostrophe, a digit or a letter outside ASCII,
        and those that a combining mark follows, with which a new last letter could melt.
        """
        text, keep = self.text, _kept(self.targets, self.language)
        found = [
            m.span()
            for m in _TOKEN.finditer(text)
            if (w := m[0]).isalpha() and w.lower() not in keep and len(w) <= LONGEST
        ]
        if self.spans:
            found = [s for s in found if self.free(*s)]
        if text.isascii():
            return found
        return [s for s in found if text[s[0] : s[1]].isascii() and not combining(text, s[1])]

    @cached_property
    def stems(self) -> list[Span]:
        """The words, and the beginnings of those with an apostrophe: `John` of `John's`, `he` of `he'll`."""
        found = (m.span() for m in _STEM.finditer(self.text))
        return [s for s in found if self.free(*s) and not combining(self.text, s[1])]

    @cached_property
    def gaps(self) -> list[int]:
        """Places of single spaces between two words or marks that may be edited."""
        text = self.text
        found = [i for m in _GAP.finditer(text) if (i := m.start()) and not text[i - 1].isspace()]
        return [i for i in found if self.free(i, i + 1)] if self.spans else found

    def word_at(self, place: int) -> Span:
        """The word of `words` that holds the character at `place`."""
        return self.words[bisect_right(self._starts, place) - 1]

    def word(self, place: int) -> str:
        """The letters of that word."""
        start, end = self.word_at(place)
        return self.text[start:end]

    def next_word(self, end: int) -> str:
        """The lower-case word after `end` and one space, or an empty string."""
        match = _NEXT.match(self.text, end)
        return match[1].lower() if match else ""

    def tail(self) -> int:
        """Where a sentence can be added: the end, before white space and a marker such as `Answer:`; 0: nowhere."""
        if self.open:
            return 0
        text, place, index = self.text, len(self.text), len(self.spans) - 1
        while True:
            while place and text[place - 1].isspace():
                place -= 1
            start, end = self.spans[index] if index >= 0 else (0, 0)
            if not (start and end == place and text[place - 1] == ":"):
                return end if start < place < end else place
            place, index = start, index - 1


@cache
def _kept(targets: frozenset[str], language: str) -> frozenset[str]:
    return targets | tables.words(language, "numbers")


def combining(text: str, place: int) -> bool:
    """Whether the character at `place` would melt with a letter put before it."""
    return place < len(text) and unicodedata.combining(text[place]) > 0
