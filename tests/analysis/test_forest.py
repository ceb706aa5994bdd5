"""Differences from a baseline: whose family, which way round, and what the figure says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from harness.analysis import comparisons, derive, drawing, forest, frame
from harness.analysis.comparisons import MEAN
from harness.analysis.current import current
from harness.analysis.figures_forest import forest as drawn
from harness.analysis.figures_matrix import matrix
from harness.analysis.palette import looks

if TYPE_CHECKING:
    from pathlib import Path

    from harness.analysis.comparisons import Judged
    from harness.analysis.derive import Comparison

Read = tuple["Judged", "Comparison"]


@pytest.fixture(scope="module")
def read(small: Path) -> Read:
    """Three models on seven tasks."""
    study = current(frame.read(small))
    comparison = derive.compare(study)
    return comparisons.judged(study, comparison, frame.documents(small)), comparison


def test_a_baseline_that_the_data_chose_keeps_the_verdicts_of_all_pairs(read: Read) -> None:
    """The best of three was compared with all: choosing it afterwards makes no smaller family."""
    judged, comparison = read
    found = forest.of(judged, comparison)
    assert found is not None
    assert (found.baseline, found.named) == (comparison.entries["entry"].iloc[0], False)
    assert found.tests == (len(judged.frame), len(judged.means))
    rows = found.frame.set_index(["entry", "task"])
    for row in judged.frame[judged.frame["a"] == found.baseline].itertuples(index=False):
        mine = rows.loc[row.b, row.task]
        assert (mine["diff"], mine["ci_lo"], mine["p_holm"]) == (-row.diff, -row.ci_hi, row.p_holm)
        assert mine["verdict"] == {"better": "worse", "worse": "better"}.get(row.verdict, row.verdict)


def test_a_named_baseline_is_a_smaller_family(read: Read) -> None:
    """Fewer tests, smaller adjusted p-values, the same differences; the mean comes first."""
    judged, comparison = read
    found = forest.of(judged, comparison, baseline="mini-gptj")
    assert found is not None
    assert found.named
    assert found.tests == (len(found.frame) - 2, 2)
    assert found.tests[0] < len(judged.frame)
    assert list(found.frame["task"].iloc[:2]) == [MEAN, MEAN]
    pairs = judged.frame[(judged.frame["a"] == "mini-gptj") | (judged.frame["b"] == "mini-gptj")]
    mine = found.frame[found.frame["task"] != MEAN]
    assert sorted(mine["diff"].abs()) == pytest.approx(sorted(pairs["diff"].abs()))
    assert mine["p_holm"].sum() < pairs["p_holm"].sum()


def test_a_baseline_that_is_not_there_is_not_named(read: Read) -> None:
    """An unknown name falls back on the first of the leaderboard."""
    assert forest.named(read[1], "nobody") == forest.named(read[1], None) == ""
    found = forest.of(*read, baseline="nobody")
    assert found is not None
    assert not found.named


def test_the_figure_says_who_chose_the_baseline_and_holds_every_difference(read: Read) -> None:
    """Caption and data agree with the frame, for panels and for the map of many tasks."""
    judged, comparison = read
    found = forest.of(judged, comparison, baseline="mini-gptj")
    assert found is not None
    marks = looks(comparison.entries)
    with drawing.style():
        panels = drawn(found, marks)
        many = [found.frame.assign(task=[f"{task} {k}" if task != MEAN else task for task in found.frame["task"]])
                for k in range(3)]  # fmt: skip
        wide = forest.Forest(**{**vars(found), "frame": pd.concat(many).drop_duplicates(["entry", "task"])})
        mapped = drawn(wide, marks)
    assert panels is not None
    assert mapped is not None
    assert "as the settings ask" in panels.caption
    assert "a family of its own" in panels.caption
    pd.testing.assert_frame_equal(panels.data, found.frame)
    assert "Map:" in mapped.caption
    assert b"agreement 2</text>" in mapped.svg


def test_the_matrix_shows_every_pair_twice(read: Read) -> None:
    """Row minus column: each difference with both signs, and its verdict from both sides."""
    judged, comparison = read
    with drawing.style():
        found = matrix(judged, comparison)
    assert found is not None
    text = found.svg.decode()
    for diff in judged.means["diff"]:
        assert f"{100 * diff:+.1f}" in text
        assert f"{-100 * diff:+.1f}" in text
