"""The descriptors and listed options of a prompt, and the prompt in another format.

Layer: tasks, pure: stdlib only. A prompt is known by its text and by which parts of it are the template's; only what
the template wrote, or what the prompts of all documents have alike, is ever rewritten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.tasks.formats import Format

_WORDS = r"[^\W\d_][^\W_]*(?:[;'/&-][^\W_]+)*(?: [^\W_]+){0,2}"
_LINE = r"^[ \t]*"
_DESCRIPTOR = rf"(?P<all>(?P<words>{_WORDS}) ?[:\uff1a])"
_WRITTEN = re.compile(_DESCRIPTOR)
_HELD = re.compile(_LINE + _DESCRIPTOR, re.MULTILINE)
_ITEM = re.compile(r"[ \t]*(?P<all>[(\[<]?(?P<label>[A-Z]|[1-9])(?: ?\)|[.:\]>]))(?=\s)")
_ITEM_LINE = re.compile(_LINE + _ITEM.pattern, re.MULTILINE)
_FEWEST = 3
"""Documents from which on what all of them have alike is no accident."""


@final
@dataclass(frozen=True)
class Prompt:
    """A prompt, and which of its characters are the template's.

    Attributes:
        text: all of it.
        literals: start and end of each text of the template.
    """

    text: str
    literals: tuple[tuple[int, int], ...] = ()


@final
@dataclass(frozen=True)
class Mark:
    """A descriptor or the label of a listed option.

    Attributes:
        start: where it begins.
        end: behind its colon or bracket.
        text: its words, or its label.
        item: whether it is the label of an option.
    """

    start: int
    end: int
    text: str
    item: bool = False


@final
@dataclass(frozen=True)
class Known:
    """What data hold that are prompts already: a task may keep its descriptors in a field of its documents.

    Attributes:
        words: descriptors.
        items: whether they list options.
    """

    words: frozenset[str] = frozenset()
    items: bool = False


def shared(prompts: Sequence[Prompt]) -> Known:
    """What all prompts have at the beginning of a line though it is not the template's; nothing for a few prompts."""
    if len(prompts) < _FEWEST:
        return Known()
    words = [frozenset(one.text for one in _held(prompt)) for prompt in prompts]
    items = all(_run(_items(prompt, held=True)) for prompt in prompts)
    return Known(words=frozenset.intersection(*words), items=items)


def named(template: Prompt) -> Known:
    """What a template has, for prompts that were made with it beforehand."""
    words = frozenset(mark.text for mark in _written(template))
    return Known(words=words, items=bool(_run(_items(template, held=False))))


def marks(prompt: Prompt, known: Known) -> tuple[Mark, ...]:
    """The descriptors and labels of a prompt that may be rewritten, in order.

    A descriptor that its data hold must be alone at the beginning of a line, or else begin or end the prompt.
    """
    items = _run(_items(prompt, held=False)) or (_run(_items(prompt, held=True)) if known.items else ())
    held = [mark for mark in _held(prompt) if mark.text in known.words]
    counted = [mark.text for mark in held]
    settled = [m for m in held if counted.count(m.text) == 1 or _at_an_end(prompt, m)]
    found = [*items]
    for mark in (*_written(prompt), *settled):
        if not any(mark.start < other.end and other.start < mark.end for other in found):
            found.append(mark)
    return tuple(sorted(found, key=lambda mark: mark.start))


def rewritten(prompt: Prompt, found: Sequence[Mark], form: Format) -> str:
    """The prompt in another format; white space around descriptors and labels is the format's.

    A prompt that ends in a descriptor ends in `form.visible`: `form.blank` belongs to the answer.
    """
    text = prompt.text
    if not found:
        return text
    ends = [mark.start for mark in found[1:]] + [len(text)]
    head = text[: found[0].start]
    parts = [head.rstrip() + form.space if head.strip() else head]
    for place, (mark, end) in enumerate(zip(found, ends, strict=True)):
        last = place == len(found) - 1
        between = text[mark.end : end]
        own = between.lstrip() if last else between.strip()
        parts.append(_begun(mark, between, form, closed=last and not own))
        parts.append(own)
        if not last and (own or not found[place + 1].item):
            parts.append(form.space)
    return "".join(parts)


def closed(prompt: Prompt, found: Sequence[Mark]) -> bool:
    """Whether the prompt ends in a descriptor: the answer's."""
    return bool(found) and not found[-1].item and not prompt.text[found[-1].end :].strip()


def _begun(mark: Mark, between: str, form: Format, *, closed: bool) -> str:
    if mark.item:
        return form.item(mark.text) + (between[: len(between) - len(between.lstrip())] or " ")
    return form.descriptor(mark.text) + (form.visible if closed else form.separator)


def _written(prompt: Prompt) -> list[Mark]:
    """Descriptors that the template wrote: at the beginning of a line or of one of its texts."""
    found: list[Mark] = []
    for start, end in prompt.literals:
        for match in _WRITTEN.finditer(prompt.text, start, end):
            begins = _line_begins(prompt.text, match.start()) or not prompt.text[start : match.start()].strip()
            if begins and _ends_a_word(prompt.text, match.end(), end):
                found.append(Mark(match.start(), match.end(), match["words"]))
    return found


def _held(prompt: Prompt) -> list[Mark]:
    """What looks like a descriptor at the beginning of a line and is not the template's."""
    return [
        Mark(*m.span("all"), m["words"])
        for m in _HELD.finditer(prompt.text)
        if not _inside(prompt, *m.span("all")) and _ends_a_word(prompt.text, m.end(), len(prompt.text))
    ]


def _items(prompt: Prompt, *, held: bool) -> list[Mark]:
    """Labels of options: those that the template wrote, at least in part, or those that the data hold."""
    lines = _ITEM_LINE.finditer(prompt.text)
    texts = (_ITEM.match(prompt.text, start) for start, _ in prompt.literals)
    found = {m.span("all"): m["label"] for m in (*lines, *texts) if m is not None}
    return [
        Mark(start, end, label, item=True)
        for (start, end), label in sorted(found.items())
        if _inside(prompt, end - 1, end) is not held
    ]


def _run(items: Sequence[Mark]) -> tuple[Mark, ...]:
    """The labels A, B, ... or 1, 2, ... in their order; empty where there are not at least two of them."""
    for first in ("A", "1"):
        run: list[Mark] = []
        for mark in items:
            if mark.text == chr(ord(first) + len(run)):
                run.append(mark)
        if len(run) > 1:
            return tuple(run)
    return ()


def _inside(prompt: Prompt, start: int, end: int) -> bool:
    return any(first <= start and end <= last for first, last in prompt.literals)


def _line_begins(text: str, place: int) -> bool:
    before = text[:place].rstrip(" \t")
    return not before or before[-1] == "\n"


def _ends_a_word(text: str, place: int, end: int) -> bool:
    """Whether white space, or no more of the same text, follows a colon: `http://` has none."""
    return place == end or text[place].isspace() or text[place - 1] == "\uff1a"


def _at_an_end(prompt: Prompt, mark: Mark) -> bool:
    return not prompt.text[: mark.start].strip() or not prompt.text[mark.end :].strip()
