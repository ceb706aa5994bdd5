"""Variants of a prompt as configuration: other formats, other orders of options and of examples, other examples.

Layer: tasks, light: constructing one imports neither torch nor lm-eval. Constructed from `conf/perturbation/*.yaml`.
None of them edits a text, so that there is nothing to be more or less severe; every replicate is one more variant.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

from harness.config import ConfigError
from harness.tasks import formats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.tasks.change import Change
    from harness.tasks.spec import Task

GROUP = "prompt"


@dataclass(frozen=True, kw_only=True)
class PromptVariant(ABC):
    """What all variants of a prompt have.

    Attributes:
        name: label.
        about: one line for people.
        group: `prompt`.
        severity: 0: a variant has none.
        seed: of what is drawn.
        replicates: how many variants are measured, each in a cell of its own.
        replicate: which of them, counted from 0.
    """

    name: str
    about: str = ""
    group: str = GROUP
    severity: float = 0.0
    seed: int = 0
    replicates: int = 1
    replicate: int = 0

    WORKLOAD: ClassVar[str] = "harness.tasks.perturbed.PerturbedTask"

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ValueError: naming the field, its value and what would be right.
        """
        if not self.name:
            raise ValueError("name must not be empty")
        if self.group != GROUP:
            raise ValueError(f"group={self.group!r} is not a valid value: variants of a prompt are {GROUP!r}")
        if self.severity != 0:
            raise ValueError(f"severity={self.severity} has no meaning for {self.name}: it must be 0")
        for field, least in (("seed", None), ("replicates", 1), ("replicate", 0)):
            value = getattr(self, field)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or (least is not None and value < least):
                right = "a whole number" + ("" if least is None else f" from {least} on")
                raise ValueError(f"{field}={value!r} must be {right}")

    def each(self, severities: Sequence[float] = ()) -> tuple[Self, ...]:
        """One variant for every replicate; `severities` are those of perturbations and change nothing."""
        del severities
        numbers = range(self.replicate, self.replicate + self.replicates)
        return tuple(dataclasses.replace(self, replicate=number, replicates=1) for number in numbers)

    def check(self, task: Task) -> None:
        """Looks at what the variant needs of a task's configuration; the rest shows when the task is loaded.

        Raises:
            ConfigError: one line.
        """
        del task

    @abstractmethod
    def change(self, task: Task) -> Change:
        """What it does to the task."""


@final
@dataclass(frozen=True, kw_only=True)
class PromptFormat(PromptVariant):
    """The prompt in another format of FormatSpread's grammar: casing, separators, spaces, wrappers of option labels.

    Attributes:
        format: fields of a `formats.Format`; None: the one that `seed` and `replicate` stand for.
    """

    format: Mapping[str, str] | Any = None

    def __post_init__(self) -> None:
        """Checks every field, those of the format too."""
        super().__post_init__()
        if self.format is None:
            return
        names = [field.name for field in dataclasses.fields(formats.Format)]
        if not isinstance(self.format, Mapping) or sorted(self.format) != sorted(names):
            raise ValueError(f"format={self.format!r} must have exactly these keys: {', '.join(names)}")
        formats.Format(**self.format)
        if self.replicates > 1:
            raise ValueError(f"replicates={self.replicates}, but format names one format: set replicates=1")

    def each(self, severities: Sequence[float] = ()) -> tuple[Self, ...]:
        """One format for every replicate."""
        return tuple(dataclasses.replace(one, format=dataclasses.asdict(one.form)) for one in super().each(severities))

    @property
    def form(self) -> formats.Format:
        """The format."""
        return formats.draw(self.seed, self.replicate) if self.format is None else formats.Format(**self.format)

    def change(self, task: Task) -> Change:
        """Writes the task's prompts in the format."""
        from harness.tasks.reformat import Reformatted

        own = task.data.template if task.data is not None else None
        return Reformatted(self.form, seed=self.seed, number=self.replicate, own=own)


@final
@dataclass(frozen=True, kw_only=True)
class OptionOrder(PromptVariant):
    """Listed options shifted round by `replicate` + 1 places, so that every option stands once in every place."""

    def change(self, task: Task) -> Change:
        """Shifts the options of every document."""
        del task
        from harness.tasks.option_order import Shifted

        return Shifted(self.replicate + 1)


@final
@dataclass(frozen=True, kw_only=True)
class ExampleOrder(PromptVariant):
    """The few-shot examples of every document in another order: the same one for all documents of a replicate."""

    def check(self, task: Task) -> None:
        """A task needs so many examples that there are enough other orders.

        Raises:
            ConfigError: it has fewer.
        """
        if task.shots < 2:  # noqa: PLR2004 - one example has no order
            raise ConfigError(f"{self.name}: task {task.name} has shots={task.shots}; an order needs shots=2 or more")
        others = math.factorial(task.shots) - 1
        if self.replicate + self.replicates > others:
            raise ConfigError(
                f"{self.name}: the {task.shots} examples of task {task.name} have only {others} other "
                f"order{'s' if others > 1 else ''}: set perturbation.{self.name}.replicates={others}, or more shots"
            )

    def change(self, task: Task) -> Change:
        """Permutes the examples of every document."""
        from harness.tasks.example_order import Reordered, order

        return Reordered(order(task.shots, seed=self.seed, number=self.replicate))


@final
@dataclass(frozen=True, kw_only=True)
class ExampleDraw(PromptVariant):
    """Other few-shot examples for every document, drawn from another seed."""

    def check(self, task: Task) -> None:
        """A task needs examples.

        Raises:
            ConfigError: it has none.
        """
        if task.shots < 1:
            raise ConfigError(f"{self.name}: task {task.name} has shots=0; other examples need shots=1 or more")

    def change(self, task: Task) -> Change:
        """Draws from another seed."""
        del task
        from harness.tasks.example_order import Redrawn

        return Redrawn(seed=self.seed, number=self.replicate)
