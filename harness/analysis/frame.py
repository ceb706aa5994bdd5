"""Records of a study as tidy frames.

Layer: the lowest of the reading half: it reads the store and knows nothing of statistics or pictures. Nothing is
rounded, averaged or dropped here: raw repeats stay rows, failed cells stay rows of `cells`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# ruff: noqa: PD101 - nunique leaves gaps out
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.analysis.current import superseded
from harness.analysis.labels import subject_spec, workload_spec
from harness.config import nearest
from harness.records import Measurement, Record, Status
from harness.store import Store

Studies = str | Path | Iterable[str | Path]
"""One study folder, or several."""

LABELS = (
    "study", "cell", "status", "kind", "model", "method", "workload", "workload_kind", "perturbation", "severity",
    "seed", "family", "parameters", "dtype", "attention", "device", "device_name", "device_kind", "weights", "revision",
    "quantisation", "source", "shots", "limit", "chance", "primary_metric", "error", "warning_count", "started",
    "commit", "harness", "superseded",
)  # fmt: skip
"""Columns that say what was measured and how; they stand in both frames. `superseded`: measured again later."""

NUMBERS = ("metric", "subset", "repeat", "value", "unit", "n", "stderr", "higher_is_better", "primary")
"""Columns of one value of one metric."""

DETAILS = (
    "warnings", "seconds", "versions", "command", "model_class", "context", "device_map", "trust_remote_code",
    "task_source", "documents", "available", "workload_spec", "subject_spec", "file",
)  # fmt: skip
"""Columns that only `cells` has."""

BOOKKEEPING = frozenset({
    "seconds", "requests", "prompt_tokens", "generated_tokens", "computed_tokens", "throughput", "peak_device_bytes",
    "peak_host_bytes", "majority_share", "audit_max_difference", "audit_flips",
})  # fmt: skip
"""Metrics of a task cell that describe the run, not the quality."""

EFFECTIVE = ("family", "parameters", "dtype", "attention", "weights", "revision", "quantisation")
"""Settings that are read back from the loaded model; a failed cell borrows them from its siblings."""


@final
@dataclass(frozen=True, kw_only=True)
class Study:
    """Everything the reading half knows of one or more study folders.

    Attributes:
        name: names of the folders.
        folders: the folders.
        measurements: one row = one value of one metric: `LABELS` and `NUMBERS`.
        cells: one row = one record, failures included: `LABELS` and `DETAILS`.
        unreadable: one row = one file among the records that is none: `file`, `reason`.
        older: number of superseded records that were left out; see `current`.
    """

    name: str
    folders: tuple[Path, ...]
    measurements: pd.DataFrame
    cells: pd.DataFrame
    unreadable: pd.DataFrame
    older: int = 0


def load(study: Studies) -> pd.DataFrame:
    """The measurements of one or more studies, one row = one value of one metric.

    Raises:
        ValueError: a folder that does not exist.
    """
    return read(study).measurements


def cells(study: Studies) -> pd.DataFrame:
    """The cells of one or more studies, failed ones included, one row = one record.

    Raises:
        ValueError: a folder that does not exist.
    """
    return read(study).cells


def unreadable(study: Studies) -> pd.DataFrame:
    """Foreign and half-written files among the records, with the reason why each was skipped.

    Raises:
        ValueError: a folder that does not exist.
    """
    return read(study).unreadable


def samples(study: Studies) -> pd.DataFrame:
    """The documents of one or more studies, one row = one document under one model.

    Raises:
        ValueError: a folder that does not exist.
    """
    return documents(study).to_pandas()


def read(study: Studies) -> Study:
    """All frames of one or more studies in one pass over the files.

    Raises:
        ValueError: a folder that does not exist.
    """
    folders = _folders(study)
    numbers: list[dict[str, Any]] = []
    records: list[dict[str, Any]] = []
    problems: list[dict[str, str]] = []
    held = {folder: list(Store(folder).records()) for folder in folders}
    old = superseded(found for entries in held.values() for _, found in entries if isinstance(found, Record))
    for folder, entries in held.items():
        for path, found in entries:
            name = path.relative_to(folder).as_posix()
            if isinstance(found, str):
                problems.append({"study": folder.name, "file": name, "reason": found})
                continue
            labels = {**_labels(found, study=folder.name), "superseded": found.cell.id in old}
            if labels["chance"] is None:
                labels["chance"] = _guessing(found, Store(folder).samples_path(found.cell))
            records.append({**labels, **_details(found, file=name)})
            numbers.extend({**labels, **_number(m, labels)} for m in found.measurements)
    return Study(
        name=", ".join(folder.name for folder in folders),
        folders=folders,
        measurements=_typed(pd.DataFrame(numbers, columns=[*LABELS, *NUMBERS])),
        cells=_typed(_siblings(pd.DataFrame(records, columns=[*LABELS, *DETAILS]))),
        unreadable=pd.DataFrame(problems, columns=["study", "file", "reason"]),
    )


def documents(study: Studies) -> pa.Table:
    """The documents of one or more studies as an Arrow table; metrics of a document are columns `metric:NAME`.

    Files that cannot be read are left out; pairing then finds no documents for that cell and says so.

    Raises:
        ValueError: a folder that does not exist.
    """
    parts: list[pa.Table] = []
    for folder in _folders(study):
        store = Store(folder)
        for _, found in store.records():
            if isinstance(found, Record) and found.status is Status.OK:
                parts.extend(_documents_of(found, path=store.samples_path(found.cell), study=folder.name))
    empty = pa.table({name: pa.array([], pa.string()) for name in ("study", "cell", "model", "workload", "item_id")})
    return pa.concat_tables(parts, promote_options="default") if parts else empty


def _documents_of(record: Record, *, path: Path, study: str) -> list[pa.Table]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid):
        return []
    cell = record.cell
    labels = {
        "study": study, "cell": cell.id, "model": cell.model, "method": cell.method, "workload": cell.workload,
        "perturbation": cell.perturbation, "severity": float(cell.severity), "seed": cell.seed,
    }  # fmt: skip
    for position, (name, value) in enumerate(labels.items()):
        table = table.add_column(position, name, pa.array([value] * table.num_rows))
    return [table]


def _folders(study: Studies) -> tuple[Path, ...]:
    folders = (Path(study),) if isinstance(study, str | Path) else tuple(Path(one) for one in study)
    for folder in folders:
        if not folder.is_dir():
            beside = [p.name for p in folder.parent.iterdir() if p.is_dir()] if folder.parent.is_dir() else []
            hint = nearest(folder.name, beside) if beside else "there are no studies beside it"
            raise ValueError(f"study {folder.name!r}: no such folder: {hint}")
    return tuple(folder.resolve() for folder in folders)


def _labels(record: Record, *, study: str) -> dict[str, Any]:
    cell, facts = record.cell, record.provenance
    model, workload, device = (_mapping(cell.spec.get(key)) for key in ("model", "workload", "device"))
    subject, task = _mapping(facts.get("subject")), _mapping(facts.get("task"))
    return {
        "study": study, "cell": cell.id, "status": str(record.status), "kind": cell.kind, "model": cell.model,
        "method": cell.method, "workload": cell.workload, "workload_kind": workload.get("kind", cell.kind),
        "perturbation": cell.perturbation, "severity": float(cell.severity), "seed": cell.seed,
        **{key: _effective(key, subject, model) for key in EFFECTIVE},
        "device": str(device.get("slug", "unknown")),
        "device_name": str(device.get("name") or device.get("slug", "unknown")),
        "device_kind": str(device.get("kind", "unknown")), "source": _text(model.get("source")),
        "shots": workload.get("shots"), "limit": workload.get("limit"),
        "chance": _first(workload.get("chance"), task.get("chance")),
        "primary_metric": _primary(record, workload), "error": record.error, "warning_count": len(record.warnings),
        "started": _text(facts.get("started")), "commit": _text(facts.get("commit")),
        "harness": _text(facts.get("harness")),
    }  # fmt: skip


def _guessing(record: Record, path: Path) -> float | None:
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


def _details(record: Record, *, file: str) -> dict[str, Any]:
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
        "workload_spec": workload_spec(_mapping(spec.get("workload"))), "subject_spec": subject_spec(spec),
        "file": file,
    }  # fmt: skip


def _number(measurement: Measurement, labels: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: getattr(measurement, name) for name in NUMBERS if name != "primary"}
    return {**row, "primary": measurement.metric == labels["primary_metric"] and not measurement.subset}


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


def _siblings(frame: pd.DataFrame) -> pd.DataFrame:
    """Lets failed cells borrow the effective settings of the same model on the same device, where these are unique."""
    keys = ["study", "model", "method", "device"]
    good = frame[(frame["status"] == "ok") & ~frame["superseded"].astype(bool)]
    bad = frame["status"] != "ok"
    for column in EFFECTIVE:
        unique = (
            good.dropna(subset=[column]).groupby(keys)[column].agg(lambda s: s.iloc[0] if s.nunique() == 1 else None)
        )
        found = pd.Series([unique.get(key) for key in frame[keys].itertuples(index=False, name=None)], frame.index)
        frame[column] = frame[column].mask(bad & found.notna(), found)
    return frame


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    kinds = {
        "parameters": "Int64", "shots": "Int64", "limit": "Int64", "context": "Int64", "chance": "float64",
        "documents": "Int64", "available": "Int64",
        "seconds": "float64", "value": "float64", "stderr": "float64", "higher_is_better": "boolean", "primary": "bool",
        "trust_remote_code": "bool", "severity": "float64", "superseded": "bool",
    }  # fmt: skip
    return frame.astype({name: kind for name, kind in kinds.items() if name in frame})


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
