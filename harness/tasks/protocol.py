"""Tasks with options as lettered lists: the prompts of the protocols `letter` and `generate`, which are the same.

The options stand under the question in an order that is drawn for each document, and the answer is a letter:

    QUESTION
    A. OPTION
    B. OPTION
    Answer:

If the task's own prompt ends in a descriptor such as `Sentiment:`, that one ends it. A task that lists its options
behind letters already keeps its prompt. One whose options are beginnings of the same text (as of Winogrande's blank)
has no question: each option is listed with what follows it. Few-shot examples are asked alike, and answered by their
letter.

Layer: tasks; talks to lm-eval task objects.
"""

from __future__ import annotations

import copy
import dataclasses
import random
import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.records import Unsupported
from harness.tasks import documents, listed
from harness.tasks.option_order import Shifted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.tasks.change import Change
    from harness.tasks.load import Loaded
    from harness.tasks.prompts import Document
    from harness.tasks.spec import Task

INSTRUCTION = "Answer with the letter of one option.\n\n"
STOPS = ("\n\n",)
"""What ends a free answer that follows examples. Without examples, answers may begin with an empty line."""

NEW_TOKENS = 48
"""Most new tokens of a free answer, where the task says nothing."""

_KEY = "order_of_options"
"""Key of a document that holds its order: that of the document before a variation."""

_CUE = re.compile(r"(?:\A|\n[ \t]*|(?<=[.!?\"'])[ \t]+)(?P<cue>[^\W\d_][^\n:.!?]{0,39}:)\Z")


@final
@dataclass(frozen=True, kw_only=True)
class Listing:
    """How a document's options are shown.

    Attributes:
        letters: labels, in order.
        order: `order[place]` is the number of the option that stands there.
        texts: the option that stands in each place.
        prompt: the question with its options.
    """

    letters: tuple[str, ...]
    order: tuple[int, ...]
    texts: tuple[str, ...]
    prompt: str


@final
class Lettered:
    """One task with its options behind letters.

    Args:
        loaded: the task, as a variation has left it.
        spec: how it is asked.
        change: the variation.

    Raises:
        Unsupported: its answers are no options, or the variation orders them itself.
    """

    def __init__(self, loaded: Loaded, spec: Task, change: Change) -> None:
        task = loaded.task
        if task.OUTPUT_TYPE != "multiple_choice":
            raise Unsupported(
                f"task {loaded.name}: its answers are not chosen from options, which protocol={spec.protocol} lists; "
                "use protocol=likelihood"
            )
        if isinstance(change, Shifted):
            raise Unsupported(
                f"task {loaded.name}: protocol={spec.protocol} draws an order of options for every document itself; "
                "vary the order under protocol=likelihood, or read its recall by position"
            )
        self._loaded, self._spec = loaded, spec

    def task(self) -> Loaded:
        """The task whose prompts have the options listed, and whose answers are letters."""
        task, spec, before = self._loaded.task, self._spec, self._loaded.task.fewshot_cfg
        config, changed = copy.copy(task.config), copy.copy(task)
        examples: Any = copy.copy(before)
        changed.multiple_input = 0
        config.doc_to_text = lambda document: self.listing(document).prompt
        config.doc_to_choice = lambda document: list(self.listing(document).letters)
        config.doc_to_target = lambda document: self.listing(document).order.index(_gold(task, document))
        config.description = _described(task)
        config.gen_prefix, config.target_delimiter = None, " "
        examples.doc_to_text, examples.doc_to_choice = config.doc_to_text, config.doc_to_choice
        examples.doc_to_target, examples.gen_prefix, examples.target_delimiter = config.doc_to_target, None, " "
        config.fewshot_config = examples
        changed._config, changed.fewshot_cfg = config, examples  # noqa: SLF001 - `config` has no setter
        if spec.protocol == "generate":
            changed.OUTPUT_TYPE = "generate_until"
            most = spec.max_new_tokens or NEW_TOKENS
            until = list(STOPS) if spec.shots else []
            config.generation_kwargs = {"until": until, "max_gen_toks": most, "temperature": 0.0}
        return dataclasses.replace(self._loaded, task=changed)

    def document(self, document: Document) -> Document:
        """The document with the order that its clean form has, so that variations are paired."""
        order = self._order(document.origin)
        return dataclasses.replace(document, content={**document.content, _KEY: list(order)}, clean=document.origin)

    def listing(self, content: Mapping[str, Any]) -> Listing:
        """How the options of a document are shown.

        Raises:
            ValueError: there are more options than letters.
        """
        task = self._loaded.task
        order = tuple(content[_KEY]) if _KEY in content else self._order(content)
        own = {name: value for name, value in content.items() if name != _KEY}
        where, options = _where(task, own), _options(task, own)
        if len(order) != len(options):  # a variation took an option away
            order = tuple(range(len(options)))
        if where:
            shown = listed.arranged(own, where, order)
            texts = tuple(listed.options(shown, where))
            return Listing(
                letters=tuple(options), order=order, texts=texts, prompt=str(task.doc_to_text(shown)).rstrip()
            )
        if len(options) > len(string.ascii_uppercase):
            raise ValueError(f"{len(options)} options, but there are {len(string.ascii_uppercase)} letters")
        texts, letters = tuple(options[number] for number in order), tuple(string.ascii_uppercase[: len(options)])
        prompt = _under("" if task.multiple_input else str(task.doc_to_text(own)), letters, texts)
        return Listing(letters=letters, order=order, texts=texts, prompt=prompt)

    def _order(self, content: Mapping[str, Any]) -> tuple[int, ...]:
        """An order drawn by the seed and the document; that of the document where options speak of others."""
        task = self._loaded.task
        where, options = _where(task, content), _options(task, content)
        order = list(range(len(options)))
        if not listed.bound(listed.options(content, where) if where else options):
            seed = int(documents.digest(self._spec.seed, documents.canonical(content)), 16)
            random.Random(seed).shuffle(order)  # noqa: S311 - a draw, not a secret
        return tuple(order)


def _options(task: Any, content: Mapping[str, Any]) -> list[str]:
    """The options as texts; beginnings of a text with the end that they share."""
    options = [str(option) for option in task.doc_to_choice(dict(content))]
    if task.multiple_input:
        end = f"{task.config.target_delimiter}{task.doc_to_target(dict(content))}"
        options = [option + end for option in options]
    return [option.strip() for option in options]


def _where(task: Any, content: Mapping[str, Any]) -> tuple[listed.Place, ...]:
    """Where the document holds options that its prompt lists behind labels of one character; empty if it does not."""
    if task.multiple_input:
        return ()
    labels = [str(option).strip() for option in task.doc_to_choice(dict(content))]
    if any(len(label) != 1 for label in labels):
        return ()
    where = listed.places(task, content)
    return where if [text.strip() for text in listed.options(content, where)] != labels else ()


def _under(question: str, letters: Sequence[str], texts: Sequence[str]) -> str:
    question = question.rstrip()
    match = _CUE.search(question)
    cue = match["cue"] if match else "Answer:"
    head = question[: match.start()].rstrip() if match else question
    lines = [f"{letter}. {text}" for letter, text in zip(letters, texts, strict=True)]
    return "\n".join([*([head] if head else []), *lines, cue])


def _gold(task: Any, content: Mapping[str, Any]) -> int:
    """The number of the right option, the first of several."""
    own = {name: value for name, value in content.items() if name != _KEY}
    found = task.doc_to_text(own) if task.multiple_input else task.doc_to_target(own)
    first = found[0] if isinstance(found, list) else found
    options = [str(option).strip() for option in task.doc_to_choice(own)]
    if isinstance(first, int) and 0 <= first < len(options):
        return first
    if str(first).strip() in options:
        return options.index(str(first).strip())
    raise ValueError(f"its answer {first!r} is none of its options")


def _described(task: Any) -> str:
    """The task's description, and below it what kind of answer is wanted."""
    said = str(task.config.description or "").rstrip()
    return f"{said}\n{INSTRUCTION}" if said else INSTRUCTION
