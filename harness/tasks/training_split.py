"""What a model is trained on, as configuration: the training and dev splits of a task, and faults found without data.

Layer: tasks, light: neither torch nor lm-eval. `splits` reads the documents.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

from harness.config import ConfigError
from harness.tasks import checks, recipe, rows, sources
from harness.tasks.spec import CHOOSES, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.training.settings import Training

FILES = rows.SUFFIXES
"""Ends of the names of data files; any other text names a split."""


@final
@dataclass(frozen=True, kw_only=True)
class TrainingSplit:
    """The documents of a task that a model is trained on, whatever is asked of the others.

    Attributes:
        name: of the task.
        kind: of the task.
        source: as of the task.
        data: as of the task.
        train: as of the task.
        dev: as of the task.
    """

    name: str
    kind: str
    source: str = ""
    data: Any = None
    train: str | None = None
    dev: str | None = None

    @classmethod
    def of(cls, task: Task) -> Self:
        """What is trained on for `task`: the same however it is asked."""
        names = ("name", "kind", "source", "data", "train", "dev")
        return cls(**{name: getattr(task, name) for name in names})

    @property
    def task(self) -> Task:
        """The task as training asks it: without examples, all its documents."""
        given = {"source": self.source, "data": self.data, "train": self.train, "dev": self.dev}
        return Task(name=self.name, kind=self.kind, metrics=("acc",), **given)

    def fingerprint(self) -> str:
        """What recipe and local data hold.

        Raises:
            ConfigError: as `harness.tasks.fingerprint.fingerprint`.
        """
        found = self.task.fingerprint()
        files = [located(file) for file in (self.train, self.dev) if file and is_file(file)]
        if not files:
            return found
        parts = "".join([found, *(hashlib.sha256(_bytes(file)).hexdigest() for file in files)])
        return f"sha256:{hashlib.sha256(parts.encode()).hexdigest()[:16]}"

    def check(self) -> None:
        """Looks whether there are training documents.

        Raises:
            ConfigError: one line.
        """
        _look(self)

    def check_for(self, training: Training) -> None:
        """Looks at what can be known of a training before its documents are read.

        Raises:
            ConfigError: one line: no training split, no dev split to stop on, too few documents, nothing to classify.
        """
        if self.kind == "language_modelling":
            raise ConfigError(f"task {self.name} cannot be trained on: kind=language_modelling has no answers to learn")
        known = _look(self)
        if training.objective == "classification" and self.kind not in CHOOSES:
            raise ConfigError(
                f"task {self.name}: training.objective=classification needs a fixed list of labels, and "
                f"kind={self.kind} has none: use objective=language"
            )
        if training.early_stopping and known.dev is None and not training.n_dev:
            raise ConfigError(
                f"task {self.name}: training.early_stopping={training.early_stopping} needs a dev split, which it "
                "lacks: set training.n_dev to hold documents out of the training split, or early_stopping=0"
            )
        _check_sizes(self, training, known)

    def forecast(self) -> dict[str, int] | None:
        """`{"documents"}`: those there are to train on, where that can be known; else None."""
        known = _look(self)
        return None if known.size is None else {"documents": known.size}


@final
@dataclass(frozen=True, kw_only=True)
class _Known:
    """What a recipe says of its splits.

    Attributes:
        dev: whether and where there is a dev split of its own; None without.
        size: training documents, where they lie in a local file that is read as it is.
        classes: labels, where the recipe lists them.
    """

    dev: str | None
    size: int | None
    classes: int | None


def is_file(named: str) -> bool:
    """Whether the text names a data file, not a split."""
    return Path(named).suffix.lower() in FILES


def located(file: str) -> Path:
    """Where a data file lies: as it is named, or inside `harness/tasks/definitions`; `$HARNESS_DATA` is replaced."""
    path = Path(recipe.expand(file)).expanduser()
    inside = sources.DEFINITIONS / file
    return inside if not path.is_file() and inside.is_file() else path


def train_split(config: Mapping[str, Any]) -> str:
    """The split of a recipe that is learnt: its training split, or that of its few-shot examples; empty for none."""
    evaluated = checks.eval_split(config)
    configured = config.get("fewshot_config") or {}
    found = config.get("training_split") or config.get("fewshot_split") or configured.get("split") or ""
    return "" if found == evaluated else str(found)


def dev_split(config: Mapping[str, Any]) -> str:
    """The validation split of a recipe, where it is neither evaluated nor learnt; empty for none."""
    found = config.get("validation_split") or ""
    return "" if found in {checks.eval_split(config), train_split(config)} else str(found)


def _look(split: TrainingSplit) -> _Known:
    return _look_at_own(split) if split.data is not None else _look_at_recipe(split)


def _look_at_own(split: TrainingSplit) -> _Known:
    data = split.task.data
    if split.train is not None:
        raise ConfigError(
            f"task {split.name}: of own data, data.train names the training file, not train={split.train}"
        )
    if data.train is None:
        raise _without(split, "set data.train to a file of training rows")
    if split.dev is not None and not is_file(split.dev):
        raise ConfigError(f"task {split.name}: dev={split.dev!r} must name a file with rows like those of {data.file}")
    if split.dev is not None:
        data.documents_in(str(located(split.dev)), split.kind)
    classes = len(data.choices) if isinstance(data.choices, tuple) else None
    return _Known(dev=split.dev, size=len(data.examples(split.kind)), classes=classes)


def _look_at_recipe(split: TrainingSplit) -> _Known:
    leaves = sources.leaves(split.source)
    if len(leaves) != 1:
        raise ConfigError(f"task {split.name} cannot be trained on: it is a group of {len(leaves)} tasks, not one")
    (leaf,) = leaves
    content = {**recipe.read(leaf.path), **leaf.overrides}
    if "class" in content:
        return _Known(dev=split.dev, size=None, classes=None)
    train = split.train or train_split(content)
    if not train:
        raise _without(split, f"set task.{split.name}.train to a split of its data, or to a file of rows like them")
    if train == checks.eval_split(content):
        raise ConfigError(f"task {split.name}: train={train!r} is the split that is evaluated: name another")
    found = _rows(train, content, leaf.path.parent)
    return _Known(
        dev=split.dev or dev_split(content) or None,
        size=None if found is None else len(found),
        classes=_classes(content.get("doc_to_choice"), found),
    )


def _classes(choices: Any, found: list[rows.Row] | None) -> int | None:
    """Options that a recipe lists, or that every row has in the same field; None where documents have their own."""
    if isinstance(choices, list | dict):
        return len(choices)
    lists = {tuple(map(str, row.fields.get(choices) or ())) for row in found or ()} if isinstance(choices, str) else ()
    return len(next(iter(lists))) or None if len(lists) == 1 else None


def _rows(train: str, content: Mapping[str, Any], folder: Path) -> list[rows.Row] | None:
    """Rows of a local training file; None where a function makes documents of them, or they are elsewhere."""
    if content.get("process_docs") is not None or content.get("custom_dataset") is not None:
        return None
    if is_file(train):
        return rows.read(located(train))
    file = (recipe.data_files(content, folder) or {}).get(train)
    return rows.read(file) if file is not None and file.is_file() else None


def _check_sizes(split: TrainingSplit, training: Training, known: _Known) -> None:
    held_out = 0 if known.dev else training.n_dev
    wanted = training.n_train
    if known.size is not None and (wanted or 1) + held_out > known.size:
        asked = f"n_train={wanted}" if wanted else "n_train=null"
        dev = f" and n_dev={held_out}" if held_out else ""
        raise ConfigError(
            f"task {split.name}: training.{asked}{dev} ask for more than the {known.size} documents of its training "
            "split: lower them"
        )
    learnt = min((n for n in (wanted, known.size and known.size - held_out) if n is not None), default=None)
    if known.classes is not None and learnt is not None and learnt < known.classes:
        raise ConfigError(
            f"task {split.name}: {learnt} training documents are fewer than its {known.classes} classes: raise "
            "training.n_train"
        )


def _without(split: TrainingSplit, advice: str) -> ConfigError:
    return ConfigError(f"task {split.name} has no training split: {advice}, or train_on to other tasks")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
