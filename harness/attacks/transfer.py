"""What the adversarial examples of one model do to another, as a workload.

Layer: attacks, light: constructing it imports neither torch nor lm-eval.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from harness.attacks import results
from harness.attacks.examples import Example, digest, read
from harness.attacks.workload import check_kind, cost, facts, said
from harness.records import Outcome, Unsupported
from harness.tasks.cautions import truncated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.attacks.spec import Transfer
    from harness.attacks.victim import Query, Verdict
    from harness.attacks.view import Item
    from harness.models.subject import Subject
    from harness.records import Progress, Sample
    from harness.tasks.spec import Task


@final
@dataclass(frozen=True, kw_only=True)
class TransferTask:
    """A quality workload: the documents of `task` on which an attack on another model won, as they were and edited.

    A document is `attacked` if this model answers it right before the edit; its `success` is a wrong answer after it.

    Attributes:
        task: what is asked.
        variation: whose examples.
    """

    task: Task
    variation: Transfer

    @property
    def name(self) -> str:
        """Label of the task."""
        return self.task.name

    def check(self) -> None:
        """Looks at the kind of the task. The file need not be there yet: the run makes it.

        Raises:
            ConfigError: one line: the task has no options.
        """
        check_kind(self.task, self.variation.name)

    def forecast(self) -> dict[str, int] | None:
        """None: how many examples there will be is not known before."""
        return None

    def run(self, subject: Subject, progress: Progress) -> Outcome:
        """Scores `subject` on the examples, before and after.

        Raises:
            ValueError: the attack is not measured yet, or failed; a file that holds no examples, or those of another
                version of the data.
            Unsupported: the attack found nothing.
        """
        from harness.attacks.view import TaskView
        from harness.meters import places
        from harness.meters.clock import Stopwatch
        from harness.tasks.templates import compiled_once

        examples = {example.item_id: example for example in self._examples()}
        lm, before = subject.lm, subject.lm.computed_tokens
        with compiled_once():
            # The victim's documents are a subset by its attack's limit; whichever it was, they are found by their ids.
            view = TaskView(self.task, lm, progress)
            pairs = _pairs(view.items, examples, self.variation)
            progress("scoring", 0, len(pairs))
            with Stopwatch(places.devices(subject.device.kind, subject.model)) as watch:
                clean = view.judge([(number, view.items[number].texts) for number, _ in pairs])
                after = view.judge(pairs)
            plain = view.samples([(*pair, verdict) for pair, verdict in zip(pairs, after, strict=True)])
        samples = tuple(
            _told(sample, view.items[number], examples, verdicts)
            for sample, (number, _), verdicts in zip(plain, pairs, zip(clean, after, strict=True), strict=True)
        )
        missing = len(examples) - len(pairs)
        return Outcome(
            measurements=(*results.measurements(samples), *cost(watch.seconds, lm.computed_tokens - before)),
            samples=samples,
            warnings=(
                *((f"{missing} examples lie outside of this model's limit.",) if missing else ()),
                *truncated(samples),
                *said(lm),
            ),
            facts={**facts(view, subject), "documents": len(pairs), "examples_sha256": digest(self._file())},
        )

    @property
    def _who(self) -> str:
        return f"transfer of {self.variation.attack} on {self.variation.victim}"

    def _file(self) -> Path:
        path = Path(self.variation.file)
        if not self.variation.file or not path.is_file():
            # A ValueError, not Unsupported: the cell fails, and the next run asks again whether the attack is there.
            raise ValueError(
                f"{self._who}: the attack was not measured in this study, or failed; run it, then the transfer again"
            )
        return path

    def _examples(self) -> list[Example]:
        found = read(self._file())
        if not found:
            raise Unsupported(f"{self._who}: the attack found no example")
        return found


def _pairs(items: Sequence[Item], examples: Mapping[str, Example], variation: Transfer) -> list[tuple[int, Query]]:
    """(number of the document, its edited texts), in the documents' order."""
    found: list[tuple[int, Query]] = []
    for number, item in enumerate(items):
        example = examples.get(item.document.item_id)
        if example is None:
            continue
        if tuple(example.before.get(name) for name in item.names) != item.texts:
            raise ValueError(
                f"transfer of {variation.attack} on {variation.victim}: document {item.document.item_id} was another "
                f"text when it was attacked; attack {variation.victim} again"
            )
        found.append((number, tuple(example.after[name] for name in item.names)))
    return found


def _told(sample: Sample, item: Item, examples: Mapping[str, Example], verdicts: tuple[Verdict, Verdict]) -> Sample:
    clean, after = (verdict.best in item.gold for verdict in verdicts)
    noted = {"acc": float(after), "clean_acc": float(clean), "attacked": float(clean)}
    if clean:
        noted["success"] = float(not after)
    edits = examples[item.document.item_id].as_text()
    return dataclasses.replace(
        sample,
        metrics={**sample.metrics, **noted},
        edits=edits,
        truncated=sample.truncated or results.cut(verdicts[0]),
    )
