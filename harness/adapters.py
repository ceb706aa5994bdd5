"""Adapters in a worker: what a training leaves behind, and cells that are asked under it while the base stays loaded.

Layer: below `worker`, beside `subjects`. Nothing heavy is imported before something is trained or attached.
"""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

from harness import subjects, trainings
from harness.config import ConfigError
from harness.nodes import build
from harness.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.devices import Device
    from harness.methods.trained import Trained
    from harness.records import Cell, Measurement, Progress
    from harness.store import Store
    from harness.training.report import TrainingReport

POINTS = 200
"""Most points of a curve that a record keeps."""


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """Cells that are asked of one subject as it is: the base, or the base under one adapter.

    Attributes:
        cells: the cells.
        training: the training that the adapter comes from; None for the base.
    """

    cells: tuple[Cell, ...]
    training: Cell | None = None


def groups(cells: Sequence[Cell]) -> tuple[Group, ...]:
    """The cells by what they are asked of: those of the base first, in their order."""
    found: dict[str, list[Cell]] = {}
    needed = {cell.id: trainings.cell_of(cell) for cell in cells}
    for cell in cells:
        training = needed[cell.id]
        found.setdefault("" if training is None else training.id, []).append(cell)
    made = (Group(cells=tuple(group), training=needed[group[0].id]) for group in found.values())
    return tuple(sorted(made, key=lambda group: group.training is not None))


@contextmanager
def on(subject: Any, group: Group, store: Store) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The subject as the cells of `group` see it, and the facts of its adapter; afterwards it is as it was.

    Raises:
        ConfigError: the adapter lies there no more, or is damaged.
    """
    if group.training is None:
        yield subject, {}
        return
    trained, facts = _found(group.training, store)
    with trained.attached(subject) as adapted:
        yield adapted, facts


def whole(cell: Cell, device: Device, *, aside: Mapping[str, Any], store: Store, progress: Progress) -> Any:
    """The model of `cell` loaded once more, adapted for good.

    Args:
        cell: of a task.
        device: where to.
        aside: fields of the model that differ from its cell's.
        store: of the study.
        progress: told of the loading.
    """
    subject: Any = subjects.unloaded(cell, device, aside=aside, folder=store.folder).load(progress)
    training = trainings.cell_of(cell)
    return (subject if training is None else _found(training, store)[0].adapt(subject)).model


def done(cell: Cell, store: Store) -> bool:
    """Whether a cell was measured, and what a training left behind is still there."""
    lost = cell.kind == trainings.KIND and trainings.adapter(store.folder, store.read(cell)) is None
    return store.done(cell) and not lost


def train(cell: Cell, subject: Any, node: Mapping[str, Any], *, folder: Path, progress: Progress) -> Outcome:
    """Trains a freshly loaded subject, which is used up by it, and tells what that took.

    Args:
        cell: of the training.
        subject: the base.
        node: what constructs the training split here.
        folder: of the study.
        progress: told how far it is.

    Raises:
        ValueError: data that do not fit the settings, or a loss that is no number.
        Unsupported: weights or a family that the method cannot be trained on.
        OutOfMemory: a step does not fit.
    """
    from harness.tasks import splits
    from harness.training import naming
    from harness.training.train import check_trainable
    from harness.training.train import train as fit

    method = build(cell.spec["method"], where="method")
    check_trainable(subject)
    learnt = splits.data(build(node, where=cell.workload), method.training, progress)
    digest = learnt.data.digest()
    # What a training took is measured, so that one on another device is another one.
    base = {**cell.spec["model"], "device": cell.spec["device"]}
    address = naming.address(base, cell.spec["method"], digest=digest)
    report = fit(subject, method, learnt.data, folder=folder / trainings.FOLDER / address, progress=progress)
    facts = {
        "address": address,
        "digest": digest,
        "labels": list(learnt.data.labels),
        "n_train": len(learnt.data.train),
        "n_dev": len(learnt.data.dev),
        "resumed": report.resumed,
        "stopped_early": report.stopped_early,
        "objective": method.training.objective,
        **({"layers": method.layers} if hasattr(method, "layers") else {}),
        **learnt.facts,
        "report": _short(report),
    }
    return Outcome(measurements=thinned(report.measurements()), warnings=_cautions(learnt.facts), facts=facts)


def thinned(measurements: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """The measurements with at most `POINTS` of the loss of every step, the last one always among them."""
    curve = [one for one in measurements if one.metric == "train_step_loss"]
    every = -(-len(curve) // POINTS)
    kept = {id(one) for number, one in enumerate(reversed(curve)) if number % max(1, every) == 0}
    return tuple(one for one in measurements if one.metric != "train_step_loss" or id(one) in kept)


def _found(training: Cell, store: Store) -> tuple[Trained, dict[str, Any]]:
    """The method with its adapter, and what evaluations say of it."""
    from harness.methods.trained import Trained

    record = store.read(training)
    address = trainings.address(record)
    if record is None or not address:
        raise ConfigError(f"no adapter: {training.method} was not trained on {training.workload}")
    method = build(training.spec["method"], where="method")
    told = {"address": address, "trained_on": training.workload, "n_train": record.provenance["task"].get("n_train")}
    return Trained(method=method, address=address, folder=str(store.folder / trainings.FOLDER)), told


def _short(report: TrainingReport) -> dict[str, Any]:
    """The report without its curves, which are measurements."""
    return {name: value for name, value in report.json().items() if name not in {"train", "dev"}}


def _cautions(facts: Mapping[str, Any]) -> tuple[str, ...]:
    dropped = facts["dropped_as_evaluated"]
    if not dropped:
        return ()
    return (f"{dropped} training documents were left out: the same texts are evaluated or in the dev split.",)
