"""The notebooks: they run from an empty folder, import the reading half only, and are built from their sources."""

from __future__ import annotations

import ast
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
SOURCES = sorted(FOLDER.glob("[0-9]*.py"))
ALLOWED = {"harness.analysis", "pandas", "numpy", "matplotlib.pyplot"}

each = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def test_there_are_five() -> None:
    """One model, several, robustness, efficiency, one's own data."""
    assert [path.stem for path in SOURCES] == [
        "01_one_model", "02_compare", "03_robustness", "04_efficiency", "05_your_own_data",
    ]  # fmt: skip


@each
def test_they_import_the_reading_half_only(source: Path) -> None:
    """`harness.analysis` and what tables and pictures need."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            found |= {f"harness.{alias.name}" for alias in node.names} if node.module == "harness" else {node.module}
    assert {name for name in found if name not in ALLOWED and not name.startswith("harness.analysis.")} == set()
    assert "harness.analysis" in found


@pytest.mark.parametrize(
    "source",
    [pytest.param(path, marks=[] if path.stem == "05_your_own_data" else pytest.mark.slow) for path in SOURCES],
    ids=lambda path: path.stem,
)
def test_they_run_as_plain_scripts(source: Path, tmp_path: Path) -> None:
    """In an empty folder, with nothing but the package, without a display; torch is never imported."""
    code = (
        "import runpy, sys\n"
        f"runpy.run_path({str(source)!r})\n"
        "assert not {'torch', 'transformers', 'lm_eval'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["examples"]


@each
def test_the_notebooks_are_those_of_their_sources(source: Path) -> None:
    """`python notebooks/build.py` was run, and no output was committed."""
    pytest.importorskip("jupytext", reason="the extra `notebooks` is not installed: no jupytext")
    pytest.importorskip("nbformat", reason="the extra `notebooks` is not installed: no nbformat")
    import nbformat

    built = runpy.run_path(str(FOLDER / "build.py"))["notebook"](source)
    written = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert written == built
    assert all(not cell.get("outputs") for cell in written.cells)


@pytest.mark.slow
@each
def test_they_run_as_notebooks(source: Path, tmp_path: Path) -> None:
    """Every cell ends well, tables and figures are shown, nothing is printed on stderr."""
    for name in ("jupytext", "nbformat", "nbclient", "ipykernel"):
        pytest.importorskip(name, reason=f"the extra `notebooks` is not installed: no {name}")
    made = runpy.run_path(str(FOLDER / "build.py"))["execute"](source, tmp_path)
    outputs = [output for cell in made.cells for output in cell.get("outputs", [])]
    assert any("text/html" in output.get("data", {}) for output in outputs)
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []
