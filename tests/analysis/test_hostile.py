"""Studies that would like to break their report: it is sound, says what is missing, and claims nothing."""

from __future__ import annotations

import re
import runpy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.analysis import report
from harness.analysis.settings import ReportSettings
from harness.records import Status
from harness.store import Store

if TYPE_CHECKING:
    from types import ModuleType

NAMES = ("<script>alert(1)</script>", "../../モデル a'b\"c & <b>d</b> ñ 🙂 {{ 7*7 }}", "x" * 300)
TASKS = ("task \"with\" 'quotes'", "t" * 300)
SECRET = "</td></table><script>alert(2)</script> {% raw %} \u202e{{ config }}"
Parsed: Any = runpy.run_path(str(Path(__file__).parents[1] / "data" / "parsed.py"))["Parsed"]


def hostile(synthetic: ModuleType, folder: Path, *, names: tuple[str, ...] = NAMES, documents: int = 6) -> Path:
    """A study of models and tasks with such names, on documents with such texts."""
    for index, name in enumerate(names):
        for task in TASKS:
            record, samples = synthetic.task_record(list(synthetic.MODELS)[index], "topic", documents=documents)
            cell = replace(record.cell, model=name, workload=task)
            texts = [replace(s, prompt=f"{s.prompt}\n{SECRET}", pred=f"{s.pred} {SECRET}") for s in samples]
            Store(folder).write(replace(record, cell=cell, warnings=(SECRET,)), texts)
    return folder


def built(folder: Path, settings: ReportSettings | None = None) -> tuple[str, str, Any]:
    """The report as HTML, as Markdown, and parsed."""
    places = report.build(folder, settings or ReportSettings())
    assert places.html is not None
    assert places.markdown is not None
    text = places.html.read_text(encoding="utf-8")
    return text, places.markdown.read_text(encoding="utf-8"), Parsed(text)


def test_names_and_texts_are_text(synthetic: ModuleType, tmp_path: Path) -> None:
    """Neither a model, a task, a prompt nor an answer becomes markup; the page has one script; files stay at home."""
    text, markdown, parsed = built(hostile(synthetic, tmp_path / "s"), ReportSettings(title=SECRET, about=SECRET))
    assert parsed.faults == []
    assert len(parsed.all("script")) == 1
    assert not parsed.all("b") or all("alert" not in str(attrs) for attrs in parsed.all("b"))
    assert "<script" not in markdown
    assert "\u202e" not in text + markdown
    assert "{{ 7*7 }}" in text
    assert text.count("\n<tr") >= len(NAMES)
    assert len(text) < 3_000_000
    assert {path.name for path in tmp_path.iterdir()} == {"s"}
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"records", "samples", "report"}


@pytest.mark.slow
def test_two_models_on_one_document(synthetic: ModuleType, tmp_path: Path) -> None:
    """One document tells nothing apart: a sound page in which nobody is called better."""
    text, _, parsed = built(hostile(synthetic, tmp_path / "s", names=("a", "b"), documents=1))
    assert parsed.faults == []
    assert not re.search(r"\b(nan|NaN|None|NaT|inf)\b", re.sub(r"<svg.*?</svg>|href=\"data:[^\"]*\"", "", text))
    assert "better than" not in text


def test_a_score_that_is_no_number(synthetic: ModuleType, tmp_path: Path) -> None:
    """A cell without its primary number is a word and a reason, never `nan`."""
    for model in ("a", "b"):
        record, samples = synthetic.task_record("mini-gptj", "topic", documents=4)
        numbers = tuple(m for m in record.measurements if model == "b" or m.metric == "seconds")
        cell = replace(record.cell, model=model)
        Store(tmp_path / "s").write(replace(record, cell=cell, measurements=numbers), samples)
    text, markdown, parsed = built(tmp_path / "s")
    assert parsed.faults == []
    for shown in (re.sub(r"<svg.*?</svg>|href=\"data:[^\"]*\"", "", text), markdown):
        assert not re.search(r"\b(nan|NaN|None|NaT|inf)\b", shown)
        assert "no score" in shown


def test_all_failed(synthetic: ModuleType, tmp_path: Path) -> None:
    """Every cell failed with a hostile reason: the page lists the reasons and nothing else."""
    for model in NAMES:
        record, _ = synthetic.task_record("mini-gptj", "continue_list")
        cell = replace(record.cell, model=model)
        Store(tmp_path / "s").write(replace(record, cell=cell, status=Status.FAILED, error=SECRET))
    text, _, parsed = built(tmp_path / "s")
    assert parsed.faults == []
    assert "3 of 3 cells have no result" in text
    assert not parsed.all("figure")
