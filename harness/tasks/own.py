"""A user's own JSONL or CSV file as a task, without Python: a prompt template, a target field, choices.

Layer: tasks, light. Stdlib only.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from harness.config import ConfigError, nearest, one_of
from harness.tasks import gold, rows


@final
@dataclass(frozen=True, kw_only=True)
class OwnData:
    """Where a user's documents are, and how one becomes a prompt.

    Attributes:
        file: JSONL, JSON or CSV file, relative to the working directory.
        template: the prompt: `{field}` is replaced by that field of the row; `{{` and `}}` are literal braces.
        target: field with the right answer: one of the choices, or its position from 0, in all rows alike; for
            generation the reference or a list of references. Not needed for language modelling: the template is then
            the text that is scored.
        target_is: `text` or `position`: how a target names its choice; `auto` finds out, and asks where both fit.
        choices: the options: a list of texts, or the field that holds them (a list; in a CSV, separated by `|`).
            None for generation and language modelling.
        train: file with rows to learn from: few-shot examples, and what fine-tuning is given. None: other rows of
            `file` as few-shot examples, and nothing to train on.
        stop: generation ends before the first of these.
        encoding: of both files.
    """

    file: str
    template: str
    target: str = ""
    target_is: str = "auto"
    choices: tuple[str, ...] | list[str] | str | None = None
    train: str | None = None
    stop: tuple[str, ...] | list[str] = ("\n",)
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        for name in ("choices", "stop"):
            value = getattr(self, name)
            if any(isinstance(item, bool) for item in (value if isinstance(value, list | tuple) else [value])):
                raise ValueError(f"{name}={value} has true or false in it; quote them: YAML reads yes/no as true/false")
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(str(item) for item in value))
        one_of(self.target_is, gold.READINGS, field="target_is")
        if not self.file:
            raise ValueError("file must name a JSONL or CSV file")
        if not self.fields():
            raise ValueError("template must hold at least one {field}")
        if isinstance(self.choices, tuple) and (
            len(set(self.choices)) < max(2, len(self.choices)) or not all(choice.strip() for choice in self.choices)
        ):
            raise ValueError(f"choices must be at least two different texts, none empty; has {list(self.choices)}")

    def fields(self) -> tuple[str, ...]:
        """Fields the template uses, in order.

        Raises:
            ValueError: the template is malformed.
        """
        try:
            parts = list(string.Formatter().parse(self.template))
        except ValueError as error:
            raise ValueError(f"template: {error}; a literal brace is written {{{{ or }}}}") from None
        for _, name, spec, conversion in parts:
            if name is not None and (not name.isidentifier() or spec or conversion):
                raise ValueError(f"template: {{{name}}} must be a plain field name such as {{text}}")
        return tuple(dict.fromkeys(name for _, name, _, _ in parts if name))

    def literals(self) -> tuple[str, ...]:
        """Texts of the template that have a letter in them, without the white space around them."""
        pieces = (literal.strip() for literal, *_ in string.Formatter().parse(self.template))
        return tuple(dict.fromkeys(piece for piece in pieces if any(c.isalpha() for c in piece)))

    def documents(self, kind: str) -> list[dict[str, Any]]:
        """The rows of `file` as documents: `prompt`, and `choices` with `gold`, or `target`.

        Raises:
            ConfigError: the first malformed row, as FILE:LINE: field and fault.
        """
        return self.documents_in(self.file, kind)

    def examples(self, kind: str) -> list[dict[str, Any]]:
        """The rows of `train` as documents, those of `file` where there is none. Raises as `documents` does."""
        return self.documents_in(self.train or self.file, kind)

    def documents_in(self, file: str, kind: str) -> list[dict[str, Any]]:
        """The rows of another file of the same kind as documents. Raises as `documents` does."""
        found = rows.read(Path(file).expanduser(), encoding=self.encoding)
        self._check_fields(file, found, kind)
        documents = [self._document(row, file, kind) for row in found]
        if kind in {"classification", "multiple_choice"}:
            pairs = zip(found, documents, strict=True)
            questions = [self._question(row, document["choices"], f"{file}:{row.line}") for row, document in pairs]
            for document, right in zip(documents, gold.golds(questions, self.target_is), strict=True):
                document["gold"] = right
        return documents

    def _check_fields(self, file: str, found: list[rows.Row], kind: str) -> None:
        """A field that no row has is a fault of the configuration, not of a row."""
        known = {name for row in found for name in row.fields}
        wanted = dict.fromkeys(self.fields(), "template")
        if kind != "language_modelling" or self.target:
            wanted[self.target] = "target"
        if isinstance(self.choices, str):
            wanted[self.choices] = "choices"
        for name, where in wanted.items():
            if name not in known:
                raise ConfigError(f"{file}: {where} uses field {name!r}, which no row has: {nearest(name, known)}")

    def _document(self, row: rows.Row, file: str, kind: str) -> dict[str, Any]:
        where = f"{file}:{row.line}"
        values = {name: _text(_value(row, name, where), name, where) for name in self.fields()}
        document: dict[str, Any] = {"prompt": self.template.format_map(values)}
        if kind in {"classification", "multiple_choice"}:
            document["choices"] = self._options(row, where)
        elif self.target:
            document["target"] = self._references(row, where)
        return document

    def _options(self, row: rows.Row, where: str) -> list[str]:
        if not isinstance(self.choices, str):
            return list(self.choices or ())
        value = _value(row, self.choices, where)
        options = value.split("|") if isinstance(value, str) else value
        if not isinstance(options, list) or len(options) <= 1:
            raise ConfigError(f"{where}: field {self.choices!r} must list at least two choices, has {value!r}")
        texts = [str(option).strip() for option in options]
        if not all(texts):
            raise ConfigError(f"{where}: field {self.choices!r} has an empty choice: {value!r}")
        return texts

    def _question(self, row: rows.Row, options: list[str], where: str) -> gold.Question:
        return gold.Question(where=where, field=self.target, value=_value(row, self.target, where), options=options)

    def _references(self, row: rows.Row, where: str) -> list[str]:
        value = _value(row, self.target, where)
        texts = [_text(item, self.target, where) for item in (value if isinstance(value, list) else [value])]
        if not texts or not all(texts):
            raise ConfigError(f"{where}: field {self.target!r} is empty")
        return texts


def _value(row: rows.Row, name: str, where: str) -> Any:
    if name not in row.fields:
        raise ConfigError(f"{where}: field {name!r} is missing; the row has {', '.join(row.fields) or 'none'}")
    if row.fields[name] is None:
        raise ConfigError(f"{where}: field {name!r} is null")
    return row.fields[name]


def _text(value: Any, name: str, where: str) -> str:
    if isinstance(value, Mapping | list):
        raise ConfigError(f"{where}: field {name!r} is a {type(value).__name__}, a text or number is needed")
    return str(value)
