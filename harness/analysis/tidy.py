"""The four tidy tables of a study, from its records or from the files of a report, checked either way.

    measurements   one row = one value of one metric of one cell
    samples        one row = one document under one model
    timings        one row = one raw repeat of a time or speed of a probe, or one of its tokens
    comparisons    one row = one pair of entries on one task, with its verdict

Layer: above `frame`, `comparisons` and `schema`. `docs/schema.md` says what every column is.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportReturnType=false
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.analysis import comparisons as pairs
from harness.analysis import derive, frame, stats
from harness.analysis.columns import TABLES, TIMINGS
from harness.analysis.current import current
from harness.analysis.quantities import GAP, raw
from harness.analysis.schema import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.analysis.comparisons import Judged
    from harness.analysis.frame import Studies, Study

ORDER = ("study", "model", "method", "workload", "cell", "metric", "subset", "repeat")
"""How the rows of written measurements are ordered."""

LONG = ("prompt", "pred", "gold", "options", "edits")
"""Columns of documents that the CSV lacks, where they are most of the bytes; Parquet holds them."""

LISTS = ("logprobs", "tokens")
"""Columns of documents that the CSV holds as JSON."""


def load(study: Studies) -> pd.DataFrame:
    """The table `measurements` of studies, or of the folders that reports and `harness export` wrote.

    Raises:
        ValueError: a folder that does not exist or holds neither; a row that breaks the schema.
    """
    return _of(study, "measurements", lambda folders: measurements(frame.read(folders)))


def samples(study: Studies) -> pd.DataFrame:
    """The table `samples`.

    Raises:
        ValueError: as `load`.
    """
    return _of(study, "samples", lambda folders: frame.documents(folders).to_pandas())


def timings(study: Studies) -> pd.DataFrame:
    """The table `timings`, of current cells.

    Raises:
        ValueError: as `load`.
    """
    return _of(study, "timings", lambda folders: timed(current(frame.read(folders))))


def comparisons(study: Studies) -> pd.DataFrame:
    """The table `comparisons`, of current cells; several studies are compared as one.

    Raises:
        ValueError: as `load`.
    """
    return _of(study, "comparisons", lambda folders: compared(judged(frame.read(folders), frame.documents(folders))))


def tables(study: Studies) -> dict[str, pd.DataFrame]:
    """All four tables by name, checked.

    Raises:
        ValueError: as `load`.
    """
    return {"measurements": load(study), "samples": samples(study), "timings": timings(study),
            "comparisons": comparisons(study)}  # fmt: skip


def measurements(found: Study) -> pd.DataFrame:
    """The measurements of a study with the 95 % interval of each: Wilson's for right or wrong, else the normal one."""
    numbers = found.measurements
    value, n, stderr = (
        numbers[name].to_numpy(dtype=float, na_value=np.nan) for name in ("value", "n", "stderr")
    )  # fmt: skip
    right, z = value * n, stats.z_value()
    rate = numbers["metric"].isin(derive.BINARY).to_numpy(dtype=bool) & (n >= 1) & (value >= 0) & (value <= 1)
    rate &= np.abs(right - np.round(right)) < 1e-6 * np.maximum(n, 1)
    size = np.maximum(n, 1)
    centre = np.where(rate, (value + z * z / (2 * size)) / (1 + z * z / size), value)
    spread = np.sqrt(np.maximum(value * (1 - value), 0) / size + z * z / (4 * size * size)) / (1 + z * z / size)
    half = z * np.where(rate, spread, stderr)
    lo, hi = np.minimum(centre - half, value), np.maximum(centre + half, value)  # of 0 and 1 without rounding
    method = np.where(rate, "wilson", np.where(np.isfinite(stderr), "normal", ""))
    return numbers.assign(ci_lo=lo, ci_hi=hi, ci_method=pd.array(method.astype(object), dtype="str"))


def timed(found: Study) -> pd.DataFrame:
    """Every raw repeat, and every gap between two tokens where a probe kept them."""
    names = list(TIMINGS.columns)
    numbers = found.measurements
    known = {metric: raw(str(metric)) for metric in numbers["metric"].unique()}
    chosen = numbers[(numbers["kind"] == "probe") & numbers["metric"].map(known).astype(bool)]
    rows = chosen.assign(token=pd.array([pd.NA] * len(chosen), dtype="Int64"))[names]
    gaps = [part for row in found.cells.itertuples(index=False) if (part := _gaps(row)) is not None]
    return pd.concat([rows, *gaps], ignore_index=True)[names] if gaps else rows.reset_index(drop=True)


def _gaps(row: Any) -> pd.DataFrame | None:
    """The gaps between the tokens of one cell."""
    steps = row.probe_facts.get("steps") if row.status == "ok" else None
    repeats: Sequence[Sequence[float]] = steps.get("itl") or () if isinstance(steps, Mapping) else ()
    sizes = [len(repeat) for repeat in repeats]
    if not sum(sizes):
        return None
    labels = {name: getattr(row, name) for name in TIMINGS.columns if hasattr(row, name)}
    values = {
        "repeat": np.repeat(np.arange(len(sizes)), sizes),
        "token": pd.array(np.concatenate([np.arange(1, size + 1) for size in sizes]), dtype="Int64"),
        "metric": GAP, "subset": "", "value": np.concatenate([np.asarray(one, dtype=float) for one in repeats]),
        "unit": "s",
    }  # fmt: skip
    made = pd.DataFrame({**labels, **values}, columns=list(TIMINGS.columns))
    return made.astype(dict.fromkeys(("batch", "prompt", "new", "replicate"), "Int64"))


def judged(found: Study, documents: pa.Table) -> Judged:
    """Every pair of entries on every task that may be paired, and on the mean."""
    whole = current(found)
    return pairs.judged(whole, derive.compare(whole), documents)


def compared(told: Judged) -> pd.DataFrame:
    """The table `comparisons`: every task, then the mean over tasks."""
    parts = [part for part in (told.frame, told.means) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else told.frame


def files(found: Study, documents: pa.Table, told: Judged) -> dict[str, bytes]:
    """The tables as files, checked: all as Parquet, all but the samples as CSV too; the same rows, the same bytes.

    Args:
        found: all records of a study.
        documents: of the same.
        told: what the comparison of its entries says.

    Raises:
        ValueError: a row breaks the schema.
    """
    short = documents.select([name for name in documents.column_names if name not in {*LONG, *LISTS}])
    validate(short.to_pandas(), "samples", whole=False)
    made = {"measurements": measurements(found), "timings": timed(current(found)), "comparisons": compared(told)}
    made["measurements"] = made["measurements"].sort_values(list(ORDER), kind="stable").reset_index(drop=True)
    written = {"samples.parquet": parquet(documents)}
    for name, table in made.items():
        validate(table, name)
        written |= {f"{name}.csv": csv(table),
                    f"{name}.parquet": parquet(pa.Table.from_pandas(table, preserve_index=False))}  # fmt: skip
    return written


def csv(table: pd.DataFrame) -> bytes:
    """A table as CSV; long texts are left out and lists are JSON."""
    shown = table.drop(columns=[name for name in LONG if name in table]) if "item_id" in table else table
    shown = shown.assign(**{name: shown[name].map(_listed) for name in LISTS if name in shown})
    return shown.to_csv(index=False, lineterminator="\n").encode(errors="replace")


def parquet(table: pa.Table) -> bytes:
    """A table as Parquet."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def _listed(values: Any) -> str:
    return json.dumps([one.item() if isinstance(one, np.generic) else one for one in values])


def _whole(found: pd.DataFrame, table: str) -> pd.DataFrame:
    """The frame, with the columns of its table even where there are no rows."""
    return found if len(found) else found.reindex(columns=list(TABLES[table].columns))


def _of(study: Studies, table: str, make: Callable[[list[Path]], pd.DataFrame]) -> pd.DataFrame:
    """A table made from the folders that hold records, and read from those that hold written tables."""
    folders = [Path(study)] if isinstance(study, str | Path) else [Path(one) for one in study]
    written = [folder for folder in folders if _is_written(folder)]
    measured = [folder for folder in folders if folder not in written]
    parts = [_read(folder / f"{table}.parquet") for folder in written]
    if measured or not parts:
        _check(measured)
        parts.insert(0, make(measured))
    parts = [validate(_whole(part, table), table) for part in parts]
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def _check(folders: Sequence[Path]) -> None:
    """Refuses what exists and is no study; a folder that does not exist is refused by `frame`."""
    other = next((folder for folder in folders if folder.is_dir() and not (folder / "records").is_dir()), None)
    if other is not None:
        raise ValueError(f"{other} is no study: it holds neither records nor the measurements.parquet of a report")


def _is_written(folder: Path) -> bool:
    """Whether a folder holds tables and no records."""
    return not (folder / "records").is_dir() and (folder / "measurements.parquet").is_file()


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise ValueError(f"{path}: no such table; harness report STUDY or harness export STUDY csv writes it")
    return pd.read_parquet(path)
