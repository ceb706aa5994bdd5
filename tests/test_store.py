"""The store: atomic files, samples before records, foreign files reported and left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from harness.records import Cell, Measurement, Record, Sample, Status
from harness.store import Store, write_atomic

if TYPE_CHECKING:
    from pathlib import Path


def _cell(model: str = "m") -> Cell:
    return Cell(model=model, method="none", workload="w", kind="task", spec={"device": {"slug": "cpu-x"}})


def _record(cell: Cell, status: Status = Status.OK) -> Record:
    return Record(cell=cell, status=status, measurements=(Measurement(metric="acc", value=0.5),))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A record comes back equal, its samples with one column per metric; the device is part of the path."""
    store, cell = Store(tmp_path), _cell()
    sample = Sample(
        item_id="a", index=3, options=("x", "y"), logprobs=(-1.0, -2.5), tokens=(1, 2), metrics={"acc": 1.0}
    )
    store.write(_record(cell), [sample])
    assert store.read(cell) == _record(cell)
    assert store.record_path(cell).parent.name == "cpu-x"
    table = pq.read_table(store.samples_path(cell)).to_pylist()
    assert table[0]["logprobs"] == [-1.0, -2.5]
    assert table[0]["metric:acc"] == 1.0


def test_names_cannot_leave_the_folder(tmp_path: Path) -> None:
    """A model named like a path stays a file name."""
    store = Store(tmp_path)
    store.write(_record(_cell("../../etc/passwd")))
    (path, _), *rest = store.records()
    assert not rest
    assert path.is_relative_to(tmp_path)


def test_foreign_files_are_reported_and_left(tmp_path: Path) -> None:
    """A half-written record and somebody's note are named with a reason; the good record is still read."""
    store = Store(tmp_path)
    store.write(_record(_cell()))
    half = store.record_path(_cell("half"))
    half.write_text(_record(_cell("half")).to_json()[:80])
    note = half.with_name("note.txt")
    note.write_text("remember the milk")
    found = dict(store.records())
    assert isinstance(found[store.record_path(_cell())], Record)
    assert "not JSON" in str(found[half])
    assert "not JSON" in str(found[note])
    assert half.exists()
    assert note.exists()
    assert store.read(_cell("half")) is None


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """When the last step of a write fails, the folder holds neither the file nor a temporary one."""
    target = tmp_path / "records"
    target.mkdir()
    (target / "x.json").mkdir()  # os.replace cannot put a file over a folder
    with pytest.raises(OSError, match="irectory"):
        write_atomic(target / "x.json", b"data")
    assert [p.name for p in target.iterdir()] == ["x.json"]


def test_a_failure_never_replaces_a_result(tmp_path: Path) -> None:
    """When a second run of the same study fails at a cell that the first one finished, the result stays."""
    store = Store(tmp_path)
    store.write(_record(_cell(), Status.FAILED))
    store.write(_record(_cell(), Status.OK))
    store.write(_record(_cell(), Status.OOM))
    assert store.read(_cell()) == _record(_cell(), Status.OK)


def test_only_ok_is_done(tmp_path: Path) -> None:
    """A failed record does not count as done."""
    store = Store(tmp_path)
    store.write(_record(_cell("a"), Status.FAILED))
    store.write(_record(_cell("b"), Status.OK))
    assert not store.done(_cell("a"))
    assert store.done(_cell("b"))
    assert not store.done(_cell("c"))
