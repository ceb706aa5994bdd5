"""The words of a task's prompt that stand in its recipe and not in its documents.

Layer: tasks; talks to lm-eval task objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lm_eval import utils

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.tasks.load import Loaded

_LITERAL = "data"
"""What Jinja calls the text between its tags."""


def texts(loaded: Loaded) -> tuple[str, ...]:
    """Literal texts with words in them, of description and template, in the order of the prompt."""
    task = loaded.task
    found = [text for template in _templates(task) for kind, text in _pieces(template) if kind == _LITERAL]
    return tuple(dict.fromkeys(text for text in found if any(c.isalpha() for c in text)))


def labels(loaded: Loaded) -> list[str]:
    """Words among the options of the first document, which an instruction may name."""
    task = loaded.task
    if task.OUTPUT_TYPE != "multiple_choice" or task.multiple_input:
        return []
    return [o for option in task.doc_to_choice(dict(task.task_docs[0])) if (o := str(option).strip()).isalpha()]


def replaced(loaded: Loaded, edited: Mapping[str, str]) -> Loaded:
    """The task with every literal text in `edited` replaced, in its own template and that of its examples."""
    return rewritten(loaded, lambda text: edited.get(text, text))


def rewritten(loaded: Loaded, edit: Callable[[str], str]) -> Loaded:
    """The task with every literal text of description and template as `edit` makes it."""
    task = loaded.task
    for holder, name in _holders(task):
        template = getattr(holder, name)
        if _is_template(task, template):
            new = "".join(edit(text) if kind == _LITERAL else text for kind, text in _pieces(template))
            setattr(holder, name, new)
    return loaded


def _templates(task: Any) -> list[str]:
    found = [getattr(holder, name) for holder, name in _holders(task)[:2]]
    return [template for template in found if _is_template(task, template)]


def _holders(task: Any) -> list[tuple[Any, str]]:
    return [(task.config, "description"), (task.config, "doc_to_text"), (task.fewshot_cfg, "doc_to_text")]


def _is_template(task: Any, template: Any) -> bool:
    """A Jinja template; not a function, nor the bare name of a field."""
    return isinstance(template, str) and bool(template) and template not in task.features


def _pieces(template: str) -> list[tuple[str, str]]:
    """The template cut into literal texts and tags; joined they are the template again."""
    environment: Any = utils.env  # a default environment would drop a line break at the end
    return [(kind, text) for _, kind, text in environment.lex(template)]
