"""Which texts of a document show in its query, and what of them a task protects.

Layer: tasks; talks to lm-eval task objects. A field shows if a mark planted into it does: that holds for Jinja
templates and for Python functions alike.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.perturbations import protect
from harness.perturbations.source import Source
from harness.records import Unsupported
from harness.tasks import listed
from harness.tasks.listed import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.tasks.load import Loaded

_MARK = "\ue0a7"
"""A private-use character, in the middle of a text: whatever templates cut off or strip, they leave it."""

_LOOKED_AT = 8
"""Documents that marks are planted in: optional fields may be empty in one."""

_LEAST = 2
"""Options and references of fewer letters are not looked for: the letter `A` is no word of its own in a question."""

_OPTION_FIELD = re.compile(
    r"(?:option|choice|ending|answer|sol(?:ution)?|distractor|op)_?[0-9a-e]?|[A-Ea-e]|label", re.IGNORECASE
)
"""Names of fields that hold an option, which is the task's and not the question's."""


def query_fields(loaded: Loaded, contents: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Text fields of the documents that show in the query, in the documents' order; options are not among them.

    Args:
        loaded: the task.
        contents: its documents.

    Raises:
        Unsupported: there is none; the line names the fields there are.
    """
    step = max(1, len(contents) // _LOOKED_AT)
    looked_at = [contents[i] for i in range(0, len(contents), step)][:_LOOKED_AT]
    names = list(dict.fromkeys(name for content in looked_at for name in content))
    found = tuple(name for name in names if any(_shows(loaded, content, name) for content in looked_at))
    if not found:
        raise Unsupported(
            f"task {loaded.name}: none of its fields ({', '.join(names) or 'it has none'}) is a text that shows in the "
            "query, so nothing of it can be perturbed"
        )
    return found


def source(
    loaded: Loaded, content: Mapping[str, Any], field: str, *, language: str = "en", literals: Iterable[str] = ()
) -> Source:
    """A field of a document, with what its task protects: options, references and the words of labels.

    Nothing is added at the end of a text that the answer goes on from, as in LAMBADA, nor behind listed options.

    Args:
        loaded: the task.
        content: the document.
        field: name of the field.
        language: whose tables are used.
        literals: texts of the template that stand in the field, as in the prompts of a user's own file.
    """
    text, options = str(content[field]), _options(loaded, content)
    values = [*options, *_references(loaded, content), *literals]
    kept = protect.strings(text, (v for v in values if _LEAST <= len(v.strip()) < len(text)))
    shown = _listed(loaded, content, field)
    labels = [o.strip() for o in options if o.strip().isalpha() and len(o.strip()) >= _LEAST]
    made = Source.of(text, protected=[*kept, *shown], labels=labels, language=language)
    return replace(made, open=bool(shown) or _runs_on(loaded, content))


def kept(loaded: Loaded, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether options and right answer are the same after an edit of fields. Of a text that is scored whole: always."""
    if loaded.task.OUTPUT_TYPE == "loglikelihood_rolling":
        return True
    return _answers(loaded, before) == (found := _answers(loaded, after)) and found is not None


def sound(loaded: Loaded, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a document whose answers were edited, too, still has as many options and the right one in its place."""
    old, new = _answers(loaded, before), _answers(loaded, after)
    if old is None or new is None:
        return False
    (options, target), (others, other) = old, new
    return len(options) == len(others) and (not isinstance(target, int) or target == other)


def query(loaded: Loaded, content: Mapping[str, Any]) -> str:
    """Everything of the document that a model reads before it answers; of a text that is scored whole: that text."""
    task, document = loaded.task, dict(content)
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        return str(task.doc_to_target(document))
    if task.multiple_input:
        return "\n".join(str(one) for one in task.doc_to_choice(document))
    return str(task.doc_to_text(document))


def _listed(loaded: Loaded, content: Mapping[str, Any], field: str) -> list[tuple[int, int]]:
    """Spans of the options that the field lists, behind letters that are scored."""
    if loaded.task.OUTPUT_TYPE != "multiple_choice" or loaded.task.multiple_input:
        return []
    here = [place for place in listed.places(loaded.task, content) if place.path == (field,)]
    return [(place.start, len(str(content[field])) if place.end is None else place.end) for place in here]


def _runs_on(loaded: Loaded, content: Mapping[str, Any]) -> bool:
    """Whether the answer goes on from the text: the query ends neither in a question nor in a word and a colon."""
    if loaded.task.OUTPUT_TYPE == "loglikelihood_rolling":
        return False
    return loaded.task.multiple_input > 0 or query(loaded, content).rstrip()[-1:] not in {":", "?"}


def _shows(loaded: Loaded, content: Mapping[str, Any], name: str) -> bool:
    text = content.get(name)
    if not isinstance(text, str) or not text.strip() or _OPTION_FIELD.fullmatch(name):
        return False
    middle = len(text) // 2
    try:
        return _MARK in query(loaded, {**content, name: text[:middle] + _MARK + text[middle:]})
    except FAULTS:  # A field that is read as a number, a list or a name is no text.
        return False


def _options(loaded: Loaded, content: Mapping[str, Any]) -> list[str]:
    task = loaded.task
    if task.OUTPUT_TYPE != "multiple_choice" or task.multiple_input:
        return []
    return [str(option) for option in task.doc_to_choice(dict(content))]


def _references(loaded: Loaded, content: Mapping[str, Any]) -> list[str]:
    """Answers that are texts: what is scored or expected."""
    if loaded.task.OUTPUT_TYPE == "loglikelihood_rolling":
        return []
    target = loaded.task.doc_to_target(dict(content))
    return [one for one in (target if isinstance(target, list) else [target]) if isinstance(one, str)]


def _answers(loaded: Loaded, content: Mapping[str, Any]) -> tuple[list[str], Any] | None:
    """Options and target; None where the task cannot read the document."""
    task, document = loaded.task, dict(content)
    try:
        target = task.doc_to_target(document)
        if task.multiple_input:
            return [str(task.doc_to_text(document))], target
        return _options(loaded, document), target
    except FAULTS:
        return None
