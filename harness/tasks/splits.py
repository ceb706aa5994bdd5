"""A task's training split -> examples: the very strings that scoring compares, and none of the evaluated documents.

Layer: tasks; talks to lm-eval task objects.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from harness.records import Unsupported
from harness.tasks import documents, fields, rows, run, score, training_split
from harness.tasks.load import load, table
from harness.tasks.prompts import Document, Prompter
from harness.tasks.templates import compiled_once
from harness.training.examples import Data, Example

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Progress
    from harness.tasks.load import Loaded
    from harness.tasks.training_split import TrainingSplit
    from harness.training.settings import Training

DEV = "dev"
"""Seed of the held-out documents: they are the same whatever is trained on, and with whatever seed."""

Content = dict[str, Any]


@final
@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What a training is given.

    Attributes:
        data: the examples.
        facts: where they come from, as small JSON values.
    """

    data: Data
    facts: Mapping[str, Any]


def data(split: TrainingSplit, training: Training, progress: Progress) -> Learnt:
    """The examples of a training.

    Smaller sets are within larger ones of the same seed, and every label has its share of each. A document whose query
    is that of an evaluated one, or of one in the dev split, is never among the training documents.

    Args:
        split: of which task.
        training: how many, drawn with which seed.
        progress: told how far it is.

    Raises:
        ValueError: one line: the task has no such split, too few documents, or no answers to learn.
    """
    with compiled_once():
        loaded = _loaded(split, progress)
        found = _Parts.of(split, loaded)
        dev, rest = _dev(found, training, loaded)
        train = _chosen(rest, split, training)
        spans = _Spans(loaded, found.train)
        prompter = Prompter(loaded, split.task)
        made = [_examples(part, prompter, spans, progress) for part in (train, dev)]
    labels = _labels(made)
    examples = [tuple(one for one, _ in part) for part in made]
    facts = {
        "training_split": found.name,
        "dev_split": found.dev_name if found.dev else "held out of the training split" if dev else "none",
        "training_available": len(found.train),
        "dropped_as_evaluated": found.dropped,
    }
    return Learnt(data=Data(name=split.name, train=examples[0], dev=examples[1], labels=labels), facts=facts)


@final
@dataclass(frozen=True, kw_only=True)
class _Parts:
    """The documents of both splits, without those that are evaluated."""

    name: str
    train: list[Document]
    dev_name: str
    dev: list[Document]
    dropped: int

    @classmethod
    def of(cls, split: TrainingSplit, loaded: Loaded) -> _Parts:
        evaluated = {_query(one) for one in run.documents_of(loaded)}
        name, contents = _training(split, loaded)
        dev_name, watched = _watched(split, loaded)
        dev = [one for one in _documents(loaded, watched) if _query(one) not in evaluated]
        taken = evaluated | {_query(one) for one in dev}
        every = _documents(loaded, contents)
        train = [one for one in every if _query(one) not in taken]
        if not train:
            why = "has no rows" if not every else "holds only documents that are evaluated"
            raise ValueError(f"task {split.name} cannot be trained on: its training split {name!r} {why}")
        return cls(name=name, train=train, dev_name=dev_name, dev=dev, dropped=len(every) - len(train))


def _loaded(split: TrainingSplit, progress: Progress) -> Loaded:
    parts = load(split.task, progress)
    if len(parts) != 1:
        raise ValueError(f"task {split.name} cannot be trained on: it is a group of {len(parts)} tasks, not one")
    kind = parts[0].task.OUTPUT_TYPE
    if kind not in {"multiple_choice", "generate_until"}:
        raise ValueError(
            f"task {split.name} cannot be trained on: a task of output type {kind} has no answers to learn"
        )
    return parts[0]


def _training(split: TrainingSplit, loaded: Loaded) -> tuple[str, list[Content]]:
    """Name and rows of the training split."""
    task = loaded.task
    if split.data is not None:
        return "train", _of_data(loaded, "train", split)
    if split.train and training_split.is_file(split.train):
        return Path(split.train).name, _of_file(loaded, split.train)
    name = split.train or training_split.train_split(vars(task.config))
    if name:
        return name, _of_data(loaded, name, split)
    if task.has_training_docs():
        return "its own", [dict(row) for row in task.training_docs()]
    raise ValueError(f"task {split.name} has no training split: set task.{split.name}.train")


def _watched(split: TrainingSplit, loaded: Loaded) -> tuple[str, list[Content]]:
    """Name and rows of the dev split; none where the task has none of its own."""
    if split.dev and split.data is not None:
        file = str(training_split.located(split.dev))
        found = split.task.data.documents_in(file, split.kind)
        return Path(split.dev).name, found
    if split.dev and training_split.is_file(split.dev):
        return Path(split.dev).name, _of_file(loaded, split.dev)
    name = split.dev or training_split.dev_split(vars(loaded.task.config))
    return (name, _of_data(loaded, name, split)) if name else ("", [])


def _of_data(loaded: Loaded, name: str, split: TrainingSplit) -> list[Content]:
    known: Any = loaded.task.dataset
    if name not in known:
        raise ValueError(f"task {split.name}: its data have no split {name!r}; there are {', '.join(map(str, known))}")
    return _processed(loaded, known[name])


def _of_file(loaded: Loaded, file: str) -> list[Content]:
    path = training_split.located(file)
    return _processed(loaded, table([row.fields for row in rows.read(path)], path.name))


def _processed(loaded: Loaded, found: Any) -> list[Content]:
    process = loaded.task.config.process_docs
    return [dict(row) for row in (found if process is None else process(found))]


def _documents(loaded: Loaded, contents: Sequence[Content]) -> list[Document]:
    ids = documents.item_ids(contents)
    return [
        Document(loaded=loaded, index=index, content=content, item_id=key)
        for index, (content, key) in enumerate(zip(contents, ids, strict=True))
    ]


def _query(document: Document) -> str:
    return fields.query(document.loaded, document.content)


def _dev(found: _Parts, training: Training, loaded: Loaded) -> tuple[list[Document], list[Document]]:
    """The dev documents, and those that may be learnt: none with the same query as a dev document."""
    every = found.dev or found.train
    if not training.n_dev:
        return list(found.dev), found.train
    if not found.dev and training.n_dev >= len(found.train):
        raise ValueError(
            f"task {loaded.name}: n_dev={training.n_dev} of its {len(found.train)} training documents leaves none"
        )
    dev = _subset(every, training.n_dev, DEV)
    if found.dev:
        return dev, found.train
    taken = {_query(one) for one in dev}
    return dev, [one for one in found.train if _query(one) not in taken]


def _chosen(rest: Sequence[Document], split: TrainingSplit, training: Training) -> list[Document]:
    wanted = training.n_train
    if wanted is not None and wanted > len(rest):
        raise ValueError(
            f"task {split.name}: n_train={wanted}, but there are {len(rest)} documents to train on: lower it, or "
            "n_train=null for all of them"
        )
    return _subset(rest, wanted, training.seed)


def _subset(every: Sequence[Document], limit: int | None, seed: int | str) -> list[Document]:
    strata = [score.label(one) if one.loaded.task.OUTPUT_TYPE == "multiple_choice" else "" for one in every]
    chosen = documents.subset([one.item_id for one in every], limit=limit, seed=seed, strata=strata)
    return [every[position] for position in chosen]


Made = list[tuple[Example, tuple[str, ...]]]
"""Examples, each with all its possible answers; none where they are free text."""


def _examples(part: Sequence[Document], prompter: Prompter, spans: _Spans, progress: Progress) -> Made:
    step, made = max(1, len(part) // 100), Made()
    for done, document in enumerate(part):
        if done % step == 0:
            progress("building training examples", done, len(part))
        made.append(_example(document, prompter, spans))
    return made


def _example(document: Document, prompter: Prompter, spans: _Spans) -> tuple[Example, tuple[str, ...]]:
    instances: list[Any] = prompter.requests(document)
    task = document.loaded.task
    if task.OUTPUT_TYPE != "multiple_choice":
        prompt = str(instances[0].args[0])
        answer = (score.references(document) or ("",))[0]
        delimiter = str(task.config.target_delimiter or "")
        return _made(document, prompt, f"{delimiter}{answer}", spans), ()
    number = len(task.doc_to_choice(document.content))
    gold = _gold(document, number)
    prompt, answer = instances[gold].args
    answers = tuple(str(one.args[1]) for one in instances[:number])
    return _made(document, prompt, answer, spans), () if task.multiple_input else answers


def _made(document: Document, prompt: str, answer: str, spans: _Spans) -> Example:
    return Example(prompt=prompt, answer=answer, text=spans.text(document, prompt), item_id=document.item_id)


def _gold(document: Document, number: int) -> int:
    """The number of the right option.

    Raises:
        ValueError: there is none, or more than one.
    """
    task, content = document.loaded.task, document.content
    found = task.doc_to_text(content) if task.multiple_input else task.doc_to_target(content)
    if isinstance(found, list) and len(found) == 1:
        (found,) = found
    if isinstance(found, str):
        options = task.doc_to_choice(content)
        found = options.index(found) if found in options else found
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < number:
        raise ValueError(
            f"task {document.loaded.name}: training document {document.index}: its answer {found!r} is none of its "
            f"{number} options"
        )
    return found


def _labels(made: Sequence[Made]) -> tuple[str, ...]:
    """The possible answers, where all documents have the same ones in the same order; else none."""
    kinds = {answers for part in made for _, answers in part}
    return next(iter(kinds)) if len(kinds) == 1 else ()


@final
class _Spans:
    """Which part of a prompt the document brings: the longest field that shows in it.

    What all documents have in common at the beginning and the end of that field is the task's: where the whole prompt
    is one field, as in a user's own file, augmentation would otherwise edit the question.
    """

    def __init__(self, loaded: Loaded, every: Sequence[Document]) -> None:
        self._name, self._first, self._last = "", 0, 0
        contents = [one.content for one in every]
        try:
            names = fields.query_fields(loaded, contents)
        except Unsupported:
            return
        self._name = max(names, key=lambda name: sum(len(str(content.get(name, ""))) for content in contents))
        texts = [str(content.get(self._name, "")) for content in contents]
        if len(set(texts)) > 1:
            self._first = _common(texts)
            self._last = _common([text[::-1] for text in texts])

    def text(self, document: Document, prompt: str) -> str:
        """The part of `prompt` that may be edited; empty where it is not known."""
        whole = str(document.content.get(self._name, "")) if self._name else ""
        part = whole[self._first : len(whole) - self._last]
        return part if part.strip() and part in prompt else ""


def _common(texts: Sequence[str]) -> int:
    """Characters that all texts begin with, up to the last white space among them: words are not cut."""
    first, last = min(texts), max(texts)
    alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return max((number for number, (letter, _) in enumerate(alike, start=1) if letter.isspace()), default=0)
