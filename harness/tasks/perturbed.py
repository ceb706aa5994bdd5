"""A task under a variation: a workload of its own, whose answers are paired with those of the task as it is.

Layer: tasks, light: constructing it imports neither torch nor lm-eval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, final, runtime_checkable

from harness.config import ConfigError

if TYPE_CHECKING:
    from harness.models.subject import Subject
    from harness.perturbations.spec import Perturbation
    from harness.records import Outcome, Progress
    from harness.tasks.change import Change
    from harness.tasks.spec import Task


@runtime_checkable
class Variant(Protocol):
    """A variation of the prompt that is no edit of a text: another format, another order."""

    def check(self, task: Task) -> None:
        """Raises ConfigError where the task cannot have it."""
        ...

    def change(self, task: Task) -> Change:
        """What it does to the task."""
        ...


@final
@dataclass(frozen=True, kw_only=True)
class PerturbedTask:
    """A quality workload: `task` as `variation` makes it.

    Attributes:
        task: what is asked.
        variation: what is done to it.
    """

    task: Task
    variation: Perturbation | Variant | Any

    @property
    def name(self) -> str:
        """Label of the task."""
        return self.task.name

    def check(self) -> None:
        """Looks at what the variation needs of the task.

        Raises:
            ConfigError: one line.
        """
        if isinstance(self.variation, Variant):
            self.variation.check(self.task)
        elif self.variation.scope == "demonstrations" and not self.task.shots:
            raise ConfigError(
                f"task {self.task.name}: scope=demonstrations of {self.variation.name} has nothing to edit with "
                "shots=0: give shots=1 or more, or take scope=query"
            )

    def forecast(self) -> dict[str, int] | None:
        """`{"documents", "requests"}` where the data is local, else None."""
        return self.task.forecast()

    def run(self, subject: Subject, progress: Progress) -> Outcome:
        """Scores `subject` on the documents of the task under the variation.

        Raises:
            ValueError: as `Task.run`.
            Unsupported: the task has nothing that the variation could change.
        """
        from harness.tasks import run

        return run.run(self.task, subject, progress, change=self._change(subject))

    def _change(self, subject: Subject) -> Change:
        if isinstance(self.variation, Variant):
            return self.variation.change(self.task)
        from harness.tasks.edit import Editing

        tokenizer = getattr(subject, "tokenizer", None)
        count = None if tokenizer is None else lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
        return Editing(self.task, self.variation, count)
