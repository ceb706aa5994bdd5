"""Records and samples on disk: the only code that touches `results/STUDY/records` and `results/STUDY/samples`.

Layer: the waist. One file per cell, written under a temporary name and moved into place, samples first and the record
last: the record is the commit point. No index, no lock, no append, so parallel jobs cannot collide and a killed job
leaves nothing half-written. What cannot be read is reported and skipped, never deleted.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from harness import samples as parquet
from harness.records import Cell, Record, Sample, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@final
@dataclass(frozen=True)
class Store:
    """The records of one study.

    Attributes:
        folder: `results/STUDY`. It is made on the first write.
    """

    folder: Path

    def record_path(self, cell: Cell) -> Path:
        """Where the record of `cell` stands or will stand."""
        return self.folder / "records" / _slug(_device(cell)) / f"{_stem(cell)}.json"

    def samples_path(self, cell: Cell) -> Path:
        """Where the samples of `cell` stand or will stand."""
        return self.folder / "samples" / _slug(_device(cell)) / f"{_stem(cell)}.parquet"

    def examples_path(self, cell: Cell) -> Path:
        """Where the examples that the attack of `cell` found stand or will stand, one JSON object a line."""
        return self.folder / "adversarial" / _slug(_device(cell)) / f"{_stem(cell)}.jsonl"

    def read(self, cell: Cell) -> Record | None:
        """The record of `cell`, or None where there is none that can be read."""
        try:
            return Record.from_json(self.record_path(cell).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # Missing or damaged: to be measured; a write will say what is wrong.
            return None

    def done(self, cell: Cell) -> bool:
        """Whether `cell` was measured."""
        record = self.read(cell)
        return record is not None and record.status is Status.OK

    def write(self, record: Record, samples: Sequence[Sample] = (), *, examples: str | None = None) -> None:
        """Writes samples and adversarial examples, then the record, each atomically.

        A failure never replaces a result: of two runs at once, the one that ran out of memory may end last.

        Raises:
            OSError: the folder cannot be written, or the disk is full; nothing half-written is left behind.
        """
        if record.status is not Status.OK and self.done(record.cell):
            return
        if samples:
            write_atomic(self.samples_path(record.cell), parquet.to_parquet(samples))
        if examples is not None:
            write_atomic(self.examples_path(record.cell), examples.encode())
        write_atomic(self.record_path(record.cell), record.to_json().encode())

    def records(self) -> Iterator[tuple[Path, Record | str]]:
        """Every file among the records, in path order: a `Record`, or the reason why it is none."""
        for path in sorted((self.folder / "records").glob("**/*")):
            if path.is_dir() or path.name.startswith(".tmp-"):
                continue
            try:
                yield path, Record.from_json(path.read_text(encoding="utf-8"))
            except (ValueError, OSError) as error:
                yield path, str(error)


def write_atomic(path: Path, data: bytes) -> None:
    """Writes `data` to `path` so that a reader, or a crash, sees the old file or the new one and nothing between.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".tmp-{os.getpid()}-{hashlib.sha256(path.name.encode()).hexdigest()[:12]}"
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _device(cell: Cell) -> str:
    return str(cell.spec.get("device", {}).get("slug", "unknown"))


def _stem(cell: Cell) -> str:
    varied = f"{_slug(cell.variation)[:40]}." if cell.variation else ""
    return f"{_slug(cell.model)[:60]}.{_slug(cell.workload)[:60]}.{varied}{cell.id}"


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-") or "unnamed"
