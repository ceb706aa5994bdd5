"""The report of a large study: twenty models on twenty tasks of a thousand documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.analysis import report

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.mark.slow
def test_a_large_study_is_one_small_page(big: ModuleType, synthetic: ModuleType, tmp_path: Path) -> None:
    """Under three megabytes, with a row per model and every pair judged; and again the same bytes."""
    folder = big.build(synthetic, tmp_path / "big")
    places = report.build(folder)
    assert places.html is not None
    first = places.html.read_bytes()
    assert len(first) < 3_000_000
    pairs = (places.folder / "tables" / "comparisons.csv").read_text(encoding="utf-8").splitlines()
    assert len(pairs) == 1 + 20 * 190
    assert {"forest.svg", "matrix.svg", "ranks.svg", "heatmap.svg", "scaling.svg", "reliability.svg"} <= {
        path.name for path in (places.folder / "figures").iterdir()
    }
    report.build(folder)
    assert places.html.read_bytes() == first
