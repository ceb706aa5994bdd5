"""Text perturbations of a task: of the query, of the few-shot examples, of the instruction.

Layer: tasks; talks to lm-eval task objects.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from harness.perturbations import protect
from harness.records import Measurement, Sample, Unsupported
from harness.tasks import fields, instruction
from harness.tasks.change import Change
from harness.tasks.documents import canonical, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.perturbations.edits import Edit
    from harness.perturbations.spec import Perturbation
    from harness.tasks.load import Loaded
    from harness.tasks.prompts import Document
    from harness.tasks.spec import Task

Content = dict[str, Any]

_KEYS_OF_EXAMPLE = "example {}: {}"


@final
@dataclass(kw_only=True)
class _Made:
    """What was done for one document: texts before and after, edits by field, and whether there was a place for any."""

    applicable: bool = False
    edits: dict[str, tuple[Edit, ...]] = field(default_factory=dict[str, "tuple[Edit, ...]"])
    before: list[str] = field(default_factory=list[str])
    after: list[str] = field(default_factory=list[str])

    @property
    def changed(self) -> bool:
        return self.before != self.after


@final
class Editing(Change):
    """Edits the texts of a task's documents.

    Args:
        spec: the task.
        perturbation: what is done to a text, and to which part of the prompt.
        count: tokens of a text under the model that is asked; None where nobody knows.
    """

    def __init__(self, spec: Task, perturbation: Perturbation, count: Callable[[str], int] | None) -> None:
        self._spec, self._perturbation, self._count = spec, perturbation, count
        self._fields: dict[str, tuple[str, ...]] = {}
        self._made: dict[tuple[str, str], _Made] = defaultdict(_Made)
        self._instruction = _Made()

    def task(self, loaded: Loaded) -> Loaded:
        """Finds the fields of the query; edits the instruction where that is in scope.

        Raises:
            Unsupported: the task has no text of that kind.
        """
        contents: list[Any] = list(loaded.task.task_docs)
        if self._edits("query") or self._edits("demonstrations"):
            self._fields[loaded.name] = fields.query_fields(loaded, contents)
        if not self._edits("instruction"):
            return loaded
        found = instruction.texts(loaded)
        if not found and self._perturbation.scope == "instruction":
            raise Unsupported(f"task {loaded.name}: it has no instruction to perturb, only fields of its documents")
        edited = {text: self._instructed(loaded, text, number) for number, text in enumerate(found)}
        return instruction.replaced(loaded, edited)

    def document(self, document: Document) -> Document:
        """The document with its query edited; as it is where an edit would change its options or its answer."""
        made = self._made[document.loaded.name, document.item_id]
        if not self._edits("query"):
            return document
        content = self._edited(document.loaded, document.content, document.item_id, made, label="{}")
        return dataclasses.replace(document, content=content, clean=document.content)

    def examples(self, document: Document, chosen: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """The examples edited, each as its content decides: before every document in the same way."""
        if not self._edits("demonstrations"):
            return chosen
        made = self._made[document.loaded.name, document.item_id]
        return [
            self._edited(document.loaded, one, digest(canonical(one)), made, label=f"example {number}: {{}}")
            for number, one in enumerate(chosen, start=1)
        ]

    def sample(self, sample: Sample, document: Document) -> Sample:
        """The sample with its edits and how many there were."""
        made, told = self._made[document.loaded.name, document.item_id], self._instruction
        edits = {name: [list(edit) for edit in edits] for name, edits in {**made.edits, **told.edits}.items() if edits}
        noted = {
            "changed": float(made.changed or told.changed),
            "applicable": float(made.applicable or told.applicable),
            "edits": float(sum(map(len, edits.values()))),
        }
        before, after = [*made.before, *told.before], [*made.after, *told.after]
        if self._count is not None and before:
            noted["query_tokens"] = float(sum(map(self._count, after)))
            noted["clean_query_tokens"] = float(sum(map(self._count, before)))
        text = json.dumps(edits, ensure_ascii=False) if edits else ""
        return dataclasses.replace(sample, metrics={**sample.metrics, **noted}, edits=text)

    def cautions(self) -> tuple[str, ...]:
        """Whether there was anything to edit at all."""
        if self._instruction.applicable or any(made.applicable for made in self._made.values()):
            return ()
        return (
            f"{self._perturbation.name} found nothing to edit in any document: the scores are those of clean input.",
        )

    def measurements(self, samples: Sequence[Sample]) -> tuple[Measurement, ...]:
        """Shares of documents that were changed or could be, and the token inflation."""
        n = len(samples)
        found = [
            Measurement(metric=name, value=sum(s.metrics[name] for s in samples) / n, n=n)
            for name in ("changed", "applicable")
        ]
        before = sum(s.metrics.get("clean_query_tokens", 0.0) for s in samples)
        if before:
            after = sum(s.metrics["query_tokens"] for s in samples if "query_tokens" in s.metrics)
            found.append(Measurement(metric="token_inflation", value=after / before, n=n))
        return tuple(found)

    def _edits(self, part: str) -> bool:
        return self._perturbation.scope in {part, "all"}

    def _edited(self, loaded: Loaded, content: Mapping[str, Any], key: str, made: _Made, *, label: str) -> Content:
        """`content` after the edits, which are noted in `made` under names made of `label` and the field."""
        names = [n for n in self._fields[loaded.name] if isinstance(content.get(n), str)]
        result, edits, applicable = dict(content), dict[str, "tuple[Edit, ...]"](), False
        for name in names:
            prepared = fields.source(
                loaded, content, name, language=self._perturbation.language, literals=self._literals(name)
            )
            found = self._perturbation.apply(prepared, document=key, field=name, replicate=self._perturbation.replicate)
            result[name], edits[label.format(name)] = found.text, found.edits
            applicable = applicable or found.applicable
        if self._perturbation.paired:
            result = self._with_references(loaded, content, result, key)
        if not self._fits(loaded, content, result):
            result, edits, applicable = dict(content), {}, False
        made.edits |= edits
        made.applicable = made.applicable or applicable
        made.before += [str(content[n]) for n in names]
        made.after += [str(result[n]) for n in names]
        return result

    def _with_references(self, loaded: Loaded, before: Mapping[str, Any], after: Content, key: str) -> Content:
        """Of another person the answers tell, too: every other text of the document goes by the same mapping."""
        if all(after[n] == before[n] for n in self._fields[loaded.name] if n in before):
            return dict(before)
        done = set(self._fields[loaded.name])
        return {name: value if name in done else self._mapped(value, key) for name, value in after.items()}

    def _mapped(self, value: Any, key: str) -> Any:
        if isinstance(value, str):
            return self._perturbation.apply(value, document=key, replicate=self._perturbation.replicate).text
        if isinstance(value, list):
            return [self._mapped(one, key) for one in value]
        return {k: self._mapped(v, key) for k, v in value.items()} if isinstance(value, dict) else value

    def _fits(self, loaded: Loaded, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        return (fields.sound if self._perturbation.paired else fields.kept)(loaded, before, after)

    def _instructed(self, loaded: Loaded, text: str, number: int) -> str:
        """A literal text of the template after the edits; labels that it names are kept."""
        labels = instruction.labels(loaded)
        prepared = self._perturbation.source(text, protected=protect.strings(text, labels), labels=labels)
        key = f"{loaded.name}, instruction {number}"
        found = self._perturbation.apply(prepared, document=key, replicate=self._perturbation.replicate)
        self._instruction.applicable = self._instruction.applicable or found.applicable
        self._instruction.edits[f"instruction {number + 1}"] = found.edits
        self._instruction.before.append(text)
        self._instruction.after.append(found.text)
        return found.text

    def _literals(self, name: str) -> tuple[str, ...]:
        """What a user's own template put into the prompt, which is one field of the document."""
        data = self._spec.data
        return data.literals() if data is not None and name == "prompt" else ()
