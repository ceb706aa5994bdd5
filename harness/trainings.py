"""Fine-tuned methods -> the cells of their trainings, and which adapter every task is asked under.

A training is a cell of its own kind. What is evaluated under its adapter names the training split in `spec.training`:
with model, method and device, which stand there anyway, that is the whole cell of the training.

Layer: beside `variations`, below `plan`; no torch, no lm-eval.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast, final

from harness.config import ConfigError, nearest
from harness.nodes import node, without_folders
from harness.records import Cell, Record, Status
from harness.tasks.spec import CHOOSES
from harness.tasks.training_split import TrainingSplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.store import Store
    from harness.tasks.spec import Task

KIND = "training"
"""Kind of the cells."""

FOLDER = "adapters"
"""Folder of a study's adapters."""

Workloads = list[tuple[str, Any]]
"""What a run measures, each with the name of its config group."""


def is_trained(method: Any) -> bool:
    """Whether a method is trained before anything is measured."""
    return hasattr(method, "training")


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Trainings:
    """What a method is trained on.

    Attributes:
        splits: the training split of each task that is trained on, by the task's name.
        method: the method.
    """

    splits: Mapping[str, TrainingSplit]
    method: Any

    @classmethod
    def of(cls, workloads: Workloads, method: Any, *, train_on: Any) -> Trainings:
        """The trainings that the tasks of a run ask for; none for a method that is not trained.

        Args:
            workloads: of the run.
            method: of the run.
            train_on: names of tasks, one name, or None for every task with options that is no other one's counterpart.

        Raises:
            ConfigError: no task to train on, an unknown one, or one that cannot be.
        """
        names = _names(train_on)
        tasks = {task.name: task for group, task in workloads if group == "task"}
        if not is_trained(method):
            return cls(splits={}, method=method)
        chosen = _named(names, tasks) if names else _own(tasks)
        if tasks and not chosen:
            raise ConfigError(
                f"method {method.name}: there is nothing to train on: none of the tasks {', '.join(tasks)} has "
                "options; add one that has, or name one with train_on=TASK"
            )
        splits = {task.name: TrainingSplit.of(task) for task in chosen}
        for split in splits.values():
            _check(split, method)
        return cls(splits=splits, method=method)

    def cells(self, *, model: str, shared: Mapping[str, Any]) -> list[tuple[Cell, Mapping[str, Any]]]:
        """The cell of each training, with what constructs its data here.

        Args:
            model: label.
            shared: nodes of model, method and device.
        """
        made = ((split, node(split)) for split in self.splits.values())
        return [
            (
                Cell(
                    model=model,
                    method=self.method.name,
                    workload=split.name,
                    kind=KIND,
                    seed=self.method.training.seed,
                    spec={**shared, "workload": without_folders(constructed)},
                ),
                constructed,
            )
            for split, constructed in made
        ]

    def under(self, group: str, workload: Any) -> list[dict[str, Any]]:
        """What `spec` says besides, for each adapter that a workload is measured under; once nothing for none.

        A task that is trained on is asked under its own adapter, its counterpart out of domain under the same one, and
        what is not trained on under every one.
        """
        if group != "task" or not self.splits:
            return [{}]
        own = next((name for name in (workload.name, workload.domain_of) if name in self.splits), None)
        names = [own] if own is not None else list(self.splits)
        return [{KIND: without_folders(node(self.splits[name]))} for name in names]


def few_shot(workloads: Workloads, method: Any, *, shots: Any) -> Workloads:
    """The workloads, and under the unadapted model each task also with further numbers of examples in its prompt.

    Args:
        workloads: of the run.
        method: of the run.
        shots: a list of whole numbers, or None.

    Raises:
        ConfigError: it is neither.
    """
    if shots is None:
        return workloads
    listed = cast("list[Any]", shots) if isinstance(shots, list) else [shots]
    if not listed or not all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in listed):
        raise ConfigError(f"few_shot={shots!r} is not a valid value: a list of whole numbers such as [1,4,8], or null")
    if is_trained(method):
        return workloads
    found: Workloads = []
    for group, workload in workloads:
        further = listed if group == "task" and workload.kind != "language_modelling" else []
        numbers = dict.fromkeys([workload.shots, *further]) if further else ()
        found += [(group, dataclasses.replace(workload, shots=one)) for one in numbers] or [(group, workload)]
    return found


def cell_of(cell: Cell) -> Cell | None:
    """The training whose adapter an evaluation is made under; None for none."""
    split = cell.spec.get(KIND)
    if split is None:
        return None
    spec = {**{part: cell.spec[part] for part in ("model", "method", "device")}, "workload": split}
    seed = int(cell.spec["method"]["training"]["seed"])
    return Cell(model=cell.model, method=cell.method, workload=str(split["name"]), kind=KIND, seed=seed, spec=spec)


def address(record: Record | None) -> str:
    """The name of the adapter that a training ended with; empty where there is none."""
    facts = record.provenance.get("task", {}) if record is not None and record.status is Status.OK else {}
    return str(facts.get("address", ""))


def adapter(folder: Path, record: Record | None) -> Path | None:
    """The folder of the adapter of a training; None where there is none any more.

    Args:
        folder: of the study.
        record: of the training.
    """
    place = folder / FOLDER / address(record)
    return place if address(record) and (place / "adapter.json").is_file() else None


def due(cells: Sequence[Cell], every: Iterable[Cell], store: Store) -> list[Cell]:
    """The trainings among the pending `cells`, and those whose adapter is needed and lies there no more.

    Args:
        cells: that still have to be measured.
        every: cells of the run.
        store: their records.
    """
    found = {cell.id: cell for cell in cells if cell.kind == KIND}
    known = {cell.id: cell for cell in every if cell.kind == KIND}
    for training in (cell_of(cell) for cell in cells):
        if training is not None and training.id in known and training.id not in found:
            record = store.read(training)
            if record is not None and record.status is Status.OK and adapter(store.folder, record) is None:
                found[training.id] = known[training.id]
    return list(found.values())


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Missing:
    """Why an evaluation has no adapter to be made under.

    Attributes:
        status: how it ends.
        why: one line.
        subject: facts of the base that training had loaded; empty where it did not come to that.
    """

    status: Status
    why: str
    subject: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])


def missing(cell: Cell, store: Store) -> Missing | None:
    """Why an evaluation cannot be made; None where its adapter is there, or it needs none."""
    training = cell_of(cell)
    if training is None or adapter(store.folder, record := store.read(training)) is not None:
        return None
    said = f"no adapter: training {cell.method} on {training.workload}"
    if record is None or record.status is Status.OK:
        return Missing(status=Status.FAILED, why=f"{said} has left none: train it again")
    cannot = record.status is Status.UNSUPPORTED
    return Missing(
        status=Status.UNSUPPORTED if cannot else Status.FAILED,
        why=f"{said} {'is not supported' if cannot else 'failed'} ({record.error})",
        subject=record.provenance.get("subject", {}),
    )


def _names(train_on: Any) -> list[str]:
    listed = cast("list[Any]", train_on) if isinstance(train_on, list) else [train_on]
    if train_on is None:
        return []
    if not listed or not all(isinstance(one, str) and one for one in listed):
        raise ConfigError(f"train_on={train_on!r} is not a valid value: the name of a task of the run, a list, or null")
    return list(dict.fromkeys(listed))


def _named(names: Iterable[str], tasks: Mapping[str, Task]) -> list[Task]:
    for name in names:
        if name not in tasks:
            raise ConfigError(f"train_on={name!r} is no task of this run: {nearest(name, tasks)}")
    return [tasks[name] for name in names]


def _own(tasks: Mapping[str, Task]) -> list[Task]:
    """Every task with options; the counterpart of another one is its other domain, and is not learnt."""
    return [task for task in tasks.values() if task.kind in CHOOSES and task.domain_of not in tasks]


def _check(split: TrainingSplit, method: Any) -> None:
    try:
        split.check_for(method.training)
    except ConfigError as error:
        raise ConfigError(f"method {method.name}: {error}") from None
    except ValueError as error:
        raise ConfigError(f"method {method.name}: task {split.name}: {error}") from None
