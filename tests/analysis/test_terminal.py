"""The comparison as text."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from harness.analysis import terminal

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def shown(study: Path, *, width: int, encoding: str = "utf-8", terminal_: bool = False) -> str:
    """What `show` prints at a width."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    terminal.show(study, Console(file=stream, width=width, force_terminal=terminal_))
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_tasks_become_rows_where_models_as_rows_do_not_fit(study: Path) -> None:
    """At 120 columns all six models stand side by side, scores over speeds, with chance and failures."""
    text = shown(study, width=120)
    head = next(line for line in text.splitlines() if line.lstrip().startswith("chance"))
    assert "mini-neox" in head
    row = next(line for line in text.splitlines() if line.startswith("story_question"))
    assert "OOM" in row
    assert "failed | ValueError" in text
    assert "notes.json" in text
    assert max(len(line) for line in text.split("Order:")[0].splitlines()) <= 120


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200, 400])
def test_every_model_is_shown_at_every_width(study: Path, width: int) -> None:
    """Narrow windows get more tables, not fewer models or cut numbers."""
    text = shown(study, width=width)
    assert "…" not in text.split("Order:")[0]
    for number in ("73.6", "66.5", "58.5", "56.8", "51.5", "23.3"):
        assert number in text or width == 0


def test_pipes_get_plain_text(study: Path) -> None:
    """No escape codes; on an ASCII stream nothing but ASCII."""
    assert "\x1b" not in shown(study, width=110)
    text = shown(study, width=110, encoding="ascii")
    assert "+-" in text


def test_windows_get_bold(study: Path) -> None:
    """The best value of a column is bold where the terminal can do it."""
    assert "\x1b[1m" in shown(study, width=110, terminal_=True)


def test_an_empty_study_is_one_line(tmp_path: Path) -> None:
    """Nothing measured: one clear line."""
    (tmp_path / "s").mkdir()
    assert shown(tmp_path / "s", width=100) == "s: no cell has been measured yet\n"


def test_one_model_reads_as_rows(synthetic: ModuleType, tmp_path: Path) -> None:
    """A long hostile name is cut, and markup in it is text."""
    from dataclasses import replace

    from harness.store import Store

    record, samples = synthetic.task_record("mini-neox", "topic", documents=10)
    Store(tmp_path / "s").write(replace(record, cell=replace(record.cell, model="[red]" + "x" * 300)), samples)
    text = shown(tmp_path / "s", width=100)
    assert "[red]" in text
    assert max(len(line) for line in text.splitlines()) < 170


def test_the_table_needs_no_drawing(study: Path) -> None:
    """Showing a study and asking whether its report is up to date import no plotting library."""
    code = (
        "import io, pathlib, sys; from rich.console import Console; from harness.analysis import report, terminal; "
        "study = pathlib.Path(sys.argv[1]); report.up_to_date(study); "
        "terminal.show(study, Console(file=io.StringIO(), width=100)); "
        "assert not {'matplotlib', 'jinja2', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(study)], check=True)


def test_cautions_stand_above_the_table(synthetic: ModuleType, tmp_path: Path) -> None:
    """Another's model with random weights and code of its own on a zoo task: all three are said, as on the page."""
    from dataclasses import replace

    from harness.analysis import frame, problems
    from harness.store import Store

    record, samples = synthetic.task_record("mini-neox", "topic", documents=10)
    spec = {**record.cell.spec, "model": {**record.cell.spec["model"], "source": "gpt2"}}
    subject = {**record.provenance["subject"], "trust_remote_code": True, "weights": "random"}
    facts = {**record.provenance, "subject": subject}
    Store(tmp_path / "s").write(replace(record, cell=replace(record.cell, spec=spec), provenance=facts), samples)
    text = shown(tmp_path / "s", width=100).split("chance")[0]
    for words in ("Miniature models trained", "Random weights", "trust_remote_code"):
        assert words in text
    assert all(caution in text for caution in problems.cautions(frame.read(tmp_path / "s")))
