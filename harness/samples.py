"""Samples -> Parquet.

Layer: the waist, below `store`; pyarrow only, imported when there is something to write.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from harness.records import Sample


def to_parquet(samples: Sequence[Sample]) -> bytes:
    """Samples as a Parquet file; the metrics of a document become columns `metric:NAME`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(_table(samples), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def _table(samples: Sequence[Sample]) -> pa.Table:
    import pyarrow as pa

    names = sorted({name for sample in samples for name in sample.metrics})
    columns: dict[str, pa.Array] = {}
    kinds = {
        "item_id": pa.string(),
        "index": pa.int64(),
        "subset": pa.string(),
        "prompt_hash": pa.string(),
        "prompt": pa.string(),
        "gold": pa.string(),
        "pred": pa.string(),
        "options": pa.list_(pa.string()),
        "logprobs": pa.list_(pa.float64()),
        "tokens": pa.list_(pa.int64()),
        "truncated": pa.bool_(),
        "edits": pa.string(),
    }
    rows = [asdict(sample) for sample in samples]
    for key, kind in kinds.items():
        columns[key] = pa.array([row[key] for row in rows], type=kind)
    for name in names:
        columns[f"metric:{name}"] = pa.array([sample.metrics.get(name) for sample in samples], type=pa.float64())
    return pa.table(columns)
