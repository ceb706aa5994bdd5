"""Which option of a row is the right one: named by its text or by its position, decided once for a whole file.

Layer: tasks, light. Stdlib only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

READINGS = ("auto", "text", "position")
"""What `OwnData.target_is` may be."""


@final
@dataclass(frozen=True, kw_only=True)
class Question:
    """The target of one row beside its options.

    Attributes:
        where: FILE:LINE of the row.
        field: name of the target's field.
        value: what it holds.
        options: texts of the options.
    """

    where: str
    field: str
    value: Any
    options: Sequence[str]


def golds(questions: Sequence[Question], target_is: str) -> list[int]:
    """The position of each right option, from 0.

    `auto` reads targets as texts where every one is among its options, else as positions where every one can be.

    Raises:
        ConfigError: a target fits no option, or all are both texts and positions and the two readings differ.
    """
    readings = {"text": by_text, "position": by_position}
    if target_is != "auto":
        return _read(questions, readings[target_is])
    texts, positions = ([read(one) for one in questions] for read in readings.values())
    unsettled = None not in texts and None not in positions
    for one, text, position in zip(questions, texts, positions, strict=True):
        if text is None and position is None:
            raise _unfit(one)
        if unsettled and text != position:
            raise ConfigError(
                f"{one.where}: field {one.field!r} is {_shown(one)}, a choice and the position of another, and every "
                "row's is a choice and a position: set data.target_is=text or data.target_is=position"
            )
    return _read(questions, by_position if None in texts and None not in positions else by_text)


def by_text(question: Question) -> int | None:
    """The first option that the target's text equals, or None."""
    value, options = question.value, list(question.options)
    text = json.dumps(value) if isinstance(value, bool) else str(value).strip()
    return options.index(text) if text in options else None


def by_position(question: Question) -> int | None:
    """The option at the target's position, or None."""
    text = "" if isinstance(question.value, bool) else str(question.value).strip()
    position = int(text) if text.isascii() and text.isdecimal() else -1
    return position if 0 <= position < len(question.options) else None


def _read(questions: Sequence[Question], read: Callable[[Question], int | None]) -> list[int]:
    found: list[int] = []
    for one in questions:
        position = read(one)
        if position is None:
            raise _unfit(one)
        found.append(position)
    return found


def _unfit(one: Question) -> ConfigError:
    line = f"{one.where}: field {one.field!r} is {_shown(one)}, not among the choices {', '.join(one.options)}"
    mixed = by_text(one) is not None or by_position(one) is not None
    return ConfigError(f"{line}; a file's targets are all texts or all positions from 0" if mixed else line)


def _shown(one: Question) -> str:
    return json.dumps(one.value, ensure_ascii=False)
