"""What was not asked alike never shares a name, and what is ranked together was asked alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.analysis import derive, efficiency_tables, frame, tables
from harness.store import Store

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from harness.records import Record

DATA_A, DATA_B = "sha256:3fa2000000000000", "sha256:77c1000000000000"


def changed(record: Record, part: str, *, started: Any = "", **fields: Any) -> Record:
    """The record with other settings of its model, workload or device."""
    spec = {**record.cell.spec, part: {**record.cell.spec[part], **fields}}
    facts = {**record.provenance, "started": started or record.provenance["started"]}
    return replace(record, cell=replace(record.cell, spec=spec), provenance=facts)


def compared(folder: Path, *records: Record) -> derive.Comparison:
    """The comparison of these records."""
    for record in records:
        Store(folder).write(record)
    return derive.compare(frame.read(folder))


def test_edited_data_make_another_task(synthetic: ModuleType, tmp_path: Path) -> None:
    """One model on the old file and one on the edited file are not ranked together, nor called measured again."""
    one, two = (synthetic.task_record(model, "topic", documents=20)[0] for model in ("mini-neox", "mini-gptj"))
    found = compared(
        tmp_path / "s",
        changed(one, "workload", fingerprint=DATA_A),
        changed(two, "workload", fingerprint=DATA_B),
    )
    assert list(found.tasks["task"]) == ["topic (data 3fa2)", "topic (data 77c1)"]
    assert found.tasks["shared"].tolist() == [False, False]
    assert found.notes == ()


def test_data_that_all_were_measured_on_have_no_variant(synthetic: ModuleType, tmp_path: Path) -> None:
    """Once every model was measured on the edited file, the older records are superseded and the name is plain."""
    one, two = (synthetic.task_record(model, "topic", documents=20)[0] for model in ("mini-neox", "mini-gptj"))
    found = compared(
        tmp_path / "s",
        changed(one, "workload", fingerprint=DATA_A),
        changed(one, "workload", fingerprint=DATA_B, started="2026-02-02T00:00:00Z"),
        changed(two, "workload", fingerprint=DATA_B),
    )
    assert list(found.tasks["task"]) == ["topic"]
    assert found.notes == ("Older records of cells that were measured again: 1. They are not shown.",)


def test_older_records_are_superseded_across_studies(synthetic: ModuleType, tmp_path: Path) -> None:
    """Two folders read together: of one cell on changed data only the newest counts."""
    record, _ = synthetic.task_record("mini-neox", "topic", documents=20)
    Store(tmp_path / "a").write(changed(record, "workload", fingerprint=DATA_A))
    Store(tmp_path / "b").write(
        changed(record, "workload", fingerprint=DATA_B, started="2026-02-02T00:00:00Z"),
    )
    found = derive.compare(frame.read([tmp_path / "a", tmp_path / "b"]))
    assert (list(found.tasks["task"]), len(found.scores)) == (["topic"], 1)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("max_new_tokens", (None, 16), {"topic (max_new_tokens default)", "topic (max_new_tokens 16)"}),
        ("limit", (None, 20), {"topic (limit all)", "topic (limit 20)"}),
        ("metrics", (["acc"], ["acc_norm", "acc"]), {"topic (metrics acc)", "topic (metrics acc_norm)"}),
        ("metrics", (["acc"], ["acc", "acc_norm"]), {"topic"}),
        ("data", ({"template": "{a}"}, {"template": "{b}"}), {"topic (template {a})", "topic (template {b})"}),
    ],
)
def test_settings_of_a_task_that_differ_are_named(
    synthetic: ModuleType, tmp_path: Path, name: str, values: tuple[Any, Any], expected: set[str]
) -> None:
    """Every setting that changes what is scored tells tasks apart; secondary metrics change nothing."""
    one, two = (synthetic.task_record(model, "topic", documents=20)[0] for model in ("mini-neox", "mini-gptj"))
    records = [changed(r, "workload", **{name: value}) for r, value in zip((one, two), values, strict=True)]
    found = compared(tmp_path / "s", *records)
    assert set(found.tasks["task"]) == expected


def test_long_settings_are_named_by_a_digest(synthetic: ModuleType, tmp_path: Path) -> None:
    """Templates of a line and more do not flood a heading."""
    one, two = (synthetic.task_record(model, "topic", documents=20)[0] for model in ("mini-neox", "mini-gptj"))
    templates = [{"template": text * 30} for text in ("{a} ", "{b} ")]
    records = [changed(r, "workload", data=data) for r, data in zip((one, two), templates, strict=True)]
    names = compared(tmp_path / "s", *records).tasks["task"]
    assert [len(name) for name in names] == [len("topic (template 0000)")] * 2


def test_probes_with_other_batches_are_points_of_one_probe(synthetic: ModuleType, tmp_path: Path) -> None:
    """Both batches are rows of the probe's table; the leaderboard shows the one that most have, and says which."""
    records = [synthetic.probe_record(model) for model in ("mini-neox", "mini-gptj")]
    found = compared(
        tmp_path / "s",
        *(changed(r, "workload", batch=batch) for r in records for batch in (4, 16)),
        changed(synthetic.probe_record("mini-gpt2-s"), "workload", batch=16),
    )
    (table,) = efficiency_tables.probes(found.efficiency, list(found.entries["entry"]))
    assert [row[1].text for row in table.rows] == ["4", "4", "16", "16", "16"]
    board = tables.leaderboard(found)
    assert "of the probe decode at batch 16, prompt 128, new 32;" in " ".join(board.notes)
    assert not any("measured again" in note for note in board.notes)
    assert set(derive.speed_of(found, "decode_tok_s")["task"]) == {"decode"}
    assert len(derive.speed_of(found, "decode_tok_s")) == 3


def test_the_first_of_equally_common_points_is_shown(synthetic: ModuleType, tmp_path: Path) -> None:
    """Batch 4 comes before batch 16; an entry without it has no value there."""
    one, two = synthetic.probe_record("mini-neox"), synthetic.probe_record("mini-gptj")
    found = compared(tmp_path / "s", changed(one, "workload", batch=4), changed(two, "workload", batch=16))
    assert list(derive.speed_of(found, "ttft").index) == ["mini-neox"]


def test_the_first_of_equally_common_probes_is_shown(synthetic: ModuleType, tmp_path: Path) -> None:
    """Settings that are no axis of a grid still tell probes apart."""
    one, two = synthetic.probe_record("mini-neox"), synthetic.probe_record("mini-gptj")
    found = compared(tmp_path / "s", changed(one, "workload", repeats=4), changed(two, "workload", repeats=16))
    assert derive.probe_of(found, "ttft") == "decode (repeats 4)"


@pytest.mark.parametrize("name", ["batch", "threads"])
def test_device_settings_that_differ_make_two_entries(synthetic: ModuleType, tmp_path: Path, name: str) -> None:
    """One model with another batch or number of threads is another entry."""
    record, _ = synthetic.task_record("mini-neox", "topic", documents=20)
    found = compared(tmp_path / "s", *(changed(record, "device", **{name: number}) for number in (1, 8)))
    assert set(found.entries["entry"]) == {f"mini-neox ({name} 1)", f"mini-neox ({name} 8)"}


def test_what_the_device_implies_is_not_repeated(synthetic: ModuleType, tmp_path: Path) -> None:
    """Two machines with different threads: the machine's name tells them apart."""
    record, _ = synthetic.task_record("mini-neox", "topic", documents=20)
    found = compared(
        tmp_path / "s",
        changed(record, "device", slug="a", threads=1),
        changed(record, "device", slug="b", threads=8),
    )
    assert set(found.entries["entry"]) == {"mini-neox (a)", "mini-neox (b)"}


def scored(record: Record, **scoring: Any) -> Record:
    """The record, scored in a way of its own."""
    spec = {**record.cell.spec, "scoring": {"_target_": "harness.scoring.options.Scoring", **scoring}}
    return replace(record, cell=replace(record.cell, spec=spec))


def test_another_way_of_scoring_is_another_entry(synthetic: ModuleType, tmp_path: Path) -> None:
    """Two ways of scoring one model are compared with each other; its probe, which has none, keeps the plain name."""
    task, _ = synthetic.task_record("mini-neox", "topic", documents=20)
    probe = synthetic.probe_record("mini-neox")
    ways = [scored(task, layout="auto", screened=screened) for screened in (False, True)]
    found = compared(tmp_path / "s", *ways, probe)
    assert sorted(found.scores["entry"]) == ["mini-neox (screened false)", "mini-neox (screened true)"]
    assert set(found.speeds.loc[found.speeds["kind"] == "probe", "entry"]) == {"mini-neox"}
    assert found.notes == ()
    alone = compared(tmp_path / "alone", ways[1], probe)
    assert set(alone.scores["entry"]) | set(alone.speeds["entry"]) == {"mini-neox"}
