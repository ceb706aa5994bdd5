"""Documents -> requests, with few-shot examples that depend on nothing but the document, the seed and the pool.

Layer: tasks; talks to lm-eval task objects.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import jinja2

from harness.tasks.documents import Pool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lm_eval.api.instance import Instance

    from harness.tasks.change import Change
    from harness.tasks.load import Loaded
    from harness.tasks.spec import Task


@final
@dataclass(frozen=True, kw_only=True)
class Document:
    """One document of a task.

    Attributes:
        loaded: the task it belongs to.
        index: its position in the task's split.
        content: its fields.
        item_id: hash of its content; where a variation changed the document, of what it was before.
        clean: its fields before a variation changed them; None where none did.
    """

    loaded: Loaded
    index: int
    content: dict[str, Any]
    item_id: str
    clean: dict[str, Any] | None = None

    @property
    def origin(self) -> dict[str, Any]:
        """The fields as the data set has them: draws depend on nothing else."""
        return self.content if self.clean is None else self.clean


@final
@dataclass(frozen=True)
class _Examples:
    """What lm-eval asks for few-shot examples: the ones drawn for one document."""

    chosen: Sequence[Mapping[str, Any]]

    def sample(self, n: int, eval_doc: Any = None, df: Any = None) -> Sequence[Mapping[str, Any]]:
        """The examples; there are `n` of them, and `eval_doc` is not among them."""
        del n, eval_doc, df
        return self.chosen


@final
@dataclass(frozen=True)
class _Changed:
    """A sampler whose examples a variation changes."""

    theirs: Any
    change: Change
    document: Document

    def sample(self, n: int, eval_doc: Any = None, df: Any = None) -> Sequence[Mapping[str, Any]]:
        """What the sampler gives, changed. It leaves the document out that is equal to `eval_doc`: the one before."""
        origin = None if eval_doc is None else self.document.origin
        return self.change.examples(self.document, self.theirs.sample(n=n, eval_doc=origin, df=df))


@final
class Prompter:
    """Builds the requests of the documents of one task.

    Attributes:
        how: how examples are chosen: `none`, `per document` (drawn, seeded by the document), `first_n` or another
            sampler that the YAML names, or `listed` (the first of those the YAML lists).
    """

    def __init__(self, loaded: Loaded, spec: Task, change: Change | None = None) -> None:
        task = loaded.task
        if spec.shots and task.OUTPUT_TYPE == "loglikelihood_rolling":
            raise ValueError(f"task {loaded.name}: shots={spec.shots}, but whole texts are scored without examples")
        self._loaded, self._spec, self._change = loaded, spec, change
        self._theirs = task.sampler if spec.shots else None
        available = list(task.sampler.df or []) if spec.shots else []
        self.how = _how(task) if spec.shots else "none"
        if len(available) < spec.shots:
            raise ValueError(f"task {loaded.name}: shots={spec.shots}, but only {len(available)} examples are there")
        self._listed = available[: spec.shots] if self.how == "listed" else []
        self._pool = Pool(available) if self.how == "per document" else None

    def requests(self, document: Document) -> list[Instance]:
        """The requests of `document`, in lm-eval's order.

        Raises:
            ValueError: a template uses a field the document lacks, or there are too few examples.
        """
        task, name = self._loaded.task, self._loaded.name
        try:
            if self._spec.shots:
                task.sampler = self._sampler(document)
            context = task.fewshot_context(
                document.content, num_fewshot=self._spec.shots, gen_prefix=task.doc_to_prefix(document.content)
            )
            built = task.construct_requests(
                doc=document.content, ctx=context, metadata=(name, document.index, task.config.repeats or 1)
            )
        except (jinja2.UndefinedError, KeyError) as error:
            raise ValueError(
                f"task {name}: document {document.index} lacks a field of the template: {error}"
            ) from error
        except (ValueError, TypeError, AssertionError) as error:
            raise ValueError(f"task {name}: document {document.index}: {error}") from error
        return built if isinstance(built, list) else [built]

    def _sampler(self, document: Document) -> Any:
        change = self._change
        if self._pool is not None:
            seed = change.seed_of_examples(self._spec.seed) if change else self._spec.seed
            sampler: Any = _Examples(self._pool.draw(document.origin, shots=self._spec.shots, seed=seed))
        else:
            sampler = _Examples(self._listed) if self.how == "listed" else self._theirs
        return _Changed(sampler, change, document) if change else sampler


def prompt_hash(instances: Sequence[Instance]) -> str:
    """First 16 hex digits of the hash over every request of a document, answers to be scored included."""
    hasher = hashlib.sha256()
    for instance in instances:
        for part in instance.args:
            hasher.update(repr(part).encode() + b"\0")
    return hasher.hexdigest()[:16]


def _how(task: Any) -> str:
    configured = task.fewshot_cfg
    if configured.sampler != "default":
        return str(configured.sampler)
    return "listed" if configured.samples is not None and configured.split is None else "per document"
