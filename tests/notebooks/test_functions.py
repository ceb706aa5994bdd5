"""What notebooks call beside the tables: figures with their captions, frames of speed and of robustness."""

from __future__ import annotations

import base64
import re
import runpy
from pathlib import Path

import pandas as pd
import pytest

from harness import analysis
from harness.analysis.drawing import Drawing
from harness.analysis.picture import Picture

DATA = Path(__file__).parents[1] / "data"


def test_a_picture_is_one_image_and_its_caption() -> None:
    """Names from models are escaped; the drawing is inside, so that nothing is loaded and no ids clash."""
    data = pd.DataFrame({"value": [1.0]})
    drawing = Drawing(name="scores", title="<b>", caption="a < b & c", svg=b"<svg/>", png=b"", data=data)
    shown = Picture(drawing=drawing)._repr_html_()
    assert "a &lt; b &amp; c" in shown
    assert 'alt="&lt;b&gt;"' in shown
    encoded = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', shown)
    assert encoded is not None
    assert base64.b64decode(encoded[1]) == b"<svg/>"
    assert Picture(drawing=drawing).data is data


def test_profile_gives_the_frames_of_probes(tmp_path: Path) -> None:
    """One call from a folder to times with intervals."""
    grids = runpy.run_path(str(DATA / "grids.py"))
    study = grids["write"](tmp_path / "grid", *grids["grid"]("gpt2", replicates=2))
    points = analysis.profile(study).points
    assert set(points["batch"]) == {1, 8}
    assert (points["lo"] <= points["median"])[points["lo"].notna()].all()
    assert analysis.stress(study) is None


@pytest.mark.slow
def test_draw_gives_every_figure_of_the_report_by_name(tmp_path: Path) -> None:
    """Those of quality, of speed and of robustness."""
    assert {"scores", "speeds", "tradeoffs"} <= set(analysis.draw(analysis.example("quickstart", into=tmp_path)))
    assert "robustness-severity" in analysis.draw(analysis.example("robustness", into=tmp_path))
    assert "noise-floor" in analysis.draw(analysis.example("efficiency", into=tmp_path))
