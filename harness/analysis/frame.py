"""Records of a study as tidy frames.

Layer: the lowest of the reading half: it reads the store and knows nothing of statistics or pictures. Nothing is
rounded, averaged or dropped here: raw repeats stay rows, failed cells stay rows of `cells`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# ruff: noqa: PD101 - nunique leaves gaps out
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.analysis import rows
from harness.analysis.current import superseded
from harness.analysis.rows import EFFECTIVE, NUMBERS
from harness.config import nearest
from harness.records import Record, Status
from harness.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

Studies = str | Path | Iterable[str | Path]
"""One study folder, or several."""

LABELS = (
    "study", "cell", "status", "kind", "model", "method", "workload", "workload_kind", "perturbation", "severity",
    "seed", "family", "parameters", "dtype", "attention", "device", "device_name", "device_kind", "weights", "revision",
    "quantisation", "source", "shots", "limit", "chance", "primary_metric", "error", "warning_count", "started",
    "commit", "harness", *rows.AXES, "replicate", "noisy", "control", "superseded",
)  # fmt: skip
"""Columns that say what was measured and how; they stand in both frames. `superseded`: measured again later; `batch`,
`prompt`, `new` and `replicate`: the point of a probe's grid; `control`: of an A/A control the model it repeats."""

DETAILS = (
    "warnings", "seconds", "versions", "command", "model_class", "context", "device_map", "trust_remote_code",
    "task_source", "documents", "available", "workload_spec", "subject_spec", "probe_kind", "probe_facts",
    "device_memory", "variation", "variation_spec", "file", "trained_on", "address", "n_train", "train_seed",
)  # fmt: skip
"""Columns that only `cells` has. `trained_on`: task whose adapter was measured or made, empty for none; `n_train`:
documents it was really trained on."""


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
    numbers: list[tuple[Any, ...]] = []
    origins: list[int] = []
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
            labels = {**rows.labels(found, study=folder.name), "superseded": found.cell.id in old}
            if labels["chance"] is None:
                labels["chance"] = rows.guessing(found, Store(folder).samples_path(found.cell))
            numbers.extend(rows.number(m, labels) for m in found.measurements)
            origins.extend([len(records)] * len(found.measurements))
            records.append({**labels, **rows.details(found, file=name)})
    whole = pd.DataFrame(records, columns=[*LABELS, *DETAILS])
    return Study(
        name=", ".join(folder.name for folder in folders),
        folders=folders,
        measurements=_measurements(_typed(whole[list(LABELS)]), numbers, origins),
        cells=_typed(_siblings(whole)),
        unreadable=pd.DataFrame(problems, columns=["study", "file", "reason"]),
    )


def _measurements(labels: pd.DataFrame, numbers: Sequence[tuple[Any, ...]], origins: Sequence[int]) -> pd.DataFrame:
    """Each number beside the labels of the record it comes from."""
    values = _typed(pd.DataFrame(numbers, columns=[*NUMBERS]))
    return pd.concat([labels.take(origins).reset_index(drop=True), values], axis=1)


TEXTS = frozenset({"prompt", "prompt_hash", "edits"})
"""Columns of documents that nothing but a reader needs."""


def documents(study: Studies, *, texts: bool = True) -> pa.Table:
    """The documents of one or more studies as an Arrow table; metrics of a document are columns `metric:NAME`.

    Files that cannot be read are left out; pairing then finds no documents for that cell and says so.

    Args:
        study: folders.
        texts: whether `TEXTS` are read, which are most of the bytes.

    Raises:
        ValueError: a folder that does not exist.
    """
    parts: list[pa.Table] = []
    for folder in _folders(study):
        store = Store(folder)
        for _, found in store.records():
            if isinstance(found, Record) and found.status is Status.OK:
                parts.extend(_documents_of(found, store.samples_path(found.cell), folder.name, texts=texts))
    empty = pa.table({name: pa.array([], pa.string()) for name in ("study", "cell", "model", "workload", "item_id")})
    return pa.concat_tables(parts, promote_options="default") if parts else empty


def _documents_of(record: Record, path: Path, study: str, *, texts: bool) -> list[pa.Table]:
    try:
        with pq.ParquetFile(path) as file:
            kept = None if texts else [name for name in file.schema_arrow.names if name not in TEXTS]
            table = file.read(columns=kept)
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


def _siblings(frame: pd.DataFrame) -> pd.DataFrame:
    """Lets failed cells borrow the effective settings of the same model on the same device, where these are unique."""
    keys = ["study", "model", "method", "device"]
    good = frame[(frame["status"] == "ok") & ~frame["superseded"].astype(bool)]
    bad = frame["status"] != "ok"
    lacking = list(frame.loc[bad, keys].itertuples(index=False, name=None))
    for column in EFFECTIVE if lacking else ():
        unique = (
            good.dropna(subset=[column]).groupby(keys)[column].agg(lambda s: s.iloc[0] if s.nunique() == 1 else None)
        )
        found = pd.Series([unique.get(key) for key in lacking], frame.index[bad], dtype=object).dropna().infer_objects()
        frame.loc[found.index, column] = found
    return frame


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    kinds = {
        "parameters": "Int64", "shots": "Int64", "limit": "Int64", "context": "Int64", "chance": "float64",
        "documents": "Int64", "available": "Int64", "n_train": "Int64", "train_seed": "Int64",
        "device_memory": "float64", "seconds": "float64", "value": "float64", "stderr": "float64",
        "higher_is_better": "boolean", "primary": "bool",
        "trust_remote_code": "bool", "severity": "float64", "superseded": "bool", "noisy": "bool",
        "batch": "Int64", "prompt": "Int64", "new": "Int64", "replicate": "Int64",
    }  # fmt: skip
    return frame.astype({name: kind for name, kind in kinds.items() if name in frame})
