"""The tidy tables of a study: made from records, written, read back the same."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from harness import analysis
from harness.analysis import derive, frame, tidy
from harness.analysis.columns import TABLES
from harness.records import Record, Status
from harness.store import Store

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.fixture(scope="module")
def written(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of a small study as files."""
    out = tmp_path_factory.mktemp("tables")
    found, documents = frame.read(small), frame.documents(small)
    for name, data in tidy.files(found, documents, tidy.judged(found, documents)).items():
        (out / name).write_bytes(data)
    return out


def test_what_was_written_reads_back_the_same(small: Path, written: Path) -> None:
    """`analysis` gives the same rows from the records as from the tables; CSV and Parquet hold the same ones."""
    order = list(tidy.ORDER)
    live = analysis.load(small).sort_values(order, kind="stable").reset_index(drop=True)
    pd.testing.assert_frame_equal(live, analysis.load(written), check_dtype=False)
    assert len(analysis.samples(written)) == len(analysis.samples(small)) > 0
    pd.testing.assert_frame_equal(analysis.compare(small), analysis.compare(written))
    pd.testing.assert_frame_equal(analysis.timings(small), analysis.timings(written), check_dtype=False)
    for name in ("measurements", "timings", "comparisons"):
        text = pd.read_csv(written / f"{name}.csv", low_memory=False)
        table = pd.read_parquet(written / f"{name}.parquet")
        assert list(text) == list(table)
        assert len(text) == len(table)


def test_a_broken_file_is_refused_on_reading(written: Path, tmp_path: Path) -> None:
    """A table that was edited by hand says which row is wrong."""
    table = pd.read_parquet(written / "measurements.parquet")
    table.loc[4, "unit"] = "MiB"
    table.to_parquet(tmp_path / "measurements.parquet", index=False)
    with pytest.raises(ValueError, match="table measurements, column unit, row 4"):
        analysis.load(tmp_path)


def test_a_folder_that_is_no_study_is_refused(tmp_path: Path, written: Path) -> None:
    """An empty folder, and a folder of tables of which one is missing."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="is no study: it holds neither records nor"):
        analysis.load(tmp_path / "empty")
    (tmp_path / "measurements.parquet").write_bytes((written / "measurements.parquet").read_bytes())
    with pytest.raises(ValueError, match=r"timings\.parquet: no such table; harness report"):
        analysis.timings(tmp_path)


def test_a_study_without_results_has_empty_tables(synthetic: ModuleType, tmp_path: Path) -> None:
    """One failed cell: every table has its columns and no row, from the record and from the files."""
    cell = synthetic.cell("mini-gptj", "topic")
    Store(tmp_path / "failed").write(Record(cell=cell, status=Status.FAILED, error="no memory", provenance={}))
    found, documents = frame.read(tmp_path / "failed"), frame.documents(tmp_path / "failed")
    for name, data in tidy.files(found, documents, tidy.judged(found, documents)).items():
        (tmp_path / name).write_bytes(data)
    for folder in (tmp_path / "failed", tmp_path):
        for name, table in tidy.tables(folder).items():
            assert not len(table)
            assert {key for key, column in TABLES[name].columns.items() if not column.optional} <= set(table)


def test_several_studies_are_one_frame(small: Path, study: Path, written: Path) -> None:
    """From records and from tables alike."""
    both = analysis.load([small, study])
    assert set(both["study"]) == {small.name, study.name}
    mixed = analysis.load([study, written])
    assert len(mixed) == len(both)


def test_intervals_are_those_of_the_report(small: Path) -> None:
    """Wilson's for right or wrong, as the leaderboard has them; none where there is no error."""
    numbers = analysis.load(small)
    shown = derive.compare(frame.read(small)).scores.set_index("cell")
    for row in numbers[numbers["primary"]].itertuples():
        assert (row.ci_lo, row.ci_hi) == pytest.approx((shown.loc[row.cell, "lo"], shown.loc[row.cell, "hi"]))
    assert set(numbers.loc[numbers["metric"] == "acc", "ci_method"]) == {"wilson"}
    assert numbers.loc[numbers["ci_method"] == "", ["ci_lo", "ci_hi"]].isna().all(axis=None)


def test_timings_hold_every_token(grids: ModuleType, tmp_path: Path) -> None:
    """One row per repeat and metric, and one per gap between tokens, numbered from 1."""
    study = grids.write(tmp_path / "grid", *grids.grid("gpt2", replicates=2))
    table = analysis.timings(study)
    gaps = table[table["metric"] == "gap"]
    facts = analysis.cells(study).set_index("cell")["probe_facts"]
    for cell, rows in list(gaps.groupby("cell"))[:3]:
        steps = facts[cell]["steps"]["itl"]
        ordered = rows.sort_values(["repeat", "token"])["value"].to_numpy()
        assert ordered.reshape(len(steps), -1) == pytest.approx(np.array(steps))
        assert rows["token"].min() == 1
    assert len(gaps) > 0
    assert table.loc[table["metric"] != "gap", "token"].isna().all()
    assert "bound_s" not in set(table["metric"])


def test_the_mean_over_tasks_is_compared_too(small: Path) -> None:
    """The last rows of the comparisons are of the means."""
    pairs = analysis.compare(small)
    assert (pairs["task"] == "mean over tasks").any()


def test_csv_writes_lists_as_json() -> None:
    """A reader without Parquet can parse them."""
    table = pd.DataFrame(
        {"item_id": ["a"], "prompt": ["long"], "logprobs": [np.array([-1.5, -2.0])], "tokens": [[1, 2]]}
    )
    back = pd.read_csv(io.BytesIO(tidy.csv(table)))
    assert list(back) == ["item_id", "logprobs", "tokens"]
    assert back["logprobs"][0] == "[-1.5, -2.0]"
    assert back["tokens"][0] == "[1, 2]"


def test_two_runs_write_the_same_bytes(small: Path, written: Path) -> None:
    """Nothing in the files depends on when or in which order they were made."""
    found, documents = frame.read(small), frame.documents(small)
    again = tidy.files(found, documents, tidy.judged(found, documents))
    assert all((written / name).read_bytes() == data for name, data in again.items())
