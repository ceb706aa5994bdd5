"""Records become tidy frames without losing or inventing anything."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from harness import analysis
from harness.analysis import frame
from harness.records import Record
from harness.store import Store

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def test_one_row_is_one_value(study: Path) -> None:
    """As many rows as the records hold measurements, each value as it was written."""
    written = [m for _, r in Store(study).records() if isinstance(r, Record) for m in r.measurements]
    found = analysis.load(study)
    assert len(found) == len(written)
    assert sorted(found["value"]) == sorted(m.value for m in written)
    assert list(found.columns) == [*frame.LABELS, *frame.NUMBERS, "ci_lo", "ci_hi", "ci_method"]


def test_failed_cells_are_rows_of_cells(study: Path) -> None:
    """A failure is data: its reason is a column, its settings are those of its siblings."""
    cells = analysis.cells(study).set_index(["model", "workload"])
    assert len(cells) == 48
    assert cells.loc[("mini-gpt2-l", "story_question"), "status"] == "oom"
    assert cells.loc[("mini-gptj", "continue_list"), "dtype"] == "float32"
    assert "chat template" in cells.loc[("mini-gptj", "continue_list"), "error"]


def test_the_primary_metric_is_the_first_declared_one(study: Path) -> None:
    """Exactly one primary value per measured task cell, none per probe."""
    found = analysis.load(study)
    primary = found[found["primary"]]
    assert set(primary["metric"]) == {"acc", "exact_match", "bits_per_byte"}
    assert primary.groupby("cell").size().eq(1).all()
    assert len(primary) == 40


def test_unreadable_files_are_reported_with_a_reason(study: Path) -> None:
    """A foreign file and half a record are named, and nothing else is."""
    found = frame.unreadable(study).set_index("file")["reason"]
    assert len(found) == 2
    assert "not a record" in found["records/cpu-example-2/notes.json"]
    assert "not JSON" in found["records/cpu-example-2/mini-gptj.decode.half.json"]


def test_samples_carry_cell_model_and_workload(study: Path) -> None:
    """One row per document and model, joined with what it belongs to."""
    found = analysis.samples(study)
    assert len(found) == 40 * 250 - 6 * 250 + 6 * 60
    assert {"cell", "model", "workload", "item_id", "metric:acc"} <= set(found.columns)


def test_a_damaged_sample_file_leaves_the_rest(synthetic: ModuleType, tmp_path: Path) -> None:
    """Samples that cannot be read are left out; the numbers stay."""
    folder = synthetic.build(tmp_path / "s", documents=5, models=("mini-gpt2-s",))
    victim = next((folder / "samples").glob("**/*topic*"))
    victim.write_bytes(b"PAR1 cut")
    assert "topic" not in set(analysis.samples(folder)["workload"])
    assert "topic" in set(analysis.load(folder)["workload"])


def test_several_studies_are_one_frame(study: Path, small: Path) -> None:
    """A list of studies is told apart by the column `study`."""
    found = analysis.cells([study, small])
    assert found.groupby("study").size().to_dict() == {"golden": 24, "quickstart": 48}


def test_a_missing_study_names_the_nearest(study: Path) -> None:
    """A misspelt study is answered with the one that was meant."""
    with pytest.raises(ValueError, match="did you mean 'quickstart'"):
        analysis.load(study.parent / "quickstrat")


def test_reading_needs_no_torch() -> None:
    """Nothing of the measuring half is imported, and the settings import nothing heavy at all."""
    code = (
        "import sys, harness.analysis, harness.analysis.settings; assert 'pandas' not in sys.modules; "
        "from harness.analysis import report, terminal; "
        "assert not {'torch', 'transformers', 'lm_eval', 'hydra'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
