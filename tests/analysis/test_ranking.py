"""Ranks over tasks: what is ranked, when it is tested, and what the figure and the table say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.analysis import derive, drawing, frame, ranking
from harness.analysis.current import current
from harness.analysis.figures_ranks import critical
from harness.analysis.palette import looks

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def read(folder: Path) -> tuple[derive.Comparison, dict]:
    """A comparison with draws that hardly vary."""
    comparison = derive.compare(current(frame.read(folder)))
    order = list(comparison.entries["entry"])
    known = comparison.scores.set_index(["task", "entry"])["value"]
    noise = 1e-6 * np.random.default_rng(0).standard_normal((50, len(order)))
    return comparison, {
        str(task): np.array([known.get((task, entry), np.nan) for entry in order]) + noise
        for task in comparison.tasks["task"]
    }


def test_under_ten_tasks_ranks_are_shown_and_not_tested(small: Path) -> None:
    """Only shared tasks count; a task where less is better is turned round; the reason stands in the notes."""
    comparison, drawn = read(small)
    found = ranking.of(comparison, drawn)
    assert found is not None
    assert set(found.tasks) == set(comparison.tasks.loc[comparison.tasks["shared"], "task"])
    assert found.tested is None
    row = found.frame.iloc[0]
    assert row["entry"] == "mini-gpt2-l"
    assert (row["lo"] <= row["win_rate"]) & (row["win_rate"] <= row["hi"])
    assert row["win_rate"] == 1.0  # it is first everywhere, on bits per byte as well
    assert "tested from 10 tasks on" in " ".join(ranking.table(found).notes)
    assert critical(found, looks(comparison.entries)) is None


def test_two_entries_are_not_ranked(synthetic: ModuleType, tmp_path: Path) -> None:
    """Two are compared by their difference."""
    folder = synthetic.build(tmp_path / "s", documents=10, models=("mini-gpt2-s", "mini-gpt2-l"))
    assert ranking.of(*read(folder)) is None


def test_from_ten_tasks_on_the_figure_holds_the_critical_difference(
    big: ModuleType, synthetic: ModuleType, tmp_path: Path
) -> None:
    """Eleven tasks: Friedman's test is made, and its numbers stand in table and caption."""
    folder = big.build(synthetic, tmp_path / "s", models=4, tasks=11, documents=60)
    comparison, drawn = read(folder)
    found = ranking.of(comparison, drawn)
    assert found is not None
    assert found.tested is not None
    assert found.tested.means == pytest.approx(tuple(found.frame["mean_rank"]))
    with drawing.style():
        figure = critical(found, looks(comparison.entries))
    assert figure is not None
    assert f"({found.tested.critical:.2f})" in figure.caption
    assert f"chi-square {found.tested.statistic:.1f}" in " ".join(ranking.table(found).notes)
