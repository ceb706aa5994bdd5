"""How long it takes to read 100,000 measurements into one frame and to pivot them, and how much memory.

    python -m benchmarks.analysis [--measurements 100000]

A study of task cells (25 numbers each) and of probe cells (100 numbers each) is written into a temporary folder; a
fresh process loads and pivots it, first from its records, then from the tables that a report writes. Times are the best
of three; memory is the peak of the whole process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from harness.records import Cell, Measurement, Record, Status
from harness.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

TASK, PROBE = 25, 100
"""Numbers of a cell."""

DEVICE = {"kind": "cpu", "slug": "cpu-example-2", "name": "Example CPU", "threads": 2, "batch": 16, "memory": 2**33}


@final
@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one process took.

    Attributes:
        rows: measurements.
        load: seconds for `analysis.load`, best of three.
        processor: seconds of the processor in the same, which others on the machine do not lengthen.
        pivot: seconds to pivot them, best of three.
        peak: bytes of the process at most.
    """

    rows: int
    load: float
    processor: float
    pivot: float
    peak: int


def main() -> int:
    """Prints a line for the records and one for the tables; 1 where 5 s or 1 GiB are exceeded."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.analysis", description="loading and pivoting a study")
    parser.add_argument("--measurements", type=int, default=100_000)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.read is not None:
        print(json.dumps(vars(_read(asked.read))))
        return 0
    with tempfile.TemporaryDirectory() as place:
        study, tables = Path(place) / "study", Path(place) / "tables"
        number = write(study, asked.measurements)
        size = sum(path.stat().st_size for path in study.rglob("*.json"))
        print(f"{asked.measurements:,} measurements in {number:,} records, {size / 2**20:.0f} MiB of JSON")
        found = {"records": _apart(study)}
        _tables(study, tables)
        found["tables of a report"] = _apart(tables)
    for name, one in found.items():
        print(f"{name:<20} {one.rows:>9,} rows   load {one.load:5.2f} s ({one.processor:.2f} s of the processor)   "
              f"pivot {one.pivot:5.2f} s   peak {one.peak / 2**20:5.0f} MiB")  # fmt: skip
    return int(any(one.load + one.pivot > 5 or one.peak > 2**30 for one in found.values()))  # noqa: PLR2004 - the aim


def write(folder: Path, number: int) -> int:
    """Writes records with `number` measurements, half of them of probes; how many records."""
    records = list(_records(number))
    store = Store(folder)
    for record in records:
        path = store.record_path(record.cell)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record.to_json(), encoding="utf-8")  # without waiting for the disk, as `Store.write` does
    return len(records)


def _records(number: int) -> Iterator[Record]:
    for index in range(number // 2 // TASK):
        metrics = [("acc", ""), ("acc_norm", ""), *(("recall", f"class={place}") for place in range(TASK - 2))]
        numbers = tuple(
            Measurement(metric=metric, value=(index % 90 + place) / 120, subset=subset, n=1000, stderr=0.01)
            for place, (metric, subset) in enumerate(metrics)
        )
        yield _record(f"task-{index // 20 % 20}", "task", numbers, model=index % 20, seed=index // 400)
    for index in range(number // 2 // PROBE):
        numbers = tuple(
            Measurement(metric=metric, value=0.01 + place * 1e-5, unit="s", repeat=repeat)
            for place, metric in enumerate(("ttft", "itl", "tpot", "e2e", "ttft_cpu"))
            for repeat in range(PROBE // 5)
        )
        yield _record("decode", "probe", numbers, model=index % 20, seed=index // 20)


def _record(workload: str, kind: str, numbers: tuple[Measurement, ...], *, model: int, seed: int) -> Record:
    name = f"model-{model}"
    spec: dict[str, Any] = {
        "model": {"_target_": "harness.models.spec.ModelSpec", "name": name, "family": "gpt2", "source": f"org/{name}",
                  "dtype": "auto", "attention": "auto"},
        "method": {"_target_": "harness.methods.none.NoMethod", "name": "none"},
        "workload": {"_target_": "harness.tasks.spec.Task", "name": workload, "kind": "language_modelling",
                     "metrics": ["acc"], "shots": 0, "limit": None},
        "device": DEVICE,
    }  # fmt: skip
    facts = {
        "harness": "0.1.0", "commit": "0123456789ab", "started": "2026-01-02T03:04:05Z", "seconds": 1.25,
        "versions": {"python": "3.11.2", "torch": "2.13.0", "transformers": "5.23.0"},
        "subject": {"family": "gpt2", "parameters": 124_439_808, "dtype": "float32", "attention": "sdpa",
                    "weights": "pretrained", "revision": "main"},
        "task": {"documents": 1000, "available": 1000, "version": 1},
    }  # fmt: skip
    cell = Cell(model=name, method="none", workload=workload, kind=kind, seed=seed, spec=spec)
    return Record(cell=cell, status=Status.OK, measurements=numbers, provenance=facts)


def _tables(study: Path, out: Path) -> None:
    from harness.analysis import frame, tidy

    out.mkdir()
    found, documents = frame.read(study), frame.documents(study)
    (out / "measurements.parquet").write_bytes(
        tidy.files(found, documents, tidy.judged(found, documents))["measurements.parquet"]
    )


def _apart(folder: Path) -> Reading:
    command = [sys.executable, "-m", "benchmarks.analysis", "--read", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this very program
    return Reading(**json.loads(done.stdout))


def _read(folder: Path) -> Reading:
    from harness import analysis

    loads, processor, pivots, rows = list[float](), list[float](), list[float](), 0
    for _ in range(3):
        began, worked = time.perf_counter(), time.process_time()
        numbers = analysis.load(folder)
        loaded = time.perf_counter()
        processor.append(time.process_time() - worked)
        keys = ["workload", "metric", "subset", "seed", "repeat"]
        wide = numbers.pivot(index=keys, columns="model", values="value")
        pivots.append(time.perf_counter() - loaded)
        loads.append(loaded - began)
        rows = int(wide.notna().to_numpy().sum())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Reading(rows=rows, load=min(loads), processor=min(processor), pivot=min(pivots), peak=peak)


if __name__ == "__main__":
    raise SystemExit(main())
