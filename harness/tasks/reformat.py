"""A task in another prompt format: its own template, and that of its few-shot examples.

Layer: tasks; imports lm_eval.
"""

from __future__ import annotations

import copy
import dataclasses
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from lm_eval import utils

from harness.records import Unsupported
from harness.tasks import formats, layout
from harness.tasks.change import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness.tasks.formats import Format
    from harness.tasks.load import Loaded

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
"""Unicode's noncharacters, which no text holds: they stand around the texts of a template."""
_LOOKED_AT = 500
"""Documents that are searched for what all have alike."""
_ATTEMPTS = 200


@final
@dataclass(frozen=True)
class _Template:
    """How one text of a document is made, and what may be rewritten in it."""

    prompt: Callable[[Mapping[str, Any]], layout.Prompt]
    known: layout.Known

    def text(self, document: Mapping[str, Any], form: Format) -> str:
        prompt = self.prompt(document)
        return layout.rewritten(prompt, layout.marks(prompt, self.known), form)


@final
class Reformatted(Change):
    """Writes the prompts of a task in another format.

    The format is the first of its draws that the task can use: the prompt differs from the task's own and from those of
    all formats of a lower number, and no stop string of the task lies between its descriptor and its answer.

    Args:
        wanted: the format.
        seed: that it was drawn from.
        number: which of that seed's formats it is.
        own: a user's own template, which the documents were made with; None for any other task.
    """

    def __init__(self, wanted: Format, *, seed: int, number: int, own: str | None = None) -> None:
        self._wanted, self._seed, self._number, self._own = wanted, seed, number, own
        self._others: dict[str, Format] = {}

    def task(self, loaded: Loaded) -> Loaded:
        """The task with both templates in the format.

        Raises:
            Unsupported: its prompts are made by a function, or have neither descriptors nor listed options.
        """
        template = self._template(loaded, loaded.task.config.doc_to_text)
        form = self._usable(loaded, template)
        if form != self._wanted:
            self._others[loaded.name] = form
        config, examples = copy.copy(loaded.task.config), loaded.task.fewshot_cfg
        theirs = examples.doc_to_text
        same = theirs is None or theirs == config.doc_to_text
        text = _renderer(template, form)
        changes: dict[str, Any] = {"doc_to_text": text if same else _renderer(self._template(loaded, theirs), form)}
        config.doc_to_text = text
        if self._ends(loaded, template):
            config.target_delimiter = changes["target_delimiter"] = form.blank
        config.fewshot_config = dataclasses.replace(examples, **changes)
        config.generation_kwargs = _stops(config, form)
        task = copy.copy(loaded.task)
        task._config, task.fewshot_cfg = config, config.fewshot_config  # noqa: SLF001 - `config` has no setter
        return dataclasses.replace(loaded, task=task)

    def cautions(self) -> tuple[str, ...]:
        """Where another format than the wanted one was used."""
        found: dict[Format, list[str]] = {}
        for name, form in self._others.items():
            found.setdefault(form, []).append(name)
        return tuple(
            f"Prompt format {self._number + 1} is another one on {names[0]}"
            + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            + ", where the one of all tasks cannot be told from others or would stop answers: casing "
            f"{form.casing}, separator {form.separator!r}, space {form.space!r}, items {form.wrapper!r}."
            for form, names in found.items()
        )

    def _template(self, loaded: Loaded, template: Any) -> _Template:
        task = loaded.task
        if task.OUTPUT_TYPE == "loglikelihood_rolling":
            raise Unsupported(f"task {loaded.name}: whole texts are scored, without a prompt: no other format")
        if task.prompt is not None or task.multiple_input or not isinstance(template, str):
            raise Unsupported(
                f"task {loaded.name}: its prompts are made by a function, not by a template of texts: no other format"
            )
        make = _reader(task, template)
        known = layout.shared(_sampled(task, make)) if self._own is None else layout.named(_of_own(self._own))
        made = _Template(make, known)
        first = make(task.task_docs[0])
        if not layout.marks(first, known):
            raise Unsupported(
                f"task {loaded.name}: its template {template!r} has no descriptor such as `Question:` and lists no "
                "options: no other format"
            )
        return made

    def _usable(self, loaded: Loaded, template: _Template) -> Format:
        config, first = loaded.task.config, loaded.task.task_docs[0]
        ends = self._ends(loaded, template)
        stops = _listed(config) if ends and loaded.task.OUTPUT_TYPE == "generate_until" else []
        seen = {(template.prompt(first).text, config.target_delimiter if ends else "")}
        found: Format | None = None
        for number in range(self._number + 1):
            for form in self._candidates(number):
                key = (template.text(first, form), form.blank if ends else "")
                found = form if key not in seen and not any(stop in form.blank for stop in stops) else None
                if found is not None:
                    seen.add(key)
                    break
        if found is None:
            raise Unsupported(f"task {loaded.name}: fewer than {self._number + 1} other formats differ on its template")
        return found

    def _candidates(self, number: int) -> Iterator[Format]:
        for attempt in range(_ATTEMPTS):
            wanted = number == self._number and attempt == 0
            yield self._wanted if wanted else formats.draw(self._seed, number, attempt)

    @staticmethod
    def _ends(loaded: Loaded, template: _Template) -> bool:
        """Whether an answer behind a delimiter follows a descriptor; a last word to be scored brings its own space."""
        first, task = template.prompt(loaded.task.task_docs[0]), loaded.task
        delimited = task.OUTPUT_TYPE != "loglikelihood" and not task.config.gen_prefix
        return delimited and layout.closed(first, layout.marks(first, template.known))


def _renderer(template: _Template, form: Format) -> Callable[[Mapping[str, Any]], str]:
    return lambda document: template.text(document, form)


def _reader(task: Any, template: str) -> Callable[[Mapping[str, Any]], layout.Prompt]:
    """What makes a document's prompt, and knows the template's part in it."""
    if template in task.features:
        return lambda document: layout.Prompt(str(document[template]))
    pieces = ((kind, text) for _, kind, text in utils.env.lex(template))
    marked = "".join(f"{_OPEN}{text}{_CLOSE}" if kind == "data" else text for kind, text in pieces)
    compiled = utils.env.from_string(marked)
    return lambda document: _read(compiled.render(**document))


def _read(rendered: str) -> layout.Prompt:
    text, literals = "", list[tuple[int, int]]()
    for part in rendered.split(_OPEN):
        literal, closes, content = part.partition(_CLOSE)
        if closes:
            literals.append((len(text), len(text) + len(literal)))
        text += literal + content
    return layout.Prompt(text, tuple(literals))


def _of_own(template: str) -> layout.Prompt:
    """The template of a user's own file, with a mark in the place of each field."""
    text, literals = "", list[tuple[int, int]]()
    for literal, name, *_ in string.Formatter().parse(template):
        literals.append((len(text), len(text) + len(literal)))
        text += literal + ("" if name is None else _OPEN)
    return layout.Prompt(text, tuple(literals))


def _sampled(task: Any, make: Callable[[Mapping[str, Any]], layout.Prompt]) -> list[layout.Prompt]:
    documents = task.task_docs
    step = max(1, len(documents) // _LOOKED_AT)
    return [make(documents[place]) for place in range(0, len(documents), step)]


def _listed(config: Any) -> list[str]:
    """The stop strings of a task whose answers are generated."""
    until = (config.generation_kwargs or {}).get("until") or []
    return [stop for stop in ([until] if isinstance(until, str) else until) if stop]


def _stops(config: Any, form: Format) -> dict[str, Any] | None:
    """Generation arguments; a stop string that is a descriptor of the task also stops in the new format."""
    if config.output_type != "generate_until":
        return config.generation_kwargs
    stops = _listed(config)
    written = [layout.Prompt(stop, ((0, len(stop)),)) for stop in stops]
    words = [mark.text for prompt in written for mark in layout.marks(prompt, layout.Known())]
    more = [f"\n{form.descriptor(one)}{form.visible}" for one in words]
    return {**config.generation_kwargs, "until": [*stops, *more]}
