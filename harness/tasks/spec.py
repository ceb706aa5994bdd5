"""A task as configuration: what is asked, of how many documents, with how many examples, and which metrics are kept.

Layer: tasks, light: constructing a task imports neither torch nor lm-eval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, final

from harness.config import construct, one_of
from harness.tasks.own import OwnData

if TYPE_CHECKING:
    from harness.models.subject import Subject
    from harness.records import Outcome, Progress

OWN_DATA = f"{OwnData.__module__}.{OwnData.__name__}"
KINDS = ("classification", "multiple_choice", "generation", "language_modelling")
CHOOSES = ("classification", "multiple_choice")
"""Kinds whose answer is one of several options."""

PROTOCOLS = ("likelihood", "letter", "generate")
CHATS = ("auto", "on", "off")

OF_SAMPLES = ("acc", "balanced_accuracy", "precision_macro", "recall_macro", "f1_macro", "mcc")
"""Metrics that follow from which option was chosen, however it was asked."""


@final
@dataclass(frozen=True, kw_only=True)
class Task:
    """A quality workload.

    Attributes:
        name: label, unique among the tasks.
        kind: `classification`, `multiple_choice`, `generation` or `language_modelling`: which statistics are made.
        source: name of an lm-eval task, group or tag; or an lm-eval YAML file: absolute, relative to the working
            directory, or inside `harness/tasks/definitions`. Empty where `data` is given.
        about: one line for people.
        shots: few-shot examples per document, drawn from a seed that depends on the document's content only.
        limit: documents scored, over all sub-tasks; a larger limit holds every document of a smaller one. None: all.
        seed: of the few-shot draws and the subset.
        metrics: what to keep, the first one is primary. Beside those of the lm-eval task, every generation task has
            `f1`, `bleu`, `chrf`, `rouge1`, `rouge2`, `rougeL`, and every classification task the usual statistics.
        chance: accuracy of guessing; None: one over the number of options.
        max_new_tokens: most tokens generated per document; None: as the lm-eval task has it.
        data: a user's own file (`OwnData`, or a mapping of its fields) instead of a source.
        domain_of: name of the task that asks the same of the texts that models know, where this one is its counterpart
            out of domain; "" for none.
        protocol: how the answer is got where options are given: `likelihood` compares how likely each option's text is,
            `letter` lists the options and compares how likely their letters are as the first token of the answer,
            `generate` lists them and reads a free answer (`harness.tasks.protocol_parse` has its grammar). Metrics that
            only a likelihood has, as `acc_norm`, become `acc`.
        chat: whether a conversation is made of prompts by the chat template: `auto` leaves it to an API's chat endpoint
            and otherwise asks without, `on` uses the template of the model's tokenizer, `off` does without.
        train: what a fine-tuned method learns: a split of the data set, or a file of rows like those of its recipe.
            None: the recipe's training split, or that of its few-shot examples; of own data `data.train`.
        dev: what its training is watched on: a split or a file. None: the recipe's validation split where that is
            not evaluated, else what `training.n_dev` holds out.
    """

    ASIDE: ClassVar[tuple[str, ...]] = ("train", "dev")
    """Fields that change nothing of what is asked; a training has them (`training_split`)."""

    name: str
    kind: str
    source: str = ""
    about: str = ""
    shots: int = 0
    limit: int | None = None
    seed: int = 0
    metrics: tuple[str, ...] | list[str]
    chance: float | None = None
    max_new_tokens: int | None = None
    data: OwnData | Any = None
    domain_of: str = ""
    protocol: str = "likelihood"
    chat: str = "auto"
    train: str | None = None
    dev: str | None = None

    def __post_init__(self) -> None:
        one_of(self.kind, KINDS, field="kind")
        if isinstance(self.data, Mapping):
            object.__setattr__(self, "data", construct({"_target_": OWN_DATA, **self.data}, where="data"))
        object.__setattr__(self, "metrics", (self.metrics,) if isinstance(self.metrics, str) else tuple(self.metrics))
        if not self.name:
            raise ValueError("name must not be empty")
        if bool(self.source) == bool(self.data):
            raise ValueError("give either a source (an lm-eval task or YAML) or data (an own file), and not both")
        self._check_protocol()
        if not self.metrics:
            raise ValueError("metrics must name at least one metric; the first is the primary one")
        if not isinstance(self.domain_of, str) or self.domain_of == self.name:
            raise ValueError(f"domain_of={self.domain_of!r} must name another task: the one that is in domain")
        self._check_numbers()
        self._check_data()

    def _check_protocol(self) -> None:
        one_of(self.protocol, PROTOCOLS, field="protocol")
        one_of(self.chat, CHATS, field="chat")
        if self.protocol == "likelihood":
            return
        if self.kind not in CHOOSES:
            raise ValueError(f"protocol={self.protocol} has no meaning for kind={self.kind}: it gives no options")
        kept = tuple(metric for metric in self.metrics if metric in OF_SAMPLES)
        object.__setattr__(self, "metrics", kept or ("acc",))

    def _check_numbers(self) -> None:
        for name, least in (("limit", 1), ("max_new_tokens", 1)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
                raise ValueError(f"{name}={value!r} is not a valid value: a whole number >= {least}, or null for all")
        if not isinstance(self.shots, int) or isinstance(self.shots, bool) or self.shots < 0:
            raise ValueError(f"shots={self.shots!r} is not a valid value: a whole number >= 0")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool):
            raise ValueError(f"seed={self.seed!r} is not a valid value: a whole number")  # noqa: TRY004
        if self.chance is not None and not 0 <= self.chance <= 1:
            raise ValueError(f"chance={self.chance} is not a valid value: a fraction in 0..1")

    def _check_data(self) -> None:
        if self.data is None:
            return
        chooses = self.kind in CHOOSES
        if chooses and not self.data.choices:
            raise ValueError(f"data.choices is needed for kind={self.kind}: a list of texts, or a field that holds one")
        if not chooses and self.data.choices:
            raise ValueError(f"data.choices has no meaning for kind={self.kind}")
        if self.kind != "language_modelling" and not self.data.target:
            raise ValueError("data.target must name the field with the right answer")

    def check(self) -> None:
        """Looks at files, fields and names.

        Raises:
            ConfigError: one line: what is wrong, where, what would be right.
        """
        from harness.tasks import checks

        checks.check(self)

    def forecast(self) -> dict[str, int] | None:
        """`{"documents", "requests"}` where the data is local, else None."""
        from harness.tasks import checks

        known = checks.forecast(self)
        return {**known, "requests": known["documents"]} if known and self.protocol == "generate" else known

    def fingerprint(self) -> str:
        """What the recipe and the local data behind this task hold, so that edited files are another cell.

        Raises:
            ConfigError: as `check` does.
        """
        from harness.tasks import fingerprint

        return fingerprint.fingerprint(self)

    def run(self, subject: Subject, progress: Progress) -> Outcome:
        """Scores `subject` on the documents of this task.

        Raises:
            ValueError: data that cannot be loaded, more shots than examples, a metric the task does not have.
        """
        from harness.tasks import run

        return run.run(self, subject, progress)
