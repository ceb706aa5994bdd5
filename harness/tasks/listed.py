"""Options that a prompt lists: where a document holds them, and the document with them in another order.

Layer: tasks; talks to lm-eval task objects. Options are found by marks planted before every text of a document: behind
the labels A, B, ... of the prompt, or in the options that are scored. Documents that are prompts already hold them as
labelled lines of a text.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import jinja2

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FAULTS = (
    jinja2.TemplateError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    SyntaxError,
    AssertionError,
)
"""What templates and functions of tasks raise on a document they were not written for."""

Content = Mapping[str, Any]
Path = tuple[str | int, ...]
"""Keys and positions that lead to a text of a document."""

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
"""Unicode's noncharacters, which no text holds."""
_MARK = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_LABEL = r"{}(?: ?\)|[.:\]>])"
"""How the label of an option is written, but for an opening bracket."""
_OTHERS = re.compile(
    r"\b(?:the|of) (?:above|below|preceding|following)\b|(?-i:\b[A-E]\)? (?:and|or|nor|&) \(?[A-E]\b)", re.IGNORECASE
)
"""An option that speaks of other options by their place or their label."""


@final
@dataclass(frozen=True)
class Place:
    """Where a document holds one option.

    Attributes:
        path: of the text.
        start: of the option in it.
        end: of the option in it; None: it is the whole text.
    """

    path: Path
    start: int = 0
    end: int | None = None


def places(task: Any, content: Content) -> tuple[Place, ...]:
    """Where the options of a document are, in the order in which its prompt shows them; empty where it lists none."""
    paths = [path for path, _ in _texts(content)]
    try:
        planted = _planted(content)
        shown = str(task.doc_to_text(planted))
        scored = [str(option) for option in task.doc_to_choice(planted)]
        labels = [str(option).strip() for option in task.doc_to_choice(dict(content))]
    except FAULTS:  # a text that is read as a number, a list or a name bears no mark
        return ()
    found = _labelled(labels, shown) or _scored(scored, shown)
    return tuple(Place(paths[number]) for number in found) or _lines(labels, content, shown)


def options(content: Content, where: Sequence[Place]) -> tuple[str, ...]:
    """The texts of the options."""
    return tuple(str(_at(content, place.path))[place.start : place.end] for place in where)


def bound(texts: Sequence[str]) -> bool:
    """Whether one of the options speaks of others by their place, so that they have only one order.

    >>> bound(["red", "none of the above"]), bound(["both A and B", "C"]), bound(["a cat and a dog", "above all"])
    (True, True, False)
    """
    return any(_OTHERS.search(text) for text in texts)


def arranged(content: Content, where: Sequence[Place], order: Sequence[int]) -> dict[str, Any]:
    """A copy of the document in which place number i holds option `order[i]`."""
    made = copy.deepcopy(dict(content))
    texts = options(content, where)
    moves = sorted(zip(where, order, strict=True), key=lambda move: move[0].start, reverse=True)
    for place, number in moves:
        *parents, last = place.path
        holder: Any = _at(made, parents)
        before = holder[last]
        end = len(before) if place.end is None else place.end
        holder[last] = before[: place.start] + texts[number] + before[end:]
    return made


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        value = value[key]
    return value


def _texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in a document, in lists and mappings too."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(one, (*path, key))
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            yield from _texts(one, (*path, number))


def _planted(content: Content) -> dict[str, Any]:
    made = copy.deepcopy(dict(content))
    for number, (path, text) in enumerate(list(_texts(content))):
        *parents, last = path
        holder: Any = _at(made, parents)
        if not isinstance(holder, tuple):
            holder[last] = f"{_OPEN}{number}{_CLOSE}{text}"
    return made


def _scored(options: Sequence[str], shown: str) -> list[int]:
    """The marks of options that are scored and stand in the prompt, too."""
    found = [_MARK.findall(option) for option in options]
    numbers = [int(one[0]) for one in found if len(one) == 1]
    seen = {int(number) for number in _MARK.findall(shown)}
    fit = len(set(numbers)) == len(options) > 1 and seen.issuperset(numbers)
    return numbers if fit else []


def _labelled(labels: Sequence[str], shown: str) -> list[int]:
    """The marks behind labels that are scored, as in `A. text`."""
    numbers: list[int] = []
    for label in labels:
        written = _LABEL.format(re.escape(label))
        behind = re.findall(rf"(?<!\w){written}\s*{_MARK.pattern}", shown) if label else ()
        if len(behind) != 1:
            return []
        numbers.append(int(behind[0]))
    return numbers if len(set(numbers)) == len(labels) > 1 else []


def _lines(labels: Sequence[str], content: Content, shown: str) -> tuple[Place, ...]:
    """Labelled lines, one below the other, of a text that stands in the prompt."""
    seen = {int(number) for number in _MARK.findall(shown)}
    if len(labels) < 2 or not all(labels):  # noqa: PLR2004 - one option has no order
        return ()
    lines = (rf"[ \t]*[(\[<]?{_LABEL.format(re.escape(label))}[ \t]+(\S[^\n]*?)[ \t]*" for label in labels)
    run = re.compile(r"(?:\A|(?<=\n))" + r"\n".join(lines) + r"(?=\n?\Z|\n\s*\n|\n[^\n:]*:)")
    for number, (path, text) in enumerate(_texts(content)):
        match = run.search(text) if number in seen else None
        if match is not None:
            return tuple(Place(path, match.start(i), match.end(i)) for i in range(1, len(labels) + 1))
    return ()
