"""Of a cell that was measured again on changed files, only the newest record counts."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from harness import analysis
from harness.analysis import derive, frame, problems, report, tables, terminal
from harness.analysis.current import current
from harness.records import Record, Sample, Status
from harness.store import Store

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

OLD, NEW = "2026-01-01T10:00:00+00:00", "2026-01-02T10:00:00+00:00"
Measured = tuple[Record, tuple[Sample, ...]]


def version(measured: Measured, fingerprint: str, *, part: str = "model", started: str = OLD) -> Measured:
    """The same cell measured on files with another content."""
    record, samples = measured
    spec = {**record.cell.spec, part: {**record.cell.spec[part], "fingerprint": fingerprint}}
    facts = {**record.provenance, "started": started}
    facts["subject"] = {**record.provenance["subject"], "revision": fingerprint}
    return replace(record, cell=replace(record.cell, spec=spec), provenance=facts), samples


def failure(measured: Measured) -> Measured:
    """The same cell, failed."""
    return replace(measured[0], status=Status.FAILED, measurements=(), error="weights cut short"), ()


def shown(folder: Path) -> str:
    """What the terminal prints of a study."""
    stream = io.StringIO()
    terminal.show(folder, Console(file=stream, width=120))
    return stream.getvalue()


@pytest.mark.parametrize("part", ["model", "workload"])
def test_a_repaired_failure_is_gone(synthetic: ModuleType, tmp_path: Path, part: str) -> None:
    """A failure whose files were repaired is in no list, count or sentence; one note counts it; the data keep it."""
    folder = tmp_path / "s"
    good = synthetic.task_record("mini-neox", "topic", documents=20)
    Store(folder).write(*failure(version(good, "sha256:a", part=part)))
    Store(folder).write(*version(good, "sha256:b", part=part, started=NEW))
    Store(folder).write(*synthetic.task_record("mini-gptj", "topic", documents=20))
    text = shown(folder)
    assert "failed" not in text
    assert "weights cut short" not in text
    assert text.count("Older records of cells that were measured again: 1.") == 1
    places = report.build(folder)
    assert places.html is not None
    assert places.markdown is not None
    for page in (places.html.read_text(encoding="utf-8"), places.markdown.read_text(encoding="utf-8")):
        assert "weights cut short" not in page
        assert "2 of 2 with a result" in page
        assert "have no result" not in page
    assert analysis.cells(folder)["superseded"].tolist().count(True) == 1


def test_the_newest_record_counts_whatever_came_of_it(synthetic: ModuleType, tmp_path: Path) -> None:
    """An older result gives way to a later failure, also where the effective revision differs."""
    folder = tmp_path / "s"
    good = synthetic.task_record("mini-neox", "topic", documents=20)
    old = (replace(version(good, "sha256:a")[0], warnings=("old and odd",)), good[1])
    Store(folder).write(*old)
    Store(folder).write(*failure(version(good, "sha256:b", started=NEW)))
    found = current(frame.read(folder))
    assert found.older == 1
    assert not len(found.measurements)
    assert not problems.warnings(found).rows
    board = tables.leaderboard(derive.compare(found))
    assert [row[0].text for row in board.rows] == ["mini-neox"]
    assert any("failed" in value.text for value in board.rows[0])


def test_a_retry_in_the_same_second_is_the_newer_one(synthetic: ModuleType, tmp_path: Path) -> None:
    """Times are whole seconds; at a tie the record with a result counts."""
    folder = tmp_path / "s"
    good = synthetic.task_record("mini-neox", "topic", documents=20)
    Store(folder).write(*version(good, "sha256:a"))
    Store(folder).write(*failure(version(good, "sha256:b")))
    assert current(frame.read(folder)).cells["status"].tolist() == ["ok"]


def test_other_settings_supersede_nothing(synthetic: ModuleType, tmp_path: Path) -> None:
    """Another limit, another seed or another label is another cell, however late."""
    folder = tmp_path / "s"
    record, samples = synthetic.task_record("mini-neox", "topic", documents=20)
    limited = {**record.cell.spec, "workload": {**record.cell.spec["workload"], "limit": 10}}
    for cell in (record.cell, replace(record.cell, seed=1), replace(record.cell, model="other"),
                 replace(record.cell, spec=limited)):  # fmt: skip
        Store(folder).write(replace(record, cell=cell), samples)
    found = current(frame.read(folder))
    assert (found.older, len(found.cells)) == (0, 4)
    assert "Older records" not in shown(folder)
