"""A task under attack, as a workload.

Layer: attacks, light: constructing it imports neither torch nor lm-eval.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.attacks import likeness
from harness.config import ConfigError
from harness.records import Measurement, Outcome, Unsupported

if TYPE_CHECKING:
    from harness.attacks.lockstep import Powers
    from harness.attacks.spec import Attack
    from harness.attacks.view import TaskView
    from harness.models.subject import Subject
    from harness.records import Progress
    from harness.tasks.spec import Task

CHOOSES = ("classification", "multiple_choice")
"""Kinds of tasks that have options."""


@final
@dataclass(frozen=True, kw_only=True)
class AttackedTask:
    """A quality workload: the documents of `task`, each searched for an edit that flips its answer.

    The documents are those of a clean cell with the smaller of both limits; each keeps its `item_id`.

    Attributes:
        task: what is asked.
        variation: the attack.
    """

    task: Task
    variation: Attack

    @property
    def name(self) -> str:
        """Label of the task."""
        return self.task.name

    def check(self) -> None:
        """Looks at what the attack needs of the task and of this machine.

        Raises:
            ConfigError: one line: the task has no options, or the sentence encoder is not installed.
        """
        check_kind(self.task, self.variation.name)
        likeness.check(self.variation.similarity, where=f"attack.{self.variation.name}")

    def forecast(self) -> dict[str, int] | None:
        """None: how many requests a search makes shows only as it runs."""
        return None

    def run(self, subject: Subject, progress: Progress) -> Outcome:
        """Attacks `subject` on the documents of the task.

        Raises:
            ValueError: as `Task.run`.
            Unsupported: the task has no options or no text in its query, or the model lacks what the attack needs.
        """
        from harness.attacks import lockstep, results
        from harness.attacks.target import target
        from harness.attacks.view import TaskView
        from harness.meters import places
        from harness.meters.clock import Stopwatch
        from harness.tasks.templates import compiled_once

        attack, lm = self.variation, subject.lm
        with compiled_once():
            view = TaskView(limited(self.task, attack.limit), lm, progress)
            targets = [
                target(i, view.sources(i, attack.language), item.gold, attack, document=item.document.item_id)
                for i, item in enumerate(view.items)
            ]
            before = lm.computed_tokens
            with Stopwatch(places.devices(subject.device.kind, subject.model)) as watch:
                found = lockstep.attack_all(targets, attack, _powers(attack, view, subject), progress)
            plain = view.samples([(t.number, t.text(f.chosen), f.verdict) for t, f in zip(targets, found, strict=True)])
        samples = tuple(
            results.told(sample, t, f, item.names)
            for sample, t, f, item in zip(plain, targets, found, view.items, strict=True)
        )
        return Outcome(
            measurements=(*results.measurements(samples), *cost(watch.seconds, lm.computed_tokens - before)),
            samples=samples,
            warnings=(*results.cautions(samples, targets, available=view.available), *said(lm)),
            facts={**facts(view, subject), "queries": sum(one.queries for one in found)},
        )


def check_kind(task: Task, name: str) -> None:
    """Refuses a task without options.

    Raises:
        ConfigError: one line.
    """
    if task.kind not in CHOOSES:
        raise ConfigError(
            f"task {task.name}: {name} makes a model choose another option, and a task of kind {task.kind} has none; "
            f"choose one of kind {' or '.join(CHOOSES)}"
        )


def limited(task: Task, limit: int | None) -> Task:
    """The task with the smaller of its own limit and `limit`; its documents are among those of the task."""
    limits = [one for one in (task.limit, limit) if one is not None]
    return dataclasses.replace(task, limit=min(limits, default=None))


def cost(seconds: float, computed: int) -> tuple[Measurement, ...]:
    """What a search took, and the tokens that went through the model's scoring."""
    return (
        Measurement(metric="seconds", value=seconds, unit="s", higher_is_better=False),
        Measurement(metric="computed_tokens", value=computed, unit="tok"),
    )


def said(lm: Any) -> tuple[str, ...]:
    """What the engine has to say about its scoring, each sentence once, however often the model was asked."""
    return tuple(dict.fromkeys(lm.cautions()))


def facts(view: TaskView, subject: Subject) -> dict[str, Any]:
    """Settings that were in force."""
    return {
        "documents": len(view.items),
        "available": view.available,
        "fields": ", ".join(dict.fromkeys(name for item in view.items for name in item.names)),
        "rule": view.rule,
        "scoring": subject.lm.facts(),
    }


def _powers(attack: Attack, view: TaskView, subject: Subject) -> Powers:
    from harness.attacks.lockstep import Powers

    encoder = likeness.Encoder(subject.model.device) if attack.similarity is not None else None
    if attack.candidates != "tokens":
        return Powers(victim=view, likeness=encoder)
    if attack.search == "hotflip" and subject.facts["quantisation"] != "none":
        raise Unsupported(
            f"attack {attack.name}: needs gradients, which a model with quantisation={subject.facts['quantisation']} "
            "does not give; use quantisation=none, or transfer examples from a model without"
        )
    from harness.attacks.gradient import Gradient

    return Powers(victim=view, white=Gradient(view, subject.lm), likeness=encoder)
