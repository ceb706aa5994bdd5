"""Confidence of whole studies: what is read of options, who is honest, and what stands in tables and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from harness.analysis import calibration, confidence, confidence_tables, derive, drawing, frame
from harness.analysis.current import current
from harness.analysis.figures_calibration import reliability, risk
from harness.analysis.palette import looks

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.fixture(scope="module")
def folder(big: ModuleType, synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models on four tasks, three of them with options, 300 documents each."""
    place = tmp_path_factory.mktemp("results") / "big"
    return big.build(synthetic, place, models=3, tasks=5, documents=300)


@pytest.fixture(scope="module")
def read(folder: Path) -> tuple[derive.Comparison, confidence.Confidence]:
    """Its comparison and its confidence."""
    study = current(frame.read(folder))
    comparison = derive.compare(study)
    found = confidence.measure(study, comparison, frame.documents(folder, texts=False))
    assert found is not None
    return comparison, found


def documents(**changes: list) -> pa.Table:
    """Two documents with three options and two."""
    columns = {"options": [[" a", "b", "c"], ["x", "y"]], "logprobs": [[-1.0, -2.0, -3.0], [-1.0, -0.5]],
               "gold": ["a ", "y"], **changes}  # fmt: skip
    return pa.table(columns)


def test_options_are_read_whatever_their_number() -> None:
    """Spaces do not matter; where there are fewer options the rest is impossible."""
    found = confidence.options(documents())
    assert found is not None
    table, gold = found
    assert table.tolist() == [[-1.0, -2.0, -3.0], [-1.0, -0.5, -np.inf]]
    assert gold.tolist() == [0, 1]
    padded = calibration.padded([[-1.0, -2.0, -3.0], [-1.0, -0.5]])
    assert calibration.probabilities(table).tolist() == calibration.probabilities(padded).tolist()


@pytest.mark.parametrize(
    "changes",
    [{"gold": ["z", "y"]}, {"logprobs": [[-1.0, -2.0], [-1.0, -0.5]]}, {"options": [["a"], ["x", "y"]]},
     {"logprobs": [[], []]}, {"logprobs": [[float("nan"), -2.0, -3.0], [-1.0, -0.5]]}],
)  # fmt: skip
def test_what_is_not_known_of_every_document_is_left_out(changes: dict) -> None:
    """No right option, an option without a log-likelihood, a single option: nothing is made up."""
    assert confidence.options(documents(**changes)) is None


def test_rows_are_what_the_functions_say(folder: Path, read: tuple) -> None:
    """One row per entry and task with options, equal to what one computes from its documents."""
    comparison, found = read
    kinds = comparison.tasks.set_index("task")["kind"]
    assert set(found.tasks["task"]) == {t for t, kind in kinds.items() if kind in confidence.KINDS}
    assert len(found.tasks) == 3 * found.tasks["task"].nunique()
    row = found.tasks.iloc[0]
    texts = frame.samples(folder)
    cell = comparison.scores.set_index(["entry", "task"]).loc[(row["entry"], row["task"]), "cell"]
    own = texts[texts["cell"] == cell]
    table = calibration.padded(own["logprobs"].tolist())
    gold = np.array([list(o).index(g) for o, g in zip(own["options"], own["gold"], strict=True)])
    sure, right = calibration.confident(calibration.probabilities(table), gold)
    assert (row["n"], row["accuracy"], row["confidence"]) == pytest.approx((300, right.mean(), sure.mean()))
    assert row["ece"] == pytest.approx(calibration.expected_error(sure, right).value)
    assert row["nll"] == pytest.approx(calibration.nll(calibration.probabilities(table), gold).mean())
    assert (found.tasks["p_holm"] >= found.tasks["p"]).all()


def test_tables_and_sentence_count_what_is_off(read: tuple) -> None:
    """The sentence names as many pairs as rows with an adjusted p-value below 5 %; the summary is the mean."""
    _, found = read
    off = int((found.tasks["p_holm"] < 0.05).sum())
    assert off > 0
    assert f"on {off} of {len(found.tasks)} pairs" in confidence_tables.lead(found)
    (summary,), (each,) = confidence_tables.tables(found)
    assert len(each.rows) == len(found.tasks)
    numbers = summary.frame().set_index("model")
    own = found.tasks.groupby("entry")["ece"].mean()
    assert numbers["ece"].to_dict() == pytest.approx(own.to_dict())


def test_figures_have_a_panel_or_a_line_per_entry(read: tuple) -> None:
    """Every entry is named; shares of the histogram add to one; the last risk is the error rate."""
    comparison, found = read
    marks = looks(comparison.entries)
    with drawing.style():
        drawn = reliability(found, marks), risk(found, marks)
    for one in drawn:
        assert all(f">{name}</text>" in one.svg.decode() for name in marks)
    assert found.shares.groupby("entry")["share"].sum().tolist() == pytest.approx([1.0] * 3)
    last = found.risks[found.risks["coverage"] == 1.0].set_index("entry")["risk"]
    right = found.tasks.groupby("entry")["accuracy"].mean()
    assert last.to_dict() == pytest.approx((1 - right).to_dict())
