"""Figures say what the data says, and can be read."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import matplotlib as mpl
import pytest
from matplotlib.text import Annotation

from harness.analysis import derive, drawing, figures, findings, frame
from harness.analysis.current import current
from harness.analysis.palette import FAMILIES, looks

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from matplotlib.figure import Figure


def every(folder: Path) -> tuple[drawing.Drawing, ...]:
    """The figures of a study."""
    read = current(frame.read(folder))
    comparison = derive.compare(read)
    return figures.draw(comparison, found=findings.find(read, comparison, frame.documents(folder)))


@pytest.fixture(scope="module")
def drawn(small: Path) -> dict[str, drawing.Drawing]:
    """The figures of three models by name; drawing them changes no global setting."""
    before = dict(mpl.rcParams)
    found = {d.name: d for d in every(small)}
    assert dict(mpl.rcParams) == before
    return found


def test_labels_do_not_overlap() -> None:
    """Twelve crowded points get labels that keep apart."""
    with drawing.style():
        canvas = drawing.figure(3.3)
        axes = canvas.subplots()
        points = [(1 + 0.8 * (i % 4), 1 + 0.9 * (i // 4)) for i in range(12)]
        axes.plot([x for x, _ in points], [y for _, y in points], "o")
        axes.margins(0.2)
        axes.lines[0].remove()
        drawing.settle(canvas)
        drawing.label_points(axes, points, [f"model-{i}" for i in range(12)])
        boxes = _boxes(canvas)
    assert len(boxes) == 12
    assert not [1 for a, b in itertools.combinations(boxes, 2) if a.overlaps(b)]


def _boxes(canvas: Figure) -> list:
    texts = [child for child in canvas.axes[0].get_children() if isinstance(child, Annotation)]
    return [text.get_window_extent() for text in texts]


def test_one_look_per_model(study: Path) -> None:
    """Colour by family, the largest in the family's own colour, no two entries alike."""
    found = looks(derive.compare(frame.read(study)).entries)
    assert found["mini-gpt2-l"].colour == FAMILIES["gpt2"].lower()
    assert len({(look.colour, look.marker) for look in found.values()}) == 6


def test_text_is_text_and_there_is_no_date(drawn: dict[str, drawing.Drawing]) -> None:
    """SVG keeps words as words, so that they can be searched and restyled."""
    svg = drawn["scores"].svg.decode()
    assert "review_sentiment</text>" in svg
    assert "<dc:date>" not in svg


@pytest.mark.parametrize("models", [("mini-gpt2-s",), ("mini-gptneo", "mini-gptj")])
def test_figures_without_a_message_are_not_drawn(
    synthetic: ModuleType, tmp_path: Path, models: tuple[str, ...]
) -> None:
    """One model has no difference and no trade-off to show, two have no matrix, and seven tasks no ranks."""
    folder = synthetic.build(tmp_path / "s", documents=10, models=models)
    names = {d.name for d in every(folder)}
    assert "scores" in names
    assert {"tradeoffs", "forest"} & names == ({"tradeoffs", "forest"} if len(models) > 1 else set())
    assert not {"matrix", "ranks", "noise-floor"} & names
