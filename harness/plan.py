"""Composed config -> cells. Pure: no torch, no lm-eval, well under a second.

Layer: above workloads and models, which it knows only through the `_target_` strings in the data. Every specification
is constructed and checked here, so that a typo dies before any weight is loaded.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, final

from harness import trainings, variations
from harness.budget import Budget
from harness.config import ConfigError, construct, nearest
from harness.devices import Device, DeviceChoice, cuda_devices
from harness.nodes import aside, node, without_folders
from harness.provenance import scrub
from harness.records import Cell
from harness.scoring.options import Scoring

KEYS = (
    "study", "results", "limit", "shots", "seed", "protocol", "chat", "severity", "train_on", "few_shot", "retry",
    "control", "budget",
)  # fmt: skip
GROUPS = (
    "model", "method", "training", "task", "probe", "perturbation", "attack", "suite", "device", "scoring", "report",
    "experiment", "local",
)  # fmt: skip

CHOOSES = ("classification", "multiple_choice")
"""Kinds of tasks that give options: they can be asked in several protocols."""

UNADAPTED = "harness.methods.none.NoMethod"
"""Class of the method that leaves the model as it is."""

AGAIN = "{} (again)"
"""Label of the control: the model that stands in the study a second time."""


@final
@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one composed config asks for: the cells of one subject, and where their records go.

    Attributes:
        study: name of the study.
        folder: `results/STUDY`.
        cells: what to measure: trainings, tasks, each followed by its variations, then probes.
        report: node of the report's settings.
        retry: whether cells that failed or ran out of memory are tried again.
        command: the overrides that composed it, for the record.
        nodes: by cell id, what constructs the workload here: the cell's node with the paths of this machine.
        launcher: class of Hydra's launcher, empty where it does not matter.
        control: name of the model of the run whose probes are measured twice, empty for none.
        budget: how long the run may go on starting probes; None for as long as it takes.
        transfer: leaf of the transfer of attacks between the models of the run (`transfers`); None for none.
        aside: fields of the model that stand in no cell, since they change no number.
        commands: by cell id, the overrides of cells that another config of the run asked for.
    """

    study: str
    folder: Path
    cells: tuple[Cell, ...]
    report: Mapping[str, Any]
    retry: bool
    command: tuple[str, ...] = ()
    nodes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    launcher: str = ""
    control: str = ""
    budget: Budget | None = None
    transfer: Any = None
    aside: Mapping[str, Any] = field(default_factory=dict[str, Any])
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


def plan(config: Mapping[str, Any], *, command: Sequence[str] = ()) -> Plan:
    """The cells of one composed config.

    Args:
        config: plain data, interpolations resolved.
        command: overrides that led to it.

    Raises:
        ConfigError: one line: what is wrong, where, what would be right.
    """
    _check_keys(config)
    device: Device = _part(config, "device", DeviceChoice).resolve()
    model, method = _model(config, device), _method(config)
    device = getattr(model, "elsewhere", device)  # An API model has its endpoint's; no other kind says so.
    workloads, varied = _all_workloads(config, method), variations.of(config)
    trained = trainings.Trainings.of(workloads, method, train_on=config.get("train_on"))
    if model.device_map == "auto" and device.kind == "cuda":
        device = dataclasses.replace(device, count=len(cuda_devices()[0]))
    _part(config, "report")
    if not isinstance(config["retry"], bool):
        raise ConfigError(f"retry={config['retry']!r} is not a valid value: true or false")
    shared = {"model": node(model), "method": node(method), "device": device.node()}
    own, control = {"task": {"scoring": _scoring(config, device)}, "probe": {}}, _control(config)
    made = trained.cells(model=model.name, shared=shared)
    for kind, workload in workloads:
        constructed = node(workload)
        for under in trained.under(kind, workload):
            cell = Cell(
                model=model.name,
                method=method.name,
                workload=workload.name,
                kind=kind,
                seed=getattr(workload, "seed", 0),
                spec={**shared, **own[kind], "workload": without_folders(constructed), **under},
            )
            made += [(one, constructed) for one in _repeated(cell, control)]
            made += variations.cells(cell, constructed, varied if kind == "task" else ())
    return Plan(
        study=_study(config),
        folder=Path(str(config["results"])) / _study(config),
        cells=tuple(cell for cell, _ in made),
        report=dict(config["report"]),
        retry=config["retry"],
        command=tuple(scrub(o) for o in command),
        nodes={cell.id: constructed for cell, constructed in made},
        control=control,
        budget=Budget.parse(config.get("budget")),
        transfer=variations.transfer(config),
        aside=aside(model),
    )


def _check_keys(config: Mapping[str, Any]) -> None:
    known = {*KEYS, *GROUPS}
    for key in config:
        if key not in known:
            raise ConfigError(f"unknown key {key!r} at the top of the config: {nearest(key, known)}")


def _study(config: Mapping[str, Any]) -> str:
    name = str(config["study"])
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ConfigError(f"study={name!r}: a name is up to 100 letters, digits, dots, dashes and underscores")
    return name


def _control(config: Mapping[str, Any]) -> str:
    """The model whose probes are measured twice. Whether the run has it shows when all jobs are planned."""
    name = config.get("control")
    if name is None:
        return ""
    if not isinstance(name, str) or not name:
        raise ConfigError(f"control={name!r} is not a valid value: the name of a model of the run, or null")
    return name


def _repeated(cell: Cell, control: str) -> tuple[Cell, ...]:
    """`cell`, and where it is a probe of the control model once more under another label."""
    if cell.kind != "probe" or cell.model != control:
        return (cell,)
    return cell, dataclasses.replace(cell, model=AGAIN.format(cell.model))


def _part(config: Mapping[str, Any], group: str, kind: type | None = None) -> Any:
    data = config.get(group)
    if not isinstance(data, Mapping):
        raise ConfigError(f"{group}: nothing is chosen; `harness list {group}s` shows what there is")
    built = construct(cast("Mapping[str, Any]", data), where=group)
    if kind is not None and not isinstance(built, kind):
        raise ConfigError(f"{group}: _target_ must be {kind.__module__}.{kind.__qualname__}")
    return built


def _method(config: Mapping[str, Any]) -> Any:
    """The method; settings of a training mean nothing to the unadapted model, and do not make it another one."""
    chosen = config.get("method")
    data = cast("Mapping[str, Any]", chosen if isinstance(chosen, Mapping) else {})
    if data.get("_target_") == UNADAPTED:
        config = {**config, "method": {name: value for name, value in data.items() if name != "training"}}
    return _part(config, "method")


def _model(config: Mapping[str, Any], device: Device) -> Any:
    spec = _part(config, "model")
    if spec.dtype == "auto":
        spec = dataclasses.replace(spec, dtype=device.auto_dtype)
    device.check_dtype(spec.dtype, where=f"model.{spec.name}")
    _check(spec, where=f"model {spec.name}")
    return spec


def _scoring(config: Mapping[str, Any], device: Device) -> dict[str, Any]:
    """How log-likelihoods are computed, as it stands in the cells of tasks: what is done, whatever it is called."""
    spec: Scoring = _part(config, "scoring", Scoring)
    gpus = len(cuda_devices()[0])
    if device.kind == "cuda" and spec.replicas > gpus:
        raise ConfigError(f"scoring: replicas={spec.replicas} needs as many GPUs, {gpus} visible here")
    return {name: value for name, value in node(spec).items() if name != "name"}


def _all_workloads(config: Mapping[str, Any], method: Any) -> list[tuple[str, Any]]:
    tasks = trainings.few_shot(_workloads(config, "task"), method, shots=config.get("few_shot"))
    for group, task in tasks if config.get("few_shot") is not None else ():
        _check(task, where=f"{group}.{task.name}")
    workloads = [*tasks, *_workloads(config, "probe")]
    if not workloads:
        raise ConfigError(
            "nothing to measure: name tasks or probes (task=[zoo-sentiment,zoo-story] probe=decode-small), "
            "a suite (suite=zoo) or an experiment (experiment=quickstart); `harness list tasks` shows what there is"
        )
    return workloads


def _workloads(config: Mapping[str, Any], group: str) -> list[tuple[str, Any]]:
    """The workloads of a group, each with its group's name; a probe over a grid is one workload for each point."""
    nodes = cast("Mapping[str, Mapping[str, Any]]", config.get(group) or {})
    if "_target_" in nodes:
        name = nodes.get("name", "NAME")
        raise ConfigError(f"{group}: the config file of {name} must begin with the line `# @package {group}.{name}`")
    built: list[tuple[str, Any]] = []
    for name, data in nodes.items():
        where = f"{group}.{name}"
        if "_target_" not in data:
            chosen = [n for n, d in nodes.items() if "_target_" in d]
            raise ConfigError(f"{where}: no {group} of that name is chosen: {nearest(name, chosen)}")
        for asked in _protocols(data, config, group):
            workload = construct({**_with_overrides(data, config, group), **asked}, where=where)
            _check(workload, where=where)
            built += [(group, point) for point in (workload.points() if hasattr(workload, "points") else (workload,))]
    return built


def _protocols(data: Mapping[str, Any], config: Mapping[str, Any], group: str) -> list[dict[str, Any]]:
    """What a leaf is asked as: a task with options in every protocol of the top-level `protocol`, where it is set."""
    said = config.get("protocol")
    if said is None or group != "task" or data.get("kind") not in CHOOSES:
        return [{}]
    listed = cast("list[Any]", said) if isinstance(said, list) else [said]
    if not listed:
        raise ConfigError("protocol=[] names none: likelihood, letter or generate, a list of them, or null")
    return [{"protocol": one} for one in dict.fromkeys(listed)]


def _with_overrides(data: Mapping[str, Any], config: Mapping[str, Any], group: str) -> dict[str, Any]:
    """A leaf under the top-level `limit`, `shots` and `seed`, where they are set; a smaller limit of its own stays."""
    keys = ("shots", "seed", "chat") if group == "task" else ("seed",)
    merged = {**data, **{k: config[k] for k in keys if config.get(k) is not None}}
    limits = [v for v in (config.get("limit"), data.get("limit")) if v is not None]
    if group == "task" and limits:
        merged["limit"] = min(limits) if all(isinstance(v, int) for v in limits) else limits[0]
    return merged


def _check(spec: Any, *, where: str) -> None:
    try:
        spec.check()
    except ConfigError as error:
        raise ConfigError(str(error) if where in str(error) else f"{where}: {error}") from None
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
