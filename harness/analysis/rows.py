"""A record -> the values of its rows: labels, details, numbers.

Layer: below `frame`, which makes tables of these rows; plain data, no pandas.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.analysis.labels import subject_spec, workload_spec
from harness.records import Record, Status

if TYPE_CHECKING:
    from pathlib import Path

    from harness.records import Cell, Measurement

TRAINING = "training"
"""Kind of the cells of trainings."""

NUMBERS = ("metric", "subset", "repeat", "value", "unit", "n", "stderr", "higher_is_better", "primary")
"""Columns of one value of one metric."""

AXES = ("batch", "prompt", "new")
"""Axes of the grid of a probe."""

GRID = (*AXES, "replicate", "replicates")
"""Fields of a probe that say which of its points and processes a cell is."""

BOOKKEEPING = frozenset({
    "seconds", "requests", "prompt_tokens", "generated_tokens", "computed_tokens", "throughput", "peak_device_bytes",
    "peak_host_bytes", "majority_share", "audit_max_difference", "audit_flips",
})  # fmt: skip
"""Metrics of a task cell that describe the run, not the quality."""

EFFECTIVE = ("family", "parameters", "dtype", "attention", "weights", "revision", "quantisation")
"""Settings that are read back from the loaded model; a failed cell borrows them from its siblings."""


def labels(record: Record, *, study: str) -> dict[str, Any]:
    """What was measured and how: the columns that stand in both frames, all but `superseded`."""
    cell, facts = record.cell, record.provenance
    model, workload, device = (_mapping(cell.spec.get(key)) for key in ("model", "workload", "device"))
    subject, task = _mapping(facts.get("subject")), _mapping(facts.get("task"))
    return {
        "study": study, "cell": cell.id, "status": str(record.status), "kind": cell.kind, "model": cell.model,
        "method": cell.method, "workload": cell.workload,
        "workload_kind": cell.kind if cell.kind == TRAINING else workload.get("kind", cell.kind),
        "perturbation": cell.perturbation, "severity": float(cell.severity), "seed": cell.seed,
        **{key: _effective(key, subject, model) for key in EFFECTIVE},
        "device": str(device.get("slug", "unknown")),
        "device_name": str(device.get("name") or device.get("slug", "unknown")),
        "device_kind": str(device.get("kind", "unknown")), "source": _text(model.get("source")),
        "shots": workload.get("shots"), "limit": workload.get("limit"),
        "chance": _first(workload.get("chance"), task.get("chance")),
        "primary_metric": _primary(record, workload), "error": record.error, "warning_count": len(record.warnings),
        "started": _text(facts.get("started")), "commit": _text(facts.get("commit")),
        "harness": _text(facts.get("harness")), **_place(cell, task),
    }  # fmt: skip


def guessing(record: Record, path: Path) -> float | None:
    """Expected accuracy of guessing among the options of the documents; None where there is nothing to choose from."""
    workload = _mapping(record.cell.spec.get("workload"))
    chosen = workload.get("kind") in {"classification", "multiple_choice"}
    if record.status is not Status.OK or not chosen or _primary(record, workload) not in {"acc", "acc_norm"}:
        return None
    try:
        options = pq.read_table(path, columns=["options"])["options"]
    except (OSError, pa.ArrowInvalid):
        return None
    counts = [len(choices) for choices in options.to_pylist()]
    return sum(1 / count for count in counts) / len(counts) if counts and min(counts) > 1 else None


def details(record: Record, *, file: str) -> dict[str, Any]:
    """What only `cells` says of a record."""
    facts = record.provenance
    subject, spec = _mapping(facts.get("subject")), record.cell.spec
    command = facts.get("command")
    return {
        "warnings": tuple(record.warnings), "seconds": facts.get("seconds"),
        "versions": json.dumps(_mapping(facts.get("versions")), sort_keys=True),
        "command": json.dumps(list(command) if isinstance(command, list | tuple) else []),
        "model_class": _text(subject.get("class")), "context": subject.get("context"),
        "device_map": _text(subject.get("device_map")),
        "trust_remote_code": bool(_first(subject.get("trust_remote_code"),
                                         _mapping(spec.get("model")).get("trust_remote_code"))),
        "task_source": _text(_mapping(spec.get("workload")).get("source")),
        "documents": _mapping(facts.get("task")).get("documents"),
        "available": _mapping(facts.get("task")).get("available"),
        "workload_spec": workload_spec(_mapping(spec.get("workload")), grid=() if record.cell.kind == "task" else GRID),
        "subject_spec": subject_spec(spec),
        "probe_kind": _probe_kind(record.cell), "device_memory": _mapping(facts.get("device")).get("memory") or None,
        "variation": record.cell.variation,
        "variation_spec": json.dumps(_mapping(spec.get("perturbation")), sort_keys=True),
        "file": file,
        "probe_facts": _mapping(facts.get("task")) if record.cell.kind == "probe" else {},
        **_training(record.cell, _mapping(facts.get("task"))),
    }  # fmt: skip


def number(measurement: Measurement, known: Mapping[str, Any]) -> tuple[Any, ...]:
    """One value of one metric, in the order of `NUMBERS`."""
    row = tuple(getattr(measurement, name) for name in NUMBERS[:-1])
    return (*row, measurement.metric == known["primary_metric"] and not measurement.subset)


def _training(cell: Cell, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Which adapter a cell was measured under, or made, and from how much; nothing of the unadapted model."""
    split = _mapping(cell.spec.get("workload" if cell.kind == TRAINING else TRAINING))
    settings = _mapping(_mapping(cell.spec.get("method")).get(TRAINING)) if split else {}
    return {
        "trained_on": _text(split.get("name")), "address": _text(facts.get("address")) if split else "",
        "n_train": facts.get("n_train") if split else None, "train_seed": settings.get("seed"),
    }  # fmt: skip


def _place(cell: Cell, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Where in the grid of its probe a cell lies, whether its numbers are noisy, and what model it is a control of."""
    asked = _mapping(cell.spec.get("workload")) if cell.kind == "probe" else {}
    sizes = {name: _size(_first(asked.get(name), facts.get(name))) if asked else None for name in AXES}
    name = _mapping(cell.spec.get("model")).get("name", cell.model)
    control = str(name) if cell.kind == "probe" and name != cell.model else ""
    return {**sizes, "replicate": cell.replicate, "noisy": bool(facts.get("noisy")), "control": control}


def _size(value: Any) -> int | None:
    """The size of an axis; None for what is none (0 new tokens), or for a list of several."""
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _probe_kind(cell: Cell) -> str:
    """The module of a probe's class: `decode` for `harness.probes.decode.Decode`; empty for a task."""
    parts = str(_mapping(cell.spec.get("workload")).get("_target_", "")).split(".")
    return (parts[-2] if len(parts) > 1 else cell.workload) if cell.kind == "probe" else ""


def _primary(record: Record, workload: Mapping[str, Any]) -> str:
    """First declared metric that was measured; else the first one that speaks of quality; else what was declared."""
    declared = [str(name) for name in workload.get("metrics") or ()]
    whole = [m.metric for m in record.measurements if not m.subset]
    measured = [name for name in declared if name in whole] or [name for name in whole if name not in BOOKKEEPING]
    return (measured or declared or [""])[0] if record.cell.kind == "task" else ""


def _effective(key: str, subject: Mapping[str, Any], spec: Mapping[str, Any]) -> Any:
    """What was read back, else what was asked for unless that was left to the machine."""
    value = subject.get(key)
    if value is None:
        value = spec.get(key)
    return None if value in (None, "auto") else value


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
